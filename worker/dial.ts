/**
 * Connects a worker to its scheduler.
 *
 * @module
 */

import { opened, type Transport } from "../connection/mod.ts";
import {
  ConnectionLostError,
  ProtocolError,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  UnauthorizedError,
} from "../protocol/mod.ts";
import { openWebSocket, withTrust } from "../client/platform.ts";
import { dialledTransport, httpAddress, untrusted } from "../client/scheduler_link.ts";

/** Options of {@linkcode dialScheduler}. */
export interface DialOptions {
  /** WebSocket address of the scheduler. */
  readonly address: string;
  /** The token of a nanny; `undefined` for none. */
  readonly token?: string | undefined;
  /** The ticket of a host. */
  readonly ticket?: string | undefined;
  /** Further certificate authorities, as PEM. */
  readonly caCerts?: readonly string[] | undefined;
  /** Gives up. */
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds that a peer has to answer a close. */
const CLOSE_TIME = 500;

/** A socket that is open. */
export interface Dialled {
  /** Carries its frames. */
  readonly transport: Transport;
  /** Resolves when the peer has answered the close, so that all that was sent has arrived; or a moment after the close. */
  readonly closed: Promise<void>;
}

/**
 * Opens a socket to the scheduler.
 *
 * @throws {UnauthorizedError} Where the token or ticket is missing or wrong, or this machine is refused.
 * @throws {ConnectionLostError} Where nobody answers, or not now.
 * @throws {ProtocolError} Where no version is spoken on both sides.
 */
export async function dialScheduler(options: DialOptions): Promise<Dialled> {
  const { address, token, ticket, caCerts, signal } = options;
  const protocols = ticket === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, TICKET_SUBPROTOCOL + ticket];
  const socket = openWebSocket(address, protocols, { token, caCerts });
  try {
    await opened(socket, address, signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    // A ticket is spent by now: the same door would only say so. A token can be shown again.
    throw ticket === undefined ? await whyRefused(options, error) : error;
  }
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  socket.addEventListener("close", () => resolve(), { once: true });
  const transport = dialledTransport(socket);
  return {
    transport: {
      policy: transport.policy,
      start: (receiver) => transport.start(receiver),
      send: (frame) => transport.send(frame),
      close(code, reason) {
        transport.close(code, reason);
        if (socket.readyState === WebSocket.CLOSED) return resolve();
        const timer = setTimeout(resolve, CLOSE_TIME);
        closed.then(() => clearTimeout(timer));
      },
    },
    closed,
  };
}

/** A refused WebSocket says nothing; the same door over HTTP does. */
async function whyRefused(options: DialOptions, cause: unknown): Promise<Error> {
  const { address, token, caCerts, signal } = options;
  const unreachable = new ConnectionLostError(`Cannot reach a scheduler at ${address}`, { code: "UNAVAILABLE", cause });
  try {
    return await withTrust(caCerts, async (trust) => {
      const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const response = await fetch(httpAddress(address, "/api/v1/identity"), {
        ...trust,
        headers,
        ...(signal && { signal }),
      });
      const said = (await response.text()).slice(0, 300).trim();
      if (response.status === 401) return howToGiveAToken(address, token);
      const message = `Cannot connect to the scheduler at ${address}: it answered ${response.status}${
        said && `: ${said}`
      }`;
      if (response.status === 403 || response.status === 421) return new UnauthorizedError(message, { executed: "no" });
      if (response.status === 426) return new ProtocolError(message, { code: "VERSION_MISMATCH" });
      return response.ok ? unreachable : new ConnectionLostError(message, { executed: "no", cause });
    });
  } catch (found) {
    return untrusted(address, found) ?? unreachable;
  }
}

function howToGiveAToken(address: string, token: string | undefined): UnauthorizedError {
  const found = token === undefined ? "no token was found" : "the token that was found is not the scheduler's";
  return new UnauthorizedError(
    `Cannot join the scheduler at ${address}: ${found}. Set TROUPE_TOKEN, or TROUPE_TOKEN_FILE to the path of a copy of ` +
      "the scheduler's token file; on the scheduler's own machine the same user needs neither",
    { executed: "no" },
  );
}
