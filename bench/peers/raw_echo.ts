/**
 * The floor: bytes that come back as they are, over a native WebSocket and over bare TCP.
 *
 * @module
 */

import { openSocket, startDenoChild } from "./child.ts";

/** A connection to an echo server of its own process. */
export interface RawEcho extends AsyncDisposable {
  /** Process id of the server. */
  readonly pid: number;
  /** Where the server takes WebSockets. */
  readonly url: string;
  /** Sends a WebSocket message; resolves when it has come back. */
  send(message: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Sends a WebSocket message whether or not those before it have come back. Answers are in order. */
  sendAhead(message: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Sends bytes over TCP; resolves when as many have come back. */
  sendBare(bytes: Uint8Array): Promise<void>;
}

/** Starts the echo server and connects to it. */
export async function startRawEcho(): Promise<RawEcho> {
  const child = await startDenoChild("./echo_server.ts");
  const [port, barePort] = child.line.split(" ").map(Number);
  const url = `ws://127.0.0.1:${port}/`;
  const socket = await openSocket(url);
  const bare = await Deno.connect({ hostname: "127.0.0.1", port: barePort! });
  bare.setNoDelay(true);
  const buffer = new Uint8Array(65536);
  const waiting: (() => void)[] = [];
  let answered = () => {};
  socket.onmessage = () => answered();
  return {
    pid: child.pid,
    url,
    send: (message) =>
      new Promise((resolve) => {
        answered = resolve;
        socket.send(message);
      }),
    sendAhead: (message) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        answered = () => waiting.shift()?.();
        socket.send(message);
      }),
    async sendBare(bytes) {
      const writing = bare.write(bytes);
      for (let received = 0; received < bytes.length;) received += await bare.read(buffer) ?? Infinity;
      await writing;
    },
    async [Symbol.asyncDispose]() {
      bare.close();
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      socket.onclose = () => resolve();
      socket.close();
      await closed;
      await child[Symbol.asyncDispose]();
    },
  };
}
