/**
 * Connections inside a connection: how calls are relayed by those that must not look at them.
 *
 * A client opens a channel over its scheduler connection; the scheduler opens one over the worker's host link and joins
 * the two; the host joins its end to an isolate, or serves it. Each end of the whole is an ordinary connection.
 *
 * @module
 */

import { CloseCode, type CloseInfo, type MessageOf, truncateReason } from "../protocol/mod.ts";
import type { Connection } from "./connection.ts";
import { Inbox } from "./inbox.ts";
import { type FramePolicy, PIECE_OVERHEAD, type Transport, type TransportReceiver } from "./transport.ts";

/**
 * Frames of a channel travel inside frames of the outer connection, which cuts what is long. Small ones fit into one of
 * its frames; the pieces of long ones are as long as a socket with Nagle's algorithm sends without cutting them finely.
 */
const CHANNEL_POLICY: FramePolicy = {
  frameBytes: 1024 - 2 * PIECE_OVERHEAD,
  pieceBytes: (remaining) => Math.min(remaining, 256 * 1024),
  windowBytes: 1024 * 1024,
  acknowledge: false,
};

/** Names the far end of a channel. */
export interface ChannelTarget {
  /** Worker id. */
  readonly worker: string;
  /** Home id. */
  readonly home: string;
  /** Who calls, as the scheduler vouches for it. */
  readonly caller?: string;
}

/** The channels of one connection. One side opens them, the other accepts. */
export class Channels {
  readonly #connection: Connection;
  readonly #accept: ((target: ChannelTarget, transport: Transport) => void) | undefined;
  readonly #channels = new Map<number, ChannelTransport>();
  #next = 1;

  /**
   * @param connection Carries the channels.
   * @param accept Takes a channel that the peer opened; without it the peer may open none.
   */
  constructor(connection: Connection, accept?: (target: ChannelTarget, transport: Transport) => void) {
    this.#connection = connection;
    this.#accept = accept;
  }

  /** How many are open. */
  get size(): number {
    return this.#channels.size;
  }

  /** Opens a channel. Frames may be sent at once; a target that is not there closes it. */
  open(target: ChannelTarget): Transport {
    const channel = this.#next++;
    this.#connection.send({
      op: "open",
      channel,
      worker: target.worker,
      home: target.home,
      caller: target.caller,
    });
    return this.#add(channel);
  }

  /** Takes an `open`, `data` or `close` message of the connection. */
  receive(message: MessageOf<"open"> | MessageOf<"data"> | MessageOf<"close">): void {
    const existing = this.#channels.get(message.channel);
    switch (message.op) {
      case "open": {
        if (existing || !this.#accept) {
          this.#connection.close(CloseCode.badFrame, `Cannot open channel ${message.channel} here`);
          return;
        }
        const transport = this.#add(message.channel);
        const { worker, home, caller } = message;
        this.#accept(caller === undefined ? { worker, home } : { worker, home, caller }, transport);
        return;
      }
      case "data":
        // A frame for a channel that this side has closed was on its way: nobody waits for it.
        return existing?.deliver(message.frame);
      case "close":
        return existing?.end({ code: message.code, reason: message.reason, local: false });
    }
  }

  /** The connection ended: so do its channels. */
  close(info: CloseInfo): void {
    for (const channel of [...this.#channels.values()]) channel.end({ ...info, local: false });
  }

  #add(channel: number): ChannelTransport {
    const transport = new ChannelTransport(this.#connection, channel, () => this.#channels.delete(channel));
    this.#channels.set(channel, transport);
    return transport;
  }
}

class ChannelTransport implements Transport {
  readonly policy = CHANNEL_POLICY;
  readonly #connection: Connection;
  readonly #channel: number;
  readonly #onEnd: () => void;
  readonly #inbox = new Inbox();

  constructor(connection: Connection, channel: number, onEnd: () => void) {
    this.#connection = connection;
    this.#channel = channel;
    this.#onEnd = onEnd;
  }

  start(receiver: TransportReceiver): void {
    this.#inbox.start(receiver);
  }

  send(frame: Uint8Array): void {
    if (!this.#inbox.ended) this.#connection.send({ op: "data", channel: this.#channel, frame });
  }

  close(code: number, reason: string): void {
    if (!this.#inbox.ended) {
      this.#connection.send({ op: "close", channel: this.#channel, code, reason: truncateReason(reason) });
    }
    this.end({ code, reason, local: true });
  }

  deliver(frame: Uint8Array): void {
    this.#inbox.frame(frame);
  }

  end(info: CloseInfo): void {
    this.#onEnd();
    this.#inbox.end(info);
  }
}
