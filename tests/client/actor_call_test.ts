import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ActorCall } from "../../client/actor_call.ts";
import type { CallSession, InheritedLimits } from "../../client/call_session.ts";
import { UnobservedErrors } from "../../client/unobserved.ts";
import {
  ActorLostError,
  CallKind,
  CallTimeoutError,
  decodeValue,
  encodeError,
  encodeValue,
  type Executed,
  executedNumber,
  type TroupeError,
} from "../../protocol/mod.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { delivered, openLinkedHome } from "../helpers/linked_home.ts";
import { actorReference } from "./scripted_scheduler.ts";

const REFERENCE = actorReference("Pace-1234abcd");

interface CallSettings {
  readonly timeout?: number;
  readonly signal?: AbortSignal;
  readonly inherited?: InheritedLimits;
}

/** A client of one actor, whose home is the test. */
function open() {
  const clock = new FakeClock();
  const home = openLinkedHome();
  const losses: Error[] = [];
  let room = 0;
  let nextId = 1;
  const notHere = (): never => {
    throw new Error("This test needs none");
  };
  const session: CallSession = {
    clock,
    unobserved: new UnobservedErrors(),
    calls: {},
    owner: Symbol("client"),
    holder: () => undefined,
    inherited: () => undefined,
    nextCallId: notHere,
    link: notHere,
    encode: notHere,
    encodeValue: notHere,
    decode: (value) => decodeValue(value, { role: "result" }),
    hold: () => () => {},
    confirmHeld: () => undefined,
    closed: () => undefined,
  };
  const actor = {
    reference: REFERENCE,
    manifest: { className: "Pace", methods: {}, attributes: [] },
    giveRoom: (calls: number) => void (room += calls),
    lose: (error: (executed: Executed) => Error) => void losses.push(error("no")),
  };
  function call({ timeout, signal, inherited }: CallSettings = {}) {
    const id = nextId++;
    const outcomes: string[] = [];
    const sent = {
      op: "call",
      id,
      slot: home.link.slotOf(REFERENCE),
      kind: CallKind.method,
      name: "take",
      args: new Uint8Array(1),
      refs: [],
      deadline: timeout,
      priority: undefined,
      credit: undefined,
      trace: undefined,
      chain: [],
    } as const;
    const prepared = {
      sent,
      link: home.link,
      holder: undefined,
      lent: [],
      timeout,
      signal,
      inherited,
      span: undefined,
    };
    const made = new ActorCall({ session, actor, prepared, site: {} });
    made.send({
      resolve: (value) => outcomes.push(`value ${value}`),
      reject: (error) => {
        const { name, executed } = error as TroupeError;
        outcomes.push(`${name} ${executed}`);
      },
    });
    return { id, made, outcomes };
  }
  return {
    clock,
    home,
    call,
    /** What later calls fail with. */
    losses,
    /** How many calls have given back their room. */
    get room() {
      return room;
    },
    answer: (id: number, value: unknown) =>
      home.say({ op: "result", id, value: encodeValue(value).bytes.slice(), refs: [] }),
    refuse: (id: number, executed: Executed, error = new Error("refused")) =>
      home.say({ op: "failure", id, executed: executedNumber(executed), error: encodeError(error) }),
  };
}

describe("a call whose home says that the actor is gone", () => {
  const gone = new ActorLostError("Lost the actor", { worker: "worker-1", reason: "isolate-exit" });

  it("tells that at once, so that no later call is sent to nobody", async () => {
    const stage = open();
    await stage.home.connect();
    const { id, outcomes } = stage.call();
    await stage.refuse(id, "unknown", gone);
    assertEquals(outcomes, ["ActorLostError unknown"]);
    const [lost] = stage.losses as ActorLostError[];
    assertEquals([lost?.executed, lost?.reason, lost?.worker], ["no", "isolate-exit", "worker-1"]);
    stage.home.link.close("done");
  });

  it("says nothing of its own actor where the method heard that of another one", async () => {
    const stage = open();
    await stage.home.connect();
    const { id, outcomes } = stage.call();
    const thrown = encodeError(gone, { worker: "worker-1", actor: REFERENCE.key, method: "take" });
    await stage.home.say({ op: "failure", id, executed: executedNumber("yes"), error: thrown });
    assertEquals([outcomes.length, stage.losses], [1, []]);
    stage.home.link.close("done");
  });
});

describe("a call that is given up", () => {
  it("never ran where it has not left, and nobody is asked", async () => {
    const { home, call, clock } = open();
    const { made, outcomes } = call();
    made.abort("not needed");
    assertEquals([outcomes, clock.timers], [["AbortError no"], 0]);
    await home.connect();
    assertEquals(home.ops, ["attach"]);
    home.link.close("done");
  });

  for (const executed of ["no", "unknown"] as const) {
    it(`is what its home says (${executed}), as soon as that does`, async () => {
      const stage = open();
      await stage.home.connect();
      const { id, made, outcomes } = stage.call();
      made.abort("not needed");
      await delivered();
      assertEquals([stage.home.ops, outcomes], [["attach", "call", "cancel"], []]);
      await stage.refuse(id, executed);
      assertEquals([outcomes, stage.clock.timers, stage.room], [[`AbortError ${executed}`], 0, 1]);
      stage.home.link.close("done");
    });
  }

  it("ran where its result comes all the same", async () => {
    const stage = open();
    await stage.home.connect();
    const { id, made, outcomes } = stage.call();
    made.abort("not needed");
    await stage.answer(id, 5);
    assertEquals(outcomes, ["AbortError yes"]);
    stage.home.link.close("done");
  });

  it("may have run where its home says nothing within 50 ms, and what it says later is nobody's", async () => {
    const stage = open();
    await stage.home.connect();
    const { id, made, outcomes } = stage.call();
    made.abort("not needed");
    stage.clock.advance(49);
    assertEquals(outcomes, []);
    stage.clock.advance(1);
    assertEquals(outcomes, ["AbortError unknown"]);
    await stage.answer(id, 5);
    assertEquals([outcomes, stage.room, stage.home.link.pendingCalls], [["AbortError unknown"], 1, 0]);
    stage.home.link.close("done");
  });

  it("may have run where its connection breaks meanwhile", async () => {
    const stage = open();
    await stage.home.connect();
    const { made, outcomes } = stage.call();
    made.abort("not needed");
    await stage.home.close(1001);
    for (const pending of stage.home.ends[0]!.pending) pending.lose(new Error("lost"));
    assertEquals(outcomes, ["AbortError unknown"]);
  });

  it("is given up once, and not after its end", async () => {
    const stage = open();
    await stage.home.connect();
    const first = stage.call();
    first.made.abort(1);
    first.made.abort(2);
    const second = stage.call();
    await stage.answer(second.id, "done");
    second.made.abort("late");
    await delivered();
    assertEquals(stage.home.ops.filter((op) => op === "cancel").length, 1);
    assertEquals(second.outcomes, ["value done"]);
    stage.home.link.close("done");
  });

  it("is so by its signal, to which nothing listens after its end", async () => {
    const stage = open();
    await stage.home.connect();
    const abort = new AbortController();
    const [first, second] = [stage.call({ signal: abort.signal }), stage.call({ signal: abort.signal })];
    await stage.answer(first.id, 1);
    abort.abort("enough");
    await delivered();
    await stage.refuse(second.id, "no");
    assertEquals([first.outcomes, second.outcomes], [["value 1"], ["AbortError no"]]);
    assertEquals(stage.home.ops.filter((op) => op === "cancel").length, 1);
    stage.home.link.close("done");
  });
});

describe("a call with a deadline", () => {
  it("ends with what its home says, which keeps it", async () => {
    const stage = open();
    await stage.home.connect();
    const { id, outcomes } = stage.call({ timeout: 100 });
    stage.clock.advance(100);
    await delivered();
    assertEquals([outcomes, stage.home.ops], [[], ["attach", "call"]]);
    await stage.refuse(id, "no", new CallTimeoutError("take was not started in time", { executed: "no" }));
    assertEquals([outcomes, stage.clock.timers], [["TimeoutError no"], 0]);
    stage.home.link.close("done");
  });

  it("ends 25 ms later by itself, and cancels what may still wait there", async () => {
    const stage = open();
    await stage.home.connect();
    const { outcomes } = stage.call({ timeout: 100 });
    stage.clock.advance(124);
    assertEquals(outcomes, []);
    stage.clock.advance(1);
    await delivered();
    assertEquals([outcomes, stage.home.ops], [["TimeoutError unknown"], ["attach", "call", "cancel"]]);
    stage.home.link.close("done");
  });

  it("never ran where it has not left by then", async () => {
    const { home, call, clock } = open();
    const { outcomes } = call({ timeout: 100 });
    clock.advance(100);
    assertEquals([outcomes, clock.timers], [["TimeoutError no"], 0]);
    await home.connect();
    assertEquals(home.ops, ["attach"]);
    home.link.close("done");
  });

  it("is cancelled before it, and then waits for its home's word alone", async () => {
    const stage = open();
    await stage.home.connect();
    const { made, outcomes } = stage.call({ timeout: 100 });
    stage.clock.advance(80);
    made.abort("not needed");
    stage.clock.advance(49);
    assertEquals(outcomes, []);
    stage.clock.advance(1);
    assertEquals([outcomes, stage.clock.timers], [["AbortError unknown"], 0]);
    stage.home.link.close("done");
  });
});

describe("a call inside of a call", () => {
  /** The call in which another is made. */
  class Outer implements InheritedLimits {
    readonly chain = [];
    readonly listeners = new Set<(reason: unknown) => void>();
    timeLeft(): undefined {}
    onAbort(listener: (reason: unknown) => void): () => void {
      this.listeners.add(listener);
      return () => void this.listeners.delete(listener);
    }
    abort(reason: unknown): void {
      for (const listener of this.listeners) listener(reason);
    }
  }

  it("is given up with it", async () => {
    const stage = open();
    await stage.home.connect();
    const outer = new Outer();
    const { id, outcomes } = stage.call({ inherited: outer });
    outer.abort(new Error("not needed"));
    await stage.refuse(id, "unknown");
    assertEquals([outcomes, outer.listeners.size], [["AbortError unknown"], 0]);
    stage.home.link.close("done");
  });

  it("ends at its own deadline, which is no later: that of the other cancels nothing", async () => {
    const stage = open();
    await stage.home.connect();
    const outer = new Outer();
    const { id, outcomes } = stage.call({ inherited: outer });
    outer.abort(new CallTimeoutError("too late"));
    await delivered();
    assertEquals(stage.home.ops, ["attach", "call"]);
    await stage.answer(id, "in time");
    assertEquals(outcomes, ["value in time"]);
    stage.home.link.close("done");
  });
});
