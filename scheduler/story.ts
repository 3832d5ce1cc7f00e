/**
 * What happened last, for whoever asks why.
 *
 * @module
 */

/** One thing that happened. */
export interface StoryEntry {
  /** When, in milliseconds of the scheduler's clock. */
  readonly at: number;
  /** The actor's key, or the id of a worker or client. */
  readonly subject: string;
  /** Its state before; empty where it was not there. */
  readonly from: string;
  /** Its state after. */
  readonly to: string;
  /** The event that caused it, and what more there is to say. */
  readonly cause: string;
}

/** A log that forgets what is oldest. */
export class Story {
  readonly #length: number;
  /** Written over and over, so that nothing has to be collected that has grown old. */
  readonly #entries: { -readonly [N in keyof StoryEntry]: StoryEntry[N] }[] = [];
  #next = 0;
  #count = 0;

  /** @param length How many entries it keeps. */
  constructor(length: number) {
    this.#length = length;
  }

  /** Adds an entry. */
  add(entry: StoryEntry): void {
    const oldest = this.#entries[this.#next];
    if (oldest) {
      oldest.at = entry.at;
      oldest.subject = entry.subject;
      oldest.from = entry.from;
      oldest.to = entry.to;
      oldest.cause = entry.cause;
    } else {
      this.#entries.push({ ...entry });
    }
    this.#next = (this.#next + 1) % this.#length;
    this.#count++;
  }

  /**
   * The entries from a number on, oldest first, and the number of the next one. Of those that are many, or whose number
   * is negative, the last `most`.
   */
  since(from: number, most: number): { readonly entries: StoryEntry[]; readonly next: number } {
    const kept = Math.min(this.#count, this.#length);
    const wanted = Math.min(kept, most, from < 0 ? Infinity : this.#count - from);
    const entries: StoryEntry[] = [];
    for (let back = wanted; back > 0; back--) {
      entries.push({ ...this.#entries[(this.#next - back + this.#length) % this.#length]! });
    }
    return { entries, next: this.#count };
  }

  /** The entries of one subject, or all, oldest first. */
  tell(subject?: string): StoryEntry[] {
    const ordered = [...this.#entries.slice(this.#next), ...this.#entries.slice(0, this.#next)];
    const told = subject === undefined ? ordered : ordered.filter((entry) => entry.subject === subject);
    return told.map((entry) => ({ ...entry }));
  }
}
