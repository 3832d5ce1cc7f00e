/**
 * What a host says of its calls and tasks, once a second: sums by class and method, those that changed.
 *
 * @module
 */

import { addHistogram, fromSparse, quantileOf, toSparse } from "./histogram.ts";
import { list, number, object, optional, type Shaped, text, uint } from "./shape.ts";

/** What is counted of one method, attribute or function. Times in milliseconds; histograms as `toSparse` gives them. */
export const methodCounters = object({
  name: text,
  /** How often it started. */
  calls: uint,
  /** How often it threw, or gave what cannot be sent. */
  errors: uint,
  /** How many run now. */
  inFlight: uint,
  /** How many wait for their turn now. */
  queued: uint,
  /** Of arguments. */
  bytesIn: uint,
  /** Of results. */
  bytesOut: uint,
  /** All times together. */
  runningTime: number,
  queueingTime: number,
  /** Times of calls that have finished. */
  running: list(uint),
  /** Times that calls which started had waited. */
  queueing: list(uint),
});
/** What is counted of one method, attribute or function. */
export type MethodCounters = Shaped<typeof methodCounters>;

/** What is counted of one class in one host. */
export const classCounters = object({
  className: text,
  /** How many there are now. */
  actors: uint,
  calls: uint,
  errors: uint,
  /** Its methods and attributes; in a report, those that changed since the last one. */
  methods: optional(list(methodCounters)),
});
/** What is counted of one class in one host. */
export type ClassCounters = Shaped<typeof classCounters>;

/** What a host says once a second. */
export const hostReport = object({
  /** How many isolates run. */
  isolates: uint,
  /** Classes that changed since the last report. */
  classes: list(classCounters),
  /** Functions that ran as tasks, and changed since. */
  tasks: optional(list(methodCounters)),
  /** How many results and scattered values it keeps. */
  results: optional(uint),
  /** Their bytes. */
  resultBytes: optional(uint),
  /** The bytes of those that are in a file, because memory was nearly full. */
  spilledBytes: optional(uint),
  /** Errors outside of any call, so far. */
  unhandled: optional(uint),
});
/** What a host says once a second. */
export type HostReport = Shaped<typeof hostReport>;

/** Counts of nothing. */
export function noCounters(name: string): MethodCounters {
  return {
    name,
    calls: 0,
    errors: 0,
    inFlight: 0,
    queued: 0,
    bytesIn: 0,
    bytesOut: 0,
    runningTime: 0,
    queueingTime: 0,
    running: [],
    queueing: [],
  };
}

/** The counts of one method in two places together. */
export function addCounters(one: MethodCounters, other: MethodCounters): MethodCounters {
  return {
    name: one.name,
    calls: one.calls + other.calls,
    errors: one.errors + other.errors,
    inFlight: one.inFlight + other.inFlight,
    queued: one.queued + other.queued,
    bytesIn: one.bytesIn + other.bytesIn,
    bytesOut: one.bytesOut + other.bytesOut,
    runningTime: one.runningTime + other.runningTime,
    queueingTime: one.queueingTime + other.queueingTime,
    running: addSparse(one.running, other.running),
    queueing: addSparse(one.queueing, other.queueing),
  };
}

/** Adds counts to those of the same name. */
export function addByName(to: Map<string, MethodCounters>, counters: Iterable<MethodCounters>): void {
  for (const method of counters) {
    const known = to.get(method.name);
    to.set(method.name, known === undefined ? method : addCounters(known, method));
  }
}

/** The same counts of a place that is gone: nothing runs or waits there. */
export function endedCounters(counters: MethodCounters): MethodCounters {
  return { ...counters, inFlight: 0, queued: 0 };
}

/** A quantile of a histogram as it travels, in milliseconds; `undefined` where it holds nothing. */
export function sparseQuantile(sparse: readonly number[], share: number): number | undefined {
  return quantileOf(fromSparse(sparse), share);
}

function addSparse(one: readonly number[], other: readonly number[]): number[] {
  if (one.length === 0) return [...other];
  if (other.length === 0) return [...one];
  const sum = fromSparse(one);
  addHistogram(sum, fromSparse(other));
  return toSparse(sum);
}
