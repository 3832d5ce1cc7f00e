/**
 * Submissions: each makes an actor or a task, or a holder more of the one that has its key.
 *
 * @module
 */

import { CallTimeoutError, KeyConflictError, type SubmittedTarget } from "../protocol/mod.ts";
import { enqueue, tryPlace } from "./assignment.ts";
import { begin, resolve, unknownDependency } from "./dependencies.ts";
import { fail } from "./endings.ts";
import type { EventOf } from "./events.ts";
import { holdAll } from "./holding.ts";
import { addEdge, type Holder, holds, removeEdge } from "./references.ts";
import { type ActorRecord, type SchedulerState, wishesOf, wishTextOf } from "./state.ts";
import { createTask, joinTask } from "./task_admission.ts";
import { errorOf, failWaiters, notThere } from "./task_endings.ts";
import { stepAside } from "./task_moves.ts";
import { isUnfinished, type KeyRecord, NO_RECORDS, type TaskRecord } from "./task_record.ts";
import { failureOf, tellClient, tellPresent, type Turn } from "./turn.ts";

/** A submission that waits, and who holds what comes of it. */
export type Submission = EventOf<"submitted"> & { readonly by: Holder };

/** Takes up a submission, for whoever holds what comes of it. Where its key is in use for the same target, its arguments count for nothing. */
export function admit(turn: Turn, event: EventOf<"submitted">, by: Holder): void {
  const { references, keys } = turn.state;
  const { key, client, body } = event;
  const known = keys.get(key);
  if (known?.kind === "actor" && known.state === "stopping") {
    addEdge(references, by, key, client);
    known.next.push({ ...event, by });
    // Until it is taken up, the one that stops keeps what is among the arguments.
    holdAll(turn.state, key, event.refs);
    setNextDeadline(turn, known);
    return;
  }
  if (known && !isSame(known, event)) {
    tellClient(turn, client, key, failureOf(keyConflict(known, body.target)));
    return;
  }
  addEdge(references, by, key, client);
  if (body.detached) addEdge(references, "detached", key);
  if (known?.kind === "actor") tellPresent(turn, client, known);
  else if (body.actor && !known) create(turn, event);
  else {
    const waiting = waitingTasks(turn.state, event.chain);
    const parent = waiting.at(-1);
    if (known) joinTask(turn, known, event, parent);
    else createTask(turn, event, parent);
    if (waiting.length === 0 || !isUnfinished(keys.get(key)!)) return;
    for (const task of waiting) stepAside(turn, task);
  }
}

/** The tasks of a chain that run: each is there as `key#run`. */
function waitingTasks({ keys }: SchedulerState, chain: readonly string[] = []): readonly TaskRecord[] {
  if (chain.length === 0) return NO_TASKS;
  const tasks: TaskRecord[] = [];
  for (const link of chain) {
    const end = link.lastIndexOf("#");
    const record = keys.get(link.slice(0, end));
    if (record?.kind !== "task" || record.state !== "processing") continue;
    if (record.run === Number(link.slice(end + 1))) tasks.push(record);
  }
  return tasks;
}

const NO_TASKS: readonly TaskRecord[] = Object.freeze([]);

/** Takes up, in their order, the submissions that waited for the end of an actor, except where their client gave up. */
export function admitNext(turn: Turn, ended: ActorRecord): void {
  const { references } = turn.state;
  const waiting = ended.next.filter(({ by, key }) => holds(references, by, key));
  // Each gets its edge back when it is taken up; one for another target than the first's does not.
  for (const { by, key } of waiting) removeEdge(references, by, key);
  for (const event of waiting) admit(turn, event, event.by);
}

/** Forgets what a holder submitted to follow a stopping actor. */
export function withdrawNext(turn: Turn, actor: ActorRecord, by: Holder): void {
  const kept = actor.next.filter((event) => event.by !== by);
  actor.next.splice(0, actor.next.length, ...kept);
  if (kept.length === 0) failWaiters(turn, actor, failureOf(notThere(actor.key)));
  setNextDeadline(turn, actor);
}

/** Fails the submissions that have waited too long for the end of a stopping actor. */
export function expireNext(turn: Turn, actor: ActorRecord): void {
  for (const event of [...actor.next]) {
    if (remaining(turn, event) > 0) continue;
    const { by, client, key, body } = event;
    actor.next.splice(actor.next.indexOf(event), 1);
    // Who submitted it twice waits for the other one.
    if (actor.next.some((other) => other.by === by)) continue;
    const message = `Cannot create ${key} within ${body.timeout} ms: the actor that had this key still stops`;
    tellClient(turn, client, key, failureOf(new CallTimeoutError(message, { executed: "no" })));
    removeEdge(turn.state.references, by, key);
    if (actor.next.length === 0) failWaiters(turn, actor, failureOf(notThere(key)));
  }
  setNextDeadline(turn, actor);
}

function setNextDeadline(turn: Turn, actor: ActorRecord): void {
  const delay = Math.min(...actor.next.map((event) => remaining(turn, event)));
  const timer = `deadline ${actor.key}` as const;
  turn.instructions.push(delay === Infinity ? { type: "clearTimer", timer } : { type: "setTimer", timer, delay });
}

/** Milliseconds that are left of a submission's timeout. Timers count in whole ones, and may be early by a part. */
function remaining(turn: Turn, event: EventOf<"submitted">): number {
  const left = (event.body.timeout ?? Infinity) - (turn.at - event.at);
  return left < 1 ? 0 : left;
}

function create(turn: Turn, event: EventOf<"submitted">): void {
  const { key, client, body, submitted, args, refs } = event;
  const wishes = wishesOf(body);
  const { found, unknown } = resolve(turn.state, refs);
  const isBlocked = refs.length > 0;
  const actor: ActorRecord = {
    kind: "actor",
    key,
    target: body.target,
    wishes,
    wishText: wishTextOf(wishes),
    priority: body.priority ?? 0,
    number: ++turn.state.count,
    timeout: body.timeout,
    retries: body.retries ?? 0,
    state: isBlocked ? "blocked" : "waiting",
    refusal: undefined,
    worker: undefined,
    host: undefined,
    incarnation: undefined,
    creation: { submitted, args, refs },
    dependencies: found,
    missing: 0,
    waiters: NO_RECORDS,
    homeKind: undefined,
    reference: undefined,
    handle: undefined,
    lookups: [],
    next: [],
  };
  turn.state.keys.set(key, actor);
  turn.state.actors.set(key, actor);
  const { state } = actor;
  turn.state.story.add({ at: turn.at, subject: key, from: "", to: state, cause: `${turn.event} by ${client}` });
  if (body.timeout !== undefined) {
    turn.instructions.push({ type: "setTimer", timer: `deadline ${key}`, delay: remaining(turn, event) });
  }
  if (unknown.length > 0) {
    const body = unknownDependency(key, unknown);
    return fail(turn, actor, body, errorOf(key, body));
  }
  if (isBlocked) return begin(turn, actor);
  enqueue(turn.state.waiting, actor);
  // Where places have changed in this turn, all that wait are tried in their order at the end of it.
  if (!turn.placesChanged) tryPlace(turn, actor);
}

/** A target sent by value has its source in its URL, so equal URLs are equal sources. */
function isSame(known: KeyRecord, { body }: EventOf<"submitted">): boolean {
  const { target } = known;
  const isKind = known.kind === (body.actor ? "actor" : "task");
  return isKind && target!.module === body.target.module && target!.export === body.target.export;
}

function keyConflict(known: KeyRecord, wanted: SubmittedTarget): KeyConflictError {
  const { key, target } = known;
  const used = target ? describe(target) : known.kind === "data" ? "scattered data" : "the result of a call";
  return new KeyConflictError(
    `Cannot create ${key} from ${describe(wanted)}: the key is in use for ${used}. Give another key, or release ` +
      `that ${known.kind === "actor" ? "actor" : "one"} first`,
    { executed: "no" },
  );
}

function describe({ name, export: exported, module, byValue }: SubmittedTarget): string {
  return byValue ? `${name} (sent by value)` : `${exported} of ${module}`;
}
