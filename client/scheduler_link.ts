/**
 * A client's connection to its scheduler: dialling, the handshake, requests, and what the scheduler tells.
 *
 * @module
 */

import {
  ACCEPTED_POLICY,
  Channels,
  type Clock,
  type Connection,
  createWebSocketTransport,
  greet,
  NAGLE_POLICY,
  opened,
  startHeartbeat,
  type Transport,
} from "../connection/mod.ts";
import {
  type Answered,
  type Asked,
  type ClientWelcome,
  clientWelcome,
  CloseCode,
  type CloseInfo,
  ConnectionLostError,
  decodeBody,
  decodeError,
  encodeBody,
  type Message,
  ProtocolError,
  type RequestName,
  REQUESTS,
  type StatusBody,
  statusBody,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  TROUPE_VERSION,
  UnauthorizedError,
  WEBSOCKET_PATH,
} from "../protocol/mod.ts";
import {
  canSetHeaders,
  hasNagle,
  howToGiveAToken,
  openWebSocket,
  pageOrigin,
  runtimeName,
  withTrust,
} from "./platform.ts";

/** Options of {@linkcode connectToScheduler}. */
export interface SchedulerLinkOptions {
  /** `ws:`, `wss:`, `http:` or `https:` address of the scheduler. */
  readonly address: string;
  /** Bearer token; `undefined` for none. */
  readonly token: string | undefined;
  /** A one-use ticket in the token's place: isolates of workers have one. */
  readonly ticket?: string | undefined;
  /** This client's session. */
  readonly session: string;
  /** Further certificate authorities, as PEM. */
  readonly caCerts: readonly string[] | undefined;
  /** Gives up. */
  readonly signal: AbortSignal;
  /** The time. */
  readonly clock: Clock;
  /** Told what became of a key. */
  readonly onStatus: (key: string, status: StatusBody) => void;
  /** Told once, when the connection has ended. */
  readonly onClose: (info: CloseInfo) => void;
}

/** The WebSocket address of a scheduler or worker, whatever form its user gave. */
export function webSocketAddress(address: string): string {
  let url: URL;
  try {
    url = new URL(/^[a-z]+:\/\//i.test(address) ? address : `ws://${address}`);
  } catch {
    throw new TypeError(`Cannot connect to ${JSON.stringify(address)}: it is no address such as ws://127.0.0.1:8786`);
  }
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new TypeError(`Cannot connect to ${address}: expected a ws: or wss: address, found ${url.protocol}`);
  }
  if (url.username || url.password || url.search) {
    throw new TypeError(`Cannot connect to ${url.host}: a token goes in the option token, never in the address`);
  }
  if (url.pathname === "/" || url.pathname === "") url.pathname = WEBSOCKET_PATH;
  return url.href;
}

/** The same server over HTTP. */
export function httpAddress(webSocket: string, path: string): string {
  const url = new URL(webSocket);
  url.protocol = url.protocol === "wss:" ? "https:" : "http:";
  url.pathname = path;
  return url.href;
}

/** How frames are cut for a socket that this side dialled. */
export function dialledTransport(socket: WebSocket): Transport {
  // Only Deno's own client leaves Nagle's algorithm on; others may send frames as roomy as a server does.
  return createWebSocketTransport(socket, hasNagle() ? NAGLE_POLICY : { ...ACCEPTED_POLICY, acknowledge: false });
}

/**
 * Connects and introduces this client.
 *
 * @throws {UnauthorizedError} Where the token is missing or wrong, or the origin or host is refused.
 * @throws {ConnectionLostError} Where nobody answers (`UNAVAILABLE`), or not by a TLS that is trusted (`TLS_ERROR`).
 * @throws {ProtocolError} Where the scheduler speaks no version that this library speaks.
 */
export async function connectToScheduler(options: SchedulerLinkOptions): Promise<SchedulerLink> {
  const address = webSocketAddress(options.address);
  const { token, caCerts, signal } = options;
  const ticket = options.ticket ??
    (token !== undefined && !canSetHeaders() ? await fetchTicket(address, token, signal) : undefined);
  const protocols = ticket === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, TICKET_SUBPROTOCOL + ticket];
  const socket = openWebSocket(address, protocols, { token, caCerts });
  try {
    await opened(socket, address, signal);
  } catch (error) {
    if (signal.aborted || options.ticket !== undefined) throw error;
    throw await whyRefused(options, address, error);
  }
  return await SchedulerLink.introduce(dialledTransport(socket), address, options);
}

/** Exchanges a token for a one-use ticket, where a WebSocket can be given no header. */
async function fetchTicket(address: string, token: string, signal: AbortSignal): Promise<string> {
  const url = httpAddress(address, "/ticket");
  let response: Response;
  try {
    response = await fetch(url, { method: "POST", headers: { authorization: `Bearer ${token}` }, signal });
  } catch (cause) {
    signal.throwIfAborted();
    throw unreachable(address, cause);
  }
  if (response.status === 401) {
    await response.body?.cancel();
    throw howToGiveAToken(address, token);
  }
  if (!response.ok) throw await refused(address, response);
  const body = await response.json() as { ticket?: unknown };
  if (typeof body.ticket === "string") return body.ticket;
  throw new ProtocolError(`Cannot connect to ${address}: ${url} gave no ticket`);
}

/** A refused WebSocket says nothing; the same door over HTTP does. */
async function whyRefused(options: SchedulerLinkOptions, address: string, cause: unknown): Promise<Error> {
  const { token, caCerts, signal } = options;
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    return await withTrust(caCerts, async (trust) => {
      const response = await fetch(httpAddress(address, "/api/v1/identity"), { ...trust, headers, signal });
      if (!response.ok && response.status !== 401) return await refused(address, response);
      await response.body?.cancel();
      if (response.status === 401) return howToGiveAToken(address, token);
      return cause instanceof Error ? cause : unreachable(address, cause);
    });
  } catch (found) {
    return untrusted(address, found) ?? unreachable(address, found);
  }
}

async function refused(address: string, response: Response): Promise<Error> {
  const said = (await response.text()).slice(0, 500).trim();
  const message = `Cannot connect to ${address}: it answered ${response.status}${said ? `: ${said}` : ""}`;
  if (response.status === 403 || response.status === 421) return new UnauthorizedError(message, { executed: "no" });
  if (response.status === 426) return new ProtocolError(message);
  return new ConnectionLostError(message, { executed: "no" });
}

/**
 * The error of a server that was reached, but not by TLS: its certificate is not trusted, or it speaks none. `undefined`
 * where something else was `found`. No platform says it but in words.
 */
export function untrusted(address: string, found: unknown): ConnectionLostError | undefined {
  const said: string[] = [];
  for (let error = found; error instanceof Error; error = error.cause) said.push(error.message);
  const reason = said.at(-1)?.split(": ").slice(-2).join(": ");
  if (!address.startsWith("wss:") || !/certificate|corrupt message|handshake|\b(TLS|SSL)\b/i.test(said.join(" "))) {
    return undefined;
  }
  return new ConnectionLostError(
    `Cannot connect to ${address}: no secure connection comes about (${reason}). Trust the authority of its certificate ` +
      "by the option caCerts, or check whether it speaks TLS",
    { code: "TLS_ERROR", cause: found },
  );
}

function unreachable(address: string, cause: unknown): ConnectionLostError {
  const page = pageOrigin();
  // A page never sees that it was refused: the browser tells it the same as where nobody answers.
  const isForeign = page !== undefined && page !== new URL(httpAddress(address, "/")).origin;
  const found = `no scheduler answers there${isForeign ? `, or it refuses pages of ${page}` : ""}`;
  return new ConnectionLostError(
    `Cannot connect to ${address}: ${found}. Start one with deno task scheduler${
      isForeign ? ` --allow-origin ${page}` : ""
    }, or check the address`,
    { code: "UNAVAILABLE", cause },
  );
}

/** The connection of one client to its scheduler. */
export class SchedulerLink {
  /** Says hello over a transport and waits for the welcome. */
  static async introduce(
    transport: Transport,
    address: string,
    options: Omit<SchedulerLinkOptions, "address" | "token" | "ticket" | "caCerts">,
  ): Promise<SchedulerLink> {
    const link = new SchedulerLink(transport, address, options);
    const { signal } = options;
    const abort = () => link.#connection.close(CloseCode.normal, "the client gave up");
    signal.addEventListener("abort", abort);
    try {
      const { body } = await link.#welcomed;
      link.#welcome = decodeBody(clientWelcome, body, "welcome");
      link.#stopHeartbeat = startHeartbeat(link.#connection, {
        clock: options.clock,
        interval: link.#welcome.pingInterval,
        onSilent: () => link.#connection.close(CloseCode.silent, "the scheduler answered no ping"),
      });
      return link;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /** The address that was dialled. */
  readonly address: string;
  readonly #connection: Connection;
  readonly #channels: Channels;
  readonly #welcomed: Promise<{ readonly body: Uint8Array }>;
  readonly #options: Pick<SchedulerLinkOptions, "onStatus" | "onClose">;
  readonly #requests = new Map<number, { settle(ok: boolean, body: Uint8Array): void; lose(error: Error): void }>();
  #welcome: ClientWelcome | undefined;
  #stopHeartbeat = () => {};
  #nextRequest = 1;

  private constructor(
    transport: Transport,
    address: string,
    options: Pick<SchedulerLinkOptions, "session" | "onStatus" | "onClose">,
  ) {
    this.address = address;
    this.#options = options;
    const { connection, welcome } = greet(transport, {
      role: "client",
      session: options.session,
      body: encodeBody({ troupe: TROUPE_VERSION, runtime: runtimeName() }),
      receiver: { onMessage: (message) => this.#receive(message), onClose: (info) => this.#end(info) },
    });
    this.#connection = connection;
    this.#channels = new Channels(connection);
    this.#welcomed = welcome;
  }

  /** What the scheduler said of itself. */
  get welcome(): ClientWelcome {
    return this.#welcome!;
  }

  /** How it ended; `undefined` while it has not. */
  get closed(): CloseInfo | undefined {
    return this.#connection.closed;
  }

  /** Sends a message. */
  send(message: Message): void {
    this.#connection.send(message);
  }

  /**
   * Opens a channel to a home, through which calls are relayed.
   *
   * @throws {ConnectionLostError} Where the connection has ended.
   */
  openChannel(worker: string, home: string): Transport {
    const info = this.closed;
    if (info) throw lostConnection("relay calls", info, "no");
    return this.#channels.open({ worker, home });
  }

  /**
   * Asks the scheduler something.
   *
   * @throws {ConnectionLostError} Where the connection ends first; else what the scheduler refused it with.
   */
  request<N extends RequestName>(name: N, asked: Asked<N>): Promise<Answered<N>> {
    const info = this.closed;
    if (info) return Promise.reject(lostConnection(`ask ${name}`, info, "no"));
    const id = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      this.#requests.set(id, {
        settle(ok, body) {
          if (ok) resolve(decodeBody(REQUESTS[name].answered, body, name) as Answered<N>);
          else reject(decodeError(body));
        },
        lose: reject,
      });
      this.#connection.send({ op: "request", id, name, body: encodeBody(asked as object) });
    });
  }

  /** Closes it; what waits is sent first. */
  close(): void {
    this.#connection.close(CloseCode.normal, "the client closed");
  }

  #receive(message: Message): void {
    switch (message.op) {
      case "status":
        return this.#options.onStatus(message.key, decodeBody(statusBody, message.body, "status"));
      case "answer": {
        const request = this.#requests.get(message.id);
        this.#requests.delete(message.id);
        return request?.settle(message.ok === 1, message.body);
      }
      case "data":
      case "close":
        return this.#channels.receive(message);
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message from a scheduler`);
    }
  }

  #end(info: CloseInfo): void {
    this.#stopHeartbeat();
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const request of requests) request.lose(lostConnection("ask the scheduler", info, "unknown"));
    this.#channels.close(info);
    this.#options.onClose(info);
  }
}

/** The error of what was attempted over a connection to the scheduler that has ended. */
export function lostConnection(attempted: string, info: CloseInfo, executed: "no" | "unknown"): ConnectionLostError {
  const who = info.local ? "this client closed" : "the connection to the scheduler ended";
  const code = info.code === 0 || info.code === 1006 ? "without a word" : `with code ${info.code}`;
  const said = info.reason ? `: ${info.reason}` : "";
  return new ConnectionLostError(`Cannot ${attempted}: ${who}${info.local ? said : ` ${code}${said}`}`, { executed });
}
