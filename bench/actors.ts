/**
 * Actors for benches.
 *
 * @module
 */

/** Every public method is async, so it lives inline, on the host's own event loop. */
export class InlineEcho {
  /** For attribute reads. */
  n = 1;

  /** Does nothing. */
  async call(): Promise<number> {
    return await this.n;
  }

  /** Gives back what it gets. */
  async echo(value: Uint8Array): Promise<Uint8Array> {
    return await value;
  }

  /** Takes a value and gives little back. */
  async take(value: Uint8Array): Promise<number> {
    return await value.length;
  }
}

/** A sync method: it lives in a Web Worker isolate. */
export class SyncCounter {
  /** How far it has counted. */
  n = 0;

  /** Counts one on. */
  increment(): number {
    return ++this.n;
  }
}
