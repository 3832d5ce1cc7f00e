/**
 * What is true of every state between two events.
 *
 * @module
 */

import { SMALL_RESULT } from "../protocol/mod.ts";
import { findDoomed } from "./liveness.ts";
import { hasLeastSlot, MOST_SLOTS, slotsOf, slotsTaken, takesTasks } from "./open_workers.ts";
import { heldByClient, heldByKey, holds, isHeld } from "./references.ts";
import type { ActorRecord, SchedulerState, WorkerRecord } from "./state.ts";
import { precedes, queueNameOf } from "./task_queue.ts";
import { hasValue, isUnfinished, type KeyRecord, NO_RECORDS, type TaskRecord } from "./task_record.ts";

/** A state that cannot be: a mistake in the scheduler. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** @throws {InvariantError} That lists what is wrong, if anything is. */
export function checkInvariants(state: SchedulerState): void {
  const found = [
    ...checkKeys(state),
    ...checkActors(state),
    ...checkTasks(state),
    ...checkQueues(state),
    ...checkWaiting(state),
    ...checkWorkers(state),
    ...checkReferences(state),
    ...checkClients(state),
    ...checkLookups(state),
  ];
  if (found.length > 0) throw new InvariantError(`The scheduler's state is wrong: ${found.join("; ")}`);
}

function* checkKeys(state: SchedulerState): Generator<string> {
  for (const [key, record] of state.keys) {
    if (record.key !== key) yield `${key} is filed under another key`;
    if (record.state === "gone") yield `${key} is gone and still here`;
    if ((record.kind === "actor") !== state.actors.has(key)) yield `${key} is a ${record.kind} by one table only`;
    // What is unfinished may keep what keeps it, until it has finished.
    const isKept = isUnfinished(record) ? isHeld(state.references, key) || record.waiters.size > 0 : false;
    if (!isKept && record.state !== "released" && findDoomed(state, record).length > 0) {
      yield `${key} is kept by nothing`;
    }
    yield* checkDependencies(state, record);
  }
  if ([...state.actors].some(([key, actor]) => state.keys.get(key) !== actor)) yield "an actor is not among the keys";
}

function* checkDependencies(state: SchedulerState, record: KeyRecord): Generator<string> {
  const { key, dependencies, waiters, missing } = record;
  const unfinished = isUnfinished(record);
  for (const dependency of dependencies) {
    const isKnown = state.keys.get(dependency.key) === dependency;
    if (!isKnown && record.state === "blocked" && missing !== Infinity) {
      yield `${key} waits for ${dependency.key}, which is gone`;
    }
    if (unfinished && isKnown && !dependency.waiters.has(record)) yield `${dependency.key} does not know of ${key}`;
    if (record.kind !== "actor" && dependency.kind !== "actor" && isKnown) {
      if (record.pure !== dependency.dependents.has(record)) yield `${dependency.key} is not kept for ${key}`;
    }
  }
  const wanting = dependencies.filter((dependency) => !hasValue(dependency)).length;
  if (record.state === "blocked" && missing !== Infinity && missing !== wanting) {
    yield `${key} counts ${missing} of ${wanting} missing`;
  }
  const isPromised = record.kind === "external" && record.owner !== undefined;
  if (record.state === "blocked" && missing === 0 && !isPromised) yield `${key} waits for nothing`;
  if (record.state === "waiting" && wanting > 0) yield `${key} is ready without what it needs`;
  for (const waiter of waiters) {
    if (state.keys.get(waiter.key) !== waiter) yield `${waiter.key} waits for ${key}, and is gone`;
    if (!isUnfinished(waiter)) yield `${waiter.key} is ${waiter.state} and waits for ${key}`;
    if (!waiter.dependencies.includes(record)) yield `${waiter.key} waits for ${key} for no reason`;
  }
}

function* checkTasks(state: SchedulerState): Generator<string> {
  const counts: Record<string, number> = {
    blocked: 0,
    waiting: 0,
    processing: 0,
    memory: 0,
    released: 0,
    erred: 0,
    gone: 0,
  };
  for (const task of state.keys.values()) {
    if (task.kind === "actor") continue;
    counts[task.state]!++;
    yield* checkTask(state, task);
  }
  for (const [name, count] of Object.entries(state.counts)) {
    if (counts[name] !== count) yield `${count} values are counted as ${name}, there are ${counts[name]}`;
  }
}

function* checkTask(state: SchedulerState, task: TaskRecord): Generator<string> {
  const { key, kind, worker, holders, dependents } = task;
  if ((task.state === "processing") !== (worker !== undefined)) yield `${key} is ${task.state} on ${worker?.id}`;
  const isSmall = task.value !== undefined && task.size <= SMALL_RESULT;
  if (task.state === "memory" && isSmall !== (holders.length === 0)) {
    yield `${key} is kept by ${holders.length} workers`;
  }
  if (task.state !== "memory" && holders.length > 0) yield `${key} is ${task.state} and kept`;
  if (new Set(holders).size !== holders.length) yield `${key} is kept twice by one worker`;
  for (const [index, holder] of holders.entries()) {
    if (state.workers.get(holder.id) !== holder || holder.host === undefined) yield `${key} is in a lost host`;
    if (!holder.results.has(task)) yield `${key} is not where its worker has it`;
    if (index > 0 !== holder.copies.has(task)) yield `${key} is the copy number ${index} of ${holder.id}`;
  }
  if (worker) {
    if (state.workers.get(worker.id) !== worker || worker.host === undefined) yield `${key} runs in a lost host`;
    if (!(kind === "task" ? worker.processing : worker.storing).has(task)) yield `${key} is not where it runs`;
  }
  if (task.state === "waiting" && kind !== "task" && !state.unstored.has(task)) yield `${key} is not to be stored`;
  if ((task.state === "erred") !== (task.failure !== undefined)) yield `${key} is ${task.state} with a failure`;
  if (task.state === "released" && (dependents.size === 0 || !task.recipe)) yield `${key} is kept for nothing`;
  if (isUnfinished(task) && kind === "task" && !task.recipe) yield `${key} cannot run`;
  if (task.owner !== undefined && !state.clients.get(task.owner)?.promised.has(key)) {
    yield `${key} is promised by nobody`;
  }
  for (const dependent of dependents) {
    if (state.keys.get(dependent.key) !== dependent) yield `${key} is kept for ${dependent.key}, which is gone`;
    if (!dependent.dependencies.includes(task)) yield `${key} is kept for ${dependent.key} for no reason`;
  }
}

function* checkQueues(state: SchedulerState): Generator<string> {
  let queued = 0;
  for (const [text, { heap }] of state.queues) {
    if (heap.length === 0) yield `the queue ${text} is empty`;
    queued += heap.length;
    for (const [index, task] of heap.entries()) {
      if (queueNameOf(task) !== text) yield `${task.key} is in the queue ${text}`;
      if (task.place !== index || task.state !== "waiting") yield `${task.key} is queued in the wrong place`;
      if (index > 0 && precedes(task, heap[(index - 1) >> 1]!)) yield `${task.key} is queued behind its successor`;
    }
  }
  const waiting = [...state.keys.values()].filter((task) => task.kind === "task" && task.state === "waiting");
  if (waiting.length !== queued) yield `${waiting.length} tasks wait, ${queued} are queued`;
  const unrestricted = state.queues.get("");
  const open = state.open.levels.some((level) => level.size > 0);
  if (unrestricted && open) yield "tasks wait, and a worker has a free slot";
  if (state.queues.has("!") && [...state.workers.values()].some(hasLeastSlot)) yield "cautious tasks wait for nothing";
  for (const data of state.unstored) {
    if (data.state !== "waiting") yield `${data.key} is to be stored and ${data.state}`;
  }
}

function* checkLookups(state: SchedulerState): Generator<string> {
  for (const [name, records] of state.asking) {
    for (const record of records) {
      if (state.keys.get(record.key) !== record) yield `${name} asks for ${record.key}, which is gone`;
      if (record.lookups.length === 0) yield `${name} asks for ${record.key}, which nobody asks for`;
      if (hasValue(record)) yield `${name} waits for ${record.key}, which is there`;
    }
  }
}

function* checkActors(state: SchedulerState): Generator<string> {
  for (const [key, actor] of state.actors) {
    if (actor.key === key) yield* checkActor(state, actor);
  }
}

function* checkActor(state: SchedulerState, actor: ActorRecord): Generator<string> {
  const { key } = actor;
  const isPlaced = actor.state === "starting" || actor.state === "running" || actor.state === "stopping";
  const worker = actor.worker === undefined ? undefined : state.workers.get(actor.worker);
  if (isPlaced !== (actor.worker !== undefined)) yield `${key} is ${actor.state} with worker ${actor.worker}`;
  if (isPlaced !== (actor.incarnation !== undefined)) yield `${key} is ${actor.state} with another incarnation`;
  if (isPlaced && worker?.host?.incarnation !== actor.host) yield `${key} is in a host that is not there`;
  if (isPlaced && !worker?.actors.has(key)) yield `${key} is not among the actors of its worker`;
  if ((actor.state === "waiting") !== (actor.refusal !== undefined)) yield `${key} is ${actor.state} and was refused`;
  if ((actor.state === "blocked" || actor.state === "waiting" || actor.state === "starting") && !actor.creation) {
    yield `${key} cannot be created`;
  }
  if (actor.state === "running" && (!actor.reference || actor.creation)) yield `${key} runs without a reference`;
  if (actor.state === "running" && actor.lookups.length > 0) yield `${key} runs and lookups wait for it`;
  if (actor.state !== "stopping" && actor.next.length > 0) yield `${key} is ${actor.state} and has successors`;
  const isHeldAtAll = isHeld(state.references, key) || actor.waiters.size > 0;
  if (actor.state !== "stopping" && !isHeldAtAll) yield `${key} is held by nobody`;
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
    yield* checkTaskPlaces(state, worker);
    if (!worker.aside.isSubsetOf(worker.processing)) yield `${worker.id} has tasks aside that it does not run`;
    for (const task of worker.processing) {
      for (const [name, amount] of task.wishes.resources) sums.set(name, (sums.get(name) ?? 0) + amount);
    }
    for (const name of new Set([...sums.keys(), ...worker.held.keys()])) {
      const held = worker.held.get(name) ?? 0;
      if (Math.abs(held - (sums.get(name) ?? 0)) > 1e-6) yield `${worker.id} holds ${held} of ${name}`;
      if (held > (worker.resources.get(name) ?? 0) + 1e-6) yield `${worker.id} holds more of ${name} than it has`;
    }
  }
  for (const worker of state.leaving) {
    if (state.workers.get(worker.id) !== worker) yield `${worker.id} leaves and is gone`;
  }
  const names = [...state.workers.values()].map(({ name }) => name);
  if (new Set(names).size !== names.length) yield "two workers have one name";
}

function* checkTaskPlaces(state: SchedulerState, worker: WorkerRecord): Generator<string> {
  const { id, processing, storing, results, copies, level } = worker;
  // It may have been quicker when they were given to it.
  if (slotsTaken(worker) > MOST_SLOTS && slotsTaken(worker) > slotsOf(worker)) {
    yield `${id} has ${processing.size} tasks`;
  }
  if (worker.host === undefined && processing.size + storing.size + results.size > 0) {
    yield `${id} has tasks and no host`;
  }
  if (sizeOf(results) !== worker.resultBytes) yield `${id} keeps ${sizeOf(results)} bytes, not ${worker.resultBytes}`;
  if (sizeOf(copies) !== worker.copyBytes) yield `${id} has ${sizeOf(copies)} bytes of copies, not ${worker.copyBytes}`;
  for (const task of copies) if (!results.has(task)) yield `${id} has a copy of ${task.key} that it does not keep`;
  for (const task of [...processing, ...storing]) {
    if (task.worker !== worker || state.keys.get(task.key) !== task) yield `${id} has ${task.key}, which is elsewhere`;
  }
  for (const task of results) {
    const isThere = task.holders.includes(worker) && state.keys.get(task.key) === task;
    if (!isThere) yield `${id} keeps ${task.key}, which is elsewhere`;
  }
  if (worker.moves && !worker.draining) yield `${id} moves values and stays`;
  if (state.leaving.has(worker) !== (worker.moves !== undefined)) yield `${id} leaves by one account only`;
  for (const [task, { target }] of worker.moves?.under ?? []) {
    if (!results.has(task)) yield `${id} moves ${task.key}, which it does not keep`;
    if (state.workers.get(target.id) !== target) yield `${id} moves ${task.key} to ${target.id}, which is gone`;
  }
  const isOpen = takesTasks(worker) && slotsTaken(worker) < slotsOf(worker);
  if (isOpen !== level >= 0) yield `${id} is open at level ${level}`;
  if (level >= 0 && !state.open.levels[level]?.has(worker)) yield `${id} is not where its level is`;
  if (takesTasks(worker) !== state.open.takers.has(worker)) yield `${id} takes tasks by one account only`;
}

function sizeOf(tasks: ReadonlySet<TaskRecord>): number {
  let bytes = 0;
  for (const { size } of tasks) bytes += size;
  return bytes;
}

function* checkReferences(state: SchedulerState): Generator<string> {
  const { targets, holders, holding } = state.references;
  const keepers = [...targets.keys()].map(heldByKey).filter((key) => key !== undefined);
  if (!new Set(keepers).isSubsetOf(holding) || keepers.length !== holding.size) yield "not the keys that hold others";
  if (state.suspects.size > 0) yield "something was not looked at that may have to end";
  if (NO_RECORDS.size > 0) yield "a set that all share is not empty";
  for (const [holder, keys] of targets) {
    const client = heldByClient(holder);
    const keeper = heldByKey(holder);
    if (keeper !== undefined && !state.keys.has(keeper)) yield `${holder} holds, and is gone`;
    if (client !== undefined && !state.clients.has(client)) yield `${holder} holds, and is gone`;
    if (keys.size === 0) yield `${holder} has an empty set of keys`;
    for (const key of keys) {
      if (!holders.get(key)?.has(holder)) yield `${holder} to ${key} has one end only`;
      const target = state.keys.get(key);
      // What is in a result may not have been heard of yet.
      const isValue = keeper !== undefined && state.keys.get(keeper)?.kind !== "actor";
      if (!target && !isValue) yield `${holder} holds ${key}, which is gone`;
      if (target?.kind !== "actor" || target.state !== "stopping") continue;
      if (!target.next.some(({ by }) => by === holder)) {
        yield `${holder} holds ${key}, which stops`;
      }
    }
  }
  for (const [key, ends] of holders) {
    for (const holder of ends.keys()) {
      if (!holds(state.references, holder, key)) yield `${key} from ${holder} has one end only`;
    }
  }
  for (const actor of state.actors.values()) {
    for (const { by } of actor.next) {
      if (!holds(state.references, by, actor.key)) yield `${by} waits for ${actor.key} unheld`;
    }
  }
}

function* checkClients(state: SchedulerState): Generator<string> {
  for (const client of state.clients.values()) {
    if (state.sessions.get(client.session) !== client.id) yield `${client.id} cannot be found by its session`;
    if (!client.away && client.missed.size > 0) yield `${client.id} is here and missed something`;
  }
  if (state.sessions.size !== state.clients.size) yield "sessions and clients differ";
  for (const { number, pending } of state.restarts) {
    if (pending.size === 0) yield `the restart ${number} waits for nobody`;
  }
  for (const { pending } of state.retirements) {
    for (const worker of pending) if (!state.workers.has(worker)) yield `${worker} retires and is gone`;
  }
}
