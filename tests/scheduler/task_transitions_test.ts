import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ActorLostError,
  CallCancelledError,
  CallTimeoutError,
  ConnectionLostError,
  decodeActorReference,
  decodeError,
  decodeValue,
  DependencyLostError,
  encodeError,
  KeyConflictError,
  NoWorkerError,
  type StatusBody,
  type SubmitBody,
} from "../../protocol/mod.ts";
import { snapshotTask, takeSnapshot } from "../../scheduler/snapshot.ts";
import { createState } from "../../scheduler/state.ts";
import { formatTaskTransitions, TASK_TRANSITIONS } from "../../scheduler/task_states.ts";
import { handleEvent } from "../../scheduler/transitions.ts";
import { submission } from "./simulation.ts";
import { TaskSimulation } from "./task_simulation.ts";

const LARGE = new Uint8Array(5_000);
const VERSIONS = { troupe: "0.1.0", runtime: "deno" };

function withWorkers(...names: string[]): TaskSimulation {
  const simulation = new TaskSimulation();
  for (const name of names) simulation.addWorker(name, {}, { threads: 1 });
  simulation.addClient("one");
  return simulation;
}

function last(simulation: TaskSimulation, key: string, client = "one"): StatusBody {
  const status = simulation.statusesOf(client, key).at(-1);
  assert(status, `${client} was told something of ${key}`);
  return status;
}

function errorOf(simulation: TaskSimulation, key: string, client = "one"): Error {
  return decodeError(last(simulation, key, client).error!);
}

function release(simulation: TaskSimulation, ...keys: string[]): void {
  simulation.run({ type: "released", client: "one", keys });
}

function orderOf(simulation: TaskSimulation, key: string) {
  const order = simulation.instructions.findLast((instruction) =>
    instruction.type === "sendCompute" && instruction.key === key
  );
  assert(order?.type === "sendCompute", `${key} was sent to a host`);
  return order;
}

function joinIsolate(simulation: TaskSimulation, client: string, worker: string): void {
  const isolateOf = { worker, host: simulation.state.workers.get(worker)!.host!.incarnation };
  simulation.run({ type: "clientJoined", client, session: `secret of ${client}`, versions: VERSIONS, isolateOf });
}

function actorSubmitted(simulation: TaskSimulation, client: string, key: string, refs: readonly string[] = []): void {
  const event = { client, key, body: submission(), submitted: new Uint8Array(), args: new Uint8Array(), refs };
  simulation.run({ type: "submitted", ...event });
}

describe("a task", () => {
  it("is processed, then finished with its value where that is small", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "add-1");
    simulation.work();
    assertEquals(simulation.words("one", "add-1"), ["processing", "finished"]);
    const { value, size, holders, refs } = last(simulation, "add-1");
    assertEquals([value, size, refs], [new TextEncoder().encode("add-1"), 5, []]);
    assertEquals(holders, []);
  });

  it("is finished with those who keep its value where that is large", () => {
    const simulation = withWorkers("a");
    simulation.evaluate = () => LARGE;
    simulation.submitTask("one", "add-1");
    simulation.work();
    const { value, size, holders } = last(simulation, "add-1");
    assertEquals([value, size, holders?.length], [undefined, 5_000, 1]);
  });

  it("starts when all that it depends on is there, and is told where", () => {
    const simulation = withWorkers("a");
    simulation.evaluate = (key) => key === "big" ? LARGE : new TextEncoder().encode(key);
    simulation.submitTask("one", "big");
    simulation.submitTask("one", "small");
    simulation.submitTask("one", "sum", ["big", "small"]);
    assertEquals(simulation.task("sum").state, "blocked");
    assertEquals(simulation.words("one", "sum"), []);
    simulation.work();
    assertEquals(simulation.words("one", "sum"), ["processing", "finished"]);
    const [big, small] = orderOf(simulation, "sum").dependencies;
    assertEquals([big!.value, big!.holders.map(({ worker }) => worker)], [undefined, ["a"]]);
    assertEquals([small!.value, small!.holders], [new TextEncoder().encode("small"), []]);
  });

  it("of the same key runs once for all who submit it", () => {
    const simulation = withWorkers("a");
    simulation.addClient("two");
    simulation.submitTask("one", "add-1");
    simulation.submitTask("two", "add-1");
    simulation.work();
    simulation.submitTask("two", "add-1");
    assertEquals(simulation.runs.get("add-1"), 1);
    assertEquals(simulation.words("two", "add-1"), ["processing", "finished", "finished"]);
    release(simulation, "add-1");
    assertEquals(simulation.task("add-1").state, "memory");
  });

  it("of a key that is in use for something else fails with KeyConflictError", () => {
    const simulation = withWorkers("a");
    simulation.addClient("two");
    simulation.submitTask("one", "key");
    actorSubmitted(simulation, "two", "key");
    assertInstanceOf(errorOf(simulation, "key", "two"), KeyConflictError);
    simulation.submit("one", "Counter-1");
    simulation.submitTask("two", "Counter-1");
    assertInstanceOf(errorOf(simulation, "Counter-1", "two"), KeyConflictError);
    simulation.work();
    assertEquals(last(simulation, "key").status, "finished");
  });

  it("that depends on what nobody knows fails with DependencyLostError", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "sum", ["nothing"]);
    const error = errorOf(simulation, "sum");
    assertInstanceOf(error, DependencyLostError);
    assertMatch(error.message, /nothing is known of nothing among its arguments/);
    assertEquals(error.executed, "no");
  });

  it("that depends on itself fails", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "self", ["self"]);
    assertInstanceOf(errorOf(simulation, "self"), DependencyLostError);
  });

  it("fails with CallTimeoutError after its timeout, and is cancelled where it runs", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "slow", [], { timeout: 50 });
    simulation.submitTask("one", "after", ["slow"]);
    simulation.fire("deadline slow");
    const error = errorOf(simulation, "slow");
    assertInstanceOf(error, CallTimeoutError);
    assertEquals([error.executed, last(simulation, "slow").executed], ["unknown", "unknown"]);
    assertEquals(simulation.instructions.some(({ type }) => type === "sendCancelCompute"), true);
    assertInstanceOf(errorOf(simulation, "after"), CallTimeoutError);
    assertEquals(last(simulation, "after").executed, "no");
  });

  it("that nobody runs in time fails with NoWorkerError", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "net", [], { timeout: 50, resources: { GPU: 1 } });
    simulation.fire("deadline net");
    const error = errorOf(simulation, "net");
    assertInstanceOf(error, NoWorkerError);
    assertEquals([error.wanted, error.offered], [{ GPU: 1 }, ["a"]]);
  });

  it("leaves no timer behind when it is finished", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "quick", [], { timeout: 50 });
    simulation.work();
    assertEquals(simulation.timers.size, 0);
  });
});

describe("a task that fails", () => {
  it("tells its own error, and those that depend on it fail with that very error without having run", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "bad");
    simulation.submitTask("one", "next", ["bad"]);
    simulation.submitTask("one", "last", ["next"]);
    const error = encodeError(new RangeError("no"));
    simulation.failTask(simulation.hostOf("bad"), "bad", error);
    const [bad, next, end] = ["bad", "next", "last"].map((key) => last(simulation, key));
    assertEquals([bad!.status, bad!.executed, bad!.error], ["error", "yes", error]);
    assertEquals([next!.status, next!.executed, next!.error], ["error", "no", error]);
    assertEquals([end!.status, end!.executed, end!.error], ["error", "no", error]);
    simulation.submitTask("one", "late", ["bad"]);
    assertEquals(last(simulation, "late").error, error);
  });

  it("runs as often again as its retries allow", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "bad", [], { retries: 2 });
    for (let run = 0; run < 3; run++) {
      assert(!simulation.words("one", "bad").includes("error"));
      simulation.failTask(simulation.hostOf("bad"), "bad");
    }
    assertEquals(simulation.words("one", "bad"), ["processing", "processing", "processing", "error"]);
  });

  it("runs again where it is submitted again", () => {
    const simulation = withWorkers("a");
    simulation.addClient("two");
    simulation.submitTask("one", "bad");
    simulation.failTask(simulation.hostOf("bad"), "bad");
    simulation.submitTask("two", "bad");
    simulation.work();
    assertEquals(simulation.words("two", "bad"), ["processing", "finished"]);
  });

  it("is forgotten when nobody holds it any more", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "bad");
    simulation.failTask(simulation.hostOf("bad"), "bad");
    release(simulation, "bad");
    assertEquals(simulation.state.keys.size, 0);
  });
});

describe("placing tasks", () => {
  it("gives a worker twice what it runs at once, and keeps the rest by priority, then by age", () => {
    const simulation = new TaskSimulation();
    simulation.addWorker("a", {}, { threads: 2 });
    simulation.addClient("one");
    for (const key of ["t1", "t2", "t3", "t4", "t5", "t6"]) simulation.submitTask("one", key);
    simulation.submitTask("one", "urgent", [], { priority: 1 });
    assertEquals(simulation.state.workers.get("a")!.processing.size, 4);
    const next: string[] = [];
    for (const key of ["t1", "t2", "t3"]) {
      simulation.finish(simulation.hostOf(key), key);
      next.push(orderOf(simulation, ["urgent", "t5", "t6"][next.length]!).key);
    }
    assertEquals(next, ["urgent", "t5", "t6"]);
    assertEquals(simulation.words("one", "t6"), ["processing"]);
  });

  it("counts a task no more that has submitted others, and lets those go before what is younger than it", () => {
    const simulation = withWorkers("a");
    for (const key of ["t1", "t2", "t3"]) simulation.submitTask("one", key);
    joinIsolate(simulation, "isolate", "a");
    const { processing, aside } = simulation.state.workers.get("a")!;
    const running = () => [[...processing].map(({ key }) => key), [...aside].map(({ key }) => key)];
    assertEquals(running(), [["t1", "t2"], []]);
    simulation.submitFor("isolate", "t1", "sub1");
    assertEquals(running(), [["t1", "t2", "sub1"], ["t1"]]);
    simulation.submitFor("isolate", "t2", "sub2");
    assertEquals(running(), [["t1", "t2", "sub1", "sub2"], ["t1", "t2"]]);
    simulation.work();
    assertEquals(running(), [[], []]);
    assertEquals(simulation.task("t3").state, "memory");
  });

  it("counts a task on that has submitted what was there already", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "known");
    simulation.work();
    simulation.submitTask("one", "t1");
    joinIsolate(simulation, "isolate", "a");
    simulation.submitFor("isolate", "t1", "known");
    assertEquals(simulation.state.workers.get("a")!.aside.size, 0);
  });

  /** One worker with one thread, which has been done with so many tasks in no time. */
  function quickWorker(tasks: number): TaskSimulation {
    const simulation = withWorkers("a");
    for (let index = 0; index < tasks; index++) {
      simulation.submitTask("one", `quick-${index}`);
      simulation.act(simulation.hosts.get("a")!);
      simulation.finish(simulation.hosts.get("a")!, `quick-${index}`, [], 0.01);
    }
    return simulation;
  }
  const given = (simulation: TaskSimulation, worker = "a") => simulation.state.workers.get(worker)!.processing.size;
  const submitMany = (simulation: TaskSimulation, count: number, more: Partial<SubmitBody> = {}) => {
    for (let index = 0; index < count; index++) simulation.submitTask("one", `t${index}`, [], more);
  };

  it("gives a worker more at once, the less time its tasks take, and no more than two before that is known", () => {
    const counts = [0, 1, 20, 60].map((tasks) => {
      const simulation = quickWorker(tasks);
      submitMany(simulation, 400);
      return given(simulation);
    });
    assertEquals(counts.toSorted((a, b) => a - b), counts);
    assertEquals([counts[0], counts[1], counts[3]], [2, 4, 256]);
  });

  it("gives a worker no more at once where its tasks need or give many bytes", () => {
    const simulation = quickWorker(60);
    simulation.evaluate = () => new Uint8Array(1_000_000);
    simulation.submitTask("one", "large");
    simulation.act(simulation.hosts.get("a")!);
    simulation.finish(simulation.hosts.get("a")!, "large", [], 0.01);
    submitMany(simulation, 400);
    assertEquals(given(simulation), 3);
  });

  it("gives a worker less at once when it gives a task back, and that to another", () => {
    const simulation = quickWorker(60);
    submitMany(simulation, 10);
    simulation.addWorker("b", {}, { threads: 1 });
    const host = simulation.hosts.get("a")!;
    while (host.inbox.length > 0) simulation.act(host);
    for (let index = 9; index >= 1; index--) simulation.giveBack(host, `t${index}`);
    assertEquals([given(simulation), given(simulation, "b")], [2, 2]);
    simulation.work();
    assertEquals(simulation.words("one", "t9").at(-1), "finished");
    assertEquals(simulation.runs.get("t9"), 1);
  });

  it("gives a quick worker no more than others of what must not wait behind them to be lost with them", () => {
    const simulation = quickWorker(60);
    submitMany(simulation, 10, { pure: false });
    assertEquals(given(simulation), 2);
    // The others need not wait for them.
    simulation.submitTask("one", "plain");
    assertEquals([given(simulation), last(simulation, "plain").status], [3, "processing"]);
    simulation.work();
    assertEquals(last(simulation, "t9").status, "finished");
  });

  it("gives those that were lost with a worker to others a few at a time, so that what ends workers is found", () => {
    const simulation = quickWorker(60);
    simulation.addWorker("b", {}, { threads: 1 });
    submitMany(simulation, 100);
    simulation.loseWorker("a");
    const [lost] = [...simulation.state.keys.values()].filter((task) => task.kind === "task" && task.deaths > 0);
    assert(lost);
    assertEquals(given(simulation, "b"), 2);
    simulation.work();
    assertEquals(last(simulation, "t99").status, "finished");
  });

  it("spreads them over the least occupied workers", () => {
    const simulation = withWorkers("a", "b", "c");
    for (let index = 0; index < 6; index++) simulation.submitTask("one", `t${index}`);
    const counts = [...simulation.state.workers.values()].map(({ processing }) => processing.size);
    assertEquals(counts, [2, 2, 2]);
  });

  it("moves the fewest bytes", () => {
    const simulation = withWorkers("a", "b", "c");
    simulation.evaluate = (key) => new Uint8Array(key === "large" ? 5_000 : 2_000);
    for (const [key, worker] of [["large", "b"], ["less", "c"]] as const) {
      simulation.submitTask("one", key, [], { workers: [worker] });
    }
    simulation.work();
    simulation.submitTask("one", "sum", ["less", "large"]);
    assertEquals(orderOf(simulation, "sum").worker, "b");
    simulation.submitTask("one", "sum-2", ["less", "large"]);
    simulation.submitTask("one", "sum-3", ["less", "large"]);
    assertEquals([orderOf(simulation, "sum-2").worker, orderOf(simulation, "sum-3").worker], ["b", "c"]);
  });

  it("gives nothing to a worker whose memory is full, until it is not any more", () => {
    const simulation = new TaskSimulation();
    simulation.addWorker("a", {}, { memoryLimit: 1_000 });
    simulation.addClient("one");
    const beat = (memory: number) =>
      simulation.run({ type: "heartbeat", worker: "a", body: { host: "a-1", memory, lag: 0 } });
    beat(601);
    simulation.submitTask("one", "t");
    assertEquals(last(simulation, "t").status, "no-worker");
    assertMatch(last(simulation, "t").reason!, /a \(paused: its memory is full\)/);
    beat(600);
    assertEquals(last(simulation, "t").status, "processing");
  });

  it("says why there is no worker, and goes on when one joins", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "net", [], { resources: { GPU: 1 } });
    simulation.submitTask("one", "net-2", [], { resources: { GPU: 1 } });
    assertMatch(last(simulation, "net").reason!, /needs GPU: 1; offered: a/);
    assertMatch(last(simulation, "net-2").reason!, /needs GPU: 1; offered: a/);
    assert(simulation.instructions.some((each) => each.type === "log" && each.message.includes("wait")));
    simulation.addWorker("b", { GPU: 1 });
    assertEquals([last(simulation, "net").status, orderOf(simulation, "net").worker], ["processing", "b"]);
    assertEquals(last(simulation, "net-2").status, "no-worker");
    simulation.work();
    assertEquals(last(simulation, "net-2").status, "finished");
  });

  it("goes round those that wait for something that is not there", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "net", [], { resources: { GPU: 1 }, priority: 9 });
    simulation.submitTask("one", "plain");
    assertEquals(last(simulation, "plain").status, "processing");
  });

  it("holds to the workers that were asked for, unless others are allowed", () => {
    const simulation = withWorkers("a", "b");
    for (let index = 0; index < 3; index++) simulation.submitTask("one", `t${index}`, [], { workers: ["b"] });
    assertEquals(simulation.state.workers.get("a")!.processing.size, 0);
    simulation.submitTask("one", "any", [], { workers: ["b"], allowOtherWorkers: true });
    assertEquals(orderOf(simulation, "any").worker, "a");
  });
});

describe("results", () => {
  it("are forgotten by their host when nobody needs them any more", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    simulation.submitTask("one", "next", ["t"]);
    simulation.act(simulation.hosts.get("a")!);
    release(simulation, "t");
    assertEquals(simulation.task("t").state, "processing", "for what depends on it");
    simulation.work();
    assertEquals(simulation.task("t").state, "released");
    release(simulation, "next");
    simulation.work();
    assertEquals([simulation.state.keys.size, simulation.hosts.get("a")!.results.size], [0, 0]);
  });

  it("that nobody wants before they are there are cancelled, with what only they needed", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    simulation.submitTask("one", "next", ["t"]);
    release(simulation, "t", "next");
    const cancelled = simulation.instructions.flatMap((each) => each.type === "sendCancelCompute" ? [each.key] : []);
    assertEquals(cancelled, ["t"]);
    assertEquals(simulation.state.keys.size, 0);
    assertEquals(simulation.state.workers.get("a")!.processing.size, 0);
  });

  it("that come when nobody wants them any more are forgotten", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    const host = simulation.hostOf("t");
    release(simulation, "t");
    simulation.finish(host, "t");
    simulation.work();
    assertEquals(host.results.size, 0);
  });

  it("of an attempt that was cancelled do not count for the next", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    const host = simulation.hostOf("t");
    release(simulation, "t");
    simulation.submitTask("one", "t");
    simulation.finish(host, "t");
    assertEquals(simulation.task("t").state, "processing");
    simulation.work();
    assertEquals(last(simulation, "t").status, "finished");
  });

  it("are lost with their worker, and computed again as far back as it takes", () => {
    const simulation = withWorkers("a");
    simulation.evaluate = () => LARGE;
    simulation.submitTask("one", "t0");
    simulation.submitTask("one", "t1", ["t0"]);
    simulation.submitTask("one", "t2", ["t1"]);
    simulation.work();
    release(simulation, "t0", "t1");
    simulation.work();
    assertEquals(simulation.hosts.get("a")!.results.size, 1);
    simulation.addWorker("b");
    simulation.loseWorker("a");
    assertEquals(simulation.statusesOf("one", "t2").some(({ status }) => status === "lost"), false);
    simulation.work();
    assertEquals(simulation.words("one", "t2"), ["processing", "finished", "processing", "finished"]);
    assertEquals([...simulation.runs.values()], [2, 2, 2]);
    assertEquals(simulation.hosts.get("b")!.results.size, 1);
  });

  it("that are small survive their worker", () => {
    const simulation = withWorkers("a", "b");
    simulation.submitTask("one", "t");
    simulation.work();
    const { worker } = orderOf(simulation, "t");
    simulation.loseWorker(worker);
    simulation.submitTask("one", "next", ["t"]);
    simulation.work();
    assertEquals([last(simulation, "next").status, simulation.runs.get("t")], ["finished", 1]);
  });

  it("of an impure task are lost with their worker, and so is what needs them", () => {
    const simulation = withWorkers("a");
    simulation.evaluate = () => LARGE;
    simulation.submitTask("one", "t", [], { pure: false });
    simulation.work();
    simulation.submitTask("one", "next", ["t"], { resources: { GPU: 1 } });
    simulation.loseWorker("a");
    const { status, worker, reason } = last(simulation, "t");
    assertEquals([status, worker, reason], ["lost", "a", "worker-exit"]);
    assertInstanceOf(errorOf(simulation, "t"), DependencyLostError);
    assertEquals(last(simulation, "next").status, "error");
    assertInstanceOf(errorOf(simulation, "next"), DependencyLostError);
  });

  it("that cannot be fetched are tried again, and in the end computed again", () => {
    const simulation = withWorkers("a", "b");
    simulation.evaluate = () => LARGE;
    simulation.submitTask("one", "t", [], { workers: ["a"], allowOtherWorkers: true });
    simulation.work();
    simulation.hosts.get("a")!.results.clear();
    simulation.submitTask("one", "next", ["t"]);
    for (let attempt = 1; attempt <= 3; attempt++) {
      simulation.finish(simulation.hostOf("next"), "next");
      assertEquals(simulation.task("next").state, "blocked");
      if (attempt < 3) simulation.fire("again next");
    }
    simulation.work();
    simulation.fire("again next");
    simulation.work();
    assertEquals([last(simulation, "next").status, simulation.runs.get("t")], ["finished", 2]);
  });

  it("that can neither be fetched nor computed again are given up", () => {
    const simulation = withWorkers("a", "b");
    simulation.evaluate = () => LARGE;
    simulation.submitTask("one", "t", [], { pure: false });
    simulation.work();
    for (const { results } of simulation.hosts.values()) results.clear();
    simulation.submitTask("one", "next", ["t"]);
    while (simulation.task("next").state !== "erred") {
      if (simulation.timers.has("again next")) simulation.fire("again next");
      simulation.finish(simulation.hostOf("next"), "next");
    }
    assertMatch(errorOf(simulation, "next").message, /no worker could fetch t in 9 tries/);
    assert(simulation.at > 10_000, "a worker that fell silent would have been noticed");
  });
});

describe("a task whose worker dies while it runs", () => {
  it("runs elsewhere where it is pure", () => {
    const simulation = withWorkers("a", "b");
    simulation.submitTask("one", "t");
    simulation.loseWorker(orderOf(simulation, "t").worker);
    simulation.work();
    assertEquals(last(simulation, "t").status, "finished");
  });

  it("fails where it is not, and nobody knows whether it ran", () => {
    const simulation = withWorkers("a", "b");
    simulation.submitTask("one", "t", [], { pure: false });
    simulation.submitTask("one", "next", ["t"]);
    simulation.loseWorker(orderOf(simulation, "t").worker);
    assertEquals([last(simulation, "t").status, last(simulation, "t").executed], ["lost", "unknown"]);
    const error = errorOf(simulation, "t");
    assertInstanceOf(error, ConnectionLostError);
    assertEquals(error.executed, "unknown");
    const dependent = errorOf(simulation, "next");
    assertInstanceOf(dependent, DependencyLostError);
    assertInstanceOf(dependent.cause, ConnectionLostError);
  });

  it("is blamed after three of them", () => {
    const simulation = withWorkers("a", "b", "c", "d");
    simulation.submitTask("one", "t");
    for (let death = 0; death < 3; death++) simulation.loseWorker(orderOf(simulation, "t").worker);
    assertEquals(last(simulation, "t").status, "error");
    assertMatch(errorOf(simulation, "t").message, /its host was lost 3 times while it ran, the last time on worker/);
  });
});

describe("cancelling a task", () => {
  it("stops it for everyone, and fails what depends on it", () => {
    const simulation = withWorkers("a");
    simulation.addClient("two");
    simulation.submitTask("one", "t");
    simulation.submitTask("two", "t");
    simulation.submitTask("two", "next", ["t"]);
    simulation.run({ type: "cancelled", client: "one", keys: ["t"], reason: "enough" });
    assertEquals(simulation.statusesOf("two", "t").at(-1)!.reason, "enough");
    assertEquals([last(simulation, "t").status, last(simulation, "t", "two").status], ["cancelled", "cancelled"]);
    assertInstanceOf(errorOf(simulation, "next", "two"), CallCancelledError);
    assertEquals(simulation.state.keys.has("t"), false);
  });

  it("lets tasks finish that run with its result", () => {
    const simulation = withWorkers("a");
    simulation.evaluate = () => LARGE;
    simulation.submitTask("one", "t");
    simulation.work();
    simulation.submitTask("one", "next", ["t"]);
    simulation.run({ type: "cancelled", client: "one", keys: ["t"], reason: undefined });
    simulation.work();
    assertEquals([last(simulation, "t").status, last(simulation, "next").status], ["cancelled", "finished"]);
  });
});

describe("scattered data", () => {
  function scatter(simulation: TaskSimulation, value: Uint8Array, workers?: string[]): void {
    const body = { workers, allowOtherWorkers: undefined };
    simulation.run({ type: "scattered", client: "one", key: "data", body, value, refs: [] });
  }

  it("is put on a worker, and tasks go there", () => {
    const simulation = withWorkers("a", "b");
    simulation.evaluate = () => LARGE;
    scatter(simulation, LARGE, ["b"]);
    simulation.work();
    assertEquals(last(simulation, "data").holders?.map(({ worker }) => worker), ["b"]);
    assertEquals(simulation.task("data").value, undefined, "the scheduler does not keep it");
    simulation.submitTask("one", "t", ["data"]);
    assertEquals(orderOf(simulation, "t").worker, "b");
  });

  it("stays with the scheduler where it is small", () => {
    const simulation = withWorkers("a");
    scatter(simulation, new Uint8Array([1]));
    assertEquals([last(simulation, "data").status, last(simulation, "data").value], ["finished", new Uint8Array([1])]);
  });

  it("waits for a worker, and goes to another where that one is lost before it was stored", () => {
    const simulation = new TaskSimulation();
    simulation.addClient("one");
    scatter(simulation, LARGE);
    assertEquals(last(simulation, "data").status, "no-worker");
    simulation.addWorker("a");
    simulation.addWorker("b");
    simulation.loseWorker("a");
    simulation.evaluate = () => LARGE;
    simulation.work();
    assertEquals(last(simulation, "data").holders?.map(({ worker }) => worker), ["b"]);
  });

  it("is lost with its worker", () => {
    const simulation = withWorkers("a", "b");
    simulation.evaluate = () => LARGE;
    scatter(simulation, LARGE, ["a"]);
    simulation.work();
    simulation.loseWorker("a");
    assertEquals([last(simulation, "data").status, last(simulation, "data").worker], ["lost", "a"]);
  });
});

describe("the result of a call as an argument", () => {
  function promise(simulation: TaskSimulation): void {
    simulation.run({ type: "promised", client: "one", keys: ["call"] });
    simulation.submitTask("one", "t", ["call"]);
    assertEquals(simulation.task("t").state, "blocked");
  }

  function fulfil(simulation: TaskSimulation, value: Uint8Array, ok = true): void {
    simulation.run({ type: "fulfilled", client: "one", key: "call", ok, value, refs: [] });
  }

  it("lets the task start when it is there, and is forgotten when that has run", () => {
    const simulation = withWorkers("a");
    promise(simulation);
    fulfil(simulation, new TextEncoder().encode("call"));
    assertEquals(orderOf(simulation, "t").dependencies[0]!.value, new TextEncoder().encode("call"));
    simulation.work();
    assertEquals(last(simulation, "t").status, "finished");
    assertEquals(simulation.state.keys.has("call"), false);
  });

  it("goes to a worker once where it is large, and to another where that one dies", () => {
    const simulation = withWorkers("a", "b");
    simulation.evaluate = () => LARGE;
    promise(simulation);
    simulation.run({ type: "held", client: "one", keys: ["call"] });
    fulfil(simulation, LARGE);
    simulation.work();
    assertEquals(orderOf(simulation, "t").dependencies[0]!.value, undefined);
    simulation.loseWorker(simulation.task("call").holders[0]!.id);
    simulation.work();
    assertEquals([simulation.task("call").state, simulation.task("t").state], ["memory", "memory"]);
  });

  it("fails the task where the call failed", () => {
    const simulation = withWorkers("a");
    promise(simulation);
    const error = encodeError(new RangeError("no"));
    fulfil(simulation, error, false);
    assertEquals([last(simulation, "t").error, last(simulation, "t").executed], [error, "no"]);
  });

  it("fails the task where its client is gone", () => {
    const simulation = withWorkers("a");
    simulation.addClient("two");
    promise(simulation);
    simulation.submitTask("two", "t");
    simulation.run({ type: "clientLeft", client: "one", closed: true });
    assertInstanceOf(errorOf(simulation, "t", "two"), DependencyLostError);
    assertEquals([...simulation.state.keys.keys()], ["t"]);
  });

  it("can only be given by the client that promised it", () => {
    const simulation = withWorkers("a");
    simulation.addClient("two");
    promise(simulation);
    simulation.run({ type: "fulfilled", client: "two", key: "call", ok: true, value: LARGE, refs: [] });
    assertEquals(simulation.task("call").state, "blocked");
  });
});

describe("asking where a value is", () => {
  const asker = { role: "host", id: "a", request: 1 } as const;

  it("is answered when it is there", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    simulation.run({ type: "located", asker, key: "t" });
    assertEquals(simulation.answers, []);
    simulation.work();
    const [answer] = simulation.answers;
    assert(answer?.name === "locate" && "body" in answer);
    assertEquals([answer.body.value, answer.body.size], [new TextEncoder().encode("t"), 1]);
    simulation.run({ type: "located", asker, key: "t" });
    assertEquals(simulation.answers.length, 2);
  });

  it("is answered with the error where it failed, was released, or nobody knows it", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "bad");
    simulation.submitTask("one", "released");
    const client = { role: "client", id: "one", request: 1 } as const;
    for (const key of ["bad", "released", "unknown"]) simulation.run({ type: "located", asker: client, key });
    simulation.failTask(simulation.hostOf("bad"), "bad", encodeError(new RangeError("no")));
    release(simulation, "released");
    const errors = simulation.answers.map((answer) => "error" in answer ? answer.error.name : "");
    assertEquals(errors, ["DependencyLostError", "RangeError", "DependencyLostError"]);
    assertEquals(simulation.state.asking.size, 0);
  });

  it("of an actor gives a handle when it runs", () => {
    const simulation = withWorkers("a");
    simulation.submit("one", "Counter-1");
    simulation.run({ type: "located", asker, key: "Counter-1" });
    simulation.created("Counter-1");
    const [answer] = simulation.answers;
    assert(answer?.name === "locate" && "body" in answer);
    assertEquals(answer.body.refs, ["Counter-1"]);
    const key = decodeValue(answer.body.value!, { actor: (bytes) => decodeActorReference(bytes).key });
    assertEquals(key, "Counter-1");
  });
});

describe("actors among the arguments of tasks", () => {
  it("run before the task starts, which gets a handle", () => {
    const simulation = withWorkers("a");
    simulation.submit("one", "Counter-1");
    simulation.submitTask("one", "t", ["Counter-1"]);
    assertEquals(simulation.task("t").state, "blocked");
    simulation.created("Counter-1");
    const [dependency] = orderOf(simulation, "t").dependencies;
    const key = decodeValue(dependency!.value!, { actor: (bytes) => decodeActorReference(bytes).key });
    assertEquals(key, "Counter-1");
  });

  it("live until the task has finished", () => {
    const simulation = withWorkers("a");
    simulation.submit("one", "Counter-1");
    simulation.created("Counter-1");
    simulation.submitTask("one", "t", ["Counter-1"]);
    release(simulation, "Counter-1");
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
    simulation.work();
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "stopping");
  });

  it("may have been submitted anew where the task is", () => {
    const simulation = withWorkers("a");
    for (let round = 0; round < 2; round++) {
      simulation.submit("one", "Counter-1");
      simulation.submitTask("one", "t", ["Counter-1"]);
      simulation.submitTask("one", "sum of it", ["t"]);
      simulation.created("Counter-1");
      simulation.work();
      release(simulation, "Counter-1", "t");
      simulation.ended("Counter-1");
    }
    assertEquals(simulation.runs.get("t"), 2, "its first result went, as only a task that has it needed it");
    assertEquals(last(simulation, "t").status, "finished");
  });

  it("that are lost fail what has not started, with ActorLostError as cause", () => {
    const simulation = withWorkers("a");
    simulation.submit("one", "Counter-1");
    simulation.created("Counter-1");
    simulation.submitTask("one", "running", ["Counter-1"]);
    simulation.submitTask("one", "waiting", ["Counter-1"], { resources: { GPU: 1 } });
    simulation.ended("Counter-1", "isolate-exit");
    const error = errorOf(simulation, "waiting");
    assertInstanceOf(error, DependencyLostError);
    assertInstanceOf(error.cause, ActorLostError);
    assertEquals([error.cause.worker, error.cause.reason], ["a", "isolate-exit"]);
    assertEquals(last(simulation, "running").status, "processing");
  });

  it("that cannot be created fail it with the error of their constructor", () => {
    const simulation = withWorkers("a");
    simulation.submit("one", "Counter-1");
    simulation.submitTask("one", "t", ["Counter-1"]);
    simulation.createFailed("Counter-1");
    assertEquals(last(simulation, "t").error, new Uint8Array([9]));
  });
});

describe("futures among the arguments of an actor", () => {
  it("are there before it is placed, near them", () => {
    const simulation = withWorkers("a", "b");
    simulation.evaluate = () => LARGE;
    simulation.submitTask("one", "t", [], { workers: ["b"] });
    actorSubmitted(simulation, "one", "Counter-1", ["t"]);
    const context = { at: 0, startedAt: 0, id: "", address: "", dashboard: "", runtime: "", messages: {} };
    const [waiting] = takeSnapshot(simulation.state, context).waiting;
    assertEquals([waiting?.status, waiting?.reason], ["no-worker", "waits for t"]);
    simulation.work();
    assertEquals(simulation.state.actors.get("Counter-1")!.worker, "b");
    release(simulation, "t");
    assertEquals(simulation.task("t").state, "memory");
    simulation.created("Counter-1");
    assertEquals(simulation.state.keys.has("t"), false);
  });

  it("that fail, fail it", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    actorSubmitted(simulation, "one", "Counter-1", ["t"]);
    const error = encodeError(new RangeError("no"));
    simulation.failTask(simulation.hostOf("t"), "t", error);
    assertEquals([last(simulation, "Counter-1").error, last(simulation, "Counter-1").executed], [error, "no"]);
  });
});

describe("references", () => {
  it("of an actor to another keep that alive, from its constructor's arguments on", () => {
    const simulation = withWorkers("a");
    actorSubmitted(simulation, "one", "A");
    simulation.created("A");
    actorSubmitted(simulation, "one", "B", ["A"]);
    simulation.created("B");
    release(simulation, "A");
    assertEquals(simulation.state.actors.get("A")!.state, "running");
    release(simulation, "B");
    simulation.ended("B");
    assertEquals(simulation.state.actors.get("A")!.state, "stopping");
  });

  it("that go in a circle end together", () => {
    const simulation = withWorkers("a");
    for (const key of ["A", "B", "C"]) {
      actorSubmitted(simulation, "one", key);
      simulation.created(key);
    }
    joinIsolate(simulation, "isolate", "a");
    for (const [holder, key] of [["A", "B"], ["B", "C"], ["C", "A"]] as const) {
      simulation.run({ type: "held", client: "isolate", keys: [key], holder });
    }
    release(simulation, "A", "B");
    assertEquals([...simulation.state.actors.values()].map(({ state }) => state), ["running", "running", "running"]);
    release(simulation, "C");
    assertEquals([...simulation.state.actors.values()].map(({ state }) => state), ["stopping", "stopping", "stopping"]);
  });

  it("in a result keep an actor alive as long as the result", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    const host = simulation.hostOf("t");
    joinIsolate(simulation, "isolate", "a");
    simulation.run({
      type: "submitted",
      client: "isolate",
      key: "A",
      body: submission(),
      submitted: new Uint8Array(),
      args: new Uint8Array(),
      refs: [],
      holder: "t",
    });
    simulation.created("A");
    assertEquals(simulation.words("isolate", "A"), ["processing", "finished"]);
    simulation.finish(host, "t", ["A"]);
    assertEquals(last(simulation, "t").refs, ["A"]);
    assertEquals(simulation.state.actors.get("A")!.state, "running");
    release(simulation, "t");
    assertEquals(simulation.state.actors.get("A")!.state, "stopping");
  });

  it("in a result may be heard of before what they name", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    joinIsolate(simulation, "isolate", "a");
    simulation.finish(simulation.hostOf("t"), "t", ["sub"]);
    simulation.submitFor("isolate", "t", "sub");
    simulation.work();
    assertEquals(simulation.task("sub").state, "memory");
    release(simulation, "t");
    assertEquals(simulation.state.keys.size, 0);
  });

  it("of a task that has finished are gone, except those in its result", () => {
    const simulation = withWorkers("a", "b");
    simulation.submitTask("one", "t");
    const host = simulation.hostOf("t");
    joinIsolate(simulation, "isolate", host.worker);
    simulation.submitFor("isolate", "t", "kept");
    simulation.submitFor("isolate", "t", "dropped");
    simulation.finish(host, "t", ["kept"]);
    assertEquals([...simulation.state.keys.keys()], ["t", "kept"]);
    simulation.submitFor("isolate", "t", "late");
    assertEquals(simulation.statusesOf("isolate", "late").map(({ status }) => status), ["cancelled"]);
  });

  it("of an isolate end with its host", () => {
    const simulation = withWorkers("a", "b");
    joinIsolate(simulation, "isolate", "a");
    simulation.submitTask("isolate", "t");
    simulation.hostEnded("a", "oom");
    assertEquals([simulation.state.keys.size, simulation.state.clients.size], [0, 1]);
  });

  it("of data that an isolate scattered pass to the one that it names", () => {
    const simulation = withWorkers("a");
    actorSubmitted(simulation, "one", "A");
    simulation.created("A");
    joinIsolate(simulation, "isolate", "a");
    const body = { workers: undefined, allowOtherWorkers: undefined };
    const value = new Uint8Array([1]);
    simulation.run({ type: "scattered", client: "isolate", key: "data", body, value, refs: [] });
    simulation.run({ type: "held", client: "isolate", keys: ["data"], holder: "A" });
    simulation.ended("A", "isolate-exit");
    assertEquals(simulation.state.keys.has("data"), false);
  });

  it("that another client names for what is not its own are its own", () => {
    const simulation = withWorkers("a");
    actorSubmitted(simulation, "one", "A");
    simulation.created("A");
    simulation.submitFor("one", "A", "t");
    simulation.ended("A", "isolate-exit");
    assertEquals(simulation.state.keys.has("t"), true);
  });
});

describe("the snapshot of tasks", () => {
  it("counts them by state, and tells the story of each", () => {
    const simulation = withWorkers("a");
    simulation.submitTask("one", "t");
    simulation.submitTask("one", "next", ["t"]);
    const context = { at: 0, startedAt: 0, id: "", address: "", dashboard: "", runtime: "", messages: {} };
    const { tasks, workers } = takeSnapshot(simulation.state, context);
    assertEquals(tasks, { blocked: 1, waiting: 0, processing: 1, memory: 0, released: 0, erred: 0 });
    assertEquals([workers[0]!.processing, workers[0]!.threads, workers[0]!.paused], [1, 1, false]);
    const next = snapshotTask(simulation.state, "next")!;
    assertEquals([next.state, next.waitsFor, next.clients, next.name], ["blocked", ["t"], ["one"], "Counter"]);
    simulation.work();
    const told = snapshotTask(simulation.state, "t")!.story.map(({ from, to }) => `${from} > ${to}`);
    assertEquals(told, [" > blocked", "blocked > waiting", "waiting > processing", "processing > memory"]);
    assertEquals(snapshotTask(simulation.state, "nothing"), undefined);
  });
});

describe("the table of the states of tasks", () => {
  it("is what the documentation shows", async () => {
    const page = await Deno.readTextFile(new URL("../../docs/scheduler_state.md", import.meta.url));
    const plain = (table: string) => table.replaceAll(/ +/g, " ").replaceAll(/-+/g, "-").replaceAll(/ ?\| ?/g, "|");
    assert(plain(page).includes(plain(formatTaskTransitions())), formatTaskTransitions());
  });

  it("ends nowhere but in gone", () => {
    const dead = Object.entries(TASK_TRANSITIONS).filter(([, ways]) => Object.keys(ways).length === 0);
    assertEquals(dead.map(([state]) => state), ["gone"]);
  });
});

describe("a question of an isolate about a key that nobody has told of", () => {
  const asker = { role: "host", id: "a", request: 1 } as const;

  it("is answered when the key comes, as calls overtake what their arguments were submitted by", () => {
    const state = createState({ random: (bytes) => bytes });
    assertEquals(
      handleEvent(state, { type: "located", asker, key: "late", at: 0 }),
      [{ type: "setTimer", timer: "expected late", delay: 10_000 }],
    );
    handleEvent(state, {
      type: "clientJoined",
      client: "c",
      session: "s",
      versions: { troupe: "", runtime: "" },
      at: 1,
    });
    const promised = handleEvent(state, { type: "promised", client: "c", keys: ["late"], at: 2 });
    assert(promised.every(({ type }) => type !== "answer"));
    assertEquals(state.expected.size, 0);
  });

  it("is refused where it does not come within ten seconds", () => {
    const state = createState({ random: (bytes) => bytes });
    handleEvent(state, { type: "located", asker, key: "never", at: 0 });
    const [answer] = handleEvent(state, { type: "timerFired", timer: "expected never", at: 10_000 });
    assert(answer?.type === "answer" && "error" in answer);
    assertEquals(state.expected.size, 0);
  });
});
