/**
 * Counters as the metrics that Prometheus reads. Labels are classes, methods and functions, never keys: those come and
 * go, and a time series for each would stay.
 *
 * @module
 */

import { BUCKETS, fromSparse, upperBound } from "./histogram.ts";
import type { ClassCounters, MethodCounters } from "./report.ts";

/** One metric with its values, as `prom-client` writes them. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: readonly MetricValue[];
}

/** One value of a metric. */
export interface MetricValue {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of a histogram: which of its series. */
  readonly metricName?: string;
}

/** Every fourth bucket ends an octave. */
const EXPORTED_STEP = 4;

/** What is known of calls and tasks. */
export interface CountedWork {
  /** By class, with methods. */
  readonly classes: readonly ClassCounters[];
  /** By function. */
  readonly tasks: readonly MethodCounters[];
  /** Errors outside of any call. */
  readonly unhandled: number;
}

/** Metrics of calls and tasks, of a host or of a cluster. */
export function workMetrics({ classes, tasks, unhandled }: CountedWork): MetricFamily[] {
  const methods = classes.flatMap(({ className, methods = [] }) =>
    methods.map((method) => ({ labels: { class: className, method: method.name }, method }))
  );
  const functions = tasks.map((method) => ({ labels: { function: method.name }, method }));
  const bytes = methods.flatMap(({ labels, method: { bytesIn, bytesOut } }) => [
    { labels: { ...labels, direction: "in" }, value: bytesIn },
    { labels: { ...labels, direction: "out" }, value: bytesOut },
  ]);
  return [
    gauge(
      "troupe_actors",
      "Actors that live",
      classes.map(({ className, actors }) => value({ class: className }, actors)),
    ),
    counter("troupe_calls_total", "Calls that started", pick(methods, "calls")),
    counter("troupe_call_errors_total", "Calls that failed", pick(methods, "errors")),
    gauge("troupe_calls_in_flight", "Calls under way", pick(methods, "inFlight")),
    gauge("troupe_calls_queued", "Calls that wait for their turn", pick(methods, "queued")),
    counter("troupe_call_bytes_total", "Bytes of arguments (in) and results (out) of calls", bytes),
    histogram("troupe_call_duration_seconds", "Running time of calls", methods, "running"),
    histogram("troupe_call_queue_seconds", "Waiting time of calls before they started", methods, "queueing"),
    counter("troupe_tasks_total", "Tasks that started", pick(functions, "calls")),
    counter("troupe_task_errors_total", "Tasks that failed", pick(functions, "errors")),
    gauge("troupe_tasks_running", "Tasks under way", pick(functions, "inFlight")),
    histogram("troupe_task_duration_seconds", "Running time of tasks", functions, "running"),
    counter("troupe_unhandled_errors_total", "Errors outside of any call", [value({}, unhandled)]),
  ];
}

/** A metric that only grows. */
export function counter(name: string, help: string, values: readonly MetricValue[]): MetricFamily {
  return { name, help, type: "counter", values };
}

/** A metric that goes up and down. */
export function gauge(name: string, help: string, values: readonly MetricValue[]): MetricFamily {
  return { name, help, type: "gauge", values };
}

/** One value. */
export function value(labels: Readonly<Record<string, string | number>>, value: number): MetricValue {
  return { labels, value };
}

interface Labelled {
  readonly labels: Readonly<Record<string, string>>;
  readonly method: MethodCounters;
}

function pick(counted: readonly Labelled[], field: "calls" | "errors" | "inFlight" | "queued"): MetricValue[] {
  return counted.map(({ labels, method }) => value(labels, method[field]));
}

function histogram(
  name: string,
  help: string,
  counted: readonly Labelled[],
  field: "running" | "queueing",
): MetricFamily {
  const values = counted.flatMap(({ labels, method }) => {
    const buckets = fromSparse(method[field]);
    const series: MetricValue[] = [];
    let count = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      count += buckets[bucket]!;
      if (bucket % EXPORTED_STEP !== 0 || bucket === BUCKETS - 1) continue;
      series.push({
        metricName: `${name}_bucket`,
        labels: { ...labels, le: seconds(upperBound(bucket)) },
        value: count,
      });
    }
    const sum = (field === "running" ? method.runningTime : method.queueingTime) / 1000;
    return [
      ...series,
      { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: count },
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  });
  return { name, help, type: "histogram", values };
}

/** Without the noise of powers with fractions. */
function seconds(milliseconds: number): number {
  return Number((milliseconds / 1000).toPrecision(6));
}
