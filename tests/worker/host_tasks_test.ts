import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ActorLostError,
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
import { FakeClock } from "../helpers/fake_clock.ts";
import { LoadedModules } from "../../worker/generations.ts";
import { HostTasks } from "../../worker/host_tasks.ts";
import type { IsolateEnd, TaskIsolate, TaskOrder, TaskOutcome } from "../../worker/isolate.ts";
import { ModulePolicy } from "../../worker/module_policy.ts";
import { ResultStore, type StoredResult } from "../../worker/result_store.ts";
import { TaskIsolates, type TaskIsolatesOptions } from "../../worker/task_isolates.ts";

/** An isolate whose tasks end when the test says so. */
class FakeTaskIsolate implements TaskIsolate {
  readonly ended: Promise<IsolateEnd>;
  readonly orders: TaskOrder[] = [];
  readonly cancelled: string[] = [];
  readonly #end: (end: IsolateEnd) => void;
  readonly #running = new Map<string, PromiseWithResolvers<TaskOutcome>>();
  closed = false;
  refuse = false;
  abandoned = "";

  constructor(readonly home: string) {
    ({ promise: this.ended, resolve: this.#end } = Promise.withResolvers<IsolateEnd>());
  }

  compute(order: TaskOrder): Promise<TaskOutcome> {
    if (this.refuse) return Promise.reject(new ActorLostError("the isolate has ended", { executed: "no" }));
    this.orders.push(order);
    const running = Promise.withResolvers<TaskOutcome>();
    this.#running.set(order.key, running);
    return running.promise;
  }

  cancelCompute(key: string): void {
    this.cancelled.push(key);
  }

  finish(key: string, value: unknown = key): void {
    this.#running.get(key)!.resolve({ ok: true, value: encodeValue(value).bytes.slice(), refs: [] });
  }

  fail(key: string, failure: { needsSharedHome?: boolean; importFailed?: boolean }): void {
    const whole = { error: new Uint8Array(), executed: "no" as const, needsSharedHome: false, importFailed: false };
    this.#running.get(key)!.resolve({ ok: false, failure: { ...whole, ...failure } });
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
    for (const { reject } of this.#running.values()) reject(new Error("the isolate ended"));
    this.#end({ reason: "isolate-exit", message });
  }
}

type Said = Pick<MessageOf<"computed">, "size" | "value"> | {
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
      computed: ({ key }, size, value) => void said.set(key, { size, value }),
      computeFailed: ({ key }, executed, error, missing) => {
        said.set(key, { error: decodeError(error), executed, missing });
      },
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
    return tasks.compute({
      op: "compute",
      key,
      run: 1,
      submitted: encodeBody({ target, actor: false, home, homeFixed: false } as SubmitBody),
      args: new Uint8Array(),
      refs: [],
      dependencies: encodeBody(
        dependencies.length === 0 ? [] : [{ key: "data", run: 5, refs: [], holders: dependencies }],
      ),
    });
  };
  const cancel = (key: string) => tasks.cancel({ op: "cancelCompute", key, run: 1 });
  const failure = (key: string) => {
    const found = said.get(key);
    assert(found && "error" in found);
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
    const all = [compute("running"), compute("waiting")];
    await settle();
    tasks.end();
    started[0]!.exit("it was closed");
    await all[0];
    await settle();
    started[1]!.finish("waiting");
    await all[1];
    assertEquals(said.size, 0);
  });

  it("run a task alone where its user says so, and end its isolate with it", async () => {
    const { compute, started, said } = setUp({ startsProcesses: true });
    const all = [compute("a", { home: "process" }), compute("b", { home: "dedicated" })];
    await settle();
    assertEquals(started.map(({ home }) => home), ["process-task-1", "dedicated-task-2"]);
    started[0]!.finish("a", 1);
    started[1]!.exit("it ran away");
    await Promise.all(all);
    assertEquals(started.map(({ closed }) => closed), [true, true]);
    const failed = said.get("b");
    assert(failed && "error" in failed && /it ran away/.test(failed.error.message));
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
