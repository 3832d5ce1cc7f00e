/**
 * What every home does with calls that are streamed, bounded, cancelled or one-way, and with what callers lend: a part of
 * the contract of isolates.
 *
 * @module
 */

import { assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  CallCancelledError,
  CallTimeoutError,
  DeadlockError,
  decodeError,
  decodeValue,
  encodeValue,
  MailboxFullError,
  type Message,
  type MessageOf,
  MethodNotFoundError,
  ResumeKind,
  SerializationError,
} from "../../protocol/mod.ts";
import type { Isolate } from "../../worker/isolate.ts";
import { createActor, failureOf, orderOf } from "../helpers/isolates.ts";
import { Queue } from "../helpers/queue.ts";
import type { Outcome, RawCaller } from "../helpers/raw_caller.ts";

/** What a test of the contract has at hand. */
export interface Bench {
  readonly isolate: Isolate;
  readonly caller: RawCaller;
  connect(): Promise<RawCaller>;
  /** Creates an actor and attaches the caller to it. */
  attach(...order: Parameters<typeof orderOf>): Promise<number>;
}

/** Runs a test on an isolate that is closed after it. */
export type WithIsolate = (run: (bench: Bench) => Promise<void>) => Promise<void>;

/** The error of an outcome, and whether it ran. */
function failed(outcome: Outcome): { readonly error: Error; readonly executed: string } {
  if (outcome.ok) throw new Error(`It gave ${JSON.stringify(outcome.value)}`);
  return outcome;
}

/** Asks until something is so: a home gets to it in its own time. */
async function until(ask: () => Promise<unknown>, wanted: unknown): Promise<void> {
  while (JSON.stringify(await ask()) !== JSON.stringify(wanted));
}

/** Describes that part of the contract. */
export function describeCalls(withIsolate: WithIsolate): void {
  describe("streaming", () => {
    it("sends what a generator yields as far as its reader lets it, and then what it returns", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const items = new Queue<unknown>();
        const { id, outcome } = caller.stream(slot, "count", [5], 2, (item) => items.push(item));
        assertEquals([await items.next(), await items.next()], [0, 1]);
        assertEquals(await caller.read(slot, "made"), 2);
        caller.addCredit(id, 3);
        assertEquals([await items.next(), await items.next(), await items.next()], [2, 3, 4]);
        caller.addCredit(id, 1);
        assertEquals(await outcome, { ok: true, value: "all" });
        assertEquals(await caller.read(slot, "ended"), ["count"]);
      }));

    it("streams sync generators as well, and lets other calls in between", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("counter.ts", "Members");
        const items: unknown[] = [];
        const { outcome } = caller.stream(slot, "numbers", [], 10, (item) => items.push(item));
        assertEquals((await outcome).ok, true);
        assertEquals(items, [1]);
      }));

    it("holds back large items, though there is credit", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const items = new Queue<unknown>();
        const { id, outcome } = caller.stream(slot, "chunks", [20, 400_000], 256, (item) => items.push(item));
        for (let count = 0; count < 3; count++) await items.next();
        assertEquals(await caller.read(slot, "made"), 3);
        caller.addCredit(id, 3);
        for (let count = 3; count < 20; count++) {
          await items.next();
          caller.addCredit(id, 1);
        }
        assertEquals((await outcome).ok, true);
      }));

    it("ends with the error that a generator throws, after what it yielded", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const items: unknown[] = [];
        const { error, executed } = failed(
          await caller.stream(slot, "failing", [], 10, (item) => items.push(item)).outcome,
        );
        assertInstanceOf(error, RangeError);
        assertEquals([items, executed], [[1], "yes"]);
      }));

    it("ends with an error at an item that cannot be sent, and runs `finally`", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const { error } = failed(await caller.stream(slot, "unsendable", [], 10, () => {}).outcome);
        assertInstanceOf(error, SerializationError);
        await until(() => caller.read(slot, "ended"), ["unsendable"]);
      }));

    it("runs `finally` before it answers a reader that returns early", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const items = new Queue<unknown>();
        const { id, outcome } = caller.stream(slot, "count", [100], 2, (item) => items.push(item));
        await items.next();
        caller.resume(slot, id, ResumeKind.return, "enough");
        assertEquals(await outcome, { ok: true, value: "enough" });
        assertEquals(await caller.read(slot, "ended"), ["count"]);
      }));

    it("answers a reader that returns while the generator waits, which hears it by its signal, and runs `finally` later", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const { id, outcome } = caller.stream(slot, "waiting", [], 2, () => {});
        caller.resume(slot, id, ResumeKind.return);
        assertEquals((await outcome).ok, true);
        assertEquals(await caller.read(slot, "ended"), ["signal"]);
        await caller.call(slot, "open");
        await until(() => caller.read(slot, "ended"), ["signal", "waiting"]);
      }));

    it("gives the generator what its reader passes to `next` and `throw`, where it asks for each item", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const items = new Queue<unknown>();
        const { id, outcome } = caller.stream(slot, "echo", [], 0, (item) => items.push(item));
        caller.resume(slot, id, ResumeKind.next);
        assertEquals(await items.next(), "nothing");
        caller.resume(slot, id, ResumeKind.next, "a");
        assertEquals(await items.next(), "a");
        caller.resume(slot, id, ResumeKind.throw, new Error("b"));
        assertEquals(await items.next(), "caught b");
        caller.resume(slot, id, ResumeKind.return, "end");
        assertEquals(await outcome, { ok: true, value: "end" });
      }));

    it("runs `finally` where its reader cancels, and where its reader is gone", () =>
      withIsolate(async ({ isolate, caller, connect }) => {
        const actor = await createActor(isolate, orderOf("controlled.ts", "Streamer"));
        const slot = caller.attach(actor);
        const items = new Queue<unknown>();
        const { id, outcome } = caller.stream(slot, "count", [100], 2, (item) => items.push(item));
        await items.next();
        caller.cancel(slot, id);
        assertInstanceOf(failed(await outcome).error, CallCancelledError);
        await until(() => caller.read(slot, "ended"), ["count"]);
        const leaving = await connect();
        leaving.stream(leaving.attach(actor), "count", [100], 2, (item) => items.push(item));
        await items.next();
        leaving.close();
        await until(() => caller.read(slot, "ended"), ["count", "count"]);
      }));

    it("tells a generator that waits by its signal that nobody reads it", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Streamer");
        const { id } = caller.stream(slot, "waiting", [], 2, () => {});
        caller.cancel(slot, id);
        await until(() => caller.read(slot, "ended"), ["signal"]);
        await caller.call(slot, "open");
        await until(() => caller.read(slot, "ended"), ["signal", "waiting"]);
      }));
  });

  describe("bounding calls", () => {
    it("runs async methods strictly one at a time where the class says so", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Single");
        const names = ["a", "b", "c", "d"];
        await Promise.all(names.map((name) => caller.call(slot, "pass", name)));
        assertEquals([await caller.read(slot, "started"), await caller.read(slot, "most")], [names, 1]);
      }));

    it("runs as many calls as the order says, whatever the class says", () =>
      withIsolate(async ({ isolate, caller }) => {
        const order = orderOf("controlled.ts", "Single", [], { bounds: { concurrency: 2 } });
        const slot = caller.attach(await createActor(isolate, order));
        caller.outcome(slot, "enter", ["a"]);
        assertEquals(await caller.call(slot, "pass", "b"), "b");
        caller.outcome(slot, "enter", ["c"]);
        const late = failed(await caller.outcome(slot, "pass", ["d"], { deadline: 20 }));
        assertEquals([late.error.name, late.executed], ["TimeoutError", "no"]);
      }));

    it("refuses a class whose `concurrency` is no number", () =>
      withIsolate(async ({ isolate }) => {
        const { error, executed } = failureOf(await isolate.create(orderOf("controlled.ts", "Wrong")));
        assertInstanceOf(error, TypeError);
        assertMatch(error.message, /static concurrency has to be a whole number from 1, or Infinity, and is "many"/);
        assertEquals(executed, "no");
      }));

    it("starts calls of a higher priority first, and those of one priority in their order", () =>
      withIsolate(async ({ caller, attach }) => {
        const priorities = { low: 2 ** 31 - 5, a: undefined, high: 2 ** 31 + 5, b: 2 ** 31 };
        const bounded = await attach("controlled.ts", "Gate", [], { bounds: { concurrency: 1 } });
        const gate = caller.call(bounded, "pass", "first");
        const rest = Object.entries(priorities).map(([name, priority]) => {
          return caller.outcome(bounded, "pass", [name], { priority });
        });
        await Promise.all([gate, ...rest]);
        assertEquals(await caller.read(bounded, "started"), ["first", "high", "a", "b", "low"]);
      }));

    it("refuses what has no room, says so, and takes calls again when there is some", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Gate", [], { bounds: { maxPending: 3 } });
        const waits = ["a", "b", "c"].map((name) => caller.outcome(slot, "enter", [name], { deadline: 100 }));
        const { error, executed } = failed(await caller.outcome(slot, "pass", ["d"]));
        assertInstanceOf(error, MailboxFullError);
        assertMatch(error.message, /3 calls run or wait there.*takes 3 calls/);
        assertEquals(executed, "no");
        await Promise.all(waits);
        assertEquals(await caller.call(slot, "pass", "e"), "e");
        assertEquals(await caller.read(slot, "started"), ["a", "b", "c", "e"]);
      }));

    it("removes a call that waits when it is cancelled, and says that it never ran", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Single");
        caller.outcome(slot, "enter", ["a"]);
        const waiting = caller.outcome(slot, "pass", ["b"]);
        caller.cancel(slot, caller.lastId);
        const { error, executed } = failed(await waiting);
        assertInstanceOf(error, CallCancelledError);
        assertEquals(executed, "no");
      }));

    it("removes calls that wait when their caller is gone", () =>
      withIsolate(async ({ isolate, caller, connect }) => {
        const actor = await createActor(
          isolate,
          orderOf("controlled.ts", "Single", [], { bounds: { maxPending: 2, concurrency: 1 } }),
        );
        const slot = caller.attach(actor);
        caller.outcome(slot, "enter", ["a"]);
        // What came behind it on its connection has waited for it: it has begun.
        failed(await caller.outcome(slot, "pass", [""], { deadline: 20 }));
        const leaving = await connect();
        const theirs = leaving.attach(actor);
        leaving.outcome(theirs, "pass", ["b"]);
        assertInstanceOf(failed(await leaving.outcome(theirs, "pass", ["c"])).error, MailboxFullError);
        leaving.close();
        let error: unknown;
        for (let attempt = 0; attempt < 1000; attempt++) {
          ({ error } = failed(await caller.outcome(slot, "pass", ["d"], { deadline: 20 })));
          if (!(error instanceof MailboxFullError)) break;
        }
        // It waited, for what does not end.
        assertInstanceOf(error, CallTimeoutError);
      }));

    it("refuses a call that would wait for itself, and names the circle", () =>
      withIsolate(async ({ isolate, caller }) => {
        const actor = await createActor(isolate, orderOf("controlled.ts", "Single"));
        const slot = caller.attach(actor);
        caller.outcome(slot, "enter", ["a"]);
        const chain = [`${actor.key}#1`, "Other-1#5"];
        const { error, executed } = failed(await caller.outcome(slot, "pass", ["b"], { chain }));
        assertInstanceOf(error, DeadlockError);
        // A call that runs for somebody else ends without this one.
        const late = failed(
          await caller.outcome(slot, "pass", ["c"], { chain: [`${actor.key}#2`], deadline: 20 }),
        );
        assertInstanceOf(late.error, CallTimeoutError);
        assertMatch(error.message, new RegExp(`${actor.key} → Other-1 → ${actor.key}`));
        assertEquals(executed, "no");
      }));

    it("answers nothing to one-way calls, says how many have ended, and why one failed", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Gate");
        const settled = new Queue<MessageOf<"settled">>();
        caller.onOther = (message) => message.op === "settled" && settled.push(message);
        for (const name of ["a", "b", "c"]) caller.callOneWay(slot, "pass", [name]);
        let count = 0;
        while (count < 3) {
          const message = await settled.next();
          assertEquals([message.slot, message.error], [slot, undefined]);
          count += message.count;
        }
        assertEquals(await caller.read(slot, "started"), ["a", "b", "c"]);
        caller.callOneWay(slot, "nothing");
        const { error } = await settled.next();
        assertInstanceOf(decodeError(error!), MethodNotFoundError);
        const streams = await attach("controlled.ts", "Streamer");
        caller.callOneWay(streams, "count", [3]);
        const unread = decodeError((await settled.next()).error!);
        assertMatch(`${unread}`, /MethodNotFoundError: Cannot call count of .* one-way: it is a generator/);
      }));

    it("lets the loop read cancellations between sync calls that came together", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("busy.ts", "Busy");
        const calls = Array.from({ length: 5 }, (_, index) => caller.outcome(slot, "work", [20, index]));
        caller.cancel(slot, caller.lastId);
        const outcomes = await Promise.all(calls);
        assertEquals(outcomes.map(({ ok }) => ok), [true, true, true, true, false]);
        assertEquals(failed(outcomes[4]!).executed, "no");
        assertEquals(await caller.read(slot, "worked"), [0, 1, 2, 3]);
      }));
  });

  describe("using what callers lend", () => {
    /** Lends under a number of its own choosing: what the codec writes for functions and streams. */
    const lend = (id: number, kind: "function" | "iterable" | "readable", ...args: unknown[]) =>
      encodeValue([() => {}, ...args], { local: () => ({ id, kind }) }).bytes;

    /** Answers what a home asks of a caller. */
    function answering(caller: RawCaller, answer: (message: Message) => void): void {
      caller.onOther = answer;
    }

    it("calls a function at its caller, with its arguments, and gets its value or its error", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Borrower");
        answering(caller, (message) => {
          if (message.op !== "call") return;
          const [value] = decodeValue(message.args) as [number];
          const { id, slot } = message;
          assertEquals(slot, 7);
          if (value === 0) {
            const error = encodeValue({ name: "RangeError", message: "none", class: "RangeError" }).bytes;
            return caller.connection.send({ op: "failure", id, executed: 1, error });
          }
          caller.connection.send({ op: "result", id, value: encodeValue(value * 2).bytes, refs: [] });
        });
        assertEquals(await caller.outcomeOfBytes(slot, "callWith", lend(7, "function", 21)), { ok: true, value: 42 });
        const { error } = failed(await caller.outcomeOfBytes(slot, "callWith", lend(7, "function", 0)));
        assertInstanceOf(error, RangeError);
      }));

    it("keeps a function after its call, until it lets it go", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Borrower");
        const returned = new Queue<number>();
        answering(caller, (message) => {
          if (message.op === "detach") returned.push(message.slot);
          if (message.op !== "call") return;
          caller.connection.send({ op: "result", id: message.id, value: message.args.subarray(1), refs: [] });
        });
        await caller.outcomeOfBytes(slot, "keep", lend(3, "function"));
        assertEquals(await caller.call(slot, "callKept", "later"), "later");
        await caller.call(slot, "letGo");
        assertEquals(await returned.next(), 3);
        await assertRejects(() => caller.call(slot, "callKept", 1), Error, "it was released");
      }));

    it("gives a function back at the end of the actor that has it", () =>
      withIsolate(async ({ isolate, caller }) => {
        const actor = await createActor(isolate, orderOf("controlled.ts", "Borrower"));
        const returned = new Queue<number>();
        answering(caller, (message) => message.op === "detach" && returned.push(message.slot));
        await caller.outcomeOfBytes(caller.attach(actor), "keep", lend(4, "function"));
        await isolate.destroy(actor.key, actor.incarnation, "released");
        assertEquals(await returned.next(), 4);
      }));

    it("reads a stream of its caller, as far as it gives credit, to its end", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Borrower");
        let next = 0;
        answering(caller, (message) => {
          if (message.op !== "credit") return;
          for (let count = 0; count < message.count && next < 600; count++) {
            caller.connection.send({ op: "item", id: 9, value: encodeValue(next++).bytes, refs: [] });
          }
          if (next === 600) {
            caller.connection.send({ op: "streamEnd", id: 9, ok: 1, error: new Uint8Array() });
            next++;
          }
        });
        const outcome = await caller.outcomeOfBytes(slot, "sum", lend(9, "iterable"));
        assertEquals(outcome, { ok: true, value: 600 * 599 / 2 });
      }));

    it("fails a read with the error of the source", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Borrower");
        answering(caller, (message) => {
          if (message.op !== "credit") return;
          const error = encodeValue({ name: "TypeError", message: "torn", class: "TypeError" }).bytes;
          caller.connection.send({ op: "streamEnd", id: 2, ok: 0, error });
        });
        const { error } = failed(await caller.outcomeOfBytes(slot, "sum", lend(2, "iterable")));
        assertEquals([error.name, error.message], ["TypeError", "torn"]);
      }));

    it("stops a stream that is left early, and one that nobody has begun to read when its call ends", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Borrower");
        const stopped = new Queue<number>();
        answering(caller, (message) => {
          if (message.op === "streamStop") stopped.push(message.id);
          if (message.op !== "credit") return;
          caller.connection.send({ op: "item", id: message.id, value: encodeValue("first").bytes, refs: [] });
        });
        assertEquals(await caller.outcomeOfBytes(slot, "firstOf", lend(5, "iterable")), { ok: true, value: "first" });
        assertEquals(await stopped.next(), 5);
        await caller.outcomeOfBytes(slot, "ignore", lend(6, "iterable"));
        assertEquals(await stopped.next(), 6);
      }));

    it("gives a `ReadableStream` where its caller has one", () =>
      withIsolate(async ({ caller, attach }) => {
        const slot = await attach("controlled.ts", "Borrower");
        let sent = 0;
        answering(caller, (message) => {
          if (message.op !== "credit") return;
          while (sent++ < 3) {
            const value = encodeValue(new Uint8Array(1000)).bytes;
            caller.connection.send({ op: "item", id: 1, value, refs: [] });
          }
          caller.connection.send({ op: "streamEnd", id: 1, ok: 1, error: new Uint8Array() });
        });
        assertEquals(await caller.outcomeOfBytes(slot, "bytesOf", lend(1, "readable")), { ok: true, value: 3000 });
      }));
  });
}
