/**
 * What is true of every state between two events.
 *
 * @module
 */

import { clientHolder, heldByClient, holds } from "./references.ts";
import type { ActorRecord, SchedulerState } from "./state.ts";

/** A state that cannot be: a mistake in the scheduler. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** @throws {InvariantError} That lists what is wrong, if anything is. */
export function checkInvariants(state: SchedulerState): void {
  const found = [
    ...checkActors(state),
    ...checkWaiting(state),
    ...checkWorkers(state),
    ...checkReferences(state),
    ...checkClients(state),
  ];
  if (found.length > 0) throw new InvariantError(`The scheduler's state is wrong: ${found.join("; ")}`);
}

function* checkActors(state: SchedulerState): Generator<string> {
  for (const [key, actor] of state.actors) {
    if (actor.key !== key) yield `${key} is filed under another key`;
    yield* checkActor(state, actor);
  }
}

function* checkActor(state: SchedulerState, actor: ActorRecord): Generator<string> {
  const { key } = actor;
  const isPlaced = actor.state === "starting" || actor.state === "running" || actor.state === "stopping";
  const worker = actor.worker === undefined ? undefined : state.workers.get(actor.worker);
  if (actor.state === "gone") yield `${key} is gone and still here`;
  if (isPlaced !== (actor.worker !== undefined)) yield `${key} is ${actor.state} with worker ${actor.worker}`;
  if (isPlaced !== (actor.incarnation !== undefined)) yield `${key} is ${actor.state} with another incarnation`;
  if (isPlaced && worker?.host?.incarnation !== actor.host) yield `${key} is in a host that is not there`;
  if (isPlaced && !worker?.actors.has(key)) yield `${key} is not among the actors of its worker`;
  if ((actor.state === "waiting") !== (actor.refusal !== undefined)) yield `${key} is ${actor.state} and was refused`;
  if ((actor.state === "waiting" || actor.state === "starting") && !actor.creation) yield `${key} cannot be created`;
  if (actor.state === "running" && (!actor.reference || actor.creation)) yield `${key} runs without a reference`;
  if (actor.state === "running" && actor.lookups.length > 0) yield `${key} runs and lookups wait for it`;
  if (actor.state !== "stopping" && actor.next.length > 0) yield `${key} is ${actor.state} and has successors`;
  if (actor.state !== "stopping" && !state.references.holders.has(key)) yield `${key} is held by nobody`;
}

function* checkWaiting(state: SchedulerState): Generator<string> {
  const waiting = [...state.actors.values()].filter((actor) => actor.state === "waiting");
  if (new Set(state.waiting).size !== state.waiting.length) yield "an actor waits twice";
  if (state.waiting.length !== waiting.length || !waiting.every((actor) => state.waiting.includes(actor))) {
    yield "the waiting actors are not those that wait";
  }
  for (const [index, actor] of state.waiting.entries()) {
    const before = state.waiting[index - 1];
    if (before && (before.priority - actor.priority || actor.number - before.number) <= 0) {
      yield `${actor.key} waits in the wrong place`;
    }
  }
}

function* checkWorkers(state: SchedulerState): Generator<string> {
  for (const worker of state.workers.values()) {
    const sums = new Map<string, number>();
    for (const key of worker.actors) {
      const actor = state.actors.get(key);
      if (actor?.worker !== worker.id) yield `${worker.id} has ${key}, which is elsewhere`;
      for (const [name, amount] of actor?.wishes.resources ?? []) sums.set(name, (sums.get(name) ?? 0) + amount);
    }
    for (const name of new Set([...sums.keys(), ...worker.held.keys()])) {
      const held = worker.held.get(name) ?? 0;
      if (Math.abs(held - (sums.get(name) ?? 0)) > 1e-6) yield `${worker.id} holds ${held} of ${name}`;
      if (held > (worker.resources.get(name) ?? 0) + 1e-6) yield `${worker.id} holds more of ${name} than it has`;
    }
  }
  const names = [...state.workers.values()].map(({ name }) => name);
  if (new Set(names).size !== names.length) yield "two workers have one name";
}

function* checkReferences(state: SchedulerState): Generator<string> {
  const { targets, holders } = state.references;
  for (const [holder, keys] of targets) {
    const client = heldByClient(holder);
    if (client !== undefined && !state.clients.has(client)) yield `${holder} holds, and is gone`;
    if (keys.size === 0) yield `${holder} has an empty set of keys`;
    for (const key of keys) {
      if (!holders.get(key)?.has(holder)) yield `${holder} to ${key} has one end only`;
      const actor = state.actors.get(key);
      if (!actor) yield `${holder} holds ${key}, which is gone`;
      if (actor?.state === "stopping" && !actor.next.some((event) => event.client === client)) {
        yield `${holder} holds ${key}, which stops`;
      }
    }
  }
  for (const [key, ends] of holders) {
    for (const holder of ends) {
      if (!holds(state.references, holder, key)) yield `${key} from ${holder} has one end only`;
    }
  }
  for (const actor of state.actors.values()) {
    for (const { client } of actor.next) {
      if (!holds(state.references, clientHolder(client), actor.key)) yield `${client} waits for ${actor.key} unheld`;
    }
  }
}

function* checkClients(state: SchedulerState): Generator<string> {
  for (const client of state.clients.values()) {
    if (state.sessions.get(client.session) !== client.id) yield `${client.id} cannot be found by its session`;
    if (!client.away && client.missed.size > 0) yield `${client.id} is here and missed something`;
  }
  if (state.sessions.size !== state.clients.size) yield "sessions and clients differ";
  for (const { pending } of state.retirements) {
    for (const worker of pending) if (!state.workers.has(worker)) yield `${worker} retires and is gone`;
  }
}
