/**
 * Who is signed in to the dashboard. A link with a one-use ticket, or the token, opens a session; the page then shows it
 * by a cookie.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { randomHex, type RandomSource, toBase64Url } from "../protocol/mod.ts";

/** How long a link is good for that nobody has followed, in milliseconds: half of it at least for everyone who is told it. */
const LINK_LIFE = 24 * 60 * 60 * 1000;

/** How long a session lasts, in milliseconds. */
export const SESSION_LIFE = 7 * 24 * 60 * 60 * 1000;

/** Sessions that are remembered at the most; beyond that the oldest are void. */
const MOST_SESSIONS = 1000;

/** Options of {@linkcode PageSessions}. */
export interface PageSessionsOptions {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Source of tickets and sessions. */
  readonly random: RandomSource;
}

/** The ticket of the link, and the sessions that were made. */
export class PageSessions {
  readonly #options: PageSessionsOptions;
  /** The ticket of the link that nobody has followed yet. */
  #link: { readonly ticket: string; readonly expires: number } | undefined;
  /** Expiry by digest, the oldest first. */
  readonly #sessions = new Map<string, number>();

  /** Nobody is signed in. */
  constructor(options: PageSessionsOptions) {
    this.#options = options;
  }

  /** The ticket that opens the next session: the same for all who ask, until it was used. */
  issue(): string {
    const { now, random } = this.#options;
    if (this.#link === undefined || this.#link.expires - LINK_LIFE / 2 < now()) {
      this.#link = { ticket: toBase64Url(random(new Uint8Array(16))), expires: now() + LINK_LIFE };
    }
    return this.#link.ticket;
  }

  /** The session that a ticket opens, once; `undefined` for one that is spent, expired or not ours. */
  redeem(ticket: string): string | undefined {
    const link = this.#link;
    if (link === undefined || digest(link.ticket) !== digest(ticket) || link.expires <= this.#options.now()) {
      return undefined;
    }
    this.#link = undefined;
    return this.open();
  }

  /** A new session. */
  open(): string {
    const session = randomHex(32, this.#options.random);
    this.#sessions.set(digest(session), this.#options.now() + SESSION_LIFE);
    if (this.#sessions.size > MOST_SESSIONS) this.#sessions.delete(this.#sessions.keys().next().value!);
    return session;
  }

  /** Whether a session is open. */
  isOpen(session: string): boolean {
    return (this.#sessions.get(digest(session)) ?? 0) > this.#options.now();
  }

  /** Ends a session. */
  close(session: string): void {
    this.#sessions.delete(digest(session));
  }
}

/** Comparing and looking up by digest takes a time that says nothing of the secret. */
function digest(secret: string): string {
  return createHash("sha256").update(secret).digest("base64");
}
