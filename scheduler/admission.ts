/**
 * Submissions: each makes an actor, or a holder more of the one that has its key.
 *
 * @module
 */

import { CallTimeoutError, KeyConflictError, type SubmittedTarget } from "../protocol/mod.ts";
import { enqueue, tryPlace } from "./assignment.ts";
import type { EventOf } from "./events.ts";
import { addEdge, clientHolder, holds, removeEdge } from "./references.ts";
import { type ActorRecord, wishesOf, wishTextOf } from "./state.ts";
import { failureOf, tellClient, tellPresent, type Turn } from "./turn.ts";

type Submission = EventOf<"submitted">;

/** Takes up a submission. Where its key is in use for the same target, its arguments count for nothing. */
export function admit(turn: Turn, event: Submission): void {
  const { references, actors } = turn.state;
  const { key, client, body } = event;
  const known = actors.get(key);
  if (known?.state === "stopping") {
    addEdge(references, clientHolder(client), key);
    known.next.push(event);
    setNextDeadline(turn, known);
    return;
  }
  if (known && !isSameTarget(known.target, body.target)) {
    tellClient(turn, client, key, failureOf(keyConflict(key, known.target, body.target)));
    return;
  }
  addEdge(references, clientHolder(client), key);
  if (body.detached) addEdge(references, "detached", key);
  if (known) tellPresent(turn, client, known);
  else create(turn, event);
}

/** Takes up, in their order, the submissions that waited for the end of an actor, except where their client gave up. */
export function admitNext(turn: Turn, ended: ActorRecord): void {
  const { references } = turn.state;
  const waiting = ended.next.filter(({ client, key }) => holds(references, clientHolder(client), key));
  // Each gets its edge back when it is taken up; one for another target than the first's does not.
  for (const { client, key } of waiting) removeEdge(references, clientHolder(client), key);
  for (const event of waiting) admit(turn, event);
}

/** Forgets what a client submitted to follow a stopping actor. */
export function withdrawNext(turn: Turn, actor: ActorRecord, client: string): void {
  const kept = actor.next.filter((event) => event.client !== client);
  actor.next.splice(0, actor.next.length, ...kept);
  setNextDeadline(turn, actor);
}

/** Fails the submissions that have waited too long for the end of a stopping actor. */
export function expireNext(turn: Turn, actor: ActorRecord): void {
  for (const event of [...actor.next]) {
    if (remaining(turn, event) > 0) continue;
    const message =
      `Cannot create ${event.key} within ${event.body.timeout} ms: the actor that had this key still stops`;
    tellClient(turn, event.client, event.key, failureOf(new CallTimeoutError(message, { executed: "no" })));
    actor.next.splice(actor.next.indexOf(event), 1);
    if (!actor.next.some(({ client }) => client === event.client)) {
      removeEdge(turn.state.references, clientHolder(event.client), event.key);
    }
  }
  setNextDeadline(turn, actor);
}

function setNextDeadline(turn: Turn, actor: ActorRecord): void {
  const delay = Math.min(...actor.next.map((event) => remaining(turn, event)));
  const timer = `deadline ${actor.key}` as const;
  turn.instructions.push(delay === Infinity ? { type: "clearTimer", timer } : { type: "setTimer", timer, delay });
}

/** Milliseconds that are left of a submission's timeout. Timers count in whole ones, and may be early by a part. */
function remaining(turn: Turn, event: Submission): number {
  const left = (event.body.timeout ?? Infinity) - (turn.at - event.at);
  return left < 1 ? 0 : left;
}

function create(turn: Turn, event: Submission): void {
  const { key, client, body, submitted, args, refs } = event;
  const wishes = wishesOf(body);
  const actor: ActorRecord = {
    key,
    target: body.target,
    wishes,
    wishText: wishTextOf(wishes),
    priority: body.priority ?? 0,
    number: ++turn.state.count,
    timeout: body.timeout,
    retries: body.retries ?? 0,
    state: "waiting",
    refusal: undefined,
    worker: undefined,
    host: undefined,
    incarnation: undefined,
    creation: { submitted, args, refs },
    homeKind: undefined,
    reference: undefined,
    lookups: [],
    next: [],
  };
  turn.state.actors.set(key, actor);
  enqueue(turn.state.waiting, actor);
  turn.state.story.add({ at: turn.at, subject: key, from: "", to: "waiting", cause: `${turn.event} by ${client}` });
  if (body.timeout !== undefined) {
    turn.instructions.push({ type: "setTimer", timer: `deadline ${key}`, delay: remaining(turn, event) });
  }
  // Where places have changed in this turn, all that wait are tried in their order at the end of it.
  if (!turn.placesChanged) tryPlace(turn, actor);
}

/** A target sent by value has its source in its URL, so equal URLs are equal sources. */
function isSameTarget(one: SubmittedTarget, other: SubmittedTarget): boolean {
  return one.module === other.module && one.export === other.export;
}

function keyConflict(key: string, used: SubmittedTarget, wanted: SubmittedTarget): KeyConflictError {
  return new KeyConflictError(
    `Cannot create ${key} from ${describe(wanted)}: the key is in use for ${describe(used)}. Give another key, or ` +
      "release that actor first",
    { executed: "no" },
  );
}

function describe({ name, export: exported, module, byValue }: SubmittedTarget): string {
  return byValue ? `${name} (sent by value)` : `${exported} of ${module}`;
}
