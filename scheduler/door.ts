/**
 * Who may come in: all that is checked before a request is looked at or a socket upgraded.
 *
 * @module
 */

import { SUBPROTOCOL, TICKET_SUBPROTOCOL, type TicketClaims } from "../protocol/mod.ts";
import { bearsKey } from "../protocol/metrics_key.ts";
import type { PageSessions } from "./page_sessions.ts";
import { ownOrigin, sessionOf } from "./sign_in.ts";
import type { Tickets } from "./tickets.ts";
import { isSameToken } from "./token.ts";

/** Options of {@linkcode Door}. */
export interface DoorOptions {
  /** The token; `undefined` lets everyone in who passes the other checks. */
  readonly token: string | undefined;
  /** Checks tickets. */
  readonly tickets: Tickets;
  /** What a monitoring system may show in the token's place, for metrics alone. */
  readonly metricsKey?: string | undefined;
  /** Who is signed in to the dashboard. */
  readonly sessions: PageSessions;
  /** Origins of pages that may connect, besides the scheduler's own. */
  readonly allowOrigins: readonly string[];
  /** Names by which the scheduler may be called, besides addresses and `localhost`. */
  readonly allowHosts: readonly string[];
}

/** With what a peer came in: the token, a ticket and what it allows, or a session of the dashboard. */
export type Grant =
  | { readonly kind: "token" }
  | { readonly kind: "ticket"; readonly claims: TicketClaims }
  /** A page of the dashboard whose user has signed in. */
  | { readonly kind: "session" };

const UNAUTHORIZED =
  'Unauthorized: give the scheduler\'s token as "Authorization: Bearer <token>". Its user has it in the file ' +
  "troupe/token of the settings folder (~/.config/troupe/token); elsewhere set TROUPE_TOKEN, TROUPE_TOKEN_FILE or the " +
  "option token.\n";

/** Decides who may come in. */
export class Door {
  readonly #options: DoorOptions;

  /** @param options What it goes by. */
  constructor(options: DoorOptions) {
    if (options.token === "") throw new TypeError("Cannot check an empty token: it would let everyone in");
    this.#options = options;
  }

  /** Refuses a request under a foreign name (421) or from a foreign page (403); `undefined` where neither is so. */
  refuse(request: Request): Response | undefined {
    const host = request.headers.get("host") ?? "";
    if (!this.#isOwnHost(host)) {
      return refusal(
        421,
        `Misdirected: this scheduler is not called ${show(host)}. Start it with --allow-host to allow it`,
      );
    }
    const origin = request.headers.get("origin");
    if (origin !== null && !this.isAllowedOrigin(origin, request)) {
      return refusal(
        403,
        `Forbidden: pages of ${show(origin)} may not connect. Start with --allow-origin to allow them`,
      );
    }
    return undefined;
  }

  /** Whether a page of this origin may connect: one that is listed, or that this scheduler served. */
  isAllowedOrigin(origin: string, request: Request): boolean {
    if (this.#options.allowOrigins.includes(origin)) return true;
    return origin === ownOrigin(request);
  }

  /** With what a request comes in: `undefined` for nothing that is good. A token in an address is never looked at. */
  admit(request: Request): Grant | undefined {
    const { token, tickets, sessions, allowOrigins } = this.#options;
    const ticket = offeredProtocols(request).find((name) => name.startsWith(TICKET_SUBPROTOCOL));
    if (ticket !== undefined) {
      const claims = tickets.redeem(ticket.slice(TICKET_SUBPROTOCOL.length));
      return claims && { kind: "ticket", claims };
    }
    if (token === undefined) return { kind: "token" };
    const header = request.headers.get("authorization");
    if (header === null) {
      return sessionOf(request, sessions, allowOrigins) === undefined ? undefined : { kind: "session" };
    }
    const given = /^Bearer (.*)$/i.exec(header)?.[1] ?? "";
    return isSameToken(given, token) ? { kind: "token" } : undefined;
  }

  /** Whether a request may read metrics: by the token, a session, or the key that is for nothing else. */
  admitsScrape(request: Request): boolean {
    const { metricsKey } = this.#options;
    if (metricsKey !== undefined && bearsKey(request.headers.get("authorization"), metricsKey)) return true;
    const grant = this.admit(request);
    return grant !== undefined && grant.kind !== "ticket";
  }

  /** What a missing and a wrong token get alike. */
  unauthorized(): Response {
    const headers = { "content-type": "text/plain; charset=utf-8", "www-authenticate": "Bearer" };
    return new Response(UNAUTHORIZED, { status: 401, headers });
  }

  /** Addresses cannot be rebound to, names of others can. */
  #isOwnHost(host: string): boolean {
    if (!URL.canParse(`http://${host}`)) return false;
    const { hostname, host: whole } = new URL(`http://${host}`);
    if (hostname === "localhost" || /^\d+\.\d+\.\d+\.\d+$/.test(hostname) || hostname.startsWith("[")) return true;
    return this.#options.allowHosts.some((allowed) => allowed === hostname || allowed === whole);
  }
}

/** The subprotocols that a request offers. */
export function offeredProtocols(request: Request): string[] {
  const header = request.headers.get("sec-websocket-protocol") ?? "";
  return header.split(",").map((name) => name.trim()).filter((name) => name !== "");
}

/** Refuses an upgrade that does not offer our subprotocol. */
export function refuseVersion(request: Request): Response | undefined {
  const offered = offeredProtocols(request).filter((name) => !name.startsWith(TICKET_SUBPROTOCOL));
  if (offered.includes(SUBPROTOCOL)) return undefined;
  const found = offered.length === 0 ? "none was offered" : `offered were ${offered.map(show).join(", ")}`;
  return refusal(426, `Upgrade required: this scheduler speaks the subprotocol ${SUBPROTOCOL}; ${found}`);
}

function refusal(status: number, text: string): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8" } });
}

function show(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
