import { assert, assertEquals, assertGreater, assertLess } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { afterThisTurn, createMemoryTransports, platformClock } from "../../connection/mod.ts";
import { DEFAULT_LIMITS } from "../../protocol/mod.ts";
import { ActorHome } from "../../worker/actor_home.ts";
import { CallCounters } from "../../worker/call_counters.ts";
import { CallRecorder } from "../../worker/call_recorder.ts";
import { serveCaller } from "../../worker/call_server.ts";
import { IsolateScope } from "../../worker/isolate_scope.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { createActor, type CreatedActor, isolateSettings, NO_SERVICES, orderOf } from "../helpers/isolates.ts";
import { type Outcome, RawCaller } from "../helpers/raw_caller.ts";
import { StoppedReader } from "../helpers/stopped_reader.ts";

const MIB = 2 ** 20;

describe("a caller that reads nothing", () => {
  const limits = { ...DEFAULT_LIMITS, sendQueueBytes: 4 * MIB };
  const callers: RawCaller[] = [];

  afterEach(() => {
    for (const caller of callers.splice(0)) caller.close();
  });

  function open(clock = platformClock) {
    const scope = new IsolateScope({
      home: "inline",
      address: "",
      settings: isolateSettings(),
      services: NO_SERVICES,
      clock,
    });
    const recorder = new CallRecorder(clock, () => {});
    const home = new ActorHome({ scope, counters: new CallCounters(clock, recorder, () => {}) });
    const connect = async (actor: CreatedActor) => {
      const [here, there] = createMemoryTransports();
      const reader = new StoppedReader(here);
      serveCaller(there, home, { limits });
      const caller = await RawCaller.connect(reader);
      callers.push(caller);
      return { caller, reader, slot: caller.attach(actor) };
    };
    return { home, connect };
  }

  /** Lets a home do what it can do. */
  async function settle(turns = 200): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => afterThisTurn(resolve));
  }

  const codes = (outcomes: readonly Outcome[]) =>
    outcomes.map((outcome) => outcome.ok ? "ok" : `${outcome.error.name} ${outcome.executed}`);

  for (const name of ["Producer", "OneAtATime"] as const) {
    for (const method of ["chunk", "later"] as const) {
      // Calls that run at the same time have all begun when the first of them ends.
      if (name === "Producer" && method === "later") continue;
      it(`has its calls wait, in order, while others go past them (${name}.${method})`, async () => {
        const { home, connect } = open();
        const actor = await createActor(home, orderOf("producer.ts", name));
        const slow = await connect(actor);
        const quick = await connect(actor);
        await slow.caller.read(slow.slot, "made");
        slow.reader.stop();
        const names = Array.from({ length: 60 }, (_, index) => index);
        const outcomes = names.map((index) => slow.caller.outcome(slow.slot, method, [index, MIB / 2]));
        await settle();
        const made = await quick.caller.read(quick.slot, "made") as number[];
        assertLess(made.length, 15);
        assertGreater(made.length, 5);
        await quick.caller.call(quick.slot, "note", "quick");
        slow.reader.goOn();
        assertEquals(codes(await Promise.all(outcomes)), names.map(() => "ok"));
        const all = await quick.caller.read(quick.slot, "made") as unknown[];
        assertEquals(all.filter((one) => one !== "quick"), names);
        assert(all.indexOf("quick") < 60);
      });
    }
  }

  it("has them again, in order, each time that it stops", async () => {
    const { home, connect } = open();
    const actor = await createActor(home, orderOf("producer.ts", "OneAtATime"));
    const { caller, reader, slot } = await connect(actor);
    const names = Array.from({ length: 200 }, (_, index) => index);
    const outcomes = names.map((index) => caller.outcome(slot, "later", [index, MIB / 4]));
    for (let round = 0; round < 5; round++) {
      reader.stop();
      await settle();
      reader.goOn();
      outcomes.push(caller.outcome(slot, "later", [200 + round, MIB / 4]));
      await settle();
    }
    await Promise.all(outcomes);
    assertEquals(await caller.read(slot, "made"), Array.from({ length: 205 }, (_, index) => index));
  });

  it("can cancel those that wait, and deadlines end them", async () => {
    const { home, connect } = open();
    const actor = await createActor(home, orderOf("producer.ts", "Producer"));
    const { caller, reader, slot } = await connect(actor);
    reader.stop();
    const early = Array.from({ length: 20 }, (_, index) => caller.outcome(slot, "chunk", [index, MIB]));
    await settle();
    const cancelled = caller.outcome(slot, "chunk", ["cancelled", 1]);
    caller.cancel(slot);
    const late = caller.outcome(slot, "chunk", ["late", 1], { deadline: 1 });
    const last = caller.outcome(slot, "chunk", ["last", 1]);
    await new Promise((resolve) => setTimeout(resolve, 5));
    reader.goOn();
    const outcomes = await Promise.all([...early, cancelled, late, last]);
    assertEquals(codes(outcomes), [...early.map(() => "ok"), "AbortError no", "TimeoutError no", "ok"]);
    const made = await caller.read(slot, "made") as unknown[];
    assertEquals(made.slice(20), ["last"]);
  });

  it("has those of a higher priority first when it reads again", async () => {
    const { home, connect } = open();
    const actor = await createActor(home, orderOf("producer.ts", "OneAtATime"));
    const { caller, reader, slot } = await connect(actor);
    reader.stop();
    const outcomes = Array.from({ length: 20 }, (_, index) => caller.outcome(slot, "later", [index, MIB]));
    await settle();
    outcomes.push(caller.outcome(slot, "later", ["high", 1], { priority: 2 ** 31 + 1 }));
    await settle();
    reader.goOn();
    await Promise.all(outcomes);
    const made = await caller.read(slot, "made") as unknown[];
    assertLess(made.indexOf("high"), 19);
    assertEquals(made.filter((one) => one !== "high"), Array.from({ length: 20 }, (_, index) => index));
  });

  it("gets no further items of its streams, however many it has", async () => {
    const { home, connect } = open();
    const actor = await createActor(home, orderOf("producer.ts", "Producer"));
    const { caller, reader, slot } = await connect(actor);
    const quick = await connect(actor);
    reader.stop();
    let items = 0;
    const streams = Array.from({ length: 30 }, (_, index) => {
      return caller.stream(slot, "chunks", [index, 4, MIB / 5], 5, () => items++);
    });
    await settle();
    // One item of each may be on its way to be made when the queue is full.
    assertLess((await quick.caller.read(quick.slot, "made") as unknown[]).length, 70);
    reader.goOn();
    await Promise.all(streams.map(({ outcome }) => outcome));
    assertEquals(items, 120);
  });

  it("has its one-way calls run in their order", async () => {
    const { home, connect } = open();
    const actor = await createActor(home, orderOf("producer.ts", "Producer"));
    const { caller, reader, slot } = await connect(actor);
    const quick = await connect(actor);
    reader.stop();
    const outcomes = Array.from({ length: 10 }, (_, index) => caller.outcome(slot, "chunk", [index, MIB]));
    caller.callOneWay(slot, "note", ["one-way"]);
    await settle();
    assertEquals((await quick.caller.read(quick.slot, "made") as unknown[]).includes("one-way"), false);
    reader.goOn();
    await Promise.all(outcomes);
    assertEquals((await caller.read(slot, "made") as unknown[]).at(-1), "one-way");
  });

  it("is closed after 10 s; what waits never runs, and its one-way calls do", async () => {
    const clock = new FakeClock();
    const { home, connect } = open(clock);
    const actor = await createActor(home, orderOf("producer.ts", "Producer"));
    const { caller, reader, slot } = await connect(actor);
    const quick = await connect(actor);
    reader.stop();
    const outcomes = Array.from({ length: 20 }, (_, index) => caller.outcome(slot, "chunk", [index, MIB]));
    caller.callOneWay(slot, "note", ["one-way"]);
    await settle();
    for (let second = 0; second < 9; second++) {
      clock.advance(1000);
      await settle(2);
    }
    assertEquals(
      await quick.caller.read(quick.slot, "made").then((made) => (made as unknown[]).includes("one-way")),
      false,
    );
    clock.advance(1000);
    const { code, reason } = await caller.closed;
    assertEquals([code, reason.split(",")[0]], [4408, "Nothing was read for 10000 ms"]);
    assertEquals(codes(await Promise.all(outcomes)), outcomes.map(() => "Error unknown"));
    await settle();
    const made = await quick.caller.read(quick.slot, "made") as unknown[];
    assertLess(made.length, 10);
    assertEquals(made.at(-1), "one-way");
  });

  it("is left alone while it reads, however slowly", async () => {
    const clock = new FakeClock();
    const { home, connect } = open(clock);
    const actor = await createActor(home, orderOf("producer.ts", "Producer"));
    const { caller, reader, slot } = await connect(actor);
    reader.stop();
    const outcomes = Array.from({ length: 20 }, (_, index) => caller.outcome(slot, "chunk", [index, MIB]));
    for (let round = 0; round < 20; round++) {
      await settle();
      for (let second = 0; second < 9; second++) {
        clock.advance(1000);
        await settle(2);
      }
      reader.goOn();
      reader.stop();
    }
    reader.goOn();
    assertEquals(codes(await Promise.all(outcomes)), outcomes.map(() => "ok"));
  });
});
