/**
 * Messages, in order, to one peer.
 *
 * @module
 */

import {
  ACKNOWLEDGEMENT,
  CloseCode,
  type CloseInfo,
  DEFAULT_LIMITS,
  type Limits,
  type Message,
  ProtocolError,
  readFrame,
  SerializationError,
} from "../protocol/mod.ts";
import { afterThisTurn } from "./macrotask.ts";
import { Outbox } from "./outbox.ts";
import { Reassembly } from "./reassembly.ts";
import { Arrivals, type SendQueue } from "./send_queue.ts";
import type { Transport } from "./transport.ts";

/** What a connection tells its owner. */
export interface ConnectionReceiver {
  /** A message of the peer, in order. An error that this throws closes the connection as a protocol error. */
  onMessage(message: Message): void;
  /** The end: called once. Whatever is pending must be settled now, with this cause. */
  onClose(info: CloseInfo): void;
}

/** How many microtasks an answer may take before the end of the turn is waited for. */
const HOPS = 12;

/** Awaiting it takes one microtask. */
const HOP: Promise<void> = Promise.resolve();

/** Messages, in order, to one peer over any transport. Pings are answered here; everything else goes to the receiver. */
export class Connection {
  /** Who is told; may be replaced, by a handshake for one. */
  receiver: ConnectionReceiver;
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #outbox: Outbox;
  readonly #reassembly: Reassembly;
  readonly #arrivals: Arrivals;
  readonly #acknowledges: boolean;
  #closed: CloseInfo | undefined;
  #received = 0;
  /** Whether the frame that was read last is a piece, which is reported by itself. */
  #isPiece = false;
  /** Frames that had been sent when the last frame arrived. */
  #framesBefore = 0;
  #acknowledging = false;
  readonly #take = (message: Message) => this.#message(message);

  /**
   * Starts at once; the receiver hears nothing before the constructor has returned.
   *
   * @param transport Carries the frames; this connection now owns it.
   * @param receiver Who is told.
   * @param limits What the peer may do.
   */
  constructor(transport: Transport, receiver: ConnectionReceiver, limits: Limits = DEFAULT_LIMITS) {
    this.receiver = receiver;
    this.#transport = transport;
    this.#limits = limits;
    this.#outbox = new Outbox(transport.policy, (frame) => transport.send(frame), { limits });
    this.#arrivals = new Arrivals((frames, bytes) => this.send({ op: "arrived", frames, bytes }));
    this.#reassembly = new Reassembly(limits);
    this.#acknowledges = transport.policy.acknowledge;
    transport.start({ onFrame: (frame) => this.#frame(frame), onClose: (info) => this.#end(info) });
  }

  /** How it ended; `undefined` while it has not. */
  get closed(): CloseInfo | undefined {
    return this.#closed;
  }

  /** Frames received so far: a change is a sign of life. */
  get framesReceived(): number {
    return this.#received;
  }

  /** Frames sent so far. */
  get framesSent(): number {
    return this.#outbox.frames;
  }

  /** Bytes that have not left yet: of long messages, of those behind them, and of what waits for the peer to read. */
  get queuedBytes(): number {
    return this.#outbox.queuedBytes;
  }

  /** What was sent and has not arrived. */
  get sendQueue(): SendQueue {
    return this.#outbox.queue;
  }

  /**
   * Sends a message with the others of this turn; its bytes may be used again at once, unless they are `given`: a value
   * that `encodeValue` has made for this message alone, which spares a copy of a long one. On a closed connection it does
   * nothing: the receiver knows.
   *
   * @throws {SerializationError} Where a field is not what the table of messages says; nothing of it is sent.
   */
  send(message: Message, given = false): void {
    if (this.#closed === undefined) this.#outbox.send(message, given);
  }

  /**
   * Tells `take` of each message that was sent here and of which certainly no byte has left. To be asked while the receiver
   * hears of the end: it is forgotten then. Bytes in the messages are good for this moment only.
   */
  eachUnsent(take: (message: Message) => void): void {
    this.#outbox.eachUnsent(take);
  }

  /**
   * Sends what waits, but of long messages no more than may be on its way; then closes. The receiver hears of it at once.
   * A peer that does not read is sent nothing more.
   */
  close(code: number = CloseCode.normal, reason = ""): void {
    if (this.#closed) return;
    if (code !== CloseCode.slowConsumer) this.#outbox.flushAll();
    this.#transport.close(code, reason);
  }

  #frame(frame: Uint8Array): void {
    if (this.#closed) return;
    this.#received++;
    if (frame.length === 1 && frame[0] === ACKNOWLEDGEMENT[0]) return;
    this.#framesBefore = this.#outbox.frames;
    this.#isPiece = false;
    try {
      if (frame.length > this.#limits.frameBytes) {
        throw new SerializationError(
          `Cannot receive a frame of ${frame.length} bytes: the limit is ${this.#limits.frameBytes}`,
          { code: "PAYLOAD_TOO_LARGE" },
        );
      }
      readFrame(frame, this.#take);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    if (!this.#isPiece) this.#arrivals.add(frame.length);
    if (this.#acknowledges || this.#outbox.owesProgress) this.#acknowledgeSoon();
  }

  #message(message: Message): void {
    if (this.#closed) return;
    switch (message.op) {
      case "piece": {
        this.#isPiece = true;
        const whole = this.#reassembly.accept(message);
        this.#outbox.acknowledgePieces(message.transfer, message.part.length);
        if (whole) this.#whole(whole);
        return;
      }
      case "received":
        return this.#outbox.openWindow(message.count);
      case "arrived":
        return this.#outbox.reported(message.frames, message.bytes);
      case "ping":
        return this.send({ op: "pong", id: message.id });
      case "pong":
        return;
      default:
        this.receiver.onMessage(message);
    }
  }

  /** One message, as the limits of a frame do not hold for what came in pieces. */
  #whole(bytes: Uint8Array): void {
    let count = 0;
    readFrame(bytes, (message) => {
      if (message.op === "piece") throw new ProtocolError("Cannot read a piece that holds a piece");
      if (++count > 1) throw new ProtocolError("Cannot read a long message: its pieces hold several");
      this.#message(message);
    });
  }

  /**
   * Answers all frames of this turn of the event loop with one frame, unless something else goes out after the last of
   * them: an `async` method that awaits nothing has answered by then. An acknowledgement is never acknowledged.
   *
   * The end of the turn costs some 3 µs to be told of: an answer within a few microtasks, the usual case, saves them.
   */
  async #acknowledgeSoon(): Promise<void> {
    if (this.#acknowledging) return;
    this.#acknowledging = true;
    for (let hops = 0; hops < HOPS; hops++) {
      await HOP;
      if (!this.#outbox.owesProgress && this.#outbox.frames !== this.#framesBefore) {
        this.#acknowledging = false;
        return;
      }
    }
    afterThisTurn(() => this.#acknowledge());
  }

  #acknowledge(): void {
    this.#acknowledging = false;
    if (this.#closed) return;
    if (this.#outbox.owesProgress) this.#outbox.flush();
    else if (this.#acknowledges && this.#outbox.frames === this.#framesBefore) this.#outbox.acknowledge();
  }

  #refuse(error: unknown): void {
    const tooLarge = error instanceof SerializationError && error.code === "PAYLOAD_TOO_LARGE";
    const reason = error instanceof Error ? error.message : String(error);
    this.close(tooLarge ? CloseCode.tooLarge : CloseCode.badFrame, reason);
  }

  #end(info: CloseInfo): void {
    if (this.#closed) return;
    this.#closed = info;
    try {
      this.receiver.onClose(info);
    } finally {
      this.#outbox.close();
      this.#reassembly.clear();
    }
  }
}
