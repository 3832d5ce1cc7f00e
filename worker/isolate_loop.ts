/**
 * The event loop of one isolate, as its calls share it: the time, whose turn it is, and until when.
 *
 * @module
 */

import { type Clock, TimerQueue } from "../connection/mod.ts";
import { BurstClock } from "./burst_clock.ts";
import { applyInContext, type Context } from "./context.ts";
import { LoopState, type OnStuck } from "./loop_state.ts";
import { Turns } from "./turns.ts";

/** By when code has to be done, and what is done about an isolate that is held up beyond that. */
export interface CodeLimit {
  /** On the isolate's clock; `Infinity` for never. */
  readonly deadline: number;
  /** What is done about it. */
  readonly onStuck: OnStuck;
}

/** Code that may take as long as it likes. */
export const UNLIMITED: CodeLimit = Object.freeze({ deadline: Infinity, onStuck: "abandon" });

/** The event loop of one isolate. */
export class IsolateLoop {
  /** The time. */
  readonly clock: BurstClock;
  /** Who runs next. */
  readonly turns: Turns = new Turns();
  /** What others see of it. */
  readonly state: LoopState = new LoopState();
  readonly #timers: TimerQueue;
  readonly #deadlines: Readonly<Record<OnStuck, TimerQueue>>;
  readonly #earliest: Record<OnStuck, number> = { "abandon": Infinity, "kill-host": Infinity };

  /** Nothing runs yet. */
  constructor(clock: Clock) {
    this.clock = new BurstClock(clock);
    this.#timers = new TimerQueue(clock);
    const queue = (onStuck: OnStuck) => new TimerQueue(clock, (at) => this.#expect(onStuck, at));
    this.#deadlines = { "abandon": queue("abandon"), "kill-host": queue("kill-host") };
  }

  /** Runs `run` at a time; the function that it returns takes that back. */
  setTimer(at: number, run: () => void): () => void {
    const timer = this.#timers.set(at, run);
    return () => timer.stop();
  }

  /** Runs `run` at the deadline of code that awaits something. A loop that has not done so by then is held up. */
  setDeadline({ deadline, onStuck }: CodeLimit, run: () => void): () => void {
    const timer = this.#deadlines[onStuck].set(deadline, run);
    return () => timer.stop();
  }

  /** Calls user code in a context. Its time counts as a part of the turn. */
  apply(
    context: Context,
    { deadline, onStuck }: CodeLimit,
    method: (...args: never[]) => unknown,
    target: unknown,
    args: readonly unknown[],
  ): unknown {
    const start = this.clock.now();
    this.state.enter(deadline, onStuck);
    try {
      return applyInContext(context, method, target, args);
    } finally {
      this.state.leave();
      this.turns.spend(this.clock.look() - start);
    }
  }

  /** Another deadline is the earliest of its kind. */
  #expect(onStuck: OnStuck, at: number): void {
    this.#earliest[onStuck] = at;
    const { "abandon": abandon, "kill-host": kill } = this.#earliest;
    this.state.wait(Math.min(abandon, kill), kill <= abandon ? "kill-host" : "abandon");
  }
}
