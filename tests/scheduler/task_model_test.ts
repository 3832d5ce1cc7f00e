import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { keyHolder } from "../../scheduler/references.ts";
import { submission } from "./simulation.ts";
import { type TaskHost, TaskSimulation } from "./task_simulation.ts";

const CLIENTS = ["one", "two"];
const WORKERS = ["a", "b", "c"];
const ACTORS = ["A1", "A2"];
const TASKS = 12;
const FINAL = ["finished", "error", "lost", "cancelled"];

/** One step: what happens, and numbers that choose to whom. */
type Step = readonly [kind: string, who: number, what: number];

/** What no fault is. */
const WORK = ["submit", "submit", "submit", "submit", "act", "act", "act", "finish", "finish", "finish", "fire again"];

/** What takes workers away, and brings others. */
const DEATHS = ["lose worker", "join worker", "end host", "start host", "pause", "lose link"];

/** What clients and functions do besides. */
const WISHES = [
  "finish quickly",
  "finish quickly",
  "give back",
  "submit with resources",
  "submit with priority",
  "submit impure",
  "submit with timeout",
  "submit detached",
  "release",
  "release",
  "release",
  "cancel",
  "hold",
  "fail",
  "scatter",
  "promise",
  "fulfil",
  "fulfil",
  "break promise",
  "submit actor",
  "create actor",
  "destroy actor",
  "locate",
  "join isolate",
  "isolate submits",
  "isolate submits",
  "isolate holds",
  "isolate releases",
  "isolate leaves",
  "break client",
  "close client",
  "join client",
  "fire timer",
  "restart",
  "drain worker",
  "drain host",
  "ask to leave",
];

function pick<T>(from: readonly T[], index: number): T | undefined {
  return from[index % Math.max(1, from.length)];
}

/** Which keys a task needs: any graph, always the same. */
function refsOf(index: number): string[] {
  const refs = [];
  for (let other = 0; other < index; other++) {
    if ((index * 7 + other * 5) % 4 === 0) refs.push(`t${other}`);
  }
  if (index % 5 === 1) refs.push("data");
  if (index % 5 === 2) refs.push("call");
  if (index % 5 === 3) refs.push("A1");
  return refs;
}

/** What a key gives; a third of them are large. */
function valueOf(key: string): Uint8Array {
  const name = new TextEncoder().encode(`value of ${key}`);
  const isLarge = key === "data" || key === "call" || Number(key.slice(1)) % 3 === 0;
  const bytes = new Uint8Array(isLarge ? 2_000 : 40);
  bytes.set(name);
  return bytes;
}

class Model {
  readonly simulation = new TaskSimulation();
  #count = 0;

  constructor() {
    this.simulation.evaluate = valueOf;
    for (const client of CLIENTS) this.simulation.addClient(client);
    for (const worker of WORKERS) this.#addWorker(worker);
  }

  step([kind, who, what]: Step): void {
    const { simulation } = this;
    const { state } = simulation;
    const client = pick(CLIENTS, who)!;
    const worker = pick(WORKERS, who)!;
    const index = what % TASKS;
    const key = pick([`t${index}`, `t${index}`, "data", "call", pick(ACTORS, what)!], who + what)!;
    const isHere = state.clients.get(client)?.away === false;
    const host = pick([...simulation.hosts.values()], who);
    simulation.at += 10;
    switch (kind) {
      case "submit":
        return this.#submit(client, index);
      case "submit with resources":
        return this.#submit(client, index, { resources: { GPU: 1 } });
      case "submit with priority":
        return this.#submit(client, index, { priority: what % 3, retries: 1, workers: ["a", "b"] });
      case "submit impure":
        return this.#submit(client, index, { pure: false });
      case "submit with timeout":
        return this.#submit(client, index, { timeout: 100 });
      case "submit detached":
        return this.#submit(client, index, { detached: true });
      case "submit actor":
        if (isHere) this.#submitActor(client, what);
        return;
      case "create actor": {
        const creating = [...simulation.hosted.values()].find(({ phase }) => phase === "creating");
        return creating && simulation.created(creating.key);
      }
      case "destroy actor": {
        const ending = [...simulation.hosted.values()].find(({ phase }) => phase !== "creating");
        return ending && simulation.ended(ending.key, ending.phase === "running" ? "isolate-exit" : "released");
      }
      case "release":
        if (isHere) simulation.run({ type: "released", client, keys: [key, `t${index}`] });
        return;
      case "cancel":
        if (isHere) simulation.run({ type: "cancelled", client, keys: [key], reason: undefined });
        return;
      case "hold":
        if (isHere) simulation.run({ type: "held", client, keys: [key] });
        return;
      case "locate":
        if (isHere) {
          simulation.run({ type: "located", asker: { role: "client", id: client, request: ++this.#count }, key });
        }
        return;
      case "scatter":
        if (isHere && !state.keys.has("data")) {
          simulation.run({
            type: "scattered",
            client,
            key: "data",
            body: { workers: undefined, allowOtherWorkers: undefined },
            value: valueOf("data"),
            refs: [],
          });
        }
        return;
      case "promise":
        if (isHere) simulation.run({ type: "promised", client, keys: ["call"] });
        return;
      case "fulfil":
      case "break promise": {
        const ok = kind === "fulfil";
        const value = ok ? valueOf("call") : new Uint8Array([9]);
        if (isHere) simulation.run({ type: "fulfilled", client, key: "call", ok, value, refs: [] });
        return;
      }
      case "act":
        return host && simulation.act(host);
      case "finish":
        return host && this.#finish(host, what);
      case "finish quickly":
        return host && this.#finish(host, what, 0.01);
      case "give back": {
        const running = host && pick([...host.running.keys()], what);
        return running === undefined ? undefined : simulation.giveBack(host!, running);
      }
      case "fail": {
        const running = host && pick([...host.running.keys()], what);
        return running === undefined ? undefined : simulation.failTask(host!, running);
      }
      case "fire again":
        return this.#fire(what, "again ");
      case "fire timer":
        return this.#fire(what, "");
      case "lose worker":
        return state.workers.has(worker) && state.workers.size > 1 ? simulation.loseWorker(worker) : undefined;
      case "join worker":
        return state.workers.has(worker) ? undefined : this.#addWorker(worker);
      case "end host":
        return simulation.hostEnded(worker, "oom");
      case "start host":
        if (state.workers.get(worker)?.host === undefined && state.workers.has(worker)) {
          simulation.startHost(worker, `${worker}-${++this.#count}`);
        }
        return;
      case "lose link": {
        const record = state.workers.get(worker);
        if (record?.host?.phase !== "joined") return;
        simulation.forgetHost(record.host.incarnation);
        simulation.hosts.delete(worker);
        simulation.run({ type: "hostLinkClosed", worker, incarnation: record.host.incarnation });
        return;
      }
      case "restart":
        if (!isHere || what > 2) return;
        simulation.run({
          type: "restarted",
          asker: { role: "client", id: client, request: ++this.#count },
          timeout: 100,
        });
        for (const { host } of [...simulation.hosted.values()]) simulation.forgetHost(host);
        assertEquals(state.keys.size, 0);
        return;
      case "drain worker":
        simulation.run({ type: "workerDraining", worker });
        return;
      case "drain host": {
        const incarnation = state.workers.get(worker)?.host?.incarnation;
        if (incarnation !== undefined) simulation.run({ type: "hostDraining", worker, incarnation });
        return;
      }
      case "retire": {
        if (!host) return;
        const asker = { role: "host", id: host.worker, request: ++this.#count } as const;
        simulation.run({ type: "workerDraining", worker: host.worker });
        simulation.run({ type: "leaveAsked", asker });
        simulation.work();
        assert(simulation.answers.some((answer) => answer.asker.request === asker.request), `${host.worker} may go`);
        simulation.loseWorker(host.worker);
        return this.#addWorker(host.worker);
      }
      case "ask to leave":
        if (host) {
          simulation.run({ type: "leaveAsked", asker: { role: "host", id: host.worker, request: ++this.#count } });
        }
        return;
      case "pause": {
        const incarnation = state.workers.get(worker)?.host?.incarnation ?? "";
        const body = { host: incarnation, memory: what % 2 === 0 ? 700 : 100, lag: 0 };
        simulation.run({ type: "heartbeat", worker, body });
        return;
      }
      case "join isolate": {
        const isolate = `isolate ${worker}`;
        if (!host || state.clients.has(isolate)) return;
        const isolateOf = { worker: host.worker, host: host.incarnation };
        const versions = { troupe: "0.1.0", runtime: "deno" };
        simulation.run({ type: "clientJoined", client: isolate, session: `secret of ${isolate}`, versions, isolateOf });
        return;
      }
      case "isolate submits":
        return this.#asIsolate(worker, what, (isolate, holder) => {
          const refs = refsOf(index);
          if (refs.every((ref) => state.keys.has(ref))) simulation.submitFor(isolate, holder, `t${index}`, refs);
        });
      case "isolate holds":
        return this.#asIsolate(worker, what, (client, holder) => {
          simulation.run({ type: "held", client, keys: [key], holder });
        });
      case "isolate releases":
        return this.#asIsolate(worker, what, (client, holder) => {
          simulation.run({ type: "released", client, keys: [key, `t${index}`], holder });
        });
      case "isolate leaves":
        simulation.run({ type: "clientLeft", client: `isolate ${worker}`, closed: what % 2 === 0 });
        return;
      case "break client":
      case "close client":
        if (isHere) simulation.run({ type: "clientLeft", client, closed: kind === "close client" });
        return;
      case "join client":
        return isHere ? undefined : simulation.addClient(client);
      default:
        throw new Error(`No step ${kind}`);
    }
  }

  /** The faults stop, and everyone does what he was told to. */
  settle(): void {
    const { simulation } = this;
    for (const worker of WORKERS) {
      const record = simulation.state.workers.get(worker);
      if (record && (record.draining || !simulation.hosts.has(worker))) simulation.loseWorker(worker);
      if (!simulation.state.workers.has(worker)) this.#addWorker(worker);
      const host = simulation.state.workers.get(worker)!.host!.incarnation;
      simulation.run({ type: "heartbeat", worker, body: { host, memory: 0, lag: 0 } });
    }
    for (const client of CLIENTS) {
      this.step(["join client", CLIENTS.indexOf(client), 0]);
      this.step(["fulfil", CLIENTS.indexOf(client), 0]);
    }
    for (;;) {
      simulation.work();
      const actor = [...simulation.hosted.values()].find(({ phase }) => phase !== "running");
      const timer = [...simulation.timers.keys()].find((name) => name.startsWith("again "));
      if (actor?.phase === "creating") simulation.created(actor.key);
      else if (actor) simulation.ended(actor.key);
      else if (timer) simulation.fire(timer);
      else break;
    }
  }

  /** Everything that a client or a detached key holds is final, and right where it is there. */
  checkFinal(): void {
    const { simulation } = this;
    for (const task of simulation.state.keys.values()) {
      if (task.kind === "actor") continue;
      const { key, state } = task;
      assert(["memory", "erred", "released"].includes(state), `${key} is ${state} when all is quiet`);
      const kept = task.value ?? simulation.hosts.get(task.holders[0]?.id ?? "")?.results.get(key)?.value;
      if (state === "memory") assertEquals(kept, valueOf(key), `${key} is right`);
      for (const client of CLIENTS) {
        if (!simulation.state.references.targets.get(`client:${client}`)?.has(key)) continue;
        const last = simulation.words(client, key).at(-1) ?? "";
        assert(FINAL.includes(last), `${client} was told ${last || "nothing"} of ${key}, which is in ${state}`);
        assertEquals(last === "finished", state === "memory", `${client} was told ${last} of ${key}`);
      }
    }
  }

  /** The hosts keep what the scheduler believes, and nothing more. */
  checkHosts(): void {
    for (const [worker, { results }] of this.simulation.hosts) {
      const believed = [...this.simulation.state.workers.get(worker)!.results].map(({ key }) => key);
      assertEquals([...results.keys()].sort(), believed.sort(), `what ${worker} keeps`);
    }
  }

  /** Everyone goes, and nothing is left. */
  finish(): void {
    const { simulation } = this;
    const keys = Array.from({ length: TASKS }, (_, index) => `t${index}`);
    simulation.run({ type: "cancelled", client: "one", keys: [...keys, ...ACTORS], reason: undefined });
    for (const client of [...simulation.state.clients.keys()]) {
      simulation.run({ type: "clientLeft", client, closed: true });
    }
    this.settleActors();
    simulation.work();
    this.checkHosts();
    const { state } = simulation;
    const left = [...state.keys.values()].map(({ key, kind, state }) => `${key}: ${kind} ${state}`);
    assertEquals(left, []);
    const { references, queues, unstored, asking, clients, actors, restarts, leaving } = state;
    const sizes = [
      references.targets,
      references.holders,
      queues,
      unstored,
      asking,
      clients,
      actors,
      restarts,
      simulation.timers,
    ];
    assertEquals(sizes.map(({ size }) => size), [0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assertEquals(Object.values(state.counts), [0, 0, 0, 0, 0, 0, 0]);
    for (const worker of WORKERS) simulation.loseWorker(worker);
    assertEquals([state.workers.size, state.open.takers.size, leaving.size], [0, 0, 0]);
  }

  settleActors(): void {
    const { simulation } = this;
    for (const { key, phase } of [...simulation.hosted.values()]) {
      if (phase === "creating") simulation.created(key);
    }
    for (const { key, phase } of [...simulation.hosted.values()]) if (phase !== "running") simulation.ended(key);
  }

  #addWorker(worker: string): void {
    this.simulation.run({
      type: "workerJoined",
      worker,
      hello: {
        troupe: "0.1.0",
        runtime: "deno",
        name: worker,
        pid: 1,
        machine: "here",
        resources: { GPU: 1 },
        isolates: 1,
        threads: 1,
        memoryLimit: 1_000,
      },
    });
    this.simulation.startHost(worker, `${worker}-${++this.#count}`);
  }

  #submit(client: string, index: number, more: Parameters<TaskSimulation["submitTask"]>[3] = {}): void {
    const { simulation } = this;
    if (simulation.state.clients.get(client)?.away !== false) return;
    const refs = refsOf(index).filter((ref) => ref.startsWith("t") || simulation.state.keys.has(ref));
    // A client holds what it submits with.
    for (const ref of refs) {
      const holds = simulation.state.references.targets.get(`client:${client}`)?.has(ref) ?? false;
      if (ref.startsWith("t") && !holds) this.#submit(client, Number(ref.slice(1)));
      // What was cancelled or lost is not to be had.
    }
    simulation.submitTask(client, `t${index}`, refs, more);
  }

  #submitActor(client: string, what: number): void {
    const { simulation } = this;
    const refs = ["t1", "t3", "A1"].filter((ref) => simulation.state.keys.has(ref) && what % 3 === 0);
    const key = pick(ACTORS, what)!;
    simulation.run({
      type: "submitted",
      client,
      key,
      body: submission(),
      submitted: new Uint8Array(),
      args: new Uint8Array(),
      refs: refs.filter((ref) => ref !== key),
    });
  }

  /** The result of a task may hold what the task held. */
  #finish(host: TaskHost, what: number, took?: number): void {
    const running = pick([...host.running.keys()], what);
    if (running === undefined) return;
    const held = this.simulation.state.references.targets.get(keyHolder(running)) ?? [];
    this.simulation.finish(host, running, what % 2 === 0 ? [...held] : [], took);
  }

  /** An isolate speaks for an actor or task of its host, which may have ended. */
  #asIsolate(worker: string, what: number, say: (isolate: string, holder: string | undefined) => void): void {
    const { state } = this.simulation;
    const client = state.clients.get(`isolate ${worker}`);
    if (client?.isolateOf === undefined || client.away) return;
    const record = state.workers.get(client.isolateOf.worker);
    const there = [...record?.actors ?? [], ...[...record?.processing ?? []].map(({ key }) => key), "t1", "t2"];
    say(client.id, pick(there, what));
  }

  #fire(what: number, prefix: string): void {
    const timer = pick([...this.simulation.timers.keys()].filter((name) => name.startsWith(prefix)), what);
    if (timer) this.simulation.fire(timer);
  }
}

function stepsOf(kinds: readonly string[]): fc.Arbitrary<Step[]> {
  const step = fc.tuple(fc.constantFrom(...kinds), fc.nat(5), fc.nat(23));
  return fc.array(step, { minLength: 20, maxLength: 200, size: "max" });
}

describe("tasks in the scheduler's core", () => {
  it("keep all invariants whatever happens, reach an end that is told, and leave nothing behind", () => {
    fc.assert(
      fc.property(stepsOf([...WORK, ...DEATHS, ...WISHES]), (steps) => {
        const model = new Model();
        for (const step of steps) model.step(step);
        model.settle();
        model.checkFinal();
        model.checkHosts();
        model.finish();
      }),
      { numRuns: 300 },
    );
  });

  it("lose nothing where workers leave in good order, whatever cannot be computed again", () => {
    const kinds = [...WORK, "scatter", "submit impure", "submit impure", "release", "retire", "retire"];
    fc.assert(
      fc.property(stepsOf(kinds), (steps) => {
        const model = new Model();
        const { simulation } = model;
        for (const step of steps) {
          model.step(step);
          for (const task of simulation.state.keys.values()) {
            assert(task.kind === "actor" || task.failure?.status !== "lost", `${task.key} is lost`);
          }
        }
        model.settle();
        model.checkFinal();
        model.checkHosts();
        model.finish();
      }),
      { numRuns: 100 },
    );
  });

  it("that are pure give the right result whichever workers die, as long as one lives", () => {
    fc.assert(
      fc.property(stepsOf([...WORK, ...WORK, ...WORK, ...DEATHS]), (steps) => {
        const model = new Model();
        const { keys } = model.simulation.state;
        let hasFailed = false;
        for (const step of steps) {
          model.step(step);
          // What is blamed for the loss of three hosts, and what depends on it, fails.
          for (const task of keys.values()) hasFailed ||= task.kind !== "actor" && task.deaths >= 3;
        }
        model.settle();
        model.checkFinal();
        for (const task of keys.values()) {
          hasFailed ||= task.kind !== "actor" && task.deaths >= 3;
          assert(hasFailed || task.state === "memory" || task.state === "released", `${task.key} is ${task.state}`);
        }
        model.checkHosts();
        model.finish();
      }),
      { numRuns: 200 },
    );
  });
});
