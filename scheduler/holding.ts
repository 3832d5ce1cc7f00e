/**
 * For whom a client speaks. An isolate of a worker holds what it has for the actors and tasks that run there.
 *
 * @module
 */

import { addEdge, clientHolder, type Holder, holds, keyHolder } from "./references.ts";
import type { SchedulerState } from "./state.ts";
import type { KeyRecord } from "./task_record.ts";

/**
 * Who holds what a client says is held. An isolate may speak for what runs in its own host; any other client, and an
 * isolate that names nobody, for itself. `undefined` where the one that is named has ended.
 */
export function holderOf(state: SchedulerState, client: string, named: string | undefined): Holder | undefined {
  const origin = named === undefined ? undefined : state.clients.get(client)?.isolateOf;
  if (named === undefined || !origin) return clientHolder(client);
  const record = state.keys.get(named);
  return record && hostOf(record) === origin.host ? keyHolder(named) : undefined;
}

/**
 * As {@linkcode holderOf}, of something that is held from now on. A task that has just finished holds what is in its
 * result, of which its isolate may tell later than its host of the result.
 *
 * @param target What is held.
 */
export function newHolderOf(
  state: SchedulerState,
  client: string,
  named: string | undefined,
  target: string,
): Holder | undefined {
  const holder = holderOf(state, client, named);
  if (holder !== undefined) return holder;
  return holds(state.references, keyHolder(named!), target) ? keyHolder(named!) : undefined;
}

/**
 * An actor or result holds what is in its arguments or value, except what ends already.
 *
 * @param unheard Whether it may be something that was not heard of yet.
 */
export function holdAll(
  { keys, references }: SchedulerState,
  key: string,
  refs: readonly string[],
  unheard = false,
): void {
  for (const ref of refs) {
    const record = keys.get(ref);
    if (record ? record.state !== "stopping" : unheard) addEdge(references, keyHolder(key), ref);
  }
}

/** The host in which something runs. */
function hostOf(record: KeyRecord): string | undefined {
  return record.kind === "actor" ? record.host : record.worker?.host?.incarnation;
}
