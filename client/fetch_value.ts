/**
 * Getting a value from the worker that keeps it, wherever that may be by now.
 *
 * @module
 */

import { type DataHolder, DependencyLostError } from "../protocol/mod.ts";
import type { StoredValue } from "./held_key.ts";
import type { FetchedData } from "./routes.ts";

/** Whom {@linkcode fetchValue} asks. */
export interface ValueSource {
  /** Asks a host. */
  getData(holder: DataHolder, key: string): Promise<FetchedData>;
  /** Asks the scheduler, which answers when the value is there (again). */
  locate(key: string): Promise<StoredValue>;
  /** Lets time pass, in milliseconds. */
  pause(time: number): Promise<void>;
}

/**
 * Milliseconds before the scheduler is asked again: once at once, for it may know already that the holder is gone, then
 * with more and more patience, as long as it may take to notice that a worker fell silent.
 */
const PATIENCE: readonly number[] = [0, 100, 300, 800, 2000, 4000, 8000];

/**
 * Gets a value from one of its holders. Where none of them gives it, the scheduler is asked where it is now: it may
 * have been computed again elsewhere.
 *
 * @throws What the scheduler refuses it with, or, where it insists, what the last holder said.
 */
export async function fetchValue(key: string, stored: StoredValue, source: ValueSource): Promise<FetchedData> {
  let known = stored;
  let last: unknown;
  for (const time of PATIENCE) {
    if (known.value !== undefined) return { bytes: known.value, refs: known.refs };
    for (const holder of shuffled(known.holders)) {
      try {
        return await source.getData(holder, key);
      } catch (error) {
        last = error;
      }
    }
    if (time > 0) await source.pause(time);
    known = await source.locate(key);
  }
  if (known.value !== undefined) return { bytes: known.value, refs: known.refs };
  throw last ?? new DependencyLostError(`Cannot fetch ${key}: the scheduler names nobody who keeps it`);
}

/** In any order, so that many who want one value do not all ask the same holder. */
function shuffled(holders: readonly DataHolder[]): readonly DataHolder[] {
  if (holders.length < 2) return holders;
  const start = Math.floor(Math.random() * holders.length);
  return [...holders.slice(start), ...holders.slice(0, start)];
}
