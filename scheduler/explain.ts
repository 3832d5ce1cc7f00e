/**
 * Why something does not run, or where it runs. Pure.
 *
 * @module
 */

import type { Explanation } from "../protocol/snapshot.ts";
import type { WaitingView } from "./overview.ts";
import { describeWishes } from "./placement.ts";
import { holdersOf } from "./references.ts";
import type { ActorRecord, SchedulerState } from "./state.ts";
import { isUnfinished, type KeyRecord, missingKeys, type TaskRecord } from "./task_record.ts";
import { refusalOf } from "./task_queue.ts";

/** How many of those that something waits for are named. */
const NAMED = 20;

/** How far a chain of what waits for what is followed. */
const DEEPEST = 1000;

/**
 * Explains a key; `undefined` where nothing is known of it, and nothing is remembered.
 *
 * @param timeOf Milliseconds since 1970 of a time of the state's clock.
 */
export function explain(
  state: SchedulerState,
  key: string,
  timeOf: (at: number) => number,
): Explanation | undefined {
  const record = state.keys.get(key);
  const story = state.story.tell(key).map(({ at, from, to, cause }) => ({ at: timeOf(at), from, to, cause }));
  if (record === undefined) {
    const last = story.at(-1);
    if (last === undefined) return undefined;
    const summary = `It is gone: ${last.cause}. Nobody holds it any more, or it was ended`;
    return { ...NOTHING, key, kind: "unknown", status: "gone", summary, story };
  }
  const kind = record.kind;
  const name = record.target?.name ?? "";
  const waitsFor = record.state === "blocked"
    ? missingKeys(record).slice(0, NAMED).map((key) => describeMissing(state, key))
    : [];
  const roots = record.state === "blocked" ? rootsOf(record).map(({ key }) => describeMissing(state, key)) : [];
  return {
    key,
    kind,
    name,
    status: record.state,
    summary: summaryOf(state, record, roots),
    worker: workerOf(state, record),
    reason: whyItWaits(state, record),
    waitsFor,
    roots,
    holders: holdersOf(state.references, key).length,
    story,
  };
}

const NOTHING = { name: "", worker: undefined, reason: undefined, waitsFor: [], roots: [], holders: 0 };

/** What waits for a worker or for its arguments, and why: actors first, then what waits for longest. */
export function listWaiting(
  { keys, queues, story }: SchedulerState,
  timeOf: (at: number) => number,
  limit: number,
): WaitingView[] {
  const since = new Map<string, number>();
  for (const { subject, to, at } of story.tell()) {
    if (to === "waiting" || to === "blocked") since.set(subject, timeOf(at));
  }
  const waiting: WaitingView[] = [];
  for (const record of keys.values()) {
    const { key, kind, state } = record;
    if (state !== "waiting" && state !== "blocked") continue;
    const refusal = record.kind === "actor" ? record.refusal?.reason : refusalOf(queues, record)?.reason;
    const missing = state === "blocked" ? missingKeys(record) : [];
    const more = missing.length > 3 ? ` and ${missing.length - 3} more` : "";
    const reason = state === "blocked"
      ? record.kind === "external"
        ? "is the result of a call that has not ended"
        : `waits for ${missing.slice(0, 3).join(", ") || "another try to fetch its arguments"}${more}`
      : refusal ?? "waits for a free slot";
    waiting.push({ key, kind, name: record.target?.name ?? "", status: state, reason, since: since.get(key) ?? null });
  }
  const rank = ({ kind, status }: WaitingView) => (status === "waiting" ? 0 : 2) + (kind === "actor" ? 0 : 1);
  return waiting.sort((one, other) => rank(one) - rank(other)).slice(0, limit);
}

function describeMissing(state: SchedulerState, key: string): Explanation["waitsFor"][number] {
  const record = state.keys.get(key);
  if (record === undefined) return { key, name: "", status: "gone", summary: "It is gone" };
  return { key, name: record.target?.name ?? "", status: record.state, summary: summaryOf(state, record, []) };
}

/** What is at the ends of the chains that something waits for: what itself waits for no other value. */
function rootsOf(record: KeyRecord): KeyRecord[] {
  const seen = new Set<KeyRecord>([record]);
  const roots: KeyRecord[] = [];
  for (const each of seen) {
    if (seen.size > DEEPEST || roots.length >= NAMED) break;
    if (each !== record && each.state !== "blocked") {
      roots.push(each);
      continue;
    }
    for (const dependency of each.dependencies) {
      if (isUnfinished(dependency) || dependency.state === "erred" || dependency.state === "released") {
        seen.add(dependency);
      }
    }
    if (each !== record && each.state === "blocked" && each.kind === "external") roots.push(each);
  }
  return roots;
}

function summaryOf(
  state: SchedulerState,
  record: KeyRecord,
  roots: readonly { readonly key: string; readonly summary: string }[],
): string {
  const worker = workerOf(state, record);
  switch (record.state) {
    case "blocked": {
      if (record.kind === "external") return "It is the result of a call that has not ended";
      const missing = missingKeys(record);
      const names = missing.slice(0, 3).join(", ") + (missing.length > 3 ? ` and ${missing.length - 3} more` : "");
      const [root] = roots;
      const why = root && `; ${root.key}: ${root.summary.charAt(0).toLowerCase()}${root.summary.slice(1)}`;
      return missing.length === 0
        ? "It waits for another try to fetch what it depends on"
        : `It waits for ${names}${why ?? ""}`;
    }
    case "waiting": {
      const reason = whyItWaits(state, record);
      if (reason !== undefined) return `It waits for a worker: ${reason}`;
      return state.workers.size === 0
        ? "It waits for a worker: none has joined. Start one with deno task worker"
        : `It waits for a free slot: ${busySlots(state, record)}`;
    }
    case "starting":
      return `It is being created on ${worker}`;
    case "running":
      return `It runs on ${worker}`;
    case "stopping":
      return `It is being ended on ${worker}`;
    case "processing":
      return record.kind === "task" ? `It runs on ${worker}, or is next there` : `It is being stored on ${worker}`;
    case "memory":
      return worker ? `It is there, on ${worker}` : "It is there, at the scheduler";
    case "released":
      return "Nobody needs its value now; it is computed again when somebody does";
    case "erred":
      return "It failed: the future has the error";
    default:
      return "It is gone";
  }
}

function busySlots({ workers }: SchedulerState, record: KeyRecord): string {
  const slots = [...workers.values()].map(({ name, processing, aside, threads, paused, draining }) => {
    const state = paused
      ? "paused, its memory is full"
      : draining
      ? "leaving"
      : `${processing.size} tasks on ${threads} threads${
        aside.size > 0 ? `, ${aside.size} of which wait for what they have submitted` : ""
      }`;
    return `${name}: ${state}`;
  });
  const wishes = record.wishes.workers.length > 0 || record.wishes.resources.size > 0
    ? `needs ${describeWishes(record.wishes)}; `
    : "";
  return wishes + slots.slice(0, 8).join("; ") + (slots.length > 8 ? `; and ${slots.length - 8} more` : "");
}

function whyItWaits(state: SchedulerState, record: KeyRecord): string | undefined {
  if (record.state !== "waiting") return undefined;
  if (record.kind === "actor") return record.refusal?.reason;
  return refusalOf(state.queues, record)?.reason;
}

function workerOf({ workers }: SchedulerState, record: ActorRecord | TaskRecord): string | undefined {
  const id = record.kind === "actor" ? record.worker : record.worker?.id;
  return id === undefined ? undefined : workers.get(id)?.name ?? id;
}
