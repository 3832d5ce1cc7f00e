/**
 * Values on their way from state to state, and on and off workers.
 *
 * @module
 */

import type { DataHolder, StatusBody } from "../protocol/mod.ts";
import { freeResources, holdResources, InvalidTransitionError } from "./assignment.ts";
import { leastSlotsOf, slotsTaken, updateOpen } from "./open_workers.ts";
import type { SchedulerState, WorkerRecord } from "./state.ts";
import { createTaskQueue, isCautious, pushTask, queueNameOf, removeTask } from "./task_queue.ts";
import { NOWHERE, type TaskRecord } from "./task_record.ts";
import { TASK_TRANSITIONS, type TaskState } from "./task_states.ts";
import { statusOf, tellHolders, tellPassing, type Turn } from "./turn.ts";

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
  tellPassing(turn, task, PROCESSING);
}

/** Takes a value off the worker that was to run or store it, which others may use from now on. */
export function vacateTask(turn: Turn, task: TaskRecord): void {
  const { worker } = task;
  task.worker = undefined;
  if (!worker) return;
  if (worker.processing.delete(task)) {
    worker.aside.delete(task);
    freeResources(turn, worker, task.wishes.resources);
    giveSlotBack(turn, worker);
  } else {
    worker.storing.delete(task);
  }
}

/**
 * A task that runs has submitted something, which it may wait for: it gives its slot back, or those that wait for what
 * they have submitted would take all of them, and none of that would ever run.
 */
export function stepAside(turn: Turn, task: TaskRecord): void {
  const { worker } = task;
  if (!worker?.processing.has(task) || worker.aside.has(task)) return;
  worker.aside.add(task);
  giveSlotBack(turn, worker);
}

function giveSlotBack(turn: Turn, worker: WorkerRecord): void {
  refreshWorker(turn, worker);
  // There is room for a task that must not wait behind others.
  if (slotsTaken(worker) === leastSlotsOf(worker) - 1) countCapacity(turn);
}

/** Finds out anew whether, and before which others, a worker takes tasks. */
export function refreshWorker(turn: Turn, worker: WorkerRecord): void {
  if (updateOpen(turn.state.open, worker)) countCapacity(turn);
}

function countCapacity(turn: Turn): void {
  turn.state.capacity++;
  turn.tasksReady = true;
}

/** Notes that a worker keeps a value: as a copy, where another does already. */
export function keepAt(worker: WorkerRecord, task: TaskRecord): void {
  task.holders = [...task.holders, worker];
  worker.results.add(task);
  worker.resultBytes += task.size;
  if (task.holders.length > 1) countCopy(worker, task);
}

/** Notes that a worker does not keep a value any more. Where it kept the value itself, a copy takes its place. */
export function dropAt(worker: WorkerRecord, task: TaskRecord): void {
  if (!worker.results.delete(task)) return;
  worker.resultBytes -= task.size;
  discountCopy(worker, task);
  const holders = task.holders.filter((holder) => holder !== worker);
  task.holders = holders.length === 0 ? NOWHERE : holders;
  if (holders.length > 0) discountCopy(holders[0]!, task);
}

/** A copy becomes what is kept, and what was kept a copy. */
export function preferHolder(worker: WorkerRecord, task: TaskRecord): void {
  const [first] = task.holders;
  if (first === worker) return;
  task.holders = [worker, ...task.holders.filter((holder) => holder !== worker)];
  discountCopy(worker, task);
  countCopy(first!, task);
}

/** Notes that no worker keeps a value any more, and tells their hosts. */
export function forgetAt(turn: Turn, task: TaskRecord): void {
  for (const worker of task.holders) {
    dropAt(worker, task);
    sendForget(turn, worker.id, task);
  }
}

function countCopy(worker: WorkerRecord, task: TaskRecord): void {
  worker.copies.add(task);
  worker.copyBytes += task.size;
}

function discountCopy(worker: WorkerRecord, task: TaskRecord): void {
  if (worker.copies.delete(task)) worker.copyBytes -= task.size;
}

/** Tells a host that what came of an attempt is not needed, at the end of this turn. */
export function sendForget(
  turn: Turn,
  worker: string,
  { key, run }: { readonly key: string; readonly run: number },
): void {
  turn.forgotten.push({ type: "sendForget", worker, key, run });
}

/** How many hosts are named to one who needs a value. */
const NAMED = 8;

/** Who keeps a value, some of them, in another order each time: so those who ask share out the load. */
export function dataHolders(state: SchedulerState, task: TaskRecord): DataHolder[] {
  const { holders } = task;
  if (holders.length === 1) return [describeHolder(holders[0]!)];
  const first = holders.length > 1 ? ++state.count % holders.length : 0;
  const ordered = [...holders.slice(first), ...holders.slice(0, first)];
  return ordered.slice(0, NAMED).map(describeHolder);
}

function describeHolder({ id, host }: WorkerRecord): DataHolder {
  return { worker: id, host: host!.incarnation, home: "inline", address: host!.address };
}

function enqueue(turn: Turn, task: TaskRecord): void {
  const { queues, unstored } = turn.state;
  turn.tasksReady = true;
  if (task.kind !== "task") {
    unstored.add(task);
    return;
  }
  const name = queueNameOf(task);
  let queue = queues.get(name);
  if (!queue) queues.set(name, queue = createTaskQueue(task, isCautious(task)));
  pushTask(queue, task);
  const { refusal } = queue;
  if (refusal) tellHolders(turn, task, statusOf("no-worker", { reason: refusal.reason }));
}

function dequeue({ queues, unstored }: SchedulerState, task: TaskRecord): void {
  if (task.kind !== "task") {
    unstored.delete(task);
    return;
  }
  const name = queueNameOf(task);
  const queue = queues.get(name)!;
  removeTask(queue, task);
  if (queue.heap.length === 0) queues.delete(name);
}
