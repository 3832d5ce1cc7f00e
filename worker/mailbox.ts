/**
 * The calls of one actor that wait for their turn: by priority, and within one priority in the order in which they came.
 *
 * @module
 */

/** How many priorities are told apart at once; what comes with another one then waits with the next lower one. */
const MOST_LANES = 64;

/** Something that waits in a mailbox. Its two links belong to the mailbox. */
export interface Letter<L extends Letter<L>> {
  /** Higher ones go first. */
  readonly priority: number;
  /** Its neighbours in its lane, while it waits. */
  previous: L | undefined;
  next: L | undefined;
  /** Where it waits, while it does. */
  lane: Lane<L> | undefined;
}

/** All that wait with one priority: a list that loses any of its elements in no time. */
export class Lane<L extends Letter<L>> {
  /** The priority. */
  readonly priority: number;
  /** The one that came first. */
  first: L | undefined;
  #last: L | undefined;

  /** An empty one. */
  constructor(priority: number) {
    this.priority = priority;
  }

  /** Puts something at the end. */
  push(letter: L): void {
    letter.lane = this;
    letter.previous = this.#last;
    letter.next = undefined;
    if (this.#last) this.#last.next = letter;
    else this.first = letter;
    this.#last = letter;
  }

  /** Puts something ahead of all others. */
  unshift(letter: L): void {
    letter.lane = this;
    letter.previous = undefined;
    letter.next = this.first;
    if (this.first) this.first.previous = letter;
    else this.#last = letter;
    this.first = letter;
  }

  /** Takes something out, wherever it stands. */
  remove(letter: L): void {
    const { previous, next } = letter;
    if (previous) previous.next = next;
    else this.first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    letter.lane = letter.previous = letter.next = undefined;
  }
}

/** The mailbox of one actor. */
export class Mailbox<L extends Letter<L>> {
  /** Lanes in which something waits or did, the highest priority first. Hardly ever more than one. */
  readonly #lanes: Lane<L>[] = [];
  #size = 0;

  /** How many wait. */
  get size(): number {
    return this.#size;
  }

  /** Puts something behind all that have its priority or a higher one. */
  push(letter: L): void {
    this.#laneOf(letter.priority).push(letter);
    this.#size++;
  }

  /** Takes out the next one; `undefined` where nothing waits. */
  shift(): L | undefined {
    while (this.#lanes.length > 0) {
      const [lane] = this.#lanes;
      const { first } = lane!;
      if (first) {
        this.remove(first);
        return first;
      }
      this.#lanes.shift();
    }
    return undefined;
  }

  /** Takes something out that waits here; `false` where it does not. */
  remove(letter: L): boolean {
    if (letter.lane === undefined || !this.#lanes.includes(letter.lane)) return false;
    letter.lane.remove(letter);
    this.#size--;
    return true;
  }

  /** Takes out all that are so, in order. */
  takeAll(isSo: (letter: L) => boolean): L[] {
    const taken: L[] = [];
    for (const { first } of this.#lanes) {
      for (let letter = first; letter;) {
        const { next } = letter;
        if (isSo(letter)) {
          this.remove(letter);
          taken.push(letter);
        }
        letter = next;
      }
    }
    return taken;
  }

  #laneOf(priority: number): Lane<L> {
    const place = this.#lanes.findIndex((lane) => lane.priority <= priority);
    const found = this.#lanes.at(place);
    if (found?.priority === priority || found !== undefined && this.#lanes.length >= MOST_LANES) return found;
    const lane = new Lane<L>(priority);
    this.#lanes.splice(place < 0 ? this.#lanes.length : place, 0, lane);
    return lane;
  }
}
