/**
 * The state as others may see it.
 *
 * @module
 */

import { type ActorSnapshot, type SchedulerSnapshot, TROUPE_VERSION, type WorkerSnapshot } from "../protocol/mod.ts";
import { clientHolder, heldByClient, holdersOf, targetsOf } from "./references.ts";
import type { ActorRecord, SchedulerState, Versions, WorkerRecord } from "./state.ts";

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
    waiting: state.waiting.map((actor) => snapshotActor(state, actor)),
  };
}

/** Takes a picture of one actor. */
export function snapshotActor(state: SchedulerState, actor: ActorRecord): ActorSnapshot {
  return {
    key: actor.key,
    class: actor.target.name,
    home: actor.homeKind,
    status: actor.state === "waiting" || actor.state === "gone" ? "no-worker" : actor.state,
    worker: actor.worker,
    reason: actor.refusal?.reason,
    clients: holdersOf(state.references, actor.key).map(heldByClient).filter((client) => client !== undefined),
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
    classes: (host?.classes ?? []).map((counters) => ({ ...counters })),
    actors: [...worker.actors].map((key) => snapshotActor(state, state.actors.get(key)!)),
    versions: versionsOf(worker.versions),
  };
}

function versionsOf({ troupe, runtime }: Versions): Versions {
  return { troupe, runtime };
}
