/**
 * Two ends of a real WebSocket over loopback.
 *
 * @module
 */

import { ACCEPTED_POLICY, createWebSocketTransport, NAGLE_POLICY } from "../../connection/mod.ts";
import type { TransportEnds } from "../contract/transport_contract.ts";

/** Accepts sockets on loopback, on a port that the system chooses. */
export class SocketServer implements AsyncDisposable {
  readonly #onSocket: (socket: WebSocket) => void;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(onSocket: (socket: WebSocket) => void) {
    this.#onSocket = onSocket;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
      const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
      this.#onSocket(socket);
      return response;
    });
  }

  /** Its WebSocket address. */
  get address(): string {
    return `ws://127.0.0.1:${this.#server.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

/** A socket that was dialled, as `one`, and the accepted one, as `other`; both are open. */
export async function connectWebSockets(): Promise<TransportEnds & AsyncDisposable> {
  const accepted = Promise.withResolvers<WebSocket>();
  const server = new SocketServer(accepted.resolve);
  const dialled = new WebSocket(server.address);
  const sockets = [dialled, await accepted.promise];
  const closed = Promise.all(sockets.map((socket) => happened(socket, "close")));
  await Promise.all(sockets.map((socket) => socket.readyState === WebSocket.OPEN || happened(socket, "open")));
  return {
    one: createWebSocketTransport(sockets[0]!, NAGLE_POLICY),
    other: createWebSocketTransport(sockets[1]!, ACCEPTED_POLICY),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.close();
      await closed;
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Waits for an event of a socket. */
export function happened(socket: WebSocket, type: "open" | "close"): Promise<Event> {
  return new Promise((resolve) => socket.addEventListener(type, resolve, { once: true }));
}
