/**
 * What clients do.
 *
 * @module
 */

import {
  ActorNotFoundError,
  CallCancelledError,
  CloseCode,
  NoWorkerError,
  SerializationError,
} from "../protocol/mod.ts";
import { admit, withdrawNext } from "./admission.ts";
import { stop, stopIfFree } from "./endings.ts";
import type { EventOf } from "./events.ts";
import { isWanted } from "./placement.ts";
import { addEdge, clientHolder, removeEdge, removeEdgesTo, targetsOf } from "./references.ts";
import type { ClientRecord } from "./state.ts";
import { answerLookup, failureOf, forgetAsker, statusOf, tellClient, tellHolders, type Turn } from "./turn.ts";

/** How long a client whose connection broke may stay away before its keys are released, in milliseconds. */
export const CLIENT_GRACE = 10_000;

/** How much longer than its own timeout a retiring worker is waited for, in milliseconds. */
export const DRAIN_GRACE = 2_000;

/** Keys are names for people, and are kept. */
const LONGEST_KEY = 1024;

/** A new session, or one that comes back: it hears what it missed. */
export function onClientJoined(turn: Turn, event: EventOf<"clientJoined">): void {
  const { clients, sessions } = turn.state;
  const { client: id, session, versions } = event;
  const known = clients.get(id);
  if (known) {
    known.away = false;
    known.versions = versions;
    known.ticketed.clear();
    turn.instructions.push({ type: "clearTimer", timer: `grace ${id}` });
    const missed = [...known.missed];
    known.missed.clear();
    for (const [key, body] of missed) tellClient(turn, id, key, body);
    note(turn, id, "away", "here");
    return;
  }
  const number = turn.state.sessionCount++;
  clients.set(id, { id, session, number, versions, away: false, missed: new Map(), ticketed: new Map() });
  sessions.set(session, id);
  note(turn, id, "", "here");
}

/** A client closed its session, or its connection broke: then its keys are kept for a while. */
export function onClientLeft(turn: Turn, event: EventOf<"clientLeft">): void {
  const client = turn.state.clients.get(event.client);
  if (!client) return;
  forgetAsker(turn, "client", client.id);
  if (event.closed) return removeClient(turn, client);
  client.away = true;
  turn.instructions.push({ type: "setTimer", timer: `grace ${client.id}`, delay: CLIENT_GRACE });
  note(turn, client.id, "here", "away");
}

/** A client stayed away for too long. */
export function onGraceOver(turn: Turn, id: string): void {
  const client = turn.state.clients.get(id);
  if (client?.away) removeClient(turn, client);
}

/** A client wants an actor. */
export function onSubmitted(turn: Turn, event: EventOf<"submitted">): void {
  const wrong = findMistake(event);
  if (wrong === undefined) return admit(turn, event);
  const message = `Cannot submit ${event.key.slice(0, 100)}: ${wrong}`;
  tellClient(turn, event.client, event.key, failureOf(new SerializationError(message, { executed: "no" })));
}

/** A client got handles from elsewhere. What it cannot hold any more it finds out when it calls. */
export function onHeld(turn: Turn, event: EventOf<"held">): void {
  for (const key of event.keys) {
    const actor = turn.state.actors.get(key);
    if (actor && actor.state !== "stopping") addEdge(turn.state.references, clientHolder(event.client), key);
  }
}

/** A client no longer holds keys. */
export function onReleased(turn: Turn, event: EventOf<"released">): void {
  for (const key of event.keys) releaseKey(turn, event.client, key);
}

/** A client stops keys for everyone. */
export function onCancelled(turn: Turn, event: EventOf<"cancelled">): void {
  for (const key of event.keys) {
    const actor = turn.state.actors.get(key);
    if (!actor) continue;
    tellHolders(turn, actor, statusOf("cancelled", { reason: event.reason }));
    if (actor.state === "stopping") {
      for (const { client } of [...actor.next]) withdrawNext(turn, actor, client);
      removeEdgesTo(turn.state.references, key);
    } else {
      const why = event.reason ? `: ${event.reason}` : "";
      stop(turn, actor, `cancelled${why}`, () => new CallCancelledError(`Cancelled the actor ${key}${why}`));
    }
  }
}

/** Someone looks an actor up; a client holds it from now on. One that does not run yet is answered when it does. */
export function onLookedUp(turn: Turn, event: EventOf<"lookedUp">): void {
  const { asker, key } = event;
  const actor = turn.state.actors.get(key);
  if (!actor || actor.state === "stopping") {
    const error = new ActorNotFoundError(`Cannot find the actor ${key}: no actor has this key`);
    turn.instructions.push({ type: "answer", asker, name: "getActor", error });
    return;
  }
  if (asker.role === "client") addEdge(turn.state.references, clientHolder(asker.id), key);
  if (actor.reference) answerLookup(turn, asker, actor.reference);
  else actor.lookups.push(asker);
}

/** Someone retires workers: nothing is placed there any more, and the answer comes when they have left. */
export function onRetired(turn: Turn, event: EventOf<"retired">): void {
  const { workers, retirements } = turn.state;
  const { asker, timeout } = event;
  const chosen = event.workers.length === 0
    ? []
    : [...workers.values()].filter((worker) => isWanted(worker, event.workers));
  if (chosen.length === 0) {
    const here = [...workers.values()].map(({ name }) => name).join(", ") || "none";
    const message = `Cannot retire ${JSON.stringify(event.workers)}: no such worker. Workers: ${here}`;
    turn.instructions.push({ type: "answer", asker, name: "retireWorkers", error: new NoWorkerError(message) });
    return;
  }
  const ids = chosen.map(({ id }) => id);
  retirements.add({ asker, workers: ids, pending: new Set(ids) });
  for (const worker of chosen) {
    worker.draining = true;
    turn.instructions.push({ type: "sendDrain", worker: worker.id, timeout });
    turn.instructions.push({ type: "setTimer", timer: `drain ${worker.id}`, delay: timeout + DRAIN_GRACE });
    note(turn, worker.id, "here", "draining");
  }
  turn.placesChanged = true;
}

/** A worker that should have left is still here. */
export function onDrainOver(turn: Turn, id: string): void {
  if (!turn.state.workers.has(id)) return;
  const reason = "The worker did not leave in time";
  turn.instructions.push({ type: "closeWorker", worker: id, code: CloseCode.draining, reason });
}

function removeClient(turn: Turn, client: ClientRecord): void {
  for (const key of targetsOf(turn.state.references, clientHolder(client.id))) releaseKey(turn, client.id, key);
  turn.state.clients.delete(client.id);
  turn.state.sessions.delete(client.session);
  turn.instructions.push({ type: "clearTimer", timer: `grace ${client.id}` });
  note(turn, client.id, client.away ? "away" : "here", "gone");
}

function releaseKey(turn: Turn, client: string, key: string): void {
  if (!removeEdge(turn.state.references, clientHolder(client), key)) return;
  turn.state.clients.get(client)?.missed.delete(key);
  const actor = turn.state.actors.get(key);
  if (!actor) return;
  if (actor.state === "stopping") withdrawNext(turn, actor, client);
  else stopIfFree(turn, actor);
}

function findMistake({ key, body }: EventOf<"submitted">): string | undefined {
  if (key === "" || key.length > LONGEST_KEY) return `a key has 1 to ${LONGEST_KEY} characters, this one ${key.length}`;
  for (const [name, amount] of Object.entries(body.resources ?? {})) {
    if (amount < 0) return `resources.${name} is ${amount}: give 0 or more`;
  }
  if (body.timeout !== undefined && body.timeout < 0) return `timeout is ${body.timeout}: give 0 or more milliseconds`;
  if (!body.actor) return "this scheduler creates actors only: give the option actor: true";
  return undefined;
}

function note(turn: Turn, subject: string, from: string, to: string): void {
  turn.state.story.add({ at: turn.at, subject, from, to, cause: turn.event });
}
