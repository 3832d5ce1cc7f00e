import { assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { type ActorReference, DependencyLostError, encodeValue, TroupeError } from "../../protocol/mod.ts";
import { startWorker, type Worker } from "../../worker/mod.ts";
import {
  CreateFailed,
  encodeWithReferences,
  type FakeActor,
  type FakeCaller,
  type FakeClient,
  type FakeHost,
  type FakeOrder,
  FakeScheduler,
  FutureOf,
  HandleOf,
} from "../helpers/fake_scheduler.ts";

const CALLERS = import.meta.resolve("../fixtures/actors/callers.ts");
const COUNTER = { module: import.meta.resolve("../fixtures/actors/counter.ts"), export: "Counter" };

let scheduler: FakeScheduler;
let worker: Worker;
let host: FakeHost;

/** Actors of one class live in a Web Worker isolate as in the host's own. */
function testReferences(home: "inline" | "shared"): void {
  const callers: FakeCaller[] = [];
  let count = 0;
  let session: FakeClient | undefined;

  function keeper(order: Partial<FakeOrder> = {}): Promise<FakeActor> {
    return host.create({ target: { module: CALLERS, export: "Keeper" }, home, ...order });
  }

  function callerOf(actor: FakeActor): FakeCaller {
    const caller = host.relayed(actor.home);
    callers.push(caller);
    return caller;
  }

  /** The isolate's, of which there is one. */
  async function isolateSession(): Promise<FakeClient> {
    return session ??= await scheduler.clients.next();
  }

  function future(): FutureOf {
    return new FutureOf(`${home}-${++count}`);
  }

  describe(`an actor with references, ${home}`, () => {
    beforeAll(async () => {
      scheduler = await FakeScheduler.start();
      worker = await startWorker({ scheduler: scheduler.address, token: scheduler.token, isolates: 1 });
      host = await scheduler.hosts.next();
    });
    afterAll(async () => {
      for (const caller of callers.splice(0)) caller.close();
      await worker.kill();
      await scheduler[Symbol.asyncDispose]();
    });

    it("gets a future's value, and what its caller calls meanwhile waits in order", async () => {
      const actor = await keeper();
      const caller = callerOf(actor);
      const awaited = future();
      const calls = [
        caller.call(actor, "keep", "before"),
        caller.call(actor, "keep", { deep: [awaited] }),
        caller.call(actor, "keep", "after"),
        caller.call(actor, "count"),
      ];
      await calls[0];
      // Another caller passes.
      assertEquals(await callerOf(actor).call(actor, "count"), 1);
      scheduler.fulfil(awaited.key, encodeValue(new Date(5)));
      assertEquals(await calls[2], ["before", { deep: [new Date(5)] }, "after"]);
      assertEquals(await calls[3], 3);
    });

    it("gets a future's value from the host that keeps it", async () => {
      const { key, outcome } = host.compute({
        target: { module: import.meta.resolve("../fixtures/actors/tasks.ts"), export: "fill" },
        home: "inline",
        args: [5000],
      });
      await outcome;
      scheduler.place(key, 5000, host.holder);
      const actor = await keeper();
      const [bytes] = await callerOf(actor).call(actor, "keep", new FutureOf(key)) as [Uint8Array];
      assertEquals([bytes.length, bytes[4999]], [5000, 7]);
    });

    it("does not run a call whose future failed, says why, and goes on with the next", async () => {
      const actor = await keeper();
      const caller = callerOf(actor);
      const failing = future();
      const calls = [caller.call(actor, "keep", failing), caller.call(actor, "keep", "next")];
      scheduler.fail(failing.key, new RangeError("out of range"));
      const error = await assertRejects(() => calls[0]!, DependencyLostError, "out of range");
      assertInstanceOf(error.cause, RangeError);
      assertEquals(error.executed, "no");
      assertEquals(await calls[1], ["next"]);
    });

    it("never starts a call that was cancelled while it waited, and goes on with the next", async () => {
      const actor = await keeper();
      const caller = callerOf(actor);
      caller.call(actor, "keep", future());
      const next = caller.call(actor, "keep", "next");
      caller.cancelCall(1);
      assertEquals(await next, ["next"]);
    });

    it("starts nothing of what waited when its caller goes", async () => {
      const actor = await keeper();
      const caller = callerOf(actor);
      const awaited = future();
      caller.call(actor, "keep", awaited);
      caller.call(actor, "keep", "behind");
      assertEquals(await callerOf(actor).call(actor, "count"), 0);
      caller.close();
      // What comes after the close, on the same way, finds it done.
      assertEquals(await callerOf(actor).call(actor, "count"), 0);
      scheduler.fulfil(awaited.key, encodeValue(1));
      assertEquals(await callerOf(actor).call(actor, "count"), 0);
    });

    it("ends a call that waits for ever at its deadline, which did not run", async () => {
      const actor = await keeper();
      const caller = callerOf(actor);
      const waiting = caller.callWithin(20, actor, "keep", future());
      const error = await assertRejects(() => waiting, TroupeError, "was not started within the 20 ms");
      assertEquals([error.name, error.executed], ["TimeoutError", "no"]);
      assertEquals(await caller.call(actor, "count"), 0);
    });

    it("answers what waits, when it ends, at once", async () => {
      const actor = await keeper();
      const caller = callerOf(actor);
      const waiting = caller.call(actor, "keep", future());
      assertEquals(await callerOf(actor).call(actor, "count"), 0);
      assertEquals(await host.destroy(actor), "released");
      const error = await assertRejects(() => waiting, TroupeError);
      assertEquals(error.executed, "no");
    });

    it("calls the handles that it was given, and tells the scheduler that it holds them", async () => {
      const counter = await host.create({ target: COUNTER, args: [10] });
      const handle = new HandleOf(host.referenceTo(counter));
      const actor = await keeper();
      const caller = callerOf(actor);
      assertEquals(await caller.call(actor, "increment", handle), 11);
      await caller.call(actor, "keep", handle);
      assertEquals(await caller.call(actor, "incrementKept", 0), 12);
      const session = await isolateSession();
      const { holder } = await session.next("held", ({ keys }) => keys.includes(counter.key));
      assertEquals([holder, session.claims.host], [actor.key, host.claims.host]);
    });

    it("answers a call when the scheduler has heard of all the handles that came with it, and waits only once", async () => {
      const counter = await host.create({ target: COUNTER });
      const handle = new HandleOf(host.referenceTo(counter));
      const actor = await keeper();
      const caller = callerOf(actor);
      const hearing = Promise.withResolvers<void>();
      scheduler.heard = hearing.promise;
      const calls = [caller.call(actor, "keep", handle), caller.call(actor, "count")];
      let answered = false;
      calls[0]!.then(() => answered = true);
      // It has started, and is the only one that waits.
      assertEquals([await calls[1], await callerOf(actor).call(actor, "count"), answered], [1, 1, false]);
      hearing.resolve();
      await calls[0];
      scheduler.heard = new Promise(() => {});
      assertEquals(await caller.call(actor, "increment", handle), 1);
    });

    it("answers a call that throws no sooner", async () => {
      const counter = await host.create({ target: COUNTER });
      const actor = await keeper();
      const hearing = Promise.withResolvers<void>();
      scheduler.heard = hearing.promise;
      const failing = callerOf(actor).call(actor, "refuse", new HandleOf(host.referenceTo(counter)));
      let answered = false;
      failing.catch(() => answered = true);
      assertEquals([await callerOf(actor).call(actor, "count"), answered], [0, false]);
      hearing.resolve();
      await assertRejects(() => failing, RangeError);
    });

    it("holds what is in a result until its caller has taken it", async () => {
      const counter = await host.create({ target: COUNTER });
      const actor = await keeper();
      const caller = callerOf(actor);
      await caller.call(actor, "keep", new HandleOf(host.referenceTo(counter)));
      await caller.call(actor, "give");
      const session = await isolateSession();
      const about = <M extends { keys: readonly string[]; holder: string | undefined }>({ keys, holder }: M) =>
        keys.includes(counter.key) && holder === undefined;
      await session.next("held", about);
      // What the actor held itself it may give up meanwhile.
      await caller.call(actor, "drop");
      await session.next("release", ({ keys, holder }) => keys.includes(counter.key) && holder === actor.key);
      for (const call of [1, 2]) caller.taken(call);
      await session.next("release", about);
    });

    it("gives handles back, in results that name their keys", async () => {
      const counter = await host.create({ target: COUNTER });
      const reference = host.referenceTo(counter);
      const actor = await keeper();
      const caller = callerOf(actor);
      await caller.call(actor, "keep", new HandleOf(reference));
      const { handles } = await caller.call(actor, "give") as { handles: ActorReference[] };
      assertEquals(handles, [reference]);
      assertEquals(caller.lastRefs, [counter.key]);
    });

    it("knows itself, and is a client", async () => {
      const actor = await keeper();
      const caller = callerOf(actor);
      assertEquals(await caller.call(actor, "self"), [host.referenceTo(actor)]);
      assertEquals(await caller.call(actor, "countBySelf"), 0);
      assertMatch(await caller.call(actor, "client") as string, /^<Client: /);
    });

    it("gets values and live handles in its constructor", async () => {
      const counter = await host.create({ target: COUNTER, args: [20] });
      const awaited = future();
      const encoded = encodeWithReferences([awaited, new HandleOf(host.referenceTo(counter))]);
      const creating = keeper({ encoded });
      scheduler.fulfil(awaited.key, encodeValue("value"));
      const actor = await creating;
      const caller = callerOf(actor);
      assertEquals(await caller.call(actor, "count"), 2);
      assertEquals(await caller.call(actor, "incrementKept", 1), 21);
    });

    it("is not made where a future among its constructor's arguments failed", async () => {
      const failing = future();
      scheduler.fail(failing.key, new RangeError("out of range"));
      const { cause, executed } = await assertRejects(
        () => keeper({ encoded: encodeWithReferences([failing]) }),
        CreateFailed,
      );
      assertInstanceOf(cause, DependencyLostError);
      assertEquals(executed, "no");
    });

    it("has no handle of itself in its constructor", async () => {
      const order: FakeOrder = { target: { module: CALLERS, export: "Hasty" }, home };
      await assertRejects(() => host.create(order), CreateFailed, "currentActor() is not available in a constructor");
    });
  });
}

testReferences("inline");
testReferences("shared");
