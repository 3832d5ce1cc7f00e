/**
 * Hosts on paper that run tasks: what they are told waits in their inbox until they look, so that it may come too late.
 *
 * @module
 */

import { assert } from "@std/assert";
import type { SubmitBody } from "../../protocol/mod.ts";
import type { SchedulerInput } from "../../scheduler/events.ts";
import type { Instruction } from "../../scheduler/instructions.ts";
import type { TaskRecord } from "../../scheduler/task_record.ts";
import { Simulation, submission } from "./simulation.ts";

/** What a host is told to run. */
export type ComputeOrder = Extract<Instruction, { type: "sendCompute" }>;

/** The value of a key and its size, as the hosts make it. */
export type Evaluate = (key: string) => Uint8Array;

/** A host that runs tasks. */
export class TaskHost {
  readonly worker: string;
  readonly incarnation: string;
  readonly inbox: Instruction[] = [];
  readonly running = new Map<string, ComputeOrder>();
  readonly results = new Map<string, { readonly run: number; readonly value: Uint8Array }>();

  constructor(worker: string, incarnation: string) {
    this.worker = worker;
    this.incarnation = incarnation;
  }

  /** Keeps what came of an attempt, unless a later one is there. */
  put(key: string, run: number, value: Uint8Array): void {
    if ((this.results.get(key)?.run ?? 0) <= run) this.results.set(key, { run, value });
  }
}

/** A core with hosts that run tasks. */
export class TaskSimulation extends Simulation {
  /** The hosts that are up, by worker. */
  readonly hosts = new Map<string, TaskHost>();
  /** What a task gives. */
  evaluate: Evaluate = (key) => new TextEncoder().encode(key);
  /** How often each key was run to its end. */
  readonly runs = new Map<string, number>();

  /** Keys that name actors: what a host is sent for them are handles. */
  readonly #handles = new Set<string>();

  override run(input: SchedulerInput): Instruction[] {
    if (input.type === "submitted" && input.body.actor) this.#handles.add(input.key);
    if (input.type === "hostJoined") this.hosts.set(input.worker, new TaskHost(input.worker, input.incarnation));
    const instructions = super.run(input);
    for (const instruction of instructions) {
      switch (instruction.type) {
        case "sendCompute":
        case "sendCancelCompute":
        case "sendStore":
        case "sendCopy":
        case "sendForget":
          this.hosts.get(instruction.worker)?.inbox.push(instruction);
      }
    }
    for (const [worker, host] of this.hosts) {
      if (this.state.workers.get(worker)?.host?.incarnation !== host.incarnation) this.hosts.delete(worker);
    }
    return instructions;
  }

  /** The record of a task, data or external key. */
  task(key: string): TaskRecord {
    const record = this.state.keys.get(key);
    assert(record && record.kind !== "actor", `${key} is there`);
    return record;
  }

  /** A client submits a task. */
  submitTask(client: string, key: string, refs: readonly string[] = [], more: Partial<SubmitBody> = {}): void {
    this.submitFor(client, undefined, key, refs, more);
  }

  /** An isolate submits a task for an actor or task that runs there. */
  submitFor(
    client: string,
    holder: string | undefined,
    key: string,
    refs: readonly string[] = [],
    more: Partial<SubmitBody> = {},
  ): void {
    const body = submission({ actor: false, ...more });
    const args = new Uint8Array();
    const running = holder === undefined ? undefined : this.state.keys.get(holder);
    const chain = running?.kind === "task" ? [`${holder}#${running.run}`] : [];
    this.run({ type: "submitted", client, key, body, submitted: new Uint8Array([1]), args, refs, holder, chain });
  }

  /** A host does the next thing that it was told. */
  act(host: TaskHost): void {
    const instruction = host.inbox.shift();
    switch (instruction?.type) {
      case "sendCompute":
        host.running.set(instruction.key, instruction);
        return;
      case "sendCancelCompute":
        if (host.running.get(instruction.key)?.run === instruction.run) host.running.delete(instruction.key);
        return;
      case "sendStore": {
        const { key, run, value } = instruction;
        host.put(key, run, value);
        const { worker, incarnation } = host;
        this.run({ type: "stored", worker, host: incarnation, key, run });
        return;
      }
      case "sendCopy":
        if (!this.fetch(host, instruction)) {
          const { worker, incarnation } = host;
          this.run({ type: "copyFailed", worker, host: incarnation, key: instruction.key, run: instruction.run });
        }
        return;
      case "sendForget":
        if (host.results.get(instruction.key)?.run === instruction.run) host.results.delete(instruction.key);
    }
  }

  /**
   * A host finishes a task that it runs: where it can fetch what that depends on, and gets it right.
   *
   * @param took Milliseconds.
   */
  finish(host: TaskHost, key: string, refs: readonly string[] = [], took = 10): void {
    const order = host.running.get(key);
    assert(order, `${key} runs on ${host.worker}`);
    host.running.delete(key);
    const { run } = order;
    const about = { worker: host.worker, host: host.incarnation, key, run };
    const missing: string[] = [];
    for (const dependency of order.dependencies) {
      const value = dependency.value ?? this.fetch(host, dependency);
      if (value === undefined) missing.push(dependency.key);
      else if (!this.#handles.has(dependency.key)) this.#check(dependency.key, value);
    }
    if (missing.length > 0) {
      this.run({ type: "computeFailed", ...about, executed: "no", error: new Uint8Array(), missing });
      return;
    }
    const value = this.evaluate(key);
    this.runs.set(key, (this.runs.get(key) ?? 0) + 1);
    const small = value.length <= 1024 ? value : undefined;
    if (!small) host.put(key, run, value);
    this.run({ type: "computed", ...about, size: value.length, value: small, refs, took });
  }

  /** A host gives a task back that it has not begun. */
  giveBack(host: TaskHost, key: string): void {
    const { run } = host.running.get(key)!;
    host.running.delete(key);
    this.run({ type: "returned", worker: host.worker, host: host.incarnation, key, run });
  }

  /** A host gets a value: its own, or that of one of those that keep it, which it then keeps too, and says so. */
  fetch(
    host: TaskHost,
    { key, run, holders }: {
      readonly key: string;
      readonly run: number;
      readonly holders: readonly { worker: string; host: string }[];
    },
  ): Uint8Array | undefined {
    const own = host.results.get(key);
    if (own?.run === run) return own.value;
    for (const { worker, host: incarnation } of holders) {
      const other = this.hosts.get(worker);
      const kept = other?.incarnation === incarnation ? other.results.get(key) : undefined;
      if (kept === undefined || other === host) continue;
      host.put(key, run, kept.value);
      this.run({ type: "copied", worker: host.worker, host: host.incarnation, key, run });
      return kept.value;
    }
    return undefined;
  }

  /** The function of a task throws. */
  failTask(host: TaskHost, key: string, error = new Uint8Array([9])): void {
    const { run } = host.running.get(key)!;
    host.running.delete(key);
    const { worker, incarnation } = host;
    this.run({ type: "computeFailed", worker, host: incarnation, key, run, executed: "yes", error, missing: [] });
  }

  /** The hosts do all that they were told, and finish all tasks, until there is nothing more to do. */
  work(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const host of [...this.hosts.values()]) {
        while (host.inbox.length > 0) {
          this.act(host);
          isBusy = true;
        }
        for (const key of [...host.running.keys()]) {
          if (!host.running.has(key)) continue;
          this.finish(host, key);
          isBusy = true;
        }
      }
    }
  }

  /** The host on which a task runs. */
  hostOf(key: string): TaskHost {
    const host = [...this.hosts.values()].find(({ running, inbox }) =>
      running.has(key) || inbox.some((instruction) => instruction.type === "sendCompute" && instruction.key === key)
    );
    assert(host, `${key} runs somewhere`);
    while (!host.running.has(key)) this.act(host);
    return host;
  }

  /** A worker is gone. */
  loseWorker(worker: string): void {
    this.forgetHost(this.state.workers.get(worker)?.host?.incarnation ?? "");
    this.hosts.delete(worker);
    this.run({ type: "workerLeft", worker, reason: "worker-exit" });
  }

  #check(key: string, value: Uint8Array): void {
    const right = this.evaluate(key);
    assert(value.length === right.length && value.every((byte, index) => byte === right[index]), `${key} is right`);
  }
}
