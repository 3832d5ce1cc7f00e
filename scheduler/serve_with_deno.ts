/**
 * The scheduler under `deno serve`, which chooses the address by itself and asks nobody: so every request is looked at.
 *
 * @module
 */

import { metricsKeyOf } from "../protocol/metrics_key.ts";
import { Door } from "./door.ts";
import { readList, readVariable } from "./environment.ts";
import type { AppOptions } from "./app.ts";
import { isLoopback } from "./listener.ts";
import { OpenSockets } from "./open_sockets.ts";
import { SchedulerServer } from "./server.ts";
import { loadToken } from "./token.ts";

/** Answers requests. */
interface Fetcher {
  fetch(request: Request): Response | Promise<Response>;
}

/**
 * A handler for `deno serve`. The scheduler starts with the first request, and reads what it may of the environment:
 * `TROUPE_TOKEN`, `TROUPE_TOKEN_FILE`, `TROUPE_ALLOW_ORIGIN`, `TROUPE_ALLOW_HOST`, `TROUPE_INSECURE_PLAINTEXT`.
 *
 * @param ending Ends the scheduler: `deno serve` itself would wait for the last connection.
 */
export function serveWithDeno(
  createApp: (options: AppOptions) => Fetcher,
  ending?: AbortSignal,
): (request: Request, info: Deno.ServeHandlerInfo) => Promise<Response> {
  let starting: Promise<Fetcher> | undefined;
  return async (request, info) => {
    if (!isPrivate(request, info)) {
      const fix = "start it with --host 127.0.0.1, or with TLS (--cert, --key), or set TROUPE_INSECURE_PLAINTEXT=1";
      return new Response(`Forbidden: this scheduler does not answer plain HTTP of other machines: ${fix}\n`, {
        status: 403,
      });
    }
    try {
      starting ??= start(createApp, new URL(request.url), ending);
      return await (await starting).fetch(request);
    } catch (error) {
      starting = undefined;
      const found = error instanceof Error ? error.message : String(error);
      return new Response(`Cannot start the scheduler: ${found}\n`, { status: 503 });
    }
  };
}

async function start(
  createApp: (options: AppOptions) => Fetcher,
  url: URL,
  ending: AbortSignal | undefined,
): Promise<Fetcher> {
  const token = await loadToken({
    token: readVariable("TROUPE_TOKEN"),
    file: readVariable("TROUPE_TOKEN_FILE"),
    home: readVariable("HOME"),
    settings: readVariable("XDG_CONFIG_HOME"),
  });
  const isPlain = url.protocol === "http:";
  const loopback = isPlain && !readVariable("TROUPE_INSECURE_PLAINTEXT");
  const server = new SchedulerServer({ runtime: `deno ${Deno.version.deno}`, loopback });
  server.address = `${isPlain ? "ws" : "wss"}://${url.host}`;
  server.signsIn = true;
  server.dashboard = `${url.origin}/`;
  ending?.addEventListener("abort", () => server.close());
  const allowOrigins = readList("TROUPE_ALLOW_ORIGIN");
  const allowHosts = readList("TROUPE_ALLOW_HOST");
  const metricsKey = token === undefined ? undefined : await metricsKeyOf(token);
  const door = new Door({
    token,
    metricsKey,
    tickets: server.tickets,
    sessions: server.sessions,
    allowOrigins,
    allowHosts,
  });
  return createApp({ server, door, sockets: new OpenSockets(), page: true });
}

function isPrivate(request: Request, { remoteAddr }: Deno.ServeHandlerInfo): boolean {
  if (request.url.startsWith("https:") || readVariable("TROUPE_INSECURE_PLAINTEXT")) return true;
  return "hostname" in remoteAddr ? isLoopback(remoteAddr.hostname) : true;
}
