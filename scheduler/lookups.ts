/**
 * Who wants to know where something is, and is answered when it is there.
 *
 * @module
 */

import { type Answered, encodeActorReference, encodeValue, REFERENCE, SMALL_RESULT } from "../protocol/mod.ts";
import type { ActorRecord, Asker } from "./state.ts";
import { forgetRestart } from "./restarts.ts";
import { dataHolders } from "./task_moves.ts";
import type { KeyRecord, Lookup, TaskRecord } from "./task_record.ts";
import { answerLookup, type Turn } from "./turn.ts";

/** Keeps a question until the key is there, or will not be. */
export function addLookup(turn: Turn, record: KeyRecord, lookup: Lookup): void {
  const { asking } = turn.state;
  const name = nameOf(lookup.asker);
  record.lookups.push(lookup);
  const asked = asking.get(name);
  if (asked) asked.add(record);
  else asking.set(name, new Set([record]));
}

/** Answers all who asked for a key: with `error`, or with where it is. */
export function answerLookups(turn: Turn, record: KeyRecord, error?: Error): void {
  for (const lookup of record.lookups.splice(0)) {
    const { asker, name } = lookup;
    const asked = turn.state.asking.get(nameOf(asker));
    asked?.delete(record);
    if (asked?.size === 0) turn.state.asking.delete(nameOf(asker));
    if (error) turn.instructions.push({ type: "answer", asker, name, error });
    else answerPresent(turn, record, lookup);
  }
}

/** Answers one who asked for a key that is there. */
export function answerPresent(turn: Turn, record: KeyRecord, { asker, name }: Lookup): void {
  if (name === "getActor") return answerLookup(turn, asker, (record as ActorRecord).reference!);
  const body = record.kind === "actor" ? describeHandle(record) : describeValue(turn, record);
  turn.instructions.push({ type: "answer", asker, name, body });
}

/** Forgets the questions of one whose connection ended: nobody hears the answers. */
export function forgetAsker(turn: Turn, role: Asker["role"], id: string): void {
  const { asking, retirements, restarts } = turn.state;
  const isIts = (asker: Asker) => asker.role === role && asker.id === id;
  const name = nameOf({ role, id });
  for (const { lookups } of asking.get(name) ?? []) {
    lookups.splice(0, lookups.length, ...lookups.filter(({ asker }) => !isIts(asker)));
  }
  asking.delete(name);
  for (const retirement of retirements) if (isIts(retirement.asker)) retirements.delete(retirement);
  for (const restart of restarts) if (isIts(restart.asker)) forgetRestart(turn, restart);
}

/** The value of a key that names an actor: a handle of it. */
export function handleOf(actor: ActorRecord): Uint8Array {
  const { key, reference } = actor;
  return actor.handle ??= encodeValue({ [REFERENCE]: key }, {
    reference: () => ({ kind: "actor", bytes: encodeActorReference(reference!), key }),
  }).bytes;
}

function describeHandle(actor: ActorRecord): Answered<"locate"> {
  const value = handleOf(actor);
  return { value, refs: [actor.key], size: value.length, holders: [] };
}

function describeValue({ state }: Turn, task: TaskRecord): Answered<"locate"> {
  const { value, valueRefs, size } = task;
  const isSmall = size <= SMALL_RESULT;
  return { value: isSmall ? value : undefined, refs: [...valueRefs], size, holders: dataHolders(state, task) };
}

function nameOf({ role, id }: Pick<Asker, "role" | "id">): string {
  return `${role} ${id}`;
}
