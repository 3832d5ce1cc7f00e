/**
 * Time, as everything that waits takes it, so that a test can be in charge of it.
 *
 * @module
 */

/** A clock that never goes back, and timers. */
export interface Clock {
  /** Milliseconds since some moment of its own. */
  now(): number;
  /** Runs `run` once, `delay` milliseconds from now, unless the function that it returns was called before. */
  setTimer(delay: number, run: () => void): () => void;
}

/** The platform's monotonic clock and timers. */
export const platformClock: Clock = {
  now: () => performance.now(),
  setTimer(delay, run) {
    const timer = setTimeout(run, delay);
    return () => clearTimeout(timer);
  },
};
