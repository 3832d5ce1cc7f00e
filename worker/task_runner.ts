/**
 * Runs tasks in one isolate: plain functions, async or not, whose result goes back as bytes.
 *
 * @module
 */

import {
  CallCancelledError,
  encodeError,
  type Executed,
  ownBytes,
  RemoteError,
  SerializationError,
} from "../protocol/mod.ts";
import { CallContext } from "./active_call.ts";
import { isClass, kindOf } from "./actor_class.ts";
import { type CallCounters, type CountedCall, TASKS } from "./call_counters.ts";
import { applyInContext } from "./context.ts";
import type { TaskOrder, TaskOutcome } from "./isolate.ts";
import type { IsolateScope } from "./isolate_scope.ts";
import { isImportFailure, type LoadedTarget, loadExport } from "./module_loader.ts";
import { ModulePolicy } from "./module_policy.ts";
import { decodePlainArguments, OWN_ARGUMENTS } from "./references.ts";

/** A task that runs. */
interface RunningTask {
  readonly context: CallContext;
  started: boolean;
  cancelled: boolean;
  /** Answers the order, if that has not been done. */
  readonly settle: (outcome: TaskOutcome) => void;
}

/** Runs the tasks of one isolate. */
export class TaskRunner {
  readonly #scope: IsolateScope;
  readonly #policy: ModulePolicy;
  /** An isolate never loads a module anew. */
  readonly #targets = new Map<string, LoadedTarget>();
  readonly #running = new Map<string, RunningTask>();

  readonly #counters: CallCounters;

  /** @throws {TypeError} For a prefix in `allowModules` that is none. */
  constructor(scope: IsolateScope, counters: CallCounters) {
    this.#scope = scope;
    this.#counters = counters;
    this.#policy = new ModulePolicy(scope.settings.allowModules);
  }

  /** Loads the module if it must, runs the function, and encodes what it gives. Never rejects. */
  async compute(order: TaskOrder): Promise<TaskOutcome> {
    const { promise: cancelled, resolve: settle } = Promise.withResolvers<TaskOutcome>();
    const context = new CallContext({
      key: order.key,
      className: TASKS,
      method: order.target.name,
      scope: this.#scope,
    });
    const task: RunningTask = { context, started: false, cancelled: false, settle };
    const id = idOf(order.key, order.run);
    this.#running.set(id, task);
    const outcome = await Promise.race([this.#run(order, task), cancelled]);
    this.#running.delete(id);
    this.#scope.endHolder(order.key);
    return outcome;
  }

  /** Nobody wants the result: a task that has not started never does, the signal of one that has aborts. */
  cancel(key: string, run: number): void {
    const task = this.#running.get(idOf(key, run));
    if (task === undefined) return;
    task.cancelled = true;
    const error = cancelledTask(key, task.started ? "unknown" : "no");
    task.settle(failed(error, error.executed));
    task.context.abort(error);
  }

  /** Fails all tasks that run: for an isolate that is about to stop. */
  end(how: string): void {
    for (const [id, task] of this.#running) {
      task.cancelled = true;
      const executed = task.started ? "unknown" : "no";
      task.settle(
        failed(isolateEnded(id.slice(id.indexOf(" ") + 1), how, this.#scope.worker.name, executed), executed),
      );
    }
  }

  async #run(order: TaskOrder, task: RunningTask): Promise<TaskOutcome> {
    const { key, target } = order;
    let found: LoadedTarget;
    let args: unknown[];
    try {
      found = await this.#load(order);
      refuseOthers(found, target.name);
      if (order.asyncOnly && kindOf(found) !== "async") {
        const error = new TypeError(`Cannot run ${target.name} where no sync function may run`);
        return failed(error, "no", { needsSharedHome: true });
      }
      const values = new Map(order.values.map((value) => [value.key, value]));
      // The scheduler knows what a task holds, as long as it has not finished.
      args = order.refs.length === 0
        ? decodePlainArguments(order.args, OWN_ARGUMENTS)
        : this.#scope.decodeArguments(order.args, { values, holder: key, known: true });
    } catch (error) {
      return failed(error, "no", { importFailed: isImportFailure(error) });
    }
    // Whoever cancelled has been answered: nothing may start.
    if (task.cancelled) return failed(cancelledTask(key, "no"), "no");
    task.started = true;
    const counted: CountedCall = { id: order.run, name: target.name, waited: 0, startedAt: 0, counts: undefined };
    this.#counters.taskStarted(counted, order.args.length);
    let result: unknown;
    try {
      result = await applyInContext(task.context, found, undefined, args);
    } catch (error) {
      this.#counters.taskFailed(key, counted, error);
      return failed(error, "yes", { remote: { worker: this.#scope.worker.name, method: target.name } });
    }
    try {
      const { bytes, refs } = this.#scope.encodeResult(result);
      this.#counters.taskFinished(key, counted, bytes.length);
      return { ok: true, value: ownBytes(bytes), refs };
    } catch (error) {
      this.#counters.taskFailed(key, counted, error);
      return failed(error, "yes");
    }
  }

  async #load({ target }: TaskOrder): Promise<LoadedTarget> {
    const id = `${target.export} ${target.module}`;
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

function idOf(key: string, run: number): string {
  return `${run} ${key}`;
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
