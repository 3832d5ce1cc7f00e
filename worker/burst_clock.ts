/**
 * The time, as it was when somebody last looked in this burst of calls: looking costs more than all else that is counted
 * of a short call, and the calls of one frame start right behind one another.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";

/** As it was before user code. */
const { queueMicrotask } = globalThis;

/** A clock that stands still between two looks at it, until the code that runs now has come to its end. */
export class BurstClock implements Clock {
  readonly #clock: Clock;
  #time = 0;
  #began = 0;
  #stands = false;
  readonly #goOn = () => {
    this.#stands = false;
  };

  /** @param clock What is looked at. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The time of the last look, where that was in this burst; else it looks. */
  now(): number {
    return this.#stands ? this.#time : this.look();
  }

  /** The time of the first look in this burst: when what is in a frame came, whatever has run since that came with it. */
  began(): number {
    return this.#stands ? this.#began : this.look();
  }

  /** The time as it is: after code of whatever length, and wherever it has to be exact. */
  look(): number {
    this.#time = this.#clock.now();
    if (!this.#stands) {
      this.#began = this.#time;
      this.#stands = true;
      queueMicrotask(this.#goOn);
    }
    return this.#time;
  }

  setTimer(delay: number, run: () => void): () => void {
    return this.#clock.setTimer(delay, run);
  }
}
