/**
 * Where the user's code made a call, for the stack of an error that comes back.
 *
 * Whoever awaits a call when it fails is found without any cost beforehand (`ObservedPromise`). This is for the others,
 * who look at their futures later: their place must be taken when they call. That costs 10 to 20 µs in an async function, a
 * tenth of a whole call, so no more than a hundred a second are taken, with as many in reserve.
 *
 * @module
 */

import { hasFrames, isRemoteError, joinCallSite } from "../protocol/mod.ts";

/** A place in the user's code. V8 writes the text when somebody reads it. */
export interface CallSite {
  /** The stack. */
  stack?: string;
}

/** How many are taken a second, and how many at once. */
const RATE = 100;

/** The same for looks from inside a failing call, which cost 25 µs: a hundred thousand may fail at once. */
const INSIDE_RATE = 1000;

const NOT_TAKEN: CallSite = Object.freeze({
  stack: `\n    at (call site not recorded: more than ${RATE} calls a second)`,
});

const captureStackTrace = (Error as { captureStackTrace?: (site: CallSite) => void }).captureStackTrace;

/** So many a second, with as many in reserve. */
class Budget {
  readonly #rate: number;
  #left: number;
  #filledAt = 0;

  constructor(rate: number) {
    this.#rate = rate;
    this.#left = rate;
  }

  /** Takes one, if there is one. */
  take(): boolean {
    if (this.#left < 1) {
      // Asked at each call of a busy loop: this clock is the cheaper one, and may be set back.
      const now = Date.now();
      this.#left = Math.min(this.#rate, this.#left + Math.max(0, now - this.#filledAt) * this.#rate / 1000);
      this.#filledAt = now;
      if (this.#left < 1) return false;
    }
    this.#left--;
    return true;
  }
}

const calls = new Budget(RATE);
const submissions = new Budget(RATE);
const looks = new Budget(INSIDE_RATE);

/** Takes the present stack, where a method is called, if the budget allows. */
export function captureCallSite(): CallSite {
  return capture(calls);
}

/** The same where something is submitted: many tasks take nothing from the budget of calls. */
export function captureSubmitSite(): CallSite {
  return capture(submissions);
}

function capture(budget: Budget): CallSite {
  if (!budget.take()) return NOT_TAKEN;
  const site: CallSite = {};
  if (captureStackTrace) captureStackTrace.call(Error, site);
  else site.stack = new Error().stack ?? "";
  return site;
}

/** Whether the budget allowed it. */
export function wasTaken(site: CallSite): boolean {
  return site !== NOT_TAKEN;
}

/** Whether a call that fails may look for the code that awaits it. */
export function mayLookInside(): boolean {
  return looks.take();
}

/** The code that awaits something says more than the place where it was asked for, but not everybody awaits at once. */
export function joinSite(error: unknown, awaiting: string, site: CallSite): unknown {
  if (!(error instanceof Error)) return error;
  if (hasFrames(awaiting)) joinCallSite(error, awaiting);
  // V8 takes 60 µs to write down the stack of an error that was made here: not for each of a hundred thousand.
  else if (wasTaken(site) || isRemoteError(error)) joinCallSite(error, site.stack ?? "");
  return error;
}
