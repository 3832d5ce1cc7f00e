/**
 * What `GET /metrics` of a scheduler says: sums over the cluster, and the scheduler's own figures.
 *
 * @module
 */

import { Registry } from "npm:prom-client@^15.1.3";
import { counter, gauge, type MetricFamily, value, workMetrics } from "../protocol/metrics.ts";
import { listClasses, listTasks } from "./figures.ts";
import { figuresOf } from "./history.ts";
import type { SchedulerServer } from "./server.ts";

/** Answers a scrape. */
export async function metricsResponse(server: SchedulerServer): Promise<Response> {
  const registry = new Registry();
  for (const family of schedulerMetrics(server)) {
    registry.registerMetric({ ...family, get: () => ({ ...family, aggregator: "sum" }) } as never);
  }
  return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } });
}

/** All metrics of a scheduler, filled now. */
export function schedulerMetrics({ state, view }: SchedulerServer): MetricFamily[] {
  const figures = figuresOf(state);
  const { workers, clients, waiting, tasks, messages, uptime } = view.snapshot();
  const byStatus = (status: string) => workers.filter((worker) => worker.status === status).length;
  const ofWorkers = (find: (worker: (typeof workers)[number]) => number) =>
    workers.map((worker) => value({ worker: worker.name }, find(worker)));
  return [
    ...workMetrics({ classes: listClasses(figures), tasks: listTasks(figures), unhandled: figures.unhandled }),
    gauge(
      "troupe_workers",
      "Workers by status",
      ["starting", "running", "draining"].map((status) => value({ status }, byStatus(status))),
    ),
    gauge("troupe_clients", "Clients that are connected, or may come back", [value({}, clients.length)]),
    gauge("troupe_actors_waiting", "Actors without a worker", [value({}, waiting.length)]),
    gauge(
      "troupe_values",
      "Results of tasks and other values, by state",
      Object.entries(tasks).map(([state, count]) => value({ state }, count)),
    ),
    gauge("troupe_worker_memory_bytes", "Resident memory of the host process", ofWorkers(({ memory }) => memory)),
    gauge("troupe_worker_loop_lag_seconds", "How late the host's event loop is", ofWorkers(({ lag }) => lag / 1000)),
    gauge(
      "troupe_worker_heartbeat_age_seconds",
      "Time since the last sign of life",
      ofWorkers(({ heartbeatAge }) => heartbeatAge / 1000),
    ),
    gauge(
      "troupe_worker_result_bytes",
      "Bytes of the values that a worker keeps",
      ofWorkers(({ resultBytes }) => resultBytes),
    ),
    counter(
      "troupe_messages_total",
      "Messages that the scheduler received",
      Object.entries(messages).map(([message, count]) => value({ message }, count)),
    ),
    gauge("troupe_uptime_seconds", "Time since the scheduler started", [value({}, uptime / 1000)]),
  ];
}
