/**
 * A MessagePort as a transport: how a host relays to an isolate that has no port of its own.
 *
 * @module
 */

import { truncateReason } from "../protocol/mod.ts";
import { Inbox } from "./inbox.ts";
import { type FramePolicy, ROOMY_POLICY, type Transport, type TransportReceiver } from "./transport.ts";

/**
 * Wraps one end of a `MessageChannel`. A port says nothing of a peer's death: its owner must close it.
 *
 * @param policy How its bytes are cut, where they go on over something else.
 */
export function createPortTransport(port: MessagePort, policy: FramePolicy = ROOMY_POLICY): Transport {
  return new PortTransport(port, policy);
}

class PortTransport implements Transport {
  readonly policy: FramePolicy;
  readonly #port: MessagePort;
  readonly #inbox = new Inbox();

  constructor(port: MessagePort, policy: FramePolicy) {
    this.policy = policy;
    this.#port = port;
  }

  start(receiver: TransportReceiver): void {
    this.#inbox.start(receiver);
    // Setting the handler starts the port, which has kept what came before.
    this.#port.onmessage = ({ data }) => {
      if (data instanceof Uint8Array) this.#inbox.frame(data);
      else this.#end(data.code, data.reason, false);
    };
  }

  send(frame: Uint8Array): void {
    if (this.#inbox.ended) return;
    const copy = frame.slice();
    this.#port.postMessage(copy, [copy.buffer]);
  }

  close(code: number, reason: string): void {
    // What was posted before the port closes still arrives.
    if (!this.#inbox.ended) this.#port.postMessage({ code, reason: truncateReason(reason) });
    this.#end(code, reason, true);
  }

  #end(code: number, reason: string, local: boolean): void {
    // Closing a port delivers what has come to it: the inbox must have ended by then.
    this.#inbox.end({ code, reason, local });
    this.#port.close();
  }
}
