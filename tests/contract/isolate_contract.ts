/**
 * What every {@linkcode ActorIsolate} does, whichever heap its actors live in and whichever way their calls take.
 *
 * @module
 */

import {
  assertEquals,
  assertGreater,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ActorLostError,
  ActorNotFoundError,
  ActorStartError,
  CallCancelledError,
  decodeManifest,
  encodeValue,
  FreeVariableError,
  isRemoteError,
  MethodNotFoundError,
  ModuleLoadError,
  ModuleNotAllowedError,
  ProtocolError,
  SerializationError,
} from "../../protocol/mod.ts";
import type { HostServices, Isolate, IsolateSettings } from "../../worker/isolate.ts";
import { type Bench, describeCalls } from "./calls_contract.ts";
import { encodeWithReferences, FutureOf } from "../helpers/fake_scheduler.ts";
import { computeIn, createActor, failureOf, fixture, orderOf, resultOf, taskOf } from "../helpers/isolates.ts";
import { eventually } from "../helpers/eventually.ts";
import { MailboxServer } from "../helpers/mailbox_server.ts";
import type { RawCaller } from "../helpers/raw_caller.ts";

/** An isolate, and how a caller gets to it. */
export interface IsolateUnderTest {
  readonly isolate: Isolate;
  connect(): Promise<RawCaller>;
  /** Undoes what starting it did beside it. */
  cleanUp?(): void | Promise<void>;
}

/** What differs between isolates. */
export interface IsolateContractOptions {
  /** Starts one. */
  start(settings?: Partial<IsolateSettings>, services?: HostServices): Promise<IsolateUnderTest>;
  /** Why tests of exits are not run; absent where they are. */
  readonly skipExits?: string;
}

/** Names that no caller may reach, of a method or of an attribute. */
const HOSTILE_NAMES = [
  "constructor",
  "__proto__",
  "prototype",
  "toString",
  "toLocaleString",
  "valueOf",
  "hasOwnProperty",
  "isPrototypeOf",
  "__defineGetter__",
  "__lookupSetter__",
  "then",
  "toJSON",
  "_hidden",
  "_private",
  "#secret",
  "created",
  "sink",
  "",
  "x".repeat(65),
  "a.b",
  "increment ",
  "0",
  "increment,increment",
  "Symbol(Symbol.dispose)",
];

/** Runs the suite. */
export function testIsolateContract(name: string, options: IsolateContractOptions): void {
  async function withIsolate(
    run: (bench: Bench) => Promise<void>,
    settings: Partial<IsolateSettings> = {},
  ): Promise<void> {
    const { isolate, connect, cleanUp } = await options.start(settings);
    const callers: RawCaller[] = [];
    const connectAgain = async () => {
      const caller = await connect();
      callers.push(caller);
      return caller;
    };
    try {
      const caller = await connectAgain();
      await run({
        isolate,
        caller,
        connect: connectAgain,
        attach: async (...order) => caller.attach(await createActor(isolate, orderOf(...order))),
      });
    } finally {
      for (const caller of callers) caller.close();
      await isolate.close(1000);
      await isolate.ended;
      await cleanUp?.();
    }
  }

  describe(`an isolate: ${name}`, () => {
    describeCalls(withIsolate);

    describe("creating", () => {
      it("constructs a class with its arguments and reports its members", () =>
        withIsolate(async ({ isolate, caller }) => {
          const actor = await createActor(isolate, orderOf("counter.ts", "Counter", [41]));
          const manifest = decodeManifest(actor.manifest);
          assertEquals(manifest.className, "Counter");
          assertEquals(Object.entries(manifest.methods), [
            ["add", "sync"],
            ["increment", "sync"],
            ["incrementLater", "async"],
          ]);
          assertEquals(manifest.attributes, ["n"]);
          assertEquals(actor.tag.length, 16);
          assertEquals(await caller.call(caller.attach(actor), "increment"), 42);
        }));

      it("gives two actors of one class their own state, tag and key", () =>
        withIsolate(async ({ isolate, caller }) => {
          const one = await createActor(isolate, orderOf("counter.ts", "Counter"));
          const other = await createActor(isolate, orderOf("counter.ts", "Counter"));
          assertNotEquals(one.tag, other.tag);
          assertEquals(one.manifest, other.manifest);
          const [first, second] = [caller.attach(one), caller.attach(other)];
          await caller.call(first, "add", 10);
          assertEquals([await caller.read(first, "n"), await caller.read(second, "n")], [10, 0]);
        }));

      it("awaits factories and serves the closures of what they give", () =>
        withIsolate(async ({ caller, attach }) => {
          for (const factory of ["makeCounter", "makeLater"]) {
            const slot = await attach("counter.ts", factory, [7]);
            assertEquals(await caller.call(slot, "increment"), 8);
            assertEquals(await caller.read(slot, "n"), 8);
          }
        }));

      it("serves inherited methods, arrow fields, data fields and getters", () =>
        withIsolate(async ({ isolate, caller }) => {
          const actor = await createActor(isolate, orderOf("counter.ts", "Members", ["here"]));
          const manifest = decodeManifest(actor.manifest);
          assertEquals(Object.entries(manifest.methods), [
            ["add", "sync"],
            ["arrow", "sync"],
            ["increment", "sync"],
            ["incrementLater", "async"],
            ["laterNumbers", "asyncGenerator"],
            ["numbers", "generator"],
            ["secret", "sync"],
          ]);
          assertEquals(manifest.attributes, ["data", "double", "failing", "label", "n"]);
          const slot = caller.attach(actor);
          assertEquals(await caller.call(slot, "add", 2), 2);
          assertEquals(await caller.call(slot, "arrow"), "here");
          assertEquals(await caller.call(slot, "secret"), 2);
          assertEquals(await caller.read(slot, "double"), 4);
          assertEquals(await caller.read(slot, "data"), { list: [1, 2] });
        }));

      it("keeps the class of a constructor's error, and its place", () =>
        withIsolate(async ({ isolate }) => {
          const order = orderOf("faulty.ts", "Fragile", [1_000_000]);
          const { error, executed, importFailed } = failureOf(await isolate.create(order));
          assertInstanceOf(error, TypeError);
          assertMatch(error.message, /^attempt \d+ failed$/);
          assertMatch(error.stack ?? "", /faulty\.ts/);
          assertEquals([executed, importFailed], ["yes", false]);
          assertEquals(isRemoteError(error) && error.remote, { worker: "alice", actor: order.key });
        }));

      it("leaves nothing behind where a constructor threw: its key is free again", () =>
        withIsolate(async ({ isolate, caller }) => {
          const order = orderOf("faulty.ts", "Fragile", [1_000_000]);
          failureOf(await isolate.create(order));
          const again = await createActor(isolate, { ...orderOf("counter.ts", "Counter"), key: order.key });
          assertEquals(await caller.call(caller.attach(again), "increment"), 1);
          assertEquals(isolate.counters.read().classes.map(({ actors }) => actors), [1]);
        }));

      it("runs a constructor that throws again, as often as the order says", () =>
        withIsolate(async ({ caller, attach, isolate }) => {
          const before = failureOf(await isolate.create(orderOf("faulty.ts", "Fragile", [1_000_000])));
          const attempts = Number(/attempt (\d+)/.exec(before.error.message)?.[1]);
          const slot = await attach("faulty.ts", "Fragile", [attempts + 2], { retries: 2 });
          assertEquals(await caller.call(slot, "attempts"), attempts + 3);
        }));

      it("says which module was not found, and that its import failed", () =>
        withIsolate(async ({ isolate }) => {
          const { error, executed, importFailed } = failureOf(await isolate.create(orderOf("nowhere.ts", "Counter")));
          assertInstanceOf(error, ModuleLoadError);
          assertMatch(error.message, /nowhere\.ts.*not found/i);
          assertEquals([executed, importFailed], ["no", true]);
        }));

      it("says which exports there are where one is missing", () =>
        withIsolate(async ({ isolate }) => {
          const { error, executed, importFailed } = failureOf(await isolate.create(orderOf("counter.ts", "Conter")));
          assertInstanceOf(error, ActorStartError);
          assertEquals(error.code, "NO_SUCH_CLASS");
          assertMatch(error.message, /has no export Conter.*Counter, Members/);
          assertEquals([executed, importFailed], ["no", false]);
        }));

      it("refuses an export that is neither class nor function, and a factory's number", () =>
        withIsolate(async ({ isolate }) => {
          const value = failureOf(await isolate.create(orderOf("counter.ts", "notAClass")));
          assertMatch(value.error.message, /notAClass is of type object, not a class or function/);
          const number = failureOf(await isolate.create(orderOf("counter.ts", "makeNumber")));
          assertInstanceOf(number.error, ActorStartError);
          assertMatch(number.error.message, /makeNumber gave a number, not an object/);
          assertEquals(number.executed, "yes");
        }));

      it("refuses a module that its list does not allow", () =>
        withIsolate(async ({ isolate }) => {
          const { error, executed } = failureOf(await isolate.create(orderOf("counter.ts", "Counter")));
          assertInstanceOf(error, ModuleNotAllowedError);
          assertMatch(error.message, /counter\.ts.*https:\/\/example\.com\/.*--allow-modules/);
          assertEquals(executed, "no");
        }, { allowModules: ["https://example.com/"] }));

      it("gives up on a module that takes too long", () =>
        withIsolate(async ({ isolate }) => {
          const slow = `data:text/javascript,export class Slow {}
            const channel = new BroadcastChannel("slow module");
            await new Promise((end) => channel.onmessage = end);
            channel.close();`;
          const { error, importFailed } = failureOf(await isolate.create(orderOf(slow, "Slow")));
          assertInstanceOf(error, ModuleLoadError);
          assertMatch(error.message, /more than 50 ms/);
          assertEquals(importFailed, true);
          const channel = new BroadcastChannel("slow module");
          channel.postMessage("end");
          channel.close();
        }, { moduleTimeout: 50 }));

      it("loads a module with a top-level await once for all orders that need it meanwhile", () =>
        withIsolate(async ({ isolate, attach }) => {
          const text = `export class Late { at = globalThis.lateLoads = (globalThis.lateLoads ?? 0) + 1 }
            await new Promise((end) => setTimeout(end, 20)); // ${crypto.randomUUID()}`;
          const late = `data:text/javascript,${encodeURIComponent(text)}`;
          // What follows each of them imports again, at once: Deno does not survive that where it was imported twice.
          await Promise.all([1, 2, 3].map(async (_, index) => {
            await createActor(isolate, orderOf(late, "Late"));
            await attach(`data:text/javascript,export class After${index} {}`, `After${index}`);
          }));
        }));

      it("runs a target by value, and names the variables that it left behind", () =>
        withIsolate(async ({ isolate, caller, attach }) => {
          const source = (text: string) => `data:text/javascript,${encodeURIComponent(`export default (${text});`)}`;
          const whole = source("class Counter { n = 0; increment() { return ++this.n; } }");
          const slot = await attach(whole, "default", [], { byValue: true });
          assertEquals(await caller.call(slot, "increment"), 1);

          const torn = source("class Counter { n = start; increment() { return this.n += step; } }");
          const { error, executed } = failureOf(await isolate.create(orderOf(torn, "default", [], { byValue: true })));
          assertInstanceOf(error, FreeVariableError);
          assertEquals(error.variables, ["start", "step"]);
          assertEquals(executed, "no");
        }));

      it("refuses arguments that are no array, before anything runs", () =>
        withIsolate(async ({ isolate }) => {
          const order = { ...orderOf("counter.ts", "Counter"), args: encodeValue({}).bytes.slice() };
          const { error, executed } = failureOf(await isolate.create(order));
          assertInstanceOf(error, ProtocolError);
          assertEquals(executed, "no");
        }));

      it("sends classes with sync methods, and factories, away from a home where none may run", () =>
        withIsolate(async ({ isolate, attach }) => {
          for (const name of ["Counter", "Members", "makeCounter"]) {
            const order = orderOf("counter.ts", name, [], { asyncOnly: true });
            const { needsSharedHome, executed } = failureOf(await isolate.create(order));
            assertEquals([name, needsSharedHome, executed], [name, true, "no"]);
          }
          await attach("waiter.ts", "Waiter", [], { asyncOnly: true });
        }));

      it("stops waiting for a constructor when the actor is destroyed meanwhile", () =>
        withIsolate(async ({ isolate }) => {
          const order = orderOf("faulty.ts", "neverMade");
          const outcome = isolate.create(order);
          await isolate.destroy("nobody", "nobody", "cancelled");
          await isolate.destroy(order.key, order.incarnation, "cancelled");
          assertInstanceOf(failureOf(await outcome).error, ActorLostError);
        }));
    });

    describe("serving calls", () => {
      it("starts calls in the order in which they were made, 10 000 of them", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("waiter.ts", "AsyncLog");
          const appended: Promise<unknown>[] = [];
          for (let index = 0; index < 10_000; index++) {
            appended.push(caller.call(slot, "append", index));
            // Within what a caller may have outstanding.
            if (index % 1000 === 999) await Promise.all(appended.splice(0));
          }
          assertEquals(await caller.call(slot, "all"), Array.from({ length: 10_000 }, (_, index) => index));
        }));

      it("keeps the order where long arguments are among short ones", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("waiter.ts", "AsyncLog");
          const sizes = [1, 200_000, 3, 40_000, 5, 1_000_000, 7];
          await Promise.all(sizes.map((size) => caller.call(slot, "append", "x".repeat(size))));
          const lengths = (await caller.call(slot, "all") as string[]).map((text) => text.length);
          assertEquals(lengths, sizes);
        }));

      it("lets 1 000 async calls wait, and one end them", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("waiter.ts", "Waiter");
          const waits = Array.from({ length: 1000 }, () => caller.call(slot, "wait"));
          assertEquals(await caller.read(slot, "waiting"), 1000);
          await caller.call(slot, "set");
          assertEquals(new Set(await Promise.all(waits)), new Set(["set"]));
        }));

      it("lets sync and async methods of one object see the same state", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("counter.ts", "Counter");
          const results: unknown[] = [];
          for (let index = 0; index < 500; index++) {
            results.push(await caller.call(slot, "increment"), await caller.call(slot, "incrementLater"));
          }
          assertEquals(results, Array.from({ length: 1000 }, (_, index) => index + 1));
          assertEquals(await caller.read(slot, "n"), 1000);
        }));

      it("answers every hostile name alike, runs no getter and leaves Object.prototype as it was", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("counter.ts", "Members");
          const before = Reflect.ownKeys(Object.prototype);
          // A getter is no method, and a method no attribute.
          for (const method of [...HOSTILE_NAMES, "failing", "double", "n"]) {
            await refusesName(caller, slot, method, "method");
          }
          for (const attribute of [...HOSTILE_NAMES, "increment", "arrow"]) {
            await refusesName(caller, slot, attribute, "attribute");
          }
          assertEquals(Reflect.ownKeys(Object.prototype), before);
          assertEquals(await caller.call(slot, "increment"), 1);
        }));

      it("passes a getter's error on", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("counter.ts", "Members");
          const outcome = await caller.readOutcome(slot, "failing");
          if (outcome.ok) throw new Error("The getter gave a value");
          assertInstanceOf(outcome.error, RangeError);
          assertEquals([outcome.error.message, outcome.executed], ["this getter fails", "yes"]);
        }));

      it("keeps name, message, cause, fields and stack of what a method throws", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          const outcome = await caller.outcome(slot, "fail");
          if (outcome.ok) throw new Error("It did not fail");
          const error = outcome.error as Error & { item?: string };
          assertEquals([error.name, error.message, error.item], ["OutOfStock", "tea is sold out", "tea"]);
          assertInstanceOf(error.cause, TypeError);
          assertMatch(error.stack ?? "", /faulty\.ts/);
          assertEquals(outcome.executed, "yes");
          if (!isRemoteError(error)) throw new Error("It is not marked as remote");
          assertEquals([error.remote.worker, error.remote.method], ["alice", "fail"]);
          assertEquals(await caller.call(slot, "ok"), "ok");
        }));

      it("survives a stack overflow, as a RangeError of the call", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          await assertRejects(() => caller.call(slot, "recurse"), RangeError);
          assertEquals(await caller.call(slot, "ok"), "ok");
        }));

      it("refuses a result that is no data, names the place, and says that the method ran", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          const outcome = await caller.outcome(slot, "giveFunction");
          if (outcome.ok) throw new Error("It was sent");
          assertInstanceOf(outcome.error, SerializationError);
          assertEquals(outcome.error.path, "result.user.callback");
          assertEquals(outcome.executed, "yes");
          assertEquals(await caller.call(slot, "giveMap"), new Map([["a", 1]]));
        }));

      it("tells who returns an iterator to write a generator method", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          await assertRejects(() => caller.call(slot, "giveIterator"), SerializationError, "generator method");
        }));

      it("refuses arguments that cannot be read, without running anything", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("counter.ts", "Counter");
          for (const bytes of [Uint8Array.of(0xc1), Uint8Array.of(0x80), Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)]) {
            const outcome = await caller.outcomeOfBytes(slot, "increment", bytes);
            if (outcome.ok) throw new Error("It ran");
            assertInstanceOf(outcome.error, ProtocolError);
            assertEquals(outcome.executed, "no");
          }
          assertEquals(await caller.read(slot, "n"), 0);
        }));

      it("settles a call at the deadline that its caller gave it", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          const outcome = await caller.outcome(slot, "hang", [], { deadline: 20 });
          if (outcome.ok) throw new Error("It returned");
          assertEquals([outcome.error.name, outcome.executed], ["TimeoutError", "unknown"]);
          assertEquals(await caller.call(slot, "ok"), "ok");
        }));

      it("shows a method its worker, its actor and its call", () =>
        withIsolate(async ({ isolate, caller }) => {
          const actor = await createActor(isolate, orderOf("context.ts", "Observer"));
          const slot = caller.attach(actor);
          const { key: actorKey } = actor;
          assertEquals(await caller.read(slot, "key"), actorKey);
          const seen = { worker: "worker-1", name: "alice", actorKey };
          assertEquals(await caller.call(slot, "look"), { ...seen, hasDeadline: false });
          const outcome = await caller.outcome(slot, "look", [], { deadline: 5000 });
          assertEquals(outcome.ok && outcome.value, { ...seen, hasDeadline: true });
        }));

      it("tells a module that it is being loaded, and marks its exports", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("context.ts", "Observer");
          // The fixture was loaded with this test's process where the home is inline; the order of tests decides nothing.
          assertEquals(await caller.call(slot, "atLoading"), { loading: true, context: false, now: 0 });
          assertEquals(await caller.call(slot, "mark"), { module: fixture("context.ts"), export: "Observer" });
        }));

      it("aborts the signal of a call that its caller cancels, and says at once that it was running", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("context.ts", "Observer");
          const cancelled = caller.outcome(slot, "waitForAbort");
          await caller.call(slot, "look");
          caller.cancel(slot, caller.lastId - 1);
          const outcome = await cancelled;
          if (outcome.ok) throw new Error("It was not cancelled");
          assertEquals([outcome.error.name, outcome.executed], ["AbortError", "unknown"]);
          assertEquals(await caller.call(slot, "whyAborted"), "AbortError");
        }));

      it("aborts the signals of a caller that is gone", () =>
        withIsolate(async ({ isolate, caller, connect }) => {
          const actor = await createActor(isolate, orderOf("context.ts", "Observer"));
          const leaving = await connect();
          leaving.outcome(leaving.attach(actor), "waitForAbort");
          await leaving.call(leaving.attach(actor), "look");
          leaving.close();
          const slot = caller.attach(actor);
          while (await caller.call(slot, "whyAborted") === undefined);
          assertEquals(await caller.call(slot, "whyAborted"), "AbortError");
        }));
    });

    describe("running tasks", () => {
      it("runs sync and async functions with their arguments, and gives results as bytes", () =>
        withIsolate(async ({ isolate }) => {
          assertEquals(resultOf(await computeIn(isolate, taskOf("tasks.ts", "add", [1, 2]))), 3);
          const bytes = resultOf(await computeIn(isolate, taskOf("tasks.ts", "fill", [3])));
          assertEquals(bytes, new Uint8Array([7, 7, 7]));
        }));

      it("runs a function by value, and names the variables that it left behind", () =>
        withIsolate(async ({ isolate }) => {
          const source = (text: string) => `data:text/javascript,${encodeURIComponent(`export default (${text});`)}`;
          const task = (text: string) => taskOf(source(text), "default", [20], { byValue: true });
          assertEquals(resultOf(await computeIn(isolate, task("(x) => x + 1"))), 21);
          const { error, executed } = failureOf(await computeIn(isolate, task("(x) => x + step")));
          assertInstanceOf(error, FreeVariableError);
          assertEquals([error.variables, executed], [["step"], "no"]);
        }));

      it("keeps an error's class, and says which function threw it", () =>
        withIsolate(async ({ isolate }) => {
          const { error, executed } = failureOf(await computeIn(isolate, taskOf("tasks.ts", "overheat")));
          assertEquals([error.name, error.degrees, executed], ["TooHot", 90, "yes"]);
          assertEquals(isRemoteError(error) && error.remote, { worker: "alice", method: "overheat" });
        }));

      it("refuses what has no single result, and runs none of it", () =>
        withIsolate(async ({ isolate }) => {
          for (const name of ["numbers", "numbersLater"]) {
            const { error, executed } = failureOf(await computeIn(isolate, taskOf("tasks.ts", name)));
            assertInstanceOf(error, SerializationError);
            assertEquals(executed, "no");
          }
          assertEquals(failureOf(await computeIn(isolate, taskOf("tasks.ts", "Unfit"))).executed, "no");
        }));

      it("refuses a sync function where only async ones may run, and says that it may run elsewhere", () =>
        withIsolate(async ({ isolate }) => {
          const order = taskOf("tasks.ts", "add", [1, 2], { asyncOnly: true });
          const { needsSharedHome, executed } = failureOf(await computeIn(isolate, order));
          assertEquals([needsSharedHome, executed], [true, "no"]);
          assertEquals(resultOf(await computeIn(isolate, { ...order, asyncOnly: false })), 3);
        }));

      it("says that an import failed, and names what is not allowed", () =>
        withIsolate(async ({ isolate }) => {
          const missing = failureOf(await computeIn(isolate, taskOf("nowhere.ts", "add")));
          assertInstanceOf(missing.error, ModuleLoadError);
          assertEquals([missing.importFailed, missing.executed], [true, "no"]);
          const forbidden = failureOf(await computeIn(isolate, taskOf("https://paste.example/add.js", "add")));
          assertInstanceOf(forbidden.error, ModuleNotAllowedError);
        }));

      it("tells a function that awaits that nobody wants its result, and answers at once", () =>
        withIsolate(async ({ isolate }) => {
          await using server = new MailboxServer();
          const order = taskOf("tasks.ts", "waitForAbort", [server.url]);
          const running = computeIn(isolate, order);
          await server.posted.next((text) => text === "started");
          isolate.cancelCompute(order.key, order.run + 1);
          isolate.cancelCompute(order.key, order.run);
          const { error, executed } = failureOf(await running);
          assertInstanceOf(error, CallCancelledError);
          assertEquals(executed, "unknown");
          await server.posted.next((text) => text === "aborted: AbortError");
        }));

      it("does not start a task that is cancelled before its module has loaded", () =>
        withIsolate(async ({ isolate }) => {
          const source = `let runs = 0; export const run = () => ++runs;
            await new Promise((end) => setTimeout(end, 20)); // ${crypto.randomUUID()}`;
          const order = taskOf(`data:text/javascript,${encodeURIComponent(source)}`, "run");
          const cancelled = computeIn(isolate, order);
          isolate.cancelCompute(order.key, order.run);
          assertEquals(failureOf(await cancelled).executed, "no");
          assertEquals(resultOf(await computeIn(isolate, { ...order, key: "after" })), 1);
        }));

      it("does not start a task that is cancelled at once", () =>
        withIsolate(async ({ isolate }) => {
          const order = taskOf("tasks.ts", "countRuns", [0]);
          const [before] = resultOf(await computeIn(isolate, { ...order, key: "before" })) as [number];
          const cancelled = computeIn(isolate, order);
          isolate.cancelCompute(order.key, order.run);
          const outcome = await cancelled;
          const [after] = resultOf(await computeIn(isolate, { ...order, key: "after" })) as [number];
          // In another thread it may have been over before it heard.
          assertEquals(after - before, outcome.ok ? 2 : 1);
        }));

      it("gives values in place of futures, each time a copy, and keeps the bytes as they were", () =>
        withIsolate(async ({ isolate }) => {
          const bytes = encodeValue([1, 2]).bytes.slice();
          const { bytes: args, refs } = encodeWithReferences([[new FutureOf("list"), new FutureOf("list")]]);
          const order = taskOf("tasks.ts", "countRuns", [], { args, refs, values: [{ key: "list", bytes, refs: [] }] });
          const [, value] = resultOf(await computeIn(isolate, order)) as [number, unknown];
          assertEquals(value, [[1, 2], [1, 2]]);
          assertEquals(bytes.length, 3);
        }));
    });

    describe("knowing its callers", () => {
      it("answers a wrong key, incarnation or tag, and a slot that was never attached, alike", () =>
        withIsolate(async ({ isolate, caller }) => {
          const actor = await createActor(isolate, orderOf("counter.ts", "Counter"));
          const flipped = actor.tag.slice();
          flipped[15]! ^= 1;
          const wrong = [
            { ...actor, tag: flipped },
            { ...actor, tag: actor.tag.slice(0, 15) },
            { ...actor, tag: new Uint8Array() },
            { ...actor, incarnation: "0123456789abcdef" },
          ];
          const texts = new Set<string>();
          for (const reference of [...wrong, { ...actor, incarnation: "ffff", tag: new Uint8Array(16) }]) {
            const outcome = await caller.outcome(caller.attach(reference), "increment");
            if (outcome.ok) throw new Error("It was called");
            assertInstanceOf(outcome.error, ActorNotFoundError);
            assertEquals(outcome.executed, "no");
            texts.add(outcome.error.message);
          }
          assertEquals(texts.size, 1);
          const never = await caller.outcome(999, "increment");
          assertEquals(!never.ok && never.error instanceof ActorNotFoundError, true);
          assertEquals(await caller.read(caller.attach(actor), "n"), 0);
        }));

      it("forgets a slot that was given back", () =>
        withIsolate(async ({ caller, attach }) => {
          const slot = await attach("counter.ts", "Counter");
          assertEquals(await caller.call(slot, "increment"), 1);
          caller.connection.send({ op: "detach", slot });
          await assertRejects(() => caller.call(slot, "increment"), ActorNotFoundError);
        }));

      it("closes on a caller that is none, or says what callers do not say", () =>
        withIsolate(async ({ caller, connect }) => {
          caller.connection.send({ op: "release", keys: ["x"], holder: undefined });
          const { code, reason } = await caller.closed;
          assertEquals([code, reason], [4400, "Cannot take a release message from a caller"]);
          const next = await connect();
          assertEquals(next.connection.closed, undefined);
        }));
    });

    describe("ending", () => {
      it("runs the async dispose hook once, and not the sync one, when an actor is destroyed", () =>
        withIsolate(async ({ isolate, caller, attach }) => {
          const witness = await attach("disposer.ts", "DisposeWitness");
          const order = orderOf("disposer.ts", "Disposer", [`once ${crypto.randomUUID()}`]);
          await createActor(isolate, order);
          await Promise.all([
            isolate.destroy(order.key, order.incarnation, "released"),
            isolate.destroy(order.key, order.incarnation, "released"),
          ]);
          const seen = await caller.call(witness, "seen") as string[];
          const [name] = (await import("../../protocol/mod.ts")).decodeValue(order.args) as string[];
          assertEquals(seen.filter((line) => line.endsWith(name!)), [`async ${name}`]);
        }));

      it("settles what is pending when an actor is destroyed, and refuses what comes later", () =>
        withIsolate(async ({ isolate, caller }) => {
          const order = orderOf("faulty.ts", "Faulty");
          const slot = caller.attach(await createActor(isolate, order));
          const hanging = caller.outcome(slot, "hang");
          assertEquals(await caller.call(slot, "ok"), "ok");
          await isolate.destroy(order.key, order.incarnation, "killed");
          const outcome = await hanging;
          if (outcome.ok) throw new Error("It returned");
          assertInstanceOf(outcome.error, ActorLostError);
          assertEquals([outcome.error.reason, outcome.error.worker, outcome.executed], ["killed", "alice", "unknown"]);
          const later = await caller.outcome(slot, "ok");
          assertEquals(later.ok ? undefined : [later.error.name, later.executed], ["ActorLostError", "no"]);
        }));

      it("answers for a released actor as for one that never was", () =>
        withIsolate(async ({ isolate, caller }) => {
          const order = orderOf("faulty.ts", "Faulty");
          const slot = caller.attach(await createActor(isolate, order));
          await isolate.destroy(order.key, order.incarnation, "released");
          await assertRejects(() => caller.call(slot, "ok"), ActorNotFoundError);
          assertEquals(isolate.counters.read().classes.map(({ methods: _, ...counts }) => counts), [
            { className: "Faulty", actors: 0, calls: 0, errors: 0 },
          ]);
        }));

      it("counts a dispose hook that throws, and goes on", () =>
        withIsolate(async ({ isolate, attach }) => {
          const order = orderOf("disposer.ts", "BadDisposer");
          await createActor(isolate, order);
          await isolate.destroy(order.key, order.incarnation, "released");
          assertEquals(isolate.counters.read().unhandled, 1);
          await attach("disposer.ts", "BadDisposer");
        }));

      it("settles pending calls when it is closed, and says why", () =>
        withIsolate(async ({ isolate, caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          const hanging = caller.outcome(slot, "hang");
          await caller.call(slot, "ok");
          await isolate.close(1000);
          const outcome = await hanging;
          assertEquals(outcome.ok ? undefined : outcome.error.name, "ActorLostError");
          assertEquals((await isolate.ended).reason, "drained");
          assertEquals((await caller.closed).code, 4503);
        }));

      it("counts calls and errors by class", () =>
        withIsolate(async ({ isolate, caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          await caller.call(slot, "ok");
          await caller.outcome(slot, "fail");
          await caller.outcome(slot, "giveFunction");
          await caller.outcome(slot, "nope");
          // What another process counts is seen a little later.
          await eventually(["Faulty", 1, 3, 2], () => {
            const [counts] = isolate.counters.read().classes;
            return [counts?.className, counts?.actors, counts?.calls, counts?.errors];
          });
        }));

      it("lives on after a floating rejection and an error in a timer, and counts both", () =>
        withIsolate(async ({ isolate, caller, attach }) => {
          const slot = await attach("faulty.ts", "Faulty");
          const waiting = caller.outcome(slot, "hang", [], { deadline: 60 });
          await caller.call(slot, "float");
          await caller.call(slot, "throwInTimer");
          await waiting;
          await eventually(2, () => isolate.counters.read().unhandled);
          assertEquals(await caller.call(slot, "ok"), "ok");
        }));
    });

    describe("exits of user code", () => {
      // Only the host's own isolate skips these: an exit there is the end of its process, which host tests look at.
      const { skipExits } = options;
      const test = (sentence: string, run: () => Promise<void>) =>
        skipExits === undefined ? it(sentence, run) : it.skip(`${sentence} (${skipExits})`, run);

      for (const how of ["Deno.exit", "process.exit", "named exit", "reallyExit", "self.close"]) {
        test(`loses its actors, in words, when a method calls ${how}`, () =>
          withIsolate(async ({ isolate, caller, attach }) => {
            const slot = await attach("faulty.ts", "Leaver");
            const hanging = caller.outcome(slot, "hang");
            const started = performance.now();
            const outcome = await caller.outcome(slot, "leave", [how]);
            for (const lost of [outcome, await hanging]) {
              if (lost.ok) throw new Error("It returned");
              assertInstanceOf(lost.error, ActorLostError);
              assertEquals([lost.error.reason, lost.executed], ["isolate-exit", "unknown"]);
            }
            const end = await isolate.ended;
            assertEquals(end.reason, "isolate-exit");
            assertGreater(500, performance.now() - started);
            await assertRejects(() => isolate.create(orderOf("faulty.ts", "Faulty")), ActorLostError);
          }));
      }

      for (const method of ["leaveSync", "leaveAndCatch"]) {
        test(`loses its actors when a sync method exits: ${method}`, () =>
          withIsolate(async ({ isolate, caller, attach }) => {
            const slot = await attach("faulty.ts", "Leaver");
            const outcome = await caller.outcome(slot, method);
            assertEquals(outcome.ok ? undefined : [outcome.error.name, outcome.executed], [
              "ActorLostError",
              "unknown",
            ]);
            assertEquals((await isolate.ended).reason, "isolate-exit");
          }));
      }
    });
  });
}

async function refusesName(
  caller: RawCaller,
  slot: number,
  name: string,
  what: "method" | "attribute",
): Promise<void> {
  const outcome = await (what === "method" ? caller.outcome(slot, name) : caller.readOutcome(slot, name));
  if (outcome.ok) throw new Error(`The ${what} ${JSON.stringify(name)} was found`);
  assertInstanceOf(outcome.error, MethodNotFoundError);
  assertEquals(outcome.executed, "no");
  assertMatch(
    outcome.error.message,
    /^Cannot find the (method|attribute) ".*" of Members-[0-9a-f]{8}: it has no public one of that name$/,
  );
}
