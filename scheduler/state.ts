/**
 * All that a scheduler knows. Data only: `transitions.ts` alone changes it.
 *
 * @module
 */

import type {
  ActorReference,
  HomeKind,
  RandomSource,
  StatusBody,
  SubmitBody,
  SubmittedTarget,
} from "../protocol/mod.ts";
import type { ActorState } from "./actor_states.ts";
import { createFigures, type Figures } from "./figures.ts";
import type { Placing, Wishes } from "./placement.ts";
import { createOpenWorkers, type OpenWorkers } from "./open_workers.ts";
import { createReferences, type References } from "./references.ts";
import type { Submission } from "./admission.ts";
import { Story } from "./story.ts";
import type { KeyRecord, Lookup, Recipe, TaskRecord } from "./task_record.ts";
import type { TaskQueue } from "./task_queue.ts";
import type { TaskState } from "./task_states.ts";

/** Versions that a peer named in its hello. */
export interface Versions {
  /** Of this library. */
  readonly troupe: string;
  /** Of the runtime, such as `deno 2.9.6`. */
  readonly runtime: string;
}

/** The host process of a worker. */
export interface HostRecord {
  /** Its incarnation, which its nanny made. */
  readonly incarnation: string;
  /** `announced` by the nanny, `joined` over its own link, `unlinked` while the reason of its end is awaited. */
  phase: "announced" | "joined" | "unlinked";
  /** Process id; 0 until it joined. */
  pid: number;
  /** WebSocket address of its data plane; empty where it has none. */
  address: string;
  /** How many isolates it runs, as last reported. */
  isolates: number;
  /** Bytes of values that it has in a file, as last reported. */
  spilledBytes: number;
  /** What it has counted, as far as it has reported it. */
  readonly figures: Figures;
  /** Whether its nanny will replace it when its calls have ended. Until then its worker counts as leaving. */
  replaced: boolean;
}

/** A worker: a nanny, and the host that it runs now. */
export interface WorkerRecord {
  /** Id that the scheduler gave. */
  readonly id: string;
  /** Name, unique among the workers that are here. */
  readonly name: string;
  /** Name of its machine. */
  readonly machine: string;
  /** Process id of the nanny. */
  readonly pid: number;
  /** What it offers. */
  readonly resources: ReadonlyMap<string, number>;
  /** What of it its actors, and the tasks that it runs, hold. */
  readonly held: Map<string, number>;
  /** Memory limit of its host in bytes; 0 for none. */
  readonly memoryLimit: number;
  /** How many sync tasks it runs at once. */
  readonly threads: number;
  /** Versions that it named. */
  readonly versions: Versions;
  /** Keys of the actors that were placed here and are not gone. */
  readonly actors: Set<string>;
  /** The tasks that it was told to run, and has not finished. */
  readonly processing: Set<TaskRecord>;
  /** Those of them that have submitted something, and wait for it as far as anybody knows: they take no slot. */
  readonly aside: Set<TaskRecord>;
  /** The values that it was told to store, and has not stored. */
  readonly storing: Set<TaskRecord>;
  /** The values that it keeps. */
  readonly results: Set<TaskRecord>;
  /** Bytes of the values that it keeps. */
  resultBytes: number;
  /** Those among them that are copies of what another worker keeps, oldest first. */
  readonly copies: Set<TaskRecord>;
  /** Bytes of the copies. */
  copyBytes: number;
  /** Where its last host ended for want of memory: what took most, as a sentence; else empty. */
  fullOf: string;
  /** Ids of the client sessions of its isolates. */
  readonly sessions: Set<string>;
  /** Whether its memory is so full that it gets no new tasks. */
  paused: boolean;
  /** Milliseconds that it takes for a task, on the average of the latest; `Infinity` while that is not known. */
  pace: number;
  /** Its place among the workers that take tasks; -1 where it takes none. */
  level: number;
  /** The host that runs, or is about to. */
  host: HostRecord | undefined;
  /** Whether it is leaving: then nothing is placed here. */
  draining: boolean;
  /** What it keeps is brought to others; while it is leaving. */
  moves: Moves | undefined;
  /** Resident memory of the host in bytes. */
  memory: number;
  /** Lag of the host's main loop in milliseconds. */
  lag: number;
  /** Time of the last heartbeat, or of joining. */
  heartbeatAt: number;
  /** When it was last chosen, as a count of placements; 0 for never. */
  chosen: number;
}

/** What a worker that leaves keeps, on its way to others. */
export interface Moves {
  /** What may have to be moved and was not looked at yet, the last first. */
  readonly waiting: { readonly task: TaskRecord; readonly tries: number }[];
  /** What another worker was told to fetch. */
  readonly under: Map<TaskRecord, { readonly target: WorkerRecord; readonly tries: number }>;
  /** The question of its host whether it may go. */
  asker: Asker | undefined;
}

/** A client session. It outlives a broken connection by a while. */
export interface ClientRecord {
  /** Id, for diagnostics and for relayed calls. */
  readonly id: string;
  /** The secret by which the same client is known when it comes back. */
  readonly session: string;
  /** Number from which the client makes its keys. */
  readonly number: number;
  /** Versions that it named. */
  versions: Versions;
  /** Whether its connection broke, and it may come back. */
  away: boolean;
  /** What it has not heard while it was away, by key. */
  readonly missed: Map<string, StatusBody>;
  /** Homes for which this session was given a ticket, by incarnation of their host. */
  readonly ticketed: Map<string, Set<string>>;
  /** The host of which this is an isolate: then it is gone with it, and holds for actors and tasks there. */
  readonly isolateOf: IsolateOrigin | undefined;
  /** External keys that it promised and has not fulfilled. */
  readonly promised: Set<string>;
  /** Data that it scattered, and holds itself until it says for whom. */
  readonly scattered: Set<string>;
}

/** The host that an isolate belongs to. */
export interface IsolateOrigin {
  /** Worker id. */
  readonly worker: string;
  /** Incarnation of the host. */
  readonly host: string;
}

/** Who asked something that is answered later. */
export interface Asker {
  /** A client's id, or a worker's where its host asked. */
  readonly id: string;
  /** Which of them. */
  readonly role: "client" | "host";
  /** The id of the request. */
  readonly request: number;
}

/** An actor, from its submission until it is gone. */
export interface ActorRecord {
  /** Tells it from what else has a key. */
  readonly kind: "actor";
  /** The cluster-wide name. */
  readonly key: string;
  /** Its class or factory. */
  readonly target: SubmittedTarget;
  /** Where it may live. */
  readonly wishes: Wishes;
  /** The same as text, by which equal wishes are known. */
  readonly wishText: string;
  /** Higher ones are placed first. */
  readonly priority: number;
  /** Order of submission. */
  readonly number: number;
  /** Milliseconds that its creation may take; `undefined` for any. */
  readonly timeout: number | undefined;
  /** How often its creation may be tried again. */
  retries: number;
  /** Where it stands. */
  state: ActorState;
  /** Why it has no worker; while `waiting`. */
  refusal: Exclude<Placing, { kind: "placed" }> | undefined;
  /** Its worker's id; from `starting` on. */
  worker: string | undefined;
  /** Incarnation of its host; from `starting` on. */
  host: string | undefined;
  /** 64 random bits of this instance; from `starting` on. */
  incarnation: string | undefined;
  /** What its host needs; until it runs. */
  creation: Recipe | undefined;
  /** What its arguments need, each once; until it runs. */
  dependencies: KeyRecord[];
  /** How many of them are not there; while `blocked`. */
  missing: number;
  /** Who needs it to run or start, and has not finished. */
  waiters: ReadonlySet<KeyRecord>;
  /** Kind of its home; once it ran. */
  homeKind: HomeKind | undefined;
  /** What handles carry; once it ran. */
  reference: ActorReference | undefined;
  /** The bytes of a handle, as a value; once somebody needed them. */
  handle: Uint8Array | undefined;
  /** Who looked it up before it ran. */
  readonly lookups: Lookup[];
  /** While `stopping`: submissions of the same key, which wait for its end. */
  readonly next: Submission[];
}

/** A retirement that is answered when its last worker has left. */
export interface Retirement {
  /** Who is told. */
  readonly asker: Asker;
  /** Ids of all workers that retire. */
  readonly workers: readonly string[];
  /** Ids of those that have not left yet. */
  readonly pending: Set<string>;
}

/** A restart that is answered when all workers have a new host. */
export interface Restart {
  /** Who is told. */
  readonly asker: Asker;
  /** Names its timer. */
  readonly number: number;
  /** Milliseconds that the workers have. */
  readonly timeout: number;
  /** Names of the workers that are not back: one that registers anew has another id. */
  readonly pending: Set<string>;
}

/** All that a scheduler knows. */
export interface SchedulerState {
  /** Workers by id. */
  readonly workers: Map<string, WorkerRecord>;
  /** Clients by id. */
  readonly clients: Map<string, ClientRecord>;
  /** Ids of clients by their secret session. */
  readonly sessions: Map<string, string>;
  /** All that a key names. */
  readonly keys: Map<string, KeyRecord>;
  /** The actors among them. */
  readonly actors: Map<string, ActorRecord>;
  /** Actors without a worker, in the order in which they are tried. */
  readonly waiting: ActorRecord[];
  /** Tasks that wait for a worker, by what they want of it. */
  readonly queues: Map<string, TaskQueue>;
  /** Workers that leave, and keep values. */
  readonly leaving: Set<WorkerRecord>;
  /** Values that wait for a worker that stores them. */
  readonly unstored: Set<TaskRecord>;
  /** Workers that take tasks. */
  readonly open: OpenWorkers;
  /** How many values there are in each state. */
  readonly counts: Record<TaskState, number>;
  /** Counts how often a worker came to take more than before. */
  capacity: number;
  /** Counts changes of what workers there are. */
  membership: number;
  /** Who holds what. */
  readonly references: References;
  /** What may have lost the last that kept it; empty between events. */
  readonly suspects: Set<KeyRecord>;
  /** What those who ask wait for, by asker. */
  readonly asking: Map<string, Set<KeyRecord>>;
  /** Isolates that asked for keys which nobody has told of yet. */
  readonly expected: Map<string, Asker[]>;
  /** Retirements that are not answered yet. */
  readonly retirements: Set<Retirement>;
  /** Restarts that are not answered yet. */
  readonly restarts: Set<Restart>;
  /** What hosts counted that are gone. */
  readonly past: Figures;
  /** What happened last. */
  readonly story: Story;
  /** Source of incarnations. */
  readonly random: RandomSource;
  /** Counts submissions and placements. */
  count: number;
  /** Counts client sessions. */
  sessionCount: number;
}

/** What a new state is made from. */
export interface StateOptions {
  /** Source of incarnations. */
  readonly random: RandomSource;
  /** How many transitions the story keeps. @default {10000} */
  readonly storyLength?: number;
}

/** An empty scheduler. */
export function createState(options: StateOptions): SchedulerState {
  return {
    workers: new Map(),
    clients: new Map(),
    sessions: new Map(),
    keys: new Map(),
    actors: new Map(),
    waiting: [],
    queues: new Map(),
    leaving: new Set(),
    unstored: new Set(),
    open: createOpenWorkers(),
    counts: { blocked: 0, waiting: 0, processing: 0, memory: 0, released: 0, erred: 0, gone: 0 },
    capacity: 0,
    membership: 0,
    references: createReferences(),
    suspects: new Set(),
    asking: new Map(),
    expected: new Map(),
    retirements: new Set(),
    restarts: new Set(),
    past: createFigures(),
    story: new Story(options.storyLength ?? 10_000),
    random: options.random,
    count: 0,
    sessionCount: 0,
  };
}

/** Nothing in particular. */
export const NO_WISHES: Wishes = { workers: [], allowOtherWorkers: false, resources: new Map() };

/** Wishes as text: equal ones have equal texts, and an empty one means any worker. */
export function wishTextOf({ workers, allowOtherWorkers, resources }: Wishes): string {
  if (workers.length === 0 && resources.size === 0) return "";
  return JSON.stringify([workers, allowOtherWorkers, [...resources]]);
}

/** What a submission or a scattered value says of placement. */
export function wishesOf(body: Pick<SubmitBody, "workers" | "allowOtherWorkers"> & Partial<SubmitBody>): Wishes {
  const { workers, allowOtherWorkers, resources: wanted } = body;
  if (workers === undefined && wanted === undefined) return NO_WISHES;
  const resources = new Map(Object.entries(wanted ?? {}).filter(([, amount]) => amount > 0));
  return { workers: workers ?? [], allowOtherWorkers: allowOtherWorkers ?? false, resources };
}
