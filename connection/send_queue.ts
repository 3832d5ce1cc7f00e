/**
 * What was sent to a peer and has not arrived there: when to hand no more of it to the transport, and when to take on
 * nothing more that would need an answer.
 *
 * A transport says nothing of this that holds everywhere: a WebSocket counts what the kernel has not taken, a channel or a
 * message port nothing at all, and none of them sees through a relay. So peers report what has arrived.
 *
 * @module
 */

import { DEFAULT_LIMITS, type Limits } from "../protocol/mod.ts";

/**
 * Bytes of frames that may be under way. More of them would wait in the transport, where nobody can take them back: a
 * closed WebSocket keeps what it has until its peer is gone. The kernel takes about as much on loopback.
 */
const FLOW_BYTES = 4 * 1024 * 1024;

/** The limits of a queue. */
export type SendLimits = Pick<Limits, "sendQueueBytes" | "sendQueueMessages">;

/** The sender's side. */
export class SendQueue {
  readonly #limits: SendLimits;
  readonly #flowBytes: number;
  #bytes = 0;
  #frames = 0;
  #waiting = 0;
  #reports = 0;
  #full = false;
  #room: PromiseWithResolvers<void> | undefined;
  /** Told each time it gets full. */
  onFull: () => void = () => {};

  /** Nothing is under way. */
  constructor(limits: SendLimits = DEFAULT_LIMITS) {
    this.#limits = limits;
    this.#flowBytes = Math.min(FLOW_BYTES, limits.sendQueueBytes / 2);
  }

  /** Whether the transport may be given more. */
  get open(): boolean {
    return this.#bytes < this.#flowBytes && this.#frames < this.#limits.sendQueueMessages;
  }

  /** Whether the limits are passed. Once they are, it is full until half of that has arrived. */
  get full(): boolean {
    return this.#full;
  }

  /** Resolves when there is room; `undefined` where there is. */
  get room(): Promise<void> | undefined {
    if (!this.#full) return undefined;
    this.#room ??= Promise.withResolvers<void>();
    return this.#room.promise;
  }

  /** Bytes that are under way or wait. */
  get bytes(): number {
    return this.#bytes + this.#waiting;
  }

  /** Frames that are under way. */
  get frames(): number {
    return this.#frames;
  }

  /** How many times the peer has reported anything: a change is a sign that it reads. */
  get reports(): number {
    return this.#reports;
  }

  /** The transport was given a frame. */
  sent(bytes: number): void {
    this.#bytes += bytes;
    if (++this.#frames >= this.#limits.sendQueueMessages) this.#weigh();
  }

  /** The peer reports that frames have arrived. What was not sent does not count. */
  arrived(frames: number, bytes: number): void {
    this.#bytes = Math.max(0, this.#bytes - bytes);
    this.#frames = Math.max(0, this.#frames - frames);
    this.progressed();
    this.#weigh();
  }

  /** The peer reports something else that it has read. */
  progressed(): void {
    this.#reports++;
  }

  /** So many bytes wait, and have not been given to the transport. */
  setWaiting(bytes: number): void {
    this.#waiting = bytes;
    this.#weigh();
  }

  /** Nothing is sent any more: whoever waits for room may go on. */
  close(): void {
    this.#bytes = this.#frames = this.#waiting = 0;
    this.#weigh();
  }

  #weigh(): void {
    const { sendQueueBytes, sendQueueMessages } = this.#limits;
    const { bytes, frames } = this;
    if (this.#full) {
      if (bytes > sendQueueBytes / 2 || frames > sendQueueMessages / 2) return;
      this.#full = false;
      this.#room?.resolve();
      this.#room = undefined;
    } else if (bytes > sendQueueBytes || frames >= sendQueueMessages) {
      this.#full = true;
      this.onFull();
    }
  }
}

/** Bytes of frames that arrive before the sender is told. */
const REPORT_BYTES = 128 * 1024;

/** Frames that arrive before the sender is told. */
const REPORT_FRAMES = 256;

/** The reader's side: what has arrived and was not reported. */
export class Arrivals {
  readonly #report: (frames: number, bytes: number) => void;
  #bytes = 0;
  #frames = 0;

  /** @param report Tells the sender. */
  constructor(report: (frames: number, bytes: number) => void) {
    this.#report = report;
  }

  /** A frame arrived. */
  add(bytes: number): void {
    this.#bytes += bytes;
    this.#frames++;
    if (this.#bytes < REPORT_BYTES && this.#frames < REPORT_FRAMES) return;
    this.#report(this.#frames, this.#bytes);
    this.#bytes = this.#frames = 0;
  }
}
