/**
 * Failures that nobody looks at. They must neither end the process nor vanish, and an error that is looked at a little
 * late must not be reported as well.
 *
 * @module
 */

import type { Clock } from "../connection/clock.ts";

/** A rejected future, as long as it is not known whether anybody will look at it. */
export interface Rejection {
  /** What it was rejected with. */
  readonly error: unknown;
  /** What the future was made for, so that `flush` can pick it: the target of a handle, for one. */
  readonly owner: unknown;
}

/** Options of {@linkcode UnobservedErrors}. */
export interface UnobservedErrorsOptions {
  /** Told of each failure that nobody looked at. @default one line on `console.error` */
  report?: ((error: Error, future: string) => void) | undefined;
  /** Milliseconds that people have to look at it. @default {1000} */
  delay?: number | undefined;
  /** Starts the timer. @default the platform's, which then does not keep the process alive */
  setTimer?: Clock["setTimer"] | undefined;
}

/**
 * Reports rejections that nobody subscribed to within the delay, or by the time their owner ends.
 *
 * One timer serves them all: what is rejected in a later turn while it runs waits for the next round, so a report comes
 * between one and two delays after the rejection.
 */
export class UnobservedErrors {
  readonly #report: (error: Error, future: string) => void;
  readonly #delay: number;
  readonly #setTimer: Clock["setTimer"];
  /** Those that the running timer is for. */
  #due: Set<Rejection> = new Set();
  /** Those that came while it ran. */
  #later: Set<Rejection> = new Set();
  #cancelTimer: (() => void) | undefined;
  /** Whether the timer started in this very turn. */
  #justStarted = false;

  /** Reports as `options` say. */
  constructor(options: UnobservedErrorsOptions = {}) {
    this.#report = options.report ?? reportOnConsole;
    this.#delay = options.delay ?? 1000;
    this.#setTimer = options.setTimer ?? setDaemonTimer;
  }

  /** Watches a rejection. Its text (`String(rejection)`) names the future in the report. */
  add(rejection: Rejection): void {
    (this.#justStarted ? this.#due : this.#later).add(rejection);
    if (this.#cancelTimer === undefined) this.#startTimer();
  }

  /** Watches it no longer: somebody has looked. No timer runs when nothing is watched. */
  forget(rejection: Rejection): void {
    if (!this.#due.delete(rejection)) this.#later.delete(rejection);
    if (this.#due.size + this.#later.size === 0) this.#stopTimer();
  }

  /** Reports at once what is watched, all of it or what `includes` picks: its owner is released, or closes. */
  flush(includes: (rejection: Rejection) => boolean = () => true): void {
    const picked = [...this.#due, ...this.#later].filter(includes);
    for (const rejection of picked) this.forget(rejection);
    this.#reportAll(picked);
  }

  /** Watches no longer what `includes` picks: its error tells nothing that its owner did not do itself. */
  drop(includes: (rejection: Rejection) => boolean): void {
    for (const rejection of [...this.#due, ...this.#later]) if (includes(rejection)) this.forget(rejection);
  }

  #startTimer(): void {
    this.#due = this.#later;
    this.#later = new Set();
    this.#justStarted = true;
    queueMicrotask(() => this.#justStarted = false);
    this.#cancelTimer = this.#setTimer(this.#delay, () => {
      const rejections = [...this.#due];
      this.#due.clear();
      this.#stopTimer();
      if (this.#later.size > 0) this.#startTimer();
      this.#reportAll(rejections);
    });
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#justStarted = false;
  }

  #reportAll(rejections: readonly Rejection[]): void {
    for (const rejection of rejections) {
      try {
        this.#report(toError(rejection.error), String(rejection));
      } catch (error) {
        // A report that throws must not keep the others from being made, nor end the process.
        console.error("onUnobservedError threw:", error);
      }
    }
  }
}

/** For futures that were made without a client of their own. */
export const defaultUnobservedErrors: UnobservedErrors = new UnobservedErrors();

function reportOnConsole(error: Error, future: string): void {
  console.error(`Nobody awaited ${future}, and it failed: ${error}`);
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(`Thrown: ${String(error)}`, { cause: error });
}

/** A timer that does not keep the process alive, where the platform's timers can be told so. */
function setDaemonTimer(delay: number, run: () => void): () => void {
  const timer: unknown = setTimeout(run, delay);
  if (canUnref(timer)) timer.unref();
  return () => clearTimeout(timer as Parameters<typeof clearTimeout>[0]);
}

function canUnref(timer: unknown): timer is { unref(): void } {
  return typeof timer === "object" && timer !== null && "unref" in timer && typeof timer.unref === "function";
}
