/**
 * Shares an isolate's event loop between calls and everything else: after a few milliseconds of calls the loop gets to
 * read its sockets before the next one starts, so that cancellations, deadlines and priorities reach those that wait.
 *
 * @module
 */

import { afterThisTurn } from "../connection/mod.ts";

/** Milliseconds that calls may take together before the loop has its turn. */
const SHARE = 5;

/** Who has something to start. */
export interface TurnTaker {
  /** Starts one thing; returns whether it could start another one now. */
  takeTurn(): boolean;
}

/** The turns of one isolate. */
export class Turns {
  readonly #waiting = new Set<TurnTaker>();
  #spent = 0;
  #scheduled = false;

  /** Whether something may start at once. */
  get free(): boolean {
    return this.#spent < SHARE;
  }

  /** Something ran for so many milliseconds. */
  spend(milliseconds: number): void {
    this.#spent += milliseconds;
  }

  /** Gives `taker` a turn as soon as the loop has had its own; one after another, those who asked first. */
  ask(taker: TurnTaker): void {
    this.#waiting.add(taker);
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterThisTurn(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    this.#spent = 0;
    for (const taker of this.#waiting) {
      if (!this.free) break;
      this.#waiting.delete(taker);
      // The last in line again.
      if (taker.takeTurn()) this.#waiting.add(taker);
    }
    const [next] = this.#waiting;
    if (next !== undefined) this.ask(next);
  }
}
