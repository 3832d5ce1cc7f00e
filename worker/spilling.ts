/**
 * Keeps a host below its memory limit: while its memory is nearly full, values go to a file.
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import type { Clock } from "../connection/mod.ts";
import { describeBytes } from "../protocol/mod.ts";
import type { ResultStore } from "./result_store.ts";
import { SpillFile } from "./spill_file.ts";

const logger = getLogger(["troupe", "worker", "host"]);

/** Above this share of its limit, values go to a file … */
const SPILL_SHARE = 0.8;
/** … until it is below this one. */
const ENOUGH_SHARE = 0.7;

/** Above this share it gets no new tasks; where that lasts so many milliseconds, values go to a file, too … */
const PAUSE_SHARE = 0.6;
const PAUSE_TIME = 500;
/** … until it is below this one. */
const GO_ON_SHARE = 0.55;

/** Above this share every task that starts looks first. */
const TIGHT_SHARE = 0.4;

/** Milliseconds between looks at the memory, and after a file could not be written. */
const LOOK_INTERVAL = 200;
const AFTER_FAILURE = 30_000;

/** Milliseconds in which the engine frees what it has found to be garbage. */
const SWEEP_TIME = 30;

/** How many of the largest values are named where memory is nearly full. */
const NAMED = 3;

/** Options of {@linkcode Spilling}. */
export interface SpillingOptions {
  /** What may go to a file. */
  readonly results: ResultStore;
  /** Bytes of resident memory at which the process is killed; 0 for none: then nothing happens. */
  readonly limit: number;
  /** Folders for the file, the first that may be written to. */
  readonly folders: readonly string[];
  /** The time. */
  readonly clock: Clock;
  /** Has all isolates free what they do not use any more. */
  readonly collect: () => void;
  /** Told of the largest values while memory is nearly full, in one line: whoever ends this process says so. */
  readonly onShort: (largest: string) => void;
  /** Bytes of resident memory now. @default those of this process */
  readonly resident?: () => number;
}

/** Looks at the memory of a host, and does what can be done. */
export class Spilling {
  readonly #options: SpillingOptions;
  readonly #resident: () => number;
  #stop = () => {};
  #file: SpillFile | undefined;
  #under: Promise<void> | undefined;
  #pausedSince: number | undefined;
  /** Whether memory was so full at the last look that it is worth looking more often. */
  #isTight = false;
  /** Until when it is not tried again, because no room could be made. */
  #futileUntil = 0;
  #warned = false;
  #closed = false;

  /** Looks from now on. */
  constructor(options: SpillingOptions) {
    this.#options = options;
    this.#resident = options.resident ?? (() => Deno.memoryUsage().rss);
    if (options.limit > 0) this.#lookIn(LOOK_INTERVAL);
  }

  /** Resolves when there is room for more, or none can be made; `undefined` where there is room. */
  get relieving(): Promise<void> | undefined {
    return this.#isTight ? this.relieve() : this.#under;
  }

  /** Looks now, as much may have come since the last look. Resolves as {@linkcode Spilling.relieving} does. */
  relieve(): Promise<void> | undefined {
    const { limit, clock } = this.#options;
    if (this.#under || this.#closed || limit === 0 || clock.now() < this.#futileUntil) return this.#under;
    if (this.#resident() > limit * SPILL_SHARE) {
      this.#stop();
      this.#begin();
    }
    return this.#under;
  }

  /** Ends it; the file is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    await this.#under;
    await this.#file?.close();
  }

  #lookIn(delay: number): void {
    this.#stop = this.#options.clock.setTimer(delay, () => this.#begin());
  }

  #begin(): void {
    this.#under = this.#look().finally(() => this.#under = undefined);
  }

  async #look(): Promise<void> {
    let delay = LOOK_INTERVAL;
    try {
      const { limit, results, onShort, clock } = this.#options;
      // Much of it may be what nobody uses any more.
      if (this.#resident() > limit * PAUSE_SHARE) await this.#collect();
      const share = this.#resident() / limit;
      this.#isTight = share > TIGHT_SHARE;
      if (share <= PAUSE_SHARE) this.#pausedSince = undefined;
      else this.#pausedSince ??= clock.now();
      if (share > SPILL_SHARE) {
        onShort(describeLargest(results));
        await this.#spill(ENOUGH_SHARE);
      } else if (this.#pausedSince !== undefined && clock.now() - this.#pausedSince >= PAUSE_TIME) {
        await this.#spill(GO_ON_SHARE);
      }
    } catch (error) {
      delay = AFTER_FAILURE;
      logger.warn("Memory is nearly full, and results cannot be written to a file: {message}", {
        message: error instanceof Error ? error.message : String(error),
      });
    }
    const { limit, clock } = this.#options;
    if (this.#resident() > limit * SPILL_SHARE) this.#futileUntil = clock.now() + delay;
    if (!this.#closed) this.#lookIn(delay);
  }

  async #spill(goal: number): Promise<void> {
    const { limit, results, folders } = this.#options;
    const file = this.#file ??= await SpillFile.open(folders);
    if (file === undefined) return this.#warn();
    for (let excess = Infinity; excess > 0 && !this.#closed;) {
      excess = this.#resident() - limit * goal;
      if (excess > 0 && await results.spill(file, excess) === 0) return;
      await this.#collect();
    }
  }

  async #collect(): Promise<void> {
    const { collect, clock } = this.#options;
    collect();
    // What has been found is freed in the background.
    await new Promise<void>((resolve) => void clock.setTimer(SWEEP_TIME, resolve));
  }

  #warn(): void {
    if (this.#warned) return;
    this.#warned = true;
    logger.warn(
      "Memory is nearly full, and no file may be written: results stay in memory, and this process is ended at its " +
        "limit. To permit a file start the worker with --allow write={folder}",
      { folder: this.#options.folders.at(-1) ?? "FOLDER" },
    );
  }
}

/** The largest values and their sizes, in one line. */
function describeLargest(results: ResultStore): string {
  return results.largest(NAMED).map(({ key, size }) => `${key} (${describeBytes(size)})`).join(", ");
}
