/**
 * Runs tasks in one isolate: plain functions, async or not, whose result goes back as bytes.
 *
 * @module
 */

import {
  CallCancelledError,
  encodeError,
  type Executed,
  RemoteError,
  SerializationError,
  type SubmittedTarget,
} from "../protocol/mod.ts";
import { CallContext } from "./active_call.ts";
import { isClass, kindOf } from "./actor_class.ts";
import { linkOf } from "./call_chain.ts";
import { type CallCounters, type CountedCall, TASKS } from "./call_counters.ts";
import { applyInContext } from "./context.ts";
import type { TaskOrder, TaskOutcome } from "./isolate.ts";
import type { IsolateScope } from "./isolate_scope.ts";
import { isImportFailure, type LoadedTarget, loadExport } from "./module_loader.ts";
import { ModulePolicy } from "./module_policy.ts";
import { sayWhatGrants } from "./not_capable.ts";
import { decodePlainArguments, type FutureValues, NO_VALUES, OWN_ARGUMENTS } from "./references.ts";

/** A task that has no outcome yet. */
interface RunningTask {
  readonly key: string;
  readonly context: CallContext;
  started: boolean;
  cancelled: boolean;
  /** Answers the order, if that has not been done; `undefined` where nobody can speak of the task before its end. */
  settle: ((outcome: TaskOutcome) => void) | undefined;
}

/** Runs the tasks of one isolate. */
export class TaskRunner {
  readonly #scope: IsolateScope;
  readonly #policy: ModulePolicy;
  /** An isolate never loads a module anew. */
  readonly #targets = new Map<string, LoadedTarget>();
  /** By attempt: the scheduler never counts two alike. */
  readonly #running = new Map<number, RunningTask>();
  readonly #counters: CallCounters;

  /** @throws {TypeError} For a prefix in `allowModules` that is none. */
  constructor(scope: IsolateScope, counters: CallCounters) {
    this.#scope = scope;
    this.#counters = counters;
    this.#policy = new ModulePolicy(scope.settings.allowModules);
  }

  /**
   * Loads the module if it must, runs the function, and encodes what it gives: at once where the module is there and the
   * function is sync. Never throws or rejects. The bytes of a value may share their buffer with others.
   *
   * @param onWait Told where the function gives a promise.
   */
  run(order: TaskOrder, onWait?: () => void): TaskOutcome | Promise<TaskOutcome> {
    const { key, run, target } = order;
    const owner = { key, className: TASKS, method: target.name, scope: this.#scope };
    const context = new CallContext(owner, { chain: [linkOf(key, run)] });
    const task: RunningTask = { key, context, started: false, cancelled: false, settle: undefined };
    const found = this.#targets.get(idOf(target));
    const outcome = found ? this.#start(order, task, found, onWait) : this.#loadAndStart(order, task, onWait);
    if (!(outcome instanceof Promise)) {
      this.#scope.endHolder(key);
      return outcome;
    }
    return this.#finish(run, task, outcome);
  }

  /** Nobody wants the result: a task that has not started never does, the signal of one that has aborts. */
  cancel(key: string, run: number): void {
    const task = this.#running.get(run);
    if (task?.key !== key) return;
    task.cancelled = true;
    const error = cancelledTask(key, task.started ? "unknown" : "no");
    task.settle?.(failed(error, error.executed));
    task.context.abort(error);
  }

  /** Fails all tasks that run: for an isolate that is about to stop. */
  end(how: string): void {
    for (const task of this.#running.values()) {
      task.cancelled = true;
      const executed = task.started ? "unknown" : "no";
      task.settle?.(failed(isolateEnded(task.key, how, this.#scope.worker.name, executed), executed));
    }
  }

  /** Awaits what runs, or that somebody speaks of it before. */
  async #finish(run: number, task: RunningTask, running: Promise<TaskOutcome>): Promise<TaskOutcome> {
    const { promise: early, resolve } = Promise.withResolvers<TaskOutcome>();
    task.settle = resolve;
    this.#running.set(run, task);
    const outcome = await Promise.race([running, early]);
    this.#running.delete(run);
    this.#scope.endHolder(task.key);
    return outcome;
  }

  async #loadAndStart(order: TaskOrder, task: RunningTask, onWait: (() => void) | undefined): Promise<TaskOutcome> {
    let found: LoadedTarget;
    try {
      found = await this.#load(order);
    } catch (error) {
      return failed(error, "no", { importFailed: isImportFailure(error) });
    }
    return await this.#start(order, task, found, onWait);
  }

  #start(
    order: TaskOrder,
    task: RunningTask,
    found: LoadedTarget,
    onWait: (() => void) | undefined,
  ): TaskOutcome | Promise<TaskOutcome> {
    const { key, target, refs } = order;
    let args: unknown[];
    try {
      refuseOthers(found, target.name);
      if (order.asyncOnly && kindOf(found) !== "async") {
        const error = new TypeError(`Cannot run ${target.name} where no sync function may run`);
        return failed(error, "no", { needsSharedHome: true });
      }
      // The scheduler knows what a task holds, as long as it has not finished.
      args = refs.length === 0
        ? decodePlainArguments(order.args, OWN_ARGUMENTS)
        : this.#scope.decodeArguments(order.args, { values: byKey(order.values), holder: key, known: true });
    } catch (error) {
      return failed(error, "no");
    }
    // Whoever cancelled has been answered: nothing may start.
    if (task.cancelled) return failed(cancelledTask(key, "no"), "no");
    task.started = true;
    const counted: CountedCall = { id: order.run, name: target.name, waited: 0, startedAt: 0, counts: undefined };
    this.#counters.taskStarted(counted, order.args.length);
    let result: unknown;
    try {
      result = applyInContext(task.context, found, undefined, args);
      if (isThenable(result)) {
        onWait?.();
        return Promise.resolve(result).then(
          (value) => this.#encode(order, counted, value),
          (error) => this.#threw(order, counted, error),
        );
      }
    } catch (error) {
      return this.#threw(order, counted, error);
    }
    return this.#encode(order, counted, result);
  }

  #encode({ key }: TaskOrder, counted: CountedCall, result: unknown): TaskOutcome {
    try {
      const { bytes, refs } = this.#scope.encodeResult(result);
      return { ok: true, value: bytes, refs, took: this.#counters.taskFinished(key, counted, bytes.length) };
    } catch (error) {
      this.#counters.taskFailed(key, counted, error);
      return failed(error, "yes");
    }
  }

  #threw({ key, target }: TaskOrder, counted: CountedCall, error: unknown): TaskOutcome {
    this.#counters.taskFailed(key, counted, error);
    return failed(sayWhatGrants(error), "yes", { remote: { worker: this.#scope.worker.name, method: target.name } });
  }

  async #load({ target }: TaskOrder): Promise<LoadedTarget> {
    const id = idOf(target);
    const known = this.#targets.get(id);
    if (known) return known;
    const { moduleTimeout } = this.#scope.settings;
    const found = await loadExport(target, { policy: this.#policy, moduleTimeout });
    this.#targets.set(id, found);
    return found;
  }
}

/** What is said of a task whose isolate ended under it. */
export function isolateEnded(key: string, how: string, worker: string, executed: Executed): RemoteError {
  return new RemoteError(`The isolate in which ${key} ran has ended: ${how}`, { executed, remote: { worker } });
}

/** What is said of a task that nobody wants any more. */
export function cancelledTask(key: string, executed: Executed): CallCancelledError {
  return new CallCancelledError(`${key} was cancelled`, { executed });
}

function idOf({ export: exported, module }: SubmittedTarget): string {
  return `${exported} ${module}`;
}

function byKey(values: TaskOrder["values"]): FutureValues {
  return values.length === 0 ? NO_VALUES : new Map(values.map((value) => [value.key, value]));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === "object" || typeof value === "function") && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

function refuseOthers(target: LoadedTarget, name: string): void {
  if (isClass(target)) {
    throw new TypeError(`Cannot run ${name} as a task: it is a class. Submit it with { actor: true }`);
  }
  const kind = kindOf(target);
  if (kind === "generator" || kind === "asyncGenerator") {
    throw new SerializationError(
      `Cannot run ${name} as a task: it is a generator function, and a task has one result. Make it a method of an actor`,
      { code: "RESULT_NOT_SERIALIZABLE", executed: "no", path: "result" },
    );
  }
}

/** What a failure may say beside its error. */
interface FailureDetails {
  readonly needsSharedHome?: boolean;
  readonly importFailed?: boolean;
  readonly remote?: { readonly worker: string; readonly method: string };
}

function failed(error: unknown, executed: Executed, details: FailureDetails = {}): TaskOutcome {
  const { needsSharedHome = false, importFailed = false, remote } = details;
  const envelope = encodeError(error, remote).slice();
  return { ok: false, failure: { error: envelope, executed, needsSharedHome, importFailed } };
}
