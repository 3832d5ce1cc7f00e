/**
 * All that a scheduler knows. Data only: `transitions.ts` alone changes it.
 *
 * @module
 */

import type {
  ActorReference,
  ClassCounters,
  HomeKind,
  RandomSource,
  StatusBody,
  SubmitBody,
  SubmittedTarget,
} from "../protocol/mod.ts";
import type { ActorState } from "./actor_states.ts";
import type { EventOf } from "./events.ts";
import type { Placing, Wishes } from "./placement.ts";
import { createReferences, type References } from "./references.ts";
import { Story } from "./story.ts";

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
  /** Calls and errors by class, as last reported. */
  classes: readonly ClassCounters[];
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
  /** What of it its actors hold. */
  readonly held: Map<string, number>;
  /** Memory limit of its host in bytes; 0 for none. */
  readonly memoryLimit: number;
  /** Versions that it named. */
  readonly versions: Versions;
  /** Keys of the actors that were placed here and are not gone. */
  readonly actors: Set<string>;
  /** The host that runs, or is about to. */
  host: HostRecord | undefined;
  /** Whether it is leaving: then nothing is placed here. */
  draining: boolean;
  /** Resident memory of the host in bytes. */
  memory: number;
  /** Lag of the host's main loop in milliseconds. */
  lag: number;
  /** Time of the last heartbeat, or of joining. */
  heartbeatAt: number;
  /** When it was last chosen, as a count of placements; 0 for never. */
  chosen: number;
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

/** What a host needs to create an actor; kept until it runs. */
export interface Creation {
  /** The bytes of the client's submit body. */
  readonly submitted: Uint8Array;
  /** The bytes of the arguments. */
  readonly args: Uint8Array;
  /** Keys of the actors and futures among the arguments. */
  readonly refs: readonly string[];
}

/** An actor, from its submission until it is gone. */
export interface ActorRecord {
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
  creation: Creation | undefined;
  /** Kind of its home; once it ran. */
  homeKind: HomeKind | undefined;
  /** What handles carry; once it ran. */
  reference: ActorReference | undefined;
  /** Who looked it up before it ran. */
  readonly lookups: Asker[];
  /** While `stopping`: submissions of the same key, which wait for its end. */
  readonly next: EventOf<"submitted">[];
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

/** All that a scheduler knows. */
export interface SchedulerState {
  /** Workers by id. */
  readonly workers: Map<string, WorkerRecord>;
  /** Clients by id. */
  readonly clients: Map<string, ClientRecord>;
  /** Ids of clients by their secret session. */
  readonly sessions: Map<string, string>;
  /** Actors by key. */
  readonly actors: Map<string, ActorRecord>;
  /** Actors without a worker, in the order in which they are tried. */
  readonly waiting: ActorRecord[];
  /** Who holds what. */
  readonly references: References;
  /** Retirements that are not answered yet. */
  readonly retirements: Set<Retirement>;
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
    actors: new Map(),
    waiting: [],
    references: createReferences(),
    retirements: new Set(),
    story: new Story(options.storyLength ?? 10_000),
    random: options.random,
    count: 0,
    sessionCount: 0,
  };
}

/** Wishes as text: equal ones have equal texts. */
export function wishTextOf({ workers, allowOtherWorkers, resources }: Wishes): string {
  return JSON.stringify([workers, allowOtherWorkers, [...resources]]);
}

/** What a submission says of placement. */
export function wishesOf(body: SubmitBody): Wishes {
  const resources = new Map(Object.entries(body.resources ?? {}).filter(([, amount]) => amount > 0));
  return { workers: body.workers ?? [], allowOtherWorkers: body.allowOtherWorkers ?? false, resources };
}
