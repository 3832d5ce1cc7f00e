/**
 * Looks at the event loops of isolates from outside, and finds those that are stuck.
 *
 * @module
 */

import { type OnStuck, readLoopState } from "./loop_state.ts";

/** Milliseconds by which a call on the stack may pass its deadline. */
const RUNNING_GRACE = 250;

/**
 * Milliseconds by which a deadline may pass unnoticed while no call is on the stack: what holds the loop up then belongs
 * to another call, which may have all the time in the world.
 */
const WAITING_GRACE = 5000;

/** Looks in a row at which a loop has to be late: one whose process was stopped, or had no processor, catches up. */
const LATE_LOOKS = 3;

/** A loop that is watched. */
export interface WatchedLoop {
  /** Id of the home. */
  readonly home: string;
  /** What the isolate writes of itself. */
  readonly memory: SharedArrayBuffer;
  /** What has to be added to its time to get the time of whoever looks. */
  readonly offset: number;
  /** What is done about it, whatever its calls say; left out where that is what counts. */
  readonly onStuck?: OnStuck | undefined;
}

/** A loop that is stuck. */
export interface StuckLoop {
  /** Id of the home. */
  readonly home: string;
  /** What is to be done about it. */
  readonly onStuck: OnStuck;
}

interface Watched extends WatchedLoop {
  /** The deadline that was missed at the last look. */
  missed: number;
  looks: number;
}

/** The loops of one process. */
export class LoopWatch {
  readonly #loops = new Map<string, Watched>();

  /** Watches one more. */
  add(loop: WatchedLoop): void {
    this.#loops.set(loop.home, { ...loop, missed: NaN, looks: 0 });
  }

  /** Watches one no more. */
  remove(home: string): void {
    this.#loops.delete(home);
  }

  /** Looks at all, about ten times a second. Gives those that are stuck, each once for each deadline that it misses. */
  look(now: number): StuckLoop[] {
    const stuck: StuckLoop[] = [];
    for (const loop of this.#loops.values()) {
      const { at, onStuck, running } = readLoopState(loop.memory);
      const isLate = now >= at + loop.offset + (running ? RUNNING_GRACE : WAITING_GRACE);
      if (!isLate || at !== loop.missed) [loop.missed, loop.looks] = [isLate ? at : NaN, 0];
      if (isLate && ++loop.looks === LATE_LOOKS) stuck.push({ home: loop.home, onStuck: loop.onStuck ?? onStuck });
    }
    return stuck;
  }
}
