/**
 * What was sent and is held here until whoever got it says that the scheduler knows of him as well.
 *
 * @module
 */

/** Holds of what was sent, in order, by the number of what it was sent for. */
export class Untaken {
  readonly #releases = new Map<number, (() => void)[]>();

  /** How many numbers have something that is held. */
  get size(): number {
    return this.#releases.size;
  }

  /** Something was sent; `release` ends the hold of what is in it. */
  add(id: number, release: () => void): void {
    const releases = this.#releases.get(id);
    if (releases) releases.push(release);
    else this.#releases.set(id, [release]);
  }

  /** The oldest that was sent for a number is not needed here any more. */
  take(id: number): void {
    const releases = this.#releases.get(id);
    releases?.shift()?.();
    if (releases?.length === 0) this.#releases.delete(id);
  }

  /** Nothing is. */
  clear(): void {
    for (const releases of this.#releases.values()) for (const release of releases) release();
    this.#releases.clear();
  }
}
