/**
 * The tasks of one host: fetches what they depend on, runs them, and keeps their results and what it has fetched.
 *
 * @module
 */

import { afterThisTurn } from "../connection/mod.ts";
import {
  BodyCache,
  type DataHolder,
  dataHolders,
  decodeBody,
  type DependenciesBody,
  dependenciesBody,
  DependencyLostError,
  encodeError,
  type MessageOf,
  ownBytes,
  SMALL_RESULT,
  type SubmitBody,
  submitBody,
} from "../protocol/mod.ts";
import type { HostLink, TaskRun } from "./host_link.ts";
import type { FetchedValue, TaskOutcome } from "./isolate.ts";
import type { ModulePolicy } from "./module_policy.ts";
import type { ResultStore, StoredResult } from "./result_store.ts";
import type { Spilling } from "./spilling.ts";
import type { TaskAnswer, TaskIsolates } from "./task_isolates.ts";
import { cancelledTask } from "./task_runner.ts";

/** After a result of more bytes it is looked whether memory is nearly full: until it is told, no other task comes. */
const LARGE = 1024 * 1024;

/** What tells the scheduler of tasks. */
export type TaskReporter = Pick<
  HostLink,
  "computed" | "computeFailed" | "returned" | "stored" | "copied" | "copyFailed"
>;

/** Options of {@linkcode HostTasks}. */
export interface HostTasksOptions {
  /** Incarnation of the host. */
  readonly host: string;
  /** Keeps results. */
  readonly results: ResultStore;
  /** Runs functions. */
  readonly isolates: TaskIsolates;
  /** Which modules may be loaded. */
  readonly policy: ModulePolicy;
  /** Asks another host for a value that it keeps. */
  readonly getData: (holder: DataHolder, key: string) => Promise<StoredResult>;
  /** Makes room where memory is nearly full. */
  readonly memory: Pick<Spilling, "relieve" | "relieving">;
  /** Told of every outcome, once, until the end. */
  readonly report: TaskReporter;
}

/** An order that has no answer yet. */
interface Job {
  readonly order: MessageOf<"compute">;
  cancelled: boolean;
  /** Whether it was given to the isolates. */
  running: boolean;
}

/** The tasks of one host. */
export class HostTasks {
  readonly #options: HostTasksOptions;
  /** By attempt: the scheduler never counts two alike. */
  readonly #jobs = new Map<number, Job>();
  readonly #bodies = new BodyCache(submitBody, "submit");
  /** Values that are on their way, so that tasks which need the same one ask once. */
  readonly #fetching = new Map<string, Promise<StoredResult | undefined>>();
  #checked: string | undefined;
  #idle = Promise.withResolvers<void>();
  #ended = false;

  /** Runs nothing yet. */
  constructor(options: HostTasksOptions) {
    this.#options = options;
  }

  /** How many orders have no answer yet. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Runs a task. It gets exactly one answer, also where it is cancelled. */
  compute(order: MessageOf<"compute">): void {
    const job: Job = { order, cancelled: false, running: false };
    this.#jobs.set(order.run, job);
    try {
      const submitted = this.#bodies.decode(order.submitted);
      this.#check(submitted.target.module);
      const { relieving } = this.#options.memory;
      if (relieving === undefined && order.dependencies === undefined) return this.#run(job, submitted, []);
      this.#prepare(job, relieving).then((found) => {
        if ("missing" in found) this.#answer(job, found);
        else this.#run(job, submitted, found);
      }).catch((error) => this.#answer(job, refused(error)));
    } catch (error) {
      this.#answer(job, refused(error));
    }
  }

  /** Nobody wants the result any more. */
  cancel({ key, run }: MessageOf<"cancelCompute">): void {
    const job = this.#jobs.get(run);
    if (job?.order.key !== key) return;
    job.cancelled = true;
    if (job.running) this.#options.isolates.cancel(key, run);
  }

  /** Keeps a scattered value. */
  store({ key, run, value, refs }: MessageOf<"store">): void {
    this.#options.results.put(key, run, { bytes: ownBytes(value), refs });
    this.#options.report.stored({ key, run });
  }

  /** Fetches a value that other hosts keep, and keeps it too. */
  async copy({ key, run, holders }: MessageOf<"copy">): Promise<void> {
    // What is there the scheduler was told of before.
    if (this.#options.results.get(key, run) !== undefined) return;
    const found = await this.#fetch({ key, run }, decodeBody(dataHolders, holders, "holders"));
    if (found === undefined) this.#options.report.copyFailed({ key, run });
  }

  /** Drops a value. */
  forget({ key, run }: MessageOf<"forget">): void {
    this.#options.results.delete(key, run);
  }

  /**
   * Says nothing of any outcome from now on: what runs is about to be stopped, and is no failure of its function. The end
   * of the host's link says what became of it.
   */
  end(): void {
    this.#ended = true;
  }

  /** Resolves when no order waits for an answer. */
  settled(): Promise<void> {
    if (this.#jobs.size === 0) return Promise.resolve();
    this.#idle = Promise.withResolvers();
    return this.#idle.promise;
  }

  /** Fetches what a task depends on. */
  async #prepare({ order }: Job, relieving: Promise<void> | undefined): Promise<readonly FetchedValue[] | Missing> {
    if (relieving) await relieving;
    if (order.dependencies === undefined) return [];
    const dependencies = decodeBody(dependenciesBody, order.dependencies, "dependencies");
    const found = await Promise.all(dependencies.map((dependency) => this.#find(dependency)));
    const missing = dependencies.filter((_, index) => found[index] === undefined).map(({ key }) => key);
    if (missing.length > 0) return { missing };
    return found.filter((value) => value !== undefined);
  }

  #run(job: Job, submitted: SubmitBody, values: readonly FetchedValue[]): void {
    const { target, home, permissions, memoryLimit } = submitted;
    const { key, run, args, refs } = job.order;
    if (job.cancelled) return this.#answer(job, refused(cancelledTask(key, "no")));
    job.running = true;
    const order = { key, run, target, args, refs, values, home, permissions, memoryLimit };
    this.#options.isolates.run(order, (answer) => this.#answer(job, answer));
  }

  #answer(job: Job, answer: Answer): void {
    const isLarge = typeof answer === "object" && "ok" in answer && answer.ok && answer.value.length > LARGE;
    // Before another task comes, there must be room for it.
    const relieved = isLarge ? this.#options.memory.relieve() : undefined;
    if (relieved) relieved.then(() => this.#tell(job, answer));
    else this.#tell(job, answer);
  }

  #tell(job: Job, answer: Answer): void {
    const { key, run } = job.order;
    this.#jobs.delete(run);
    if (this.#jobs.size === 0) this.#idle.resolve();
    if (this.#ended) return;
    const { report, results } = this.#options;
    if (answer === "returned") return report.returned({ key, run });
    if ("missing" in answer) return report.computeFailed({ key, run }, "no", lostError(key, answer), answer.missing);
    if (!answer.ok) return report.computeFailed({ key, run }, answer.failure.executed, answer.failure.error, []);
    if (job.cancelled) {
      return report.computeFailed({ key, run }, "yes", encodeError(cancelledTask(key, "yes")), []);
    }
    const { value, refs, took } = answer;
    // A small one the scheduler keeps.
    const isSmall = value.length <= SMALL_RESULT;
    if (!isSmall) results.put(key, run, { bytes: ownBytes(value), refs });
    report.computed({ key, run }, { size: value.length, value: isSmall ? value : undefined, refs, took });
  }

  /** Of what comes in one turn of the event loop the same module is looked at once. */
  #check(module: string): void {
    if (module === this.#checked) return;
    this.#options.policy.check(module);
    if (this.#checked === undefined) afterThisTurn(() => this.#checked = undefined);
    this.#checked = module;
  }

  async #find({ key, run, value, refs, holders }: DependenciesBody[number]): Promise<FetchedValue | undefined> {
    if (value !== undefined) return { key, bytes: value, refs };
    const found = await this.#kept({ key, run }) ?? await this.#fetch({ key, run }, holders);
    return found && { key, bytes: found.bytes, refs: found.refs };
  }

  /** What this host keeps. What cannot be read from its file it has not. */
  async #kept({ key, run }: TaskRun): Promise<StoredResult | undefined> {
    try {
      return await this.#options.results.get(key, run);
    } catch {
      return undefined;
    }
  }

  #fetch(wanted: TaskRun, holders: readonly DataHolder[]): Promise<StoredResult | undefined> {
    const id = idOf(wanted);
    const existing = this.#fetching.get(id);
    if (existing) return existing;
    const fetching = this.#fetchFrom(wanted, holders).finally(() => this.#fetching.delete(id));
    this.#fetching.set(id, fetching);
    return fetching;
  }

  /** Asks one holder after the other, and keeps what it gives for the next that needs it; `undefined` where none does. */
  async #fetchFrom({ key, run }: TaskRun, holders: readonly DataHolder[]): Promise<StoredResult | undefined> {
    const { host, getData, results, report } = this.#options;
    for (const holder of holders) {
      if (holder.host === host) continue;
      try {
        const { bytes, refs } = await getData(holder, key);
        const copy = { bytes: ownBytes(bytes), refs };
        if (this.#ended) return copy;
        results.put(key, run, copy);
        report.copied({ key, run });
        return copy;
      } catch {
        // It is gone, or has forgotten: the scheduler hears of it where nobody else has it.
      }
    }
    return undefined;
  }
}

/** Dependencies that nobody gave. */
interface Missing {
  readonly missing: readonly string[];
}

type Answer = TaskAnswer | Missing;

function refused(error: unknown): TaskOutcome {
  const envelope = encodeError(error).slice();
  return {
    ok: false,
    failure: { error: envelope, executed: "no", needsSharedHome: false, importFailed: false },
  };
}

function lostError(key: string, { missing }: Missing): Uint8Array {
  return encodeError(
    new DependencyLostError(`Cannot run ${key}: nobody gave the values of ${missing.join(", ")}`, { executed: "no" }),
  );
}

function idOf({ key, run }: TaskRun): string {
  return `${run} ${key}`;
}
