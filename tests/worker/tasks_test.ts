import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import {
  ActorStartError,
  CallCancelledError,
  decodeBody,
  DependencyLostError,
  encodeBody,
  encodeValue,
  isRemoteError,
  RemoteError,
  SerializationError,
} from "../../protocol/mod.ts";
import { hostReport } from "../../protocol/report.ts";
import type { TaskRun } from "../../worker/host_link.ts";
import { startWorker, type Worker, type WorkerOptions } from "../../worker/mod.ts";
import {
  type FakeHost,
  type FakeOutcome,
  FakeScheduler,
  type FakeTask,
  FutureOf,
  HandleOf,
} from "../helpers/fake_scheduler.ts";

const TASKS = import.meta.resolve("../fixtures/actors/tasks.ts");
const COUNTER = { module: import.meta.resolve("../fixtures/actors/counter.ts"), export: "Counter" };

let scheduler: FakeScheduler;
const workers: Worker[] = [];

async function start(options: WorkerOptions = {}): Promise<FakeHost> {
  workers.push(await startWorker({ scheduler: scheduler.address, token: scheduler.token, ...options }));
  return await scheduler.hosts.next();
}

async function stop(): Promise<void> {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
  await scheduler[Symbol.asyncDispose]();
}

function task(name: string, args: readonly unknown[] = [], options: Partial<FakeTask> = {}): FakeTask {
  return { target: { module: TASKS, export: name }, args, ...options };
}

async function run(host: FakeHost, ...order: Parameters<typeof task>): Promise<FakeOutcome> {
  return await host.compute(task(...order)).outcome;
}

async function resultOf(host: FakeHost, ...order: Parameters<typeof task>): Promise<unknown> {
  const outcome = await run(host, ...order);
  if (!outcome.ok) throw outcome.error;
  return outcome.value;
}

async function failureOf(host: FakeHost, ...order: Parameters<typeof task>): Promise<FakeOutcome & { ok: false }> {
  const outcome = await run(host, ...order);
  assert(!outcome.ok);
  return outcome;
}

describe("a host that runs tasks", () => {
  let host: FakeHost;
  beforeAll(async () => {
    scheduler = await FakeScheduler.start();
    host = await start({ threads: 2 });
  });
  afterAll(stop);

  it("runs sync functions in isolates of their own, and async ones on its event loop", async () => {
    assertEquals(await resultOf(host, "isInWorker"), true);
    assertEquals(await resultOf(host, "isInWorkerLater", [], { home: "inline" }), false);
  });

  it("moves a sync function that was taken for an async one away from its event loop", async () => {
    assertEquals(await resultOf(host, "isInWorker", [], { home: "inline" }), true);
  });

  it("says a small result, and does not keep it", async () => {
    const { key, outcome } = host.compute(task("add", [1, 2]));
    assertEquals(await outcome, { ok: true, value: 3, size: 1, refs: [] });
    await assertRejects(() => host.relayed("inline").getData(key), DependencyLostError);
  });

  it("keeps a large one, and gives it to callers directly and by relay", async () => {
    const { key, outcome } = host.compute(task("fill", [5000]));
    await outcome;
    const direct = await host.direct(host.holder.address, "inline");
    assertEquals((await direct.getData(key) as Uint8Array).length, 5000);
    assertEquals((await host.relayed("inline").getData(key) as Uint8Array).length, 5000);
    direct.close();
  });

  it("says of a large result only how large it is", async () => {
    const { key, outcome } = host.compute(task("fill", [100_000], { home: "inline" }));
    const said = await outcome;
    assertEquals(said.ok && [said.value, said.size], [undefined, 100_005]);
    const bytes = await host.relayed("inline").getData(key) as Uint8Array;
    assertEquals([bytes.length, bytes[99_999]], [100_000, 7]);
  });

  it("forgets what nobody needs, and says to a caller that it has", async () => {
    const { key, run, outcome } = host.compute(task("fill", [5000]));
    await outcome;
    host.connection.send({ op: "forget", key, run: run - 1 });
    assertEquals((await host.relayed("inline").getData(key) as Uint8Array).length, 5000);
    host.connection.send({ op: "forget", key, run });
    const asked = host.relayed("inline").getData(key);
    await assertRejects(() => asked, DependencyLostError, `Cannot give the value of ${key}`);
  });

  it("keeps scattered values, and says so", async () => {
    const { bytes } = encodeValue({ scattered: true });
    host.connection.send({ op: "store", key: "data-1", run: 7, value: bytes, refs: [] });
    assertEquals((await host.next("stored")).run, 7);
    assertEquals(await host.relayed("inline").getData("data-1"), { scattered: true });
  });

  it("counts what it keeps", async () => {
    host.connection.send({ op: "store", key: "data-2", run: 8, value: new Uint8Array(50_000), refs: [] });
    while (true) {
      const { results, resultBytes } = decodeBody(hostReport, (await host.next("report")).body, "report");
      if (resultBytes! >= 50_000) return assertGreaterOrEqual(results!, 1);
    }
  });

  it("gives a task the values of the futures among its arguments, at any depth, as copies of their own", async () => {
    const value = encodeValue(20).bytes;
    const nested = encodeValue([1, 2]).bytes;
    const future = new FutureOf("a");
    assertEquals(await resultOf(host, "add", [future, future], { dependencies: [{ key: "a", value }] }), 40);
    assertEquals(
      await resultOf(host, "countRuns", [{ deep: [new FutureOf("b")] }], {
        dependencies: [{ key: "b", value: nested }],
      }).then((result) => (result as unknown[])[1]),
      { deep: [[1, 2]] },
    );
  });

  it("gives a task what this host keeps itself", async () => {
    const { key, run, outcome } = host.compute(task("fill", [2000], { home: "inline" }));
    await outcome;
    const dependencies = [{ key, run, holders: [host.holder] }];
    assertEquals(await resultOf(host, "sum", [new FutureOf(key)], { dependencies }), 14_000);
    const later = [{ key, run: run + 1, holders: [host.holder] }];
    assertEquals((await failureOf(host, "sum", [new FutureOf(key)], { dependencies: later })).missing, [key]);
  });

  it("says which values nobody gave, and starts nothing", async () => {
    const dependencies = [{ key: "gone-1", holders: [host.holder] }, { key: "gone-2" }];
    const { missing, executed, error } = await failureOf(
      host,
      "add",
      [new FutureOf("gone-1"), new FutureOf("gone-2")],
      {
        dependencies,
      },
    );
    assertEquals([missing, executed], [["gone-1", "gone-2"], "no"]);
    assertInstanceOf(error, DependencyLostError);
  });

  it("keeps the class, cause and fields of what a function throws, and says where", async () => {
    const { error, executed, missing } = await failureOf(host, "overheat");
    assertEquals([error.name, error.message, executed], ["TooHot", "it is too hot", "yes"]);
    assertEquals([(error as Error & { degrees?: number }).degrees, missing], [90, []]);
    assertInstanceOf(error.cause, TypeError);
    assert(isRemoteError(error));
    assertEquals(error.remote, { worker: "name-of-worker-1", method: "overheat" });
  });

  it("names the place of what cannot be sent in a result", async () => {
    const { error, executed } = await failureOf(host, "giveFunction");
    assertInstanceOf(error, SerializationError);
    assertEquals([error.path, error.code, executed], ["result.callback", "RESULT_NOT_SERIALIZABLE", "yes"]);
  });

  it("refuses generator functions, classes and what is not there, before anything runs", async () => {
    for (const name of ["numbers", "numbersLater"]) {
      const { error, executed } = await failureOf(host, name);
      assertInstanceOf(error, SerializationError);
      assertEquals([error.message.includes("it is a generator function"), executed], [true, "no"]);
    }
    const unfit = await failureOf(host, "Unfit");
    assertThrows(
      () => {
        throw unfit.error;
      },
      TypeError,
      "it is a class. Submit it with { actor: true }",
    );
    const missing = await failureOf(host, "nowhere");
    assertInstanceOf(missing.error, ActorStartError);
    assertEquals([unfit.executed, missing.executed], ["no", "no"]);
  });

  it("shows a task its worker and a client", async () => {
    const seen = await resultOf(host, "lookAround", [], { home: "inline" }) as Record<string, string>;
    assertEquals([seen.id, seen.name, seen.address], ["worker-1", "name-of-worker-1", host.holder.address]);
    assertMatch(seen.client!, /^<Client: /);
  });

  it("fails a task that ends its isolate, in words, and runs the next one in another", async () => {
    for (const name of ["leave", "leaveAndCatch"]) {
      const { error, executed } = await failureOf(host, name);
      assertInstanceOf(error, RemoteError);
      assertEquals([error.message.includes("Deno.exit("), executed], [true, "unknown"]);
      assertEquals(await resultOf(host, "add", [1, 1]), 2);
    }
  });

  it("runs as many sync functions at a time as it has threads", async () => {
    type Span = readonly [start: number, end: number];
    let together = false;
    // The first ones may be over before a second isolate has started.
    for (let attempt = 0; attempt < 20 && !together; attempt++) {
      const spins = await Promise.all([1, 2, 3].map(() => resultOf(host, "spin", [100]))) as Span[];
      const [first, second, third] = spins.toSorted((one, other) => one[0] - other[0]) as [Span, Span, Span];
      assertGreaterOrEqual(third[0], Math.min(first[1], second[1]));
      together = second[0] < first[1];
    }
    assert(together, "The second did not run beside the first");
  });

  it("makes handles among a task's arguments live", async () => {
    const counter = await host.create({ target: COUNTER, args: [10] });
    const handle = new HandleOf(host.referenceTo(counter));
    assertEquals(await resultOf(host, "incrementTwice", [handle]), 12);
    assertEquals(await host.relayed(counter.home).call(counter, "increment"), 13);
  });
});

describe("a task that nobody wants any more", () => {
  let host: FakeHost;
  beforeAll(async () => {
    scheduler = await FakeScheduler.start();
    host = await start({ threads: 1 });
  });
  afterAll(stop);

  it("never starts where it waits for an isolate", async () => {
    const [, before] = [await resultOf(host, "add", [1, 1]), (await resultOf(host, "countRuns", [0]) as number[])[0]!];
    const running = host.compute(task("spin", [200]));
    const waiting = host.compute(task("countRuns", [0]));
    host.connection.send({ op: "cancelCompute", key: waiting.key, run: waiting.run });
    const outcome = await waiting.outcome;
    assertEquals(outcome.ok ? undefined : outcome.executed, "no");
    assertInstanceOf(outcome.ok ? undefined : outcome.error, CallCancelledError);
    assert((await running.outcome).ok);
    assertEquals((await resultOf(host, "countRuns", [0]) as number[])[0], before + 1);
  });

  it("holds nothing up where it awaits for ever, on the event loop or in an isolate", async () => {
    for (const home of ["inline", "shared"] as const) {
      const { key, run, outcome } = host.compute(task("waitForAbort", [], { home }));
      await resultOf(host, "isInWorkerLater", [], { home: "inline" });
      host.connection.send({ op: "cancelCompute", key, run });
      const said = await outcome;
      assertInstanceOf(said.ok ? undefined : said.error, CallCancelledError);
      assertEquals(await resultOf(host, "add", [1, 1]), 2);
    }
  });

  it("is answered as cancelled, and its result is not kept, where it ran to its end all the same", async () => {
    await resultOf(host, "add", [1, 1]);
    const { key, run, outcome } = host.compute(task("spin", [100]));
    await resultOf(host, "isInWorkerLater", [], { home: "inline" });
    host.connection.send({ op: "cancelCompute", key, run });
    const said = await outcome;
    assertInstanceOf(said.ok ? undefined : said.error, CallCancelledError);
    await assertRejects(() => host.relayed("inline").getData(key), DependencyLostError);
  });
});

describe("a host that leaves", () => {
  it("lets the tasks that run finish, and says what came of them", async () => {
    scheduler = await FakeScheduler.start();
    try {
      const host = await start({ threads: 1 });
      await resultOf(host, "add", [1, 1]);
      const running = host.compute(task("spin", [150]));
      const awaiting = host.compute(task("fill", [1], { home: "inline" }));
      // Its link is ordered: by this answer it has heard of both.
      await resultOf(host, "isInWorkerLater", [], { home: "inline" });
      await workers[0]!.close(5000);
      assert((await running.outcome).ok);
      assert((await awaiting.outcome).ok);
    } finally {
      await stop();
    }
  });
});

describe("a host without Web Workers", () => {
  it("runs sync functions on its event loop as well", async () => {
    scheduler = await FakeScheduler.start();
    try {
      const host = await start({ nanny: false });
      assertEquals(await resultOf(host, "isInWorker"), false);
      const { key, outcome } = host.compute(task("fill", [5000]));
      await outcome;
      assertEquals((await host.relayed("inline").getData(key) as Uint8Array).length, 5000);
    } finally {
      await stop();
    }
  });
});

describe("hosts that need each other's results", () => {
  it("fetch them directly, and through the scheduler from one that has no port", async () => {
    scheduler = await FakeScheduler.start();
    try {
      const [keeper, other] = [await start(), await start()];
      for (const address of [keeper.holder.address, ""]) {
        const { key, run, outcome } = keeper.compute(task("fill", [2000], { home: "inline" }));
        await outcome;
        const dependencies = [{ key, run, holders: [{ ...keeper.holder, address }] }];
        assertEquals(await resultOf(other, "sum", [new FutureOf(key)], { dependencies }), 14_000);
      }
    } finally {
      await stop();
    }
  });

  it("keep what they have fetched, or were told to fetch, and say so", async () => {
    scheduler = await FakeScheduler.start();
    try {
      const [keeper, other] = [await start(), await start()];
      const kept = await Promise.all([1, 2].map(async () => {
        const { outcome, ...about } = keeper.compute(task("fill", [2000], { home: "inline" }));
        await outcome;
        return about;
      }));
      const [{ key, run }, told] = kept as [TaskRun, TaskRun];
      const dependencies = [{ key, run, holders: [keeper.holder] }];
      await resultOf(other, "sum", [new FutureOf(key)], { dependencies });
      assertEquals((await other.next("copied")).run, run);
      const copy = (about: TaskRun, holders = [keeper.holder]) =>
        other.connection.send({ op: "copy", ...about, holders: encodeBody(holders) });
      copy(told);
      assertEquals((await other.next("copied")).key, told.key);
      copy({ key: "gone", run: 3 });
      assertEquals((await other.next("copyFailed")).key, "gone");
      await workers[0]!.kill();
      for (const { key } of kept) {
        assertEquals((await other.relayed("inline").getData(key) as Uint8Array).length, 2000);
      }
      // What it has fetched once it needs nobody else for.
      assertEquals(await resultOf(other, "sum", [new FutureOf(key)], { dependencies }), 14_000);
    } finally {
      await stop();
    }
  });

  it("leave when others have got what they keep, and serve it until then", async () => {
    scheduler = await FakeScheduler.start();
    const moved = Promise.withResolvers<void>();
    scheduler.moved = moved.promise;
    try {
      const [keeper, other] = [await start(), await start()];
      const { outcome, ...about } = keeper.compute(task("fill", [2000], { home: "inline" }));
      await outcome;
      let left = false;
      const leaving = workers[0]!.close(5000).then(() => left = true);
      await keeper.next("request", ({ name }) => name === "leave");
      other.connection.send({ op: "copy", ...about, holders: encodeBody([keeper.holder]) });
      await other.next("copied");
      assertEquals(left, false);
      moved.resolve();
      await leaving;
    } finally {
      await stop();
    }
  });

  it("hear from the scheduler where one has gone", async () => {
    scheduler = await FakeScheduler.start();
    try {
      const [keeper, other] = [await start(), await start()];
      const { key, run, outcome } = keeper.compute(task("fill", [2000], { home: "inline" }));
      await outcome;
      await workers[0]!.kill();
      const dependencies = [{ key, run, holders: [keeper.holder] }];
      assertEquals((await failureOf(other, "sum", [new FutureOf(key)], { dependencies })).missing, [key]);
    } finally {
      await stop();
    }
  });
});
