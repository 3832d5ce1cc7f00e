/**
 * The scheduler's tickets: signed here, checked here and in hosts.
 *
 * @module
 */

import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import {
  encodeClaims,
  formatTicket,
  fromBase64Url,
  parseTicket,
  randomHex,
  type RandomSource,
  TICKET_LIFE,
  type TicketClaims,
  toBase64Url,
} from "../protocol/mod.ts";

/** What a ticket is asked for; the rest of its claims is made when it is signed. */
export type TicketRequest = Omit<TicketClaims, "expires" | "nonce">;

/** Options of {@linkcode Tickets}. */
export interface TicketsOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Source of nonces. */
  readonly random: RandomSource;
}

/**
 * Signs tickets with a key pair that lives as long as this process. Synchronous, so that a ticket never reorders the
 * message that carries it (26 µs to sign, 46 µs to check).
 */
export class Tickets {
  /** The raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly #privateKey: KeyObject;
  readonly #verifier: TicketVerifier;
  readonly #options: TicketsOptions;

  /** Makes the key pair. */
  constructor(options: TicketsOptions) {
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    this.publicKey = fromBase64Url(publicKey.export({ format: "jwk" }).x!)!;
    this.#privateKey = privateKey;
    this.#options = options;
    this.#verifier = new TicketVerifier(this.publicKey, options.now);
  }

  /** A ticket that is good once, within {@linkcode TICKET_LIFE}. */
  issue(request: TicketRequest): string {
    const { now, random } = this.#options;
    const claims = encodeClaims({ ...request, expires: now() + TICKET_LIFE, nonce: randomHex(16, random) });
    return formatTicket(claims, sign(null, claims, this.#privateKey));
  }

  /** What a ticket says, once; `undefined` for one that is spent, expired or not ours. */
  redeem(ticket: string): TicketClaims | undefined {
    return this.#verifier.redeem(ticket);
  }
}

/** Checks tickets by public key, and remembers those that were used until they expire by themselves. */
export class TicketVerifier {
  readonly #key: KeyObject;
  readonly #now: () => number;
  /** Expiry by nonce; in the order of use, which is nearly that of expiry. */
  readonly #spent = new Map<string, number>();

  /**
   * @param publicKey Raw Ed25519 public key.
   * @param now Milliseconds since 1970.
   */
  constructor(publicKey: Uint8Array, now: () => number) {
    const jwk = { kty: "OKP", crv: "Ed25519", x: toBase64Url(publicKey) };
    this.#key = createPublicKey({ key: jwk, format: "jwk" });
    this.#now = now;
  }

  /** How many used tickets it remembers. */
  get remembered(): number {
    return this.#spent.size;
  }

  /** What a ticket says, once; `undefined` for one that is spent, expired or not signed by the key. */
  redeem(ticket: string): TicketClaims | undefined {
    const now = this.#now();
    for (const [nonce, expires] of this.#spent) {
      if (expires >= now) break;
      this.#spent.delete(nonce);
    }
    const parsed = parseTicket(ticket);
    if (!parsed || !verify(null, parsed.signed, this.#key, parsed.signature)) return undefined;
    const { claims } = parsed;
    if (claims.expires < now || this.#spent.has(claims.nonce)) return undefined;
    this.#spent.set(claims.nonce, claims.expires);
    return claims;
  }
}
