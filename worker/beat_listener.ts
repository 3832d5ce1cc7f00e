/**
 * Where the watchdogs of a nanny's hosts report: a server on loopback, open to those who know a secret.
 *
 * @module
 */

import {
  acceptConnection,
  ACCEPTED_POLICY,
  type Clock,
  type Connection,
  createWebSocketTransport,
} from "../connection/mod.ts";
import {
  CloseCode,
  encodeBody,
  type MessageOf,
  randomHex,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  TROUPE_VERSION,
  WEBSOCKET_PATH,
} from "../protocol/mod.ts";
import { runtimeName } from "../client/platform.ts";

/** What a watchdog says. */
export interface WatchdogReceiver {
  /** It is there; what is sent over the connection goes to it. */
  onOpen(connection: Connection): void;
  /** The host process lives. */
  onBeat(beat: MessageOf<"beat">): void;
  /** The host asks something; the answer goes back over the connection. */
  onRequest(request: MessageOf<"request">): void;
}

/** A place where one watchdog reports. */
export interface WatchdogPlace {
  /** WebSocket address of the listener. */
  readonly address: string;
  /** What the watchdog shows there. */
  readonly secret: string;
  /** Nobody reports there any more. */
  close(): void;
}

/** Listens for watchdogs on a port of loopback that the system chooses. */
export class BeatListener implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #receivers = new Map<string, WatchdogReceiver>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => this.#accept(request));
  }

  /** Makes a place for one watchdog. */
  expect(receiver: WatchdogReceiver): WatchdogPlace {
    const secret = randomHex(32);
    this.#receivers.set(secret, receiver);
    return {
      address: `ws://127.0.0.1:${this.#server.addr.port}${WEBSOCKET_PATH}`,
      secret,
      close: () => void this.#receivers.delete(secret),
    };
  }

  /** Stops listening, and ends what is open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #accept(request: Request): Response {
    const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(/\s*,\s*/);
    const ticket = protocols.find((protocol) => protocol.startsWith(TICKET_SUBPROTOCOL));
    const receiver = ticket && this.#receivers.get(ticket.slice(TICKET_SUBPROTOCOL.length));
    // A web page may open sockets to loopback, but it cannot know the secret.
    if (!receiver || request.headers.has("origin")) return new Response("Unauthorized", { status: 401 });
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: SUBPROTOCOL, idleTimeout: 0 });
    acceptConnection(createWebSocketTransport(socket, ACCEPTED_POLICY), {
      clock: this.#clock,
      onHello(connection, hello, version) {
        if (hello.role !== "watchdog") throw new TypeError(`Cannot take a ${hello.role} here, only a watchdog`);
        connection.send({
          op: "welcome",
          version,
          body: encodeBody({ troupe: TROUPE_VERSION, runtime: runtimeName() }),
        });
        receiver.onOpen(connection);
        return {
          onMessage(message) {
            if (message.op === "beat") receiver.onBeat(message);
            else if (message.op === "request") receiver.onRequest(message);
            else connection.close(CloseCode.badFrame, `Cannot take a ${message.op} message of a watchdog`);
          },
          onClose() {
            // Its beats stop, which is what counts.
          },
        };
      },
    });
    return response;
  }
}
