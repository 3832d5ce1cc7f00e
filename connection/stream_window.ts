/**
 * How much of a stream may be on its way: as many items as the reader gave credit for, and not too many bytes of them.
 *
 * @module
 */

/** Bytes that may be on their way or unread; one item may be larger. */
export const STREAM_WINDOW_BYTES: number = 1024 * 1024;

/** The sender's side. The reader reports items as it takes them, in order, so their sizes need not travel. */
export class StreamWindow {
  /** Sizes of the items that the reader has not taken. */
  readonly #unread: number[] = [];
  #unreadBytes = 0;
  #credit: number;

  /** @param credit Items that may be sent before the reader says more. */
  constructor(credit: number) {
    this.#credit = credit;
  }

  /** Whether one item more may be sent. */
  get open(): boolean {
    return this.#credit > 0 && (this.#unread.length === 0 || this.#unreadBytes < STREAM_WINDOW_BYTES);
  }

  /** One item is about to be made, for which there is credit. */
  use(): void {
    this.#credit--;
  }

  /** It was sent. */
  sent(bytes: number): void {
    this.#unread.push(bytes);
    this.#unreadBytes += bytes;
  }

  /** The reader has taken so many items, and lets as many more come. */
  addCredit(count: number): void {
    this.#credit += count;
    this.taken(count);
  }

  /** The reader has taken so many items. */
  taken(count: number): void {
    for (const bytes of this.#unread.splice(0, count)) this.#unreadBytes -= bytes;
  }
}

/** How many items a reader lets come before it has taken any. */
export const STREAM_CREDIT = 256;

/**
 * The reader's side: it reports what was taken when that is half of what may be on its way, so that the sender has the
 * other half to go on with.
 */
export class StreamCredit {
  readonly #send: (count: number) => void;
  #taken = 0;
  #takenBytes = 0;

  /** @param send Reports so many items. */
  constructor(send: (count: number) => void) {
    this.#send = send;
  }

  /** One item was taken. */
  take(bytes: number): void {
    this.#taken++;
    this.#takenBytes += bytes;
    if (this.#taken < STREAM_CREDIT / 2 && this.#takenBytes < STREAM_WINDOW_BYTES / 2) return;
    this.#send(this.#taken);
    this.#taken = this.#takenBytes = 0;
  }
}
