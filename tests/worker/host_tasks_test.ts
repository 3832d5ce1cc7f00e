import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ActorStartError,
  CallCancelledError,
  decodeError,
  encodeBody,
  encodeValue,
  type HomeKind,
  type MessageOf,
  ModuleLoadError,
  RemoteError,
  type SubmitBody,
} from "../../protocol/mod.ts";
import { LoadedModules } from "../../worker/generations.ts";
import { HostTasks } from "../../worker/host_tasks.ts";
import type { IsolateEnd, TaskOrder, TaskOutcome, TaskReceiver, TaskThread } from "../../worker/isolate.ts";
import { ModulePolicy } from "../../worker/module_policy.ts";
import { ResultStore, type StoredResult } from "../../worker/result_store.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { TaskIsolates, type TaskIsolatesOptions } from "../../worker/task_isolates.ts";

/** An isolate whose tasks end when the test says so. Those of a thread begin one after the other. */
class FakeTaskIsolate implements TaskThread {
  readonly ended: Promise<IsolateEnd>;
  /** Those that have begun. */
  readonly orders: TaskOrder[] = [];
  /** Those that wait behind it. */
  readonly waiting: TaskOrder[] = [];
  readonly cancelled: string[] = [];
  readonly #end: (end: IsolateEnd) => void;
  readonly #receivers = new Map<string, TaskReceiver>();
  readonly #isThread: boolean;
  readonly #awaiting = new Set<string>();
  #running = 0;
  closed = false;
  refuse = false;
  abandoned = "";

  constructor(readonly home: string) {
    this.#isThread = home !== "inline";
    ({ promise: this.ended, resolve: this.#end } = Promise.withResolvers<IsolateEnd>());
  }

  compute(order: TaskOrder, receiver: TaskReceiver): void {
    if (this.refuse) {
      receiver.lose(false);
      return this.exit("it had ended");
    }
    this.#receivers.set(order.key, receiver);
    this.waiting.push(order);
    this.#advance();
  }

  withdraw(): number {
    for (const { key } of this.waiting) this.#receivers.delete(key);
    return this.waiting.splice(0).length;
  }

  look(): void {}

  cancelCompute(key: string): void {
    this.cancelled.push(key);
  }

  /** The function of a task has given a promise. */
  wait(key: string): void {
    this.#running--;
    this.#awaiting.add(key);
    this.#receivers.get(key)!.wait();
    this.#advance();
  }

  finish(key: string, value: unknown = key, took = 5): void {
    this.#settle(key, { ok: true, value: encodeValue(value).bytes.slice(), refs: [], took });
  }

  fail(key: string, failure: { needsSharedHome?: boolean; importFailed?: boolean }): void {
    const whole = { error: new Uint8Array(), executed: "no" as const, needsSharedHome: false, importFailed: false };
    this.#settle(key, { ok: false, failure: { ...whole, ...failure } });
  }

  abandon(message: string): void {
    this.abandoned = message;
    this.exit(message);
  }

  close(): Promise<void> {
    this.closed = true;
    this.exit("it was closed");
    return Promise.resolve();
  }

  exit(message: string): void {
    const waiting = new Set(this.waiting.map(({ key }) => key));
    const receivers = [...this.#receivers];
    this.#receivers.clear();
    for (const [key, receiver] of receivers) receiver.lose(!waiting.has(key));
    this.#end({ reason: "isolate-exit", message });
  }

  #settle(key: string, outcome: TaskOutcome): void {
    const receiver = this.#receivers.get(key)!;
    this.#receivers.delete(key);
    if (!this.#awaiting.delete(key)) this.#running--;
    receiver.settle(outcome);
    this.#advance();
  }

  #advance(): void {
    while (this.waiting.length > 0 && (!this.#isThread || this.#running === 0)) {
      this.#running++;
      this.orders.push(this.waiting.shift()!);
    }
  }
}

type Said = "returned" | Pick<MessageOf<"computed">, "size" | "value"> | {
  error: Error;
  executed: string;
  missing: readonly string[];
};

function setUp(options: Partial<TaskIsolatesOptions> = {}) {
  const inline = new FakeTaskIsolate("inline");
  const started: FakeTaskIsolate[] = [];
  const states: Record<string, string> = {};
  const clock = new FakeClock();
  const isolates = new TaskIsolates({
    inline,
    inlineModules: new LoadedModules(),
    start: (home) => {
      const isolate = new FakeTaskIsolate(home);
      started.push(isolate);
      return Promise.resolve(isolate);
    },
    threads: 2,
    graphOf: ({ module }) => ({ url: module, generation: 0, states: new Map([[module, states[module] ?? "1"]]) }),
    workerName: "alice",
    clock,
    ...options,
  });
  const said = new Map<string, Said>();
  const answered = new Map<string, () => void>();
  const say = (key: string, what: Said) => {
    said.set(key, what);
    answered.get(key)?.();
  };
  const runs = new Map<string, number>();
  const asked: string[] = [];
  const copied: string[] = [];
  const fetches: PromiseWithResolvers<StoredResult>[] = [];
  const results = new ResultStore();
  const tasks = new HostTasks({
    host: "host-1",
    results,
    isolates,
    policy: new ModulePolicy(["file:"]),
    memory: { relieving: undefined, relieve: () => undefined },
    getData: ({ host }, key) => {
      asked.push(`${key} of ${host}`);
      const fetch = Promise.withResolvers<StoredResult>();
      fetches.push(fetch);
      return fetch.promise;
    },
    report: {
      computed: ({ key }, { size, value }) => say(key, { size, value }),
      computeFailed: ({ key }, executed, error, missing) => {
        say(key, { error: decodeError(error), executed, missing });
      },
      returned: ({ key }) => say(key, "returned"),
      stored: () => {},
      copied: ({ key, run }) => void copied.push(`${key} ${run}`),
      copyFailed: ({ key, run }) => void copied.push(`no ${key} ${run}`),
    },
  });
  const compute = (key: string, { home = "shared" as HomeKind, module = "file:///tasks.ts", holders = "" } = {}) => {
    const target = { module, export: "f", name: "f", byValue: false, version: undefined };
    const dependencies = holders.split(" ").filter(Boolean).map((host) => ({
      worker: "w",
      host,
      home: "inline",
      address: "",
    }));
    const answer = new Promise<void>((resolve) => answered.set(key, resolve));
    runs.set(key, runs.size + 1);
    tasks.compute({
      op: "compute",
      key,
      run: runs.get(key)!,
      submitted: encodeBody({ target, actor: false, home, homeFixed: false } as SubmitBody),
      args: new Uint8Array(),
      refs: [],
      dependencies: dependencies.length === 0
        ? undefined
        : encodeBody([{ key: "data", run: 5, refs: [], holders: dependencies }]),
    });
    return answer;
  };
  const cancel = (key: string) => tasks.cancel({ op: "cancelCompute", key, run: runs.get(key)! });
  const failure = (key: string) => {
    const found = said.get(key);
    assert(typeof found === "object" && "error" in found);
    return found;
  };
  return { clock, tasks, results, inline, started, states, said, asked, copied, fetches, compute, cancel, failure };
}

/** Lets what can go on go on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe("the task isolates of a host", () => {
  it("are started when first needed, up to their number, and run one task at a time", async () => {
    const { compute, started } = setUp();
    const all = [compute("a"), compute("b"), compute("c")];
    await settle();
    assertEquals(started.map(({ home, orders }) => [home, orders.map(({ key }) => key)]), [
      ["task-1", ["a"]],
      ["task-2", ["b"]],
    ]);
    started[1]!.finish("b");
    await settle();
    assertEquals(started[1]!.orders.map(({ key }) => key), ["b", "c"]);
    started[0]!.finish("a");
    started[1]!.finish("c");
    await Promise.all(all);
  });

  it("get what the host's own event loop refuses, and nothing that runs there", async () => {
    const { compute, started, inline } = setUp();
    const all = [compute("async", { home: "inline" }), compute("sync", { home: "inline" })];
    await settle();
    assertEquals(inline.orders.map(({ asyncOnly }) => asyncOnly), [true, true]);
    inline.finish("async");
    inline.fail("sync", { needsSharedHome: true });
    await settle();
    assertEquals(started.map(({ orders }) => orders.map(({ key }) => key)), [["sync"]]);
    started[0]!.finish("sync");
    await Promise.all(all);
  });

  it("give way to new ones where code was edited, or did not load", async () => {
    const { compute, started, states } = setUp({ threads: 1 });
    const first = compute("first");
    await settle();
    started[0]!.finish("first");
    await first;
    states["file:///tasks.ts"] = "2";
    const second = compute("second");
    await settle();
    assertEquals([started[0]!.closed, started[1]!.orders.length], [true, 1]);
    started[1]!.fail("second", { importFailed: true });
    await second;
    const third = compute("third");
    await settle();
    started[2]!.finish("third");
    await third;
  });

  it("take async functions, too, whose code has changed since the host loaded it", async () => {
    const { compute, started, inline, states } = setUp();
    const first = compute("first", { home: "inline" });
    await settle();
    inline.finish("first");
    await first;
    states["file:///tasks.ts"] = "2";
    const second = compute("second", { home: "inline" });
    await settle();
    assertEquals([inline.orders.length, started[0]!.orders.length], [1, 1]);
    started[0]!.finish("second");
    await second;
  });

  it("fail their task where they end, and are replaced", async () => {
    const { compute, started, failure } = setUp({ threads: 1 });
    const all = [compute("lost"), compute("next")];
    await settle();
    started[0]!.exit("Deno.exit(1) was called in it");
    await all[0];
    const { error, executed } = failure("lost");
    assertInstanceOf(error, RemoteError);
    assertEquals([error.message.includes("Deno.exit(1) was called in it"), executed], [true, "unknown"]);
    await settle();
    started[1]!.finish("next");
    await all[1];
  });

  it("that had ended before they heard of a task leave it to the next one", async () => {
    const { compute, started, said } = setUp({ threads: 1 });
    const first = compute("first");
    await settle();
    started[0]!.finish("first");
    await first;
    started[0]!.refuse = true;
    const second = compute("second");
    await settle();
    started[1]!.finish("second");
    await second;
    assertEquals([...said.keys()], ["first", "second"]);
  });

  it("fail a task that never started where they do not start", async () => {
    const { compute, failure } = setUp({ start: () => Promise.reject(new Error("no threads")) });
    await compute("a");
    assertEquals([failure("a").executed, failure("a").error.message.includes("no threads")], ["no", true]);
  });

  /** Isolates of which it is known that tasks take no time in them. */
  async function setUpQuick(threads: number) {
    const up = setUp({ threads });
    for (let index = 0; index < threads; index++) up.compute(`quick-${index}`);
    await settle();
    for (let index = 0; index < threads; index++) up.started[index]!.finish(`quick-${index}`, 1, 0.01);
    await settle();
    const keys = (orders: readonly TaskOrder[]) => orders.map(({ key }) => key).filter((key) => !key.includes("quick"));
    const given = () => up.started.map(({ orders, waiting }) => [...keys(orders), ...keys(waiting)].join(" "));
    return { ...up, given };
  }

  it("are given some tasks ahead where these take no time, and share them", async () => {
    const { compute, started, given } = await setUpQuick(2);
    for (const key of ["a", "b", "c", "d"]) compute(key);
    await settle();
    assertEquals(given(), ["a c", "b d"]);
    started[1]!.finish("b", 1, 10);
    started[1]!.finish("d", 1, 10);
    for (const key of ["e", "f", "g"]) compute(key);
    await settle();
    assertEquals(given(), ["a c", "b d e"], "no task is given ahead where they take longer");
  });

  it("run others while a function awaits something", async () => {
    const { compute, started } = setUp({ threads: 1 });
    const all = ["waits", "next", "last"].map((key) => compute(key));
    await settle();
    const [isolate] = started;
    assertEquals(isolate!.orders.map(({ key }) => key), ["waits"]);
    isolate!.wait("waits");
    await settle();
    assertEquals(isolate!.orders.map(({ key }) => key), ["waits", "next"]);
    isolate!.finish("next");
    await settle();
    isolate!.finish("last");
    isolate!.finish("waits");
    await Promise.all(all);
    assertEquals(started.length, 1);
  });

  it("take back what waits behind a function that takes long, for the others", async () => {
    const { compute, clock, started, given, said } = await setUpQuick(2);
    const all = ["long", "b", "c", "d"].map((key) => compute(key));
    await settle();
    started[1]!.finish("b");
    started[1]!.finish("d");
    clock.advance(25);
    await settle();
    assertEquals(given()[1], "b d", "one that was busy meanwhile is not behind");
    clock.advance(25);
    await settle();
    assertEquals(given()[1], "b d c");
    started[1]!.finish("c");
    await all[2];
    assertEquals([...said.keys()].includes("long"), false);
  });

  it("leave to other hosts what would wait for long", async () => {
    const { compute, clock, started, said } = await setUpQuick(1);
    for (let index = 0; index < 60; index++) compute(`t${index}`);
    await settle();
    clock.advance(25);
    await settle();
    clock.advance(25);
    await settle();
    const returned = [...said].filter(([, what]) => what === "returned").map(([key]) => key);
    assertEquals([returned.length, returned.includes("t1")], [58, false]);
    started[0]!.finish("t0");
    await settle();
    assertEquals(started[0]!.orders.at(-1)!.key, "t1");
  });

  it("never begin what was cancelled after it was given ahead", async () => {
    const { compute, cancel, started, given, failure } = await setUpQuick(1);
    const all = ["a", "b", "c"].map((key) => compute(key));
    await settle();
    cancel("b");
    await all[1];
    await settle();
    assertEquals([failure("b").executed, given()], ["no", ["a c"]]);
    cancel("a");
    assertEquals(started[0]!.cancelled, ["a"]);
  });

  it("leave what they were given ahead to the next one where they end", async () => {
    const { compute, started, said } = await setUpQuick(1);
    const all = ["a", "b", "c"].map((key) => compute(key));
    await settle();
    started[0]!.exit("Deno.exit(1) was called in it");
    await all[0];
    assertEquals(started[1]!.orders.map(({ key }) => key), ["b"]);
    started[1]!.finish("b");
    await settle();
    started[1]!.finish("c");
    await all[2];
    assert("size" in (said.get("c") as object));
  });

  it("are not there in a host without Web Workers: all runs on its event loop, and edited code is refused", async () => {
    const { compute, inline, states, failure } = setUp({ start: undefined });
    const first = compute("first");
    await settle();
    assertEquals(inline.orders[0]!.asyncOnly, false);
    inline.finish("first");
    await first;
    states["file:///tasks.ts"] = "2";
    await compute("second");
    assertInstanceOf(failure("second").error, ModuleLoadError);
  });
});

describe("the tasks of a host", () => {
  it("share one fetch of a value, ask the next holder where one does not give it, and keep it", async () => {
    const { compute, asked, copied, fetches, started, results } = setUp();
    const all = [compute("a", { holders: "host-2 host-3" }), compute("b", { holders: "host-2 host-3" })];
    await settle();
    assertEquals(asked, ["data of host-2"]);
    fetches[0]!.reject(new Error("gone"));
    await settle();
    assertEquals(asked, ["data of host-2", "data of host-3"]);
    fetches[1]!.resolve({ bytes: new Uint8Array([1]), refs: [] });
    await settle();
    assertEquals(started.map(({ orders }) => orders[0]!.values[0]!.bytes), [new Uint8Array([1]), new Uint8Array([1])]);
    started[0]!.finish("a");
    started[1]!.finish("b");
    await Promise.all(all);
    assertEquals([copied, (await results.get("data", 5))?.bytes], [["data 5"], new Uint8Array([1])]);
    const third = compute("c", { holders: "host-2" });
    await settle();
    assertEquals(asked.length, 2, "what is kept is not asked for again");
    started[0]!.finish("c");
    await third;
  });

  it("say what is missing where no holder gives it", async () => {
    const { compute, asked, fetches, failure } = setUp();
    const task = compute("a", { holders: "host-1 host-2" });
    await settle();
    // It does not ask itself.
    assertEquals(asked, ["data of host-2"]);
    fetches[0]!.reject(new Error("gone"));
    await task;
    assertEquals([failure("a").missing, failure("a").executed], [["data"], "no"]);
  });

  it("never start where they were cancelled while their values were fetched, or while they waited", async () => {
    const { compute, cancel, fetches, started, failure } = setUp({ threads: 1 });
    const fetching = compute("fetching", { holders: "host-2" });
    const running = compute("running");
    const waiting = compute("waiting");
    await settle();
    cancel("fetching");
    cancel("waiting");
    await waiting;
    fetches[0]!.resolve({ bytes: new Uint8Array([1]), refs: [] });
    await fetching;
    started[0]!.finish("running");
    await running;
    assertEquals(started[0]!.orders.map(({ key }) => key), ["running"]);
    for (const key of ["fetching", "waiting"]) {
      assertInstanceOf(failure(key).error, CallCancelledError);
      assertEquals(failure(key).executed, "no");
    }
  });

  it("are told to their isolate where they are cancelled while they run, and leave no result", async () => {
    const { compute, cancel, started, results, failure } = setUp();
    const running = compute("running");
    await settle();
    cancel("running");
    assertEquals(started[0]!.cancelled, ["running"]);
    started[0]!.finish("running");
    await running;
    assertEquals([results.size, results.bytes, failure("running").executed], [0, 0, "yes"]);
  });

  it("that are stopped because the host leaves have not failed: nothing is said of them", async () => {
    const { tasks, compute, started, said } = setUp({ threads: 1 });
    compute("running");
    compute("waiting");
    await settle();
    tasks.end();
    started[0]!.exit("it was closed");
    await settle();
    started[1]!.finish("waiting");
    await tasks.settled();
    assertEquals(said.size, 0);
  });

  it("run a task alone where its user says so, and end its isolate with it", async () => {
    const { compute, started, failure } = setUp({ startsProcesses: true });
    const all = [compute("a", { home: "process" }), compute("b", { home: "dedicated" })];
    await settle();
    assertEquals(started.map(({ home }) => home), ["process-task-1", "dedicated-task-2"]);
    started[0]!.finish("a", 1);
    started[1]!.exit("it ran away");
    await Promise.all(all);
    assertEquals(started[0]!.closed, true);
    assertMatch(failure("b").error.message, /it ran away/);
  });

  it("refuse homes that there are none of here", async () => {
    const { compute, failure } = setUp();
    await compute("a", { home: "process" });
    assertInstanceOf(failure("a").error, ActorStartError);
  });

  it("give up an isolate in which a cancelled task does not stop", async () => {
    const { compute, cancel, started, clock } = setUp({ threads: 1 });
    const stuck = compute("stuck");
    await settle();
    cancel("stuck");
    clock.advance(999);
    assertEquals(started[0]!.abandoned, "");
    clock.advance(1);
    assertEquals(started[0]!.abandoned, "The task stuck did not stop");
    await stuck;
    const next = compute("next");
    await settle();
    started[1]!.finish("next");
    await next;
    clock.advance(5000);
    assertEquals(started[1]!.abandoned, "");
  });

  it("begin what was given ahead elsewhere where one that was cancelled does not stop", async () => {
    const { compute, cancel, started, clock, said } = setUp({ threads: 1 });
    compute("quick");
    await settle();
    started[0]!.finish("quick", 1, 0.01);
    const all = ["stuck", "next"].map((key) => compute(key));
    await settle();
    cancel("stuck");
    await settle();
    clock.advance(1000);
    await all[0];
    await settle();
    started[1]!.finish("next");
    await all[1];
    assert("size" in (said.get("next") as object));
  });

  it("of an isolate of its own that is cancelled while that starts never begin there", async () => {
    const { compute, cancel, started, failure } = setUp({ startsProcesses: true });
    const alone = compute("alone", { home: "process" });
    cancel("alone");
    await alone;
    await settle();
    assertEquals([failure("alone").executed, started[0]!.orders, started[0]!.closed], ["no", [], true]);
  });

  it("keep what came of the latest attempt at one key, and count its bytes once", async () => {
    const results = new ResultStore();
    const put = (key: string, run: number, length: number) => {
      results.put(key, run, { bytes: new Uint8Array(length), refs: [] });
    };
    put("a", 1, 10);
    put("a", 3, 4);
    put("a", 2, 20);
    results.delete("a", 2);
    results.delete("b", 3);
    assertEquals([results.size, results.bytes, await results.get("a", 2), (await results.get("a"))?.bytes.length], [
      1,
      4,
      undefined,
      4,
    ]);
    results.delete("a", 3);
    assertEquals([results.size, results.bytes], [0, 0]);
  });
});
