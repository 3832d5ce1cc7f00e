/**
 * Chooses workers for tasks and values: fewest bytes to move first, then the least occupied. No worker is given more
 * than a few tasks more than it can run; the rest waits here, by priority, then by age.
 *
 * @module
 */

import { type DependenciesBody, SMALL_RESULT } from "../protocol/mod.ts";
import { handleOf } from "./lookups.ts";
import { hasLeastSlot, isOpen, leastOccupied, occupation, takesTasks } from "./open_workers.ts";
import { hasAtAll, hasFree, isReady, isWanted, refuse } from "./placement.ts";
import type { SchedulerState, WorkerRecord } from "./state.ts";
import { dataHolders, occupy } from "./task_moves.ts";
import { type Fitting, precedes, type QueueRefusal, type TaskQueue } from "./task_queue.ts";
import type { KeyRecord, TaskRecord } from "./task_record.ts";
import { statusOf, tellHolders, type Turn } from "./turn.ts";

/** Gives what waits to workers, as far as they take it. */
export function placeTasks(turn: Turn): void {
  const { state } = turn;
  for (;;) {
    const queue = nextQueue(state);
    if (!queue) break;
    const task = queue.heap[0]!;
    const worker = chooseWorker(state, queue, task);
    if (worker) startTask(turn, task, worker);
    else setStuck(turn, queue);
  }
  if (state.unstored.size > 0) placeValues(turn);
}

/** How many bytes of what a record needs a worker has already; `undefined` where nothing that it needs is anywhere. */
export function bytesThere({ dependencies }: KeyRecord): ((worker: WorkerRecord) => number) | undefined {
  if (dependencies.length === 0) return undefined;
  const bytes = new Map<WorkerRecord, number>();
  for (const dependency of dependencies) {
    // Small values are on no worker, and travel with the task.
    if (dependency.kind === "actor") continue;
    for (const worker of dependency.holders) bytes.set(worker, (bytes.get(worker) ?? 0) + dependency.size);
  }
  return bytes.size === 0 ? undefined : (worker) => bytes.get(worker) ?? 0;
}

/** The queue whose first task is to be placed next, of those for which a worker may be found. */
function nextQueue({ queues, capacity }: SchedulerState): TaskQueue | undefined {
  let next: TaskQueue | undefined;
  for (const queue of queues.values()) {
    if (queue.stuckAt === capacity) continue;
    if (!next || precedes(queue.heap[0]!, next.heap[0]!)) next = queue;
  }
  return next;
}

function chooseWorker(state: SchedulerState, queue: TaskQueue, task: TaskRecord): WorkerRecord | undefined {
  const there = bytesThere(task);
  const takes = queue.cautious ? hasLeastSlot : isOpen;
  if (queue.wishText === "") {
    let best = leastOccupied(state.open);
    if (!best || !takes(best)) return undefined;
    if (!there) return best;
    // Another worker than the least occupied is better only where something is.
    for (const dependency of task.dependencies) {
      if (dependency.kind === "actor") continue;
      for (const worker of dependency.holders) {
        if (!takes(worker)) continue;
        const more = there(worker) - there(best);
        if (more > 0 || (more === 0 && occupation(worker) < occupation(best))) best = worker;
      }
    }
    return best;
  }
  let best: Fitting | undefined;
  for (const fitting of fittingWorkers(state, queue)) {
    const { worker } = fitting;
    if (!takes(worker) || !hasFree(worker, queue.wishes.resources)) continue;
    if (!best || compare(fitting, best, there) < 0) best = fitting;
  }
  return best?.worker;
}

function compare(one: Fitting, other: Fitting, there: ((worker: WorkerRecord) => number) | undefined): number {
  return Number(other.wanted) - Number(one.wanted) ||
    (there ? there(other.worker) - there(one.worker) : 0) ||
    occupation(one.worker) - occupation(other.worker) ||
    one.worker.chosen - other.worker.chosen;
}

/** The workers that fit at all; listed anew where others have come. */
function fittingWorkers({ workers, membership }: SchedulerState, queue: TaskQueue): readonly Fitting[] {
  if (queue.fittingAt === membership) return queue.fitting;
  const { wishes } = queue;
  queue.fittingAt = membership;
  queue.fitting = [...workers.values()]
    .filter((worker) => !worker.draining && hasAtAll(worker, wishes.resources))
    .map((worker) => ({ worker, wanted: isWanted(worker, wishes.workers) }))
    .filter(({ wanted }) => wanted || wishes.allowOtherWorkers);
  return queue.fitting;
}

function startTask(turn: Turn, task: TaskRecord, worker: WorkerRecord): void {
  worker.chosen = ++turn.state.count;
  occupy(turn, task, worker);
  const { key, run, recipe, dependencies } = task;
  turn.instructions.push({
    type: "sendCompute",
    worker: worker.id,
    key,
    run,
    ...recipe!,
    dependencies: dependencies.length === 0
      ? NO_DEPENDENCIES
      : dependencies.map((dependency) => describeDependency(turn.state, dependency)),
  });
}

const NO_DEPENDENCIES: DependenciesBody = [];

function describeDependency(state: SchedulerState, record: KeyRecord): DependenciesBody[number] {
  const { key } = record;
  if (record.kind === "actor") return { key, run: 0, value: handleOf(record), refs: [key], holders: [] };
  const { run, valueRefs, size } = record;
  const value = size <= SMALL_RESULT ? record.value : undefined;
  return { key, run, value, refs: [...valueRefs], holders: value ? [] : dataHolders(state, record) };
}

/** Nothing is tried for a queue until something changes. Where it is not a matter of time, those who wait are told. */
function setStuck(turn: Turn, queue: TaskQueue): void {
  const { state } = turn;
  queue.stuckAt = state.capacity;
  const before = queue.refusal?.kind;
  const kind = refusalKind(state, queue);
  if (kind === before) return;
  queue.refusal = kind && { kind, reason: refuse([...state.workers.values()], queue.wishes).reason };
  if (!queue.refusal) return;
  const { reason } = queue.refusal;
  const count = queue.heap.length;
  for (const task of queue.heap) tellHolders(turn, task, statusOf("no-worker", { reason }));
  const message = count === 1 ? "{key} waits: {reason}" : "{key} and {more} more wait: {reason}";
  const properties = { key: queue.heap[0]!.key, more: count - 1, reason };
  turn.instructions.push({ type: "log", level: "info", message, properties });
}

/** Why nothing of a queue can be placed; `undefined` where only slots are wanting. */
function refusalKind(state: SchedulerState, queue: TaskQueue): QueueRefusal["kind"] | undefined {
  if (queue.wishText === "" && state.open.takers.size > 0) return undefined;
  const fitting = fittingWorkers(state, queue);
  const { resources } = queue.wishes;
  if (fitting.some(({ worker }) => takesTasks(worker) && hasFree(worker, resources))) return undefined;
  if (state.workers.size === 0) return "none";
  if (fitting.length === 0) return "misfit";
  return fitting.some(({ worker }) => isReady(worker)) ? "busy" : "starting";
}

/** Gives values to workers that store them: to the one that keeps least. */
function placeValues(turn: Turn): void {
  const { state } = turn;
  for (const data of state.unstored) {
    const { wishes, key } = data;
    let best: Fitting | undefined;
    for (const worker of state.workers.values()) {
      const fitting = { worker, wanted: isWanted(worker, wishes.workers) };
      if (!takesTasks(worker) || !(fitting.wanted || wishes.allowOtherWorkers)) continue;
      if (!best || keepsLess(fitting, best)) best = fitting;
    }
    if (best) {
      occupy(turn, data, best.worker);
      turn.instructions.push({
        type: "sendStore",
        worker: best.worker.id,
        key,
        run: data.run,
        value: data.value!,
        refs: data.valueRefs,
      });
    } else if (turn.event === "scattered" || turn.event === "fulfilled") {
      const { reason } = refuse([...state.workers.values()], wishes);
      tellHolders(turn, data, statusOf("no-worker", { reason }));
    }
  }
}

function keepsLess(one: Fitting, other: Fitting): boolean {
  if (one.wanted !== other.wanted) return one.wanted;
  const difference = one.worker.resultBytes - other.worker.resultBytes ||
    one.worker.storing.size - other.worker.storing.size;
  return difference < 0;
}
