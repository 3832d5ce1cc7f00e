/**
 * The results of tasks, and scattered values, that one host keeps: as bytes, until the scheduler says that nobody needs
 * them.
 *
 * @module
 */

/** A kept value. */
export interface StoredResult {
  /** The value, encoded. Not to be changed. */
  readonly bytes: Uint8Array;
  /** Keys of the actors and futures in it. */
  readonly refs: readonly string[];
}

/** What those see who only ask. */
export interface StoredResults {
  /** The value of a key; `undefined` where it is not kept. */
  get(key: string): StoredResult | undefined;
}

/** The values of one host. */
export class ResultStore implements StoredResults {
  readonly #results = new Map<string, StoredResult>();
  #bytes = 0;

  /** How many there are. */
  get size(): number {
    return this.#results.size;
  }

  /** The bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): StoredResult | undefined {
    return this.#results.get(key);
  }

  /** Keeps a value, in place of an earlier one of its key. `bytes` have a buffer of their own, as they stay for long. */
  put(key: string, bytes: Uint8Array, refs: readonly string[]): void {
    this.delete(key);
    this.#results.set(key, { bytes, refs });
    this.#bytes += bytes.length;
  }

  /** Drops a value, if it is there. */
  delete(key: string): void {
    this.#bytes -= this.#results.get(key)?.bytes.length ?? 0;
    this.#results.delete(key);
  }
}
