/**
 * What clients bring: tasks, data, and promises of the results of calls.
 *
 * @module
 */

import { DependencyLostError, KeyConflictError, SMALL_RESULT, type StatusBody } from "../protocol/mod.ts";
import { begin, resolve, unknownDependency } from "./dependencies.ts";
import type { EventOf } from "./events.ts";
import { holdAll } from "./holding.ts";
import { addEdge, clientHolder } from "./references.ts";
import { type ClientRecord, NO_WISHES, type SchedulerState, wishesOf, wishTextOf } from "./state.ts";
import { failTask } from "./task_endings.ts";
import { keepValue } from "./task_events.ts";
import { dataHolders, moveTask } from "./task_moves.ts";
import { refusalOf } from "./task_queue.ts";
import { type KeyRecord, NO_RECORDS, NOWHERE, type TaskRecord } from "./task_record.ts";
import { failureOf, statusOf, tellClient, type Turn } from "./turn.ts";

/**
 * Makes a task of a submission, whose key is free.
 *
 * @param parent The task that submitted it, where one did.
 */
export function createTask(turn: Turn, event: EventOf<"submitted">, parent: TaskRecord | undefined): void {
  const { key, body, submitted, args, refs, client } = event;
  const wishes = wishesOf(body);
  const { found, unknown } = resolve(turn.state, refs);
  const task = addRecord(turn, "task", key, client, {
    target: body.target,
    wishes,
    wishText: wishTextOf(wishes),
    priority: body.priority ?? 0,
    timeout: body.timeout,
    pure: body.pure ?? true,
    retries: body.retries ?? 0,
    recipe: { submitted, args, refs },
    dependencies: found,
    ...parent && { age: parent.age },
  });
  if (body.timeout !== undefined) {
    const delay = Math.max(0, body.timeout - (turn.at - event.at));
    turn.instructions.push({ type: "setTimer", timer: `deadline ${key}`, delay });
  }
  if (unknown.length > 0) return failTask(turn, task, unknownDependency(key, unknown));
  begin(turn, task);
}

/** Another client wants the result of a task. One that failed is tried again. */
export function joinTask(
  turn: Turn,
  task: TaskRecord,
  event: EventOf<"submitted">,
  parent: TaskRecord | undefined,
): void {
  if (task.state === "erred") {
    moveTask(turn, task, "gone");
    turn.state.keys.delete(task.key);
    return createTask(turn, event, parent);
  }
  if (task.state === "released") {
    task.dependencies = task.dependencies.map((dependency) => renewed(turn.state, dependency));
    begin(turn, task);
  }
  const status = presentStatus(turn.state, task);
  if (status) tellClient(turn, event.client, task.key, status);
}

/** An actor that has ended meanwhile, and was submitted again under its key, is another. */
function renewed({ keys }: SchedulerState, dependency: KeyRecord): KeyRecord {
  return dependency.kind === "actor" ? keys.get(dependency.key) ?? dependency : dependency;
}

/** A client scatters a value. */
export function onScattered(turn: Turn, event: EventOf<"scattered">): void {
  const { client: id, key, body, value, refs } = event;
  const client = turn.state.clients.get(id);
  if (!client) return;
  const known = turn.state.keys.get(key);
  if (known) {
    const error = new KeyConflictError(`Cannot scatter ${key}: the key is in use. Give another`, { executed: "no" });
    return tellClient(turn, id, key, failureOf(error));
  }
  const wishes = wishesOf(body);
  const data = addRecord(turn, "data", key, id, { wishes, wishText: wishTextOf(wishes) });
  addEdge(turn.state.references, clientHolder(id), key);
  if (client.isolateOf) client.scattered.add(key);
  fill(turn, data, value, refs);
}

/** A client promises the values of keys. */
export function onPromised(turn: Turn, { client: id, keys }: EventOf<"promised">): void {
  const client = turn.state.clients.get(id);
  if (!client) return;
  for (const key of keys) {
    if (turn.state.keys.has(key)) continue;
    addRecord(turn, "external", key, id, { owner: id });
    client.promised.add(key);
  }
}

/** A client keeps a promise. */
export function onFulfilled(turn: Turn, event: EventOf<"fulfilled">): void {
  const { client: id, key, ok, value, refs } = event;
  const record = turn.state.keys.get(key);
  turn.state.clients.get(id)?.promised.delete(key);
  if (record?.kind !== "external" || record.owner !== id) return;
  record.owner = undefined;
  turn.suspects.add(record);
  if (ok) fill(turn, record, value, refs);
  else failTask(turn, record, statusOf("error", { error: value, executed: "unknown" }));
}

/** A client is gone, and its promises with it. */
export function breakPromises(turn: Turn, client: ClientRecord): void {
  for (const key of client.promised) {
    const record = turn.state.keys.get(key);
    if (record?.kind !== "external" || record.owner !== client.id) continue;
    const message = `Cannot get ${key}: the client that made the call is gone before it ended`;
    failTask(turn, record, failureOf(new DependencyLostError(message, { executed: "unknown" })));
  }
  client.promised.clear();
}

/** What is to be said of a value to one who comes to hold it; `undefined` where there is nothing to say yet. */
export function presentStatus(state: SchedulerState, task: TaskRecord): StatusBody | undefined {
  switch (task.state) {
    case "memory":
      return finishedStatus(state, task);
    case "processing":
      return statusOf("processing");
    case "erred":
      return task.failure;
    case "waiting": {
      const refusal = refusalOf(state.queues, task);
      return refusal && statusOf("no-worker", { reason: refusal.reason });
    }
    default:
      return undefined;
  }
}

const NO_REFS: readonly string[] = Object.freeze([]);

/** What is said of a value that is there. */
export function finishedStatus(state: SchedulerState, task: TaskRecord): StatusBody {
  const { value, valueRefs, size } = task;
  return statusOf("finished", {
    value: size <= SMALL_RESULT ? value : undefined,
    refs: [...valueRefs],
    size,
    holders: dataHolders(state, task),
  });
}

/** Gives data or an external key its value: small ones the scheduler keeps, the others a worker. */
function fill(turn: Turn, record: TaskRecord, value: Uint8Array, refs: readonly string[]): void {
  record.value = value;
  record.size = value.length;
  record.valueRefs = refs;
  holdAll(turn.state, record.key, refs, true);
  if (value.length <= SMALL_RESULT) keepValue(turn, record, "small");
  else moveTask(turn, record, "waiting");
}

function addRecord(
  turn: Turn,
  kind: TaskRecord["kind"],
  key: string,
  client: string,
  more: Partial<TaskRecord>,
): TaskRecord {
  const { state } = turn;
  const record: TaskRecord = {
    kind,
    key,
    target: undefined,
    wishes: NO_WISHES,
    wishText: "",
    priority: 0,
    age: ++state.count,
    timeout: undefined,
    pure: false,
    retries: 0,
    deaths: 0,
    misses: 0,
    state: "blocked",
    recipe: undefined,
    dependencies: [],
    missing: 0,
    waiters: NO_RECORDS,
    dependents: NO_RECORDS,
    worker: undefined,
    holders: NOWHERE,
    run: 0,
    value: undefined,
    valueRefs: NO_REFS,
    size: 0,
    failure: undefined,
    owner: undefined,
    lookups: [],
    place: -1,
    ...more,
  };
  state.keys.set(key, record);
  state.counts.blocked++;
  state.story.add({ at: turn.at, subject: key, from: "", to: "blocked", cause: `${turn.event} by ${client}` });
  return record;
}
