/**
 * The callers of one home.
 *
 * @module
 */

import type { Connection, Transport } from "../connection/mod.ts";
import type { ActorHome } from "./actor_home.ts";
import { serveCaller } from "./call_server.ts";
import type { StoredResults } from "./result_store.ts";

/** All connections that a home serves, so that they can be ended with it. */
export class CallerSet {
  readonly #home: ActorHome;
  readonly #results: StoredResults | undefined;
  readonly #connections = new Set<Connection>();

  /**
   * Serves nobody yet.
   *
   * @param results Results that callers may ask for.
   */
  constructor(home: ActorHome, results?: StoredResults) {
    this.#home = home;
    this.#results = results;
  }

  /** How many there are. */
  get size(): number {
    return this.#connections.size;
  }

  /** Serves a caller, direct or relayed. */
  serve(transport: Transport): void {
    const connection: Connection = serveCaller(
      observeEnd(transport, () => this.#connections.delete(connection)),
      this.#home,
      { results: this.#results },
    );
    if (connection.closed === undefined) this.#connections.add(connection);
  }

  /** Sends every caller what waits, then closes its connection. */
  close(code: number, reason: string): void {
    for (const connection of [...this.#connections]) connection.close(code, reason);
  }
}

/** The same transport, of whose end somebody else is told first. */
export function observeEnd(transport: Transport, onEnd: () => void): Transport {
  return {
    policy: transport.policy,
    start(receiver) {
      transport.start({
        onFrame: (frame) => receiver.onFrame(frame),
        onClose(info) {
          onEnd();
          receiver.onClose(info);
        },
      });
    },
    send: (frame) => transport.send(frame),
    close: (code, reason) => transport.close(code, reason),
  };
}
