/**
 * Waiting no longer than the caller wants to. It bounds the wait, never the work.
 *
 * @module
 */

import { CallTimeoutError } from "../protocol/errors.ts";
import { describeValue } from "./describe_value.ts";
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
 * @param start Is called at once. What it returns is called when the wait ends, however that comes.
 * @returns Rejects with a `CallTimeoutError` or with the signal's reason where that comes first.
 */
export function bounded<T>(
  what: string,
  options: ResultOptions,
  start: (wait: Wait<T>) => (() => void) | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const { timeout = Infinity, signal } = checkResultOptions(what, options);
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
      stop = start(wait);
    } catch (error) {
      wait.reject(error);
    }
    // `start` may have ended the wait before it could say how to clean up.
    if (wait.ended) stop?.();
  });
}

function checkResultOptions(what: string, options: ResultOptions): ResultOptions {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot wait for ${what}: options are { timeout, signal }, got ${describeValue(options)}`);
  }
  const { timeout, signal } = options;
  if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 0)) {
    const found = typeof timeout === "number" ? timeout : describeValue(timeout);
    throw new TypeError(`Cannot wait for ${what}: timeout is a number of milliseconds, got ${found}`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`Cannot wait for ${what}: signal is an AbortSignal, got ${describeValue(signal)}`);
  }
  return options;
}
