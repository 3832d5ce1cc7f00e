/**
 * What the two ends of a connection must agree on before the first message.
 *
 * @module
 */

/** Version of this library, exchanged in the handshake and shown by `client.schedulerInfo()`. */
export const TROUPE_VERSION = "0.1.0";

/** The newest protocol version that this library speaks. */
export const PROTOCOL_VERSION = 1;

/** The oldest protocol version that this library still speaks. */
export const OLDEST_PROTOCOL_VERSION = 1;

/** The WebSocket subprotocol that every Troupe connection asks for, and that every Troupe server answers. */
export const SUBPROTOCOL = "troupe.1";

/** Prefix of the second subprotocol, which carries a ticket where a header cannot be set: `ticket.<base64url>`. */
export const TICKET_SUBPROTOCOL = "ticket.";

/**
 * The version that both sides speak, or `undefined` where the ranges do not meet.
 *
 * @param minimum The oldest version of the other side.
 * @param maximum The newest version of the other side.
 */
export function negotiateVersion(minimum: number, maximum: number): number | undefined {
  const version = Math.min(maximum, PROTOCOL_VERSION);
  return version >= Math.max(minimum, OLDEST_PROTOCOL_VERSION) ? version : undefined;
}
