/**
 * Tickets: what a scheduler signs so that their bearer may open one connection, once.
 *
 * The text is `<claims>.<signature>`, both base64url; the claims are a MessagePack array. Signed with Ed25519: hosts
 * hold the public key only, so nothing that runs in a host can make one.
 *
 * @module
 */

import { fromBase64Url, toBase64Url } from "./ids.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** What a ticket allows. */
export type TicketRole = "client" | "caller" | "host";

/** How long a ticket is good for, in milliseconds. */
export const TICKET_LIFE = 30_000;

/** What a ticket says. */
export interface TicketClaims {
  /** `client` and `host` dial the scheduler; `caller` dials a home. */
  readonly role: TicketRole;
  /** Worker id; empty for a client. */
  readonly worker: string;
  /** Incarnation of the host; empty for a client. */
  readonly host: string;
  /** Id of the home; empty unless the role is `caller`. */
  readonly home: string;
  /** Milliseconds since 1970 after which it is void. */
  readonly expires: number;
  /** Makes it one-use: servers keep spent ones until they expire. */
  readonly nonce: string;
}

/** The bytes that are signed. */
export function encodeClaims(claims: TicketClaims): Uint8Array<ArrayBuffer> {
  const { role, worker, host, home, expires, nonce } = claims;
  return encodeValue([role, worker, host, home, expires, nonce]).bytes.slice();
}

/** The text that travels. */
export function formatTicket(claims: Uint8Array, signature: Uint8Array): string {
  return `${toBase64Url(claims)}.${toBase64Url(signature)}`;
}

/** A ticket taken apart, its signature not yet checked; `undefined` for anything that is no ticket. */
export function parseTicket(
  text: string,
): { claims: TicketClaims; signed: Uint8Array<ArrayBuffer>; signature: Uint8Array<ArrayBuffer> } | undefined {
  const parts = text.split(".");
  const signed = fromBase64Url(parts[0] ?? "");
  const signature = fromBase64Url(parts[1] ?? "");
  if (parts.length !== 2 || !signed || signature?.length !== 64 || signed.length > 4096) return undefined;
  try {
    const fields = decodeValue(signed);
    if (!Array.isArray(fields) || fields.length !== 6) return undefined;
    const [role, worker, host, home, expires, nonce] = fields as unknown[];
    if (role !== "client" && role !== "caller" && role !== "host") return undefined;
    if (typeof worker !== "string" || typeof host !== "string" || typeof home !== "string") return undefined;
    // Not a number would never expire.
    if (typeof expires !== "number" || !Number.isFinite(expires) || typeof nonce !== "string") return undefined;
    return { claims: { role, worker, host, home, expires, nonce }, signed, signature };
  } catch {
    return undefined;
  }
}
