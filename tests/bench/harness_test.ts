/**
 * What benches compute from what they took.
 *
 * @module
 */

import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Case, interleave, median, openLoop, quantile, rate, timed } from "../../bench/harness.ts";
import type { Tree } from "../../bench/tree.ts";

/** A case that gives one list of values after another, and writes down when it was asked. */
function scripted(name: string, rounds: readonly number[][], extra: Partial<Case> = {}, log: string[] = []): Case {
  const left = [...rounds];
  return {
    name,
    measure: () => {
      log.push(name);
      return Promise.resolve(left.shift() ?? []);
    },
    ...extra,
  };
}

const work = { base: false } as Tree;
const base = { base: true } as Tree;

describe("quantile()", () => {
  it("finds the value below which a share of all is, whatever their order", () => {
    const values = Array.from({ length: 100 }, (_, index) => (index * 37) % 100);
    assertEquals(quantile(values, 0.5), 50);
    assertEquals(quantile(values, 0.99), 99);
    assertEquals(quantile(values, 0), 0);
    assertEquals(quantile(values, 1), 99);
  });

  it("leaves its values as they were, and has none for nothing", () => {
    const values = [3, 1, 2];
    assertEquals(median(values), 2);
    assertEquals(values, [3, 1, 2]);
    assert(Number.isNaN(median([])));
  });
});

describe("interleave()", () => {
  it("takes the cases in turn, forwards and backwards, and forgets what was for warming up", async () => {
    const log: string[] = [];
    const one = scripted("one", [[100], [1], [3]], {}, log);
    const other = scripted("other", [[100], [5], [5]], {}, log);
    const [figure] = await interleave([one, other], { rounds: 2, warmUp: 1 });
    assertEquals(log, ["other", "one", "one", "other", "other", "one"]);
    assertEquals(figure, { name: "one", unit: "ms", samples: 2, value: 3 });
  });

  it("compares round by round: a slow moment that hits both changes nothing", async () => {
    const floor = scripted("floor", [[1], [10], [1]]);
    const call = scripted("call", [[1.2], [12], [1.2]], { to: "floor", goal: { atMost: 1.3 } });
    const [, figure] = await interleave([floor, call], { rounds: 3, warmUp: 0 });
    assertAlmostEquals(figure!.ratio!, 1.2);
    assertEquals(figure!.met, true);
  });

  it("says that a goal is not met, from above, from below, and of the 99th percentile", async () => {
    const hundred = Array.from({ length: 100 }, (_, index) => index < 98 ? 1 : 9);
    const figures = await interleave([
      scripted("floor", [Array(100).fill(1)]),
      scripted("slow", [[2]], { to: "floor", goal: { atMost: 1.9 } }),
      scripted("few", [[100]], { goal: { of: "value", atLeast: 101 } }),
      scripted("enough", [[101]], { goal: { of: "value", atLeast: 101 } }),
      scripted("long tail", [hundred], { to: "floor", goal: { of: "p99Ratio", atMost: 1.5 } }),
    ], { rounds: 1, warmUp: 0 });
    assertEquals(figures.map(({ met }) => met), [undefined, false, false, true, false]);
    assertEquals(figures.at(-1)!.p99, 9);
    assertEquals(figures.at(-1)!.p99Ratio, 9);
  });

  it("puts a base revision beside the work tree, each compared with its own", async () => {
    const figures = await interleave([
      scripted("call", [[1], [1], [1]], { tree: work }),
      scripted("call", [[2], [2], [4]], { tree: base }),
      scripted("large call", [[3], [3], [3]], { tree: work, to: "call" }),
      scripted("large call", [[8], [8], [8]], { tree: base, to: "call" }),
      scripted("peer", [[5], [5], [5]], { to: "call" }),
    ], { rounds: 3, warmUp: 0 });
    assertEquals(figures.map(({ name, ratio, toBase }) => [name, ratio, toBase]), [
      ["call", undefined, 0.5],
      ["large call", 3, 3 / 8],
      ["peer", 5, undefined],
    ]);
  });

  it("refuses a comparison with what is not there", async () => {
    const cases = [scripted("call", [[1]], { to: "echo" })];
    await assertRejects(() => interleave(cases, { rounds: 1, warmUp: 0 }), Error, "no case echo");
  });
});

describe("what takes times", () => {
  it("timed() awaits one operation before it begins the next", async () => {
    let running = 0;
    const times = await timed(async () => {
      assertEquals(++running, 1);
      await Promise.resolve();
      running--;
    })(5);
    assertEquals(times.length, 5);
  });

  it("rate() counts operations a second", async () => {
    const rates = await rate(10, (operations) => {
      assertEquals(operations, 10);
      return new Promise((resolve) => setTimeout(resolve, 5));
    })(1);
    assert(rates[0]! > 0 && rates[0]! <= 2000);
  });

  it("openLoop() counts from the moment at which an operation was due: those that wait pay for those before them", async () => {
    let last: Promise<void> = Promise.resolve();
    // Each takes 4 ms and waits for the one before it, but one is due every 2 ms.
    const times = await openLoop(500, () => {
      last = last.then(() => new Promise((resolve) => setTimeout(resolve, 4)));
      return last;
    })(10);
    assert(times[9]! > 15, `the last one took ${times[9]} ms`);
    assert(times[9]! > times[0]!);
  });
});
