/**
 * The read-only view of a cluster that `client.schedulerInfo()`, `/api/v1` and the dashboard show.
 *
 * @module
 */

import type { HomeKind } from "./bodies.ts";

/** Where an actor stands. */
export type ActorStatus = "no-worker" | "starting" | "running" | "stopping";

/** One actor. */
export interface ActorSnapshot {
  /** The cluster-wide name. */
  readonly key: string;
  /** Name of its class or factory. */
  readonly class: string;
  /** The kind of its home; `undefined` until it runs. */
  readonly home: HomeKind | undefined;
  /** Where it stands. */
  readonly status: ActorStatus;
  /** Id of its worker; `undefined` while none is chosen. */
  readonly worker: string | undefined;
  /** For `no-worker`: what was wanted and what is offered. */
  readonly reason: string | undefined;
  /** Ids of the clients that hold it. */
  readonly clients: readonly string[];
}

/** One worker. */
export interface WorkerSnapshot {
  /** Id that the scheduler gave. */
  readonly id: string;
  /** Name that its user or the scheduler gave. */
  readonly name: string;
  /** `starting` has no host yet, `running` takes actors, `draining` is leaving. */
  readonly status: "starting" | "running" | "draining";
  /** WebSocket address of its host; empty where it only dials out, or while none runs. */
  readonly address: string;
  /** Name of its machine. */
  readonly machine: string;
  /** Process id of the nanny. */
  readonly pid: number;
  /** Process id of the host; 0 while none runs. */
  readonly hostPid: number;
  /** Incarnation of the host; empty while none runs. */
  readonly host: string;
  /** What it offers. */
  readonly resources: Readonly<Record<string, number>>;
  /** What of it is held. */
  readonly resourcesHeld: Readonly<Record<string, number>>;
  /** Resident memory of the host in bytes. */
  readonly memory: number;
  /** Lag of the host's main loop in milliseconds. */
  readonly lag: number;
  /** Milliseconds since its last heartbeat. */
  readonly heartbeatAge: number;
  /** Calls and errors by class, as last reported. */
  readonly classes: readonly { className: string; actors: number; calls: number; errors: number }[];
  /** Its actors. */
  readonly actors: readonly ActorSnapshot[];
  /** Versions of Troupe and of the runtime. */
  readonly versions: { readonly troupe: string; readonly runtime: string };
}

/** One client. */
export interface ClientSnapshot {
  /** Id that the scheduler gave. */
  readonly id: string;
  /** How many keys it holds. */
  readonly keys: number;
  /** Versions of Troupe and of the runtime. */
  readonly versions: { readonly troupe: string; readonly runtime: string };
}

/** A scheduler and all that it knows. */
export interface SchedulerSnapshot {
  /** Id of this scheduler process; another one after a restart. */
  readonly id: string;
  /** WebSocket address that workers and clients dial. */
  readonly address: string;
  /** Link to the dashboard or API. */
  readonly dashboard: string;
  /** Milliseconds since it started. */
  readonly uptime: number;
  /** Versions of Troupe and of the runtime. */
  readonly versions: { readonly troupe: string; readonly runtime: string };
  /** Messages received so far, by name: direct calls add none. */
  readonly messages: Readonly<Record<string, number>>;
  /** Its workers. */
  readonly workers: readonly WorkerSnapshot[];
  /** Its clients. */
  readonly clients: readonly ClientSnapshot[];
  /** Actors that have no worker yet. */
  readonly waiting: readonly ActorSnapshot[];
}
