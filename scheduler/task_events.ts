/**
 * What hosts say of tasks and values. A host may only speak of what it was told to run or store: the rest has been
 * settled already.
 *
 * @module
 */

import { DependencyLostError, SMALL_RESULT } from "../protocol/mod.ts";
import { begin, dropRecipe, settleWaiters, unlink } from "./dependencies.ts";
import type { EventOf } from "./events.ts";
import { holdAll } from "./holding.ts";
import { alsoMove } from "./leaving.ts";
import { answerLookups } from "./lookups.ts";
import { keepPace } from "./open_workers.ts";
import { finishedStatus } from "./task_admission.ts";
import { clearTimers, dropHeld, failTask, loseResults } from "./task_endings.ts";
import { forgetAt, keepAt, moveTask, sendForget, vacateTask } from "./task_moves.ts";
import type { TaskRecord } from "./task_record.ts";
import { failureOf, statusOf, tellHolders, type Turn } from "./turn.ts";

/** After so many tries to fetch it, what may be computed again is. */
const TRIES_BEFORE_RERUN = 3;
/** After so many tries to fetch it, longer than it takes to notice that a worker fell silent, it is given up. */
const TRIES = 9;
/** Milliseconds before the first other try; each further one waits twice as long. */
const FIRST_DELAY = 100;
const LONGEST_DELAY = 5_000;

/** A host ran a task, and keeps the result where it is large. */
export function onComputed(turn: Turn, event: EventOf<"computed">): void {
  const { key, size, value, refs } = event;
  const task = findTask(turn, event, "task");
  if (!task || task.run !== event.run) return refuse(turn, event);
  const worker = task.worker!;
  keepPace(worker, event.took, size + bytesNeeded(task));
  vacateTask(turn, task);
  task.size = size;
  if (size > SMALL_RESULT) keepAt(worker, task);
  else task.value = value;
  task.valueRefs = refs;
  holdAll(turn.state, key, refs, true);
  keepValue(turn, task, worker.name);
  alsoMove(worker, task);
}

/** A host has not begun a task, as others take longer than was to be expected. */
export function onReturned(turn: Turn, event: EventOf<"returned">): void {
  const task = findTask(turn, event, "task");
  if (!task || task.run !== event.run) return;
  // What is quick again will show.
  task.worker!.pace = Infinity;
  vacateTask(turn, task);
  begin(turn, task, "its worker gave it back");
}

/** A task failed, or could not start. */
export function onComputeFailed(turn: Turn, event: EventOf<"computeFailed">): void {
  const { key, run, executed, error, missing } = event;
  const task = findTask(turn, event, "task");
  if (!task || task.run !== run) return;
  vacateTask(turn, task);
  sendForget(turn, event.worker, event);
  dropHeld(turn, key);
  if (missing.length > 0) return tryAgain(turn, task, missing);
  if (task.retries > 0) {
    task.retries--;
    return begin(turn, task, `${task.retries} retries left`);
  }
  failTask(turn, task, statusOf("error", { error, executed }));
}

/** A host keeps a value that it was told to. */
export function onStored(turn: Turn, event: EventOf<"stored">): void {
  const data = findTask(turn, event, "data") ?? findTask(turn, event, "external");
  if (!data || data.run !== event.run) return refuse(turn, event);
  const worker = data.worker!;
  vacateTask(turn, data);
  keepAt(worker, data);
  // The result of a call can be put on another worker where this one is lost; what was scattered is there only.
  if (data.kind === "data") data.value = undefined;
  keepValue(turn, data, worker.name);
  alsoMove(worker, data);
}

/** A task may be tried again whose dependencies could not be fetched. */
export function onAgain(turn: Turn, key: string): void {
  const task = turn.state.keys.get(key);
  if (!task || task.kind === "actor" || task.missing !== Infinity) return;
  begin(turn, task);
}

/** A value is there: all who wait for it go on, and what it needed is not needed any more. */
export function keepValue(turn: Turn, task: TaskRecord, where: string): void {
  clearTimers(turn, task);
  moveTask(turn, task, "memory", where);
  if (task.dependencies.length > 0 || task.run > 0) {
    // What the function held while it ran, except what is in its result.
    dropHeld(turn, task.key, task.valueRefs);
    unlink(turn, task);
  }
  if (!task.pure) dropRecipe(turn, task);
  tellHolders(turn, task, finishedStatus(turn.state, task));
  if (task.lookups.length > 0) answerLookups(turn, task);
  settleWaiters(turn, task);
  if (task.waiters.size === 0) turn.suspects.add(task);
}

/** What had to be brought to where it ran. */
function bytesNeeded({ recipe, dependencies }: TaskRecord): number {
  let bytes = recipe?.args.length ?? 0;
  for (const dependency of dependencies) if (dependency.kind !== "actor") bytes += dependency.size;
  return bytes;
}

function tryAgain(turn: Turn, task: TaskRecord, missing: readonly string[]): void {
  task.misses++;
  // What is not there by the scheduler's own knowledge is on its way already.
  const unreachable = task.dependencies.filter((dependency): dependency is TaskRecord =>
    dependency.kind !== "actor" && dependency.state === "memory" && missing.includes(dependency.key)
  );
  if (unreachable.length === 0) return begin(turn, task, "missing dependencies");
  const names = unreachable.map(({ key }) => key).join(", ");
  if (task.misses >= TRIES) {
    const message = `Cannot compute ${task.key}: no worker could fetch ${names} in ${TRIES} tries`;
    return failTask(turn, task, failureOf(new DependencyLostError(message, { executed: "no" })));
  }
  moveTask(turn, task, "blocked", `could not fetch ${names}`);
  task.missing = Infinity;
  const delay = Math.min(FIRST_DELAY * 2 ** (task.misses - 1), LONGEST_DELAY);
  turn.instructions.push({ type: "setTimer", timer: `again ${task.key}`, delay });
  if (task.misses < TRIES_BEFORE_RERUN) return;
  for (const dependency of unreachable) {
    const [worker] = dependency.holders;
    if (dependency.recipe === undefined || !worker) continue;
    forgetAt(turn, dependency);
    loseResults(turn, [dependency], worker, "unreachable");
  }
}

/** The record of what this very host was told to run or store. */
function findTask(
  turn: Turn,
  { worker, host, key }: { readonly worker: string; readonly host: string; readonly key: string },
  kind: TaskRecord["kind"],
): TaskRecord | undefined {
  const task = turn.state.keys.get(key);
  if (task?.kind !== kind || task.state !== "processing") return undefined;
  return task.worker?.id === worker && task.worker.host?.incarnation === host ? task : undefined;
}

/** A host keeps what nobody wants any more, or not from it. */
export function refuse(turn: Turn, event: EventOf<"computed" | "stored" | "copied">): void {
  const worker = turn.state.workers.get(event.worker);
  if (worker?.host?.incarnation !== event.host) return;
  const task = turn.state.keys.get(event.key);
  const isIts = task && task.kind !== "actor" && task.run === event.run && worker.results.has(task);
  if (!isIts) sendForget(turn, event.worker, event);
}
