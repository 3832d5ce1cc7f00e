/**
 * Tasks that wait for a worker: a heap for all that want the same, higher priorities first, then earlier ones.
 *
 * @module
 */

import type { Wishes } from "./placement.ts";
import type { WorkerRecord } from "./state.ts";
import type { TaskRecord } from "./task_record.ts";

/** A worker that could run what waits in a queue, if not now. */
export interface Fitting {
  /** The worker. */
  readonly worker: WorkerRecord;
  /** Whether it is among those that were asked for; others may do where none of those can. */
  readonly wanted: boolean;
}

/** Why no task of a queue can be placed, where it is more than that all slots are taken. */
export interface QueueRefusal {
  /** As of a {@linkcode Placing}. */
  readonly kind: "none" | "starting" | "busy" | "misfit";
  /** What was wanted and what is offered, for people. */
  readonly reason: string;
}

/** The tasks that want the same of a worker. */
export interface TaskQueue {
  /** What they want. */
  readonly wishes: Wishes;
  /** The same as text. */
  readonly wishText: string;
  /** Whether they must not wait behind others on a worker. */
  readonly cautious: boolean;
  /** The tasks, as a heap. */
  readonly heap: TaskRecord[];
  /** The scheduler's capacity when no worker was found for the first of them; -1 where that was not tried. */
  stuckAt: number;
  /** Why none was found; `undefined` where slots will become free by themselves. */
  refusal: QueueRefusal | undefined;
  /** The workers that fit at all. */
  fitting: readonly Fitting[];
  /** The scheduler's membership when they were listed; -1 for never. */
  fittingAt: number;
}

/**
 * Whether a task is given to workers only where few others are. One that may run only once would be lost with the worker
 * although it had not begun; one that was lost with others may be the cause, or would be blamed for what the cause does.
 */
export function isCautious({ pure, deaths }: TaskRecord): boolean {
  return !pure || deaths > 0;
}

/** The name of the queue of a task. */
export function queueNameOf(task: TaskRecord): string {
  return isCautious(task) ? `!${task.wishText}` : task.wishText;
}

/** Why a task that waits has no worker; `undefined` where slots will become free by themselves. */
export function refusalOf(queues: ReadonlyMap<string, TaskQueue>, task: TaskRecord): QueueRefusal | undefined {
  return queues.get(queueNameOf(task))?.refusal;
}

/** An empty queue, for tasks such as this one. */
export function createTaskQueue({ wishes, wishText }: TaskRecord, cautious: boolean): TaskQueue {
  return { wishes, wishText, cautious, heap: [], stuckAt: -1, refusal: undefined, fitting: [], fittingAt: -1 };
}

/** Whether one task goes before another. */
export function precedes(one: TaskRecord, other: TaskRecord): boolean {
  return one.priority === other.priority ? one.age < other.age : one.priority > other.priority;
}

/** Puts a task in. */
export function pushTask({ heap }: TaskQueue, task: TaskRecord): void {
  heap.push(task);
  rise(heap, task, heap.length - 1);
}

/** Takes a task out, wherever it stands. */
export function removeTask({ heap }: TaskQueue, task: TaskRecord): void {
  const { place } = task;
  const last = heap.pop()!;
  task.place = -1;
  if (last === task) return;
  rise(heap, last, place);
  sink(heap, last, last.place);
}

function rise(heap: TaskRecord[], task: TaskRecord, from: number): void {
  let place = from;
  while (place > 0) {
    const parent = heap[(place - 1) >> 1]!;
    if (!precedes(task, parent)) break;
    put(heap, parent, place);
    place = (place - 1) >> 1;
  }
  put(heap, task, place);
}

function sink(heap: TaskRecord[], task: TaskRecord, from: number): void {
  let place = from;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && precedes(heap[child + 1]!, heap[child]!)) child++;
    if (!precedes(heap[child]!, task)) break;
    put(heap, heap[child]!, place);
    place = child;
  }
  put(heap, task, place);
}

function put(heap: TaskRecord[], task: TaskRecord, place: number): void {
  heap[place] = task;
  task.place = place;
}
