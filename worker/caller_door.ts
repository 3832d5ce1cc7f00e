/**
 * The HTTP door of a home's data plane: lets callers in who bear a ticket for it.
 *
 * @module
 */

import { ACCEPTED_POLICY, createWebSocketTransport, type Transport } from "../connection/mod.ts";
import { parseTicket, SUBPROTOCOL, TICKET_SUBPROTOCOL } from "../protocol/mod.ts";

/** Options of {@linkcode createCallerDoor}. */
export interface CallerDoorOptions {
  /** Id of the worker. */
  readonly worker: string;
  /** Incarnation of the host. */
  readonly host: string;
  /** Id of the home. */
  readonly home: string;
  /** The scheduler's raw Ed25519 public key. */
  readonly publicKey: Uint8Array;
  /** Names by which callers know this server, besides IP addresses and `localhost`; ports do not matter. */
  readonly hostnames: readonly string[];
  /** Origins of web pages that may connect. Defaults to none: a page goes through the scheduler. */
  readonly allowOrigins?: readonly string[];
  /** Takes the callers that were let in. */
  readonly onCaller: (transport: Transport) => void;
}

/**
 * Makes a `fetch` handler that answers `/healthz` and upgrades callers.
 *
 * It answers 421 to a foreign `Host` (a page that rebinds its name to this address), 403 to a foreign `Origin`, and 401
 * to all that bear no good ticket, whatever is wrong with it.
 */
export function createCallerDoor(options: CallerDoorOptions): (request: Request) => Response | Promise<Response> {
  const { hostnames, allowOrigins = [], onCaller } = options;
  const tickets = new TicketGate(options);
  const names = new Set([...hostnames, "localhost"].map((name) => name.toLowerCase()));

  return async (request) => {
    const { pathname } = new URL(request.url);
    // Clients ask whether they can reach this port before they choose a route; the answer says nothing else.
    if (pathname === "/healthz" && isKnownHost(request.headers.get("host"), names)) {
      return plain(200, "ok", { "access-control-allow-origin": "*" });
    }
    const refused = refuseStranger(request, names, allowOrigins);
    if (refused) return refused;
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return plain(426, "Only WebSockets are served here");
    }
    const asked = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((name) => name.trim());
    if (!await tickets.admit(asked)) return plain(401, "A ticket of the scheduler is needed");
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: SUBPROTOCOL, idleTimeout: 0 });
    onCaller(createWebSocketTransport(socket, ACCEPTED_POLICY));
    return response;
  };
}

/** Refuses a request under a name that is not ours (421), or of a web page (403); `undefined` where neither is so. */
export function refuseStranger(
  request: Request,
  names: ReadonlySet<string>,
  allowOrigins: readonly string[] = [],
): Response | undefined {
  if (!isKnownHost(request.headers.get("host"), names)) return plain(421, "This server is not known by that name");
  const origin = request.headers.get("origin");
  if (origin !== null && !allowOrigins.includes(origin)) return plain(403, "Web pages may not connect here");
  return undefined;
}

/** Checks tickets, and remembers spent ones until they are void anyway. */
class TicketGate {
  readonly #options: CallerDoorOptions;
  readonly #spent = new Map<string, number>();
  #key: Promise<CryptoKey> | undefined;

  constructor(options: CallerDoorOptions) {
    this.#options = options;
  }

  /** Whether one of the subprotocols is ours, and another a good ticket; that ticket is spent then. */
  async admit(asked: readonly string[]): Promise<boolean> {
    const subprotocol = asked.find((name) => name.startsWith(TICKET_SUBPROTOCOL));
    if (subprotocol === undefined || !asked.includes(SUBPROTOCOL)) return false;
    const ticket = parseTicket(subprotocol.slice(TICKET_SUBPROTOCOL.length));
    if (ticket === undefined) return false;
    const { claims, signed, signature } = ticket;
    if (!await crypto.subtle.verify("Ed25519", await this.#importKey(), signature, signed)) return false;
    const { worker, host, home } = this.#options;
    if (claims.role !== "caller" || claims.worker !== worker || claims.host !== host || claims.home !== home) {
      return false;
    }
    // No await from here on: two bearers of one ticket must not both get in.
    const now = Date.now();
    if (claims.expires <= now || this.#spent.has(claims.nonce)) return false;
    this.#forgetExpired(now);
    this.#spent.set(claims.nonce, claims.expires);
    return true;
  }

  #importKey(): Promise<CryptoKey> {
    return this.#key ??= crypto.subtle.importKey("raw", this.#options.publicKey.slice(), "Ed25519", false, ["verify"]);
  }

  #forgetExpired(now: number): void {
    for (const [nonce, expires] of this.#spent) {
      // About in the order in which they expire: the first that is good ends the search.
      if (expires > now) return;
      this.#spent.delete(nonce);
    }
  }
}

/** An IP address cannot be rebound, so any will do. */
function isKnownHost(host: string | null, names: ReadonlySet<string>): boolean {
  const hostname = host === null ? undefined : URL.parse(`http://${host}/`)?.hostname;
  if (hostname === undefined) return false;
  return names.has(hostname) || hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname);
}

function plain(status: number, text: string, headers: Record<string, string> = {}): Response {
  return new Response(`${text}\n`, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } });
}
