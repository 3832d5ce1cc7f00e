/**
 * The connection of one client: its messages become events, and instructions become messages.
 *
 * @module
 */

import {
  Channels,
  closeSlowConsumer,
  type Connection,
  type ConnectionReceiver,
  startHeartbeat,
} from "../connection/mod.ts";
import {
  type ClientHello,
  CloseCode,
  type CloseInfo,
  decodeBody,
  encodeBody,
  type Message,
  ProtocolError,
  scatterBody,
  type StatusBody,
  submitBody,
} from "../protocol/mod.ts";
import type { Answer, Instruction } from "./instructions.ts";
import { CLIENT_PING_INTERVAL, type LinkOwner } from "./link_owner.ts";
import { relay } from "./relay.ts";
import { sendAnswer, takeRequest } from "./requests.ts";
import type { IsolateOrigin } from "./state.ts";

/** Milliseconds after which a client is told that a worker runs its task. */
const PASSING_DELAY = 50;

/** One client's connection. */
export class ClientLink implements ConnectionReceiver {
  /** Id of the client. */
  readonly id: string;
  readonly #owner: LinkOwner;
  readonly #connection: Connection;
  readonly #channels: Channels;
  /** What may be left out, and when it has to be sent; the oldest first. */
  readonly #passing = new Map<string, { readonly due: number; readonly body: StatusBody }>();
  #stopPassing: (() => void) | undefined;
  #stopHeartbeat: () => void = () => {};
  #stopLooking: () => void = () => {};
  #replaced = false;

  /** A link that has not joined yet: its owner files it first. */
  constructor(owner: LinkOwner, connection: Connection, id: string) {
    this.id = id;
    this.#owner = owner;
    this.#connection = connection;
    this.#channels = new Channels(connection, (target, channel) => relay(owner, id, target, channel));
  }

  /** Welcomes the client, then tells the core, which may have something to tell it. */
  join(
    { troupe, runtime }: ClientHello,
    { session, version, dashboard, isolateOf }: {
      readonly session: string;
      readonly version: number;
      /** The link to the dashboard that it is told. */
      readonly dashboard: string;
      readonly isolateOf: IsolateOrigin | undefined;
    },
  ): void {
    const { id, state, versions } = this.#owner;
    const sessionNumber = state.clients.get(this.id)?.number ?? state.sessionCount;
    const body = {
      ...versions,
      scheduler: id,
      client: this.id,
      sessionNumber,
      dashboard,
      pingInterval: CLIENT_PING_INTERVAL,
    };
    this.#connection.send({ op: "welcome", version, body: encodeBody(body) });
    this.#stopHeartbeat = startHeartbeat(this.#connection, {
      clock: this.#owner.clock,
      interval: CLIENT_PING_INTERVAL,
      onSilent: () => this.#connection.close(CloseCode.silent, "The client answered no ping"),
    });
    this.#stopLooking = closeSlowConsumer(this.#connection, { clock: this.#owner.clock, limits: this.#owner.limits });
    this.#owner.dispatch({ type: "clientJoined", client: this.id, session, versions: { troupe, runtime }, isolateOf });
  }

  onMessage(message: Message): void {
    const client = this.id;
    this.#owner.count(message.op);
    switch (message.op) {
      case "submit": {
        const { key, body: submitted, args, refs, holder, chain } = message;
        const body = decodeBody(submitBody, submitted, "submit");
        return this.#owner.dispatch({ type: "submitted", client, key, body, submitted, args, refs, holder, chain });
      }
      case "scatter": {
        const { key, value, refs } = message;
        const body = decodeBody(scatterBody, message.body, "scatter");
        return this.#owner.dispatch({ type: "scattered", client, key, body, value, refs });
      }
      case "external":
        return this.#owner.dispatch({ type: "promised", client, keys: message.keys });
      case "fulfil": {
        const { key, ok, value, refs } = message;
        return this.#owner.dispatch({ type: "fulfilled", client, key, ok: ok === 1, value, refs });
      }
      case "release":
        return this.#owner.dispatch({ type: "released", client, keys: message.keys, holder: message.holder });
      case "cancelKeys":
        return this.#owner.dispatch({ type: "cancelled", client, keys: message.keys, reason: message.reason });
      case "held":
        return this.#owner.dispatch({ type: "held", client, keys: message.keys, holder: message.holder });
      case "request":
        return takeRequest(this.#owner, this.#connection, { role: "client", id: client }, message);
      case "open":
      case "data":
      case "close":
        return this.#channels.receive(message);
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message from a client`);
    }
  }

  onClose(info: CloseInfo): void {
    this.#stopHeartbeat();
    this.#stopPassing?.();
    this.#stopLooking();
    this.#channels.close(info);
    if (this.#replaced) return;
    const closed = info.code === CloseCode.normal && !info.local;
    this.#owner.dispatch({ type: "clientLeft", client: this.id, closed });
  }

  /** Tells the client what became of a key. */
  sendStatus({ key, body, ticketFor, passing }: Extract<Instruction, { type: "sendStatus" }>): void {
    if (this.#passing.size > 0) this.#passing.delete(key);
    if (passing) return this.#sendLater(key, body);
    const ticket = ticketFor && this.#owner.tickets.issue({ role: "caller", ...ticketFor });
    this.#connection.send({ op: "status", key, body: encodeStatus(ticket === undefined ? body : { ...body, ticket }) });
  }

  #sendLater(key: string, body: StatusBody): void {
    this.#passing.set(key, { due: this.#owner.clock.now() + PASSING_DELAY, body });
    this.#stopPassing ??= this.#owner.clock.setTimer(PASSING_DELAY, () => this.#sendPassing());
  }

  #sendPassing(): void {
    this.#stopPassing = undefined;
    const now = this.#owner.clock.now();
    for (const [key, { due, body }] of this.#passing) {
      if (due > now) {
        this.#stopPassing = this.#owner.clock.setTimer(due - now, () => this.#sendPassing());
        return;
      }
      this.#passing.delete(key);
      this.#connection.send({ op: "status", key, body: encodeStatus(body) });
    }
  }

  /** Answers a request. */
  sendAnswer(instruction: Answer): void {
    sendAnswer(this.#owner, this.#connection, instruction);
  }

  /** Ends the connection, because the same session has come back over another. */
  replace(): void {
    this.#replaced = true;
    this.close(CloseCode.gone, "The session has another connection");
  }

  /** Ends the connection. */
  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }
}

/** The bytes of a status, without the names of what it does not say. */
function encodeStatus(body: StatusBody): Uint8Array {
  return encodeBody(Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined)));
}
