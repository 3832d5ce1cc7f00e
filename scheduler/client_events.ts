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
import { begin } from "./dependencies.ts";
import { stop } from "./endings.ts";
import type { EventOf } from "./events.ts";
import { holderOf, newHolderOf } from "./holding.ts";
import { expectKey, forgetExpectations } from "./expected.ts";
import { beginLeaving } from "./leaving.ts";
import { addLookup, answerPresent, forgetAsker } from "./lookups.ts";
import { isWanted } from "./placement.ts";
import { addEdge, clientHolder, type Holder, removeEdge, removeEdgesTo, targetsOf } from "./references.ts";
import type { ClientRecord } from "./state.ts";
import { breakPromises, presentStatus } from "./task_admission.ts";
import { cancelTask, errorOf, notThere } from "./task_endings.ts";
import { refreshWorker } from "./task_moves.ts";
import { canRunAgain, hasValue, type KeyRecord, type Lookup } from "./task_record.ts";
import { failureOf, statusOf, tellClient, tellHolders, type Turn } from "./turn.ts";

/** How long a client whose connection broke may stay away before its keys are released, in milliseconds. */
export const CLIENT_GRACE = 10_000;

/** How much longer than its own timeout a retiring worker is waited for, in milliseconds. */
export const DRAIN_GRACE = 2_000;

/** Keys are names for people, and are kept. */
const LONGEST_KEY = 1024;

/** A new session, or one that comes back: it hears what it missed. */
export function onClientJoined(turn: Turn, event: EventOf<"clientJoined">): void {
  const { clients, sessions } = turn.state;
  const { client: id, session, versions, isolateOf } = event;
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
  clients.set(id, {
    id,
    session,
    number,
    versions,
    away: false,
    missed: new Map(),
    ticketed: new Map(),
    isolateOf,
    promised: new Set(),
    scattered: new Set(),
  });
  if (isolateOf) turn.state.workers.get(isolateOf.worker)?.sessions.add(id);
  sessions.set(session, id);
  note(turn, id, "", "here");
}

/** A client closed its session, or its connection broke: then its keys are kept for a while. */
export function onClientLeft(turn: Turn, event: EventOf<"clientLeft">): void {
  const client = turn.state.clients.get(event.client);
  if (!client) return;
  forgetAsker(turn, "client", client.id);
  forgetExpectations(turn, "client", client.id);
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

/** A client wants an actor or the result of a task. */
export function onSubmitted(turn: Turn, event: EventOf<"submitted">): void {
  const wrong = findMistake(event);
  if (wrong === undefined) {
    const by = newHolderOf(turn.state, event.client, event.holder, event.key);
    if (by) return admit(turn, event, by);
    const reason = `${event.holder}, which submitted it, has ended`;
    return tellClient(turn, event.client, event.key, statusOf("cancelled", { reason }));
  }
  const message = `Cannot submit ${event.key.slice(0, 100)}: ${wrong}`;
  tellClient(turn, event.client, event.key, failureOf(new SerializationError(message, { executed: "no" })));
}

/**
 * A client got handles or futures from elsewhere. What it cannot hold any more it finds out when it calls, or asks where
 * it is.
 */
export function onHeld(turn: Turn, { client: id, keys, holder }: EventOf<"held">): void {
  const { references } = turn.state;
  for (const key of keys) {
    const record = turn.state.keys.get(key);
    if (!record || record.state === "stopping") continue;
    const by = newHolderOf(turn.state, id, holder, key);
    if (!by) continue;
    addEdge(references, by, key, id);
    passScattered(turn, id, by, key);
    if (record.kind === "actor") continue;
    if (record.state === "released" && canRunAgain(record)) begin(turn, record);
    const status = presentStatus(turn.state, record);
    if (status) tellClient(turn, id, key, status);
  }
}

/** A client no longer holds keys. */
export function onReleased(turn: Turn, { client: id, keys, holder }: EventOf<"released">): void {
  const by = holderOf(turn.state, id, holder);
  if (!by) return;
  for (const key of keys) {
    releaseKey(turn, by, key);
    if (by === clientHolder(id)) turn.state.clients.get(id)?.missed.delete(key);
  }
}

/** A client stops keys for everyone. */
export function onCancelled(turn: Turn, event: EventOf<"cancelled">): void {
  for (const key of event.keys) {
    const record = turn.state.keys.get(key);
    if (record) cancelKey(turn, record, event.reason);
  }
}

/** Stops what a key names for everyone. */
export function cancelKey(turn: Turn, record: KeyRecord, reason: string | undefined): void {
  if (record.kind !== "actor") return cancelTask(turn, record, reason);
  const { key } = record;
  tellHolders(turn, record, statusOf("cancelled", { reason }));
  if (record.state === "stopping") {
    for (const { by } of [...record.next]) withdrawNext(turn, record, by);
    removeEdgesTo(turn.state.references, key);
  } else {
    const why = reason ? `: ${reason}` : "";
    stop(turn, record, `cancelled${why}`, () => new CallCancelledError(`Cancelled the actor ${key}${why}`));
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
  answerOrWait(turn, actor, { asker, name: "getActor" });
}

/** Someone wants to know where a value is: he is told when it is there. */
export function onLocated(turn: Turn, { asker, key }: EventOf<"located">): void {
  const record = turn.state.keys.get(key);
  if (!record && isOfIsolate(turn, asker)) return expectKey(turn, asker, key);
  const isGone = !record || record.state === "released" || record.state === "stopping";
  const failure = record?.kind === "actor" ? undefined : record?.failure;
  if (!isGone && !failure) return answerOrWait(turn, record, { asker, name: "locate" });
  const error = failure ? errorOf(key, failure) : notThere(key);
  turn.instructions.push({ type: "answer", asker, name: "locate", error });
}

function isOfIsolate(turn: Turn, { role, id }: EventOf<"located">["asker"]): boolean {
  return role === "host" || turn.state.clients.get(id)?.isolateOf !== undefined;
}

function answerOrWait(turn: Turn, record: KeyRecord, lookup: Lookup): void {
  if (hasValue(record)) answerPresent(turn, record, lookup);
  else addLookup(turn, record, lookup);
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
    beginLeaving(turn, worker);
    refreshWorker(turn, worker);
    turn.instructions.push({ type: "sendDrain", worker: worker.id, timeout });
    turn.instructions.push({ type: "setTimer", timer: `drain ${worker.id}`, delay: timeout + DRAIN_GRACE });
    note(turn, worker.id, "here", "draining");
  }
  turn.state.membership++;
  turn.state.capacity++;
  turn.placesChanged = true;
  turn.tasksReady = true;
}

/** Modules are to be loaded anew. A host that has not joined yet has loaded none. */
export function onModulesReloaded(turn: Turn, { asker }: EventOf<"modulesReloaded">): void {
  for (const { id, host } of turn.state.workers.values()) {
    if (host?.phase === "joined") turn.instructions.push({ type: "sendRenewModules", worker: id });
  }
  turn.instructions.push({ type: "answer", asker, name: "reloadModules", body: {} });
}

/** A worker that should have left is still here. */
export function onDrainOver(turn: Turn, id: string): void {
  if (!turn.state.workers.has(id)) return;
  const reason = "The worker did not leave in time";
  turn.instructions.push({ type: "closeWorker", worker: id, code: CloseCode.draining, reason });
}

/** A session is over: what it held, it does not hold any more. */
export function removeClient(turn: Turn, client: ClientRecord): void {
  const holder = clientHolder(client.id);
  for (const key of targetsOf(turn.state.references, holder)) releaseKey(turn, holder, key);
  breakPromises(turn, client);
  if (client.isolateOf) turn.state.workers.get(client.isolateOf.worker)?.sessions.delete(client.id);
  turn.state.clients.delete(client.id);
  turn.state.sessions.delete(client.session);
  turn.instructions.push({ type: "clearTimer", timer: `grace ${client.id}` });
  note(turn, client.id, client.away ? "away" : "here", "gone");
}

function releaseKey(turn: Turn, by: Holder, key: string): void {
  if (!removeEdge(turn.state.references, by, key)) return;
  const record = turn.state.keys.get(key);
  if (!record) return;
  if (record.kind === "actor" && record.state === "stopping") withdrawNext(turn, record, by);
  else turn.suspects.add(record);
}

/** An isolate says for whom it scattered something: then it does not hold that itself any more. */
function passScattered(turn: Turn, id: string, by: Holder, key: string): void {
  const own = clientHolder(id);
  if (by !== own && turn.state.clients.get(id)?.scattered.delete(key)) releaseKey(turn, own, key);
}

function findMistake({ key, body }: EventOf<"submitted">): string | undefined {
  if (key === "" || key.length > LONGEST_KEY) return `a key has 1 to ${LONGEST_KEY} characters, this one ${key.length}`;
  for (const [name, amount] of Object.entries(body.resources ?? {})) {
    if (amount < 0) return `resources.${name} is ${amount}: give 0 or more`;
  }
  if (body.timeout !== undefined && body.timeout < 0) return `timeout is ${body.timeout}: give 0 or more milliseconds`;
  return undefined;
}

function note(turn: Turn, subject: string, from: string, to: string): void {
  turn.state.story.add({ at: turn.at, subject, from, to, cause: turn.event });
}
