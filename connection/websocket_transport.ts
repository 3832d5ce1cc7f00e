/**
 * A native WebSocket as a transport.
 *
 * @module
 */

import { CloseCode, ConnectionLostError, truncateReason } from "../protocol/mod.ts";
import { Inbox } from "./inbox.ts";
import { type FramePolicy, PIECE_OVERHEAD, ROOMY_POLICY, type Transport, type TransportReceiver } from "./transport.ts";

/** From here on a frame releases itself: it consists of full TCP segments, on loopback as well. */
const LARGE_PIECE = 128 * 1024;

/**
 * For a socket whose TCP connection has Nagle's algorithm on, as Deno's own client has: a frame over 1024 bytes is
 * written in two parts, and the second waits for an acknowledgement that the peer delays by 40 ms.
 */
export const NAGLE_POLICY: FramePolicy = {
  frameBytes: 1024,
  pieceBytes(remaining, fast) {
    if (remaining < LARGE_PIECE) return Math.min(remaining, 1024 - PIECE_OVERHEAD);
    // Frames of 128 KiB and more fill whole TCP segments; equal ones leave no small rest behind.
    return Math.ceil(remaining / Math.ceil(remaining / Math.max(2 * LARGE_PIECE, fast)));
  },
  windowBytes: 512 * 1024,
  acknowledge: false,
};

/** For the end that accepted: its own frames never stall, the dialler's wait for an answer. */
export const ACCEPTED_POLICY: FramePolicy = { ...ROOMY_POLICY, acknowledge: true };

/**
 * Wraps a socket that is open, or about to be.
 *
 * Frames sent before it opened are kept. The socket's own events are the only source of truth: `send` proves nothing,
 * and `close` can come twice or, after an abrupt death, with code 0.
 */
export function createWebSocketTransport(socket: WebSocket, policy: FramePolicy): Transport {
  return new WebSocketTransport(socket, policy);
}

class WebSocketTransport implements Transport {
  readonly policy: FramePolicy;
  readonly #socket: WebSocket;
  readonly #inbox = new Inbox();
  #unsent: Uint8Array[] | undefined;

  constructor(socket: WebSocket, policy: FramePolicy) {
    this.policy = policy;
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    if (socket.readyState === WebSocket.CONNECTING) this.#unsent = [];
    socket.onopen = () => {
      const unsent = this.#unsent ?? [];
      this.#unsent = undefined;
      for (const frame of unsent) this.send(frame);
    };
    socket.onmessage = ({ data }) => {
      if (data instanceof ArrayBuffer) this.#inbox.frame(new Uint8Array(data));
      else this.close(CloseCode.badFrame, "Cannot read a text frame: frames are binary");
    };
    socket.onerror = (event) => {
      if (typeof event === "object" && "preventDefault" in event) event.preventDefault();
    };
    socket.onclose = ({ code, reason }) => this.#inbox.end({ code, reason, local: false });
    // It has told its end already.
    if (socket.readyState === WebSocket.CLOSED) this.#inbox.end({ code: 1006, reason: "", local: false });
  }

  start(receiver: TransportReceiver): void {
    this.#inbox.start(receiver);
  }

  send(frame: Uint8Array): void {
    if (this.#unsent) this.#unsent.push(frame.slice());
    else if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(frame as Uint8Array<ArrayBuffer>);
  }

  close(code: number, reason: string): void {
    this.#unsent = undefined;
    try {
      this.#socket.close(code, truncateReason(reason));
    } catch {
      // A code that this platform refuses: the end is all that matters.
      this.#socket.close();
    }
    this.#inbox.end({ code, reason, local: true });
  }
}

/**
 * Waits until a socket is open.
 *
 * @throws {ConnectionLostError} Where it closes instead, or `signal` aborts first.
 */
export function opened(socket: WebSocket, address: string, signal?: AbortSignal): Promise<void> {
  if (socket.readyState === WebSocket.OPEN) return Promise.resolve();
  if (socket.readyState !== WebSocket.CONNECTING) {
    return Promise.reject(
      new ConnectionLostError(`Cannot connect to ${address}: the socket is closed`, { code: "UNAVAILABLE" }),
    );
  }
  return new Promise((resolve, reject) => {
    const settle = (run: () => void) => () => {
      socket.removeEventListener("open", open);
      socket.removeEventListener("error", failed);
      socket.removeEventListener("close", failed);
      signal?.removeEventListener("abort", aborted);
      run();
    };
    const open = settle(resolve);
    let found = "";
    const failed = (event: Event) => {
      if (event.type === "error") {
        event.preventDefault();
        found ||= "message" in event && typeof event.message === "string" ? event.message : "";
      }
      settle(() =>
        reject(
          new ConnectionLostError(`Cannot connect to ${address}${found ? `: ${found}` : ""}`, { code: "UNAVAILABLE" }),
        )
      )();
    };
    const aborted = settle(() => {
      try {
        socket.close();
      } catch {
        // Closing a socket that is still connecting may throw; it will find nobody listening.
      }
      reject(signal!.reason);
    });
    if (signal?.aborted) return aborted();
    socket.addEventListener("open", open);
    socket.addEventListener("error", failed);
    socket.addEventListener("close", failed);
    signal?.addEventListener("abort", aborted);
  });
}
