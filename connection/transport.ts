/**
 * The seam between a connection and what carries its bytes.
 *
 * @module
 */

import { CloseCode, type CloseInfo } from "../protocol/mod.ts";

/** What a transport tells its owner. */
export interface TransportReceiver {
  /** A whole frame, in order. The bytes are the receiver's to keep. */
  onFrame(frame: Uint8Array): void;
  /** The end: called once, whichever side or accident brought it. Nothing comes after it. */
  onClose(info: CloseInfo): void;
}

/** How a transport wants its bytes cut. */
export interface FramePolicy {
  /** The most bytes that go into one frame of small messages. A message that is longer travels in pieces. */
  readonly frameBytes: number;
  /**
   * How many bytes of a long message, of which `remaining` are left, go into its next piece; `fast` is how many the peer
   * takes in within a moment, 0 while that is not known.
   */
  pieceBytes(remaining: number, fast: number): number;
  /** How many bytes of pieces may be on their way, not yet reported as received; two pieces are in any case. */
  readonly windowBytes: number;
  /**
   * Whether this end must answer each frame at once, if only by an acknowledgement: true where the peer's frames wait
   * for TCP's (Deno's own client leaves Nagle's algorithm on).
   */
  readonly acknowledge: boolean;
}

/**
 * Ordered frames to one peer.
 *
 * Sending to a transport that ended is not an error and does nothing: its receiver has been told, or is about to be.
 */
export interface Transport {
  /** How its bytes want to be cut. */
  readonly policy: FramePolicy;
  /** Starts the flow to `receiver`. What came before is kept until then, and told only after this call has returned. */
  start(receiver: TransportReceiver): void;
  /** Sends a frame. The bytes may be used again as soon as it returns. */
  send(frame: Uint8Array): void;
  /**
   * Ends it, after what was sent. The receiver hears of it at once, with `local` true; no answer of the peer is awaited.
   *
   * @param code 1000 or a private code, 3000 to 4999: others do not reach the peer.
   * @param reason The peer gets its first 123 bytes.
   */
  close(code: number, reason: string): void;
}

/** Bytes that a frame's header and MessagePack's own take, so that a cut message still fits its frame. */
export const PIECE_OVERHEAD = 24;

/** For transports on which size does not matter: memory, message ports, sockets without Nagle's algorithm. */
export const ROOMY_POLICY: FramePolicy = {
  frameBytes: 64 * 1024,
  pieceBytes: (remaining, fast) => Math.min(remaining, Math.max(256 * 1024, fast)),
  windowBytes: 1024 * 1024,
  acknowledge: false,
};

/** Joins two transports, so that what one receives the other sends: a relay that looks at nothing. */
export function joinTransports(one: Transport, other: Transport): void {
  one.start({
    onFrame: (frame) => other.send(frame),
    onClose: (info) => other.close(relayedCode(info.code), info.reason),
  });
  other.start({
    onFrame: (frame) => one.send(frame),
    onClose: (info) => one.close(relayedCode(info.code), info.reason),
  });
}

/** What stands for an abrupt death cannot be sent on. */
function relayedCode(code: number): number {
  return code === CloseCode.normal || code >= 3000 && code <= 4999 ? code : CloseCode.gone;
}
