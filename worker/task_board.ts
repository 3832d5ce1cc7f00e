/**
 * Memory that a host shares with an isolate for tasks: which order has begun, and small results.
 *
 * Orders are numbered, each one more than the one before, and begin in that order. The isolate begins one only where none
 * has been withdrawn meanwhile, and the host withdraws all that have not begun, both with one atomic operation: so each
 * knows for certain, also while the isolate is held up by a function. A small result is here as soon as its function has
 * given it, so what follows in the isolate cannot keep it from the host.
 *
 * @module
 */

/** Where the numbers are: of the order that begun last, and the places up to which results were written and read. */
const BEGUN = 0;
const WRITTEN = 1;
const READ = 2;
/** Whether the host was told that there is something to read. */
const TOLD = 3;
const HEAD = 4 * Int32Array.BYTES_PER_ELEMENT;

/** Bytes for results: a power of two. */
const ROOM = 1 << 16;

/** What stands before a result: its length, the number of its order, and the microseconds that it took. */
const RESULT_HEAD = 3 * Int32Array.BYTES_PER_ELEMENT;

const MOST_MICROSECONDS = 2 ** 31 - 1;

/** In place of a length: the next result stands at the beginning. */
const WRAP = -1;

/** A small result that the host reads. */
export interface BoardResult {
  /** The order of which it is. */
  readonly number: number;
  /** Milliseconds that its function took. */
  readonly took: number;
  /** The value, good until the next is read. */
  readonly value: Uint8Array;
}

/** What a host and an isolate for tasks share. */
export class TaskBoard {
  /** The memory, for the other side. */
  readonly memory: SharedArrayBuffer;
  readonly #numbers: Int32Array;
  readonly #results: Int32Array;
  readonly #bytes: Uint8Array;
  #taking = false;

  /** @param memory That of the other side; a new one where it is left out. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEAD + ROOM)) {
    this.memory = memory;
    this.#numbers = new Int32Array(memory, 0, HEAD / Int32Array.BYTES_PER_ELEMENT);
    this.#results = new Int32Array(memory, HEAD);
    this.#bytes = new Uint8Array(memory, HEAD);
  }

  /** The isolate is about to begin an order. Where this is false it was withdrawn, and must not. */
  begin(number: number): boolean {
    const before = number - 1 | 0;
    return Atomics.compareExchange(this.#numbers, BEGUN, before, number) === before;
  }

  /**
   * The host withdraws all orders up to `last`, the one that it gave last, that have not begun.
   *
   * @returns The number of the one that has begun last.
   */
  withdraw(last: number): number {
    return Atomics.exchange(this.#numbers, BEGUN, last);
  }

  /** The isolate leaves a result here. Returns false where there is no room for it. */
  put({ number, took, value }: BoardResult): boolean {
    const size = RESULT_HEAD + (value.length + 3 & ~3);
    let written = this.#numbers[WRITTEN]!;
    const room = ROOM - (written - Atomics.load(this.#numbers, READ) | 0);
    const untilEnd = ROOM - this.#offset(written);
    const skipped = untilEnd < size ? untilEnd : 0;
    if (room < skipped + size) return false;
    if (skipped > 0) {
      this.#results[this.#offset(written) >> 2] = WRAP;
      written = written + skipped | 0;
    }
    const offset = this.#offset(written);
    const at = offset >> 2;
    this.#results[at] = value.length;
    this.#results[at + 1] = number;
    this.#results[at + 2] = Math.min(took * 1000, MOST_MICROSECONDS);
    this.#bytes.set(value, offset + RESULT_HEAD);
    Atomics.store(this.#numbers, WRITTEN, written + size | 0);
    return true;
  }

  /** Whether the host has to be told that there are results: it was not since it has read the last. */
  mustTell(): boolean {
    return this.#numbers[WRITTEN] !== Atomics.load(this.#numbers, READ) &&
      Atomics.exchange(this.#numbers, TOLD, 1) === 0;
  }

  /** The host reads all results, in the order in which they were left. Within `receive` nothing more is read. */
  take(receive: (result: BoardResult) => void): void {
    if (this.#taking) return;
    this.#taking = true;
    try {
      this.#take(receive);
    } finally {
      this.#taking = false;
    }
  }

  #take(receive: (result: BoardResult) => void): void {
    Atomics.store(this.#numbers, TOLD, 0);
    let read = this.#numbers[READ]!;
    while (read !== Atomics.load(this.#numbers, WRITTEN)) {
      const offset = this.#offset(read);
      const at = offset >> 2;
      const length = this.#results[at]!;
      if (length === WRAP) {
        read = read + ROOM - offset | 0;
        continue;
      }
      const value = this.#bytes.subarray(offset + RESULT_HEAD, offset + RESULT_HEAD + length);
      receive({ number: this.#results[at + 1]!, took: this.#results[at + 2]! / 1000, value });
      read = read + RESULT_HEAD + (length + 3 & ~3) | 0;
      Atomics.store(this.#numbers, READ, read);
    }
  }

  #offset(position: number): number {
    return position & ROOM - 1;
  }
}
