/**
 * Notices a peer that fell silent: a frozen process keeps its sockets open, and `send` to it succeeds.
 *
 * @module
 */

import type { Clock } from "./clock.ts";
import type { Connection } from "./connection.ts";

/** Options of {@linkcode startHeartbeat}. */
export interface HeartbeatOptions {
  /** The time. */
  readonly clock: Clock;
  /** Milliseconds between pings. */
  readonly interval: number;
  /** How many intervals without a frame of the peer make it silent. @default {3} */
  readonly misses?: number;
  /** Told once, when the peer fell silent. */
  readonly onSilent: () => void;
}

/**
 * Pings a peer, at once and at every interval, and listens for any sign of life. Returns the function that stops it.
 *
 * Where this side itself was held up (a busy loop, a suspended machine), the peer gets the whole time anew.
 */
export function startHeartbeat(connection: Connection, options: HeartbeatOptions): () => void {
  const { clock, interval, misses = 3, onSilent } = options;
  let frames = 0;
  let silent = 0;
  let due = 0;
  let id = 0;
  let stop: () => void;

  function ask(): void {
    frames = connection.framesReceived;
    connection.send({ op: "ping", id: ++id });
    due = clock.now() + interval;
    stop = clock.setTimer(interval, look);
  }

  function look(): void {
    if (connection.closed) return;
    const heldUp = clock.now() - due > interval * 2;
    silent = heldUp || connection.framesReceived !== frames ? 0 : silent + 1;
    if (silent >= misses) onSilent();
    else ask();
  }

  ask();
  return () => stop();
}
