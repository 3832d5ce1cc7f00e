/**
 * How fast the peer takes pieces of long messages in, and so how long one may be.
 *
 * @module
 */

/** How long a piece may be on its way, in milliseconds: a small message behind it waits for as long. */
const PIECE_TIME = 2;

/** Less than this says more of the way there and back than of its width. */
const TELLING_BYTES = 128 * 1024;

/** No piece is longer: a message of a MiB, with what is around it, is one. */
const MAXIMUM_BYTES = 1280 * 1024;

/**
 * Measures while pieces are under way. A fast peer gets long pieces, which cost less; on a slow way they stay short, so
 * that other messages soon pass between them.
 */
export class Pace {
  readonly #now: () => number;
  #since = 0;
  #underWay = 0;
  #arrived = 0;
  #perMillisecond = 0;

  /** @param now Milliseconds since some moment. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long a piece may be; 0 while nothing is known. */
  get pieceBytes(): number {
    return Math.min(MAXIMUM_BYTES, Math.floor(PIECE_TIME * this.#perMillisecond));
  }

  /** A piece leaves. */
  sent(bytes: number): void {
    if (this.#underWay === 0) {
      this.#since = this.#now();
      this.#arrived = 0;
    }
    this.#underWay += bytes;
  }

  /** The peer says that it has taken bytes in. What was not sent does not count. */
  received(bytes: number): void {
    const taken = Math.min(bytes, this.#underWay);
    this.#underWay -= taken;
    this.#arrived += taken;
    if (this.#arrived >= TELLING_BYTES) {
      this.#perMillisecond = this.#arrived / Math.max(0.01, this.#now() - this.#since);
    }
  }
}
