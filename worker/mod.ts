/**
 * Workers: the processes in which actors live.
 *
 * @module
 */

import { Nanny } from "./nanny.ts";
import type { WorkerOptions } from "./options.ts";
import { DRAIN_TIMEOUT, resolveOptions } from "./settings.ts";
import { SingleWorker } from "./single.ts";
import type { RunningWorker } from "./worker.ts";

export type { Clock } from "../connection/mod.ts";
export { createWorkerApp, type WorkerApp } from "./app.ts";
export { UsageError, type WorkerOptions } from "./options.ts";
export { DRAIN_TIMEOUT } from "./settings.ts";

/** A worker that this process started. */
export interface Worker extends AsyncDisposable {
  /** Its id, from the scheduler. Another one after the link to the scheduler was lost and made anew. */
  readonly id: string;
  /** Its name. */
  readonly name: string;
  /** WebSocket address of its host; empty where calls are relayed through the scheduler. */
  readonly address: string;
  /** The permission flags under which user code runs; empty where it runs in this process. */
  readonly permissions: readonly string[];
  /** Process id of its host; 0 while none runs. */
  readonly hostPid: number;
  /** Resolves when it has left; rejects where it cannot go on, for example as its token is not valid any more. */
  readonly finished: Promise<void>;
  /**
   * Leaves: no actor is placed on it any more, calls that run have a time to finish, then its actors end.
   *
   * @param timeout Milliseconds for running calls. @default {10000}
   */
  close(timeout?: number): Promise<void>;
  /** Leaves at once: running calls fail. */
  kill(): Promise<void>;
}

/**
 * Starts a worker; resolves when it has joined the scheduler and takes actors. Waits for a scheduler that is not there yet.
 *
 * A worker is a nanny, which is this process, and a host process, in which the actors live; with `nanny: false` it is this
 * process alone. Under a nanny it needs `--allow-net --allow-read --allow-env --allow-run`.
 *
 * @throws {TypeError} Where an option is unknown or wrong.
 * @throws {UsageError} Where the options do not go together.
 * @throws {UnauthorizedError} Where the token is missing or wrong.
 * @throws {ConnectionLostError} Where no scheduler has answered for `deathTimeout`.
 *
 * @example
 * ```ts ignore
 * import { startWorker } from "@troupe/troupe/worker";
 *
 * await using worker = await startWorker({ scheduler: "ws://127.0.0.1:8786", resources: { GPU: 2 } });
 * await worker.finished;
 * ```
 */
export async function startWorker(options: WorkerOptions = {}): Promise<Worker> {
  const settings = resolveOptions(options);
  const running = options.nanny === false ? new SingleWorker(settings) : new Nanny(settings);
  await running.started;
  return handleOf(running);
}

function handleOf(running: RunningWorker): Worker {
  return {
    get id() {
      return running.id;
    },
    get name() {
      return running.name;
    },
    get address() {
      return running.address;
    },
    get permissions() {
      return running.permissions;
    },
    get hostPid() {
      return running.hostPid;
    },
    finished: running.finished,
    close: (timeout = DRAIN_TIMEOUT) => running.close(timeout),
    kill: () => running.kill(),
    [Symbol.asyncDispose]: () => running.close(DRAIN_TIMEOUT),
  };
}
