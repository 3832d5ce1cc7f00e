/**
 * The large values that one host keeps: results of tasks, scattered values, and copies of what other hosts keep; as bytes,
 * until the scheduler says that nobody needs them.
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

/** The values of one host. Of one key it keeps what came of the latest attempt. */
export class ResultStore implements StoredResults {
  readonly #results = new Map<string, StoredResult & { readonly run: number }>();
  #bytes = 0;

  /** How many there are. */
  get size(): number {
    return this.#results.size;
  }

  /** The bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @param run The attempt of which it came; left out for whichever it was. */
  get(key: string, run?: number): StoredResult | undefined {
    const found = this.#results.get(key);
    return run === undefined || found?.run === run ? found : undefined;
  }

  /** Keeps what came of an attempt. `bytes` have a buffer of their own, as they stay for long. */
  put(key: string, run: number, { bytes, refs }: StoredResult): void {
    const known = this.#results.get(key);
    if (known !== undefined) {
      if (known.run > run) return;
      this.delete(key, known.run);
    }
    this.#results.set(key, { run, bytes, refs });
    this.#bytes += bytes.length;
  }

  /** Drops what came of an attempt, if it is there. */
  delete(key: string, run: number): void {
    const known = this.#results.get(key);
    if (known?.run !== run) return;
    this.#bytes -= known.bytes.length;
    this.#results.delete(key);
  }
}
