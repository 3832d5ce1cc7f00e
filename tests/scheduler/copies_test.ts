import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { dataHolders } from "../../scheduler/task_moves.ts";
import { takeSnapshot } from "../../scheduler/snapshot.ts";
import { TaskSimulation } from "./task_simulation.ts";

const LARGE = new Uint8Array(5_000);
const SMALL = new Uint8Array(5);

/** Workers of which each runs one task at a time, and a value called `big` on the first. */
function withBig(...names: string[]): TaskSimulation {
  const simulation = new TaskSimulation();
  simulation.evaluate = (key) => key.startsWith("big") ? LARGE : SMALL;
  for (const name of names) simulation.addWorker(name, {}, { threads: 1, memoryLimit: 100_000 });
  simulation.addClient("one");
  make(simulation, "big", names[0]!);
  return simulation;
}

function make(simulation: TaskSimulation, key: string, worker: string, pure = true): void {
  simulation.submitTask("one", key, [], { workers: [worker], pure });
  simulation.work();
}

/** Runs something on a worker that needs keys, which are copied there. */
function use(simulation: TaskSimulation, worker: string, ...keys: string[]): void {
  simulation.submitTask("one", `use of ${keys} on ${worker}`, keys, { workers: [worker] });
  simulation.work();
}

function holders(simulation: TaskSimulation, key: string): string[] {
  return simulation.task(key).holders.map(({ id }) => id);
}

function named(simulation: TaskSimulation, key: string): string[] {
  return dataHolders(simulation.state, simulation.task(key)).map(({ worker }) => worker);
}

function kept(simulation: TaskSimulation, worker: string): string[] {
  return [...simulation.hosts.get(worker)!.results.keys()].sort();
}

function beat(simulation: TaskSimulation, worker: string, memory: number): void {
  const host = simulation.state.workers.get(worker)!.host!.incarnation;
  simulation.run({ type: "heartbeat", worker, body: { host, memory, lag: 0 } });
}

describe("a copy", () => {
  it("stays with whoever has fetched it, who is named to those who need it, in turn with the others", () => {
    const simulation = withBig("a", "b", "c");
    use(simulation, "b", "big");
    assertEquals([holders(simulation, "big"), kept(simulation, "b")], [["a", "b"], ["big"]]);
    const firsts = new Set(Array.from({ length: 4 }, () => named(simulation, "big")[0]));
    assertEquals(firsts, new Set(["a", "b"]));
    simulation.submitTask("one", "third", ["big"], { workers: ["c"] });
    const order = simulation.instructions.findLast(({ type }) => type === "sendCompute");
    assert(order?.type === "sendCompute");
    assertEquals(order.dependencies[0]!.holders.map(({ host }) => host).sort(), ["a-1", "b-1"]);
    const { workers } = takeSnapshot(simulation.state, {
      at: 0,
      startedAt: 0,
      id: "",
      address: "",
      dashboard: "",
      runtime: "",
      messages: {},
    });
    assertEquals(
      workers.map(({ results, resultBytes, copies, copyBytes }) => [results, resultBytes, copies, copyBytes]),
      [[1, 5000, 0, 0], [1, 5000, 1, 5000], [0, 0, 0, 0]],
    );
  });

  it("is as good as the original for placing what needs it", () => {
    const simulation = withBig("a", "b", "c");
    use(simulation, "b", "big");
    // `a` has no free slot any more.
    for (const key of ["x", "y"]) simulation.submitTask("one", key, [], { workers: ["a"] });
    simulation.submitTask("one", "next", ["big"]);
    assertEquals(simulation.task("next").worker!.id, "b");
  });

  it("takes the place of the original where that is lost, and nobody hears of a loss", () => {
    const simulation = withBig("a", "b");
    use(simulation, "b", "big");
    const told = simulation.words("one", "big");
    simulation.loseWorker("a");
    assertEquals([holders(simulation, "big"), simulation.words("one", "big")], [["b"], told]);
    assertEquals(simulation.state.workers.get("b")!.copies.size, 0);
    simulation.loseWorker("b");
    assertEquals(simulation.task("big").state, "waiting");
  });

  it("is lost, and that is all, where the original lives", () => {
    const simulation = withBig("a", "b");
    use(simulation, "b", "big");
    simulation.loseWorker("b");
    assertEquals([holders(simulation, "big"), simulation.task("big").state], [["a"], "memory"]);
  });

  it("is forgotten with the original", () => {
    const simulation = withBig("a", "b");
    use(simulation, "b", "big");
    simulation.run({ type: "released", client: "one", keys: ["big", "use of big on b"] });
    simulation.work();
    assertEquals([kept(simulation, "a"), kept(simulation, "b"), simulation.state.keys.size], [[], [], 0]);
  });

  it("of what came of another attempt counts for nothing, and is forgotten, and no other is", () => {
    const simulation = withBig("a", "b");
    const { run } = simulation.task("big");
    const copied = (run: number) => {
      return simulation.run({ type: "copied", worker: "b", host: "b-1", key: "big", run })
        .map((each) => each.type === "sendForget" ? [each.worker, each.key, each.run] : each.type);
    };
    assertEquals(copied(run - 1), [["b", "big", run - 1]]);
    assertEquals(copied(run), []);
    assertEquals(copied(run), [], "also where it is told of twice");
    assertEquals(holders(simulation, "big"), ["a", "b"]);
    simulation.run({ type: "copied", worker: "b", host: "b-0", key: "gone", run: 5 });
    assertEquals(copied(run - 1), [["b", "big", run - 1]]);
  });

  it("is dropped where memory is short, unless it is the last one or is needed there now", () => {
    const simulation = withBig("a", "b");
    make(simulation, "big of b", "b");
    use(simulation, "b", "big");
    make(simulation, "big two", "a");
    simulation.submitTask("one", "running", ["big two"], { workers: ["b"] });
    const host = simulation.hosts.get("b")!;
    while (host.inbox.length > 0) simulation.act(host);
    simulation.fetch(host, host.running.get("running")!.dependencies[0]!);
    beat(simulation, "b", 70_000);
    assertEquals(simulation.state.workers.get("b")!.paused, true);
    simulation.work();
    assertEquals(kept(simulation, "b"), ["big of b", "big two"]);
    beat(simulation, "b", 70_000);
    simulation.work();
    assertEquals(kept(simulation, "b"), ["big of b"]);
    for (const worker of ["a", "b"]) beat(simulation, worker, 70_000);
    simulation.work();
    assertEquals([holders(simulation, "big"), holders(simulation, "big of b")], [["a"], ["b"]]);
  });

  it("is dropped, the oldest first, where copies take a fifth of the memory that there may be", () => {
    const simulation = withBig("a", "b");
    for (let index = 0; index < 5; index++) make(simulation, `big ${index}`, "a");
    for (let index = 0; index < 5; index++) use(simulation, "b", `big ${index}`);
    assertEquals(kept(simulation, "b"), ["big 1", "big 2", "big 3", "big 4"]);
    assertEquals(simulation.state.workers.get("b")!.copyBytes, 20_000);
  });
});

describe("a worker that leaves", () => {
  const asker = { role: "host", id: "a", request: 1 } as const;

  function leave(simulation: TaskSimulation, worker = "a"): void {
    simulation.run({ type: "workerDraining", worker });
    simulation.run({ type: "leaveAsked", asker: { ...asker, id: worker } });
  }

  function copiesUnderWay(simulation: TaskSimulation): string[] {
    return [...simulation.hosts.values()].flatMap(({ worker, inbox }) =>
      inbox.flatMap((each) => each.type === "sendCopy" ? [`${each.key} to ${worker}`] : [])
    );
  }

  it("hands over what only it keeps, and may go when that has arrived", () => {
    const simulation = withBig("a", "b", "c");
    use(simulation, "b", "big");
    make(simulation, "big alone", "a");
    leave(simulation);
    assertEquals(copiesUnderWay(simulation), ["big alone to c"]);
    assertEquals(simulation.answers.length, 0);
    simulation.work();
    assertEquals(simulation.answers.map(({ name, asker }) => [name, asker.id]), [["leave", "a"]]);
    simulation.loseWorker("a");
    assertEquals([holders(simulation, "big"), holders(simulation, "big alone")], [["b"], ["c"]]);
    assertEquals(simulation.words("one", "big alone"), ["processing", "finished"]);
    assertEquals(simulation.state.workers.get("c")!.copies.size, 0);
  });

  it("hands over first what cannot be computed again, a few at a time", () => {
    const simulation = withBig("a", "b");
    for (let index = 0; index < 20; index++) make(simulation, `big ${index}`, "a");
    make(simulation, "big once", "a", false);
    leave(simulation);
    const under = copiesUnderWay(simulation);
    assertEquals([under.length, under[0]], [16, "big once to b"]);
    simulation.work();
    assertEquals(kept(simulation, "b").length, 22);
    assertEquals(simulation.answers.length, 1);
  });

  it("hands over what tasks give that still run there", () => {
    const simulation = withBig("a", "b");
    simulation.submitTask("one", "big late", [], { workers: ["a"] });
    const host = simulation.hostOf("big late");
    leave(simulation);
    simulation.act(simulation.hosts.get("b")!);
    assertEquals(simulation.answers.length, 0);
    simulation.finish(host, "big late");
    assertEquals(copiesUnderWay(simulation), ["big late to b"]);
    simulation.work();
    assertEquals([holders(simulation, "big late")[0], simulation.answers.length], ["b", 1]);
  });

  it("goes at once where there is nobody to hand anything over to, but waits for a worker that joins in time", () => {
    const simulation = withBig("a", "b");
    simulation.run({ type: "workerDraining", worker: "b" });
    simulation.run({ type: "workerDraining", worker: "a" });
    assertEquals(copiesUnderWay(simulation), []);
    simulation.addWorker("c");
    assertEquals(copiesUnderWay(simulation), ["big to c"]);
    simulation.loseWorker("c");
    simulation.run({ type: "leaveAsked", asker });
    assertEquals(simulation.answers.length, 1);
    simulation.loseWorker("a");
    assertEquals(simulation.task("big").state, "waiting");
  });

  it("tries another worker where one dies, leaves, or cannot fetch it, and gives up after three", () => {
    const simulation = withBig("a", "b", "c", "d");
    leave(simulation);
    assertEquals(copiesUnderWay(simulation), ["big to b"]);
    simulation.loseWorker("b");
    assertEquals(copiesUnderWay(simulation), ["big to c"]);
    const { run } = simulation.task("big");
    simulation.hosts.get("c")!.inbox.length = 0;
    simulation.run({ type: "copyFailed", worker: "c", host: "c-1", key: "big", run });
    assertEquals(copiesUnderWay(simulation).length, 1);
    for (const host of simulation.hosts.values()) host.inbox.length = 0;
    const target = [...simulation.state.workers.get("a")!.moves!.under.values()][0]!.target.id;
    simulation.run({ type: "copyFailed", worker: target, host: `${target}-1`, key: "big", run });
    assertEquals([copiesUnderWay(simulation), simulation.answers.length], [[], 1]);
  });

  it("and is handed something meanwhile passes that on", () => {
    const simulation = withBig("a", "b", "c");
    leave(simulation);
    assertEquals(copiesUnderWay(simulation), ["big to b"]);
    leave(simulation, "b");
    simulation.work();
    assertEquals([holders(simulation, "big")[0], simulation.answers.length], ["c", 2]);
  });

  it("hands over to a worker whose memory is nearly full only what would be lost for good", () => {
    const simulation = withBig("a", "b");
    make(simulation, "big once", "a", false);
    beat(simulation, "b", 70_000);
    leave(simulation);
    assertEquals(copiesUnderWay(simulation), ["big once to b"]);
    simulation.work();
    assertEquals(simulation.answers.length, 1);
  });

  it("does not wait for what nobody needs any more", () => {
    const simulation = withBig("a", "b");
    leave(simulation);
    simulation.run({ type: "released", client: "one", keys: ["big"] });
    assertEquals(simulation.answers.length, 1);
  });

  it("may go at once where nobody knows that it leaves", () => {
    const simulation = withBig("a", "b");
    simulation.run({ type: "leaveAsked", asker });
    assertEquals(simulation.answers.length, 1);
  });
});
