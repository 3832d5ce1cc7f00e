import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import type { TimerName } from "../../scheduler/instructions.ts";
import { Simulation, submission } from "./simulation.ts";

const CLIENTS = ["one", "two", "three"];
const WORKERS = ["a", "b", "c"];
const KEYS = ["k1", "k2", "k3", "k4", "k5"];

/** One step: what happens, and numbers that choose to whom. */
type Step = readonly [kind: string, who: number, what: number];

const KINDS = [
  "join client",
  "break client",
  "close client",
  "submit",
  "submit",
  "submit",
  "submit other",
  "submit with resources",
  "submit detached",
  "submit with timeout",
  "submit with retries",
  "release",
  "release",
  "cancel",
  "hold",
  "look up",
  "join worker",
  "lose worker",
  "announce host",
  "join host",
  "close host link",
  "end host",
  "retire",
  "drain",
  "drain host",
  "restart",
  "create",
  "create",
  "create",
  "fail",
  "end",
  "destroy",
  "destroy",
  "fire timer",
  "stale",
];

function pick<T>(from: readonly T[], index: number): T | undefined {
  return from[index % Math.max(1, from.length)];
}

function hostedIn(simulation: Simulation, phases: readonly string[], index: number): string | undefined {
  return pick([...simulation.hosted.values()].filter(({ phase }) => phases.includes(phase)), index)?.key;
}

/** Peers that behave: hosts answer, links of ended processes close, a client that is not here says nothing. */
class Model {
  readonly simulation = new Simulation();
  /** What each client believes to hold, from what it did and was told: the export it submitted, by key. */
  readonly beliefs = new Map(CLIENTS.map((client) => [client, new Map<string, string>()]));
  /** What came to a client by a handle or a look-up, of which it is told nothing. */
  readonly handles = new Map(CLIENTS.map((client) => [client, new Set<string>()]));
  #hosts = 0;
  #requests = 0;
  #read = 0;

  constructor() {
    for (const client of CLIENTS) this.simulation.addClient(client);
    for (const worker of WORKERS) this.simulation.addWorker(worker, { GPU: 2 });
  }

  step(step: Step): void {
    this.#step(step);
    const { statuses, state } = this.simulation;
    for (const { client, key, body } of statuses.slice(this.#read)) {
      if (["error", "lost", "cancelled"].includes(body.status)) this.beliefs.get(client)!.delete(key);
    }
    this.#read = statuses.length;
    for (const client of CLIENTS) if (!state.clients.has(client)) this.#forget(client);
  }

  #forget(client: string): void {
    this.beliefs.get(client)!.clear();
    this.handles.get(client)!.clear();
  }

  #submit(client: string, key: string, more: Parameters<typeof submission>[0] = {}): void {
    const { simulation, beliefs } = this;
    if (simulation.state.clients.get(client)?.away !== false) return;
    // A client finds conflicts among its own keys by itself.
    const wanted = (more?.target ?? submission().target).export;
    if ((beliefs.get(client)!.get(key) ?? wanted) !== wanted) return;
    beliefs.get(client)!.set(key, wanted);
    simulation.submit(client, key, more);
  }

  #step([kind, who, what]: Step): void {
    const { simulation } = this;
    const { state } = simulation;
    const client = pick(CLIENTS, who)!;
    const worker = pick(WORKERS, who)!;
    const key = pick(KEYS, what)!;
    const isHere = state.clients.get(client)?.away === false;
    const record = state.workers.get(worker);
    const asker = { role: "client", id: client, request: ++this.#requests } as const;
    simulation.at += 10;
    switch (kind) {
      case "join client":
        return isHere ? undefined : simulation.addClient(client);
      case "break client":
      case "close client":
        if (isHere) simulation.run({ type: "clientLeft", client, closed: kind === "close client" });
        return;
      case "submit":
        return this.#submit(client, key);
      case "submit other":
        return this.#submit(client, key, { target: { ...submission().target, export: "Other" } });
      case "submit with resources":
        return this.#submit(client, key, { resources: { GPU: 1 + what % 2 }, priority: what % 3 });
      case "submit detached":
        return this.#submit(client, key, { detached: true, workers: [worker] });
      case "submit with timeout":
        return this.#submit(client, key, { timeout: 100 });
      case "submit with retries":
        return this.#submit(client, key, { retries: 1 });
      case "release":
        if (!isHere) return;
        this.beliefs.get(client)!.delete(key);
        this.handles.get(client)!.delete(key);
        simulation.run({ type: "released", client, keys: [key] });
        return;
      case "cancel":
        if (isHere) simulation.run({ type: "cancelled", client, keys: [key], reason: undefined });
        return;
      case "hold":
        if (!isHere) return;
        this.handles.get(client)!.add(key);
        simulation.run({ type: "held", client, keys: [key] });
        return;
      case "look up":
        if (!isHere) return;
        this.handles.get(client)!.add(key);
        simulation.run({ type: "lookedUp", asker, key });
        return;
      case "join worker":
        return record ? undefined : simulation.addWorker(worker, { GPU: 2 });
      case "lose worker":
        return this.loseWorker(worker);
      case "announce host":
        if (record) {
          simulation.forgetHost(record.host?.incarnation ?? "");
          simulation.run({ type: "hostAnnounced", worker, incarnation: `h${++this.#hosts}` });
        }
        return;
      case "join host":
        if (record?.host) {
          const { incarnation } = record.host;
          simulation.run({ type: "hostJoined", worker, incarnation, pid: 1, address: "" });
        }
        return;
      case "close host link":
        if (record?.host) {
          simulation.forgetHost(record.host.incarnation);
          simulation.run({ type: "hostLinkClosed", worker, incarnation: record.host.incarnation });
        }
        return;
      case "end host":
        return simulation.hostEnded(worker, "oom");
      case "retire":
        if (isHere) simulation.run({ type: "retired", asker, workers: [worker], timeout: 100 });
        return;
      case "restart":
        if (!isHere || what > 1) return;
        simulation.run({ type: "restarted", asker, timeout: 100 });
        for (const { host } of [...simulation.hosted.values()]) simulation.forgetHost(host);
        this.beliefs.forEach((keys) => keys.clear());
        this.handles.forEach((keys) => keys.clear());
        return;
      case "drain":
        simulation.run({ type: "workerDraining", worker });
        return;
      case "drain host":
        if (record?.host) simulation.run({ type: "hostDraining", worker, incarnation: record.host.incarnation });
        return;
      case "create": {
        const creating = hostedIn(simulation, ["creating", "unwanted"], what);
        return creating ? simulation.created(creating, `home ${what % 2}`) : undefined;
      }
      case "fail": {
        const creating = hostedIn(simulation, ["creating", "unwanted"], what);
        return creating ? simulation.createFailed(creating) : undefined;
      }
      case "end":
      case "destroy": {
        const ending = hostedIn(simulation, kind === "end" ? ["running"] : ["destroying", "unwanted"], what);
        return ending ? simulation.ended(ending, kind === "end" ? "isolate-exit" : "released") : undefined;
      }
      case "fire timer": {
        const timer = pick([...simulation.timers.keys()], what) as TimerName | undefined;
        return timer ? simulation.fire(timer) : undefined;
      }
      case "stale":
        simulation.run({ type: "ended", worker, host: "no host", key, incarnation: "00", reason: "killed" });
        simulation.run({ type: "timerFired", timer: `deadline ${key} of old` });
        simulation.run({ type: "clientLeft", client: "nobody", closed: true });
        return;
      default:
        throw new Error(`No step ${kind}`);
    }
  }

  /** What the hosts have is what the scheduler believes that they have. */
  checkHosts(): void {
    const { simulation } = this;
    const believed = [...simulation.state.actors.values()].filter((actor) => {
      const host = actor.worker && simulation.state.workers.get(actor.worker)?.host;
      return host && host.phase === "joined";
    });
    assertEquals(new Set(simulation.hosted.keys()), new Set(believed.map(({ incarnation }) => incarnation!)));
    for (const hosted of simulation.hosted.values()) {
      const state = simulation.state.actors.get(hosted.key)!.state;
      const fits = {
        creating: ["starting"],
        unwanted: ["stopping"],
        running: ["running"],
        destroying: ["stopping"],
      }[hosted.phase];
      assert(fits.includes(state), `${hosted.key} is ${hosted.phase} in its host and ${state} in the table`);
    }
  }

  loseWorker(worker: string): void {
    const record = this.simulation.state.workers.get(worker);
    if (!record) return;
    this.simulation.forgetHost(record.host?.incarnation ?? "");
    this.simulation.run({ type: "workerLeft", worker, reason: "worker-exit" });
  }

  /** The faults stop: clients come back, hosts join and do all that they were told to. */
  settle(): void {
    const { simulation } = this;
    for (const worker of WORKERS) {
      this.loseWorker(worker);
      this.step(["join worker", WORKERS.indexOf(worker), 0]);
    }
    for (const client of CLIENTS) this.step(["join client", CLIENTS.indexOf(client), 0]);
    while ([...simulation.hosted.values()].some(({ phase }) => phase !== "running")) {
      this.step(["create", 0, 0]);
      this.step(["destroy", 0, 0]);
    }
  }

  /** Everyone goes. */
  finish(): void {
    const { simulation } = this;
    simulation.run({ type: "cancelled", client: "one", keys: KEYS, reason: undefined });
    for (const client of CLIENTS) simulation.run({ type: "clientLeft", client, closed: true });
    while (simulation.hosted.size > 0) {
      this.step(["create", 0, 0]);
      this.step(["destroy", 0, 0]);
    }
    for (const worker of WORKERS) this.loseWorker(worker);
  }
}

describe("the scheduler's core", () => {
  const step = fc.tuple(fc.constantFrom(...KINDS), fc.nat(5), fc.nat(7));
  const steps = fc.array(step, { minLength: 30, maxLength: 300, size: "max" });

  it("keeps its invariants whatever happens, and its tables are empty when all have gone", () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const model = new Model();
        for (const each of steps) {
          model.step(each);
          model.checkHosts();
        }
        model.settle();
        model.finish();
        const { state, timers } = model.simulation;
        const sizes = [
          state.actors,
          state.clients,
          state.workers,
          state.sessions,
          state.retirements,
          state.restarts,
          timers,
        ]
          .map(({ size }) => size);
        assertEquals(sizes, [0, 0, 0, 0, 0, 0, 0]);
        assertEquals([state.waiting.length, state.references.targets.size, state.references.holders.size], [0, 0, 0]);
      }),
      { numRuns: 300 },
    );
  });

  it("has told each client the truth about every key that it holds, once the faults have stopped", () => {
    fc.assert(
      fc.property(steps, (steps) => {
        const model = new Model();
        for (const each of steps) model.step(each);
        model.settle();
        const { simulation } = model;
        for (const client of CLIENTS) {
          const held = simulation.state.references.targets.get(`client:${client}`) ?? new Set<string>();
          const believed = model.beliefs.get(client)!;
          for (const key of believed.keys()) assert(held.has(key), `${client} believes to hold ${key}`);
          for (const key of held) {
            assert(believed.has(key) || model.handles.get(client)!.has(key), `${client} holds ${key} unknowingly`);
            const actor = simulation.state.actors.get(key)!;
            // One that came by a handle or a look-up has not asked for a status.
            const told = simulation.statusesOf(client, key).findLast(({ status }) => status !== "error");
            const truth = actor.state === "running" ? "finished" : actor.state === "waiting" ? "no-worker" : undefined;
            assert(truth, `${key} is ${actor.state} when all has settled`);
            if (told && ["finished", "no-worker", "processing"].includes(told.status)) {
              assertEquals(told.status, truth, `${client} and ${key}`);
              if (told.actor) assertEquals(told.actor.incarnation, actor.incarnation);
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
