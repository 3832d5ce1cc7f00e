/**
 * All of a cluster at a glance: what `/api/v1/overview` gives, and the dashboard shows.
 *
 * @module
 */

import { quantileOf } from "../protocol/histogram.ts";
import type { MethodCounters } from "../protocol/report.ts";
import type { ActorCounts, SchedulerSnapshot, WorkerSnapshot } from "../protocol/snapshot.ts";
import { type Finding, findTrouble } from "./attention.ts";
import type { Departure } from "./departures.ts";
import { all, allTimes, figuresOf, type History, type HistoryPoint, NOTHING_RECENT, type Recent } from "./history.ts";
import { listClasses, listTasks } from "./figures.ts";
import type { SchedulerState } from "./state.ts";

/** A worker, or one that is gone. */
export interface WorkerView extends Omit<WorkerSnapshot, "actors" | "classes"> {
  /** How many actors it has. */
  readonly actors: number;
  /** Calls that start on it, for each second. */
  readonly rate: number;
  /** Isolates that its host runs besides the main one. */
  readonly isolates: number;
  /** Memory limit of its host in bytes; 0 for none. */
  readonly memoryLimit: number;
  /** The last time that a host of it ended; `null` where none has lately. */
  readonly lastLoss: { readonly at: number; readonly reason: string } | null;
}

/** A method, attribute or function. */
export interface MethodView extends Recent, Omit<MethodCounters, "running" | "queueing"> {
  /** Of all calls, in milliseconds; `null` before the first. */
  readonly median: number | null;
  /** All but one in a hundred of all calls. */
  readonly slowest: number | null;
}

/** A class. */
export interface ClassView extends Recent {
  readonly name: string;
  /** How many actors it has. */
  readonly actors: number;
  /** How many of them wait for a worker, or for arguments. */
  readonly waiting: number;
  readonly calls: number;
  readonly errors: number;
  readonly inFlight: number;
  readonly queued: number;
  readonly methods: readonly MethodView[];
}

/** Tasks that want the same of a worker, and have none. */
export interface QueueView {
  /** The first of them. */
  readonly key: string;
  /** How many they are. */
  readonly count: number;
  /** What they want and what is offered; `null` where they only wait for a free slot. */
  readonly reason: string | null;
}

/** Something that waits for a worker or for its arguments. */
export interface WaitingView {
  readonly key: string;
  readonly kind: "actor" | "task" | "data" | "external";
  readonly name: string;
  readonly status: "waiting" | "blocked";
  readonly reason: string;
  /** Since when, in milliseconds since 1970; `null` where that is not remembered. */
  readonly since: number | null;
}

/** All of a cluster at a glance. */
export interface Overview {
  /** Now, in milliseconds since 1970. */
  readonly at: number;
  readonly id: string;
  readonly address: string;
  readonly uptime: number;
  readonly versions: SchedulerSnapshot["versions"];
  readonly messages: SchedulerSnapshot["messages"];
  /** The sums. */
  readonly totals: Recent & {
    readonly workers: number;
    readonly actors: number;
    readonly waiting: number;
    readonly calls: number;
    readonly errors: number;
    readonly inFlight: number;
    readonly queued: number;
    readonly clients: number;
    readonly unhandled: number;
  };
  readonly workers: readonly WorkerView[];
  readonly departures: readonly Departure[];
  readonly classes: readonly ClassView[];
  readonly tasks: {
    readonly counts: SchedulerSnapshot["tasks"];
    readonly functions: readonly MethodView[];
    readonly queues: readonly QueueView[];
  };
  /** The last second of all calls; `null` before the first report. */
  readonly point: HistoryPoint | null;
  /** What needs a look, the worst first. */
  readonly attention: readonly Finding[];
}

/** Figures of one actor, as a host gives them. */
export interface BusyActor extends ActorCounts {
  readonly key: string;
  readonly className: string;
  readonly worker: string;
}

/** What an overview is made of. */
export interface OverviewParts {
  readonly state: SchedulerState;
  readonly snapshot: SchedulerSnapshot;
  readonly history: History;
  readonly departures: readonly Departure[];
  /** Actors that need a look. */
  readonly busy: readonly BusyActor[];
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** Takes it all together. */
export function takeOverview({ state, snapshot, history, departures, busy, at }: OverviewParts): Overview {
  const figures = figuresOf(state);
  const methods = all(figures);
  const waitingByClass = new Map<string, number>();
  for (const { class: name } of snapshot.waiting) waitingByClass.set(name, (waitingByClass.get(name) ?? 0) + 1);
  const classes = listClasses(figures).map((counted): ClassView => {
    const { className: name, actors, calls, errors, methods } = counted;
    const waiting = waitingByClass.get(name) ?? 0;
    waitingByClass.delete(name);
    return {
      name,
      actors,
      waiting,
      calls,
      errors,
      inFlight: sumOf(methods, "inFlight"),
      queued: sumOf(methods, "queued"),
      ...history.recent(({ classes }) => classes.get(name)?.methods.values() ?? []),
      methods: methods.map((method) =>
        viewOf(
          method,
          history.recent(({ classes }) => {
            const found = classes.get(name)?.methods.get(method.name);
            return found ? [found] : [];
          }),
        )
      ),
    };
  });
  for (const [name, waiting] of waitingByClass) {
    const none = { actors: 0, calls: 0, errors: 0, inFlight: 0, queued: 0, methods: [] };
    classes.push({ name, waiting, ...none, ...NOTHING_RECENT });
  }
  const overview: Omit<Overview, "attention"> = {
    at,
    id: snapshot.id,
    address: snapshot.address,
    uptime: snapshot.uptime,
    versions: snapshot.versions,
    messages: snapshot.messages,
    totals: {
      workers: snapshot.workers.length,
      actors: snapshot.workers.reduce((sum, { actors }) => sum + actors.length, 0),
      waiting: snapshot.waiting.length + snapshot.tasks.waiting + snapshot.tasks.blocked,
      calls: sumOf(methods, "calls"),
      errors: sumOf(methods, "errors"),
      inFlight: sumOf(methods, "inFlight"),
      queued: sumOf(methods, "queued"),
      clients: snapshot.clients.length,
      unhandled: figures.unhandled,
      ...history.recent(all),
    },
    workers: snapshot.workers.map((worker) => viewWorker(state, worker, history, departures)),
    departures,
    point: history.points.at(-1) ?? null,
    classes: classes.sort((one, other) => one.name < other.name ? -1 : 1),
    tasks: {
      counts: snapshot.tasks,
      functions: listTasks(figures).map((task) =>
        viewOf(
          task,
          history.recent(({ tasks }) => {
            const found = tasks.get(task.name);
            return found ? [found] : [];
          }),
        )
      ),
      queues: [...state.queues.values()].filter(({ heap }) => heap.length > 0).map(({ heap, refusal }) => ({
        key: heap[0]!.key,
        count: heap.length,
        reason: refusal?.reason ?? null,
      })),
    },
  };
  return { ...overview, attention: findTrouble(overview, snapshot, busy) };
}

function viewWorker(
  state: SchedulerState,
  { actors, classes: _, ...worker }: WorkerSnapshot,
  history: History,
  departures: readonly Departure[],
): WorkerView {
  const record = state.workers.get(worker.id);
  const loss = departures.find((departure) => departure.worker === worker.id && departure.what === "host");
  return {
    ...worker,
    actors: actors.length,
    rate: history.rateOf(worker.id),
    isolates: record?.host?.isolates ?? 0,
    memoryLimit: record?.memoryLimit ?? 0,
    lastLoss: loss ? { at: loss.at, reason: loss.reason } : null,
  };
}

function viewOf({ running, queueing: _, ...method }: MethodCounters, recent: Recent): MethodView {
  const times = allTimes(running);
  return {
    ...method,
    ...recent,
    median: quantileOf(times, 0.5) ?? null,
    slowest: quantileOf(times, 0.99) ?? null,
  };
}

function sumOf(counters: readonly MethodCounters[], field: "calls" | "errors" | "inFlight" | "queued"): number {
  return counters.reduce((sum, counter) => sum + counter[field], 0);
}
