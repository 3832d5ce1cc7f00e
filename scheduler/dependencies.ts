/**
 * What needs what: tasks and actors wait until all that is among their arguments is there.
 *
 * @module
 */

import { DependencyLostError } from "../protocol/mod.ts";
import { move } from "./assignment.ts";
import type { ActorRecord, SchedulerState } from "./state.ts";
import { failDependent } from "./task_endings.ts";
import { moveTask } from "./task_moves.ts";
import {
  canRunAgain,
  hasValue,
  isUnfinished,
  type KeyRecord,
  removeRecord,
  type TaskRecord,
  withRecord,
} from "./task_record.ts";
import { failureOf, type Turn } from "./turn.ts";

/** The records of keys, each once, and those of which nothing is known. */
export function resolve(
  state: SchedulerState,
  refs: readonly string[],
): { readonly found: KeyRecord[]; readonly unknown: readonly string[] } {
  if (refs.length === 0) return { found: [], unknown: [] };
  const found = new Set<KeyRecord>();
  const unknown: string[] = [];
  for (const key of refs) {
    const record = state.keys.get(key);
    const isOver = record?.kind === "actor" && record.state === "stopping" && record.next.length === 0;
    if (record && !isOver) found.add(record);
    else unknown.push(key);
  }
  return { found: [...found], unknown };
}

/**
 * Sets a task or actor going, for the first time or again: it waits for what is missing, or else for a worker. Results
 * that were dropped are computed again first, and what they need, and so on.
 */
export function begin(turn: Turn, first: KeyRecord, cause = ""): void {
  const begun = [first];
  const revived = new Set<KeyRecord>();
  const broken: [dependent: KeyRecord, dependency: KeyRecord][] = [];
  for (const record of begun) {
    let failed: KeyRecord | undefined;
    let missing = 0;
    for (const dependency of record.dependencies) {
      if (dependency.kind !== "actor" && record.kind !== "actor" && record.pure) {
        dependency.dependents = withRecord(dependency.dependents, record);
      }
      dependency.waiters = withRecord(dependency.waiters, record);
      if (hasValue(dependency)) continue;
      missing++;
      if (dependency.kind !== "actor" && dependency.state === "released" && canRunAgain(dependency)) {
        if (!revived.has(dependency)) begun.push(dependency);
        revived.add(dependency);
      } else if (isOver(dependency)) {
        failed ??= dependency;
      }
    }
    record.missing = missing;
    if (failed) broken.push([record, failed]);
    else if (missing === 0) makeReady(turn, record, cause);
    else if (record.kind === "actor") move(turn, record, "blocked", cause);
    else moveTask(turn, record, "blocked", cause);
  }
  for (const [dependent, dependency] of broken) failDependent(turn, dependent, dependency);
}

/** What waited for nothing but a value goes on. */
export function settleWaiters(turn: Turn, record: KeyRecord): void {
  for (const waiter of record.waiters) {
    if (waiter.state === "blocked" && --waiter.missing === 0) makeReady(turn, waiter);
  }
}

/** A value is no longer there: what could have started waits for it again. */
export function unsettleWaiters(turn: Turn, record: KeyRecord): void {
  for (const waiter of record.waiters) {
    if (waiter.state === "blocked") {
      waiter.missing++;
    } else if (waiter.state === "waiting") {
      waiter.missing = 1;
      if (waiter.kind === "actor") move(turn, waiter, "blocked", `lost ${record.key}`);
      else moveTask(turn, waiter, "blocked", `lost ${record.key}`);
    }
  }
}

/** Something has started for good, or will not: it needs nothing any more. */
export function unlink(turn: Turn, record: KeyRecord): void {
  for (const dependency of record.dependencies) {
    removeRecord(dependency.waiters, record);
    if (dependency.waiters.size === 0 || isUnfinished(dependency)) turn.suspects.add(dependency);
  }
}

/** A task will not run again: what it needed need not be computed again for it. */
export function dropRecipe(turn: Turn, task: TaskRecord): void {
  task.recipe = undefined;
  for (const dependency of task.dependencies) {
    if (dependency.kind === "actor") continue;
    removeRecord(dependency.dependents, task);
    if (dependency.state === "released" && dependency.dependents.size === 0) turn.suspects.add(dependency);
  }
  task.dependencies = [];
}

/** Whether something needs, by whatever is between, what has not finished either. */
export function dependsOn(record: KeyRecord, other: KeyRecord): boolean {
  const visited = new Set([record]);
  for (const each of visited) {
    if (each === other) return true;
    if (isUnfinished(each)) { for (const dependency of each.dependencies) visited.add(dependency); }
  }
  return false;
}

/** What was submitted with keys of which nothing is known. */
export function unknownDependency(key: string, unknown: readonly string[]): ReturnType<typeof failureOf> {
  return failureOf(
    new DependencyLostError(
      `Cannot run ${key}: nothing is known of ${unknown.join(", ")} among its arguments. It was released, or never ` +
        "submitted",
      { executed: "no" },
    ),
  );
}

function makeReady(turn: Turn, record: KeyRecord, cause = ""): void {
  if (record.kind !== "actor") return moveTask(turn, record, "waiting", cause);
  move(turn, record as ActorRecord, "waiting", cause);
  turn.placesChanged = true;
}

/** Whether there will be no value. What a stopping actor's key will name is not known yet. */
function isOver(record: KeyRecord): boolean {
  if (record.kind === "actor") return record.state === "gone";
  return !isUnfinished(record) && record.state !== "memory";
}
