/**
 * Why a connection ended, as the private close codes of RFC 6455 say it.
 *
 * @module
 */

/** Close codes of Troupe. An abrupt death has none: a WebSocket then reports 0 or 1006. */
export const CloseCode = {
  /** The peer was done. */
  normal: 1000,
  /** A frame that is no valid batch of messages. */
  badFrame: 4400,
  /** No hello within the time that the limits allow. */
  helloTimeout: 4401,
  /** The peer may not do what it tried. */
  forbidden: 4403,
  /** The peer does not read fast enough. */
  slowConsumer: 4408,
  /** A worker's host ended, so its channels and links end with it. */
  gone: 4410,
  /** The process is going away. Not 1001, which a program may not give to a WebSocket. */
  goingAway: 4411,
  /** A frame or value larger than the limits allow. */
  tooLarge: 4413,
  /** No common protocol version. */
  version: 4426,
  /** Too many calls outstanding. */
  tooMany: 4429,
  /** The peer answered no ping. */
  silent: 4440,
  /** The worker is leaving. */
  draining: 4503,
} as const;

/** What ended a connection. */
export interface CloseInfo {
  /** The close code; 0 or 1006 where the peer vanished. */
  readonly code: number;
  /** What the peer or this side said, or an empty string. */
  readonly reason: string;
  /** Whether this side closed it. */
  readonly local: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Cuts a close reason to the 123 bytes of UTF-8 that a WebSocket accepts, never inside a character. */
export function truncateReason(reason: string): string {
  const bytes = encoder.encode(reason);
  if (bytes.length <= 123) return reason;
  let end = 120;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return `${decoder.decode(bytes.subarray(0, end))}…`;
}
