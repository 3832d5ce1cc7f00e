/**
 * The connection of one nanny: its messages become events, and instructions become messages.
 *
 * @module
 */

import { type Connection, type ConnectionReceiver, startHeartbeat } from "../connection/mod.ts";
import {
  CloseCode,
  decodeBody,
  encodeBody,
  heartbeatBody,
  type Message,
  ProtocolError,
  type WorkerHello,
} from "../protocol/mod.ts";
import { HEARTBEAT_INTERVAL, type LinkOwner, WORKER_MISSES, WORKER_PING_INTERVAL } from "./link_owner.ts";

/** One nanny's connection. */
export class WorkerLink implements ConnectionReceiver {
  /** Id of the worker. */
  readonly id: string;
  readonly #owner: LinkOwner;
  readonly #connection: Connection;
  #stopHeartbeat: () => void = () => {};

  /** A link that has not joined yet: its owner files it first. */
  constructor(owner: LinkOwner, connection: Connection, id: string) {
    this.id = id;
    this.#owner = owner;
    this.#connection = connection;
  }

  /** Tells the core, which may give the worker another name than it wished, then welcomes it. */
  join(hello: WorkerHello, version: number): void {
    const { id, state, versions, tickets, loopback } = this.#owner;
    this.#owner.dispatch({ type: "workerJoined", worker: this.id, hello });
    const body = {
      ...versions,
      scheduler: id,
      worker: this.id,
      name: state.workers.get(this.id)?.name ?? this.id,
      heartbeatInterval: HEARTBEAT_INTERVAL,
      publicKey: tickets.publicKey,
      loopback,
    };
    this.#connection.send({ op: "welcome", version, body: encodeBody(body) });
    this.#stopHeartbeat = startHeartbeat(this.#connection, {
      clock: this.#owner.clock,
      interval: WORKER_PING_INTERVAL,
      misses: WORKER_MISSES,
      onSilent: () => this.#silent(),
    });
  }

  onMessage(message: Message): void {
    const worker = this.id;
    this.#owner.count(message.op);
    switch (message.op) {
      case "hostStarting": {
        const { incarnation } = message;
        this.#owner.dispatch({ type: "hostAnnounced", worker, incarnation });
        const ticket = this.#owner.tickets.issue({ role: "host", worker, host: incarnation, home: "" });
        return this.#connection.send({ op: "hostTicket", incarnation, ticket });
      }
      case "hostEnded": {
        const { incarnation, reason } = message;
        return this.#owner.dispatch({ type: "hostEnded", worker, incarnation, reason });
      }
      case "heartbeat": {
        const body = decodeBody(heartbeatBody, message.body, "heartbeat");
        return this.#owner.dispatch({ type: "heartbeat", worker, body });
      }
      case "drain":
        return this.#owner.dispatch({ type: "workerDraining", worker });
      case "hostDraining":
        return this.#owner.dispatch({ type: "hostDraining", worker, incarnation: message.incarnation });
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message from a worker`);
    }
  }

  onClose(): void {
    this.#stopHeartbeat();
    this.#owner.dispatch({ type: "workerLeft", worker: this.id, reason: "worker-exit" });
  }

  /** Tells the worker to leave. */
  sendDrain(timeout: number): void {
    this.#connection.send({ op: "drain", timeout });
  }

  /** Tells the worker to end a host and to start another. */
  sendRestart(incarnation: string): void {
    this.#connection.send({ op: "restartHost", incarnation });
  }

  /** Ends the connection. */
  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }

  #silent(): void {
    this.#owner.dispatch({ type: "workerLeft", worker: this.id, reason: "worker-timeout" });
    this.close(CloseCode.silent, "The worker gave no sign of life");
  }
}
