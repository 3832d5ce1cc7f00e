/**
 * The sending half of a connection: gathers what is sent in one turn into few frames, cuts what is long into pieces
 * that let other messages pass, and keeps the order that `laneOf` asks for.
 *
 * @module
 */

import { ACKNOWLEDGEMENT, cutPiece, FrameWriter, laneOf, type Message, readFrame } from "../protocol/mod.ts";
import { Pace } from "./pace.ts";
import { type SendLimits, SendQueue } from "./send_queue.ts";
import type { FramePolicy } from "./transport.ts";

/** A long message on its way. */
interface Transfer {
  readonly id: number;
  /** Ours, with room for the head of a piece before them. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lane: number | undefined;
  /** Bytes that have not left. */
  left: number;
}

/** Options of {@linkcode Outbox}. */
export interface OutboxOptions {
  /** How much may wait for the peer. */
  readonly limits?: SendLimits;
  /** The time in milliseconds. */
  readonly now?: () => number;
}

/**
 * Messages in, frames out.
 *
 * Frames leave in a microtask after the first message of a turn, or as soon as one is full. While more is under way than
 * the peer has reported, they wait, and only what is urgent leaves.
 */
export class Outbox {
  /** What the peer has not got. */
  readonly queue: SendQueue;
  readonly #sendFrame: (frame: Uint8Array) => void;
  readonly #policy: FramePolicy;
  readonly #pace: Pace;
  readonly #batch = new FrameWriter();
  /** The oldest first. */
  readonly #transfers = new Set<Transfer>();
  /** What waits, written, behind a transfer of its lane. */
  readonly #held = new Map<number, Uint8Array<ArrayBuffer>[]>();
  readonly #progress = new Map<number, number>();
  /** Frames that wait until more may be under way, in order; before what is in the batch. */
  readonly #waiting = new Set<Uint8Array<ArrayBuffer>>();
  #shortest: Transfer | undefined;
  #oldestIsNext = true;
  #nextTransfer = 1;
  #inFlight = 0;
  #queued = 0;
  #flushing = false;
  /** Whether a frame is being given to the transport: if that ends now, nobody knows whether the frame left. */
  #handing = false;
  #frames = 0;
  #closed = false;
  readonly #flushLater = () => {
    this.#flushing = false;
    this.flush();
  };

  /**
   * @param policy How the transport wants its bytes cut.
   * @param sendFrame Sends a frame; it may not keep the bytes.
   */
  constructor(policy: FramePolicy, sendFrame: (frame: Uint8Array) => void, options: OutboxOptions = {}) {
    const { limits, now = () => performance.now() } = options;
    this.queue = new SendQueue(limits);
    this.#pace = new Pace(now);
    this.#policy = policy;
    this.#sendFrame = sendFrame;
  }

  /** Frames sent so far. */
  get frames(): number {
    return this.#frames;
  }

  /** Whether received pieces wait to be reported. */
  get owesProgress(): boolean {
    return this.#progress.size > 0;
  }

  /** Bytes that have not left yet: of long messages, of those behind them, and of frames that wait. */
  get queuedBytes(): number {
    return this.#queued;
  }

  /**
   * Sends a message, at the end of this turn or before. Its bytes may be used again as soon as this returns, unless they
   * are `given`: then they are a value that `encodeValue` has made for this message alone, and a long one is not copied.
   *
   * @throws {SerializationError} Where a field is not what the table says.
   */
  send(message: Message, given = false): void {
    if (this.#closed) return;
    if (this.#stalled && laneOf(message) === undefined) return this.#sendUrgent(message);
    if (given && this.#sendGiven(message)) return;
    const lane = this.#held.size === 0 ? undefined : laneOf(message);
    const held = lane === undefined ? undefined : this.#held.get(lane);
    const start = this.#batch.length;
    const size = this.#batch.write(message);
    if (held) {
      held.push(this.#batch.take(start));
      this.#queued += size;
      return this.#weigh();
    }
    if (size > this.#policy.frameBytes) this.#begin(this.#batch.take(start), laneOf(message));
    else this.#fit(start);
    this.#flushSoon();
  }

  #sendGiven(message: Message): boolean {
    const bytes = this.#batch.wrap(message, this.#policy.frameBytes);
    if (bytes === undefined) return false;
    const lane = laneOf(message);
    const held = lane === undefined ? undefined : this.#held.get(lane);
    if (held) {
      held.push(bytes);
      this.#queued += bytes.length;
      this.#weigh();
    } else {
      this.#begin(bytes, lane);
      this.#flushSoon();
    }
    return true;
  }

  /** Reports `count` received bytes of a transfer of the peer, with the next flush. */
  acknowledgePieces(transfer: number, count: number): void {
    this.#progress.set(transfer, (this.#progress.get(transfer) ?? 0) + count);
  }

  /** The peer has received `count` more bytes of our transfers. */
  openWindow(count: number): void {
    this.#inFlight = Math.max(0, this.#inFlight - count);
    this.#pace.received(count);
    this.queue.progressed();
    this.#pump();
  }

  /** The peer reports that frames have arrived: others may follow. */
  reported(frames: number, bytes: number): void {
    this.queue.arrived(frames, bytes);
    this.#emitWaiting();
    this.#emitBatch();
    this.#pump();
    this.#weigh();
  }

  /** Sends a frame that only acknowledges. */
  acknowledge(): void {
    if (!this.#closed) this.#emit(ACKNOWLEDGEMENT);
  }

  /** Sends what waits for the end of the turn. */
  flush(): void {
    if (this.#closed) return;
    if (this.#progress.size > 0) this.#reportProgress();
    this.#emitBatch();
    this.#pump();
  }

  /** Sends what waits, however much is under way; but of long messages no more than may be. */
  flushAll(): void {
    if (this.#closed) return;
    this.#reportProgress();
    for (const frame of this.#waiting) this.#emit(frame);
    this.#waiting.clear();
    if (this.#batch.length > 0) this.#emit(this.#batch.view());
    this.#batch.reset();
    this.#pump();
  }

  /** Tells `take` of each message of which no byte was given to the transport. Bytes in it are good for this moment only. */
  eachUnsent(take: (message: Message) => void): void {
    if (this.#handing) return;
    for (const frame of this.#waiting) readFrame(frame, take);
    readFrame(this.#batch.view(), take);
    for (const { bytes, left } of this.#transfers) if (left === bytes.length) readFrame(bytes, take);
    for (const held of this.#held.values()) for (const bytes of held) readFrame(bytes, take);
  }

  /** Drops everything: nothing is sent any more. */
  close(): void {
    this.#closed = true;
    this.#batch.reset();
    this.#transfers.clear();
    this.#shortest = undefined;
    this.#queued = 0;
    this.#held.clear();
    this.#progress.clear();
    this.#waiting.clear();
    this.queue.close();
  }

  /** Whether nothing but what is urgent may leave. */
  get #stalled(): boolean {
    return !this.queue.open || this.#waiting.size > 0;
  }

  #sendUrgent(message: Message): void {
    const start = this.#batch.length;
    this.#batch.write(message);
    this.#emit(this.#batch.take(start));
  }

  #reportProgress(): void {
    for (const [transfer, count] of this.#progress) {
      const message: Message = { op: "received", transfer, count };
      if (this.#stalled) {
        this.#sendUrgent(message);
        continue;
      }
      const start = this.#batch.length;
      this.#batch.write(message);
      this.#fit(start);
    }
    this.#progress.clear();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(this.#flushLater);
  }

  /** Where the message written at `start` makes the batch too long for a frame, sends what came before it. */
  #fit(start: number): void {
    if (this.#batch.length <= this.#policy.frameBytes || start === 0) return;
    const frame = this.#batch.view().subarray(0, start);
    if (this.#stalled) this.#keep(frame.slice());
    else this.#emit(frame);
    this.#batch.drop(start);
  }

  #keep(frame: Uint8Array<ArrayBuffer>): void {
    this.#waiting.add(frame);
    this.#queued += frame.length;
    this.#weigh();
  }

  /** Sends what waits, as far as more may be under way. */
  #emitWaiting(): void {
    for (const frame of this.#waiting) {
      if (!this.queue.open) break;
      this.#waiting.delete(frame);
      this.#queued -= frame.length;
      this.#emit(frame);
    }
  }

  /** One long message may be as long as it likes: a call whose answer is short does not wait for it. */
  #weigh(): void {
    const [oldest] = this.#transfers;
    this.queue.setWaiting(this.#queued + this.#batch.length - (oldest?.left ?? 0));
  }

  #begin(bytes: Uint8Array<ArrayBuffer>, lane: number | undefined, waiting: Uint8Array<ArrayBuffer>[] = []): void {
    const transfer = { id: this.#nextTransfer++, bytes, lane, left: bytes.length };
    this.#transfers.add(transfer);
    this.#queued += bytes.length;
    if (this.#shortest && transfer.left < this.#shortest.left) this.#shortest = transfer;
    if (lane !== undefined) this.#held.set(lane, waiting);
    this.#weigh();
  }

  /** Sends pieces as far as the window allows. */
  #pump(): void {
    const fast = this.#pace.pieceBytes;
    const window = Math.max(this.#policy.windowBytes, 2 * fast);
    if (this.#transfers.size === 0) return;
    while (this.#transfers.size > 0 && this.#inFlight < window && !this.#stalled) {
      const transfer = this.#next();
      const sent = transfer.bytes.length - transfer.left;
      const size = this.#policy.pieceBytes(transfer.left, fast);
      transfer.left -= size;
      this.#queued -= size;
      this.#inFlight += size;
      this.#pace.sent(size);
      this.#emitBatch();
      // Pieces are reported by themselves.
      this.#hand(cutPiece(transfer.bytes, { transfer: transfer.id, start: sent, size }));
      if (transfer.left === 0) this.#finish(transfer);
    }
    this.#weigh();
  }

  /**
   * The next piece is of the oldest and of the shortest transfer by turns. So no long one waits for ever, no short one
   * waits for all of a long one, and what the peer has to keep of unfinished messages stays below twice the longest.
   */
  #next(): Transfer {
    const [oldest] = this.#transfers;
    this.#oldestIsNext = !this.#oldestIsNext;
    if (!this.#oldestIsNext) return oldest!;
    if (this.#shortest === undefined) {
      this.#shortest = oldest!;
      for (const transfer of this.#transfers) if (transfer.left < this.#shortest.left) this.#shortest = transfer;
    }
    return this.#shortest;
  }

  /** A transfer is out: what waited behind it follows, up to the next long message of the lane. */
  #finish(transfer: Transfer): void {
    this.#transfers.delete(transfer);
    if (this.#shortest === transfer) this.#shortest = undefined;
    const { lane } = transfer;
    if (lane === undefined) return;
    const held = this.#held.get(lane) ?? [];
    this.#held.delete(lane);
    for (let bytes = held.shift(); bytes; bytes = held.shift()) {
      this.#queued -= bytes.length;
      if (bytes.length > this.#policy.frameBytes) return this.#begin(bytes, lane, held);
      const start = this.#batch.length;
      this.#batch.append(bytes);
      this.#fit(start);
    }
    this.#flushSoon();
  }

  /** Sends what is in the batch, or leaves it there: as long as nothing may leave, it grows to the length of a frame. */
  #emitBatch(): void {
    if (this.#batch.length === 0) return;
    if (this.#stalled) return this.#weigh();
    this.#emit(this.#batch.view());
    this.#batch.reset();
  }

  #emit(frame: Uint8Array): void {
    if (frame !== ACKNOWLEDGEMENT) this.queue.sent(frame.length);
    this.#hand(frame);
  }

  #hand(frame: Uint8Array): void {
    this.#frames++;
    this.#handing = true;
    this.#sendFrame(frame);
    this.#handing = false;
  }
}
