/**
 * `/api/v1`: all that the dashboard and the command line show and do, as JSON.
 *
 * @module
 */

import { Hono } from "npm:hono@^4.13.0";
import * as v from "npm:valibot@^1.5.0";
import type { SchedulerSnapshot } from "../protocol/mod.ts";
import { countOf, lowerBound, quantileOf, upperBound } from "../protocol/histogram.ts";
import { listClasses, listTasks } from "./figures.ts";
import { allTimes, figuresOf } from "./history.ts";
import type { SchedulerServer } from "./server.ts";
import { snapshotTask } from "./snapshot.ts";
import { body, query } from "./validate.ts";

/** How many actors, errors, lines or events are given where nobody says. */
const DEFAULT_LIMIT = 200;

/** How many are given at the most. */
const MOST = 10_000;

const limit = v.optional(
  v.pipe(v.string(), v.regex(/^\d+$/, "expected a whole number"), v.transform(Number), v.maxValue(MOST)),
  String(DEFAULT_LIMIT),
);
const actorsQuery = v.object({ class: v.optional(v.string()), worker: v.optional(v.string()), limit });
const observedQuery = v.object({
  key: v.optional(v.string()),
  class: v.optional(v.string()),
  worker: v.optional(v.string()),
  limit,
});
const eventsQuery = v.object({ subject: v.optional(v.string()), limit });
const drainBody = v.object({
  timeout: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(3_600_000))),
});
const reasonBody = v.object({ reason: v.optional(v.pipe(v.string(), v.maxLength(1000))) });

/** The routes. Who may use them is decided before. */
export function createApi(server: SchedulerServer) {
  return new Hono()
    .get("/identity", (c) => c.json(identityOf(server.snapshot())))
    .get("/overview", async (c) => c.json(await server.view.overview()))
    .get("/history", (c) => c.json({ points: server.view.history.points }))
    .get("/workers", (c) => c.json(server.snapshot().workers))
    .get("/workers/:id", (c) => {
      const id = c.req.param("id");
      const worker = server.snapshot().workers.find((worker) => worker.id === id || worker.name === id);
      return worker ? c.json(worker) : c.json({ error: `There is no worker ${id}` }, 404);
    })
    .post("/workers/:id/drain", body(drainBody), async (c) => {
      const result = await server.retire([c.req.param("id")!], c.req.valid("json").timeout);
      return "error" in result ? c.json(result, 404) : c.json(result);
    })
    .get("/classes", (c) => c.json(classesOf(server)))
    .get("/actors", query(actorsQuery), async (c) => {
      return c.json(await server.view.actors({ ...c.req.valid("query") }));
    })
    .get("/actors/:key", async (c) => {
      const key = c.req.param("key");
      const [actor] = await server.view.actors({ key, limit: 1 });
      return actor ? c.json(actor) : c.json({ error: `There is no actor ${key}` }, 404);
    })
    .post("/actors/:key/kill", body(reasonBody), (c) => {
      const key = c.req.param("key")!;
      if (!server.state.actors.has(key)) return c.json({ error: `There is no actor ${key}` }, 404);
      server.cancel(key, c.req.valid("json").reason);
      return c.json({ key });
    })
    .get("/tasks", (c) => c.json(server.snapshot().tasks))
    .get("/tasks/:key", (c) => {
      const key = c.req.param("key");
      const task = snapshotTask(server.state, key);
      return task ? c.json(task) : c.json({ error: `There is no task ${key}` }, 404);
    })
    .post("/tasks/:key/cancel", body(reasonBody), (c) => {
      const key = c.req.param("key")!;
      if (!snapshotTask(server.state, key)) return c.json({ error: `There is no task ${key}` }, 404);
      server.cancel(key, c.req.valid("json").reason);
      return c.json({ key });
    })
    .get("/waiting", (c) => c.json(server.view.waiting()))
    .get("/explain/:key", (c) => {
      const key = c.req.param("key");
      const explanation = server.view.explain(key);
      return explanation ? c.json(explanation) : c.json({ error: `Nothing is known of ${key}` }, 404);
    })
    .get("/errors", query(observedQuery), async (c) => {
      return c.json(await server.observation.errors(filterOf(c.req.valid("query"), server)));
    })
    .get("/logs", query(observedQuery), async (c) => {
      return c.json((await server.observation.lines(filterOf(c.req.valid("query"), server))).reverse());
    })
    .get("/events", query(eventsQuery), (c) => {
      const { subject, limit } = c.req.valid("query");
      return c.json(server.view.events({ subject, limit }));
    });
}

/** Who the scheduler is. */
function identityOf({ id, address, dashboard, uptime, versions, messages, workers, clients }: SchedulerSnapshot) {
  return { id, address, dashboard, uptime, versions, messages, workers: workers.length, clients: clients.length };
}

/** Classes and functions with their histograms, as `[from, to, count]` in milliseconds; `to` is `null` in the last one. */
function classesOf({ state }: SchedulerServer) {
  const figures = figuresOf(state);
  const describe = (method: ReturnType<typeof listTasks>[number]) => ({
    ...method,
    running: describeHistogram(method.running),
    queueing: describeHistogram(method.queueing),
  });
  return {
    classes: listClasses(figures).map((each) => ({ ...each, methods: each.methods.map(describe) })),
    tasks: listTasks(figures).map(describe),
  };
}

function describeHistogram(sparse: readonly number[]) {
  const times = allTimes(sparse);
  const buckets: [from: number, to: number | null, count: number][] = [];
  for (let index = 0; index + 1 < sparse.length; index += 2) {
    const to = upperBound(sparse[index]!);
    buckets.push([lowerBound(sparse[index]!), Number.isFinite(to) ? to : null, sparse[index + 1]!]);
  }
  const quantile = (share: number) => quantileOf(times, share) ?? null;
  return { count: countOf(times), p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), buckets };
}

function filterOf(
  { key, class: className, worker, limit }: v.InferOutput<typeof observedQuery>,
  { state }: SchedulerServer,
) {
  const id = worker === undefined ? undefined : [...state.workers.values()].find((each) => each.name === worker)?.id;
  return { key, className, worker: id ?? worker, limit };
}
