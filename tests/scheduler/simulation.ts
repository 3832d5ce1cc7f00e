/**
 * A scheduler's core with peers that exist on paper only: hosts answer when they are told to, timers fire when they are
 * told to, and every event is followed by a check of all invariants.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { Executed, StatusBody, SubmitBody, WorkerHello } from "../../protocol/mod.ts";
import type { SchedulerInput } from "../../scheduler/events.ts";
import type { Instruction, TimerName } from "../../scheduler/instructions.ts";
import { checkInvariants } from "../../scheduler/invariants.ts";
import { createState, type SchedulerState } from "../../scheduler/state.ts";
import { handleEvent } from "../../scheduler/transitions.ts";

/** An actor as a simulated host sees it. */
export interface HostedActor {
  readonly worker: string;
  readonly host: string;
  readonly key: string;
  readonly incarnation: string;
  /** `unwanted`: to be destroyed before it stands. */
  phase: "creating" | "unwanted" | "running" | "destroying";
}

/** A status that a client was sent. */
export interface SentStatus {
  readonly client: string;
  readonly key: string;
  readonly body: StatusBody;
  readonly ticket: boolean;
}

/** Random bytes that are the same in every run. */
export function countingRandom(): (bytes: Uint8Array<ArrayBuffer>) => Uint8Array {
  let count = 0;
  return (bytes) => {
    new DataView(bytes.buffer, bytes.byteOffset).setUint32(bytes.length - 4, ++count);
    return bytes;
  };
}

/** What a nanny says of itself. */
export function workerHello(more: Partial<WorkerHello> = {}): WorkerHello {
  return {
    troupe: "0.1.0",
    runtime: "deno 2.9.6",
    name: "",
    pid: 7,
    machine: "here",
    resources: {},
    isolates: 2,
    threads: 2,
    memoryLimit: 0,
    ...more,
  };
}

/** What a client submits. */
export function submission(more: Partial<SubmitBody> = {}): SubmitBody {
  return {
    target: { module: "file:///counter.ts", export: "Counter", name: "Counter", byValue: false, version: undefined },
    actor: true,
    home: "inline",
    homeFixed: false,
    workers: undefined,
    allowOtherWorkers: undefined,
    resources: undefined,
    priority: undefined,
    retries: undefined,
    timeout: undefined,
    detached: undefined,
    pure: undefined,
    permissions: undefined,
    memoryLimit: undefined,
    onStuck: undefined,
    maxPending: undefined,
    concurrency: undefined,
    ...more,
  };
}

/** A core, its peers on paper, and what they were told. */
export class Simulation {
  readonly state: SchedulerState = createState({ random: countingRandom() });
  readonly timers = new Map<TimerName, number>();
  readonly statuses: SentStatus[] = [];
  readonly answers: Extract<Instruction, { type: "answer" }>[] = [];
  readonly hosted = new Map<string, HostedActor>();
  readonly instructions: Instruction[] = [];
  at = 1000;

  /** Lets something happen; returns what the core wants done. */
  run(input: SchedulerInput): Instruction[] {
    const instructions = handleEvent(this.state, { ...input, at: this.at } as Parameters<typeof handleEvent>[1]);
    checkInvariants(this.state);
    for (const instruction of instructions) this.#perform(instruction);
    this.instructions.push(...instructions);
    return instructions;
  }

  /** What the nanny of a worker called `name` says of itself. */
  hello(name: string): WorkerHello {
    return workerHello({ name });
  }

  /** A worker whose host is up, called `name`. */
  addWorker(name: string, resources: Record<string, number> = {}, hello: Partial<WorkerHello> = {}): void {
    this.run({ type: "workerJoined", worker: name, hello: workerHello({ name, resources, ...hello }) });
    this.startHost(name, `${name}-1`);
  }

  /** The worker starts a host. */
  startHost(worker: string, incarnation: string, address = `ws://${worker}.test:4000/ws`): void {
    this.run({ type: "hostAnnounced", worker, incarnation });
    this.run({ type: "hostJoined", worker, incarnation, pid: 8, address });
  }

  /** A client. */
  addClient(client: string): void {
    this.run({
      type: "clientJoined",
      client,
      session: `secret of ${client}`,
      versions: { troupe: "0.1.0", runtime: "deno" },
    });
  }

  /** A client submits an actor. */
  submit(client: string, key: string, more: Partial<SubmitBody> = {}): void {
    const body = submission(more);
    this.run({
      type: "submitted",
      client,
      key,
      body,
      submitted: new Uint8Array([1]),
      args: new Uint8Array(),
      refs: [],
    });
  }

  /** The host in which the actor is being created has created it. */
  created(key: string, home = "main"): void {
    const actor = this.#find(key, "creating", "unwanted");
    // What its host had said before it heard that.
    actor.phase = actor.phase === "unwanted" ? "destroying" : "running";
    const { worker, host, incarnation } = actor;
    const body = {
      home,
      homeKind: "inline" as const,
      address: `ws://${worker}.test:4000/ws`,
      tag: new Uint8Array([7]),
      manifest: new Uint8Array([8]),
    };
    this.run({ type: "created", worker, host, key, incarnation, body });
  }

  /** The host could not create it. */
  createFailed(key: string, executed: Executed = "yes"): void {
    const { worker, host, incarnation } = this.#forget(this.#find(key, "creating", "unwanted"));
    this.run({ type: "createFailed", worker, host, key, incarnation, executed, error: new Uint8Array([9]) });
  }

  /** The actor is gone from its host. */
  ended(key: string, reason = "released"): void {
    const { worker, host, incarnation } = this.#forget(this.#find(key));
    this.run({ type: "ended", worker, host, key, incarnation, reason });
  }

  /** The host is gone, with what was in it. */
  hostEnded(worker: string, reason: string): void {
    const incarnation = this.state.workers.get(worker)?.host?.incarnation ?? "";
    this.forgetHost(incarnation);
    this.run({ type: "hostEnded", worker, incarnation, reason });
  }

  /** Forgets the actors of a host that is gone. */
  forgetHost(incarnation: string): void {
    for (const [id, actor] of this.hosted) if (actor.host === incarnation) this.hosted.delete(id);
  }

  /** Lets a timer run out. */
  fire(timer: TimerName): void {
    const due = this.timers.get(timer);
    assert(due !== undefined, `The timer ${timer} is set`);
    this.timers.delete(timer);
    this.at = Math.max(this.at, due);
    this.run({ type: "timerFired", timer });
  }

  /** The statuses that a client was sent, of one key. */
  statusesOf(client: string, key: string): StatusBody[] {
    return this.statuses.filter((sent) => sent.client === client && sent.key === key).map(({ body }) => body);
  }

  /** Words of the statuses that a client was sent, of one key. */
  words(client: string, key: string): string[] {
    return this.statusesOf(client, key).map(({ status }) => status);
  }

  #perform(instruction: Instruction): void {
    switch (instruction.type) {
      case "sendStatus": {
        const { client, key, body, ticketFor } = instruction;
        this.statuses.push({ client, key, body, ticket: ticketFor !== undefined });
        return;
      }
      case "answer":
        this.answers.push(instruction);
        return;
      case "setTimer":
        this.timers.set(instruction.timer, this.at + instruction.delay);
        return;
      case "clearTimer":
        this.timers.delete(instruction.timer);
        return;
      case "sendCreate": {
        const { worker, key, incarnation } = instruction;
        const host = this.state.workers.get(worker)!.host!.incarnation;
        assert(![...this.hosted.values()].some((actor) => actor.key === key), `${key} exists once at a time`);
        this.hosted.set(incarnation, { worker, host, key, incarnation, phase: "creating" });
        return;
      }
      case "sendDestroy": {
        const actor = this.hosted.get(instruction.incarnation);
        if (actor) {
          const { phase } = actor;
          assert(phase === "creating" || phase === "running", `${actor.key} is destroyed while it is ${phase}`);
          actor.phase = phase === "creating" ? "unwanted" : "destroying";
        }
      }
    }
  }

  #find(key: string, ...phases: HostedActor["phase"][]): HostedActor {
    const found = [...this.hosted.values()].find((actor) => {
      return actor.key === key && (phases.length === 0 || phases.includes(actor.phase));
    });
    assert(found, `${key} is ${phases.join(" or ") || "in a host"}`);
    return found;
  }

  #forget(actor: HostedActor): HostedActor {
    this.hosted.delete(actor.incarnation);
    return actor;
  }
}
