/**
 * The isolates in which one host runs tasks: one task at a time in each, and never an actor.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import {
  encodeError,
  type Executed,
  type HomeKind,
  type HomePermissions,
  type SubmittedTarget,
  TroupeError,
} from "../protocol/mod.ts";
import { LoadedModules, type ModuleGraph } from "./generations.ts";
import type { TaskIsolate, TaskOrder, TaskOutcome } from "./isolate.ts";
import { cannotReload, homeHere, noSuchHome, type OwnIsolate } from "./isolate_pool.ts";
import { cancelledTask, isolateEnded } from "./task_runner.ts";

/** Milliseconds that a task which was cancelled has to stop before its isolate is given up. */
const STOP_TIME = 1000;

/** Options of {@linkcode TaskIsolates}. */
export interface TaskIsolatesOptions {
  /** The host's own isolate, which runs async functions. */
  readonly inline: TaskIsolate;
  /** What it has loaded, for actors too. */
  readonly inlineModules: LoadedModules;
  /** Starts others; `undefined` where there are no Web Workers: then everything runs in the host's own. */
  readonly start: ((home: string, kind: HomeKind, own?: OwnIsolate) => Promise<TaskIsolate>) | undefined;
  /** Whether that may be a process. @default {false} */
  readonly startsProcesses?: boolean;
  /** How many run at the most. */
  readonly threads: number;
  /** The state of a target's code. */
  readonly graphOf: (target: SubmittedTarget) => ModuleGraph | Promise<ModuleGraph>;
  /** Name of the worker, for errors. */
  readonly workerName: string;
  /** The time. */
  readonly clock: Clock;
}

/** A task, and where it should run. */
export interface TaskRequest extends Omit<TaskOrder, "asyncOnly"> {
  /** Inline where its caller took it for an async function; otherwise what its user chose. */
  readonly home: HomeKind;
  /** What its code may do, in an isolate of its own. */
  readonly permissions?: HomePermissions | undefined;
  /** The most bytes of memory, in a process of its own. */
  readonly memoryLimit?: number | undefined;
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
  run({ home, permissions, memoryLimit, ...order }: TaskRequest): Promise<TaskOutcome> {
    const { promise, resolve } = Promise.withResolvers<TaskOutcome>();
    const job: Job = {
      order,
      settle: (outcome) => {
        if (this.#jobs.delete(job)) resolve(outcome);
      },
      isolate: undefined,
    };
    this.#jobs.add(job);
    const own = { permissions, memoryLimit };
    const placed = home === "dedicated" || home === "process"
      ? this.#runAlone(job, home, own)
      : this.#place(job, home === "inline");
    placed.catch((error) => job.settle(failed(error, "no")));
    return promise;
  }

  /** Stops a task: one that waits never starts, of one that runs its isolate decides. */
  cancel(key: string, run: number): void {
    for (const job of this.#jobs) {
      if (job.order.key !== key || job.order.run !== run) continue;
      if (job.isolate) this.#stop(job, job.isolate);
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

  /** Runs a task in an isolate that is there for it alone. */
  async #runAlone(job: Job, home: HomeKind, own: Omit<OwnIsolate, "graph">): Promise<void> {
    const { graphOf, start, workerName } = this.#options;
    const { key, target } = job.order;
    const kind = homeHere(home, own.permissions ?? "inherit", this.#options);
    if (kind === undefined) throw noSuchHome(key, home, own.permissions ?? "inherit");
    if (kind === "inline") return await this.#place(job, true);
    const graph = await graphOf(target);
    const isolate = await start!(`${kind}-task-${++this.#started}`, kind, { ...own, graph });
    if (!this.#jobs.has(job)) return void isolate.close(0);
    job.isolate = isolate;
    try {
      job.settle(await isolate.compute({ ...job.order, asyncOnly: false }));
    } catch {
      const { message } = await isolate.ended;
      job.settle(failed(isolateEnded(key, message, workerName, "unknown"), "unknown"));
    } finally {
      await isolate.close(0);
    }
  }

  /** A function that awaits something stops by itself; one that holds up its isolate takes that with it. */
  #stop(job: Job, isolate: TaskIsolate): void {
    const { key, run } = job.order;
    isolate.cancelCompute(key, run);
    this.#options.clock.setTimer(STOP_TIME, () => {
      if (this.#jobs.has(job) && job.isolate === isolate) isolate.abandon(`The task ${key} did not stop`);
    });
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
    const started = this.#options.start!(home, "shared");
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
