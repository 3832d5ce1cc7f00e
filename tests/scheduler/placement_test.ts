import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { place, type Wishes } from "../../scheduler/placement.ts";
import type { WorkerRecord } from "../../scheduler/state.ts";
import { Simulation } from "./simulation.ts";

function workersOf(build: (simulation: Simulation) => void): WorkerRecord[] {
  const simulation = new Simulation();
  build(simulation);
  return [...simulation.state.workers.values()];
}

function wishes(
  more: Partial<{ workers: string[]; allowOtherWorkers: boolean; resources: Record<string, number> }>,
): Wishes {
  const { workers = [], allowOtherWorkers = false, resources = {} } = more;
  return { workers, allowOtherWorkers, resources: new Map(Object.entries(resources)) };
}

function chosen(workers: WorkerRecord[], wanted: Wishes): string {
  const placing = place(new Map(workers.map((worker) => [worker.id, worker])), wanted);
  return placing.kind === "placed" ? placing.worker.name : `${placing.kind}: ${placing.reason}`;
}

describe("placement", () => {
  it("puts ten actors on five workers, two on each", () => {
    const simulation = new Simulation();
    for (const name of ["a", "b", "c", "d", "e"]) simulation.addWorker(name);
    simulation.addClient("one");
    for (let index = 0; index < 10; index++) simulation.submit("one", `Counter-${index}`);
    assertEquals([...simulation.state.workers.values()].map(({ actors }) => actors.size), [2, 2, 2, 2, 2]);
  });

  it("puts fewest actors before load", () => {
    const workers = workersOf((simulation) => {
      simulation.addWorker("busy");
      simulation.addWorker("full");
    });
    workers[0]!.lag = 400;
    workers[1]!.actors.add("Counter-1");
    assertEquals(chosen(workers, wishes({})), "busy");
  });

  it("puts lag before memory where the counts are equal, and takes no notice of small differences", () => {
    const workers = workersOf((simulation) => {
      simulation.addWorker("a");
      simulation.addWorker("b");
    });
    workers[0]!.lag = 120;
    workers[1]!.memory = 2 ** 30;
    assertEquals(chosen(workers, wishes({})), "b");
    workers[0]!.lag = 3;
    assertEquals(chosen(workers, wishes({})), "a");
    workers[1]!.memory = 2 ** 20;
    workers[0]!.chosen = 5;
    assertEquals(chosen(workers, wishes({})), "b");
  });

  it("understands id, name, address, host of an address, and machine", () => {
    const workers = workersOf((simulation) => {
      simulation.addWorker("a", {}, { machine: "m1" });
      simulation.addWorker("b", {}, { machine: "m2" });
    });
    for (const name of ["b", "ws://b.test:4000/ws", "b.test:4000", "b.test", "m2"]) {
      assertEquals(chosen(workers, wishes({ workers: [name] })), "b", name);
    }
    assertMatch(chosen(workers, wishes({ workers: [""] })), /^misfit/);
  });

  it("holds resources for as long as the actor lives", () => {
    const simulation = new Simulation();
    simulation.addWorker("a", { GPU: 1 });
    simulation.addClient("one");
    simulation.submit("one", "Net-1", { resources: { GPU: 1 } });
    simulation.created("Net-1");
    simulation.submit("one", "Net-2", { resources: { GPU: 1 } });
    assertEquals(simulation.words("one", "Net-2"), ["no-worker"]);
    simulation.run({ type: "released", client: "one", keys: ["Net-1"] });
    assertEquals(simulation.words("one", "Net-2"), ["no-worker"]);
    simulation.ended("Net-1");
    assertEquals(simulation.words("one", "Net-2"), ["no-worker", "processing"]);
  });

  it("adds up fractions of a resource", () => {
    const simulation = new Simulation();
    simulation.addWorker("a", { CPU: 1 });
    simulation.addClient("one");
    for (let index = 0; index < 11; index++) simulation.submit("one", `C-${index}`, { resources: { CPU: 0.1 } });
    assertEquals(simulation.state.waiting.map(({ key }) => key), ["C-10"]);
  });

  it("relaxes the choice of workers, never that of resources, where other workers are allowed", () => {
    const workers = workersOf((simulation) => {
      simulation.addWorker("a", { GPU: 1 });
      simulation.addWorker("b");
    });
    const other = { allowOtherWorkers: true };
    assertEquals(chosen(workers, wishes({ workers: ["b"], ...other })), "b");
    assertEquals(chosen(workers, wishes({ workers: ["b"], resources: { GPU: 1 }, ...other })), "a");
    assertMatch(chosen(workers, wishes({ workers: ["b"], resources: { GPU: 2 }, ...other })), /^misfit/);
  });

  it("says what was wanted and what is offered", () => {
    const workers = workersOf((simulation) => {
      simulation.addWorker("a", { GPU: 1 });
      simulation.addWorker("b");
    });
    assertEquals(
      chosen(workers, wishes({ workers: ["b"], resources: { GPU: 1 } })),
      'misfit: needs GPU: 1 on workers ["b"]; offered: a with GPU: 1; b',
    );
    workers[0]!.held.set("GPU", 1);
    assertEquals(
      chosen(workers, wishes({ resources: { GPU: 1 } })),
      "busy: needs GPU: 1; offered: a with GPU: 0 of 1 free; b",
    );
  });

  it("says how to start a worker where none has joined, and which are starting or leaving", () => {
    assertEquals(
      chosen([], wishes({})),
      "none: needs a worker; no worker has joined yet: start one with deno task worker",
    );
    const workers = workersOf((simulation) => {
      simulation.addWorker("a");
      simulation.addWorker("b");
    });
    workers[0]!.host!.phase = "announced";
    workers[1]!.draining = true;
    assertEquals(chosen(workers, wishes({})), "starting: needs a worker; offered: a (starting); b (leaving)");
  });
});
