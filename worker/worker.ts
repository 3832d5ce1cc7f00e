/**
 * A running worker, whichever way it runs.
 *
 * @module
 */

/** What both ways of running a worker have in common: under a nanny, and in one process. */
export interface RunningWorker {
  /** Its id, from the scheduler; another one after each registration, and empty before the first. */
  readonly id: string;
  /** Its name. */
  readonly name: string;
  /** WebSocket address of its host; empty where it only dials out. */
  readonly address: string;
  /** The permission flags of its host process; empty where it has none. */
  readonly permissions: readonly string[];
  /** Process id of its host; 0 while none runs. */
  readonly hostPid: number;
  /** Resolves when its first host has joined the scheduler; rejects with what `finished` rejects with. */
  readonly started: Promise<void>;
  /** Resolves when it has left; rejects where it cannot go on. */
  readonly finished: Promise<void>;
  /** Leaves: calls that run have `timeout` milliseconds to finish, then its actors end. */
  close(timeout: number): Promise<void>;
  /** Leaves at once. */
  kill(): Promise<void>;
}
