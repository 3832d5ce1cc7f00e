/**
 * Copies: a host that has fetched a value from another keeps it as well, for the next that needs it there. They are the
 * first to go where memory is short.
 *
 * @module
 */

import { SMALL_RESULT } from "../protocol/mod.ts";
import type { EventOf } from "./events.ts";
import { alsoMove, arrived, notArrived } from "./leaving.ts";
import type { WorkerRecord } from "./state.ts";
import { refuse } from "./task_events.ts";
import { dropAt, keepAt, sendForget } from "./task_moves.ts";
import type { KeyRecord } from "./task_record.ts";
import type { Turn } from "./turn.ts";

/** Share of its memory limit that the copies of a worker may take, and bytes where it has none. */
const COPY_SHARE = 0.2;
const COPY_BYTES = 512 * 1024 * 1024;

/** A host keeps a value that it has fetched from another. */
export function onCopied(turn: Turn, event: EventOf<"copied">): void {
  const worker = turn.state.workers.get(event.worker);
  if (worker?.host?.incarnation !== event.host) return;
  const task = turn.state.keys.get(event.key);
  const isThere = task !== undefined && task.kind !== "actor" && task.state === "memory" && task.run === event.run;
  if (!isThere || task.size <= SMALL_RESULT) return refuse(turn, event);
  if (!worker.results.has(task)) {
    keepAt(worker, task);
    alsoMove(worker, task);
  }
  arrived(turn, task, worker);
  dropCopies(turn, worker, worker.memoryLimit > 0 ? worker.memoryLimit * COPY_SHARE : COPY_BYTES);
}

/** A host could not fetch a value that it was to keep. */
export function onCopyFailed(turn: Turn, { worker: id, host, key }: EventOf<"copyFailed">): void {
  const worker = turn.state.workers.get(id);
  const task = turn.state.keys.get(key);
  if (worker?.host?.incarnation === host && task && task.kind !== "actor") notArrived(turn, task, worker);
}

/** Has a worker forget its oldest copies until they take no more than `most` bytes, except what runs there now. */
export function dropCopies(turn: Turn, worker: WorkerRecord, most: number): void {
  if (worker.copyBytes <= most) return;
  const needed = new Set<KeyRecord>();
  for (const task of worker.processing) for (const dependency of task.dependencies) needed.add(dependency);
  for (const task of worker.copies) {
    if (worker.copyBytes <= most) return;
    if (needed.has(task)) continue;
    dropAt(worker, task);
    sendForget(turn, worker.id, task);
  }
}
