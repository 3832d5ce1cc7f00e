/**
 * What an isolate's event loop does now, in memory that others can read while it is held up: whether a call is on its
 * stack, and until when callers wait. A loop that has not come back by then is stuck, and only the outside can tell.
 *
 * @module
 */

/** What is to be done about a loop that is stuck: give its isolate up, or end its process. */
export type OnStuck = "abandon" | "kill-host";

/** Places in the shared memory, each a float64. */
const RUNNING = 0, RUNNING_KILLS = 1, WAITING = 2, WAITING_KILLS = 3, SIZE = 4;

/** The isolate's side. It is written at every call, so it costs next to nothing. */
export class LoopState {
  /** What the watching side reads: {@linkcode readLoopState}. */
  readonly memory: SharedArrayBuffer = new SharedArrayBuffer(SIZE * Float64Array.BYTES_PER_ELEMENT);
  readonly #words = new Float64Array(this.memory);

  /** Nothing runs. */
  constructor() {
    this.leave();
    this.wait(Infinity, "abandon");
  }

  /** User code is about to run: until `deadline` on the isolate's clock, or as long as it likes (`Infinity`). */
  enter(deadline: number, onStuck: OnStuck): void {
    this.#words[RUNNING_KILLS] = onStuck === "kill-host" ? 1 : 0;
    this.#words[RUNNING] = deadline;
  }

  /** It came back. */
  leave(): void {
    this.#words[RUNNING] = NaN;
  }

  /** The earliest deadline of all calls that wait for something; `Infinity` for none. */
  wait(deadline: number, onStuck: OnStuck): void {
    this.#words[WAITING_KILLS] = onStuck === "kill-host" ? 1 : 0;
    this.#words[WAITING] = deadline;
  }
}

/** By when a loop has to come back, or else what is done about it. */
export interface LoopDeadline {
  /** On the isolate's clock; `Infinity` for never. */
  readonly at: number;
  /** What is done about it. */
  readonly onStuck: OnStuck;
  /** Whether it is the deadline of a call on its stack. */
  readonly running: boolean;
}

/**
 * By when the loop has to come back. While a call is on its stack that call's deadline counts, as another's timer cannot
 * fire meanwhile and that is nobody's fault; else the earliest of those that wait.
 */
export function readLoopState(memory: SharedArrayBuffer): LoopDeadline {
  const words = new Float64Array(memory);
  const running = !Number.isNaN(words[RUNNING]!);
  const place = running ? RUNNING : WAITING;
  return { at: words[place]!, onStuck: words[place + 1] === 1 ? "kill-host" : "abandon", running };
}
