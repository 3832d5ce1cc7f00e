/**
 * HTTP and upgrades of a scheduler. `deno serve scheduler/app.ts` serves one, too.
 *
 * @module
 */

import { Hono } from "npm:hono@^4.13.0";
import { cors } from "npm:hono@^4.13.0/cors";
import * as v from "npm:valibot@^1.5.0";
import { ACCEPTED_POLICY, createWebSocketTransport } from "../connection/mod.ts";
import { decodeBody, SUBPROTOCOL, TICKET_LIFE, TroupeError } from "../protocol/mod.ts";
import { createApi } from "./api.ts";
import { type Door, refuseVersion } from "./door.ts";
import type { LiveTopics } from "./live.ts";
import { metricsResponse } from "./metrics.ts";
import { MOST_MODULE_BYTES, uploadBody, UploadedModules } from "./modules.ts";
import { serveWithDeno } from "./serve_with_deno.ts";
import type { OpenSockets } from "./open_sockets.ts";
import { dashboardAsset, dashboardPage } from "./dashboard.ts";
import type { SchedulerServer } from "./server.ts";
import { closeSession, followLink, openSession } from "./sign_in.ts";
import { readSource } from "./sources.ts";
import { query } from "./validate.ts";
import browserClient from "../client/troupe.js" with { type: "text" };

const JAVASCRIPT = { "content-type": "text/javascript; charset=utf-8", "cache-control": "no-cache" };

/** Parts of an app. */
export interface AppOptions {
  /** The scheduler. */
  readonly server: SchedulerServer;
  /** Who may come in. */
  readonly door: Door;
  /** Where upgraded sockets are kept. */
  readonly sockets: OpenSockets;
  /** Whether a browser gets a page. */
  readonly page: boolean;
}

/** The app: `hc<AppType>(address)` of Hono is a typed client of its API. */
export type AppType = ReturnType<typeof createApp>;

/** Routes requests. */
export function createApp({ server, door, sockets, page }: AppOptions) {
  const allowed = cors({
    origin: (origin, c) => door.isAllowedOrigin(origin, c.req.raw) ? origin : null,
    allowHeaders: ["Authorization", "Content-Type"],
  });
  const modules = new UploadedModules();
  return new Hono()
    .use(async (c, next) => door.refuse(c.req.raw) ?? await next())
    .get("/ws", (c) => upgrade(server, door, sockets, c.req.raw))
    .get("/", (c) => {
      if (c.req.header("upgrade")?.toLowerCase() === "websocket") return upgrade(server, door, sockets, c.req.raw);
      const ticket = c.req.query("ticket");
      if (page && ticket !== undefined) return followLink(c.req.raw, ticket, server.sessions);
      return page ? dashboardPage(c.req.raw) : c.notFound();
    })
    .get("/assets/:name", (c) => page ? dashboardAsset(c.req.param("name")) : c.notFound())
    .get("/healthz", (c) => c.json({ status: "ok" as const }))
    .get("/readyz", (c) => c.json({ ready: server.ready }, server.ready ? 200 : 503))
    .get("/metrics", async (c) => door.admitsScrape(c.req.raw) ? await metricsResponse(server) : door.unauthorized())
    .use("/troupe.js", allowed)
    .use("/troupe/*", allowed)
    .get("/troupe.js", () => new Response(browserClient, { headers: JAVASCRIPT }))
    .get("/troupe/*", async (c) => await readSource(c.req.path.slice("/troupe/".length)) ?? c.notFound())
    // The path is the right to read it: workers have no token to load modules with.
    .get("/modules/*", (c) => modules.read(new URL(c.req.url).pathname) ?? c.notFound())
    .use("/ticket", allowed)
    .use("/api/*", allowed)
    .on(["GET", "POST"], ["/ticket", "/modules", "/api/*", "/session", "/link"], async (c, next) => {
      const grant = door.admit(c.req.raw);
      if (grant === undefined || grant.kind === "ticket") return door.unauthorized();
      // A page may do what its user does there, but not put code on workers or multiply itself.
      const tokenOnly = c.req.path === "/modules" || c.req.path === "/link";
      return grant.kind === "session" && tokenOnly ? door.unauthorized() : await next();
    })
    .post("/ticket", (c) => {
      const ticket = server.tickets.issue({ role: "client", worker: "", host: "", home: "" });
      c.header("cache-control", "no-store");
      return c.json({ ticket, expiresIn: TICKET_LIFE });
    })
    .post("/session", (c) => openSession(c.req.raw, server.sessions))
    .post("/session/end", (c) => closeSession(c.req.raw, server.sessions))
    .post("/link", (c) => {
      c.header("cache-control", "no-store");
      return c.json({ link: server.signInLink });
    })
    .post("/modules", (c) => upload(modules, c.req.raw))
    .get("/api/v1/live", query(liveQuery), (c) => server.view.live.listen(topicsOf(c.req.valid("query"))))
    .route("/api/v1", createApi(server));
}

const flag = v.optional(v.picklist(["0", "1"]), "0");

const liveQuery = v.object({
  overview: flag,
  calls: flag,
  lines: flag,
  key: v.optional(v.string()),
  class: v.optional(v.string()),
  actors: v.optional(v.string()),
});

function topicsOf(
  { overview, calls, lines, key, class: className, actors }: v.InferOutput<typeof liveQuery>,
): LiveTopics {
  return { overview: overview === "1", calls: calls === "1", lines: lines === "1", key, className, actors };
}

async function upload(modules: UploadedModules, request: Request): Promise<Response> {
  // Names and the frame around each file take a little besides what is in it.
  if (Number(request.headers.get("content-length") ?? 0) > MOST_MODULE_BYTES * 1.1) {
    return new Response(`Cannot take more than ${MOST_MODULE_BYTES} bytes of modules\n`, { status: 413 });
  }
  try {
    const body = decodeBody(uploadBody, new Uint8Array(await request.arrayBuffer()), "upload");
    return Response.json({ prefix: await modules.add(body) }, { headers: { "cache-control": "no-store" } });
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error;
    return new Response(`${error.message}\n`, { status: error.code === "PAYLOAD_TOO_LARGE" ? 413 : 400 });
  }
}

function upgrade(server: SchedulerServer, door: Door, sockets: OpenSockets, request: Request): Response {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return new Response("Upgrade required: this is a WebSocket endpoint\n", { status: 426 });
  }
  const grant = door.admit(request);
  if (!grant) return door.unauthorized();
  const refused = refuseVersion(request);
  if (refused) return refused;
  // Liveness is ours to judge: a peer whose loop is busy must not be cut off.
  const { socket, response } = Deno.upgradeWebSocket(request, { protocol: SUBPROTOCOL, idleTimeout: 0 });
  sockets.add(socket);
  server.accept(createWebSocketTransport(socket, ACCEPTED_POLICY), grant);
  return response;
}

const ending = new AbortController();

/** For `deno serve scheduler/app.ts`. */
export default {
  fetch: serveWithDeno(createApp, ending.signal),
  onListen({ hostname, port }: Deno.NetAddr): void {
    console.error(`Scheduler at ${hostname}:${port}`);
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => ending.abort());
  },
};
