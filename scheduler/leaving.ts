/**
 * A worker that leaves: what only it keeps is brought to others first, as far as there is time.
 *
 * @module
 */

import type { EventOf } from "./events.ts";
import { isReady } from "./placement.ts";
import type { Moves, SchedulerState, WorkerRecord } from "./state.ts";
import { takesTasks } from "./open_workers.ts";
import { dataHolders, preferHolder } from "./task_moves.ts";
import { canRunAgain, type TaskRecord } from "./task_record.ts";
import type { Turn } from "./turn.ts";

/** How many values of one worker are on their way at once. */
const AT_ONCE = 16;

/** How often a value is sent for. */
const TRIES = 3;

/** A worker begins to leave, for good. */
export function beginLeaving(turn: Turn, worker: WorkerRecord): void {
  if (worker.host) worker.host.replaced = false;
  if (worker.draining) return;
  worker.draining = true;
  const results = [...worker.results];
  // Taken from the end: first what cannot be had again.
  const waiting = [...results.filter(canRunAgain), ...results.filter((task) => !canRunAgain(task))];
  worker.moves = { waiting: waiting.map((task) => ({ task, tries: 0 })), under: new Map(), asker: undefined };
  turn.state.leaving.add(worker);
}

/** A worker that leaves has got one more value, of a task that ran there. */
export function alsoMove(worker: WorkerRecord, task: TaskRecord): void {
  worker.moves?.waiting.push({ task, tries: 0 });
}

/** A host has nothing more to do, and asks whether it may go. */
export function onLeaveAsked(turn: Turn, { asker }: EventOf<"leaveAsked">): void {
  const worker = turn.state.workers.get(asker.id);
  if (worker?.moves) worker.moves.asker = asker;
  else turn.instructions.push({ type: "answer", asker, name: "leave", body: {} });
}

/** Sends for what waits to be moved, and lets those go from which nothing more can be moved. */
export function moveResults(turn: Turn): void {
  for (const worker of turn.state.leaving) {
    const moves = worker.moves!;
    const isStuck = !sendForMore(turn, worker, moves);
    const isBusy = worker.processing.size + worker.storing.size + moves.under.size > 0;
    if (!moves.asker || isBusy || (moves.waiting.length > 0 && !isStuck)) continue;
    turn.instructions.push({ type: "answer", asker: moves.asker, name: "leave", body: {} });
    moves.asker = undefined;
  }
}

/** A worker has got a value: for one that leaves it need not wait any more. */
export function arrived(turn: Turn, task: TaskRecord, at: WorkerRecord): void {
  for (const { moves } of turn.state.leaving) {
    if (moves!.under.get(task)?.target === at) moves!.under.delete(task);
  }
  if (task.holders[0]!.draining) leaveToOther(task);
}

/** A worker could not get a value: it is sent for again, if not too often. */
export function notArrived(turn: Turn, task: TaskRecord, at: WorkerRecord): void {
  for (const { moves } of turn.state.leaving) {
    const move = moves!.under.get(task);
    if (move?.target !== at) continue;
    moves!.under.delete(task);
    if (move.tries < TRIES) moves!.waiting.push({ task, tries: move.tries });
  }
}

/** A host has ended: nothing is moved from it any more, and what was on its way to it has to go elsewhere. */
export function endMoves(turn: Turn, ended: WorkerRecord): void {
  turn.state.leaving.delete(ended);
  ended.moves = undefined;
  for (const { moves } of turn.state.leaving) {
    for (const [task, { target }] of moves!.under) if (target === ended) notArrived(turn, task, ended);
  }
}

/** Whether there is somewhere to send what waits. */
function sendForMore(turn: Turn, worker: WorkerRecord, { waiting, under }: Moves): boolean {
  // What was forgotten meanwhile nobody answers for.
  for (const task of under.keys()) if (!worker.results.has(task)) under.delete(task);
  while (waiting.length > 0 && under.size < AT_ONCE) {
    const { task, tries } = waiting.at(-1)!;
    if (worker.results.has(task) && !leaveToOther(task)) {
      const target = chooseTarget(turn.state, task);
      if (!target) return false;
      under.set(task, { target, tries: tries + 1 });
      const { key, run } = task;
      turn.instructions.push({
        type: "sendCopy",
        worker: target.id,
        key,
        run,
        holders: dataHolders(turn.state, task),
      });
    }
    waiting.pop();
  }
  return true;
}

/** Where a worker that stays has a copy, that is what is kept from now on. Returns whether there is one. */
function leaveToOther(task: TaskRecord): boolean {
  const other = task.holders.find(({ draining }) => !draining);
  if (other) preferHolder(other, task);
  return other !== undefined;
}

/** The worker that keeps least. One whose memory is nearly full is better than none for what cannot be had again. */
function chooseTarget({ workers }: SchedulerState, task: TaskRecord): WorkerRecord | undefined {
  let best: WorkerRecord | undefined;
  for (const worker of workers.values()) {
    if (!(canRunAgain(task) ? takesTasks(worker) : isReady(worker))) continue;
    if (!best || rank(worker) < rank(best)) best = worker;
  }
  return best;
}

function rank({ resultBytes, paused }: WorkerRecord): number {
  return paused ? Infinity : resultBytes;
}
