/**
 * Waiting no longer than the caller wants to. It bounds the wait, never the work.
 *
 * @module
 */

import { CallTimeoutError } from "../protocol/errors.ts";
import type { ResultOptions } from "./types.ts";

/** What `setTimeout` can count; a longer delay would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** One wait that is under way. Only the first of its two answers counts. */
export interface Wait<T> {
  /** Whether it has ended, for whatever reason. */
  readonly ended: boolean;
  /** Ends it with a value. */
  resolve(value: T): void;
  /** Ends it with an error. */
  reject(error: unknown): void;
}

/**
 * Starts a wait and ends it when `start` says so, when `timeout` has passed or when `signal` aborts.
 *
 * @param what Names in errors what is waited for.
 * @param check Gives the options; what it throws is the rejection.
 * @param start Is called at once. What it returns is called when the wait ends, however that comes.
 * @returns Rejects with a `CallTimeoutError` or with the signal's reason where that comes first.
 */
export function bounded<T, O extends ResultOptions>(
  what: string,
  check: () => O,
  start: (wait: Wait<T>, options: O) => (() => void) | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const options = check();
    const { timeout = Infinity, signal } = options;
    if (signal?.aborted) return reject(signal.reason);
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stop: (() => void) | undefined;
    const wait = {
      ended: false,
      resolve(value: T) {
        if (end()) resolve(value);
      },
      reject(error: unknown) {
        if (end()) reject(error);
      },
    };

    function end(): boolean {
      if (wait.ended) return false;
      wait.ended = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      stop?.();
      return true;
    }

    function abort(): void {
      wait.reject(signal?.reason);
    }

    function expire(): void {
      const message = `Waited ${timeout} ms for ${what}: the wait is over, the work goes on. cancel() stops it`;
      wait.reject(new CallTimeoutError(message, { executed: "unknown" }));
    }

    signal?.addEventListener("abort", abort);
    if (timeout <= LONGEST_TIMER) timer = setTimeout(expire, timeout);
    try {
      stop = start(wait, options);
    } catch (error) {
      wait.reject(error);
    }
    // `start` may have ended the wait before it could say how to clean up.
    if (wait.ended) stop?.();
  });
}
