/**
 * Signing in to the dashboard: a link or the token opens a session, which the browser keeps in a cookie.
 *
 * A cookie belongs to a host, whatever the port, and other servers of this machine are "same-site". So what it may do is
 * bound to pages of our own origin, by what browsers say of where a request comes from.
 *
 * @module
 */

import type { PageSessions } from "./page_sessions.ts";
import { SESSION_LIFE } from "./page_sessions.ts";

/** The origin under which a request came in. */
export function ownOrigin(request: Request): string {
  return `${new URL(request.url).protocol}//${request.headers.get("host")}`;
}

/**
 * The open session that a request shows, `undefined` for none. It counts only where a page of our own asks: reading needs
 * that no other site asks, and whatever changes something, or opens a socket, needs our own `Origin` as well.
 */
export function sessionOf(
  request: Request,
  sessions: PageSessions,
  allowOrigins: readonly string[] = [],
): string | undefined {
  const session = cookieOf(request);
  if (session === undefined || !sessions.isOpen(session)) return undefined;
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin") return undefined;
  const origin = request.headers.get("origin");
  const reads = request.method === "GET" && request.headers.get("upgrade") === null;
  if (origin === null) return reads ? session : undefined;
  return isOwnOrigin(origin, request, allowOrigins) ? session : undefined;
}

/** Behind a proxy that ends TLS a page is of another scheme than its requests: that has to be allowed by name. */
function isOwnOrigin(origin: string, request: Request, allowOrigins: readonly string[]): boolean {
  if (origin === ownOrigin(request)) return true;
  return allowOrigins.includes(origin) && URL.parse(origin)?.host === request.headers.get("host");
}

/** Follows a link: to the page, with a session where its ticket is good, else to a page that says that it is not. */
export function followLink(request: Request, ticket: string, sessions: PageSessions): Response {
  const session = sessions.redeem(ticket);
  const known = cookieOf(request);
  const headers = new Headers({ "cache-control": "no-store", "referrer-policy": "no-referrer" });
  if (session !== undefined) headers.set("set-cookie", cookie(request, session, SESSION_LIFE / 1000));
  const signedIn = session !== undefined || known !== undefined && sessions.isOpen(known);
  headers.set("location", signedIn ? "/" : "/#/sign-in/spent");
  return new Response(null, { status: 303, headers });
}

/** Opens a session for a page that showed the token. */
export function openSession(request: Request, sessions: PageSessions): Response {
  const headers = { "set-cookie": cookie(request, sessions.open(), SESSION_LIFE / 1000), "cache-control": "no-store" };
  return new Response(null, { status: 204, headers });
}

/** Ends the session of a page. */
export function closeSession(request: Request, sessions: PageSessions): Response {
  const session = cookieOf(request);
  if (session !== undefined) sessions.close(session);
  return new Response(null, { status: 204, headers: { "set-cookie": cookie(request, "", 0) } });
}

/** Cookies do not tell ports apart, so the name does. */
function nameFor(request: Request): string {
  const { protocol, port } = new URL(`${new URL(request.url).protocol}//${request.headers.get("host")}`);
  return `troupe_${port || (protocol === "https:" ? "443" : "80")}`;
}

function cookieOf(request: Request): string | undefined {
  const name = nameFor(request);
  for (const part of (request.headers.get("cookie") ?? "").split(";")) {
    const [found, value] = part.trim().split("=", 2);
    if (found === name && value) return value;
  }
  return undefined;
}

function cookie(request: Request, session: string, maxAge: number): string {
  const secure = request.url.startsWith("https:") ? "; Secure" : "";
  return `${nameFor(request)}=${session}; Path=/; Max-Age=${maxAge}; HttpOnly; SameSite=Strict${secure}`;
}
