/**
 * Time that a test moves.
 *
 * @module
 */

import type { Clock } from "../../connection/mod.ts";

interface Timer {
  readonly due: number;
  readonly run: () => void;
}

/** A clock on which time passes only where the test says so. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  /** How many timers wait. */
  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  setTimer(delay: number, run: () => void): () => void {
    const timer = { due: this.#now + delay, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /** Lets time pass, in milliseconds; timers run when they are due. */
  advance(duration: number): void {
    const end = this.#now + duration;
    for (let timer = this.#first(end); timer; timer = this.#first(end)) {
      this.#now = Math.max(this.#now, timer.due);
      this.#run(timer);
    }
    this.#now = end;
  }

  /** Lets time pass while the event loop does not run: timers that fall due run late, at its end. */
  block(duration: number): void {
    this.#now += duration;
    // Those that they set have to wait for another turn.
    const due = [...this.#timers].filter((timer) => timer.due <= this.#now).sort((one, other) => one.due - other.due);
    for (const timer of due) if (this.#timers.has(timer)) this.#run(timer);
  }

  #first(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (timer.due <= end && (!first || timer.due < first.due)) first = timer;
    return first;
  }

  #run(timer: Timer): void {
    this.#timers.delete(timer);
    timer.run();
  }
}
