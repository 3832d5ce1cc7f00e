/**
 * What the scheduler knows of a value: of a task and its result, of scattered data, or of the result of a call that is
 * an argument elsewhere.
 *
 * @module
 */

import type { StatusBody, SubmittedTarget } from "../protocol/mod.ts";
import type { Wishes } from "./placement.ts";
import type { ActorRecord, Asker, WorkerRecord } from "./state.ts";
import type { TaskState } from "./task_states.ts";

/** Anything that a key names. */
export type KeyRecord = ActorRecord | TaskRecord;

/** Who waits to be told where a key is, and how he asked. */
export interface Lookup {
  /** Who. */
  readonly asker: Asker;
  /** What he asked. */
  readonly name: "getActor" | "locate";
}

/** What a host needs to run a task. */
export interface Recipe {
  /** The bytes of the client's submit body. */
  readonly submitted: Uint8Array;
  /** The bytes of the arguments. */
  readonly args: Uint8Array;
  /** Keys of the actors and futures among the arguments. */
  readonly refs: readonly string[];
}

/** A task, scattered data, or the result of a call, from its first mention until nobody needs it. */
export interface TaskRecord {
  /** `external` is the result of a call, which a client promised. */
  readonly kind: "task" | "data" | "external";
  /** The cluster-wide name. */
  readonly key: string;
  /** What a task runs; `undefined` for other kinds. */
  readonly target: SubmittedTarget | undefined;
  /** Where it may run or be kept. */
  wishes: Wishes;
  /** The same as text, by which equal wishes are known. */
  wishText: string;
  /** Higher ones are placed first. */
  priority: number;
  /**
   * Earlier ones are placed first: the order of submission, except that what a task has submitted is as old as that one,
   * which waits for it.
   */
  readonly age: number;
  /** Milliseconds that it may take; `undefined` for any. */
  timeout: number | undefined;
  /** Whether it may run again where its result is lost. */
  pure: boolean;
  /** How often it may fail and be tried again. */
  retries: number;
  /** How many hosts were lost while they ran it. */
  deaths: number;
  /** How often a host could not fetch what it depends on. */
  misses: number;
  /** Where it stands. */
  state: TaskState;
  /** What a host needs to run it; `undefined` once it will not run any more, and for other kinds. */
  recipe: Recipe | undefined;
  /** What its arguments need, each once; empty once it will not run any more. */
  dependencies: KeyRecord[];
  /** How many of them are not there; while `blocked`. `Infinity` while it waits for another try to fetch them. */
  missing: number;
  /** Who needs its value to run or start, and has not finished. */
  waiters: ReadonlySet<KeyRecord>;
  /** Who needs its value where it has to run again: what may, with this among its dependencies. */
  dependents: ReadonlySet<TaskRecord>;
  /** The worker that runs or stores it; while `processing`. */
  worker: WorkerRecord | undefined;
  /** The workers that keep its value, the first for its own sake, the others as copies; none where it is small. */
  holders: readonly WorkerRecord[];
  /** Number of its last attempt; 0 for none. What comes of an attempt is known by it. */
  run: number;
  /** Its value, where the scheduler has it: small ones, those to be stored, and large results of calls. */
  value: Uint8Array | undefined;
  /** Keys of the actors and futures in its value. */
  valueRefs: readonly string[];
  /** Bytes of its value; 0 until that is known. */
  size: number;
  /** What those who hold it were told; while `erred`. */
  failure: StatusBody | undefined;
  /** The client that promised it; while an external key is `blocked`. */
  owner: string | undefined;
  /** Who wants to know where it is. */
  readonly lookups: Lookup[];
  /** Its place in the queue of those that wait; -1 for none. */
  place: number;
}

/** No worker keeps a value. */
export const NOWHERE: readonly WorkerRecord[] = Object.freeze([]);

/** No records: most have no waiters and no dependents, and need no sets of their own. */
export const NO_RECORDS: ReadonlySet<never> = new Set();

/** Adds a record to others. Returns the set that takes the place of the one before. */
export function withRecord<T>(records: ReadonlySet<T>, record: T): ReadonlySet<T> {
  return records === NO_RECORDS ? new Set([record]) : (records as Set<T>).add(record);
}

/** Takes a record out from among others. */
export function removeRecord<T>(records: ReadonlySet<T>, record: T): void {
  (records as Set<T>).delete(record);
}

/** Whether there is a value that a dependent can use. */
export function hasValue(record: KeyRecord): boolean {
  return record.state === (record.kind === "actor" ? "running" : "memory");
}

/** The keys of what a record waits for. */
export function missingKeys({ dependencies }: KeyRecord): string[] {
  return dependencies.filter((dependency) => !hasValue(dependency)).map(({ key }) => key);
}

/** Whether a value that is not there can be had (again). */
export function canRunAgain(task: TaskRecord): boolean {
  return task.kind === "task" ? task.recipe !== undefined : task.value !== undefined;
}

/** Whether it is on its way to a value. */
export function isUnfinished(record: KeyRecord): boolean {
  const { state } = record;
  return state === "blocked" || state === "waiting" || state === "processing" || state === "starting";
}
