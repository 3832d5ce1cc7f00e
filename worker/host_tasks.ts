/**
 * The tasks of one host: fetches what they depend on, runs them, and keeps their results and what it has fetched.
 *
 * @module
 */

import {
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
  submitBody,
} from "../protocol/mod.ts";
import type { HostLink, TaskRun } from "./host_link.ts";
import type { FetchedValue, TaskOutcome } from "./isolate.ts";
import type { ModulePolicy } from "./module_policy.ts";
import type { ResultStore, StoredResult } from "./result_store.ts";
import type { Spilling } from "./spilling.ts";
import type { TaskIsolates } from "./task_isolates.ts";
import { cancelledTask } from "./task_runner.ts";

/** After a result of more bytes it is looked whether memory is nearly full: until it is told, no other task comes. */
const LARGE = 1024 * 1024;

/** What tells the scheduler of tasks. */
export type TaskReporter = Pick<HostLink, "computed" | "computeFailed" | "stored" | "copied" | "copyFailed">;

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
  cancelled: boolean;
  /** Whether its function may be running. */
  running: boolean;
}

/** The tasks of one host. */
export class HostTasks {
  readonly #options: HostTasksOptions;
  /** By key and run. */
  readonly #jobs = new Map<string, Job>();
  /** Values that are on their way, so that tasks which need the same one ask once. */
  readonly #fetching = new Map<string, Promise<StoredResult | undefined>>();
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
  async compute(message: MessageOf<"compute">): Promise<void> {
    const job: Job = { cancelled: false, running: false };
    this.#jobs.set(idOf(message), job);
    const outcome = await this.#outcome(message, job).catch((error) => refused(error));
    if ("ok" in outcome && outcome.ok && outcome.value.length > LARGE) await this.#options.memory.relieve();
    if (this.#jobs.get(idOf(message)) === job) this.#jobs.delete(idOf(message));
    if (this.#jobs.size === 0) this.#idle.resolve();
    if (!this.#ended) this.#tell(message, job, outcome);
  }

  /** Nobody wants the result any more. */
  cancel(message: MessageOf<"cancelCompute">): void {
    const job = this.#jobs.get(idOf(message));
    if (job === undefined) return;
    job.cancelled = true;
    if (job.running) this.#options.isolates.cancel(message.key, message.run);
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

  #tell({ key, run }: TaskRun, job: Job, outcome: TaskOutcome | Missing): void {
    const { report, results } = this.#options;
    if ("missing" in outcome) return report.computeFailed({ key, run }, "no", lostError(key, outcome), outcome.missing);
    if (!outcome.ok) return report.computeFailed({ key, run }, outcome.failure.executed, outcome.failure.error, []);
    if (job.cancelled) {
      return report.computeFailed({ key, run }, "yes", encodeError(cancelledTask(key, "yes")), []);
    }
    const { value, refs } = outcome;
    // A small one the scheduler keeps.
    const isSmall = value.length <= SMALL_RESULT;
    if (!isSmall) results.put(key, run, { bytes: value, refs });
    report.computed({ key, run }, value.length, isSmall ? value : undefined, refs);
  }

  async #outcome(message: MessageOf<"compute">, job: Job): Promise<TaskOutcome | Missing> {
    const { key, run, args, refs } = message;
    const { target, home, permissions, memoryLimit } = decodeBody(submitBody, message.submitted, "submit");
    this.#options.policy.check(target.module);
    const { relieving } = this.#options.memory;
    if (relieving) await relieving;
    const dependencies = decodeBody(dependenciesBody, message.dependencies, "dependencies");
    const found = await Promise.all(dependencies.map((dependency) => this.#find(dependency)));
    const missing = dependencies.filter((_, index) => found[index] === undefined).map(({ key }) => key);
    if (job.cancelled) return refused(cancelledTask(key, "no"));
    if (missing.length > 0) return { missing };
    const values = found.filter((value) => value !== undefined);
    job.running = true;
    const task = { key, run, target, args, refs, values };
    return await this.#options.isolates.run({ ...task, home, permissions, memoryLimit });
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
