/**
 * The seam between a host and the isolates in which its actors live.
 *
 * @module
 */

import type { ClassCounters, CreatedBody, Executed, HomeKind, LossReason, SubmittedTarget } from "../protocol/mod.ts";
import type { Transport } from "../connection/mod.ts";

/** What every isolate of a host knows. */
export interface IsolateSettings {
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
  /** How often a constructor that throws is run again. */
  readonly retries: number;
  /** Whether a class with a sync method is refused here: true in an inline home, which must not be held up. */
  readonly asyncOnly: boolean;
}

/** Why a creation failed. */
export interface CreateFailure {
  /** An encoded error envelope. */
  readonly error: Uint8Array;
  /** Whether the constructor ran. */
  readonly executed: Executed;
  /** The class has a sync method and the home was {@linkcode CreateOrder.asyncOnly}: nothing ran, create it elsewhere. */
  readonly needsSharedHome: boolean;
  /** The module did not load: this isolate remembers that, and must not be asked for it again. */
  readonly importFailed: boolean;
}

/** What came of a creation. */
export type CreateOutcome =
  | { readonly ok: true; readonly created: Omit<CreatedBody, "homeKind"> }
  | { readonly ok: false; readonly failure: CreateFailure };

/** What an isolate has counted since it started. */
export interface IsolateCounters {
  /** By class. */
  readonly classes: readonly ClassCounters[];
  /** Errors outside of any call: floating rejections, errors in timers. */
  readonly unhandled: number;
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
  /** What it has counted. */
  counters(): Promise<IsolateCounters>;
  /**
   * Ends it within `timeout` milliseconds. It takes no more calls; those under way may finish, then the actors' dispose
   * hooks run, for which the last quarter of that time is kept, at most a second.
   */
  close(timeout: number): Promise<void>;
  /** Resolves when the isolate has ended, by `close` or by an accident that took its actors. */
  readonly ended: Promise<IsolateEnd>;
}
