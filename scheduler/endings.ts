/**
 * How actors end: released, cancelled, failed or lost.
 *
 * @module
 */

import { ActorLostError, ActorNotFoundError, encodeError, type StatusBody, type TroupeError } from "../protocol/mod.ts";
import { admitNext } from "./admission.ts";
import { move, vacate } from "./assignment.ts";
import { dependsOn, unlink } from "./dependencies.ts";
import { answerLookups } from "./lookups.ts";
import { removeEdgesTo } from "./references.ts";
import type { ActorRecord } from "./state.ts";
import { dropHeld, failWaiters, notThere } from "./task_endings.ts";
import { removeRecord, withRecord } from "./task_record.ts";
import { failureOf, statusOf, tellHolders, type Turn } from "./turn.ts";

/**
 * Takes an actor from all who hold it: it is gone at once where it has no worker, else when its host says so. The host
 * gives up a creation that is under way, as its constructor or factory may never come back.
 *
 * @param cause For the story.
 * @param error For those who look it up.
 */
export function stop(turn: Turn, actor: ActorRecord, cause: string, error: () => TroupeError): void {
  letGo(turn, actor, error);
  if (actor.waiters.size > 0) failWaiters(turn, actor, failureOf(error()));
  if (actor.state === "blocked" || actor.state === "waiting") return leave(turn, actor, cause);
  sendDestroy(turn, actor);
  unlink(turn, actor);
  actor.dependencies = [];
  move(turn, actor, "stopping", cause);
}

function sendDestroy(turn: Turn, actor: ActorRecord): void {
  const { worker, key, incarnation } = actor;
  turn.instructions.push({ type: "sendDestroy", worker: worker!, key, incarnation: incarnation! });
}

/** An actor ended against the will of its holders: they are told, and it is gone. */
export function fail(turn: Turn, actor: ActorRecord, body: StatusBody, error: Error): void {
  // The edges to a stopping actor are those of its successor.
  if (actor.state !== "stopping") {
    tellHolders(turn, actor, body);
    letGo(turn, actor, () => error);
    if (actor.waiters.size > 0) failWaiters(turn, actor, { ...body, error: body.error ?? encodeError(error) });
  }
  leave(turn, actor, error.message);
}

/** An actor is gone with its worker, host or isolate. */
export function lose(turn: Turn, actor: ActorRecord, reason: string): void {
  const { name: worker = actor.worker!, fullOf } = turn.state.workers.get(actor.worker!) ?? {};
  const detail = fullOf || undefined;
  const said = detail ? `${reason}. ${detail}` : reason;
  const error = new ActorLostError(`Lost the actor ${actor.key} on ${worker}: ${said}`, { worker, reason });
  fail(turn, actor, statusOf("lost", { reason, worker, detail }), error);
}

/** Takes an actor out of the tables, and takes up the submissions of its key that waited for this. */
export function leave(turn: Turn, actor: ActorRecord, cause: string): void {
  turn.instructions.push({ type: "clearTimer", timer: `deadline ${actor.key}` });
  vacate(turn, actor);
  move(turn, actor, "gone", cause);
  turn.state.keys.delete(actor.key);
  turn.state.actors.delete(actor.key);
  unlink(turn, actor);
  dropHeld(turn, actor.key);
  admitNext(turn, actor);
  passWaiters(turn, actor);
}

/** What was submitted with the key of a stopping actor meant the one that follows it, if one does. */
function passWaiters(turn: Turn, actor: ActorRecord): void {
  if (actor.waiters.size === 0) return;
  const next = turn.state.actors.get(actor.key);
  if (!next) {
    const error = new ActorNotFoundError(`Cannot find the actor ${actor.key}: it has ended`, { executed: "no" });
    return failWaiters(turn, actor, failureOf(error));
  }
  for (const waiter of actor.waiters) {
    if (waiter.state !== "blocked" && waiter.state !== "waiting") continue;
    // By a key that is used again even what was submitted later can be among the arguments.
    if (dependsOn(next, waiter)) continue;
    waiter.dependencies[waiter.dependencies.indexOf(actor)] = next;
    removeRecord(actor.waiters, waiter);
    next.waiters = withRecord(next.waiters, waiter);
  }
  if (actor.waiters.size > 0) failWaiters(turn, actor, failureOf(notThere(actor.key)));
}

function letGo(turn: Turn, actor: ActorRecord, error: () => Error): void {
  removeEdgesTo(turn.state.references, actor.key);
  if (actor.lookups.length > 0) answerLookups(turn, actor, error());
  turn.instructions.push({ type: "clearTimer", timer: `deadline ${actor.key}` });
}
