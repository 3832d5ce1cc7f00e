/**
 * The seam between a host and the isolates in which its actors live.
 *
 * @module
 */

import type { CreatedBody, Executed, HomeKind, LossReason, SubmittedTarget } from "../protocol/mod.ts";
import type { Transport } from "../connection/mod.ts";
import type { RecorderNews } from "./call_recorder.ts";
import type { CounterTable } from "./counter_table.ts";
import type { OnStuck } from "./loop_state.ts";

/** What every isolate of a host knows. */
export interface IsolateSettings {
  /** WebSocket address of the scheduler. */
  readonly scheduler: string;
  /** Further certificate authorities for it and for peers, as PEM. */
  readonly caCerts: readonly string[] | undefined;
  /** WebSocket address of the host's own data plane; empty where it only dials out. */
  readonly hostAddress: string;
  /** Id of the worker. */
  readonly worker: string;
  /** Name of the worker. */
  readonly workerName: string;
  /** Incarnation of the host. */
  readonly host: string;
  /** The scheduler's raw Ed25519 public key, with which tickets are checked. */
  readonly publicKey: Uint8Array;
  /** Where an isolate's own server listens; `undefined` for none: its calls are relayed (`--single-port`). */
  readonly listen: { readonly hostname: string; readonly contactHostname: string } | undefined;
  /** Prefixes of module URLs that may be loaded; see `module_policy.ts`. */
  readonly allowModules: readonly string[];
  /** Milliseconds that a module may take to load. */
  readonly moduleTimeout: number;
}

/** What to create. */
export interface CreateOrder {
  /** The cluster-wide name. */
  readonly key: string;
  /** 64 random bits, from the scheduler. */
  readonly incarnation: string;
  /** What to construct. */
  readonly target: SubmittedTarget;
  /** The constructor's arguments, encoded. */
  readonly args: Uint8Array;
  /** Keys of the actors and futures in them. */
  readonly refs: readonly string[];
  /** How often a constructor that throws is run again. */
  readonly retries: number;
  /** Whether a class with a sync method is refused here: true in an inline home that nobody asked for. */
  readonly asyncOnly: boolean;
  /** What its calls may take, as far as whoever created it says. */
  readonly bounds: OrderedBounds;
  /** Milliseconds that its constructor may take; `Infinity` for any. */
  readonly timeLimit: number;
}

/** What the calls of an actor may take, as far as whoever created it says. */
export interface OrderedBounds {
  /** How many run at a time. @default what the class says, or any number */
  readonly concurrency?: number | undefined;
  /** How many run or wait. */
  readonly maxPending?: number | undefined;
  /** What is done about an isolate that is held up beyond a deadline. */
  readonly onStuck?: OnStuck | undefined;
}

/** Why a creation or a task failed. */
export interface CreateFailure {
  /** An encoded error envelope. */
  readonly error: Uint8Array;
  /** Whether the constructor or function ran. */
  readonly executed: Executed;
  /** It is not async all through and the order was `asyncOnly`: nothing ran, run it elsewhere. */
  readonly needsSharedHome: boolean;
  /** The module did not load: this isolate remembers that, and must not be asked for it again. */
  readonly importFailed: boolean;
}

/** What came of a creation. */
export type CreateOutcome =
  | { readonly ok: true; readonly created: Omit<CreatedBody, "homeKind"> }
  | { readonly ok: false; readonly failure: CreateFailure };

/** The value of a future. */
export interface FetchedValue {
  /** The key whose value it is. */
  readonly key: string;
  /** The value, encoded. */
  readonly bytes: Uint8Array;
  /** Keys of the actors and futures in it. */
  readonly refs: readonly string[];
}

/** A task to run. */
export interface TaskOrder {
  /** The cluster-wide name of the task and of its result. */
  readonly key: string;
  /** The attempt, as the scheduler counts. */
  readonly run: number;
  /** The function. */
  readonly target: SubmittedTarget;
  /** Its arguments, encoded. */
  readonly args: Uint8Array;
  /** Keys of the actors and futures in them. */
  readonly refs: readonly string[];
  /** The values of those futures. */
  readonly values: readonly FetchedValue[];
  /** Whether a sync function is refused here, because it would hold up the host's event loop. */
  readonly asyncOnly: boolean;
}

/**
 * What came of a task: its encoded result with the keys of the actors and futures in it, and the milliseconds that its
 * function took; or why there is none.
 */
export type TaskOutcome =
  | { readonly ok: true; readonly value: Uint8Array; readonly refs: readonly string[]; readonly took: number }
  | { readonly ok: false; readonly failure: CreateFailure };

/** Who hears what came of a task, once. */
export interface TaskReceiver {
  /** It has come to its end. The bytes of a small value are good until this returns. */
  settle(outcome: TaskOutcome): void;
  /** Its function has given a promise: its isolate runs others meanwhile. */
  wait(): void;
  /** Its isolate has ended before that. One that had not begun may run elsewhere. */
  lose(begun: boolean): void;
}

/** What an isolate asks of its host. */
export interface HostServices {
  /** Takes in what the isolate says of single calls, and of what user code prints. */
  observed?(news: RecorderNews): void;
  /** A one-use ticket with which the isolate connects to the scheduler as a client of its own. */
  clientTicket(): Promise<string>;
  /** A way to the scheduler that needs no ticket; left out where the isolate dials by itself. */
  connect?(): Transport | Promise<Transport>;
}

/** How the event loop of an isolate looks from outside. */
export interface LoopView {
  /** What the isolate writes of it: `loop_state.ts`. */
  readonly memory: SharedArrayBuffer;
  /** What has to be added to its time to get the host's. */
  readonly offset: number;
}

/** The end of an isolate. */
export interface IsolateEnd {
  /** Why its actors are lost. */
  readonly reason: LossReason;
  /** For people. */
  readonly message: string;
}

/**
 * A JavaScript heap in which actors live.
 *
 * Contract: an actor lives in one isolate for its whole life. Outcomes and errors are values; a method rejects only
 * where the isolate itself has ended. After {@linkcode ActorIsolate.ended} resolves, every pending promise has settled.
 */
export interface ActorIsolate {
  /** Its id within the host: `inline`, `shared-1` … */
  readonly home: string;
  /** Its kind. */
  readonly kind: HomeKind;
  /** WebSocket address of its own data plane; empty where its calls are relayed. */
  readonly address: string;
  /** Loads the module if it must, constructs, and reports. */
  create(order: CreateOrder): Promise<CreateOutcome>;
  /** Removes an actor: it takes no more calls, its pending calls fail as lost for `reason`, its dispose hook runs. Resolves after that. */
  destroy(key: string, incarnation: string, reason: LossReason | "released"): Promise<void>;
  /** Serves a caller whose frames are relayed. */
  serve(transport: Transport): void;
  /** What it counts. It can be read at any time, also while the isolate is busy, and after its end. */
  readonly counters: CounterTable;
  /**
   * Ends it within `timeout` milliseconds. It takes no more calls; those under way may finish, then the actors' dispose
   * hooks run, for which the last quarter of that time is kept, at most a second.
   */
  close(timeout: number): Promise<void>;
  /**
   * Gives it up, as its event loop does not come back: its actors are lost for `isolate-stuck`. Its thread burns on until
   * its process ends. The host's own isolate cannot be given up: there it does nothing.
   */
  abandon(message: string): void;
  /** Its event loop; `undefined` where others watch it. */
  readonly loop: LoopView | undefined;
  /** Resolves when the isolate has ended, by `close` or by an accident that took its actors. */
  readonly ended: Promise<IsolateEnd>;
}

/** A JavaScript heap in which tasks run, under the contract of {@linkcode ActorIsolate}. */
export interface TaskIsolate {
  /** Its id within the host: `inline`, `task-1` … */
  readonly home: string;
  /** Loads the module if it must, runs the function, and encodes what it gives; `receiver` may hear of it at once. */
  compute(order: TaskOrder, receiver: TaskReceiver): void;
  /** Nobody wants the result any more: a function that awaits sees its signal, and its outcome is that it was cancelled. */
  cancelCompute(key: string, run: number): void;
  /** As {@linkcode ActorIsolate.close}. */
  close(timeout: number): Promise<void>;
  /** As {@linkcode ActorIsolate.abandon}. */
  abandon(message: string): void;
  /** As {@linkcode ActorIsolate.ended}. */
  readonly ended: Promise<IsolateEnd>;
}

/**
 * A task isolate in a thread of its own. It runs one task after the other, in the order in which they were given, and
 * others while a function awaits something.
 */
export interface TaskThread extends TaskIsolate {
  /** Takes back those that have not begun, the last that were given: nothing comes of them. Returns how many. */
  withdraw(): number;
  /** Tells of results that are there, also while a function holds the isolate up. */
  look(): void;
}

/** An isolate whose calls can be looked at one by one. */
export interface WatchedIsolate {
  /** Begins to tell of calls, or stops: see {@linkcode HostServices.observed}. */
  watchCalls(watched: boolean): void;
}

/** An isolate that can be asked to use less memory. */
export interface ShrinkingIsolate {
  /** Frees what it does not use any more, as soon as nothing holds its event loop up. */
  collect(): void;
}

/** What every isolate can do. Which of both it is used for is its owner's business: user code of the two is kept apart. */
export type Isolate = ActorIsolate & TaskIsolate & WatchedIsolate & ShrinkingIsolate;
