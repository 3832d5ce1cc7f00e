/**
 * The workers that take tasks, least occupied first. Changing a worker's place and finding the first cost the same
 * however many workers there are.
 *
 * @module
 */

import { isReady } from "./placement.ts";
import type { WorkerRecord } from "./state.ts";

/** Shares of `threads` in which occupation is counted. */
const STEPS = 4;

/** Workers by how many shares of their threads are occupied; in a level, those that were not chosen for longest first. */
export interface OpenWorkers {
  /** Those with a free slot. */
  readonly levels: Set<WorkerRecord>[];
  /** Those that would take a task if a slot were free. */
  readonly takers: Set<WorkerRecord>;
}

/** No workers. */
export function createOpenWorkers(): OpenWorkers {
  return { levels: [], takers: new Set() };
}

/** How many tasks a worker is given at once: what it runs, and as much again so that it never waits for the network. */
export function slotsOf(worker: WorkerRecord): number {
  return Math.max(worker.threads * 2, worker.threads + 1);
}

/** Whether a worker takes tasks, if it has a slot for one. */
export function takesTasks(worker: WorkerRecord): boolean {
  return isReady(worker) && !worker.paused;
}

/** Whether a task can be given to a worker now. */
export function isOpen(worker: WorkerRecord): boolean {
  return worker.level >= 0;
}

/** Tasks that a worker has, in shares of what it can run at once. */
export function occupation(worker: WorkerRecord): number {
  return worker.processing.size / worker.threads;
}

/** Finds a worker's place after it changed. Returns whether it takes more than before. */
export function updateOpen(open: OpenWorkers, worker: WorkerRecord): boolean {
  const before = worker.level;
  const takes = takesTasks(worker);
  const level = takes && worker.processing.size < slotsOf(worker) ? Math.floor(occupation(worker) * STEPS) : -1;
  if (takes) open.takers.add(worker);
  else open.takers.delete(worker);
  if (before >= 0) open.levels[before]!.delete(worker);
  if (level >= 0) {
    while (open.levels.length <= level) open.levels.push(new Set());
    open.levels[level]!.add(worker);
  }
  worker.level = level;
  return level >= 0 && before < 0;
}

/** Takes a worker out that is gone. */
export function removeOpen(open: OpenWorkers, worker: WorkerRecord): void {
  open.takers.delete(worker);
  if (worker.level >= 0) open.levels[worker.level]!.delete(worker);
  worker.level = -1;
}

/** The worker with the smallest share of its threads occupied; `undefined` where none has a free slot. */
export function leastOccupied(open: OpenWorkers): WorkerRecord | undefined {
  for (const level of open.levels) {
    for (const worker of level) return worker;
  }
  return undefined;
}
