import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createMemoryTransports, platformClock } from "../../connection/mod.ts";
import { CallKind, DEFAULT_LIMITS, encodeValue } from "../../protocol/mod.ts";
import { ActorHome } from "../../worker/actor_home.ts";
import { CallCounters } from "../../worker/call_counters.ts";
import { CallRecorder } from "../../worker/call_recorder.ts";
import { serveCaller } from "../../worker/call_server.ts";
import { IsolateScope } from "../../worker/isolate_scope.ts";
import { createActor, isolateSettings, NO_SERVICES, orderOf } from "../helpers/isolates.ts";
import { RawCaller } from "../helpers/raw_caller.ts";

function createHome(): ActorHome {
  const scope = new IsolateScope({ home: "inline", address: "", settings: isolateSettings(), services: NO_SERVICES });
  const recorder = new CallRecorder(platformClock, () => {});
  return new ActorHome({ scope, counters: new CallCounters(platformClock, recorder, () => {}) });
}

async function connect(home: ActorHome, limits = DEFAULT_LIMITS): Promise<RawCaller> {
  const [here, there] = createMemoryTransports();
  serveCaller(there, home, { limits });
  return await RawCaller.connect(here);
}

describe("serving one caller", () => {
  it("refuses every other role, by its name", async () => {
    const [here, there] = createMemoryTransports();
    serveCaller(there, createHome());
    await assertRejects(() => RawCaller.connect(here, "worker"), Error, 'the role "worker"');
  });

  it("takes attach and call in one turn, and answers a turn's sync calls in one frame", async () => {
    const home = createHome();
    const caller = await connect(home);
    const actor = await createActor(home, orderOf("counter.ts", "Counter"));
    const before = caller.connection.framesReceived;
    const slot = caller.attach(actor);
    const calls = Array.from({ length: 20 }, () => caller.call(slot, "increment"));
    assertEquals(await Promise.all(calls), Array.from({ length: 20 }, (_, index) => index + 1));
    assertEquals(caller.connection.framesReceived, before + 1);
    caller.close();
  });

  it("lets each caller number its slots as it likes", async () => {
    const home = createHome();
    const [one, other] = [await connect(home), await connect(home)];
    const [first, second] = [
      await createActor(home, orderOf("counter.ts", "Counter", [100])),
      await createActor(home, orderOf("counter.ts", "Counter", [200])),
    ];
    assertEquals([one.attach(first), other.attach(second)], [1, 1]);
    assertEquals([await one.call(1, "increment"), await other.call(1, "increment")], [101, 201]);
    one.connection.send({ op: "attach", slot: 1, ...second });
    assertEquals(await one.call(1, "increment"), 202);
    one.close();
    other.close();
  });

  it("closes on a call whose id is under way", async () => {
    const home = createHome();
    const caller = await connect(home);
    const slot = caller.attach(await createActor(home, orderOf("waiter.ts", "Waiter")));
    caller.outcome(slot, "wait");
    const args = encodeValue([]).bytes;
    const none = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined, chain: [] };
    caller.connection.send({
      op: "call",
      id: caller.lastId,
      slot,
      kind: CallKind.method,
      name: "wait",
      args,
      refs: [],
      ...none,
    });
    const { code, reason } = await caller.closed;
    assertEquals(code, 4400);
    assertMatch(reason, /one of that id is under way/);
  });

  it("closes at twice the calls that may be outstanding, and aborts those", async () => {
    const home = createHome();
    const caller = await connect(home, { ...DEFAULT_LIMITS, outstandingCalls: 2 });
    const slot = caller.attach(await createActor(home, orderOf("waiter.ts", "Waiter")));
    const four = [1, 2, 3, 4].map(() => caller.outcome(slot, "wait"));
    assertEquals(await caller.read(slot, "waiting"), 4);
    const fifth = caller.outcome(slot, "wait");
    assertEquals((await caller.closed).code, 4429);
    for (const outcome of await Promise.all([...four, fifth])) assertEquals(outcome.ok, false);
  });

  it("does not start a call whose deadline had passed when it was sent", async () => {
    const home = createHome();
    const caller = await connect(home);
    const slot = caller.attach(await createActor(home, orderOf("counter.ts", "Counter")));
    const outcome = await caller.outcome(slot, "increment", [], { deadline: 0 });
    assertEquals(outcome.ok ? undefined : [outcome.error.name, outcome.executed], ["TimeoutError", "no"]);
    assertEquals(await caller.read(slot, "n"), 0);
    caller.close();
  });

  it("ignores the cancellation of a call that is answered, or never was", async () => {
    const home = createHome();
    const caller = await connect(home);
    const slot = caller.attach(await createActor(home, orderOf("counter.ts", "Counter")));
    assertEquals(await caller.call(slot, "increment"), 1);
    caller.cancel(slot);
    caller.cancel(slot, 4711);
    assertEquals(await caller.call(slot, "increment"), 2);
    caller.close();
  });
});
