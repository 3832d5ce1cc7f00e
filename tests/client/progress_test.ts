import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createActorFuture } from "../../client/actor_future.ts";
import type { Terminal } from "../../client/platform.ts";
import { formatBar, showProgress } from "../../client/progress.ts";
import { UnobservedErrors } from "../../client/unobserved.ts";
import { progress } from "../../mod.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

function createFuture() {
  const unobserved = new UnobservedErrors({ report: () => {} });
  return createActorFuture<number>({ repr: "<f>", unobserved, owner: {}, reference: () => ({}) } as never);
}

function createTerminal() {
  const written: string[] = [];
  const terminal: Terminal = { write: (text) => written.push(text), columns: () => 60 };
  return { terminal, written };
}

describe("a bar", () => {
  it("says how far it is, in a line that fits", () => {
    assertEquals(formatBar(0, 0, 4, 0, 80), `[${" ".repeat(40)}] 0 % | 0 of 4 | 0.0 s`);
    assertEquals(formatBar(3, 1, 4, 3250, 80), `[${"#".repeat(30)}${" ".repeat(10)}] 75 % | 3 of 4 | 1 failed | 3.3 s`);
    assertEquals(formatBar(999, 0, 1000, 0, 50).includes("99 %"), true);
    for (const columns of [5, 20, 30, 60, 200]) assert(formatBar(3, 1, 4, 3250, columns).length < columns);
  });
});

describe("progress", () => {
  it("draws again and again until all have settled, whatever came of them", async () => {
    const clock = new FakeClock();
    const { terminal, written } = createTerminal();
    const futures = [createFuture(), createFuture(), createFuture()];
    const shown = showProgress(futures.map(({ future }) => future), terminal, clock);
    futures[0]!.resolve(1);
    await Promise.resolve();
    clock.advance(250);
    futures[1]!.reject(new Error("on purpose"));
    futures[2]!.resolve(1);
    await shown;
    assertMatch(written[0]!, /^\r\[ +\] 0 % \| 0 of 3 \| 0\.0 s/);
    assert(written.some((text) => text.includes("1 of 3")));
    assertMatch(written.at(-2)!, /\[#+\] 100 % \| 3 of 3 \| 1 failed \| 0\.3 s/);
    assertEquals([written.at(-1), clock.timers], ["\n", 0]);
    await futures[1]!.future.catch(() => {});
  });

  it("takes one future, and none", async () => {
    const clock = new FakeClock();
    const { terminal, written } = createTerminal();
    const made = createFuture();
    const { future } = made;
    made.resolve(1);
    await showProgress(future, terminal, clock);
    assertMatch(written.join(""), /1 of 1/);
    written.length = 0;
    await showProgress([], terminal, clock);
    assertEquals(written, []);
  });

  it("is quiet where there is no terminal, and refuses what is no future", async () => {
    const made = createFuture();
    const { future } = made;
    const shown = showProgress([future], undefined, new FakeClock());
    made.resolve(1);
    await shown;
    await assertRejects(() => progress([Promise.resolve(1)] as never), TypeError, "takes futures of submit");
  });
});
