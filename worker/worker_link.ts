/**
 * The nanny's connection to the scheduler: registration, heartbeats, the beginning and end of hosts, drain.
 *
 * @module
 */

import { type Clock, type Connection, greet, startHeartbeat, type Transport } from "../connection/mod.ts";
import {
  CloseCode,
  type CloseInfo,
  ConnectionLostError,
  decodeBody,
  encodeBody,
  type HeartbeatBody,
  type LossReason,
  type Message,
  ProtocolError,
  randomHex,
  type WorkerHello,
  type WorkerWelcome,
  workerWelcome,
} from "../protocol/mod.ts";

/**
 * Milliseconds between pings to the scheduler; three without an answer, and it is taken for gone. That has to come before
 * the scheduler gives the worker up, after ten seconds: else a key could live here and elsewhere at once.
 */
const PING_INTERVAL = 2000;

/** What a link tells its owner. */
export interface WorkerLinkOptions {
  /** What the worker says of itself. */
  readonly hello: WorkerHello;
  /** The time. */
  readonly clock: Clock;
  /** Resolves when what was sent before the close has arrived, or will not. */
  readonly flushed: Promise<void>;
  /** The scheduler wants the worker to leave within so many milliseconds. */
  readonly onDrain: (timeout: number) => void;
  /** The scheduler has given up the host of this incarnation, and wants another. */
  readonly onRestart: (incarnation: string) => void;
  /** The end: called once. */
  readonly onClose: (info: CloseInfo) => void;
}

/** One registration of a worker. */
export class WorkerLink {
  /**
   * Registers over a transport that was dialled.
   *
   * @throws {ConnectionLostError | ProtocolError} Where the scheduler does not take the worker in.
   */
  static async open(transport: Transport, options: WorkerLinkOptions): Promise<WorkerLink> {
    const link = new WorkerLink(transport, options);
    const { body } = await link.#welcomed;
    link.#welcome = decodeBody(workerWelcome, body, "welcome");
    link.#stopPings = startHeartbeat(link.#connection, {
      clock: options.clock,
      interval: PING_INTERVAL,
      onSilent: () => void link.close(CloseCode.silent, "the scheduler answered no ping"),
    });
    return link;
  }

  readonly #connection: Connection;
  readonly #welcomed: Promise<{ readonly body: Uint8Array }>;
  readonly #options: WorkerLinkOptions;
  readonly #tickets = new Map<string, PromiseWithResolvers<string>>();
  #welcome: WorkerWelcome | undefined;
  #stopPings = () => {};

  private constructor(transport: Transport, options: WorkerLinkOptions) {
    this.#options = options;
    const { connection, welcome } = greet(transport, {
      role: "worker",
      session: randomHex(16),
      body: encodeBody(options.hello),
      receiver: { onMessage: (message) => this.#receive(message), onClose: (info) => this.#end(info) },
    });
    this.#connection = connection;
    this.#welcomed = welcome;
  }

  /** What the scheduler said: the worker's id and name, among others. */
  get welcome(): WorkerWelcome {
    return this.#welcome!;
  }

  /** How it ended; `undefined` while it has not. */
  get closed(): CloseInfo | undefined {
    return this.#connection.closed;
  }

  /**
   * Announces a host, and gets the ticket with which it dials the scheduler.
   *
   * @throws {ConnectionLostError} Where the link ends first.
   */
  hostStarting(incarnation: string): Promise<string> {
    if (this.closed) return Promise.reject(lost(this.closed));
    const ticket = Promise.withResolvers<string>();
    this.#tickets.set(incarnation, ticket);
    this.#connection.send({ op: "hostStarting", incarnation });
    return ticket.promise;
  }

  /** Says that a host is gone, or as good as gone: its actors are lost for `reason`. */
  hostEnded(incarnation: string, reason: LossReason): void {
    this.#connection.send({ op: "hostEnded", incarnation, reason });
  }

  /** Says that a host will be replaced when its calls have ended: nothing is placed there any more. */
  hostDraining(incarnation: string): void {
    this.#connection.send({ op: "hostDraining", incarnation });
  }

  /** Says that the worker is alive. */
  heartbeat(body: HeartbeatBody): void {
    this.#connection.send({ op: "heartbeat", body: encodeBody(body) });
  }

  /** Says that the worker is leaving, and has given itself so many milliseconds. */
  drain(timeout: number): void {
    this.#connection.send({ op: "drain", timeout });
  }

  /** Ends it; what was sent goes first. Resolves when it has arrived, or will not. */
  async close(code: number = CloseCode.normal, reason = "the worker leaves"): Promise<void> {
    this.#connection.close(code, reason);
    await this.#options.flushed;
  }

  #receive(message: Message): void {
    switch (message.op) {
      case "hostTicket": {
        this.#tickets.get(message.incarnation)?.resolve(message.ticket);
        this.#tickets.delete(message.incarnation);
        return;
      }
      case "drain":
        return this.#options.onDrain(message.timeout);
      case "restartHost":
        return this.#options.onRestart(message.incarnation);
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message as a worker`);
    }
  }

  #end(info: CloseInfo): void {
    this.#stopPings();
    for (const ticket of this.#tickets.values()) ticket.reject(lost(info));
    this.#tickets.clear();
    this.#options.onClose(info);
  }
}

function lost(info: CloseInfo): ConnectionLostError {
  const said = info.reason ? `: ${info.reason}` : "";
  return new ConnectionLostError(`Cannot start a host: the link to the scheduler ended (${info.code})${said}`, {
    executed: "no",
  });
}
