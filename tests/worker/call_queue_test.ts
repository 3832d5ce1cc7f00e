import { assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CallCancelledError, CallKind, CallTimeoutError, type MessageOf } from "../../protocol/mod.ts";
import type { CallReceiver, PendingCall } from "../../worker/active_call.ts";
import { CallQueue } from "../../worker/call_queue.ts";
import { IsolateLoop } from "../../worker/isolate_loop.ts";
import type { QueuedCall } from "../../worker/queued_call.ts";
import { type FutureValues, NO_VALUES } from "../../worker/references.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { delivered } from "../helpers/linked_home.ts";

/** One caller; its answers do not matter here. */
class Receiver implements CallReceiver {
  readonly caller = this;
  readonly pending = new Map<number, PendingCall>();
  room: Promise<void> | undefined;
  result(): void {}
  item(): void {}
  failure(): void {}
  onPending(call: PendingCall): void {
    this.pending.set(call.id, call);
  }
  onSettled(call: PendingCall): void {
    this.pending.delete(call.id);
  }
  lentTo() {
    return {};
  }
  takeStreams() {
    return [];
  }
}

function open() {
  const clock = new FakeClock();
  const refused: [number, unknown][] = [];
  const values = new Map<string, PromiseWithResolvers<FutureValues>>();
  let ready = 0;
  const queue = new CallQueue({
    key: "Log-1",
    loop: new IsolateLoop(clock),
    prepare: (_args, [key]) => {
      const value = Promise.withResolvers<FutureValues>();
      values.set(key!, value);
      return value.promise;
    },
    onReady: () => ready++,
    onLeft: (call: QueuedCall, refusal) => {
      if (refusal) refused.push([call.id, refusal.error]);
    },
  });
  const add = (id: number, receiver: Receiver, fields: Partial<MessageOf<"call">> = {}) => {
    const nothing = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined };
    const args = new Uint8Array(10);
    const kind = CallKind.method;
    queue.add(
      { op: "call", id, slot: 1, kind, name: "append", args, refs: [], ...nothing, chain: [], ...fields },
      receiver,
    );
  };
  return {
    clock,
    queue,
    refused,
    add,
    valueOf: (key: string) => values.get(key)!,
    get ready() {
      return ready;
    },
    /** Ids of those that can start now, in order. */
    startAll(): number[] {
      const started: number[] = [];
      for (let call = queue.next(); call; call = queue.next()) started.push(call.id);
      return started;
    },
  };
}

describe("the calls of an actor that wait", () => {
  it("start in order, and are counted with their bytes and age", async () => {
    const { queue, add, clock, startAll } = open();
    const caller = new Receiver();
    assertEquals([queue.size, queue.bytes, queue.age, queue.ready], [0, 0, 0, false]);
    add(1, caller);
    // Calls of one burst share a look at the clock.
    await delivered();
    clock.advance(30);
    add(2, caller);
    assertEquals([queue.size, queue.bytes, queue.age, queue.ready, caller.pending.size], [2, 20, 30, true, 2]);
    assertEquals(startAll(), [1, 2]);
    assertEquals([queue.size, queue.bytes, caller.pending.size], [0, 0, 0]);
  });

  it("wait for values behind the first of their caller that does, while others go past", async () => {
    const stage = open();
    const [one, other] = [new Receiver(), new Receiver()];
    stage.add(1, one, { refs: ["key-1"] });
    stage.add(2, one);
    stage.add(3, other);
    stage.add(4, one, { refs: ["key-4"] });
    assertEquals([stage.startAll(), stage.queue.ready], [[3], false]);
    stage.valueOf("key-4").resolve(NO_VALUES);
    await delivered();
    assertEquals(stage.startAll(), []);
    const before = stage.ready;
    stage.valueOf("key-1").resolve(NO_VALUES);
    await delivered();
    assertEquals([stage.ready - before, stage.startAll()], [3, [1, 2, 4]]);
  });

  it("are refused where their values fail, and hold up nobody behind them", async () => {
    const stage = open();
    const caller = new Receiver();
    stage.add(1, caller, { refs: ["key-1"] });
    stage.add(2, caller);
    stage.valueOf("key-1").reject(new RangeError("failed"));
    await delivered();
    assertEquals(stage.refused.map(([id, error]) => `${id} ${error}`), ["1 RangeError: failed"]);
    assertEquals(stage.startAll(), [2]);
  });

  it("start by priority, whatever waits for values with another one", async () => {
    const stage = open();
    const caller = new Receiver();
    const high = { priority: 2 ** 31 + 1 };
    stage.add(1, caller);
    stage.add(2, caller, { refs: ["key-2"], ...high });
    stage.add(3, caller, high);
    assertEquals(stage.startAll(), [1]);
    stage.valueOf("key-2").resolve(NO_VALUES);
    await delivered();
    stage.add(4, caller);
    assertEquals(stage.startAll(), [2, 3, 4]);
  });

  it("end at their deadlines and when they are cancelled, wherever they wait, and never start", async () => {
    const stage = open();
    const caller = new Receiver();
    stage.add(1, caller, { refs: ["key-1"], deadline: 50 });
    stage.add(2, caller);
    stage.add(3, new Receiver(), { deadline: 50 });
    caller.pending.get(2)!.cancel("not needed");
    stage.clock.advance(50);
    assertEquals(stage.refused.map(([id]) => id), [2, 1, 3]);
    assertInstanceOf(stage.refused[0]![1], CallCancelledError);
    assertInstanceOf(stage.refused[1]![1], CallTimeoutError);
    stage.valueOf("key-1").resolve(NO_VALUES);
    await delivered();
    assertEquals([stage.startAll(), stage.queue.size, stage.queue.bytes, stage.clock.timers], [[], 0, 0, 0]);
  });

  it("wait where their caller does not read, ahead of what it calls later, while others go past", async () => {
    const stage = open();
    const [slow, quick] = [new Receiver(), new Receiver()];
    stage.add(1, slow);
    stage.add(2, slow);
    stage.add(3, quick);
    const room = Promise.withResolvers<void>();
    slow.room = room.promise;
    assertEquals(stage.startAll(), [3]);
    stage.add(4, slow);
    assertEquals(stage.startAll(), []);
    slow.room = undefined;
    room.resolve();
    await delivered();
    assertEquals(stage.startAll(), [1, 2, 4]);
  });

  it("are all refused at the end of their actor", async () => {
    const stage = open();
    const caller = new Receiver();
    stage.add(1, caller, { refs: ["key-1"] });
    stage.add(2, caller);
    stage.add(3, new Receiver());
    stage.queue.end(() => new Error("gone"));
    assertEquals(stage.refused.map(([id]) => id), [1, 2, 3]);
    assertEquals([stage.queue.size, stage.startAll()], [0, []]);
    stage.valueOf("key-1").resolve(NO_VALUES);
    await delivered();
    assertEquals(stage.startAll(), []);
  });
});
