/**
 * Actors for benches. Workers of any revision load them: they import types only.
 *
 * @module
 */

import type { Actor } from "../mod.ts";

/** Where workers find them. */
export const ACTORS_MODULE: string = import.meta.url;

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

/** Calls others. */
export class Caller {
  /** Calls another actor, one call after the other, and takes the time of each in milliseconds. */
  async measure(other: Actor<InlineEcho>, count: number): Promise<Float64Array> {
    const times = new Float64Array(count);
    for (let index = 0; index < count; index++) {
      const start = performance.now();
      await other.call();
      times[index] = performance.now() - start;
    }
    return times;
  }
}

/** Looks at the memory of its host process. It lives in its main isolate. */
export class HostMemory {
  /** Bytes of objects that are in use. */
  async used(): Promise<number> {
    // Garbage is gone when the smallest of a few looks has been taken; `gc` needs a flag.
    let least = Infinity;
    for (let look = 0; look < 20; look++) {
      new Uint8Array(4 << 20);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const { heapUsed, external } = Deno.memoryUsage();
      least = Math.min(least, heapUsed + external);
    }
    return least;
  }

  /** Bytes of one `InlineEcho` and of a reference to it. */
  async instanceBytes(): Promise<number> {
    const before = await this.used();
    const instances = Array.from({ length: 100_000 }, () => new InlineEcho());
    return (await this.used() - before) / instances.length;
  }
}
