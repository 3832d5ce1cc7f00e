/**
 * The waiter of the Dask Actors page: any number of calls can wait in it, and hold no thread while they do.
 *
 * @module
 */

/** Waits until it is told not to. */
export class Waiter {
  readonly #event = Promise.withResolvers<void>();

  /** Lets all who wait go on. */
  async set(): Promise<void> {
    await this.#event.resolve();
  }

  /** Waits for `set`. */
  async wait(): Promise<void> {
    await this.#event.promise;
  }
}
