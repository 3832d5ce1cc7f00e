/**
 * The large values that one host keeps: results of tasks, scattered values, and copies of what other hosts keep; as bytes,
 * in memory or in a file, until the scheduler says that nobody needs them.
 *
 * @module
 */

import type { Extent, SpillFile } from "./spill_file.ts";

/** A kept value. */
export interface StoredResult {
  /** The value, encoded. Not to be changed. */
  readonly bytes: Uint8Array;
  /** Keys of the actors and futures in it. */
  readonly refs: readonly string[];
}

/** What those see who only ask. */
export interface StoredResults {
  /** The value of a key: later where it has to be read from a file; `undefined` where it is not kept. */
  get(key: string): StoredResult | Promise<StoredResult> | undefined;
}

interface Entry {
  readonly run: number;
  readonly refs: readonly string[];
  readonly size: number;
  /** `undefined` where it is in the file. */
  bytes: Uint8Array | undefined;
  /** Where it is in the file. */
  extent: Extent | undefined;
}

/** Smaller values stay in memory. */
const LEAST_SPILLED = 16 * 1024;

/** The values of one host. Of one key it keeps what came of the latest attempt. */
export class ResultStore implements StoredResults {
  /** What was used longest ago first. */
  readonly #results = new Map<string, Entry>();
  #bytes = 0;
  #spilledBytes = 0;
  #file: SpillFile | undefined;

  /** How many there are. */
  get size(): number {
    return this.#results.size;
  }

  /** The bytes of all of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The bytes of those that are in the file. */
  get spilledBytes(): number {
    return this.#spilledBytes;
  }

  /** @param run The attempt of which it came; left out for whichever it was. */
  get(key: string, run?: number): StoredResult | Promise<StoredResult> | undefined {
    const entry = this.#results.get(key);
    if (entry === undefined || run !== undefined && entry.run !== run) return undefined;
    this.#results.delete(key);
    this.#results.set(key, entry);
    const { bytes, refs } = entry;
    return bytes ? { bytes, refs } : this.#file!.read(entry.extent!).then((bytes) => ({ bytes, refs }));
  }

  /** Keeps what came of an attempt. `bytes` have a buffer of their own, as they stay for long. */
  put(key: string, run: number, { bytes, refs }: StoredResult): void {
    const known = this.#results.get(key);
    if (known !== undefined) {
      if (known.run > run) return;
      this.delete(key, known.run);
    }
    this.#results.set(key, { run, refs, size: bytes.length, bytes, extent: undefined });
    this.#bytes += bytes.length;
  }

  /** Drops what came of an attempt, if it is there. */
  delete(key: string, run: number): void {
    const entry = this.#results.get(key);
    if (entry?.run !== run) return;
    this.#results.delete(key);
    this.#bytes -= entry.size;
    if (entry.extent === undefined) return;
    this.#spilledBytes -= entry.size;
    this.#file!.free(entry.extent);
  }

  /** The largest values, for people. */
  largest(count: number): { readonly key: string; readonly size: number }[] {
    return [...this.#results].map(([key, { size }]) => ({ key, size }))
      .sort((one, other) => other.size - one.size).slice(0, count);
  }

  /**
   * Moves values into a file, until it has taken `wanted` bytes. Those go first that were used longest ago.
   *
   * @returns How many bytes it has taken.
   */
  async spill(file: SpillFile, wanted: number): Promise<number> {
    this.#file = file;
    let taken = 0;
    for (const [key, entry] of [...this.#results]) {
      if (taken >= wanted) break;
      const { bytes, size } = entry;
      if (bytes === undefined || size < LEAST_SPILLED || this.#results.get(key) !== entry) continue;
      const extent = await file.write(bytes);
      if (this.#results.get(key) !== entry) {
        file.free(extent);
        continue;
      }
      entry.bytes = undefined;
      entry.extent = extent;
      this.#spilledBytes += size;
      taken += size;
    }
    return taken;
  }
}
