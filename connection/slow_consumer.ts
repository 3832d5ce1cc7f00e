/**
 * Ends connections whose peers do not read what they asked for.
 *
 * @module
 */

import { CloseCode, DEFAULT_LIMITS, type Limits } from "../protocol/mod.ts";
import type { Clock } from "./clock.ts";
import type { Connection } from "./connection.ts";

/** In so many steps it is looked whether the peer has read anything. */
const LOOKS = 10;

/** Options of {@linkcode closeSlowConsumer}. */
export interface SlowConsumerOptions {
  /** The time. */
  readonly clock: Clock;
  /** `sendQueueMs` is how long a peer may read nothing; the others are the connection's own. */
  readonly limits?: Limits;
}

/**
 * Closes a connection with 4408 when its send queue was full for a time in which the peer took in nothing at all: one that
 * reads slowly is not ended, as what it gets is bounded. Returns the function that stops looking.
 *
 * Time in which this event loop did not run does not count: what the peer reported meanwhile has not been read.
 */
export function closeSlowConsumer(connection: Connection, options: SlowConsumerOptions): () => void {
  const { clock, limits = DEFAULT_LIMITS } = options;
  const { sendQueue } = connection;
  const interval = limits.sendQueueMs / LOOKS;
  let reports = 0;
  let quiet = 0;
  let stop: (() => void) | undefined;

  function wait(): void {
    const due = clock.now() + interval;
    reports = sendQueue.reports;
    stop = clock.setTimer(interval, () => look(clock.now() - due));
  }

  function look(late: number): void {
    stop = undefined;
    if (!sendQueue.full) return;
    quiet = sendQueue.reports !== reports || late > interval ? 0 : quiet + 1;
    if (quiet < LOOKS) return wait();
    const { bytes, frames } = sendQueue;
    const reason =
      `Nothing was read for ${limits.sendQueueMs} ms, while ${bytes} bytes in ${frames} or more frames wait`;
    connection.close(CloseCode.slowConsumer, reason);
  }

  sendQueue.onFull = () => {
    if (stop) return;
    quiet = 0;
    wait();
  };
  return () => {
    sendQueue.onFull = () => {};
    stop?.();
  };
}
