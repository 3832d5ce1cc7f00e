/**
 * How tasks and values end: not needed any more, failed, cancelled or lost.
 *
 * @module
 */

import {
  CallCancelledError,
  ConnectionLostError,
  decodeError,
  DependencyLostError,
  encodeError,
  type StatusBody,
} from "../protocol/mod.ts";
import { begin, dropRecipe, unlink, unsettleWaiters } from "./dependencies.ts";
import { fail } from "./endings.ts";
import { answerLookups } from "./lookups.ts";
import { keyHolder, removeEdge, removeEdgesTo, targetsOf } from "./references.ts";
import type { ActorRecord, WorkerRecord } from "./state.ts";
import { forgetAt, moveTask, sendForget, vacateTask } from "./task_moves.ts";
import { canRunAgain, isUnfinished, type KeyRecord, type TaskRecord } from "./task_record.ts";
import { failureOf, statusOf, tellHolders, type Turn } from "./turn.ts";

/** How many hosts may be lost while they run a task before it is blamed. */
const MOST_DEATHS = 3;

/** Nobody needs a value: all of it goes, except what is needed to have it again for what depended on it. */
export function abandon(turn: Turn, task: TaskRecord): void {
  const { references, keys } = turn.state;
  const keepsRecipe = task.kind === "task" && task.recipe !== undefined && task.dependents.size > 0;
  if (task.state === "released" && keepsRecipe) return;
  removeEdgesTo(references, task.key);
  if (task.lookups.length > 0) answerLookups(turn, task, notThere(task.key));
  haltWork(turn, task);
  forgetAt(turn, task);
  dropHeld(turn, task.key);
  task.failure = undefined;
  task.valueRefs = [];
  task.value = undefined;
  if (keepsRecipe) return moveTask(turn, task, "released");
  moveTask(turn, task, "gone");
  dropRecipe(turn, task);
  keys.delete(task.key);
}

/** A value will never be there: all who hold it are told, and what depends on it fails as well. */
export function failTask(turn: Turn, first: TaskRecord, body: StatusBody): void {
  const failing: [TaskRecord, StatusBody][] = [[first, body]];
  for (const [task, body] of failing) {
    // More than one of its dependencies may have failed.
    if (task.state === "erred" || task.state === "gone") continue;
    haltWork(turn, task);
    unlink(turn, task);
    dropHeld(turn, task.key);
    dropRecipe(turn, task);
    task.owner = undefined;
    task.value = undefined;
    task.failure = body;
    moveTask(turn, task, "erred", body.status);
    tellHolders(turn, task, body);
    if (task.lookups.length > 0) answerLookups(turn, task, errorOf(task.key, body));
    turn.suspects.add(task);
    for (const waiter of startableWaiters(task)) {
      const derived = failureOfDependent(task.key, body);
      if (waiter.kind === "actor") failActor(turn, waiter, derived);
      else failing.push([waiter, derived]);
    }
  }
}

/** An actor will not run, or no longer: what waits for it fails. */
export function failWaiters(turn: Turn, record: KeyRecord, body: StatusBody): void {
  for (const waiter of startableWaiters(record)) {
    const derived = failureOfDependent(record.key, body);
    if (waiter.kind === "actor") failActor(turn, waiter, derived);
    else failTask(turn, waiter, derived);
  }
}

/** Something depends on what has failed already, or is gone. */
export function failDependent(turn: Turn, dependent: KeyRecord, dependency: KeyRecord): void {
  const body = dependency.kind !== "actor" && dependency.failure
    ? failureOfDependent(dependency.key, dependency.failure)
    : failureOf(notThere(dependency.key));
  if (dependent.kind === "actor") failActor(turn, dependent, body);
  else failTask(turn, dependent, body);
}

/** More than one of its arguments may have failed: the first counts. */
function failActor(turn: Turn, actor: ActorRecord, body: StatusBody): void {
  if (actor.state !== "gone") fail(turn, actor, body, errorOf(actor.key, body));
}

/** Someone cancelled a value for everyone. Tasks that run with it may finish. */
export function cancelTask(turn: Turn, task: TaskRecord, reason: string | undefined): void {
  const { references } = turn.state;
  const body = statusOf("cancelled", { reason });
  tellHolders(turn, task, body);
  removeEdgesTo(references, task.key);
  if (task.lookups.length > 0) answerLookups(turn, task, errorOf(task.key, body));
  task.owner = undefined;
  failWaiters(turn, task, body);
  turn.suspects.add(task);
}

/**
 * Values are gone with the last host that kept them, or must be had again: those that may run again do, as far as they are
 * needed; the others are lost for good.
 */
export function loseResults(turn: Turn, tasks: readonly TaskRecord[], worker: WorkerRecord, reason: string): void {
  // All before any: one may be among what another needs.
  for (const task of tasks) {
    dropHeld(turn, task.key);
    unsettleWaiters(turn, task);
    moveTask(turn, task, "released", reason);
  }
  for (const task of tasks) {
    if (canRunAgain(task)) continue;
    const error = new DependencyLostError(
      `Lost ${task.key} with worker ${worker.name} (${reason}): ${whyNot(task)}${detailOf(worker)}`,
      { executed: "unknown" },
    );
    failTask(turn, task, statusOf("lost", { reason, worker: worker.name, error: encodeError(error) }));
  }
  for (const task of tasks) if (task.state === "released") begin(turn, task, `lost on ${worker.name}`);
}

/** The host that ran a task, or was about to store a value, is gone. */
export function interrupt(turn: Turn, task: TaskRecord, worker: WorkerRecord, reason: string): void {
  vacateTask(turn, task);
  if (task.kind !== "task") return moveTask(turn, task, "waiting", reason);
  task.deaths++;
  const where = `while worker ${worker.name} ran it (${reason})`;
  if (!task.pure) {
    const message = `Lost ${task.key} ${where}: it is not pure, so it must not run twice${detailOf(worker)}`;
    const error = encodeError(new ConnectionLostError(message, { executed: "unknown" }));
    return failTask(turn, task, statusOf("lost", { reason, worker: worker.name, error, executed: "unknown" }));
  }
  if (task.deaths >= MOST_DEATHS) {
    const message = `Cannot compute ${task.key}: its host was lost ${task.deaths} times while it ran, the last time ` +
      `on worker ${worker.name} (${reason}). It is likely the cause${detailOf(worker)}`;
    return failTask(turn, task, failureOf(new ConnectionLostError(message, { executed: "unknown" })));
  }
  begin(turn, task, where);
}

/** The failure of what depends on a key that failed: its very error, or where it was lost one that says so. */
export function failureOfDependent(key: string, body: StatusBody): StatusBody {
  if (body.status === "error") return statusOf("error", { error: body.error, executed: "no" });
  return statusOf("error", { error: encodeError(errorOf(key, body)), executed: "no" });
}

/** What is said of a key that nobody knows. */
export function notThere(key: string): DependencyLostError {
  return new DependencyLostError(`Cannot find ${key}: it was released, or never submitted`, { executed: "no" });
}

/** The error in a status, for whoever asks. */
export function errorOf(key: string, { status, error, reason, worker }: StatusBody): Error {
  if (status === "cancelled") {
    const why = reason ? `: ${reason}` : "";
    return new CallCancelledError(`${key} was cancelled${why}`, { executed: "no" });
  }
  const cause = error && decodeError(error);
  if (status !== "lost") return cause ?? notThere(key);
  if (cause instanceof DependencyLostError) return cause;
  return new DependencyLostError(`${key} is lost with worker ${worker} (${reason})`, {
    executed: "no",
    ...cause && { cause },
  });
}

/** Stops what is under way for a value, and takes it from where it waits. */
function haltWork(turn: Turn, task: TaskRecord): void {
  if (!isUnfinished(task)) return;
  const { worker, key, run } = task;
  if (task.state === "processing" && worker) {
    if (task.kind === "task") turn.instructions.push({ type: "sendCancelCompute", worker: worker.id, key, run });
    // The host may have stored it, or have finished an attempt of which nobody wanted to hear any more.
    sendForget(turn, worker.id, task);
    vacateTask(turn, task);
  }
  clearTimers(turn, task);
  unlink(turn, task);
}

/** Clears the timers of a task that has finished, or will not. */
export function clearTimers(turn: Turn, task: TaskRecord): void {
  if (task.timeout !== undefined) turn.instructions.push({ type: "clearTimer", timer: `deadline ${task.key}` });
  if (task.missing === Infinity) turn.instructions.push({ type: "clearTimer", timer: `again ${task.key}` });
  task.missing = 0;
}

/** Takes away what an actor, task or result held, except `kept`. */
export function dropHeld(turn: Turn, key: string, kept: readonly string[] = []): void {
  const { references, keys } = turn.state;
  // Most hold nothing: this takes no other text.
  if (!references.holding.has(key)) return;
  const holder = keyHolder(key);
  const stays = new Set(kept);
  for (const target of targetsOf(references, holder)) {
    if (stays.has(target)) continue;
    removeEdge(references, holder, target);
    const record = keys.get(target);
    if (record) turn.suspects.add(record);
  }
}

/** Those that have not started: the others have what they need, or will say that they have not. */
function startableWaiters(record: KeyRecord): KeyRecord[] {
  return [...record.waiters].filter(({ state }) => state === "blocked" || state === "waiting");
}

function detailOf({ fullOf }: WorkerRecord): string {
  return fullOf && `. ${fullOf}`;
}

function whyNot(task: TaskRecord): string {
  return task.kind === "task"
    ? "it is not pure, so it must not run twice"
    : "what was scattered cannot be computed again";
}
