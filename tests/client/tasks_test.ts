import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import type { Actor, Future } from "../../client/types.ts";
import { asCompleted, gather, wait } from "../../client/waiting.ts";
import {
  CallCancelledError,
  DependencyLostError,
  encodeValue,
  MAXIMUM_TEXTS,
  SerializationError,
} from "../../protocol/mod.ts";
import {
  actorReference,
  closeClients,
  decodeArguments,
  HOLDER,
  ScriptedScheduler,
  settle,
} from "./scripted_scheduler.ts";

function add(a: number, b: number) {
  return a + b;
}

async function addLater(a: number, b: number) {
  return await Promise.resolve(a + b);
}

class Counter {
  n = 0;
  add(x: number) {
    return this.n += x;
  }
  increment() {
    return ++this.n;
  }
}

function setUp() {
  const scheduler = new ScriptedScheduler();
  return { scheduler, ...scheduler.connect() };
}

describe("submit of a task", () => {
  afterEach(closeClients);

  it("gives its small value, which came with its status, without asking anybody", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2]);
    const { key, submitted, args } = await scheduler.submitted();
    assertEquals(key, future.key);
    assertEquals(decodeArguments(args), [1, 2]);
    const { actor, pure, home, homeFixed } = submitted;
    assertEquals({ actor, pure, home, homeFixed }, { actor: false, pure: true, home: "shared", homeFixed: false });
    scheduler.status(key, { status: "processing" });
    await settle();
    assertEquals(future.status, "processing");
    scheduler.finish(key, 3);
    assertEquals(await future, 3);
    assertEquals(future.status, "finished");
    assertEquals(scheduler.log, ["submit"]);
  });

  it("passes its options on, and runs async functions on the event loop", async () => {
    const { scheduler, client } = setUp();
    client.submit(addLater, [1, 2], {
      workers: "a",
      allowOtherWorkers: true,
      resources: { GPU: 1 },
      priority: 5,
      retries: 2,
      timeout: 1000,
      pure: false,
    });
    const { submitted } = await scheduler.submitted();
    assertEquals(submitted, {
      ...submitted,
      home: "inline",
      workers: ["a"],
      allowOtherWorkers: true,
      priority: 5,
      retries: 2,
      timeout: 1000,
      pure: false,
    });
    assertEquals({ ...submitted.resources }, { GPU: 1 });
  });

  it("has one key for equal submits, and another for other arguments, targets and versions", () => {
    const { client } = setUp();
    const keys = [
      client.submit(add, [1, 2]),
      client.submit(add, [1, 3]),
      client.submit(add, [1, 2], { version: "2" }),
      client.submit(add, [1, 2], { module: "https://example.com/add.ts" }),
      client.submit(addLater, [1, 2]),
      client.submit(add, [1, 2], { pure: false }),
      client.submit(add, [1, 2], { pure: false }),
    ].map((future) => future.key);
    assertEquals(new Set(keys).size, keys.length);
    assertMatch(keys[0]!, /^add-[0-9a-f]{32}$/);
    assertEquals(client.submit(add, [1, 2]).key, keys[0]);
    assertEquals(setUp().client.submit(add, [1, 2]).key, keys[0]);
  });

  it("is told to the scheduler once for equal submits, and given back with the last of their futures", async () => {
    const { scheduler, client } = setUp();
    const one = client.submit(add, [1, 2]);
    const other = client.submit(add, [1, 2]);
    await scheduler.submitted();
    await one.release();
    await settle();
    assertEquals(scheduler.log, ["submit"]);
    await other.release();
    assertEquals((await scheduler.next("release")).keys, [one.key]);
    assertEquals([one.status, other.status], ["released", "released"]);
  });

  it("gives the error that it threw, also by exception()", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2]);
    const { key } = await scheduler.submitted();
    scheduler.fail(key, new RangeError("too large"));
    assertEquals((await future.exception())?.message, "too large");
    await assertRejects(async () => await future, RangeError, "too large");
    assertEquals(future.status, "error");
  });

  it("can be submitted again after it failed: the scheduler is told to forget the failure first", async () => {
    const { scheduler, client } = setUp();
    const failed = client.submit(add, [1, 2]);
    const { key } = await scheduler.submitted();
    scheduler.fail(key, new RangeError("too large"));
    await failed.exception();
    const again = client.submit(add, [1, 2]);
    await scheduler.submitted();
    assertEquals(scheduler.log, ["submit", "release", "submit"]);
    await failed.release();
    scheduler.finish(key, 3);
    assertEquals(await again, 3);
    assertEquals(scheduler.log, ["submit", "release", "submit"]);
  });

  it("is cancelled for everyone", async () => {
    const { scheduler, client } = setUp();
    const futures = client.map((n: number) => n + 1, [1, 2]);
    await client.cancel(futures);
    assertEquals((await scheduler.next("cancelKeys")).keys, [futures[0]!.key]);
    assertEquals((await scheduler.next("cancelKeys")).keys, [futures[1]!.key]);
    await assertRejects(() => gather(futures), CallCancelledError);
    const abort = new AbortController();
    const aborted = client.submit(add, [5, 5], { signal: abort.signal });
    abort.abort();
    assertEquals((await scheduler.next("cancelKeys")).keys, [aborted.key]);
    assertEquals(aborted.status, "cancelled");
  });

  it("fails in its future where the arguments cannot be sent, and what depends on it fails with the same error", async () => {
    const { client, scheduler } = setUp();
    const future = client.submit(add, [1, (() => 2) as never]);
    const dependent = client.submit(add, [1, future]);
    const error = await assertRejects(async () => await future, SerializationError, "args[1]");
    assertEquals(await dependent.exception(), error);
    assertEquals(scheduler.log, []);
  });

  it("settles whoever awaits a future that is released before it was there", async () => {
    const { client } = setUp();
    const future = client.submit(add, [1, 2]);
    const waiting = assertRejects(async () => await future, CallCancelledError, "released");
    await future.release();
    await waiting;
  });

  it("is not reported as a failure where the client is closed before it was there, but failures before are", async () => {
    const reports: string[] = [];
    const scheduler = new ScriptedScheduler();
    const { session, client } = scheduler.connect({ onUnobservedError: (error) => reports.push(error.message) });
    const failed = client.submit(add, [1, 2]);
    client.submit(add, [3, 4]);
    scheduler.fail((await scheduler.submitted()).key, new RangeError("too large"));
    await wait([failed]);
    session.close();
    assertEquals(reports, ["too large"]);
  });

  it("is one of as many as one likes: keys go out a message's worth at a time", async () => {
    const scheduler = new ScriptedScheduler();
    const { session } = scheduler.connect();
    session.cancel(Array.from({ length: MAXIMUM_TEXTS + 1 }, (_, index) => `key-${index}`), "enough");
    assertEquals((await scheduler.next("cancelKeys")).keys.length, MAXIMUM_TEXTS);
    assertEquals((await scheduler.next("cancelKeys")).keys, [`key-${MAXIMUM_TEXTS}`]);
  });

  it("refuses a class and a generator at once", () => {
    const { client } = setUp();
    assertThrows(() => client.submit(Counter as never), TypeError, "Counter is a class: add { actor: true }");
    assertThrows(
      () =>
        client.submit(function* many() {
          yield 1;
        } as never),
      TypeError,
      "a generator cannot be a task",
    );
  });
});

describe("a result that stays on its worker", () => {
  afterEach(closeClients);

  const value = { bytes: encodeValue("large").bytes.slice() };

  function stored(scheduler: ScriptedScheduler, key: string) {
    scheduler.status(key, { status: "finished", refs: [], size: 5000, holders: [HOLDER] });
  }

  it("is not fetched before somebody wants it, and then once", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2]) as Future<unknown>;
    const { key } = await scheduler.submitted();
    scheduler.data.set(key, value.bytes);
    stored(scheduler, key);
    await wait([future]);
    assert(future.done());
    assertEquals(await future.exception(), undefined);
    assertEquals(scheduler.log, ["submit"]);
    assertEquals([await future, await future], ["large", "large"]);
    assertEquals(scheduler.log, ["submit", "getData"]);
  });

  it("is looked for anew where its holder does not have it any more", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2]) as Future<unknown>;
    const { key } = await scheduler.submitted();
    stored(scheduler, key);
    scheduler.requests.locate = (asked: { key: string }) => {
      assertEquals(asked.key, key);
      scheduler.data.set(key, value.bytes);
      return { refs: [], size: 5000, holders: [HOLDER] };
    };
    assertEquals(await future, "large");
    assertEquals(scheduler.log, ["submit", "getData", "request locate", "getData"]);
  });

  it("may come with the scheduler's answer instead", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2]) as Future<unknown>;
    const { key } = await scheduler.submitted();
    stored(scheduler, key);
    scheduler.requests.locate = () => ({ value: value.bytes, refs: [], size: 6, holders: [] });
    assertEquals(await future, "large");
  });

  it("is an error where the scheduler says that it is lost", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2]);
    const { key } = await scheduler.submitted();
    stored(scheduler, key);
    scheduler.requests.locate = () => Promise.reject(new DependencyLostError("nobody has it"));
    await assertRejects(async () => await future, DependencyLostError, "nobody has it");
  });

  it("is waited for while it is computed again", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2]);
    const { key } = await scheduler.submitted();
    stored(scheduler, key);
    scheduler.status(key, { status: "processing" });
    await settle();
    assert(future.done());
    assertEquals(future.status, "processing");
    const result = future.result();
    await settle();
    assertEquals(scheduler.log, ["submit"]);
    scheduler.finish(key, 3);
    assertEquals(await result, 3);
  });

  it("is a DependencyLostError, with the worker, where it is lost for good", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [1, 2], { pure: false });
    const { key } = await scheduler.submitted();
    scheduler.status(key, { status: "lost", worker: "alice", reason: "worker-exit" });
    await assertRejects(async () => await future, DependencyLostError, "worker alice (worker-exit)");
    assertEquals(future.status, "lost");
    await assertRejects(async () => await client.submit(add, [1, future]), DependencyLostError, "depends on, is lost");
  });
});

describe("futures among arguments", () => {
  afterEach(closeClients);

  it("travel as their keys, at any depth, and nobody waits for them", async () => {
    const { scheduler, client } = setUp();
    const one = client.submit(add, [1, 2]);
    const two = client.submit(add, [3, 4]);
    const nested = { deep: [new Map([["x", [two]]])], one };
    client.submit((x: unknown) => x, [nested as never]);
    await scheduler.submitted();
    await scheduler.submitted();
    const { args, refs } = await scheduler.submitted();
    assertEquals(decodeArguments(args), [
      { deep: [new Map([["x", [{ future: two.key }]]])], one: { future: one.key } },
    ]);
    assertEquals([...refs].sort(), [one.key, two.key].sort());
  });

  it("of actors are their keys, too, while handles are what they are", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(Counter, { actor: true });
    scheduler.start((await scheduler.submitted()).key);
    client.submit((c: Actor<Counter>) => c.increment(), [future]);
    assertEquals(decodeArguments((await scheduler.submitted()).args), [{ future: future.key }]);
    client.submit((c: Actor<Counter>) => c.increment(), [await future]);
    const { args, refs } = await scheduler.submitted();
    assertEquals(decodeArguments(args), ["actor"]);
    assertEquals(refs, [future.key]);
  });

  it("of another client are refused, and so are released ones", async () => {
    const { client, scheduler } = setUp();
    const foreign = setUp().client.submit(add, [1, 2]);
    const released = client.submit(add, [3, 4]);
    released.release();
    await assertRejects(async () => await client.submit(add, [1, foreign]), TypeError, "args[1]: <Future: pending");
    await assertRejects(async () => await client.submit(add, [1, foreign]), TypeError, "belongs to another client");
    await assertRejects(async () => await client.submit(add, [released, 1]), TypeError, "args[0]: <Future: released");
    await settle();
    assertEquals(scheduler.log, ["submit", "release"]);
  });

  it("that have failed fail what depends on them with the very error, which counts as looked at", async () => {
    const { scheduler, client } = setUp();
    const failed = client.submit(add, [1, 2]);
    scheduler.fail((await scheduler.submitted()).key, new RangeError("too large"));
    const error = await failed.exception();
    assertEquals(await client.submit(add, [1, failed]).exception(), error);
  });
});

describe("map", () => {
  afterEach(closeClients);

  it("is one task for each item, and its futures settle in the order in which the tasks do", async () => {
    const { scheduler, client } = setUp();
    const futures = client.map((n: number) => n * n, [1, 2, 3]);
    const keys = [];
    for (const item of [1, 2, 3]) {
      const { key, args } = await scheduler.submitted();
      assertEquals(decodeArguments(args), [item]);
      keys.push(key);
    }
    assertEquals(keys, futures.map((future) => future.key));
    for (const index of [1, 0, 2]) scheduler.finish(keys[index]!, (index + 1) ** 2);
    const completed = [];
    for await (const future of asCompleted(futures)) completed.push(future.key);
    assertEquals(completed, [keys[1], keys[0], keys[2]]);
    assertEquals(await gather(futures), [1, 4, 9]);
  });

  it("joins equal items, unless it is told that the function is not pure", () => {
    const { client } = setUp();
    const [one, other] = client.map((n: number) => n * n, [1, 1]);
    assertEquals(one!.key, other!.key);
    const [first, second] = client.map((n: number) => n * n, [1, 1], { pure: false });
    assertNotEquals(first!.key, second!.key);
  });
});

describe("scatter", () => {
  afterEach(closeClients);

  it("sends each value under a key of its own, and gives futures at once", async () => {
    const { scheduler, client } = setUp();
    const [numbers, text] = client.scatter([new Float64Array([1, 2]), "x"], { workers: "a" });
    const first = await scheduler.next("scatter");
    assertEquals(first.key, numbers!.key);
    assertMatch(first.key, /^Float64Array-/);
    assertEquals(decodeArguments(first.value), new Float64Array([1, 2]));
    assertEquals((await scheduler.next("scatter")).key, text!.key);
    scheduler.status(text!.key, { status: "finished", refs: [], size: 2, holders: [HOLDER] });
    scheduler.data.set(text!.key, encodeValue("x").bytes.slice());
    assertEquals(await text, "x");
    client.submit((x: unknown) => x, [numbers!]);
    assertEquals((await scheduler.submitted()).refs, [numbers!.key]);
  });

  it("wants an array, and says what cannot be sent in the future", async () => {
    const { client } = setUp();
    assertThrows(() => client.scatter(new Float64Array(1) as never), TypeError, "write [value]");
    assertThrows(() => client.scatter([1], { retries: 1 } as never), TypeError, 'unknown option "retries"');
    await assertRejects(async () => await client.scatter([1, () => 1])[1], SerializationError, "values[1]");
  });
});

describe("run", () => {
  afterEach(closeClients);

  it("runs once on each worker, or on those that are named, and gives results by worker", async () => {
    const { scheduler, client } = setUp();
    const worker = { machine: "here", address: "" };
    scheduler.requests.info = () => ({
      workers: [{ id: "worker-1", name: "alice", ...worker }, { id: "worker-2", name: "bob", ...worker }],
    });
    const all = client.run(add, [1, 2]);
    for (const id of ["worker-1", "worker-2"]) {
      const { key, submitted } = await scheduler.submitted();
      assertEquals([submitted.workers, submitted.pure], [[id], false]);
      scheduler.finish(key, id);
    }
    assertEquals(await all as unknown, { "worker-1": "worker-1", "worker-2": "worker-2" });
    await scheduler.next("release");
    await scheduler.next("release");
    const one = client.run(() => 5, { workers: "bob" });
    const { key } = await scheduler.submitted();
    scheduler.finish(key, 5);
    assertEquals(await one, { "worker-2": 5 });
    await assertRejects(() => client.run(() => 5, { workers: ["carol"] }), Error, 'Cannot run anonymous on ["carol"]');
  });
});

describe("results of calls among arguments", () => {
  afterEach(closeClients);

  async function actorOf({ scheduler, client }: ReturnType<typeof setUp>): Promise<Actor<Counter>> {
    const future = client.submit(Counter, { actor: true });
    scheduler.start((await scheduler.submitted()).key);
    return await future;
  }

  it("go out as a key at once, and as bytes when they are there", async () => {
    const all = setUp();
    const { scheduler, client } = all;
    const counter = await actorOf(all);
    const call = counter.add(1);
    client.submit(add, [call, call]);
    const { keys } = await scheduler.next("external");
    assertMatch(keys[0]!, /^Counter\.add-/);
    const { refs, args } = await scheduler.submitted();
    assertEquals(refs, keys);
    assertEquals(decodeArguments(args), [{ future: keys[0] }, { future: keys[0] }]);
    scheduler.answer(await scheduler.calls.next(), 1);
    const fulfil = await scheduler.next("fulfil");
    assertEquals([fulfil.key, fulfil.ok, decodeArguments(fulfil.value)], [keys[0]!, 1, 1]);
    assertEquals((await scheduler.next("release")).keys, keys);
    assertEquals(scheduler.log, ["submit", "external", "held", "submit", "fulfil", "release"]);
    assertEquals(await call, 1);
  });

  it("that are there already are sent at once, and failures as failures", async () => {
    const all = setUp();
    const { scheduler, client } = all;
    const counter = await actorOf(all);
    const call = counter.add(1);
    scheduler.answer(await scheduler.calls.next(), 7);
    await call;
    client.submit(add, [call, 1]);
    const fulfil = await scheduler.next("fulfil");
    assertEquals([fulfil.ok, decodeArguments(fulfil.value)], [1, 7]);

    const failing = counter.add(2);
    client.submit(add, [failing, 2]);
    scheduler.refuse(await scheduler.calls.next(), new RangeError("too large"));
    const failure = await scheduler.next("fulfil");
    assertEquals(failure.ok, 0);
    assertEquals((decodeArguments(failure.value) as { message: string }).message, "too large");

    const cancelled = counter.add(3);
    client.submit(add, [cancelled, 3]);
    cancelled.cancel();
    assertEquals((await scheduler.next("fulfil")).ok, 0);

    const refused = counter.add(Symbol("unsendable") as never);
    client.submit(add, [refused, 4]);
    assertEquals((await scheduler.next("fulfil")).ok, 0);
  });

  it("are held until the call that takes them has settled", async () => {
    const all = setUp();
    const { scheduler } = all;
    const counter = await actorOf(all);
    const inner = counter.add(1);
    const outer = counter.add(inner);
    const innerCall = await scheduler.calls.next();
    const outerCall = await scheduler.calls.next();
    const { keys } = await scheduler.next("external");
    assertEquals(outerCall.op === "call" && outerCall.refs, keys);
    scheduler.answer(innerCall, 1);
    await scheduler.next("fulfil");
    await settle();
    assertEquals(scheduler.log.includes("release"), false);
    scheduler.answer(outerCall, 2);
    assertEquals(await outer, 2);
    assertEquals((await scheduler.next("release")).keys, keys);
  });

  it("hold what a call takes, though its future is released meanwhile", async () => {
    const all = setUp();
    const { scheduler, client } = all;
    const counter = await actorOf(all);
    const future = client.submit(add, [1, 2]);
    const call = counter.add(future);
    await future.release();
    await settle();
    assertEquals(scheduler.log.includes("release"), false);
    scheduler.answer(await scheduler.calls.next(), 3);
    await call;
    assertEquals((await scheduler.next("release")).keys, [future.key]);
  });
});

describe("values that hold references", () => {
  afterEach(closeClients);

  it("give handles and futures, which are held", async () => {
    const { scheduler, client } = setUp();
    const inner = client.submit(add, [1, 2]);
    const [kept] = client.scatter([[inner]]);
    const { refs, value } = await scheduler.next("scatter");
    assertEquals(refs, [inner.key]);
    const other = setUp();
    const outer = other.client.submit((x: unknown) => x, [1]) as Future<[Future<number>, Actor<Counter>]>;
    const { key } = await other.scheduler.submitted();
    other.scheduler.requests.locate = () => ({ value: encodeValue(3).bytes, refs: [], size: 1, holders: [] });
    other.scheduler.status(key, { status: "finished", value, refs: [...refs], size: 10 });
    const [future] = await outer;
    assertEquals((await other.scheduler.next("held")).keys, [inner.key]);
    assertEquals(await future, 3);
    await future.release();
    assertEquals((await other.scheduler.next("release")).keys, [inner.key]);
    await kept!.release();
  });

  it("give handles that can be called", async () => {
    const { scheduler, session } = setUp();
    const reference = actorReference("Counter-1");
    const sender = session.createOwnHandle(reference);
    const { bytes, refs } = session.encodeStored({ sender }, "value");
    const { sender: handle } = session.decode(bytes, refs, undefined) as { sender: Actor<Counter> };
    assertEquals((await scheduler.next("held")).keys, ["Counter-1"]);
    const call = handle.increment();
    scheduler.answer(await scheduler.calls.next(), 1);
    assertEquals(await call, 1);
  });
});
