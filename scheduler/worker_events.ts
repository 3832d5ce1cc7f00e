/**
 * What nannies and hosts do.
 *
 * @module
 */

import { CloseCode } from "../protocol/mod.ts";
import { dropCopies } from "./copies.ts";
import type { EventOf } from "./events.ts";
import { createFigures, takeReport } from "./figures.ts";
import { endHost, noteWorker, workersChanged } from "./host_end.ts";
import { beginLeaving, endMoves } from "./leaving.ts";
import { removeOpen } from "./open_workers.ts";
import { settleRestarts } from "./restarts.ts";
import { refreshWorker } from "./task_moves.ts";
import type { Turn } from "./turn.ts";

/** How long the reason why a host ended is waited for after its link closed, in milliseconds. */
export const HOST_END_WAIT = 300;

/** Above this share of its memory limit a worker gets no new tasks. */
export const PAUSE_SHARE = 0.6;

/** A nanny said hello: the worker takes actors as soon as its host joins. */
export function onWorkerJoined(turn: Turn, { worker: id, hello }: EventOf<"workerJoined">): void {
  const { workers } = turn.state;
  const taken = new Set([...workers.values()].map(({ name }) => name));
  const wanted = hello.name || id;
  workers.set(id, {
    id,
    name: taken.has(wanted) ? `${wanted}-${id}` : wanted,
    machine: hello.machine,
    pid: hello.pid,
    resources: new Map(Object.entries(hello.resources)),
    held: new Map(),
    memoryLimit: hello.memoryLimit,
    threads: Math.max(1, hello.threads),
    versions: { troupe: hello.troupe, runtime: hello.runtime },
    actors: new Set(),
    processing: new Set(),
    aside: new Set(),
    storing: new Set(),
    results: new Set(),
    resultBytes: 0,
    copies: new Set(),
    copyBytes: 0,
    fullOf: "",
    sessions: new Set(),
    paused: false,
    pace: Infinity,
    level: -1,
    host: undefined,
    draining: false,
    moves: undefined,
    memory: 0,
    lag: 0,
    heartbeatAt: turn.at,
    chosen: 0,
  });
  workersChanged(turn);
  noteWorker(turn, id, "", "here");
}

/** A nanny is gone, and its host with it. */
export function onWorkerLeft(turn: Turn, { worker: id, reason }: EventOf<"workerLeft">): void {
  const { workers, retirements } = turn.state;
  const worker = workers.get(id);
  if (!worker) return;
  const why = worker.draining ? "drained" : reason;
  if (worker.host) endHost(turn, worker, worker.host, why);
  endMoves(turn, worker);
  workers.delete(id);
  removeOpen(turn.state.open, worker);
  turn.instructions.push({ type: "clearTimer", timer: `drain ${id}` });
  for (const retirement of retirements) {
    if (!retirement.pending.delete(id) || retirement.pending.size > 0) continue;
    retirements.delete(retirement);
    const { asker, workers } = retirement;
    turn.instructions.push({ type: "answer", asker, name: "retireWorkers", body: { workers: [...workers] } });
  }
  if (worker.draining) settleRestarts(turn, worker);
  workersChanged(turn);
  noteWorker(turn, id, worker.draining ? "draining" : "here", `gone (${why})`);
}

/** A nanny says that its worker is leaving. */
export function onWorkerDraining(turn: Turn, { worker: id }: EventOf<"workerDraining">): void {
  const worker = turn.state.workers.get(id);
  const isKnown = !worker || worker.draining && !worker.host?.replaced;
  if (isKnown) return;
  beginLeaving(turn, worker);
  workersChanged(turn, worker);
  noteWorker(turn, id, "here", "draining");
}

/** A nanny will replace a host when its calls have ended: what it keeps is brought to others until then. */
export function onHostDraining(turn: Turn, { worker: id, incarnation }: EventOf<"hostDraining">): void {
  const worker = turn.state.workers.get(id);
  if (worker?.host?.incarnation !== incarnation || worker.draining) return;
  beginLeaving(turn, worker);
  worker.host.replaced = true;
  workersChanged(turn, worker);
  noteWorker(turn, id, "", `host ${incarnation} draining`);
}

/** A nanny is about to start a host: the one before is over, whatever it does. */
export function onHostAnnounced(turn: Turn, { worker: id, incarnation }: EventOf<"hostAnnounced">): void {
  const worker = turn.state.workers.get(id);
  if (!worker) return;
  const before = worker.host;
  // The nanny may ask for another ticket for a host that has not used its first.
  if (before?.incarnation === incarnation && before.phase === "announced") return;
  if (before) endHost(turn, worker, before, "host-exit");
  worker.host = {
    incarnation,
    phase: "announced",
    pid: 0,
    address: "",
    isolates: 0,
    spilledBytes: 0,
    figures: createFigures(),
    replaced: false,
  };
  worker.memory = worker.lag = 0;
  workersChanged(turn, worker);
  noteWorker(turn, id, "", `host ${incarnation} announced`);
}

/** A host said hello. Only the one that its nanny announced may. */
export function onHostJoined(turn: Turn, event: EventOf<"hostJoined">): void {
  const { worker: id, incarnation, pid, address } = event;
  const worker = turn.state.workers.get(id);
  const host = worker?.host;
  if (!worker || host?.incarnation !== incarnation || host.phase !== "announced") {
    const reason = "This host was not announced, or was declared ended";
    turn.instructions.push({ type: "closeHost", worker: id, incarnation, code: CloseCode.forbidden, reason });
    return;
  }
  host.phase = "joined";
  host.pid = pid;
  host.address = address;
  workersChanged(turn, worker);
  noteWorker(turn, id, "", `host ${incarnation} joined`);
  settleRestarts(turn, worker);
}

/** A host's link ended: its nanny has a moment to say why. */
export function onHostLinkClosed(turn: Turn, { worker: id, incarnation }: EventOf<"hostLinkClosed">): void {
  const worker = turn.state.workers.get(id);
  const host = worker?.host;
  if (!worker || host?.incarnation !== incarnation || host.phase !== "joined") return;
  host.phase = "unlinked";
  turn.instructions.push({ type: "setTimer", timer: `host end ${id}`, delay: HOST_END_WAIT });
  workersChanged(turn, worker);
}

/** A nanny says that a host ended. */
export function onHostEnded(turn: Turn, { worker: id, incarnation, reason }: EventOf<"hostEnded">): void {
  const worker = turn.state.workers.get(id);
  if (worker?.host?.incarnation === incarnation) endHost(turn, worker, worker.host, reason);
}

/** A host's link ended some time ago, and its nanny has not said why. */
export function onHostEndUnexplained(turn: Turn, id: string): void {
  const worker = turn.state.workers.get(id);
  if (worker?.host?.phase !== "unlinked") return;
  endHost(turn, worker, worker.host, worker.draining ? "drained" : "host-exit");
}

/** A nanny's sign of life. */
export function onHeartbeat(turn: Turn, { worker: id, body }: EventOf<"heartbeat">): void {
  const worker = turn.state.workers.get(id);
  if (!worker) return;
  worker.heartbeatAt = turn.at;
  if (worker.host?.incarnation !== body.host) return;
  worker.memory = body.memory;
  worker.lag = body.lag;
  const isPaused = worker.memoryLimit > 0 && body.memory > worker.memoryLimit * PAUSE_SHARE;
  if (isPaused) dropCopies(turn, worker, 0);
  if (isPaused === worker.paused) return;
  worker.paused = isPaused;
  refreshWorker(turn, worker);
  noteWorker(turn, id, isPaused ? "running" : "paused", isPaused ? "paused" : "running");
}

/** A host's counters. */
export function onReport(turn: Turn, { worker, incarnation, body }: EventOf<"report">): void {
  const host = turn.state.workers.get(worker)?.host;
  if (host?.incarnation !== incarnation) return;
  host.isolates = body.isolates;
  host.spilledBytes = body.spilledBytes ?? 0;
  takeReport(host.figures, body);
}
