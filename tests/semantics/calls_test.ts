import { assert, assertEquals, assertInstanceOf, assertLess, assertMatch, assertRejects } from "@std/assert";
import { assertStrictEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Actor,
  type ActorFuture,
  asCompleted,
  CallCancelledError,
  CallTimeoutError,
  type Client,
  DependencyLostError,
  gather,
  isRemoteError,
  RemoteError,
  SerializationError,
  wait,
  withOptions,
} from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import { Waiter } from "../../examples/waiter.ts";
import {
  add,
  addSlowly,
  AsyncLog,
  Cell,
  double,
  Faulty,
  incrementTimes,
  isInWebWorker,
  Log,
  Mixed,
  Sleeper,
  SyncFaulty,
  Tally,
} from "../fixtures/semantics_actors.ts";
import { errorOf, eventually, everywhere, onBothRoutes, openStage } from "./stage.ts";

/** Messages that the scheduler received, without those that come by the clock, and the question itself. */
async function messagesOf(observer: Client): Promise<number> {
  const { heartbeat: _h, report: _r, ping: _i, pong: _o, request: _q, ...others } =
    (await observer.schedulerInfo()).messages;
  return Object.values(others).reduce((sum, count) => sum + count, 0);
}

describe("calls", () => {
  const stage = openStage();

  everywhere(stage, "B19: arguments and results are copies, made when the call is made", async ({ client, actor }) => {
    const list = [1, 2];
    const cell = await client.submit(Cell<number[]>, [[]], actor);
    const set = cell.set(list);
    list.push(3);
    await set;
    const got = await cell.get();
    assertEquals(got, [1, 2]);
    got.push(4);
    assertEquals(await cell.value, [1, 2]);
  });

  it("B20: sync methods run apart from the worker's event loop, and two actors at the same time", async () => {
    await using client = await stage.connect();
    const workers = ["worker-1"];
    const [one, other] = await gather([
      client.submit(Sleeper, { actor: true, workers }),
      client.submit(Sleeper, { actor: true, workers }),
    ]);
    const waiter = await client.submit(Waiter, { actor: true, workers });
    const burns = gather([one.burn(300), other.burn(300)]);
    const ping = one.ping();
    await waiter.set();
    await waiter.wait();
    assertEquals(ping.done(), false, "its own actor is busy, the event loop is not");
    const [[start, end], [otherStart, otherEnd]] = await burns;
    assertLess(Math.max(start, otherStart), Math.min(end, otherEnd));
    assertEquals(await ping, "pong");
  });

  it("B20: no two sync calls of an actor run at the same time", async () => {
    const mixed = await stage.direct.submit(Mixed, { actor: true });
    const other = await stage.relayed.getActor<Mixed>(await keyOf(mixed));
    await gather(Array.from({ length: 20 }, (_, i) => (i % 2 ? mixed : other).readModifyWrite(2)));
    assertEquals(await mixed.n, 20);
  });

  everywhere(stage, "B21: a call gives an `ActorFuture` at once", async ({ client, actor }) => {
    const tally = await client.submit(Tally, actor);
    const call: ActorFuture<number> = tally.increment();
    assertInstanceOf(call, Promise);
    assertEquals(call.done(), false);
    assertEquals(await call.result(), 1);
    assertEquals(call.done(), true);
  });

  everywhere(stage, "B22: reading an attribute asks the worker, and gives a future", async ({ client, actor }) => {
    const tally = await client.submit(Tally, actor);
    const n: ActorFuture<number> = tally.n;
    assertEquals(await n, 0);
    assertEquals(await Promise.all([tally.increment(), tally.n, tally.increment()]), [1, 1, 2], "in order");
  });

  everywhere(stage, "B23: attributes are the fields and getters that are there after construction", async (way) => {
    const cell = await way.client.submit(Cell<string>, ["text"], way.actor);
    assertEquals(await cell.value, "text");
    assertEquals(await cell.description, "a cell of string");
    await cell.addField();
    assertEquals("late" in cell, false);
  });

  everywhere(stage, "B24: a call has `result`, `done` and `cancel`", async ({ client, actor }) => {
    const waiter = await client.submit(Waiter, actor);
    const call = waiter.wait();
    assertEquals(call.done(), false);
    call.cancel("no longer wanted");
    const error = await assertRejects(() => call.result(), CallCancelledError);
    assertEquals([error.name, error.cause, call.done()], ["AbortError", "no longer wanted", true]);
    await waiter.set();
    await waiter.wait();
  });

  everywhere(stage, "B25: calls go into `gather`, `wait` and `asCompleted`", async ({ client, actor }) => {
    const [one, other] = await gather([client.submit(Waiter, actor), client.submit(Waiter, actor)]);
    const tally = await client.submit(Tally, actor);
    const slow = one.wait();
    const quick = other.wait();
    const completions = asCompleted<ActorFuture<void>>([slow, quick]);
    const first = await wait([slow, tally.increment()], { returnWhen: "first" });
    assertEquals([first.done.length, first.notDone.length], [1, 1]);
    assertStrictEquals(first.notDone[0], slow);
    await other.set();
    assertStrictEquals((await completions.next()).value, quick, "in the order in which they complete");
    assertEquals(slow.done(), false);
    await one.set();
    assertStrictEquals((await completions.next()).value, slow);
    assertEquals((await completions.next()).done, true);
    assertEquals(await gather({ n: tally.n, calls: [tally.add(2), tally.add(3)] }), { n: 1, calls: [3, 6] });
    assertEquals((await wait([slow, quick])).done.length, 2);
  });

  everywhere(
    stage,
    "B26: the future of a call is a dependency of tasks, actors and calls",
    async ({ client, actor }) => {
      const tally = await client.submit(Tally, actor);
      assertEquals(await client.submit(add, [tally.add(1), tally.add(1)]), 3);
      assertEquals(await gather(client.map(double, [tally.add(1), tally.add(1)])), [6, 8]);
      const cell = await client.submit(Cell<unknown>, [[tally.n]], actor);
      assertEquals(await cell.get(), [4]);
      assertEquals(await cell.echo({ sum: tally.add(6) }), { sum: 10 } as never);
      assertEquals(await tally.n, 10, "each call ran once");
    },
  );

  everywhere(
    stage,
    "B26: a `Future` given to a method arrives as its value, and order holds",
    async ({ client, actor }) => {
      const log = await client.submit(AsyncLog, actor);
      log.append(client.submit(addSlowly, [1, 2]));
      log.append("after");
      log.append(client.scatter([new Uint8Array([1, 2])])[0]);
      assertEquals(await log.all(), [3, "after", new Uint8Array([1, 2])]);
    },
  );

  everywhere(stage, "B26: while one caller's call waits for its arguments, others pass", async ({ client, actor }) => {
    const waiter = await client.submit(Waiter, actor);
    const log = await client.submit(AsyncLog, { ...actor, key: "passed" });
    const late = client.submit(
      async (waiter: Actor<Waiter>) => {
        await waiter.wait();
        return "late";
      },
      [waiter],
      { pure: false },
    );
    const appended = log.append(late);
    const other = await stage.observer.getActor<AsyncLog>("passed");
    await other.append("early");
    assertEquals(appended.done(), false);
    await waiter.set();
    await appended;
    assertEquals(await log.all(), ["early", "late"]);
    await other[Symbol.asyncDispose]();
  });

  everywhere(stage, "B26: a call that waits for a later one of its own caller ends at its deadline", async (way) => {
    const waiter = await way.client.submit(Waiter, way.actor);
    const task = way.client.submit(
      async (waiter: Actor<Waiter>) => {
        await waiter.wait();
        return "set";
      },
      [waiter],
      { pure: false },
    );
    const { wait } = withOptions(waiter, { timeout: 200 }) as unknown as { wait(x: unknown): ActorFuture<void> };
    const stuck = wait(task);
    const set = waiter.set();
    await assertRejects(() => stuck.result({ timeout: 5000 }), CallTimeoutError, "200 ms");
    await set;
    assertEquals(await task, "set");
  });

  onBothRoutes(stage, "B26: a call whose argument fails never starts, and says why", async (client) => {
    const log = await client.submit(Log, { actor: true });
    const failing = client.submit((): number => {
      throw new RangeError("no number");
    }, { pure: false });
    // Before anybody knows that it fails, and after.
    for (const error of [await errorOf(log.append(failing)), await errorOf(log.append(failing))]) {
      assertInstanceOf(error, DependencyLostError);
      assertEquals(error.executed, "no");
      assertInstanceOf(error.cause, RangeError);
      assertStringIncludes(error.message, "no number");
    }
    await log.append("next");
    assertEquals(await log.all(), ["next"]);
  });

  everywhere(stage, "B27: a result is there once, and is kept by the future", async ({ client, actor }) => {
    const cell = await client.submit(Cell<object>, [{ a: 1 }], actor);
    const call = cell.get();
    const [first, second, third] = await Promise.all([call, call.result(), call.then((value) => value)]);
    assertStrictEquals(first, second);
    assertStrictEquals(first, third);
    await eventually(true, () => Promise.resolve(call.done()));
    assertStrictEquals(await call.result(), first);
    const { workers } = await stage.observer.schedulerInfo();
    assertEquals(workers.map(({ results }) => results), [0, 0], "the worker keeps none");
  });

  onBothRoutes(stage, "B27: results come by themselves, before anybody asks for them", async (client) => {
    const counter = await client.submit(Counter, { actor: true });
    const call = counter.increment();
    await counter.n;
    assertEquals(call.done(), true);
    assertEquals(await call, 1);
  });

  everywhere(stage, "B28: `result({ timeout })` ends the wait and not the call", async ({ client, actor }) => {
    const waiter = await client.submit(Waiter, actor);
    const call = waiter.wait();
    const error = await assertRejects(() => call.result({ timeout: 20 }), CallTimeoutError);
    assertEquals(error.name, "TimeoutError");
    assertEquals(call.done(), false);
    await waiter.set();
    assertEquals(await call.result({ timeout: 5000 }), undefined);
  });

  everywhere(stage, "B29: values arrive exactly as they were", async ({ client, actor }) => {
    const cell = await client.submit(Cell<unknown>, [null], actor);
    const value = {
      typed: [new Float64Array([0.1, -0, NaN, Infinity]), new Uint8Array(70_000).fill(3), new BigInt64Array([-1n])],
      times: [new Date(0), new Date("2026-01-01")],
      maps: new Map<unknown, unknown>([["a", new Set([1, "b"])], [{ b: 1 }, undefined]]),
      big: 2n ** 70n,
      numbers: [-0, 1e300, Number.MAX_SAFE_INTEGER, NaN],
      nothing: [undefined, null],
      text: "snow ☃ and 𝄞",
      pattern: /a+/gi,
      link: new URL("https://example.com/?q=1"),
    };
    assertEquals(await cell.echo(value), value);
    await cell.set(value);
    assertEquals(await cell.value, value);
  });

  everywhere(stage, "B29: what cannot be sent is a `SerializationError`, never a hang", async ({ client, actor }) => {
    const cell = await client.submit(Cell<unknown>, [null], actor);
    const generator = (function* () {
      yield 1;
    })();
    for (
      const [value, path] of [[generator, "args[0]"], [{ user: { socket: new WeakMap() } }, "args[0].user.socket"]]
    ) {
      const error = await assertRejects(async () => await cell.set(value), SerializationError);
      assertEquals([error.path, error.executed], [path as string, "no"]);
    }
    const faulty = await client.submit(Faulty, actor);
    for (const call of [faulty.giveFunction(), faulty.giveIterator(), faulty.giveSelf()]) {
      const error = await assertRejects(async () => await call, SerializationError);
      assertEquals(error.executed, "yes");
    }
    const task = await errorOf(client.submit(() => ({ callback: () => 1 }), { pure: false }));
    assertInstanceOf(task, SerializationError);
    assertEquals([await cell.get(), await faulty.ok()], [null, "still here"]);
  });

  it("B30: calls of a task go straight to the owner's isolate", async () => {
    const client = stage.direct;
    const counter = await client.submit(Counter, { actor: true, workers: ["worker-1"] });
    const before = await messagesOf(stage.observer);
    await client.submit(incrementTimes, [counter, 10], { workers: ["worker-2"], pure: false });
    const few = await messagesOf(stage.observer) - before;
    await client.submit(incrementTimes, [counter, 500], { workers: ["worker-2"], pure: false });
    const many = await messagesOf(stage.observer) - before - few;
    assertLess(many, few + 20);
    assertEquals(await counter.n, 510);
  });

  it("B31: a client calls directly, through the scheduler, or by itself as it can", async () => {
    const counts: Record<string, number> = {};
    for (const directToWorkers of [true, false, "auto"] as const) {
      await using client = await stage.connect({ directToWorkers });
      const counter = await client.submit(Counter, { actor: true });
      await counter.increment();
      const before = await messagesOf(stage.observer);
      for (let i = 0; i < 50; i++) await counter.increment();
      counts[String(directToWorkers)] = await messagesOf(stage.observer) - before;
      assertEquals(await counter.n, 51);
    }
    assertEquals(counts["true"], 0);
    assert(counts["false"]! >= 50, Deno.inspect(counts));
    assertEquals(counts["auto"], 0, "workers of this machine can be reached");
  });

  it("B32: direct calls do not inform the scheduler", async () => {
    const counter = await stage.direct.submit(Counter, { actor: true });
    await counter.increment();
    const before = await messagesOf(stage.observer);
    await gather(Array.from({ length: 1000 }, () => counter.increment()));
    assertEquals(await messagesOf(stage.observer), before);
  });

  everywhere(stage, "B33: an error arrives as an error, and the actor lives on", async ({ client, actor }) => {
    const faulty = await client.submit(Faulty, actor);
    for (const call of [() => faulty.fail("no luck"), () => faulty.failAtOnce("no luck")]) {
      let error = await errorOf(call());
      // The tests before may have used up what is recorded in a second.
      while (/call site not recorded/.test(error.stack ?? "")) error = await errorOf(call());
      assertInstanceOf(error, TypeError);
      assertEquals(error.message, "no luck");
      assert(isRemoteError(error));
      assertMatch(error.remote.worker, /^worker-[12]$/);
      assertStringIncludes(error.stack ?? "", "semantics_actors.ts");
      assertStringIncludes(error.stack ?? "", "calls_test.ts");
    }
    const { cause } = await errorOf(faulty.fail("no luck"));
    assertInstanceOf(cause, RangeError);
    const own = await assertRejects(async () => await faulty.failOwn(), RemoteError, "out of stock");
    assertEquals([own.name, (own as Error & { item?: string }).item], ["OutOfStock", "tea"]);
    assertEquals(await faulty.ok(), "still here");
  });

  onBothRoutes(stage, "B33: errors of sync methods and of tasks arrive as errors too", async (client) => {
    const faulty = await client.submit(SyncFaulty, { actor: true });
    await assertRejects(async () => await faulty.fail("no luck"), TypeError, "no luck");
    assertEquals(await faulty.ok(), "still here");
    const future = client.submit(
      (text: string): number => {
        throw new RangeError(text);
      },
      ["no task"],
      { pure: false },
    );
    const error = await assertRejects(async () => await future, RangeError, "no task");
    assertMatch(error.stack!, /thrown on worker-\d; below: called from.*\n.*calls_test\.ts/);
    assertEquals([future.status, (await future.exception())?.message], ["error", "no task"]);
  });

  everywhere(
    stage,
    "B34: calls of one caller start in the order in which they were made",
    async ({ client, actor }) => {
      const log = await client.submit(AsyncLog, actor);
      const sizes = Array.from({ length: 500 }, (_, i) => i % 97 === 0 ? 300_000 : i % 7 * 100);
      for (const [i, size] of sizes.entries()) log.append(i, new Uint8Array(size));
      assertEquals(await log.all(), sizes.map((_, i) => i));
    },
  );

  onBothRoutes(stage, "B34: each caller has its own order, also in sync methods and beside others", async (client) => {
    const log = await client.submit(Log, { actor: true, key: "ordered" });
    const other = await stage.observer.getActor<Log>("ordered");
    for (let i = 0; i < 500; i++) {
      log.append(["mine", i]);
      other.append(["theirs", i]);
    }
    await other.all();
    const seen = await log.all() as [string, number][];
    for (const who of ["mine", "theirs"]) {
      assertEquals(seen.filter(([from]) => from === who).map(([, i]) => i), Array.from({ length: 500 }, (_, i) => i));
    }
    await other[Symbol.asyncDispose]();
  });

  everywhere(
    stage,
    "B35: many tasks on many workers call one actor, and none of it is lost",
    async ({ client, actor }) => {
      const tally = await client.submit(Tally, actor);
      const times = Array.from({ length: 10 }, (_, i) => i + 1);
      await gather(times.map((count) => client.submit(incrementTimes, [tally, count], { pure: false })));
      assertEquals(await tally.n, 55);
    },
  );

  it("a sync task runs in an isolate of its own, an `async` one on the event loop", async () => {
    const client = stage.direct;
    assertEquals(await client.submit(isInWebWorker, { pure: false }), true);
    // deno-lint-ignore require-await
    assertEquals(await client.submit(async () => "WorkerGlobalScope" in globalThis, { pure: false }), false);
  });
});

/** The key in a handle's text. */
async function keyOf(handle: object): Promise<string> {
  return await Promise.resolve(/key=([^>]+)>/.exec(String(handle))?.[1] ?? "");
}
