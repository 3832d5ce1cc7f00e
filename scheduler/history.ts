/**
 * Calls over time: what was counted second by second in the last minutes. Samples are taken when hosts report, so it
 * costs no timer, and nothing while there are no hosts.
 *
 * @module
 */

import { countOf, createHistogram, differenceOf, fromSparse, quantileOf } from "../protocol/histogram.ts";
import type { MethodCounters } from "../protocol/report.ts";
import { type Figures, sumFigures } from "./figures.ts";
import type { SchedulerState } from "./state.ts";

/** One second of all calls. */
export interface HistoryPoint {
  /** When, in milliseconds since 1970. */
  readonly at: number;
  /** Calls that started, for each second. */
  readonly calls: number;
  /** Calls and tasks that failed, for each second. */
  readonly errors: number;
  /** Half of the calls ran shorter, in milliseconds; `null` where there were none. */
  readonly p50: number | null;
  /** All but one in a hundred ran shorter. */
  readonly p99: number | null;
  /** How many ran at that moment. */
  readonly inFlight: number;
  /** How many waited. */
  readonly queued: number;
}

/** How often and how long something ran lately. */
export interface Recent {
  /** How often it started, for each second. */
  readonly rate: number;
  /** How often it failed, for each second. */
  readonly errorRate: number;
  /** Half ran shorter, in milliseconds; `null` where none has ended lately. */
  readonly p50: number | null;
  /** All but one in a hundred ran shorter. */
  readonly p99: number | null;
  /** All but one in a hundred waited shorter. */
  readonly queueP99: number | null;
}

/** Milliseconds between samples, at least. */
const SAMPLE_INTERVAL = 900;

/** Seconds that are remembered. */
const POINTS_KEPT = 600;

/** Samples over which "lately" reaches. */
const RECENT_SAMPLES = 10;

/** Milliseconds without a report after which nothing counts as recent. */
const STALE = 3500;

interface Sample {
  readonly at: number;
  readonly figures: Figures;
  /** Calls by worker. */
  readonly workers: ReadonlyMap<string, number>;
}

/** Nothing ran lately. */
export const NOTHING_RECENT: Recent = { rate: 0, errorRate: 0, p50: null, p99: null, queueP99: null };

/** What was counted, second by second. */
export class History {
  readonly #now: () => number;
  readonly #samples: Sample[] = [];
  readonly #points: HistoryPoint[] = [];

  /** @param now Milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The last minutes, the oldest second first. */
  get points(): readonly HistoryPoint[] {
    return this.#points;
  }

  /** Hosts have reported: takes a sample, unless the last one is young. */
  note(state: SchedulerState): void {
    const at = this.#now();
    const last = this.#samples.at(-1);
    if (last && at - last.at < SAMPLE_INTERVAL) return;
    const workers = new Map<string, number>();
    for (const [id, { host }] of state.workers) if (host) workers.set(id, sumOf(all(host.figures), "calls"));
    const sample = { at, figures: figuresOf(state), workers };
    this.#samples.push(sample);
    if (this.#samples.length > RECENT_SAMPLES) this.#samples.shift();
    if (!last) return;
    const { rate, errorRate, p50, p99 } = compare(all(last.figures), all(sample.figures), at - last.at);
    const now = all(sample.figures);
    this.#points.push({
      at,
      calls: rate,
      errors: errorRate,
      p50,
      p99,
      inFlight: sumOf(now, "inFlight"),
      queued: sumOf(now, "queued"),
    });
    if (this.#points.length > POINTS_KEPT) this.#points.shift();
  }

  /** Calls that lately started on a worker, for each second. */
  rateOf(worker: string): number {
    const [first, last] = this.#ends();
    const [before, after] = [first?.workers.get(worker), last?.workers.get(worker)];
    if (before === undefined || after === undefined) return 0;
    return Math.max(0, after - before) / Math.max(0.001, (last!.at - first!.at) / 1000);
  }

  /** How some methods, or functions, did lately. */
  recent(choose: (figures: Figures) => Iterable<MethodCounters>): Recent {
    const [first, last] = this.#ends();
    if (!first || !last) return NOTHING_RECENT;
    return compare([...choose(first.figures)], [...choose(last.figures)], last.at - first.at);
  }

  /** Between which samples "lately" lies. */
  #ends(): [Sample, Sample] | [] {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || first === last || this.#now() - last.at > STALE) return [];
    return [first, last];
  }
}

/** All that was counted in a cluster. */
export function figuresOf({ workers, past }: SchedulerState): Figures {
  return sumFigures([past, ...[...workers.values()].flatMap(({ host }) => host ? [host.figures] : [])]);
}

/** The counters of all methods, without functions of tasks. */
export function all({ classes }: Figures): MethodCounters[] {
  return [...classes.values()].flatMap(({ methods }) => [...methods.values()]);
}

function compare(before: readonly MethodCounters[], after: readonly MethodCounters[], duration: number): Recent {
  const seconds = Math.max(0.001, duration / 1000);
  const running = differenceOf(merge(after, "running"), merge(before, "running"));
  const queueing = differenceOf(merge(after, "queueing"), merge(before, "queueing"));
  return {
    rate: Math.max(0, sumOf(after, "calls") - sumOf(before, "calls")) / seconds,
    errorRate: Math.max(0, sumOf(after, "errors") - sumOf(before, "errors")) / seconds,
    p50: quantileOf(running, 0.5) ?? null,
    p99: quantileOf(running, 0.99) ?? null,
    queueP99: countOf(queueing) === 0 ? null : quantileOf(queueing, 0.99) ?? null,
  };
}

function merge(counters: readonly MethodCounters[], field: "running" | "queueing"): Float64Array {
  const sum = createHistogram();
  for (const counter of counters) {
    const sparse = counter[field];
    for (let index = 0; index + 1 < sparse.length; index += 2) {
      const bucket = sparse[index]!;
      if (bucket < sum.length) sum[bucket]! += sparse[index + 1]!;
    }
  }
  return sum;
}

function sumOf(counters: readonly MethodCounters[], field: "calls" | "errors" | "inFlight" | "queued"): number {
  return counters.reduce((sum, counter) => sum + counter[field], 0);
}

/** All times of a histogram as it travels. */
export function allTimes(sparse: readonly number[]): Float64Array {
  return fromSparse(sparse);
}
