/**
 * The sockets that a server has open, so that it can wait for their end: Deno cuts them when its server shuts down,
 * before their close frames have left.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";

/** Sockets that have not closed yet. */
export class OpenSockets {
  readonly #sockets = new Set<WebSocket>();
  #onEmpty: (() => void) | undefined;

  /** Watches a socket until it has closed. */
  add(socket: WebSocket): void {
    this.#sockets.add(socket);
    socket.addEventListener("close", () => {
      this.#sockets.delete(socket);
      if (this.#sockets.size === 0) this.#onEmpty?.();
    });
  }

  /** Resolves when all have closed, or after `timeout` milliseconds. */
  async closed(clock: Clock, timeout: number): Promise<void> {
    if (this.#sockets.size === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEmpty = resolve;
    const cancel = clock.setTimer(timeout, resolve);
    await promise;
    cancel();
  }
}
