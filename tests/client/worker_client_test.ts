import { assert, assertEquals, assertRejects } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { WorkerClient } from "../../client/worker_client.ts";
import type { Actor, Future } from "../../client/types.ts";
import { ConnectionLostError, decodeValue, encodeActorReference, encodeValue } from "../../protocol/mod.ts";
import { actorReference, ScriptedScheduler, settle, surroundings } from "./scripted_scheduler.ts";

class Counter {
  n = 0;
  increment() {
    return ++this.n;
  }
}

const clients: WorkerClient[] = [];

function setUp(options: { ready?: Promise<void> } = {}) {
  const scheduler = new ScriptedScheduler();
  let holder: string | undefined = "Player-1";
  const worker = new WorkerClient({
    address: "unused",
    requestTicket: () => Promise.reject(new Error("unused")),
    surroundings: surroundings(() => holder),
    direct: false,
    onUnobservedError: () => {},
    dial: async (link) => {
      await options.ready;
      return await scheduler.dial(link);
    },
  });
  clients.push(worker);
  return { scheduler, worker, client: worker.client, become: (key: string | undefined) => void (holder = key) };
}

/** A value that holds an actor, as a peer sends it. */
function withActor(key: string): Uint8Array {
  const actor = { [Symbol.for("troupe.reference.1")]: true };
  return encodeValue({ actor }, {
    reference: () => ({ kind: "actor", bytes: encodeActorReference(actorReference(key)), key }),
  }).bytes.slice();
}

describe("the client of an isolate", () => {
  afterEach(() => {
    for (const worker of clients.splice(0)) worker.close();
  });

  it("connects when it first has to, and what is asked of it before then waits, in order", async () => {
    const ready = Promise.withResolvers<void>();
    const { scheduler, worker, client } = setUp({ ready: ready.promise });
    assertEquals([scheduler.clients, worker.connected], [0, false]);
    const future = client.submit((x: number) => x + 1, [1]);
    const info = client.schedulerInfo();
    scheduler.requests.info = () => ({ id: "scripted" });
    await settle();
    assertEquals(worker.connected, false);
    ready.resolve();
    const { key } = await scheduler.submitted();
    scheduler.finish(key, 2);
    assertEquals(await future, 2);
    assertEquals((await info).id, "scripted");
    assertEquals(scheduler.log, ["submit", "request info"]);
    assertEquals([scheduler.clients, worker.connected], [1, true]);
  });

  it("submits, holds and releases for the actor or task that runs", async () => {
    const { scheduler, client, become } = setUp();
    const future = client.submit(Counter, { actor: true });
    const { key, holder } = await scheduler.submitted();
    assertEquals(holder, "Player-1");
    scheduler.start(key);
    const counter = await future;
    become("Player-2");
    await future.release();
    const released = await scheduler.next("release");
    assertEquals([released.keys, released.holder], [[key], "Player-1"]);
    await assertRejects(async () => await counter.increment());
  });

  it("says who holds what a value brings, once for each of them", async () => {
    const { scheduler, worker, become } = setUp();
    const value = withActor("Counter-1");
    const one = worker.decodeFor("Player-1", value, ["Counter-1"]) as { actor: Actor<Counter> };
    const again = worker.decodeFor("Player-1", value, ["Counter-1"]) as { actor: Actor<Counter> };
    become("Player-2");
    const other = decodeValue(value, worker.make) as { actor: Actor<Counter> };
    const first = await scheduler.next("held");
    const second = await scheduler.next("held");
    assertEquals([first.holder, second.holder], ["Player-1", "Player-2"]);
    await one.actor[Symbol.asyncDispose]();
    await settle();
    assertEquals(scheduler.log, ["held", "held"]);
    await again.actor[Symbol.asyncDispose]();
    assertEquals((await scheduler.next("release")).holder, "Player-1");
    const call = other.actor.increment();
    scheduler.answer(await scheduler.calls.next(), 1);
    assertEquals(await call, 1);
  });

  it("forgets what was held for one that has ended, without a word", async () => {
    const { scheduler, worker, become } = setUp();
    const value = withActor("Counter-1");
    const one = worker.decodeFor("Player-1", value, ["Counter-1"]) as { actor: Actor<Counter> };
    become("Player-2");
    const other = worker.decodeFor("Player-2", value, ["Counter-1"]) as { actor: Actor<Counter> };
    await scheduler.next("held");
    await scheduler.next("held");
    worker.endHolder("Player-1");
    await one.actor[Symbol.asyncDispose]();
    await settle();
    assertEquals(scheduler.log, ["held", "held"]);
    await other.actor[Symbol.asyncDispose]();
    assertEquals((await scheduler.next("release")).holder, "Player-2");
  });

  it("holds what a call takes for whoever made the call", async () => {
    const { scheduler, worker, client, become } = setUp();
    const value = withActor("Counter-1");
    const { actor } = worker.decodeFor("Player-1", value, ["Counter-1"]) as {
      actor: Actor<{ add(x: number): number }>;
    };
    const future = client.submit((x: number) => x, [1]);
    const call = actor.add(future);
    become("Player-2");
    future.release();
    await settle();
    assertEquals(scheduler.log.includes("release"), false);
    scheduler.answer(await scheduler.calls.next(), 1);
    await call;
    const released = await scheduler.next("release");
    assertEquals([released.keys, released.holder], [[future.key], "Player-1"]);
  });

  it("encodes handles and futures of results, but not of calls that are under way", async () => {
    const { scheduler, worker, client } = setUp();
    const own = worker.handleOf(actorReference("Player-1")) as Actor<Counter>;
    const future: Future<number> = client.submit((x: number) => x, [1]);
    const reference = (value: object) => worker.reference(value);
    assertEquals(encodeValue([own, future], { reference }).refs, ["Player-1", future.key]);
    const call = own.increment();
    let message = "";
    try {
      encodeValue([call], { reference, root: "result" });
    } catch (error) {
      message = (error as Error).message;
    }
    assertEquals(message, "Cannot encode result[0]: cannot send an actor handle or a future here");
    scheduler.answer(await scheduler.calls.next(), 1);
    await call;
  });

  it("is not closed by those who use it", async () => {
    const { scheduler, client } = setUp();
    await using given = client;
    await given.close();
    client.submit((x: number) => x, [1]);
    assert(await scheduler.submitted());
  });

  it("fails what waits where it cannot connect, and tries again when it is needed next", async () => {
    const scheduler = new ScriptedScheduler();
    let attempts = 0;
    const worker = new WorkerClient({
      address: "unused",
      requestTicket: () => Promise.reject(new Error("unused")),
      surroundings: surroundings(() => "Player-1"),
      direct: false,
      onUnobservedError: () => {},
      dial: (link) => ++attempts === 1 ? Promise.reject(new Error("no ticket")) : scheduler.dial(link),
    });
    clients.push(worker);
    const failed = worker.client.submit((x: number) => x, [1]);
    await assertRejects(async () => await failed, ConnectionLostError, "no ticket");
    const future = worker.client.submit((x: number) => x, [2]);
    scheduler.finish((await scheduler.submitted()).key, 2);
    assertEquals(await future, 2);
  });

  it("dials again after its connection was lost", async () => {
    const { scheduler, worker, client } = setUp();
    const lost = client.submit((x: number) => x, [1]);
    await scheduler.submitted();
    scheduler.cut();
    await assertRejects(async () => await lost, ConnectionLostError);
    assertEquals(worker.connected, false);
    const future = client.submit((x: number) => x, [2]);
    scheduler.finish((await scheduler.submitted()).key, 2);
    assertEquals(await future, 2);
    assertEquals(scheduler.clients, 2);
  });
});
