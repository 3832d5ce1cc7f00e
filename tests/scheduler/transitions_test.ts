import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ActorLostError,
  ActorNotFoundError,
  CallTimeoutError,
  decodeError,
  KeyConflictError,
  NoWorkerError,
  SerializationError,
  type StatusBody,
} from "../../protocol/mod.ts";
import { ACTOR_TRANSITIONS, formatTransitions } from "../../scheduler/actor_states.ts";
import { checkInvariants, InvariantError } from "../../scheduler/invariants.ts";
import { takeSnapshot } from "../../scheduler/snapshot.ts";
import { Simulation, submission } from "./simulation.ts";

function errorOf(body: StatusBody | undefined): unknown {
  return decodeError(body!.error!);
}

function withActor(): Simulation {
  const simulation = new Simulation();
  simulation.addWorker("a");
  simulation.addClient("one");
  simulation.submit("one", "Counter-1");
  simulation.created("Counter-1");
  return simulation;
}

function target(exported: string): { target: ReturnType<typeof submission>["target"] } {
  return { target: { ...submission().target, export: exported } };
}

describe("a submission", () => {
  it("is processed, then finished with a reference and the first ticket for the home", () => {
    const simulation = withActor();
    assertEquals(simulation.words("one", "Counter-1"), ["processing", "finished"]);
    const sent = simulation.statuses.at(-1)!;
    assertEquals(sent.ticket, true);
    const { actor } = sent.body;
    assertEquals(
      [actor!.key, actor!.worker, actor!.host, actor!.home, actor!.address, actor!.hostAddress],
      ["Counter-1", "a", "a-1", "main", "ws://a.test:4000/ws", "ws://a.test:4000/ws"],
    );
    assertEquals(actor!.incarnation, [...simulation.hosted.keys()][0]);
  });

  it("gets a ticket once for each home of each host that a session meets", () => {
    const simulation = withActor();
    const tickets: boolean[] = [];
    for (
      const [key, home] of [["Counter-2", "main"], ["Counter-3", "isolate 1"], ["Counter-4", "isolate 1"]] as const
    ) {
      simulation.submit("one", key);
      simulation.created(key, home);
      tickets.push(simulation.statuses.at(-1)!.ticket);
    }
    assertEquals(tickets, [false, true, false]);
    simulation.hostEnded("a", "oom");
    simulation.startHost("a", "a-2");
    simulation.submit("one", "Counter-5");
    simulation.created("Counter-5");
    assertEquals(simulation.statuses.at(-1)!.ticket, true);
  });

  it("shares the actor of its key with another client, whose arguments count for nothing", () => {
    const simulation = withActor();
    simulation.addClient("two");
    simulation.submit("two", "Counter-1");
    assertEquals(simulation.words("two", "Counter-1"), ["finished"]);
    assertEquals(simulation.statuses.at(-1)!.ticket, true);
    simulation.run({ type: "released", client: "one", keys: ["Counter-1"] });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
    simulation.run({ type: "released", client: "two", keys: ["Counter-1"] });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "stopping");
    simulation.ended("Counter-1");
    assertEquals(simulation.state.actors.size, 0);
  });

  it("waits with the other client for the same creation, and hears of its end", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    simulation.addClient("one");
    simulation.addClient("two");
    simulation.submit("one", "Counter-1");
    simulation.submit("two", "Counter-1");
    simulation.created("Counter-1");
    assertEquals(simulation.words("two", "Counter-1"), ["processing", "finished"]);
  });

  it("with a key that is in use for another target fails with KeyConflictError, and leaves the actor alone", () => {
    const simulation = withActor();
    simulation.addClient("two");
    simulation.submit("two", "Counter-1", target("Other"));
    const error = errorOf(simulation.statusesOf("two", "Counter-1")[0]);
    assertInstanceOf(error, KeyConflictError);
    assertMatch(error.message, /Other of file:\/\/\/counter.ts: the key is in use for Counter of file/);
    assertEquals(error.executed, "no");
    simulation.run({ type: "clientLeft", client: "two", closed: true });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
  });

  it("that could not be created fails with the host's own error, and frees key and resources", () => {
    const simulation = new Simulation();
    simulation.addWorker("a", { GPU: 1 });
    simulation.addClient("one");
    simulation.submit("one", "Net", { resources: { GPU: 1 } });
    simulation.createFailed("Net");
    const status = simulation.statusesOf("one", "Net").at(-1)!;
    assertEquals([status.status, status.executed, status.error], ["error", "yes", new Uint8Array([9])]);
    simulation.submit("one", "Net", { resources: { GPU: 1 }, ...target("Other") });
    simulation.created("Net");
    assertEquals(simulation.words("one", "Net"), ["processing", "error", "processing", "finished"]);
  });

  it("is created again as often as its retries allow", () => {
    const simulation = new Simulation();
    simulation.addWorker("a", { GPU: 1 });
    simulation.addClient("one");
    simulation.submit("one", "Net", { retries: 2 });
    simulation.createFailed("Net");
    simulation.createFailed("Net");
    assertEquals(simulation.words("one", "Net").includes("error"), false);
    simulation.createFailed("Net");
    assertEquals(simulation.words("one", "Net").at(-1), "error");
    assertEquals(simulation.state.actors.size, 0);
  });

  it("that makes no sense is refused with what is wrong about it", () => {
    const simulation = new Simulation();
    simulation.addClient("one");
    simulation.submit("one", "", {});
    simulation.submit("one", "Net", { resources: { GPU: -1 } });
    const [unnamed, negative] = simulation.statuses.map(({ body }) => errorOf(body));
    assertInstanceOf(unnamed, SerializationError);
    assertMatch((negative as Error).message, /resources\.GPU is -1: give 0 or more/);
    assertEquals(simulation.state.actors.size, 0);
  });
});

describe("waiting", () => {
  it("tells why at once, and again when the reason is of another kind", () => {
    const simulation = new Simulation();
    simulation.addClient("one");
    simulation.submit("one", "Net", { resources: { GPU: 1 } });
    simulation.addWorker("a");
    simulation.addWorker("b", { GPU: 1 });
    const told = simulation.statusesOf("one", "Net").map(({ status, reason }) => `${status} ${reason}`);
    assertEquals(told, [
      "no-worker needs GPU: 1; no worker has joined yet: start one with deno task worker",
      "no-worker needs GPU: 1; offered: a (starting)",
      "no-worker needs GPU: 1; offered: a; b (starting) with GPU: 1",
      "processing undefined",
    ]);
  });

  it("ends in the order of priority, then of submission", () => {
    const simulation = new Simulation();
    simulation.addClient("one");
    simulation.submit("one", "low", { priority: -1 });
    simulation.submit("one", "first");
    simulation.submit("one", "second");
    simulation.submit("one", "high", { priority: 5 });
    simulation.addWorker("a");
    const created = simulation.instructions.filter(({ type }) => type === "sendCreate");
    assertEquals(created.map((instruction) => "key" in instruction && instruction.key), [
      "high",
      "first",
      "second",
      "low",
    ]);
  });

  it("fails with NoWorkerError after the timeout, which says what was wanted and offered", () => {
    const simulation = new Simulation();
    simulation.addClient("one");
    simulation.addWorker("a");
    simulation.submit("one", "Net", { resources: { GPU: 1 }, timeout: 50 });
    simulation.fire("deadline Net");
    const error = errorOf(simulation.statusesOf("one", "Net").at(-1));
    assertInstanceOf(error, NoWorkerError);
    assertMatch(error.message, /^Cannot place Net within 50 ms: needs GPU: 1; offered: a$/);
    assertEquals([error.executed, error.wanted, error.offered], ["no", { GPU: 1 }, ["a"]]);
    assertEquals(simulation.state.actors.size, 0);
  });

  it("fails with CallTimeoutError where the constructor is still running, and destroys what comes of it", () => {
    const simulation = new Simulation();
    simulation.addClient("one");
    simulation.addWorker("a");
    simulation.submit("one", "Net", { timeout: 50 });
    simulation.fire("deadline Net");
    const error = errorOf(simulation.statusesOf("one", "Net").at(-1));
    assertInstanceOf(error, CallTimeoutError);
    assertEquals(error.executed, "unknown");
    simulation.created("Net");
    assertEquals([...simulation.hosted.values()][0]!.phase, "destroying");
    simulation.ended("Net");
    assertEquals(simulation.state.actors.size, 0);
    assertEquals(simulation.words("one", "Net"), ["processing", "error"]);
  });

  it("sets no timer that outlives the creation", () => {
    const simulation = new Simulation();
    simulation.addClient("one");
    simulation.addWorker("a");
    simulation.submit("one", "Net", { timeout: 50 });
    assertEquals([...simulation.timers.keys()], ["deadline Net"]);
    simulation.created("Net");
    assertEquals([...simulation.timers.keys()], []);
  });
});

describe("releasing", () => {
  it("while the actor is being created has it given up: its constructor may never come back", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    simulation.addClient("one");
    simulation.submit("one", "Net");
    simulation.run({ type: "released", client: "one", keys: ["Net"] });
    assertEquals([...simulation.hosted.values()][0]!.phase, "unwanted");
    simulation.createFailed("Net", "unknown");
    assertEquals(simulation.state.actors.size, 0);
  });

  it("while its host says that it stands destroys it, and tells that once", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    simulation.addClient("one");
    simulation.submit("one", "Net");
    simulation.run({ type: "released", client: "one", keys: ["Net"] });
    simulation.created("Net");
    assertEquals([...simulation.hosted.values()][0]!.phase, "destroying");
    simulation.ended("Net");
    assertEquals(simulation.state.actors.size, 0);
  });

  it("twice, or what was never held, does nothing", () => {
    const simulation = withActor();
    simulation.addClient("two");
    simulation.run({ type: "released", client: "two", keys: ["Counter-1", "nothing"] });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
    simulation.run({ type: "released", client: "one", keys: ["Counter-1", "Counter-1"] });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "stopping");
  });

  it("lets a new submission of the key wait until the old actor is gone", () => {
    const simulation = withActor();
    simulation.run({ type: "released", client: "one", keys: ["Counter-1"] });
    simulation.addClient("two");
    simulation.submit("two", "Counter-1");
    simulation.submit("one", "Counter-1", target("Other"));
    assertEquals(simulation.words("two", "Counter-1"), []);
    simulation.ended("Counter-1");
    simulation.created("Counter-1");
    assertEquals(simulation.words("two", "Counter-1"), ["processing", "finished"]);
    assertInstanceOf(errorOf(simulation.statusesOf("one", "Counter-1").at(-1)), KeyConflictError);
  });

  it("takes back a submission that still waits for the old actor's end", () => {
    const simulation = withActor();
    simulation.run({ type: "released", client: "one", keys: ["Counter-1"] });
    simulation.submit("one", "Counter-1");
    simulation.run({ type: "released", client: "one", keys: ["Counter-1"] });
    simulation.ended("Counter-1");
    assertEquals(simulation.state.actors.size, 0);
  });

  it("gives up a submission whose key does not become free within its timeout", () => {
    const simulation = withActor();
    simulation.run({ type: "released", client: "one", keys: ["Counter-1"] });
    simulation.submit("one", "Counter-1", { timeout: 500 });
    simulation.fire("deadline Counter-1");
    const error = errorOf(simulation.statusesOf("one", "Counter-1").at(-1));
    assertInstanceOf(error, CallTimeoutError);
    assertEquals(error.executed, "no");
    simulation.ended("Counter-1");
    assertEquals(simulation.state.actors.size, 0);
  });

  it("of an old actor in time leaves no deadline behind for those who set none", () => {
    const simulation = withActor();
    simulation.addClient("two");
    simulation.run({ type: "released", client: "one", keys: ["Counter-1"] });
    simulation.submit("two", "Counter-1");
    simulation.submit("one", "Counter-1", { timeout: 500 });
    simulation.ended("Counter-1");
    assertEquals([...simulation.timers.keys()], []);
  });

  it("leaves a detached actor alive, which whoever looks it up finds", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    simulation.addClient("one");
    simulation.submit("one", "Shop", { detached: true });
    simulation.created("Shop");
    simulation.run({ type: "clientLeft", client: "one", closed: true });
    simulation.addClient("two");
    simulation.run({ type: "lookedUp", asker: { role: "client", id: "two", request: 3 }, key: "Shop" });
    const answer = simulation.answers[0]!;
    assert("body" in answer && answer.name === "getActor");
    assertEquals([answer.asker.request, answer.body.actor.key], [3, "Shop"]);
    assertEquals("ticketFor" in answer && answer.ticketFor, { worker: "a", host: "a-1", home: "main" });
    simulation.run({ type: "cancelled", client: "two", keys: ["Shop"], reason: "closing down" });
    assertEquals(simulation.statusesOf("two", "Shop").map(({ status, reason }) => [status, reason]), [
      ["cancelled", "closing down"],
    ]);
    simulation.ended("Shop");
    assertEquals(simulation.state.actors.size, 0);
  });
});

describe("a handle that came from elsewhere", () => {
  it("keeps the actor alive after its maker released it", () => {
    const simulation = withActor();
    simulation.addClient("two");
    simulation.run({ type: "held", client: "two", keys: ["Counter-1", "unknown"] });
    simulation.run({ type: "released", client: "one", keys: ["Counter-1"] });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
    simulation.run({ type: "clientLeft", client: "two", closed: true });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "stopping");
  });
});

describe("looking up", () => {
  it("an unknown key fails, a starting one is answered when it runs, and the asker holds it", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    simulation.addClient("one");
    simulation.addClient("two");
    simulation.run({ type: "lookedUp", asker: { role: "client", id: "two", request: 1 }, key: "Net" });
    assertInstanceOf((simulation.answers[0] as { error?: unknown }).error, ActorNotFoundError);
    simulation.submit("one", "Net");
    simulation.run({ type: "lookedUp", asker: { role: "client", id: "two", request: 2 }, key: "Net" });
    assertEquals(simulation.answers.length, 1);
    simulation.run({ type: "released", client: "one", keys: ["Net"] });
    simulation.created("Net");
    assertEquals(simulation.answers[1]!.asker.request, 2);
    assertEquals(simulation.state.actors.get("Net")!.state, "running");
  });

  it("what is lost before it runs fails with ActorLostError", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    simulation.addClient("one");
    simulation.submit("one", "Net");
    simulation.run({ type: "lookedUp", asker: { role: "client", id: "one", request: 2 }, key: "Net" });
    simulation.hostEnded("a", "oom");
    const error = (simulation.answers[0] as { error?: unknown }).error;
    assertInstanceOf(error, ActorLostError);
    assertEquals([error.reason, error.worker], ["oom", "a"]);
  });
});

describe("a client", () => {
  it("that closes takes its actors with it at once", () => {
    const simulation = withActor();
    simulation.run({ type: "clientLeft", client: "one", closed: true });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "stopping");
    assertEquals(simulation.state.clients.size, 0);
  });

  it("whose connection breaks keeps them for ten seconds", () => {
    const simulation = withActor();
    simulation.run({ type: "clientLeft", client: "one", closed: false });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
    assertEquals(simulation.timers.get("grace one"), simulation.at + 10_000);
    simulation.fire("grace one");
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "stopping");
  });

  it("that comes back in time keeps its actors and hears what it missed, with new tickets", () => {
    const simulation = withActor();
    simulation.submit("one", "Counter-2");
    simulation.run({ type: "clientLeft", client: "one", closed: false });
    simulation.created("Counter-2");
    simulation.ended("Counter-1", "isolate-exit");
    simulation.statuses.length = 0;
    simulation.addClient("one");
    assertEquals(simulation.statuses.map(({ key, body, ticket }) => [key, body.status, body.reason, ticket]), [
      ["Counter-2", "finished", undefined, true],
      ["Counter-1", "lost", "isolate-exit", false],
    ]);
    assertEquals([...simulation.timers.keys()], []);
  });
});

describe("loss", () => {
  it("of a host tells every holder why, with the worker's name", () => {
    const simulation = withActor();
    simulation.addClient("two");
    simulation.submit("two", "Counter-1");
    simulation.hostEnded("a", "host-stuck");
    for (const client of ["one", "two"]) {
      const { status, reason, worker } = simulation.statusesOf(client, "Counter-1").at(-1)!;
      assertEquals([status, reason, worker], ["lost", "host-stuck", "a"]);
    }
    assertEquals(simulation.state.actors.size, 0);
    assertEquals(simulation.state.references.holders.size, 0);
  });

  it("of a host link waits 300 ms for the nanny's reason, then calls it host-exit", () => {
    const simulation = withActor();
    const closed = { type: "hostLinkClosed", worker: "a", incarnation: "a-1" } as const;
    simulation.run(closed);
    assertEquals(simulation.words("one", "Counter-1").at(-1), "finished");
    assertEquals(simulation.timers.get("host end a"), simulation.at + 300);
    simulation.submit("one", "Counter-2");
    assertEquals(simulation.words("one", "Counter-2"), ["no-worker"]);
    simulation.fire("host end a");
    assertEquals(simulation.statusesOf("one", "Counter-1").at(-1)!.reason, "host-exit");
  });

  it("of a host link whose nanny says why in time has that reason", () => {
    const simulation = withActor();
    simulation.run({ type: "hostLinkClosed", worker: "a", incarnation: "a-1" });
    simulation.hostEnded("a", "oom");
    assertEquals(simulation.statusesOf("one", "Counter-1").at(-1)!.reason, "oom");
    assertEquals([...simulation.timers.keys()], []);
  });

  it("of both links of a worker is a worker-exit", () => {
    const simulation = withActor();
    simulation.run({ type: "hostLinkClosed", worker: "a", incarnation: "a-1" });
    simulation.run({ type: "workerLeft", worker: "a", reason: "worker-exit" });
    assertEquals(simulation.statusesOf("one", "Counter-1").at(-1)!.reason, "worker-exit");
    assertEquals(simulation.state.workers.size, 0);
  });

  it("of a silent worker is a worker-timeout, and closes its host's link", () => {
    const simulation = withActor();
    const instructions = simulation.run({ type: "workerLeft", worker: "a", reason: "worker-timeout" });
    assertEquals(simulation.statusesOf("one", "Counter-1").at(-1)!.reason, "worker-timeout");
    assert(instructions.some(({ type }) => type === "closeHost"));
  });

  it("of an isolate takes its actor alone", () => {
    const simulation = withActor();
    simulation.submit("one", "Counter-2");
    simulation.created("Counter-2");
    simulation.ended("Counter-1", "isolate-exit");
    assertEquals(simulation.statusesOf("one", "Counter-1").at(-1)!.reason, "isolate-exit");
    assertEquals(simulation.state.actors.get("Counter-2")!.state, "running");
  });
});

describe("a host", () => {
  it("joins only as the incarnation that its nanny announced", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    const join = { type: "hostJoined", worker: "a", pid: 9, address: "" } as const;
    for (const incarnation of ["a-1", "a-2"]) {
      const refused = simulation.run({ ...join, incarnation });
      assert(refused.some((one) => one.type === "closeHost" && one.incarnation === incarnation && one.code === 4403));
    }
  });

  it("that is announced anew ends the one before", () => {
    const simulation = withActor();
    simulation.run({ type: "hostAnnounced", worker: "a", incarnation: "a-2" });
    assertEquals(simulation.statusesOf("one", "Counter-1").at(-1)!.reason, "host-exit");
    simulation.forgetHost("a-1");
    simulation.run({ type: "hostJoined", worker: "a", incarnation: "a-2", pid: 9, address: "" });
    simulation.submit("one", "Counter-2");
    simulation.created("Counter-2");
    assertEquals(simulation.words("one", "Counter-2"), ["processing", "finished"]);
  });

  it("may be announced twice where it has not joined, for another ticket", () => {
    const simulation = new Simulation();
    simulation.addWorker("a");
    simulation.run({ type: "hostAnnounced", worker: "a", incarnation: "a-2" });
    simulation.run({ type: "hostAnnounced", worker: "a", incarnation: "a-2" });
    simulation.run({ type: "hostJoined", worker: "a", incarnation: "a-2", pid: 9, address: "" });
    assertEquals(simulation.state.workers.get("a")!.host!.phase, "joined");
  });

  it("that created what nobody asked for is told to destroy it", () => {
    const simulation = withActor();
    const body = {
      home: "main",
      homeKind: "inline",
      address: "",
      tag: new Uint8Array(),
      manifest: new Uint8Array(),
    } as const;
    const event = { type: "created", worker: "a", host: "a-1", key: "Ghost", incarnation: "ff", body } as const;
    assertEquals(simulation.run(event), [{ type: "sendDestroy", worker: "a", key: "Ghost", incarnation: "ff" }]);
  });

  it("cannot speak of the actors of another", () => {
    const simulation = withActor();
    simulation.addWorker("b");
    const { incarnation } = simulation.state.actors.get("Counter-1")!;
    const ended = { type: "ended", key: "Counter-1", incarnation: incarnation!, reason: "killed" } as const;
    simulation.run({ ...ended, worker: "b", host: "b-1" });
    simulation.run({ ...ended, worker: "a", host: "a-0" });
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
  });
});

describe("retiring", () => {
  it("places nothing there any more, loses its actors as drained, and answers when all have left", () => {
    const simulation = withActor();
    simulation.addWorker("b");
    const asker = { role: "client", id: "one", request: 5 } as const;
    simulation.run({ type: "retired", asker, workers: ["a", "b"], timeout: 5000 });
    simulation.submit("one", "Counter-2");
    assertEquals(simulation.words("one", "Counter-2"), ["no-worker"]);
    simulation.run({ type: "workerLeft", worker: "a", reason: "worker-exit" });
    assertEquals(simulation.statusesOf("one", "Counter-1").at(-1)!.reason, "drained");
    assertEquals(simulation.answers.length, 0);
    simulation.run({ type: "workerLeft", worker: "b", reason: "worker-exit" });
    const answer = simulation.answers[0]!;
    assertEquals("body" in answer && answer.body, { workers: ["a", "b"] });
    assertEquals([...simulation.timers.keys()], []);
  });

  it("closes a worker that has not left two seconds after its timeout", () => {
    const simulation = withActor();
    const asker = { role: "client", id: "one", request: 5 } as const;
    simulation.run({ type: "retired", asker, workers: ["a"], timeout: 5000 });
    assertEquals(simulation.timers.get("drain a"), simulation.at + 7000);
    simulation.fire("drain a");
    assertEquals(simulation.instructions.at(-1)!.type, "closeWorker");
  });

  it("an unknown worker fails and names those that are here", () => {
    const simulation = withActor();
    const asker = { role: "client", id: "one", request: 5 } as const;
    simulation.run({ type: "retired", asker, workers: ["z"], timeout: 5000 });
    const answer = simulation.answers[0]!;
    assert("error" in answer);
    assertMatch(answer.error.message, /^Cannot retire \["z"\]: no such worker. Workers: a$/);
  });
});

describe("the story", () => {
  it("tells what happened to a key, and is bounded", () => {
    const simulation = withActor();
    simulation.hostEnded("a", "oom");
    assertEquals(simulation.state.story.tell("Counter-1").map(({ from, to }) => `${from} > ${to}`), [
      " > waiting",
      "waiting > starting",
      "starting > running",
      "running > gone",
    ]);
    for (let index = 0; index < 20_000; index++) {
      simulation.state.story.add({ at: index, subject: "x", from: "", to: "", cause: "" });
    }
    assertEquals(simulation.state.story.tell().length, 10_000);
    assertEquals(simulation.state.story.tell("Counter-1"), []);
    assertEquals(simulation.state.story.tell().at(0)!.at, 10_000);
  });
});

describe("the snapshot", () => {
  it("shows workers with their actors, waiting actors with the reason, clients, and no secret", () => {
    const simulation = withActor();
    simulation.submit("one", "Net", { resources: { GPU: 1 } });
    simulation.run({ type: "heartbeat", worker: "a", body: { host: "a-1", memory: 5e7, lag: 2 } });
    simulation.at += 700;
    const snapshot = takeSnapshot(simulation.state, {
      at: simulation.at,
      startedAt: 0,
      id: "scheduler-1",
      address: "ws://127.0.0.1:1",
      dashboard: "http://127.0.0.1:1/",
      runtime: "deno",
      messages: { hello: 2 },
    });
    const [worker] = snapshot.workers;
    assertEquals([worker!.status, worker!.hostPid, worker!.memory, worker!.heartbeatAge], ["running", 8, 5e7, 700]);
    assertEquals(worker!.actors, [{
      key: "Counter-1",
      class: "Counter",
      home: "inline",
      status: "running",
      worker: "a",
      reason: undefined,
      clients: ["one"],
    }]);
    assertEquals(snapshot.waiting.map(({ key, status, reason }) => [key, status, reason]), [
      ["Net", "no-worker", "needs GPU: 1; offered: a"],
    ]);
    assertEquals(snapshot.clients.map(({ id, keys }) => [id, keys]), [["one", 2]]);
    assertEquals(JSON.stringify(snapshot).includes("secret"), false);
  });
});

describe("a host that will be replaced", () => {
  it("gets nothing more, and its worker takes actors again when the next one has joined", () => {
    const simulation = withActor();
    simulation.run({ type: "hostDraining", worker: "a", incarnation: "another" });
    assertEquals(simulation.state.workers.get("a")!.draining, false);
    simulation.run({ type: "hostDraining", worker: "a", incarnation: "a-1" });
    simulation.submit("one", "Counter-2");
    assertEquals(simulation.state.actors.get("Counter-2")!.state, "waiting");
    assertEquals(simulation.state.actors.get("Counter-1")!.state, "running");
    simulation.hostEnded("a", "drained");
    assertEquals(simulation.words("one", "Counter-1").at(-1), "lost");
    simulation.startHost("a", "a-2");
    assertEquals(simulation.state.actors.get("Counter-2")!.state, "starting");
  });

  it("sends what was on its way there elsewhere", () => {
    const simulation = withActor();
    simulation.submit("one", "Counter-2");
    simulation.run({ type: "hostDraining", worker: "a", incarnation: "a-1" });
    simulation.addWorker("b");
    simulation.createFailed("Counter-2", "no");
    assertEquals(simulation.words("one", "Counter-2").at(-1), "processing");
    assertEquals(simulation.state.workers.get("b")!.actors.has("Counter-2"), true);
  });

  it("does not keep its worker from leaving for good", () => {
    const simulation = withActor();
    simulation.run({ type: "hostDraining", worker: "a", incarnation: "a-1" });
    simulation.run({ type: "workerDraining", worker: "a" });
    simulation.hostEnded("a", "drained");
    simulation.startHost("a", "a-2");
    simulation.submit("one", "Counter-2");
    assertEquals(simulation.state.actors.get("Counter-2")!.state, "waiting");
  });
});

describe("the table of transitions", () => {
  it("is what the documentation shows", async () => {
    const page = await Deno.readTextFile(new URL("../../docs/scheduler_state.md", import.meta.url));
    const plain = (table: string) => table.replaceAll(/ +/g, " ").replaceAll(/-+/g, "-").replaceAll(/ ?\| ?/g, "|");
    assert(plain(page).includes(plain(formatTransitions())), formatTransitions());
  });

  it("ends nowhere but in gone", () => {
    const ends = Object.entries(ACTOR_TRANSITIONS).filter(([, ways]) => Object.keys(ways).length === 0);
    assertEquals(ends.map(([state]) => state), ["gone"]);
  });
});

describe("checkInvariants", () => {
  it("finds resources, references and workers that do not fit the actors", () => {
    const simulation = withActor();
    const worker = simulation.state.workers.get("a")!;
    worker.held.set("GPU", 1);
    assertThrows(() => checkInvariants(simulation.state), InvariantError, "a holds 1 of GPU");
    worker.held.clear();
    worker.actors.clear();
    assertThrows(() => checkInvariants(simulation.state), InvariantError, "not among the actors");
    worker.actors.add("Counter-1");
    simulation.state.references.holders.clear();
    assertThrows(() => checkInvariants(simulation.state), InvariantError, "held by nobody");
  });
});
