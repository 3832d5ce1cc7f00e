/**
 * The workers that take tasks, least occupied first. Changing a worker's place and finding the first cost the same
 * however many workers there are.
 *
 * @module
 */

import { isReady } from "./placement.ts";
import type { WorkerRecord } from "./state.ts";

/** Shares of `threads` in which occupation is counted, up to so many times `threads`; beyond that it may be coarse. */
const STEPS = 4;
const FINE = 4;

/** Milliseconds of work that a worker is given, where that is more tasks than it is given at least. */
const AHEAD = 4;

/** Tasks that a worker is given at the most. */
export const MOST_SLOTS = 256;

/** How much the latest task counts in a worker's pace. */
const WEIGHT = 1 / 8;

/** One quick task does not make a quick worker: in milliseconds. */
const FIRST_PACE = 1;

/** Bytes in a millisecond: what a task needs and gives takes its time, and memory, as well. */
const BYTES_PER_MILLISECOND = 100_000;

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

/**
 * How many tasks a worker is given at once at least: what it runs, and as much again so that it never waits for the network.
 */
export function leastSlotsOf({ threads }: WorkerRecord): number {
  return Math.max(threads * 2, threads + 1);
}

/** How many tasks a worker is given at once: more than the least where it is done with them in no time. */
export function slotsOf(worker: WorkerRecord): number {
  const ahead = Math.floor(worker.threads * AHEAD / worker.pace);
  return Math.max(leastSlotsOf(worker), Math.min(MOST_SLOTS, ahead));
}

/**
 * A worker was done with a task. Its place has to be found anew.
 *
 * @param took Milliseconds.
 * @param bytes What it needed and gave.
 */
export function keepPace(worker: WorkerRecord, took: number, bytes: number): void {
  const latest = took + bytes / BYTES_PER_MILLISECOND;
  worker.pace = worker.pace === Infinity ? Math.max(latest, FIRST_PACE) : worker.pace + (latest - worker.pace) * WEIGHT;
}

/** Whether a worker takes tasks, if it has a slot for one. */
export function takesTasks(worker: WorkerRecord): boolean {
  return isReady(worker) && !worker.paused;
}

/** Whether a task can be given to a worker now. */
export function isOpen(worker: WorkerRecord): boolean {
  return worker.level >= 0;
}

/** Slots of a worker that are taken. */
export function slotsTaken({ processing, aside }: WorkerRecord): number {
  return processing.size - aside.size;
}

/** Tasks that a worker has, in shares of what it can run at once. */
export function occupation(worker: WorkerRecord): number {
  return slotsTaken(worker) / worker.threads;
}

/** Whether a worker takes a task that must not wait behind others there. */
export function hasLeastSlot(worker: WorkerRecord): boolean {
  return isOpen(worker) && slotsTaken(worker) < leastSlotsOf(worker);
}

/** Finds a worker's place after it changed. Returns whether it takes more than before. */
export function updateOpen(open: OpenWorkers, worker: WorkerRecord): boolean {
  const before = worker.level;
  const takes = takesTasks(worker);
  const level = takes && slotsTaken(worker) < slotsOf(worker) ? levelOf(worker) : -1;
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

function levelOf(worker: WorkerRecord): number {
  const share = occupation(worker);
  if (share < FINE) return Math.floor(share * STEPS);
  return Math.floor((FINE + Math.log2(share / FINE)) * STEPS);
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
