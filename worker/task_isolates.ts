/**
 * The isolates in which one host runs tasks: one task at a time in each, and never an actor. A task may have one alone.
 *
 * Where functions take much less time than a message to an isolate, each is given some tasks ahead. What waits behind a
 * function that takes longer than those before it is taken back, and runs in another isolate, or on another worker.
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
import type { TaskIsolate, TaskOrder, TaskOutcome, TaskReceiver, TaskThread } from "./isolate.ts";
import { cannotReload, homeHere, noSuchHome, type OwnIsolate } from "./isolate_pool.ts";
import { cancelledTask, isolateEnded } from "./task_runner.ts";

/** Milliseconds that a task which was cancelled has to stop before its isolate is given up. */
const STOP_TIME = 1000;

/** Milliseconds of work that an isolate is given ahead. */
const AHEAD = 1;

/** Tasks that an isolate is given at the most. */
const MOST_GIVEN = 32;

/** How much the latest task counts in the average of what tasks take. */
const WEIGHT = 1 / 8;

/** Milliseconds between looks at what waits. */
const LOOK_INTERVAL = 25;

/** What would take more than so many looks at the present pace goes back to the scheduler. */
const MOST_LOOKS = 4;

/** Options of {@linkcode TaskIsolates}. */
export interface TaskIsolatesOptions {
  /** The host's own isolate, which runs async functions. */
  readonly inline: TaskIsolate;
  /** What it has loaded, for actors too. */
  readonly inlineModules: LoadedModules;
  /** Starts others; `undefined` where there are no Web Workers: then everything runs in the host's own. */
  readonly start: ((home: string, kind: HomeKind, own?: OwnIsolate) => Promise<TaskThread>) | undefined;
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

/** What came of a task; `returned` where it has not begun, and should run elsewhere as there is too much to do here. */
export type TaskAnswer = TaskOutcome | "returned";

/** One isolate, from the moment that it was wanted. */
interface Seat {
  /** Those among which it is as long as it is there: the shared ones, or those of one task. */
  readonly among: Set<Seat>;
  readonly modules: LoadedModules;
  /** What fitted last. */
  fits: ModuleGraph | undefined;
  /** `undefined` while it starts. */
  isolate: TaskThread | undefined;
  /** The tasks that it was given, and that have not come to their end, in their order. */
  given: Job[];
  /** How many of them await something. */
  awaiting: number;
  /** How many have come to their end since the last look. */
  settled: number;
}

/** A task that has no answer yet. */
class Job implements TaskReceiver {
  order: TaskOrder;
  readonly answer: (answer: TaskAnswer) => void;
  readonly #events: JobEvents;
  graph: ModuleGraph | undefined;
  /** Where it runs; `undefined` while it waits. */
  place: Seat | "inline" | undefined;
  /** Whether its function has given a promise, so that others run there meanwhile. */
  awaits = false;

  constructor(order: TaskOrder, answer: (answer: TaskAnswer) => void, events: JobEvents) {
    this.order = order;
    this.answer = answer;
    this.#events = events;
  }

  settle(outcome: TaskOutcome): void {
    this.#events.settled(this, outcome);
  }

  wait(): void {
    this.#events.waits(this);
  }

  lose(begun: boolean): void {
    this.#events.lost(this, begun);
  }
}

interface JobEvents {
  readonly settled: (job: Job, outcome: TaskOutcome) => void;
  readonly waits: (job: Job) => void;
  readonly lost: (job: Job, begun: boolean) => void;
}

/** The isolates in which one host runs tasks. */
export class TaskIsolates {
  readonly #options: TaskIsolatesOptions;
  readonly #seats = new Set<Seat>();
  /** Those that are there for one task. */
  readonly #alone = new Set<Seat>();
  /** By attempt: the scheduler never counts two alike. */
  readonly #jobs = new Map<number, Job>();
  /** Those that wait for an isolate, and such as have an answer meanwhile. */
  #waiting: Job[] = [];
  readonly #events: JobEvents = {
    settled: (job, outcome) => job.place === "inline" ? this.#settledInline(job, outcome) : this.#settled(job, outcome),
    waits: (job) => this.#waits(job),
    lost: (job, begun) => this.#lost(job, begun),
  };
  /** Average of milliseconds that functions take. */
  #took = Infinity;
  #started = 0;
  #advancing = false;
  #stopLooking: (() => void) | undefined;
  #closed = false;

  /** Starts nothing. */
  constructor(options: TaskIsolatesOptions) {
    this.#options = options;
  }

  /** How many isolates run or start. */
  get size(): number {
    return this.#seats.size + this.#alone.size;
  }

  /** Runs a task, as soon as there is an isolate for it; `answer` is called once, perhaps at once. */
  run(
    { home, permissions = "inherit", memoryLimit, ...order }: TaskRequest,
    answer: (answer: TaskAnswer) => void,
  ): void {
    const { graphOf, start } = this.#options;
    const kind = homeHere(home, permissions, this.#options);
    const asyncOnly = kind === "inline" && start !== undefined;
    const job = new Job({ ...order, asyncOnly }, answer, this.#events);
    this.#jobs.set(order.run, job);
    const place = (graph: ModuleGraph) => this.#place(job, { kind: kind!, permissions, memoryLimit, graph });
    try {
      if (kind === undefined) throw noSuchHome(order.key, home, permissions);
      const graph = graphOf(order.target);
      if (!(graph instanceof Promise)) return place(graph);
      graph.then(place).catch((error) => this.#answer(job, failed(error, "no")));
    } catch (error) {
      this.#answer(job, failed(error, "no"));
    }
  }

  /**
   * Stops a task: one that has not begun never does, one that awaits something stops by itself, and one that holds up its
   * isolate takes that with it.
   */
  cancel(key: string, run: number): void {
    const job = this.#jobs.get(run);
    if (job?.order.key !== key) return;
    if (typeof job.place === "object") this.#takeBack(job.place);
    const { place } = job;
    if (place === undefined) return this.#cancelUnbegun(job);
    if (place === "inline") return this.#options.inline.cancelCompute(key, run);
    const isolate = place.isolate!;
    isolate.cancelCompute(key, run);
    this.#options.clock.setTimer(STOP_TIME, () => {
      if (this.#jobs.get(run) === job && job.place === place) isolate.abandon(`The task ${key} did not stop`);
    });
  }

  /** Ends all isolates. Tasks that wait never start; those that run have `timeout` milliseconds. */
  async close(timeout: number): Promise<void> {
    this.#closed = true;
    this.#stopLooking?.();
    const seats = [...this.#seats, ...this.#alone];
    for (const seat of seats) this.#takeBack(seat);
    for (const job of [...this.#jobs.values()]) if (!job.place) this.#cancelUnbegun(job);
    await Promise.all(seats.map(({ isolate }) => isolate?.close(timeout)));
  }

  #place(job: Job, { kind, ...own }: OwnIsolate & { readonly kind: HomeKind }): void {
    if (!this.#jobs.has(job.order.run)) return;
    const { inlineModules, start } = this.#options;
    const { graph } = own;
    job.graph = graph;
    if (kind === "dedicated" || kind === "process") return this.#runAlone(job, kind, own);
    if (kind === "inline") {
      const fit = inlineModules.fit(graph);
      if (start === undefined && fit === "changed") {
        return this.#answer(job, failed(cannotReload(job.order.target), "no"));
      }
      if (start === undefined || fit === "fits") return this.#runInline(job, graph);
    }
    this.#wait(job);
  }

  /** Runs a task in an isolate that ends with it. */
  #runAlone(job: Job, kind: HomeKind, own: OwnIsolate): void {
    const seat = this.#open(`${kind}-task-${++this.#started}`, this.#alone, kind, own);
    job.place = seat;
    seat.given.push(job);
  }

  #runInline(job: Job, graph: ModuleGraph): void {
    this.#options.inlineModules.add(graph);
    job.place = "inline";
    this.#options.inline.compute(job.order, job);
  }

  #settledInline(job: Job, outcome: TaskOutcome): void {
    job.place = undefined;
    if (!outcome.ok && outcome.failure.importFailed) this.#options.inlineModules.addFailure(job.graph!.url);
    if (outcome.ok || !outcome.failure.needsSharedHome) this.#answer(job, outcome);
    else if (this.#jobs.has(job.order.run)) this.#wait(job);
  }

  #wait(job: Job): void {
    this.#waiting.push(job);
    this.#advanceSoon();
  }

  /** At the end of this turn, so that what comes together is shared out together. */
  #advanceSoon(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    queueMicrotask(() => {
      this.#advancing = false;
      this.#advance();
    });
  }

  #advance(): void {
    let next = 0;
    for (; next < this.#waiting.length; next++) {
      const job = this.#waiting[next]!;
      if (this.#jobs.get(job.order.run) !== job) continue;
      const seat = this.#closed ? undefined : this.#seatFor(job.graph!);
      if (seat === undefined) break;
      this.#give(seat, job);
    }
    if (next > 0) this.#waiting.splice(0, next);
    if (this.#hasSurplus()) this.#lookLater();
  }

  /** An isolate that may load the code and takes a task now, or a new one; `undefined` where there is none. */
  #seatFor(graph: ModuleGraph): Seat | undefined {
    let best: Seat | undefined;
    let unfit: Seat | undefined;
    for (const seat of this.#seats) {
      if (seat.fits !== graph && seat.modules.fit(graph) !== "fits") {
        if (seat.given.length === 0) unfit ??= seat;
      } else if (!best || load(seat) < load(best)) {
        best = seat;
      }
    }
    if (best && load(best) === 0) return best;
    if (this.#busySeats() < this.#options.threads) return this.#openShared();
    if (unfit) {
      // One that holds other code gives way to one that holds none.
      this.#seats.delete(unfit);
      unfit.isolate?.close(0);
      return this.#openShared();
    }
    const most = Math.min(MOST_GIVEN, Math.max(1, Math.floor(AHEAD / this.#took)));
    return best && load(best) < most ? best : undefined;
  }

  /** All isolates but those in which all that runs awaits something. */
  #busySeats(): number {
    let count = 0;
    for (const seat of this.#seats) if (load(seat) > 0 || seat.given.length === 0) count++;
    return count;
  }

  #openShared(): Seat {
    return this.#open(`task-${++this.#started}`, this.#seats, "shared");
  }

  #open(home: string, among: Set<Seat>, kind: HomeKind, own?: OwnIsolate): Seat {
    const seat: Seat = {
      among,
      modules: new LoadedModules(),
      fits: undefined,
      isolate: undefined,
      given: [],
      awaiting: 0,
      settled: 0,
    };
    among.add(seat);
    this.#options.start!(home, kind, own).then(
      (isolate) => this.#opened(seat, isolate),
      (error) => this.#failedToOpen(seat, error),
    );
    return seat;
  }

  #opened(seat: Seat, isolate: TaskThread): void {
    const isCancelled = seat.among === this.#alone && seat.given.length === 0;
    if (this.#closed || isCancelled || !seat.among.has(seat)) {
      seat.among.delete(seat);
      return void isolate.close(0);
    }
    seat.isolate = isolate;
    isolate.ended.then(() => {
      seat.among.delete(seat);
      this.#advanceSoon();
    });
    for (const job of seat.given) isolate.compute(job.order, job);
  }

  #failedToOpen(seat: Seat, error: Error): void {
    seat.among.delete(seat);
    for (const job of seat.given.splice(0)) {
      const why = error instanceof TroupeError ? error : this.#isolateEnded(job, error.message, "no");
      this.#answer(job, failed(why, "no"));
    }
    this.#advanceSoon();
  }

  #give(seat: Seat, job: Job): void {
    if (seat.fits !== job.graph) {
      seat.fits = job.graph;
      seat.modules.add(job.graph!);
    }
    job.order = job.order.asyncOnly ? { ...job.order, asyncOnly: false } : job.order;
    job.place = seat;
    seat.given.push(job);
    seat.isolate?.compute(job.order, job);
  }

  #settled(job: Job, outcome: TaskOutcome): void {
    const seat = job.place as Seat;
    remove(seat, job);
    seat.settled++;
    if (outcome.ok) {
      if (seat.among === this.#seats) this.#took = average(this.#took, outcome.took);
    } else if (outcome.failure.importFailed) {
      seat.modules.addFailure(job.graph!.url);
      seat.fits = undefined;
    }
    this.#answer(job, outcome);
    if (seat.among === this.#alone) seat.isolate!.close(0);
    if (this.#waiting.length > 0) this.#advanceSoon();
  }

  /** The function of a task has given a promise: its isolate can run another. */
  #waits(job: Job): void {
    if (typeof job.place !== "object" || job.awaits) return;
    job.awaits = true;
    job.place.awaiting++;
    if (this.#waiting.length > 0) this.#advanceSoon();
  }

  /** The isolate of a task has ended. */
  async #lost(job: Job, begun: boolean): Promise<void> {
    const seat = job.place as Seat;
    job.place = undefined;
    seat.among.delete(seat);
    remove(seat, job);
    const executed = begun ? "unknown" : "no";
    if (!begun && seat.among === this.#seats) {
      if (this.#closed) return this.#cancelUnbegun(job);
      this.#waiting.push(job);
      return this.#advanceSoon();
    }
    const { message } = await seat.isolate!.ended;
    this.#answer(job, failed(this.#isolateEnded(job, message, executed), executed));
  }

  /** Takes back what an isolate has not begun: it waits again, before the others. */
  #takeBack(seat: Seat): void {
    const count = seat.isolate ? seat.isolate.withdraw() : seat.given.length;
    const unbegun = seat.given.splice(seat.given.length - count);
    if (unbegun.length === 0) return;
    for (const job of unbegun) job.place = undefined;
    this.#waiting.unshift(...unbegun);
    this.#advanceSoon();
  }

  #answer(job: Job, answer: TaskAnswer): void {
    if (this.#jobs.get(job.order.run) !== job) return;
    this.#jobs.delete(job.order.run);
    job.answer(answer);
  }

  #isolateEnded({ order: { key } }: Job, how: string, executed: Executed): Error {
    return isolateEnded(key, how, this.#options.workerName, executed);
  }

  #cancelUnbegun(job: Job): void {
    this.#answer(job, failed(cancelledTask(job.order.key, "no"), "no"));
  }

  #hasSurplus(): boolean {
    return this.#waiting.length > 0 || [...this.#seats].some((seat) => load(seat) > 1);
  }

  #lookLater(): void {
    if (this.#closed) return;
    this.#stopLooking ??= this.#options.clock.setTimer(LOOK_INTERVAL, () => {
      this.#stopLooking = undefined;
      this.#lookAround();
    });
  }

  /** One function may take longer than those before: what waits behind it runs elsewhere. */
  #lookAround(): void {
    let settled = 0;
    for (const seat of this.#seats) {
      seat.isolate?.look();
      if (seat.settled === 0 && load(seat) > 1) this.#takeBack(seat);
      settled += seat.settled;
      seat.settled = 0;
    }
    const most = Math.max(this.#options.threads, settled * MOST_LOOKS);
    const waiting = this.#waiting.filter((job) => this.#jobs.get(job.order.run) === job);
    this.#waiting = waiting.slice(0, most);
    for (const job of waiting.slice(most)) this.#answer(job, "returned");
    this.#advance();
  }
}

function average(before: number, latest: number): number {
  return before === Infinity ? latest : before + (latest - before) * WEIGHT;
}

/** How many run in an isolate, or wait for their turn there. */
function load({ given, awaiting }: Seat): number {
  return given.length - awaiting;
}

/** Mostly it is the first. */
function remove(seat: Seat, job: Job): void {
  const { given } = seat;
  if (job.awaits) seat.awaiting--;
  if (given[0] === job) given.shift();
  else given.splice(given.indexOf(job), 1);
}

function failed(error: unknown, executed: Executed): TaskOutcome {
  const envelope = encodeError(error).slice();
  return { ok: false, failure: { error: envelope, executed, needsSharedHome: false, importFailed: false } };
}
