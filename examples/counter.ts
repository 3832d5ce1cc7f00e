/**
 * The counter of the Dask Actors page: an ordinary class, which knows nothing of Troupe.
 *
 * @module
 */

/** Counts. */
export class Counter {
  /** How far it has counted. */
  n = 0;

  /** Counts one on. */
  increment(): number {
    return ++this.n;
  }

  /** Counts `x` on. */
  add(x: number): number {
    return this.n += x;
  }
}
