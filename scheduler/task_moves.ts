/**
 * Values on their way from state to state, and on and off workers.
 *
 * @module
 */

import type { DataHolder, StatusBody } from "../protocol/mod.ts";
import { freeResources, holdResources, InvalidTransitionError } from "./assignment.ts";
import { updateOpen } from "./open_workers.ts";
import type { SchedulerState, WorkerRecord } from "./state.ts";
import { createTaskQueue, pushTask, removeTask } from "./task_queue.ts";
import type { TaskRecord } from "./task_record.ts";
import { TASK_TRANSITIONS, type TaskState } from "./task_states.ts";
import { statusOf, tellHolders, type Turn } from "./turn.ts";

/** What all who hold a task are told when a host runs it. */
const PROCESSING: StatusBody = statusOf("processing");

/** Moves a value to another state, and writes it down. */
export function moveTask(turn: Turn, task: TaskRecord, to: TaskState, cause = ""): void {
  const { story, counts } = turn.state;
  const from = task.state;
  if (TASK_TRANSITIONS[from][to] === undefined) {
    const told = story.tell(task.key).map((entry) => `${entry.from} -> ${entry.to} (${entry.cause})`).join(", ");
    throw new InvalidTransitionError(`Cannot move ${task.key} from ${from} to ${to} on ${turn.event}: ${told}`);
  }
  if (from === "waiting") dequeue(turn.state, task);
  counts[from]--;
  if (to !== "gone") counts[to]++;
  task.state = to;
  if (to === "waiting") enqueue(turn, task);
  story.add({ at: turn.at, subject: task.key, from, to, cause: cause === "" ? turn.event : `${turn.event}: ${cause}` });
}

/** Gives a waiting value to a worker, whose host is told by the caller. */
export function occupy(turn: Turn, task: TaskRecord, worker: WorkerRecord): void {
  task.worker = worker;
  task.host = worker.host!.incarnation;
  // Never used again, not even for another task of this key.
  task.run = ++turn.state.count;
  if (task.kind === "task") {
    worker.processing.add(task);
    holdResources(worker, task.wishes.resources);
    refreshWorker(turn, worker);
  } else {
    worker.storing.add(task);
  }
  moveTask(turn, task, "processing", worker.name);
  tellHolders(turn, task, PROCESSING);
}

/** Takes a value off the worker that was to run or store it, which others may use from now on. */
export function vacateTask(turn: Turn, task: TaskRecord): void {
  const { worker } = task;
  task.worker = task.host = undefined;
  if (!worker) return;
  if (worker.processing.delete(task)) {
    freeResources(turn, worker, task.wishes.resources);
    refreshWorker(turn, worker);
  } else {
    worker.storing.delete(task);
  }
}

/** Finds out anew whether, and before which others, a worker takes tasks. */
export function refreshWorker(turn: Turn, worker: WorkerRecord): void {
  if (!updateOpen(turn.state.open, worker)) return;
  turn.state.capacity++;
  turn.tasksReady = true;
}

/** Notes that a worker keeps a value. */
export function keepAt(worker: WorkerRecord, task: TaskRecord, size: number): void {
  task.worker = worker;
  task.host = worker.host!.incarnation;
  task.size = size;
  worker.results.add(task);
  worker.resultBytes += size;
}

/** Notes that a worker no longer keeps a value, and tells its host. */
export function forgetAt(turn: Turn, task: TaskRecord): void {
  const { worker, key } = task;
  task.worker = task.host = undefined;
  if (!worker?.results.delete(task)) return;
  worker.resultBytes -= task.size;
  sendForget(turn, worker.id, key);
}

/** Tells a host that a value is not needed, at the end of this turn. */
export function sendForget(turn: Turn, worker: string, key: string): void {
  const keys = turn.forgotten.get(worker);
  if (keys) keys.push(key);
  else turn.forgotten.set(worker, [key]);
}

/** Who keeps a value. */
export function dataHolders({ state, worker, host }: TaskRecord): DataHolder[] {
  if (state !== "memory" || !worker) return [];
  return [{ worker: worker.id, host: host!, home: "inline", address: worker.host?.address ?? "" }];
}

function enqueue(turn: Turn, task: TaskRecord): void {
  const { queues, unstored } = turn.state;
  turn.tasksReady = true;
  if (task.kind !== "task") {
    unstored.add(task);
    return;
  }
  let queue = queues.get(task.wishText);
  if (!queue) queues.set(task.wishText, queue = createTaskQueue(task.wishes, task.wishText));
  pushTask(queue, task);
  const { refusal } = queue;
  if (refusal) tellHolders(turn, task, statusOf("no-worker", { reason: refusal.reason }));
}

function dequeue({ queues, unstored }: SchedulerState, task: TaskRecord): void {
  if (task.kind !== "task") {
    unstored.delete(task);
    return;
  }
  const queue = queues.get(task.wishText)!;
  removeTask(queue, task);
  if (queue.heap.length === 0) queues.delete(task.wishText);
}
