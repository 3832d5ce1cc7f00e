/**
 * Where a method or task runs, seen from inside it.
 *
 * @module
 */

import { MainModuleError } from "../protocol/errors.ts";
import { CONTEXT } from "./brands.ts";
import type { Actor, CallInfo, ClientApi, WorkerInfo } from "./types.ts";

/** What a running method or task knows of its surroundings. */
export interface Context {
  /** Handle of the actor; absent in a task. */
  readonly actor?: Actor<unknown> | undefined;
  /** A client that is bound to this worker. */
  readonly client: ClientApi;
  /** This worker. */
  readonly worker: WorkerInfo;
  /** The running call. */
  readonly call: CallInfo;
}

/**
 * Gives the context of the code that asks. The worker installs one in each of its isolates, on
 * `globalThis[Symbol.for("troupe.context.1")]`, since user modules import their own copy of the library.
 */
export interface ContextProvider {
  /** The context, or `undefined` outside of methods and tasks. */
  get(): Context | undefined;
  /** How many user modules are being loaded. */
  readonly loading?: number;
}

/**
 * The actor whose method runs now, as a handle. It is an actor's way to hand itself to others.
 *
 * @example
 * ```ts ignore
 * class Player {
 *   join(game: Actor<Game>) {
 *     return game.add(currentActor<Player>());
 *   }
 * }
 * ```
 *
 * @typeParam T The actor's class. It is believed, not checked.
 * @throws {Error} Outside of a method.
 */
export function currentActor<T = unknown>(): Actor<T> {
  const { actor } = currentContext("currentActor");
  if (actor === undefined) throw new Error("currentActor() is only available inside a method: a task has no actor");
  return actor as Actor<T>;
}

/**
 * A client that is bound to the worker on which this method or task runs. It needs no closing.
 *
 * @example
 * ```ts ignore
 * const parts = await gather(currentClient().map(work, [1, 2, 3]));
 * ```
 *
 * @throws {Error} Outside of a method or task.
 */
export function currentClient(): ClientApi {
  return currentContext("currentClient").client;
}

/**
 * The worker on which this method or task runs.
 *
 * @example
 * ```ts ignore
 * const { id, name, address } = currentWorker();
 * ```
 *
 * @throws {Error} Outside of a method or task.
 */
export function currentWorker(): WorkerInfo {
  return currentContext("currentWorker").worker;
}

/**
 * The call that runs now: its signal and deadline. A sync method sees no change of the signal while it runs.
 *
 * @example
 * ```ts ignore
 * const response = await fetch(url, { signal: currentCall().signal });
 * ```
 *
 * @throws {Error} Outside of a method or task.
 */
export function currentCall(): CallInfo {
  return currentContext("currentCall").call;
}

function currentContext(name: string): Context {
  const context = (globalThis as { [CONTEXT]?: ContextProvider })[CONTEXT]?.get();
  if (context === undefined) {
    throw new Error(`${name}() is only available inside a method or a task that runs on a worker`);
  }
  return context;
}

/**
 * A worker that imports a user's script must not run it: each import would connect, or start a cluster, and submit anew.
 *
 * @param attempted What the script would do: `connect`.
 * @throws {MainModuleError} While a worker loads the module that calls this.
 */
export function refuseWhileLoading(attempted: string): void {
  const provider = (globalThis as { [CONTEXT]?: ContextProvider })[CONTEXT];
  if (!provider?.loading || provider.get() !== undefined) return;
  throw new MainModuleError(
    `Cannot ${attempted} while a worker loads this module: guard with \`if (import.meta.main)\`, or move the class to its own file`,
  );
}
