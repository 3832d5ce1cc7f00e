/**
 * A scheduler of Troupe, to be started from a program. From a command line it is `deno task scheduler`.
 *
 * @example
 * ```ts
 * import { serveScheduler } from "@troupe/troupe/scheduler";
 *
 * await using scheduler = await serveScheduler({ port: 0, token: "not-a-secret" });
 * console.log(scheduler.address, scheduler.snapshot().workers.length);
 * ```
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import { platformClock } from "../connection/mod.ts";
import { metricsKeyOf } from "../protocol/metrics_key.ts";
import type { SchedulerSnapshot } from "../protocol/mod.ts";
import { createApp } from "./app.ts";
import { Door } from "./door.ts";
import { readVariable } from "./environment.ts";
import { isLoopback, listen } from "./listener.ts";
import { OpenSockets } from "./open_sockets.ts";
import { SchedulerServer } from "./server.ts";
import { checkToken, loadToken } from "./token.ts";

export { HOME_KINDS } from "../protocol/mod.ts";
export type {
  ActorSnapshot,
  ActorStatus,
  ClientSnapshot,
  HomeKind,
  SchedulerSnapshot,
  TaskSnapshot,
  TaskStatus,
  WorkerSnapshot,
} from "../protocol/mod.ts";
export { TokenError } from "./token.ts";

const logger = getLogger(["troupe", "scheduler"]);

/** How long sockets may take to close, and then requests to be answered, in milliseconds each. */
const CLOSE_TIMEOUT = 800;

/** Options of {@linkcode serveScheduler}. */
export interface SchedulerOptions {
  /**
   * Address to bind to. One that other machines reach needs `tls` or `insecurePlaintext`.
   *
   * @default {"127.0.0.1"}
   */
  readonly host?: string | undefined;
  /**
   * Port; 0 lets the system choose.
   *
   * @default {8786}
   */
  readonly port?: number | undefined;
  /** Certificate chain and private key, both in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /**
   * What clients and workers must show.
   *
   * @default `TROUPE_TOKEN`, the file `TROUPE_TOKEN_FILE`, or the user's own token file, which is made if it is not there.
   */
  readonly token?: string | undefined;
  /**
   * Whether a token is needed. `false` works on loopback only.
   *
   * @default {true}
   */
  readonly auth?: boolean | undefined;
  /**
   * Whether other machines may be served without TLS: whoever can listen on the way sees the token.
   *
   * @default {false}
   */
  readonly insecurePlaintext?: boolean | undefined;
  /** Origins of web pages that may connect, such as `https://app.example`. The scheduler's own is among them. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** Names by which the scheduler may be called, besides addresses and `localhost`. The first is how it calls itself. */
  readonly allowHosts?: readonly string[] | undefined;
  /**
   * Whether a browser gets a page at the scheduler's address.
   *
   * @default {true}
   */
  readonly dashboard?: boolean | undefined;
}

/** A scheduler that runs. */
export interface Scheduler extends AsyncDisposable {
  /** WebSocket address that clients and workers dial: `ws://127.0.0.1:8786`. */
  readonly address: string;
  /** Link to the dashboard, with a ticket that signs its bearer in, once: another each time. */
  readonly dashboardLink: string;
  /** Id of this scheduler; another one has another. */
  readonly id: string;
  /** What clients and workers must show; `undefined` where nothing is needed. */
  readonly token: string | undefined;
  /** What there is to see, now. */
  snapshot(): SchedulerSnapshot;
  /** Ends all connections (close code 4411) and stops to listen. Actors end with their clients. */
  close(): Promise<void>;
}

/** The options would make the scheduler an open door. */
export class UnsafeOptionsError extends Error {
  /** `UnsafeOptionsError`. */
  override name = "UnsafeOptionsError";
}

/**
 * Starts a scheduler.
 *
 * @throws {UnsafeOptionsError} Where it would be reachable from other machines without TLS or token.
 * @throws {TokenError} Where there is no token, or others can read its file.
 * @throws {Deno.errors.AddrInUse} Where the port is taken.
 */
export async function serveScheduler(options: SchedulerOptions = {}): Promise<Scheduler> {
  const { host = "127.0.0.1", port = 8786, tls, allowOrigins = [], allowHosts = [], dashboard = true } = options;
  const loopback = isLoopback(host);
  refuseUnsafe(options, host, loopback);
  const token = options.auth === false ? undefined : await findToken(options.token);
  const server = new SchedulerServer({ runtime: `deno ${Deno.version.deno}`, loopback });
  const metricsKey = token === undefined ? undefined : await metricsKeyOf(token);
  const door = new Door({
    token,
    metricsKey,
    tickets: server.tickets,
    sessions: server.sessions,
    allowOrigins,
    allowHosts,
  });
  const sockets = new OpenSockets();
  const app = createApp({ server, door, sockets, page: dashboard });
  const listener = listen({
    host,
    port,
    tls,
    clock: platformClock,
    handler: (request) => app.fetch(request),
    onAccident: (error) => logger.warn("The listener ended, and is started again: {error}", { error: String(error) }),
  });
  const name = `${nameFor(host, allowHosts)}:${listener.port}`;
  server.address = `${tls ? "wss" : "ws"}://${name}`;
  server.signsIn = dashboard && token !== undefined;
  server.dashboard = `${tls ? "https" : "http"}://${name}/`;
  logger.info("Listening on {address}", { address: server.address });
  let closing: Promise<void> | undefined;
  const close = () => closing ??= end();
  async function end(): Promise<void> {
    server.close();
    await sockets.closed(platformClock, CLOSE_TIMEOUT);
    await listener.close(CLOSE_TIMEOUT);
  }
  return {
    address: server.address,
    get dashboardLink() {
      return server.signInLink;
    },
    id: server.id,
    token,
    snapshot: () => server.snapshot(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function refuseUnsafe(options: SchedulerOptions, host: string, loopback: boolean): void {
  if (loopback) return;
  if (options.auth === false) {
    throw new UnsafeOptionsError(
      `Cannot listen on ${host} without a token: whoever can connect could run programs here. ` +
        "Leave out --no-auth, or bind to 127.0.0.1",
    );
  }
  if (!options.tls && !options.insecurePlaintext) {
    throw new UnsafeOptionsError(
      `Cannot listen on ${host} without TLS: the token would travel in the clear. ` +
        "Give --tls-cert and --tls-key, or say --insecure-plaintext",
    );
  }
}

async function findToken(given: string | undefined): Promise<string> {
  if (given !== undefined) return checkToken(given, "the option token");
  return await loadToken({
    token: readVariable("TROUPE_TOKEN"),
    file: readVariable("TROUPE_TOKEN_FILE"),
    home: readVariable("HOME"),
    settings: readVariable("XDG_CONFIG_HOME"),
  });
}

/** How others reach what was bound to `host`. */
function nameFor(host: string, allowHosts: readonly string[]): string {
  const isAny = host === "0.0.0.0" || host === "::";
  if (!isAny) return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
  if (allowHosts[0] !== undefined) return allowHosts[0].replace(/:\d+$/, "");
  if (Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state === "granted") return Deno.hostname();
  return "127.0.0.1";
}
