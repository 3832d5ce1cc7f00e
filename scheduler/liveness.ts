/**
 * What lives: what can be reached from a client session, an unfinished task or a detached key, through whatever holds
 * what. The rest ends, cycles together.
 *
 * Only what has lost an edge is looked at, and the look ends at the first root that is found.
 *
 * @module
 */

import { stop } from "./endings.ts";
import { abandon } from "./task_endings.ts";
import { heldByKey, type Holder } from "./references.ts";
import type { SchedulerState } from "./state.ts";
import { isUnfinished, type KeyRecord } from "./task_record.ts";
import type { Turn } from "./turn.ts";
import { ActorNotFoundError } from "../protocol/mod.ts";

/** Ends all that lost what kept it, and what only that kept, and so on. */
export function sweep(turn: Turn): void {
  const { suspects, state } = turn;
  // Known to live, until something has ended.
  const living = new Set<KeyRecord>();
  for (const suspect of suspects) {
    suspects.delete(suspect);
    const doomed = findDoomed(state, suspect, living);
    if (doomed.length === 0) continue;
    living.clear();
    for (const record of doomed) if (record.kind !== "actor") abandon(turn, record);
    for (const record of doomed) if (record.kind === "actor" && mayEnd(record)) release(turn, record);
  }
}

/** What ends with `start`, itself among it: nothing where it can be reached from a root. */
export function findDoomed(
  state: SchedulerState,
  start: KeyRecord,
  living: Set<KeyRecord> = new Set(),
): readonly KeyRecord[] {
  if (!mayEnd(start) || living.has(start)) return NOTHING;
  const holders = state.references.holders.get(start.key);
  if (holders === undefined) {
    if (start.waiters.size === 0) return [start];
  } else {
    for (const holder of holders.keys()) {
      if (isRoot(holder)) return NOTHING;
      break;
    }
  }
  // Unfinished tasks are roots for what they need. Whether they live themselves, only the whole way up can tell.
  const isWhole = isUnfinished(start);
  const visited = new Set([start]);
  const path = [whatKeeps(state, start)];
  const records = [start];
  while (path.length > 0) {
    const { value: keeper, done } = path.at(-1)!.next();
    if (done) {
      path.pop();
      records.pop();
      continue;
    }
    if (keeper === ROOT || living.has(keeper) || !mayEnd(keeper)) {
      for (const record of records) living.add(record);
      return NOTHING;
    }
    if (!isWhole && isRunning(keeper)) return NOTHING;
    if (visited.has(keeper)) continue;
    visited.add(keeper);
    path.push(whatKeeps(state, keeper));
    records.push(keeper);
  }
  return [...visited];
}

const NOTHING: readonly KeyRecord[] = Object.freeze([]);
const ROOT = Symbol("root");

function* whatKeeps(state: SchedulerState, record: KeyRecord): Generator<KeyRecord | typeof ROOT, undefined> {
  const holders = state.references.holders.get(record.key);
  if (holders) {
    for (const holder of holders.keys()) {
      if (isRoot(holder)) yield ROOT;
      else {
        const keeper = state.keys.get(heldByKey(holder)!);
        if (keeper) yield keeper;
      }
    }
  }
  yield* record.waiters;
}

function isRoot(holder: Holder): boolean {
  return !holder.startsWith("key:");
}

/** Unfinished actors are no roots: whoever wants them is. */
function isRunning(record: KeyRecord): boolean {
  return record.kind !== "actor" && isUnfinished(record);
}

/** Whether the end of a record is not under way, and not in the hands of a client that promised it. */
function mayEnd(record: KeyRecord): boolean {
  if (record.kind === "actor") return record.state !== "stopping" && record.state !== "gone";
  return record.state !== "gone" && record.owner === undefined;
}

function release(turn: Turn, actor: Extract<KeyRecord, { kind: "actor" }>): void {
  stop(turn, actor, "released", () => {
    return new ActorNotFoundError(`Cannot find the actor ${actor.key}: it was released`);
  });
}
