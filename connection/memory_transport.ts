/**
 * Two transports in one process, each the other's peer: for tests, and for parts that share a process.
 *
 * @module
 */

import { truncateReason } from "../protocol/mod.ts";
import { Inbox } from "./inbox.ts";
import { type FramePolicy, ROOMY_POLICY, type Transport, type TransportReceiver } from "./transport.ts";

/** One end of a linked pair. */
export interface MemoryTransport extends Transport {
  /** Cuts the link, as a killed process or a torn wire does: both ends hear code 0, and what was on its way is lost. */
  abort(): void;
}

/** A linked pair. Frames are copied and arrive in later microtasks, in order, as they would over a socket. */
export function createMemoryTransports(policy: FramePolicy = ROOMY_POLICY): [MemoryTransport, MemoryTransport] {
  const one = new Inbox();
  const other = new Inbox();
  return [new MemoryEnd(one, other, policy), new MemoryEnd(other, one, policy)];
}

class MemoryEnd implements MemoryTransport {
  readonly policy: FramePolicy;
  readonly #inbox: Inbox;
  readonly #peer: Inbox;

  constructor(inbox: Inbox, peer: Inbox, policy: FramePolicy) {
    this.#inbox = inbox;
    this.#peer = peer;
    this.policy = policy;
  }

  start(receiver: TransportReceiver): void {
    this.#inbox.start(receiver);
  }

  send(frame: Uint8Array): void {
    if (this.#inbox.ended) return;
    const copy = frame.slice();
    queueMicrotask(() => this.#peer.frame(copy));
  }

  close(code: number, reason: string): void {
    if (!this.#inbox.ended) {
      const info = { code, reason: truncateReason(reason), local: false };
      queueMicrotask(() => this.#peer.end(info));
    }
    this.#inbox.end({ code, reason, local: true });
  }

  abort(): void {
    const info = { code: 0, reason: "", local: false };
    this.#peer.end(info);
    this.#inbox.end(info);
  }
}
