/**
 * The isolates in which one host runs tasks: one task at a time in each, and never an actor.
 *
 * @module
 */

import { encodeError, type Executed, type SubmittedTarget, TroupeError } from "../protocol/mod.ts";
import { LoadedModules, type ModuleGraph } from "./generations.ts";
import type { TaskIsolate, TaskOrder, TaskOutcome } from "./isolate.ts";
import { cannotReload } from "./isolate_pool.ts";
import { cancelledTask, isolateEnded } from "./task_runner.ts";

/** Options of {@linkcode TaskIsolates}. */
export interface TaskIsolatesOptions {
  /** The host's own isolate, which runs async functions. */
  readonly inline: TaskIsolate;
  /** What it has loaded, for actors too. */
  readonly inlineModules: LoadedModules;
  /** Starts others; `undefined` where there are no Web Workers: then everything runs in the host's own. */
  readonly start: ((home: string) => Promise<TaskIsolate>) | undefined;
  /** How many run at the most. */
  readonly threads: number;
  /** The state of a target's code. */
  readonly graphOf: (target: SubmittedTarget) => ModuleGraph | Promise<ModuleGraph>;
  /** Name of the worker, for errors. */
  readonly workerName: string;
}

/** A task, and where it should run. */
export interface TaskRequest extends Omit<TaskOrder, "asyncOnly"> {
  /** Whether its caller took it for an async function. */
  readonly inline: boolean;
}

/** One isolate, from the moment that it was wanted. */
interface Seat {
  readonly home: string;
  readonly started: Promise<TaskIsolate>;
  readonly modules: LoadedModules;
  busy: boolean;
}

/** A task that has no outcome yet. */
interface Job {
  readonly order: Omit<TaskOrder, "asyncOnly">;
  readonly settle: (outcome: TaskOutcome) => void;
  /** Where it runs; `undefined` while it waits. */
  isolate: TaskIsolate | undefined;
}

/** The isolates in which one host runs tasks. */
export class TaskIsolates {
  readonly #options: TaskIsolatesOptions;
  readonly #seats = new Set<Seat>();
  readonly #jobs = new Set<Job>();
  /** Those that wait for an isolate, and such as have been cancelled meanwhile. */
  readonly #waiting: { readonly job: Job; readonly graph: ModuleGraph }[] = [];
  #started = 0;

  /** Starts nothing. */
  constructor(options: TaskIsolatesOptions) {
    this.#options = options;
  }

  /** How many isolates run or start. */
  get size(): number {
    return this.#seats.size;
  }

  /** Runs a task, as soon as there is an isolate for it. Never rejects. */
  run({ inline, ...order }: TaskRequest): Promise<TaskOutcome> {
    const { promise, resolve } = Promise.withResolvers<TaskOutcome>();
    const job: Job = {
      order,
      settle: (outcome) => {
        if (this.#jobs.delete(job)) resolve(outcome);
      },
      isolate: undefined,
    };
    this.#jobs.add(job);
    this.#place(job, inline).catch((error) => job.settle(failed(error, "no")));
    return promise;
  }

  /** Stops a task: one that waits never starts, of one that runs its isolate decides. */
  cancel(key: string, run: number): void {
    for (const job of this.#jobs) {
      if (job.order.key !== key || job.order.run !== run) continue;
      if (job.isolate) job.isolate.cancelCompute(key, run);
      else job.settle(failed(cancelledTask(key, "no"), "no"));
    }
  }

  /** Ends all isolates. Tasks that wait never start; those that run have `timeout` milliseconds. */
  async close(timeout: number): Promise<void> {
    for (const job of this.#jobs) if (!job.isolate) job.settle(failed(cancelledTask(job.order.key, "no"), "no"));
    await Promise.all([...this.#seats].map(async ({ started }) => {
      const isolate = await started.catch(() => undefined);
      await isolate?.close(timeout);
    }));
  }

  async #place(job: Job, inline: boolean): Promise<void> {
    const { graphOf, inlineModules, start } = this.#options;
    const { target } = job.order;
    const graph = await graphOf(target);
    if (!this.#jobs.has(job)) return;
    const fit = inlineModules.fit(graph);
    if (start === undefined && fit === "changed") return job.settle(failed(cannotReload(target), "no"));
    if (start === undefined || inline && fit === "fits") {
      const outcome = await this.#runInline(job, graph);
      if (outcome.ok || !outcome.failure.needsSharedHome) return job.settle(outcome);
      if (!this.#jobs.has(job)) return;
    }
    this.#waiting.push({ job, graph });
    this.#advance();
  }

  async #runInline(job: Job, graph: ModuleGraph): Promise<TaskOutcome> {
    const { inline, inlineModules, start } = this.#options;
    inlineModules.add(graph);
    job.isolate = inline;
    const outcome = await inline.compute({ ...job.order, asyncOnly: start !== undefined });
    job.isolate = undefined;
    if (!outcome.ok && outcome.failure.importFailed) inlineModules.addFailure(graph.url);
    return outcome;
  }

  #advance(): void {
    while (this.#waiting.length > 0) {
      const { job, graph } = this.#waiting[0]!;
      if (this.#jobs.has(job)) {
        const seat = this.#seatFor(graph);
        if (seat === undefined) return;
        this.#runIn(seat, job, graph);
      }
      this.#waiting.shift();
    }
  }

  /** An isolate that is idle and may load the code, or a new one; `undefined` where all are busy. */
  #seatFor(graph: ModuleGraph): Seat | undefined {
    const idle = [...this.#seats].filter(({ busy }) => !busy);
    const fitting = idle.find(({ modules }) => modules.fit(graph) === "fits");
    if (fitting) return fitting;
    if (this.#seats.size >= this.#options.threads) {
      // One that holds other code gives way to one that holds none.
      const [old] = idle;
      if (old === undefined) return undefined;
      this.#seats.delete(old);
      old.started.then((isolate) => isolate.close(0)).catch(() => {});
    }
    return this.#open();
  }

  #open(): Seat {
    const home = `task-${++this.#started}`;
    const started = this.#options.start!(home);
    const seat: Seat = { home, started, modules: new LoadedModules(), busy: false };
    this.#seats.add(seat);
    started.then((isolate) => isolate.ended).catch(() => {}).then(() => {
      if (this.#seats.delete(seat)) this.#advance();
    });
    return seat;
  }

  async #runIn(seat: Seat, job: Job, graph: ModuleGraph): Promise<void> {
    seat.busy = true;
    seat.modules.add(graph);
    const outcome = await this.#outcome(seat, job);
    if (outcome === undefined) this.#waiting.unshift({ job, graph });
    else {
      if (!outcome.ok && outcome.failure.importFailed) seat.modules.addFailure(graph.url);
      job.settle(outcome);
    }
    seat.busy = false;
    this.#advance();
  }

  /** `undefined` where the isolate had ended before it heard of the task. */
  async #outcome(seat: Seat, job: Job): Promise<TaskOutcome | undefined> {
    const { order } = job;
    const { workerName } = this.#options;
    let isolate: TaskIsolate;
    try {
      isolate = await seat.started;
    } catch (error) {
      return failed(isolateEnded(order.key, (error as Error).message, workerName, "no"), "no");
    }
    if (!this.#jobs.has(job)) return failed(cancelledTask(order.key, "no"), "no");
    job.isolate = isolate;
    try {
      return await isolate.compute({ ...order, asyncOnly: false });
    } catch (error) {
      this.#seats.delete(seat);
      job.isolate = undefined;
      if (error instanceof TroupeError && error.executed === "no") return undefined;
      const { message } = await isolate.ended;
      return failed(isolateEnded(order.key, message, workerName, "unknown"), "unknown");
    }
  }
}

function failed(error: unknown, executed: Executed): TaskOutcome {
  const envelope = encodeError(error).slice();
  return { ok: false, failure: { error: envelope, executed, needsSharedHome: false, importFailed: false } };
}
