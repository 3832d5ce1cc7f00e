/**
 * What an isolate tells its host of single calls: errors always, as they are few; every call, or a sample of them, while
 * somebody looks; and what user code prints.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { ObservedCall, PrintedLine, RecordedError } from "../protocol/observation.ts";
import type { CountedCall } from "./call_counters.ts";

/** What it tells. */
export type RecorderNews =
  | { readonly type: "called"; readonly calls: readonly ObservedCall[]; readonly leftOut: number }
  | { readonly type: "printed"; readonly lines: readonly PrintedLine[]; readonly leftOut: number }
  | { readonly type: "threw"; readonly error: RecordedError };

/** Calls that one batch holds at the most; where there are more, it is every second one, every fourth … */
const MOST_CALLS = 500;

/** Milliseconds between batches. */
const BATCH_TIME = 250;

/** Lines, and errors, that are told in a second at the most. */
const MOST_LINES = 500;
const MOST_ERRORS = 50;

/** Characters of a line, and of a stack, that are told at the most. */
const LONGEST_LINE = 8192;
const LONGEST_STACK = 8192;

/** Whose call it was. */
export interface CallSubject {
  /** Key of the actor or task. */
  readonly key: string;
  /** Name of the class; empty for a task. */
  readonly className: string;
}

/** Tells a host of single calls. */
export class CallRecorder {
  readonly #clock: Clock;
  readonly #tell: (news: RecorderNews) => void;
  readonly #lineRate: RateLimit;
  readonly #errorRate: RateLimit;
  #watching = false;
  #calls: ObservedCall[] = [];
  #stride = 1;
  #skipped = 0;
  #leftOut = 0;
  #stopTimer: (() => void) | undefined;

  /**
   * Tells nothing yet.
   *
   * @param clock The time.
   * @param tell Told of everything.
   */
  constructor(clock: Clock, tell: (news: RecorderNews) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#lineRate = new RateLimit(clock, MOST_LINES);
    this.#errorRate = new RateLimit(clock, MOST_ERRORS);
  }

  /** Whether calls are told. */
  get watching(): boolean {
    return this.#watching;
  }

  /** Begins to tell of calls, or stops. */
  watch(calls: boolean): void {
    this.#watching = calls;
    if (calls) return;
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#calls = [];
    this.#leftOut = this.#skipped = 0;
    this.#stride = 1;
  }

  /**
   * A call has its answer. Asked only while watching.
   *
   * @param time How long it ran, in milliseconds.
   */
  called({ key, className }: CallSubject, call: CountedCall, time: number, failed: boolean): void {
    if (++this.#skipped < this.#stride) {
      this.#leftOut++;
      return;
    }
    this.#skipped = 0;
    const started = timeOrigin + call.startedAt;
    this.#calls.push({
      key,
      className,
      method: call.name,
      call: call.id,
      arrived: started - call.waited,
      started,
      ended: started + time,
      failed,
    });
    if (this.#calls.length >= MOST_CALLS) {
      this.#calls = this.#calls.filter((_, index) => index % 2 === 1);
      this.#leftOut += MOST_CALLS / 2;
      this.#stride *= 2;
    }
    this.#stopTimer ??= this.#clock.setTimer(BATCH_TIME, () => this.#flush());
  }

  /** A call failed with what user code threw. */
  threw({ key, className }: CallSubject, call: CountedCall, error: unknown): void {
    if (!this.#errorRate.allows()) return;
    this.#tell({ type: "threw", error: { ...describeError(error), key, className, method: call.name, call: call.id } });
  }

  /** User code printed a line. */
  printed(line: PrintedLine): void {
    if (!this.#lineRate.allows()) return;
    const text = line.text.length > LONGEST_LINE ? `${line.text.slice(0, LONGEST_LINE)}…` : line.text;
    this.#tell({ type: "printed", lines: [{ ...line, text }], leftOut: this.#lineRate.takeRefused() });
  }

  #flush(): void {
    this.#stopTimer = undefined;
    const [calls, leftOut] = [this.#calls, this.#leftOut];
    this.#calls = [];
    this.#leftOut = this.#skipped = 0;
    this.#stride = 1;
    this.#tell({ type: "called", calls, leftOut });
  }
}

/** As it was before user code. */
const { timeOrigin } = performance;

/** So much in a second, of which all may come at once. */
class RateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #left: number;
  #at: number;
  #refused = 0;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#left = perSecond;
    this.#at = clock.now();
  }

  /** Whether one more may pass now. */
  allows(): boolean {
    const now = this.#clock.now();
    this.#left = Math.min(this.#perSecond, this.#left + (now - this.#at) * this.#perSecond / 1000);
    this.#at = now;
    if (this.#left < 1) {
      this.#refused++;
      return false;
    }
    this.#left--;
    return true;
  }

  /** How many have been refused since this was last asked. */
  takeRefused(): number {
    const refused = this.#refused;
    this.#refused = 0;
    return refused;
  }
}

/** What is said of anything that was thrown. Looking at it runs code of its own, which may throw as well. */
function describeError(error: unknown): Pick<RecordedError, "at" | "name" | "message" | "stack"> {
  const at = Date.now();
  try {
    if (!(error instanceof Error)) return { at, name: "Thrown", message: shorten(String(error)), stack: "" };
    let stack = String(error.stack ?? "");
    for (let cause = error.cause, depth = 0; cause instanceof Error && depth < 4; cause = cause.cause, depth++) {
      stack += `\nCaused by: ${cause.stack ?? cause}`;
    }
    return { at, name: shorten(String(error.name)), message: shorten(String(error.message)), stack: shorten(stack) };
  } catch {
    return { at, name: "Error", message: "It cannot be shown: looking at it throws", stack: "" };
  }
}

function shorten(text: string): string {
  return text.length > LONGEST_STACK ? `${text.slice(0, LONGEST_STACK)}…` : text;
}
