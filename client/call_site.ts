/**
 * Where the user's code made a call, for the stack of an error that comes back.
 *
 * Whoever awaits a call when it fails is found without any cost beforehand (`ObservedPromise`). This is for the others,
 * who look at their futures later: their place must be taken when they call. That costs 10 to 20 µs in an async function, a
 * tenth of a whole call, so no more than a hundred a second are taken, with as many in reserve.
 *
 * @module
 */

/** A place in the user's code. V8 writes the text when somebody reads it. */
export interface CallSite {
  /** The stack. */
  stack?: string;
}

/** How many are taken a second, and how many at once. */
const RATE = 100;

const NOT_TAKEN: CallSite = Object.freeze({
  stack: `\n    at (call site not recorded: more than ${RATE} calls a second)`,
});

const captureStackTrace = (Error as { captureStackTrace?: (site: CallSite) => void }).captureStackTrace;

let left = RATE;
let filledAt = 0;

/** Takes the present stack, if the budget allows. */
export function captureCallSite(): CallSite {
  if (left < 1 && !refill()) return NOT_TAKEN;
  left--;
  const site: CallSite = {};
  if (captureStackTrace) captureStackTrace.call(Error, site);
  else site.stack = new Error().stack ?? "";
  return site;
}

function refill(): boolean {
  // Asked at each call of a busy loop: this clock is the cheaper one, and may be set back.
  const now = Date.now();
  left = Math.min(RATE, left + Math.max(0, now - filledAt) * RATE / 1000);
  filledAt = now;
  return left >= 1;
}
