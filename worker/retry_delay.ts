/**
 * How long to wait before another try.
 *
 * @module
 */

const FIRST_MS = 200;
const LONGEST_MS = 10_000;

/**
 * Milliseconds to wait before try number `attempt` (from 0): doubling from 0.2 s to 10 s, and any part of that, so that
 * a thousand workers do not come back in step.
 *
 * @param random From 0 to 1.
 */
export function retryDelay(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 30));
}
