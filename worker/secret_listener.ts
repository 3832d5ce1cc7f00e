/**
 * A server on loopback, open to those processes of this worker that were told a secret.
 *
 * @module
 */

import {
  acceptConnection,
  ACCEPTED_POLICY,
  type Clock,
  type Connection,
  type ConnectionReceiver,
  createWebSocketTransport,
} from "../connection/mod.ts";
import {
  encodeBody,
  ProtocolError,
  randomHex,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  TROUPE_VERSION,
  WEBSOCKET_PATH,
} from "../protocol/mod.ts";
import { runtimeName } from "../client/platform.ts";

/** A place where one peer reports. */
export interface SecretPlace {
  /** WebSocket address of the listener. */
  readonly address: string;
  /** What the peer shows there. */
  readonly secret: string;
  /** Nobody is let in there any more. */
  close(): void;
}

/** Who is expected at a place. */
export interface ExpectedPeer {
  /** The role that it has to play. */
  readonly role: string;
  /** It is there: what it says goes to the receiver. */
  readonly onOpen: (connection: Connection) => ConnectionReceiver;
}

/** Listens on a port of loopback that the system chooses. */
export class SecretListener implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #expected = new Map<string, ExpectedPeer>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => this.#accept(request));
  }

  /** Where it listens. */
  get authority(): string {
    return `127.0.0.1:${this.#server.addr.port}`;
  }

  /** Makes a place for one peer. */
  expect(peer: ExpectedPeer): SecretPlace {
    const secret = randomHex(32);
    this.#expected.set(secret, peer);
    return {
      address: `ws://${this.authority}${WEBSOCKET_PATH}`,
      secret,
      close: () => void this.#expected.delete(secret),
    };
  }

  /** Stops listening, and ends what is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #accept(request: Request): Response {
    const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(/\s*,\s*/);
    const ticket = protocols.find((protocol) => protocol.startsWith(TICKET_SUBPROTOCOL));
    const peer = ticket && this.#expected.get(ticket.slice(TICKET_SUBPROTOCOL.length));
    // A web page may open sockets to loopback, but it cannot know the secret.
    if (!peer || request.headers.has("origin")) return new Response("Unauthorized", { status: 401 });
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: SUBPROTOCOL, idleTimeout: 0 });
    acceptConnection(createWebSocketTransport(socket, ACCEPTED_POLICY), {
      clock: this.#clock,
      onHello(connection, hello, version) {
        if (hello.role !== peer.role) throw new ProtocolError(`Cannot take a ${hello.role} here, only a ${peer.role}`);
        const body = encodeBody({ troupe: TROUPE_VERSION, runtime: runtimeName() });
        connection.send({ op: "welcome", version, body });
        return peer.onOpen(connection);
      },
    });
    return response;
  }
}
