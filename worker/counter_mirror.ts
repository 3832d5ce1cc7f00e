/**
 * Counts of an isolate in another process: memory cannot be shared with it, so what has changed is sent now and then.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { CounterNews } from "./call_counters.ts";

/** Milliseconds between looks at the counts. */
const MIRROR_INTERVAL = 250;

/** News of where something is counted, with how many bytes there are instead of the memory itself. */
export type MirroredNews = CounterNews extends infer N
  ? N extends { readonly memory: SharedArrayBuffer | undefined }
    ? Omit<N, "memory"> & { readonly size: number | undefined }
  : N
  : never;

/** Counts that have changed, by the number of their memory. */
export type CountChanges = readonly (readonly [memory: number, counts: Float64Array])[];

/** What one side says to the other. */
export type MirrorMessage =
  | { readonly type: "mirrored"; readonly news: MirroredNews }
  | { readonly type: "counts"; readonly changes: CountChanges };

/** The side that counts. */
export class CounterSource {
  readonly #say: (message: MirrorMessage) => void;
  readonly #memories: { readonly counts: Float64Array; readonly told: Float64Array }[] = [];

  /** Looks at the counts until the process ends. */
  constructor(clock: Clock, say: (message: MirrorMessage) => void) {
    this.#say = say;
    const lookLater = () => {
      clock.setTimer(MIRROR_INTERVAL, () => {
        this.tell();
        lookLater();
      });
    };
    lookLater();
  }

  /** The isolate counts something more. */
  add(news: CounterNews): void {
    if (!("memory" in news)) return this.#say({ type: "mirrored", news });
    const { memory, ...rest } = news;
    if (memory) {
      const counts = new Float64Array(memory);
      this.#memories.push({ counts, told: new Float64Array(counts.length) });
    }
    this.#say({ type: "mirrored", news: { ...rest, size: memory?.byteLength } as MirroredNews });
  }

  /** Tells what has changed. */
  tell(): void {
    const changes: [number, Float64Array][] = [];
    this.#memories.forEach(({ counts, told }, index) => {
      if (counts.every((count, place) => count === told[place])) return;
      told.set(counts);
      changes.push([index, told.slice()]);
    });
    if (changes.length > 0) this.#say({ type: "counts", changes });
  }
}

/** The side that looks. */
export class CounterMirror {
  readonly #memories: Float64Array[] = [];

  /** What it is in this process that is counted somewhere else. */
  receive(message: MirrorMessage): CounterNews | undefined {
    if (message.type === "counts") {
      for (const [memory, counts] of message.changes) this.#memories[memory]?.set(counts);
      return undefined;
    }
    const { news } = message;
    if (!("size" in news)) return news;
    const { size, ...rest } = news;
    if (size === undefined) return { ...rest, memory: undefined } as CounterNews;
    const memory = new SharedArrayBuffer(size);
    this.#memories.push(new Float64Array(memory));
    return { ...rest, memory } as CounterNews;
  }
}
