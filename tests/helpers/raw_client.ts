/**
 * A client of a cluster that speaks the protocol and nothing else, over a socket that it can stop reading.
 *
 * @module
 */

import type { LocalCluster } from "../../cluster/mod.ts";
import { Channels, type Connection, greet } from "../../connection/mod.ts";
import {
  type ActorReference,
  type CloseInfo,
  decodeBody,
  encodeBody,
  encodeValue,
  type Message,
  randomHex,
  type StatusBody,
  statusBody,
  TICKET_SUBPROTOCOL,
} from "../../protocol/mod.ts";
import { RawCaller } from "./raw_caller.ts";
import { TcpTransport } from "./tcp_transport.ts";

/** An actor, and a ticket for its home. */
export interface SubmittedActor {
  readonly actor: ActorReference;
  readonly ticket: string;
}

/** A caller of an actor, and its socket. */
export interface RawCalls {
  readonly caller: RawCaller;
  readonly slot: number;
  readonly socket: TcpTransport;
}

/** A connection of role `client`. */
export class RawClient {
  /** Says hello to a scheduler. */
  static async connect({ address, token }: Pick<LocalCluster, "address" | "token">): Promise<RawClient> {
    const socket = await TcpTransport.dial(`${address}/`, { headers: { authorization: `Bearer ${token}` } });
    return new RawClient(socket);
  }

  readonly socket: TcpTransport;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<CloseInfo>;
  readonly connection: Connection;
  readonly #channels: Channels;
  readonly #statuses = new Map<string, (body: StatusBody) => void>();

  private constructor(socket: TcpTransport) {
    const { promise, resolve } = Promise.withResolvers<CloseInfo>();
    this.socket = socket;
    this.closed = promise;
    const { connection } = greet(socket, {
      role: "client",
      session: randomHex(16),
      body: encodeBody({ troupe: "test", runtime: "test" }),
      receiver: {
        onMessage: (message) => this.#receive(message),
        onClose: (info) => {
          this.#channels.close(info);
          resolve(info);
        },
      },
    });
    this.connection = connection;
    this.#channels = new Channels(connection);
  }

  /** Creates an actor of a class of a module, or joins those who have one of that key. */
  async submit(
    key: string,
    module: string,
    name: string,
    home: "shared" | "dedicated" | "process" = "shared",
  ): Promise<SubmittedActor> {
    const body = encodeBody({
      target: { module, export: name, name, byValue: false },
      actor: true,
      home,
      homeFixed: true,
    });
    const { promise, resolve, reject } = Promise.withResolvers<SubmittedActor>();
    this.#statuses.set(key, ({ status, actor, ticket }) => {
      if (status === "finished") resolve({ actor: actor!, ticket: ticket! });
      else if (status !== "processing") reject(new Error(`${key} is ${status}`));
    });
    const args = encodeValue([]).bytes.slice();
    this.connection.send({ op: "submit", key, body, args, refs: [], holder: undefined, chain: [] });
    return await promise;
  }

  /** Calls an actor by a connection of its own. */
  async callDirectly({ actor, ticket }: SubmittedActor): Promise<RawCalls> {
    const socket = await TcpTransport.dial(actor.address, { protocols: [TICKET_SUBPROTOCOL + ticket] });
    const caller = await RawCaller.connect(socket);
    return { caller, slot: caller.attach(actor), socket };
  }

  /** Calls an actor through the scheduler. */
  async callRelayed({ actor }: SubmittedActor): Promise<RawCalls> {
    const { worker, home } = actor;
    const caller = await RawCaller.connect(this.#channels.open({ worker, home }));
    return { caller, slot: caller.attach(actor), socket: this.socket };
  }

  /** Ends the connection. */
  close(): void {
    this.connection.close();
  }

  #receive(message: Message): void {
    switch (message.op) {
      case "status":
        return this.#statuses.get(message.key)?.(decodeBody(statusBody, message.body, "status"));
      case "open":
      case "data":
      case "close":
        return this.#channels.receive(message);
    }
  }
}
