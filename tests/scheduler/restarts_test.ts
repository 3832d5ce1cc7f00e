import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ActorNotFoundError, CallCancelledError, CallTimeoutError, REQUESTS } from "../../protocol/mod.ts";
import { createdBy, MemoryScheduler, settle } from "./peers.ts";
import { TaskSimulation } from "./task_simulation.ts";

const ASKER = { role: "client", id: "one", request: 5 } as const;

/** What anybody may be told before. */
const EARLIER = ["no-worker", "processing", "finished"];

/** Two workers and two clients with one thing of every kind in every state. */
function withEverything(): TaskSimulation {
  const simulation = new TaskSimulation();
  simulation.addWorker("a", {}, { threads: 1 });
  simulation.addWorker("b", {}, { threads: 1 });
  for (const client of ["one", "two"]) simulation.addClient(client);
  simulation.evaluate = (key) => new Uint8Array(key === "large" ? 5000 : 5);
  simulation.submitTask("one", "large");
  simulation.submitTask("two", "small");
  simulation.work();
  simulation.submitTask("one", "small");
  simulation.submit("one", "standing");
  simulation.created("standing");
  simulation.submit("two", "starting");
  simulation.submit("two", "waiting", { resources: { GPU: 1 } });
  simulation.submitTask("two", "running", ["large"]);
  simulation.submitTask("two", "blocked", ["running", "standing"]);
  simulation.submitTask("two", "unplaced", [], { resources: { GPU: 1 } });
  simulation.run({ type: "promised", client: "two", keys: ["call"] });
  const body = { workers: undefined, allowOtherWorkers: undefined };
  const value = new Uint8Array(5000);
  simulation.run({ type: "scattered", client: "two", key: "data", body, value, refs: [] });
  simulation.run({ type: "lookedUp", asker: { role: "client", id: "two", request: 1 }, key: "starting" });
  return simulation;
}

describe("a restart", () => {
  it("ends everything for all who hold it, and leaves nothing", () => {
    const simulation = withEverything();
    simulation.run({ type: "restarted", asker: ASKER, timeout: 1000 });
    const last = (client: string, key: string) => simulation.statusesOf(client, key).at(-1)!;
    for (const key of ["small", "starting", "waiting", "running", "blocked", "unplaced", "data"]) {
      const { status, reason } = simulation.statusesOf("two", key).find(({ status }) => !EARLIER.includes(status))!;
      assertEquals([key, status, reason], [key, "cancelled", "the cluster was restarted"]);
    }
    for (const key of ["large", "small"]) assertEquals(last("one", key).status, "cancelled");
    const { status, reason, worker } = last("one", "standing");
    assertEquals([status, reason, ["a", "b"].includes(worker!)], ["lost", "restarted", true]);
    const [looked] = simulation.answers;
    assert(looked && "error" in looked);
    assertInstanceOf(looked.error, CallCancelledError);
    const { keys, actors, waiting, queues, unstored, references, asking } = simulation.state;
    const sizes = [keys, actors, queues, unstored, references.targets, references.holders, asking];
    assertEquals([...sizes.map(({ size }) => size), waiting.length], [0, 0, 0, 0, 0, 0, 0, 0]);
    for (const { results, resultBytes, processing, storing } of simulation.state.workers.values()) {
      assertEquals([results.size, resultBytes, processing.size, storing.size], [0, 0, 0, 0]);
    }
    simulation.run({ type: "lookedUp", asker: { role: "client", id: "two", request: 2 }, key: "standing" });
    const after = simulation.answers.at(-1)!;
    assert("error" in after);
    assertInstanceOf(after.error, ActorNotFoundError);
  });

  it("has every nanny end its host and start another, and is answered when all are back", () => {
    const simulation = withEverything();
    simulation.run({ type: "workerJoined", worker: "c", hello: simulation.hello("c") });
    simulation.run({ type: "hostAnnounced", worker: "c", incarnation: "c-1" });
    const done = simulation.run({ type: "restarted", asker: ASKER, timeout: 1000 });
    const told = done.flatMap((each) => each.type === "sendRestart" ? [`${each.worker} ${each.incarnation}`] : []);
    assertEquals(told, ["a a-1", "b b-1"], "a host that has not joined yet has nothing to lose");
    const closed = done.flatMap((each) => each.type === "closeHost" ? [`${each.worker} ${each.reason}`] : []);
    assertEquals(closed, ["a restarted", "b restarted"]);
    simulation.startHost("a", "a-2");
    simulation.startHost("b", "b-2");
    assertEquals([simulation.answers.length, simulation.timers.size], [1, 1]);
    simulation.run({ type: "hostJoined", worker: "c", incarnation: "c-1", pid: 1, address: "" });
    const answer = simulation.answers[1]!;
    assertEquals([answer.name, answer.asker], ["restart", ASKER]);
    assertEquals([simulation.timers.size, simulation.state.restarts.size], [0, 0]);
    simulation.submitTask("one", "after");
    simulation.work();
    assertEquals(simulation.words("one", "after"), ["processing", "finished"]);
  });

  it("that comes again while hosts start is answered with the first, and ends what came between", () => {
    const simulation = withEverything();
    simulation.run({ type: "restarted", asker: ASKER, timeout: 1000 });
    simulation.startHost("a", "a-2");
    simulation.submitTask("one", "between");
    const second = simulation.run({ type: "restarted", asker: { ...ASKER, request: 6 }, timeout: 1000 });
    assertEquals(second.filter(({ type }) => type === "sendRestart").length, 1);
    assertEquals(simulation.words("one", "between").at(-1), "cancelled");
    simulation.startHost("b", "b-2");
    simulation.startHost("a", "a-3");
    assertEquals(simulation.answers.slice(1).map(({ asker }) => asker.request), [5, 6]);
  });

  it("fails after its timeout, and names the workers that are not back, and why", () => {
    const simulation = withEverything();
    simulation.addWorker("c");
    simulation.run({ type: "restarted", asker: ASKER, timeout: 1000 });
    simulation.startHost("a", "a-2");
    simulation.loseWorker("c");
    const timer = [...simulation.timers.keys()].find((name) => name.startsWith("restart"))!;
    assertEquals(simulation.timers.get(timer), simulation.at + 1000);
    simulation.fire(timer);
    const answer = simulation.answers.at(-1)!;
    assert("error" in answer);
    assertInstanceOf(answer.error, CallTimeoutError);
    assertEquals(answer.error.executed, "yes");
    assertMatch(answer.error.message, /within 1000 ms: b has not started its host yet; c has ended, and nobody has/);
    simulation.startHost("b", "b-2");
    assertEquals([simulation.answers.at(-1), simulation.state.restarts.size], [answer, 0]);
  });

  it("waits for nobody who leaves, and takes a worker that registers anew under its name", () => {
    const simulation = withEverything();
    simulation.addWorker("c");
    simulation.run({ type: "workerDraining", worker: "c" });
    simulation.run({ type: "restarted", asker: ASKER, timeout: 1000 });
    simulation.run({ type: "workerDraining", worker: "a" });
    simulation.loseWorker("a");
    simulation.loseWorker("b");
    assertEquals(simulation.answers.length, 1);
    simulation.run({ type: "workerJoined", worker: "another", hello: simulation.hello("b") });
    simulation.startHost("another", "another-1");
    assertEquals(simulation.answers.at(-1)!.name, "restart");
  });

  it("is forgotten with whoever asked for it, and is over at once where there is no worker", () => {
    const simulation = withEverything();
    simulation.run({ type: "restarted", asker: ASKER, timeout: 1000 });
    simulation.run({ type: "clientLeft", client: "one", closed: true });
    assertEquals([simulation.state.restarts.size, simulation.timers.size], [0, 0]);
    for (const worker of ["a", "b"]) simulation.loseWorker(worker);
    simulation.run({ type: "restarted", asker: { ...ASKER, id: "two" }, timeout: 1000 });
    assertEquals(simulation.answers.at(-1)!.name, "restart");
  });

  it("goes over the links, and so do renewed modules", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny, host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.submit("Counter-1");
    createdBy(host, await host.next("create"));
    await client.next("status");
    await client.next("status");
    await client.request(1, "reloadModules", {}, REQUESTS.reloadModules.answered);
    await host.next("renewModules");
    const restarted = client.request(2, "restart", { timeout: 4000 }, REQUESTS.restart.answered);
    assertEquals((await nanny.next("restartHost")).incarnation, "a-1");
    assertEquals((await host.closed).reason, "restarted");
    const { body } = await client.status();
    assertEquals([body.status, body.reason, body.worker], ["lost", "restarted", "a"]);
    nanny.send({ op: "hostStarting", incarnation: "a-2" });
    await scheduler.host((await nanny.next("hostTicket")).ticket).welcome;
    assertEquals(await restarted, {});
    await settle();
    scheduler.close();
  });
});
