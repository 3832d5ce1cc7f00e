/**
 * The state as others may see it.
 *
 * @module
 */

import {
  type ActorSnapshot,
  type SchedulerSnapshot,
  type TaskSnapshot,
  TROUPE_VERSION,
  type WorkerSnapshot,
} from "../protocol/mod.ts";
import { createFigures, listClasses } from "./figures.ts";
import { clientHolder, heldByClient, holdersOf, targetsOf } from "./references.ts";
import type { ActorRecord, SchedulerState, Versions, WorkerRecord } from "./state.ts";
import { missingKeys } from "./task_record.ts";
import { refusalOf } from "./task_queue.ts";

/** What the shell knows and the core does not. */
export interface SnapshotContext {
  /** Now, on the clock of the events. */
  readonly at: number;
  /** When the scheduler started, on the same clock. */
  readonly startedAt: number;
  /** Id of the scheduler. */
  readonly id: string;
  /** WebSocket address. */
  readonly address: string;
  /** Link to the dashboard or API. */
  readonly dashboard: string;
  /** Name and version of the runtime. */
  readonly runtime: string;
  /** Messages received by name. */
  readonly messages: Readonly<Record<string, number>>;
}

/** Takes a picture of a state. It shares nothing that changes with it. */
export function takeSnapshot(state: SchedulerState, context: SnapshotContext): SchedulerSnapshot {
  const { at, startedAt, id, address, dashboard, runtime, messages } = context;
  return {
    id,
    address,
    dashboard,
    uptime: Math.round(at - startedAt),
    versions: versionsOf({ troupe: TROUPE_VERSION, runtime }),
    messages: { ...messages },
    workers: [...state.workers.values()].map((worker) => snapshotWorker(state, worker, at)),
    clients: [...state.clients.values()].map(({ id, versions }) => ({
      id,
      keys: targetsOf(state.references, clientHolder(id)).length,
      versions: versionsOf(versions),
    })),
    waiting: [...state.waiting, ...blockedActors(state)].map((actor) => snapshotActor(state, actor)),
    tasks: countTasks(state),
  };
}

/** Takes a picture of one task, of scattered data or of the result of a call; `undefined` where there is none. */
export function snapshotTask(state: SchedulerState, key: string): TaskSnapshot | undefined {
  const task = state.keys.get(key);
  if (task === undefined || task.kind === "actor") return undefined;
  return {
    key,
    kind: task.kind,
    name: task.target?.name ?? "",
    state: task.state as TaskSnapshot["state"],
    worker: (task.worker ?? task.holders[0])?.id,
    holders: task.holders.map(({ id }) => id),
    reason: refusalOf(state.queues, task)?.reason,
    size: task.size,
    clients: clientsOf(state, key),
    dependencies: task.dependencies.map(({ key }) => key),
    waitsFor: task.state === "blocked" ? missingKeys(task) : [],
    story: state.story.tell(key).map(({ at, from, to, cause }) => ({ at, from, to, cause })),
  };
}

function countTasks({ counts }: SchedulerState): SchedulerSnapshot["tasks"] {
  const { gone: _gone, ...stored } = counts;
  return stored;
}

function blockedActors({ actors }: SchedulerState): ActorRecord[] {
  return [...actors.values()].filter(({ state }) => state === "blocked");
}

function clientsOf(state: SchedulerState, key: string): string[] {
  return holdersOf(state.references, key).map(heldByClient).filter((client) => client !== undefined);
}

/** Takes a picture of one actor. */
export function snapshotActor(state: SchedulerState, actor: ActorRecord): ActorSnapshot {
  return {
    key: actor.key,
    class: actor.target.name,
    home: actor.homeKind,
    status: actor.state === "starting" || actor.state === "running" || actor.state === "stopping"
      ? actor.state
      : "no-worker",
    worker: actor.worker,
    reason: actor.state === "blocked" ? `waits for ${missingKeys(actor).join(", ")}` : actor.refusal?.reason,
    clients: clientsOf(state, actor.key),
  };
}

function snapshotWorker(state: SchedulerState, worker: WorkerRecord, at: number): WorkerSnapshot {
  const { id, name, machine, pid, host, resources, held, memory, lag, draining } = worker;
  return {
    id,
    name,
    status: draining ? "draining" : host?.phase === "joined" ? "running" : "starting",
    address: host?.address ?? "",
    machine,
    pid,
    hostPid: host?.pid ?? 0,
    host: host?.incarnation ?? "",
    resources: Object.fromEntries(resources),
    resourcesHeld: Object.fromEntries([...held].filter(([, amount]) => amount > 0)),
    memory,
    lag,
    heartbeatAge: Math.max(0, Math.round(at - worker.heartbeatAt)),
    classes: listClasses(host?.figures ?? createFigures()).map(({ className, actors, calls, errors }) => {
      return { className, actors, calls, errors };
    }),
    actors: [...worker.actors].map((key) => snapshotActor(state, state.actors.get(key)!)),
    threads: worker.threads,
    paused: worker.paused,
    processing: worker.processing.size,
    results: worker.results.size,
    resultBytes: worker.resultBytes,
    spilledBytes: host?.spilledBytes ?? 0,
    copies: worker.copies.size,
    copyBytes: worker.copyBytes,
    versions: versionsOf(worker.versions),
  };
}

function versionsOf({ troupe, runtime }: Versions): Versions {
  return { troupe, runtime };
}
