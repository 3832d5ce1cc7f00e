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
  /** How many sync tasks it runs at once. */
  readonly threads: number;
  /** Whether its memory is so full that it gets no new tasks. */
  readonly paused: boolean;
  /** How many tasks it was given and has not finished. */
  readonly processing: number;
  /** How many values it keeps: large results of tasks, large scattered values, and copies of either. */
  readonly results: number;
  /** Their size in bytes. */
  readonly resultBytes: number;
  /** Bytes of them that are in a file, because memory was nearly full, as last reported. */
  readonly spilledBytes: number;
  /** How many of them are copies of what another worker keeps. */
  readonly copies: number;
  /** Their size in bytes. */
  readonly copyBytes: number;
  /** Its actors. */
  readonly actors: readonly ActorSnapshot[];
  /** Versions of Troupe and of the runtime. */
  readonly versions: { readonly troupe: string; readonly runtime: string };
}

/**
 * Where a value stands: it waits for others (`blocked`) or for a worker (`waiting`), is computed or stored (`processing`),
 * is there (`memory`), was dropped but can be computed again (`released`), or failed (`erred`).
 */
export type TaskStatus = "blocked" | "waiting" | "processing" | "memory" | "released" | "erred";

/** One task with its result, one scattered value, or the result of one call. */
export interface TaskSnapshot {
  /** The cluster-wide name. */
  readonly key: string;
  /** What it is. */
  readonly kind: "task" | "data" | "external";
  /** Name of a task's function; empty for others. */
  readonly name: string;
  /** Where it stands. */
  readonly state: TaskStatus;
  /** Id of the worker that computes it, or keeps it for its own sake; `undefined` where the scheduler alone has it. */
  readonly worker: string | undefined;
  /** Ids of all workers that keep it, copies too. */
  readonly holders: readonly string[];
  /** While it waits for a worker: what was wanted and what is offered, where it is more than a free slot. */
  readonly reason: string | undefined;
  /** Bytes of the value; 0 while that is not known. */
  readonly size: number;
  /** Ids of the clients that hold it. */
  readonly clients: readonly string[];
  /** Keys among its arguments. */
  readonly dependencies: readonly string[];
  /** Those of them that are not there yet. */
  readonly waitsFor: readonly string[];
  /** What happened to it, oldest first, as far as that is remembered. */
  readonly story: readonly {
    readonly at: number;
    readonly from: string;
    readonly to: string;
    readonly cause: string;
  }[];
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
  /** How many values there are in each state: results of tasks, scattered ones, and results of calls. */
  readonly tasks: Readonly<Record<TaskStatus, number>>;
}

/** Why something does not run, or where it runs. */
export interface Explanation {
  /** The cluster-wide name. */
  readonly key: string;
  /** What it is; `unknown` where only the story is left of it. */
  readonly kind: "actor" | "task" | "data" | "external" | "unknown";
  /** Name of its class or function; empty for others. */
  readonly name: string;
  /** Where it stands, in the words of the scheduler: `blocked`, `waiting`, `starting`, `running`, `processing` … */
  readonly status: string;
  /** The answer in one sentence. */
  readonly summary: string;
  /** Name of the worker that has it. */
  readonly worker: string | undefined;
  /** While no worker fits: what is wanted and what is offered. */
  readonly reason: string | undefined;
  /** What among its arguments is not there. */
  readonly waitsFor: readonly ExplainedKey[];
  /** What that waits for in turn, at the end of each chain: the cause. */
  readonly roots: readonly ExplainedKey[];
  /** How many hold it. */
  readonly holders: number;
  /** What happened to it, oldest first, as far as that is remembered; `at` in milliseconds since 1970. */
  readonly story: readonly {
    readonly at: number;
    readonly from: string;
    readonly to: string;
    readonly cause: string;
  }[];
}

/** Something that something else waits for. */
export interface ExplainedKey {
  /** The cluster-wide name. */
  readonly key: string;
  /** Name of its class or function. */
  readonly name: string;
  /** Where it stands. */
  readonly status: string;
  /** Why, in one sentence. */
  readonly summary: string;
}

/** One actor with what is counted of it. */
export interface ActorDetails extends ActorSnapshot {
  /** Its worker's name; `undefined` while none is chosen. */
  readonly workerName: string | undefined;
  /**
   * The actor of the same isolate whose sync method has held it up for a while: nobody else runs there; `undefined` where
   * none does.
   */
  readonly heldUpBy: { readonly key: string; readonly method: string; readonly for: number } | undefined;
  /** What its host counts; `undefined` where it does not run, or its host does not answer. */
  readonly figures: ActorCounts | undefined;
}

/** What is counted of one actor. Times in milliseconds. */
export interface ActorCounts {
  /** How many calls started. */
  readonly calls: number;
  /** How many of them failed. */
  readonly errors: number;
  /** How many run now. */
  readonly inFlight: number;
  /** How many wait for their turn now. */
  readonly queued: number;
  /** Bytes of arguments. */
  readonly bytesIn: number;
  /** Bytes of results. */
  readonly bytesOut: number;
  /** All running times together. */
  readonly runningTime: number;
  /** All waiting times together. */
  readonly queueingTime: number;
  /** How long it has had a call under way without a break; 0 where it has none. */
  readonly busyFor: number;
  /** The method that started last; `undefined` before the first. */
  readonly method: string | undefined;
  /** Whether that is a sync method, which holds up its isolate while it runs. */
  readonly sync: boolean;
  /** Its home within the host: `inline`, `shared-1` … */
  readonly home: string;
}
