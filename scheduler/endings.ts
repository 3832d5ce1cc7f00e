/**
 * How actors end: released, cancelled, failed or lost.
 *
 * @module
 */

import { ActorLostError, ActorNotFoundError, type StatusBody } from "../protocol/mod.ts";
import { admitNext } from "./admission.ts";
import { move, vacate } from "./assignment.ts";
import { isHeld, removeEdgesTo } from "./references.ts";
import type { ActorRecord } from "./state.ts";
import { answerLookups, statusOf, tellHolders, type Turn } from "./turn.ts";

/** Ends an actor that nobody holds, unless it is ending already. */
export function stopIfFree(turn: Turn, actor: ActorRecord): void {
  if (actor.state === "stopping" || isHeld(turn.state.references, actor.key)) return;
  stop(turn, actor, "released", () => {
    return new ActorNotFoundError(`Cannot find the actor ${actor.key}: it was released`);
  });
}

/**
 * Takes an actor from all who hold it: it is gone at once where it has no worker, else when its host says so. One that
 * is being created is destroyed as soon as it stands.
 *
 * @param cause For the story.
 * @param error For those who look it up.
 */
export function stop(turn: Turn, actor: ActorRecord, cause: string, error: () => Error): void {
  letGo(turn, actor, error);
  if (actor.state === "waiting") return leave(turn, actor, cause);
  if (actor.state === "running") sendDestroy(turn, actor);
  move(turn, actor, "stopping", cause);
}

/** Tells the host of an actor to destroy it. */
export function sendDestroy(turn: Turn, actor: ActorRecord): void {
  const { worker, key, incarnation } = actor;
  turn.instructions.push({ type: "sendDestroy", worker: worker!, key, incarnation: incarnation! });
}

/** An actor ended against the will of its holders: they are told, and it is gone. */
export function fail(turn: Turn, actor: ActorRecord, body: StatusBody, error: Error): void {
  // The edges to a stopping actor are those of its successor.
  if (actor.state !== "stopping") {
    tellHolders(turn, actor, body);
    letGo(turn, actor, () => error);
  }
  leave(turn, actor, error.message);
}

/** An actor is gone with its worker, host or isolate. */
export function lose(turn: Turn, actor: ActorRecord, reason: string): void {
  const worker = turn.state.workers.get(actor.worker!)?.name ?? actor.worker!;
  const error = new ActorLostError(`Lost the actor ${actor.key} on ${worker}: ${reason}`, { worker, reason });
  fail(turn, actor, statusOf("lost", { reason, worker }), error);
}

/** Takes an actor out of the tables, and takes up the submissions of its key that waited for this. */
export function leave(turn: Turn, actor: ActorRecord, cause: string): void {
  turn.instructions.push({ type: "clearTimer", timer: `deadline ${actor.key}` });
  vacate(turn, actor);
  move(turn, actor, "gone", cause);
  turn.state.actors.delete(actor.key);
  admitNext(turn, actor);
}

function letGo(turn: Turn, actor: ActorRecord, error: () => Error): void {
  removeEdgesTo(turn.state.references, actor.key);
  if (actor.lookups.length > 0) answerLookups(turn, actor, error());
  turn.instructions.push({ type: "clearTimer", timer: `deadline ${actor.key}` });
}
