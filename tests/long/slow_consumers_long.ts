/**
 * What takes too long for every run: `deno task test:long`.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Actor } from "../../mod.ts";
import type { Producer } from "../fixtures/actors/producer.ts";
import { eventually } from "../helpers/eventually.ts";
import type { Outcome } from "../helpers/raw_caller.ts";
import { type Caller, openSlowStage } from "../helpers/slow_stage.ts";
import { percentile, spacedCalls } from "../helpers/spaced_calls.ts";

const MIB = 2 ** 20;

describe("callers of a cluster that do not read", () => {
  const stage = openSlowStage();

  /** Lets time pass, and measures what another client's calls take meanwhile. */
  async function measure(other: Actor<Producer>, milliseconds: number): Promise<number> {
    return percentile(await spacedCalls(() => other.note("other"), { milliseconds, every: 20 }), 0.99);
  }

  it("53. Slow client: it stops reading results of 1 MiB; its calls wait, it is closed after 10 s, others notice nothing", async () => {
    const other = await stage.createOther();
    const callers = await stage.connectBoth("slow");
    for (const { caller, slot } of callers) await caller.call(slot, "chunk", "warm", MIB);
    const baseline = await measure(other, 1000);
    const before = stage.resident();

    const outcomes = callers.map(({ caller, slot, socket }) => {
      socket.stop();
      return Array.from({ length: 100 }, (_, index) => caller.outcome(slot, "chunk", [index, MIB]));
    });
    const p99 = await measure(other, 9000);
    assertLess(p99, Math.max(3 * baseline, 10), `${p99} ms, before that ${baseline} ms`);
    for (const caller of callers) {
      const made = await (await stage.actorOf(caller)).made;
      // "warm", what the queue takes, what the kernel does, and one more.
      assert(made.length >= 17 && made.length <= 24, `${made.length} of ${caller.key}`);
    }
    const after = stage.resident();
    assertLess(after.host - before.host, 2 * 64 * MIB);
    assertLess(after.scheduler - before.scheduler, 64 * MIB);

    await new Promise((resolve) => setTimeout(resolve, 2000));
    for (const [index, { caller, socket }] of callers.entries()) {
      socket.goOn();
      const { code, reason } = await caller.closed;
      assertEquals([code, reason.split(",")[0]], [4408, "Nothing was read for 10000 ms"]);
      const ran = (await Promise.all(outcomes[index]!)).filter(({ ok }) => ok);
      // What had left before is read before the end.
      assertLess(ran.length, 24);
    }
  });

  for (const home of ["dedicated", "process"] as const) {
    it(`53. Slow client of an actor with a home of its own (${home}): its calls wait, and nobody on the way grows`, async () => {
      const callers = await stage.connectBoth(`slow-${home}`, home);
      for (const { caller, slot } of callers) await caller.call(slot, "chunk", "warm", MIB);
      const before = stage.resident();
      for (const { caller, slot, socket } of callers) {
        socket.stop();
        for (let index = 0; index < 100; index++) caller.outcome(slot, "chunk", [index, MIB]);
      }
      for (const caller of callers) {
        const actor = await stage.actorOf(caller);
        await eventually(true, async () => (await actor.made).length >= 17, 10_000);
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
      for (const caller of callers) {
        const { length } = await (await stage.actorOf(caller)).made;
        assert(length <= 24, `${length} of ${caller.key}`);
      }
      const after = stage.resident();
      assertLess(after.host - before.host, 2 * 64 * MIB);
      assertLess(after.scheduler - before.scheduler, 64 * MIB);
    });
  }

  it("54. Many tiny items of a stream to a stopped client: the stream waits, and its reader is not closed", async () => {
    const callers = await stage.connectBoth("stream");
    const before = stage.resident();
    const streams = callers.map(({ caller, slot, socket }) => {
      let items = 0;
      socket.stop();
      const { id, outcome } = caller.stream(slot, "chunks", ["item", 500_000, 100], 500_001, () => items++);
      return { id, outcome, items: () => items };
    });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = stage.resident();
    assertLess(after.host - before.host, 2 * 32 * MIB);
    assertLess(after.scheduler - before.scheduler, 32 * MIB);
    for (const caller of callers) {
      const made = (await (await stage.actorOf(caller)).made).length;
      assert(made > 5000 && made < 12_000, `${made} of ${caller.key}`);
    }
    for (const [index, { caller, socket, slot }] of callers.entries()) {
      socket.goOn();
      await caller.call(slot, "note", "still there");
      assert(streams[index]!.items() > 5000);
    }
  });

  it("54. Many tiny results to a stopped client: no further call starts with 8192 frames under way", async () => {
    const callers = await stage.connectBoth("tiny");
    const ask = ({ caller, slot }: Caller, from: number): Promise<Outcome>[] =>
      Array.from({ length: 20_000 }, (_, index) => caller.outcome(slot, "later", [from + index, 100]));
    // A host that has made as much before: what is measured is what waits, not what was never collected.
    for (const caller of callers) for (const from of [-40_000, -20_000]) await Promise.all(ask(caller, from));
    const before = stage.resident();

    const outcomes = callers.map((caller) => {
      caller.socket.stop();
      return ask(caller, 0);
    });
    await new Promise((resolve) => setTimeout(resolve, 8000));
    for (const caller of callers) {
      const made = (await (await stage.actorOf(caller)).made).length - 40_000;
      // Those that ran at the same time came to their end.
      assert(made >= 8192 - 256 && made < 12_000, `${made} of ${caller.key}`);
    }
    const after = stage.resident();
    assertLess(after.host - before.host, 2 * 32 * MIB);
    assertLess(after.scheduler - before.scheduler, 32 * MIB);

    await new Promise((resolve) => setTimeout(resolve, 4000));
    for (const [index, { caller, socket }] of callers.entries()) {
      socket.goOn();
      // Deno resets a socket that is closing when its peer says something more: the code may get lost with it.
      const { code } = await caller.closed;
      assert(code === 4408 || code === 0, `${code}`);
      const settled = await Promise.all(outcomes[index]!);
      assertLess(settled.filter(({ ok }) => ok).length, 12_000);
    }
  });
});
