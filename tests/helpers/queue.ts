/** What has arrived and nobody has taken yet. */
export class Queue<T> {
  readonly #items: T[] = [];
  readonly #takers: { fits: (item: T) => boolean; take: (item: T) => void }[] = [];

  /** Adds an item, or hands it to whoever waits for it. */
  push(item: T): void {
    const index = this.#takers.findIndex(({ fits }) => fits(item));
    if (index < 0) this.#items.push(item);
    else this.#takers.splice(index, 1)[0]!.take(item);
  }

  /** The first item that fits: one that is there, or the next that comes. */
  next(fits: (item: T) => boolean = () => true): Promise<T> {
    const index = this.#items.findIndex(fits);
    if (index >= 0) return Promise.resolve(this.#items.splice(index, 1)[0]!);
    return new Promise((take) => this.#takers.push({ fits, take }));
  }

  /** How many items wait. */
  get size(): number {
    return this.#items.length;
  }
}
