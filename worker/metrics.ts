/**
 * What `GET /metrics` of a host says: its own counters, as they are at this moment.
 *
 * @module
 */

import { gauge, type MetricFamily, value, workMetrics } from "../protocol/metrics.ts";
import { bearsKey } from "../protocol/metrics_key.ts";
import type { HostCounters } from "./host_counters.ts";

/** What is told besides the counters. */
export interface HostMetricsParts {
  /** Counts calls. */
  readonly counters: HostCounters;
  /** How many isolates run. */
  readonly isolates: () => number;
  /** Bytes of the results that are kept. */
  readonly resultBytes: () => number;
}

/**
 * Answers a scrape.
 *
 * @param key What has to be shown as `Authorization: Bearer`; empty where nothing has to.
 */
export async function answerScrape(request: Request, key: string, parts: HostMetricsParts): Promise<Response> {
  if (key !== "" && !bearsKey(request.headers.get("authorization"), key)) {
    const headers = { "content-type": "text/plain; charset=utf-8", "www-authenticate": "Bearer" };
    return new Response("Unauthorized: give the metrics key, which deno task troupe metrics prints\n", {
      status: 401,
      headers,
    });
  }
  // Loaded for the first scrape: hosts start without it.
  const { Registry } = await import("npm:prom-client@^15.1.3");
  const registry = new Registry();
  for (const family of hostMetrics(parts)) {
    registry.registerMetric({ ...family, get: () => ({ ...family, aggregator: "sum" }) } as never);
  }
  return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } });
}

/** All metrics of a host, filled now. */
export function hostMetrics({ counters, isolates, resultBytes }: HostMetricsParts): MetricFamily[] {
  return [
    ...workMetrics(counters.read()),
    gauge("troupe_isolates", "Isolates besides the main one", [value({}, isolates())]),
    gauge("troupe_result_bytes", "Bytes of the values that are kept", [value({}, resultBytes())]),
    gauge("troupe_resident_bytes", "Resident memory of the process", [value({}, Deno.memoryUsage().rss)]),
  ];
}
