/**
 * The host's own server: direct callers of the inline home and, with a single port, of all homes.
 *
 * @module
 */

import { Hono } from "npm:hono@^4.13.0";
import type { Transport } from "../connection/mod.ts";
import { WEBSOCKET_PATH } from "../protocol/mod.ts";
import { createCallerDoor, refuseStranger } from "./caller_door.ts";
import type { IsolateSettings } from "./isolate.ts";

/** Milliseconds that callers have to take note of the end. */
const CLOSE_TIME = 500;

/** The id of the home that is the host's own event loop. */
export const INLINE_HOME = "inline";

/** Options of {@linkcode DataPlane}. */
export interface DataPlaneOptions {
  /** Where it listens. */
  readonly hostname: string;
  /** Its port; 0 for one that the system chooses. */
  readonly port: number;
  /** What stands in its address instead of the host name, or, with a single port, of name and port. */
  readonly contact: string;
  /** Whether callers of all homes come here: to `/ws/<home>`. */
  readonly singlePort: boolean;
  /** What every isolate knows. */
  readonly settings: Pick<IsolateSettings, "worker" | "host" | "publicKey">;
  /** Answers a scrape of metrics. */
  readonly scrape?: (request: Request) => Promise<Response>;
  /** Serves a caller that was let in. */
  readonly serve: (home: string, transport: Transport) => void;
}

/** A server that goes on for as long as the host does. */
export class DataPlane {
  /** Its WebSocket address, which is that of the inline home. */
  readonly address: string;
  readonly #options: DataPlaneOptions;
  readonly #base: string;
  readonly #port: number;
  readonly #names: ReadonlySet<string>;
  readonly #doors = new Map<string, (request: Request) => Response | Promise<Response>>();
  #server: Deno.HttpServer<Deno.NetAddr>;
  #closing = false;

  /** Listens at once. */
  constructor(options: DataPlaneOptions) {
    this.#options = options;
    this.#names = new Set([options.hostname, contactName(options.contact), "localhost"]);
    this.#server = this.#listen(options.port);
    this.#port = this.#server.addr.port;
    this.#base = `ws://${authority(options.contact, this.#port)}${WEBSOCKET_PATH}`;
    this.address = this.#base;
    this.#listenOn();
  }

  /** The address at which callers reach a home that has no server of its own; empty where they cannot. */
  addressOf(home: string): string {
    return this.#options.singlePort ? `${this.#base}/${home}` : "";
  }

  /** Stops listening. Callers have a moment to close their ends. */
  async close(): Promise<void> {
    this.#closing = true;
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, CLOSE_TIME);
    await Promise.race([this.#server.shutdown(), late]);
    clearTimeout(timer);
  }

  #listen(port: number): Deno.HttpServer<Deno.NetAddr> {
    const app = new Hono();
    const inline = ({ req }: { req: { raw: Request } }) => this.#door(INLINE_HOME)(req.raw);
    app.get("/healthz", inline);
    app.get(WEBSOCKET_PATH, inline);
    const { scrape } = this.#options;
    if (scrape) app.get("/metrics", ({ req }) => refuseStranger(req.raw, this.#names) ?? scrape(req.raw));
    if (this.#options.singlePort) {
      app.get(`${WEBSOCKET_PATH}/:home`, ({ req }) => this.#door(req.param("home"))(req.raw));
    }
    return Deno.serve({ hostname: this.#options.hostname, port, onListen() {} }, (request) => app.fetch(request));
  }

  /** A process that ran out of file descriptors loses its listener for good: it gets another one. */
  async #listenOn(): Promise<void> {
    while (true) {
      await this.#server.finished.catch(() => {});
      if (this.#closing) return;
      try {
        this.#server = this.#listen(this.#port);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, CLOSE_TIME));
      }
    }
  }

  #door(home: string): (request: Request) => Response | Promise<Response> {
    const existing = this.#doors.get(home);
    if (existing) return existing;
    const { settings, hostname, contact, serve } = this.#options;
    const door = createCallerDoor({
      worker: settings.worker,
      host: settings.host,
      home,
      publicKey: settings.publicKey,
      hostnames: [hostname, contactName(contact)],
      onCaller: (transport) => serve(home, transport),
    });
    this.#doors.set(home, door);
    return door;
  }
}

function contactName(contact: string): string {
  return URL.parse(`ws://${contact}/`)?.hostname ?? contact;
}

/** Name and port as they stand in a URL. A contact may bring its own port, or be an IPv6 address. */
function authority(contact: string, port: number): string {
  if (/^\[.*\]:\d+$|^[^:]+:\d+$/.test(contact)) return contact;
  return contact.includes(":") && !contact.startsWith("[") ? `[${contact}]:${port}` : `${contact}:${port}`;
}
