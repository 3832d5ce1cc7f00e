/**
 * Many moments to wait for, and one timer of the platform: that of the earliest.
 *
 * @module
 */

import type { Clock } from "./clock.ts";

/** A moment that is waited for. */
export interface QueuedTimer {
  /** When, on the queue's clock. */
  readonly at: number;
  /** Waits no more. */
  stop(): void;
}

/** Runs things at their times. Setting and stopping cost the logarithm of how many there are. */
export class TimerQueue {
  readonly #clock: Clock;
  readonly #onEarliest: (at: number) => void;
  /** A heap: the earliest first. */
  readonly #heap: Entry[] = [];
  #earliest = Infinity;
  #stopTimer: (() => void) | undefined;

  /** @param onEarliest Told of each change of the earliest moment; `Infinity` where nothing is waited for. */
  constructor(clock: Clock, onEarliest: (at: number) => void = () => {}) {
    this.#clock = clock;
    this.#onEarliest = onEarliest;
  }

  /** Runs `run` when the clock says `at`, or as soon as the event loop gets to it. */
  set(at: number, run: () => void): QueuedTimer {
    const entry = new Entry(at, run, (entry) => this.#remove(entry));
    this.#heap.push(entry);
    this.#rise(entry, this.#heap.length - 1);
    if (entry.place === 0) this.#restart();
    return entry;
  }

  #remove(entry: Entry): void {
    const { place } = entry;
    if (place < 0) return;
    const last = this.#heap.pop()!;
    entry.place = -1;
    if (last !== entry) {
      this.#rise(last, place);
      this.#sink(last, last.place);
    }
    if (place === 0) this.#restart();
  }

  #restart(): void {
    const at = this.#heap[0]?.at ?? Infinity;
    if (at === this.#earliest) return;
    this.#earliest = at;
    this.#stopTimer?.();
    this.#stopTimer = at === Infinity ? undefined : this.#clock.setTimer(
      Math.max(0, Math.ceil(at - this.#clock.now())),
      () => this.#runDue(),
    );
    this.#onEarliest(at);
  }

  #runDue(): void {
    // The timer has run out: another one has to be set, whatever is earliest now.
    this.#stopTimer = undefined;
    this.#earliest = -Infinity;
    const now = this.#clock.now();
    for (let entry = this.#heap[0]; entry !== undefined && entry.at <= now; entry = this.#heap[0]) {
      this.#take(entry);
      entry.run();
    }
    this.#restart();
  }

  /** Removes the first without setting a timer for the next. */
  #take(entry: Entry): void {
    const last = this.#heap.pop()!;
    entry.place = -1;
    if (last !== entry) this.#sink(last, 0);
  }

  #rise(entry: Entry, from: number): void {
    let place = from;
    while (place > 0) {
      const parent = this.#heap[(place - 1) >> 1]!;
      if (parent.at <= entry.at) break;
      this.#put(parent, place);
      place = (place - 1) >> 1;
    }
    this.#put(entry, place);
  }

  #sink(entry: Entry, from: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#heap[child + 1]!.at < this.#heap[child]!.at) child++;
      if (this.#heap[child]!.at >= entry.at) break;
      this.#put(this.#heap[child]!, place);
      place = child;
    }
    this.#put(entry, place);
  }

  #put(entry: Entry, place: number): void {
    this.#heap[place] = entry;
    entry.place = place;
  }
}

class Entry implements QueuedTimer {
  readonly at: number;
  readonly run: () => void;
  readonly #remove: (entry: Entry) => void;
  /** Where it stands in the heap; -1 where it stands there no more. */
  place = -1;

  constructor(at: number, run: () => void, remove: (entry: Entry) => void) {
    this.at = at;
    this.run = run;
    this.#remove = remove;
  }

  stop(): void {
    this.#remove(this);
  }
}
