/**
 * What happens to a scheduler. Each event also says when (`at`), as the core has no clock.
 *
 * @module
 */

import type { CreatedBody, Executed, HeartbeatBody, ScatterBody, SubmitBody, WorkerHello } from "../protocol/mod.ts";
import type { HostReport } from "../protocol/report.ts";
import type { TimerName } from "./instructions.ts";
import type { Asker, IsolateOrigin, Versions } from "./state.ts";

/** Every kind of event with what it carries. */
export interface EventTable {
  /** A nanny said hello. */
  workerJoined: { readonly worker: string; readonly hello: WorkerHello };
  /** A nanny's link ended, or it fell silent. */
  workerLeft: { readonly worker: string; readonly reason: "worker-exit" | "worker-timeout" };
  /** A nanny says that its worker is leaving. */
  workerDraining: { readonly worker: string };
  /** A nanny says that it will replace a host when its calls have ended. */
  hostDraining: { readonly worker: string; readonly incarnation: string };
  /** A nanny is about to start a host. */
  hostAnnounced: { readonly worker: string; readonly incarnation: string };
  /** A host said hello. */
  hostJoined: { readonly worker: string; readonly incarnation: string; readonly pid: number; readonly address: string };
  /** A host's link ended; its nanny may know why. */
  hostLinkClosed: { readonly worker: string; readonly incarnation: string };
  /** A nanny says that a host ended. */
  hostEnded: { readonly worker: string; readonly incarnation: string; readonly reason: string };
  /** A nanny's sign of life. */
  heartbeat: { readonly worker: string; readonly body: HeartbeatBody };
  /** A host's counters. */
  report: { readonly worker: string; readonly incarnation: string; readonly body: HostReport };

  /** A client said hello: a new session, or one that comes back. */
  clientJoined: {
    readonly client: string;
    readonly session: string;
    readonly versions: Versions;
    /** The host of which it is an isolate. */
    readonly isolateOf?: IsolateOrigin | undefined;
  };
  /** A client's connection ended; `closed` where the client itself closed it. */
  clientLeft: { readonly client: string; readonly closed: boolean };
  /** A client wants an actor or the result of a task. */
  submitted: {
    readonly client: string;
    readonly key: string;
    readonly body: SubmitBody;
    readonly submitted: Uint8Array;
    readonly args: Uint8Array;
    readonly refs: readonly string[];
    readonly holder?: string | undefined;
    /** What may wait for it: attempts at tasks, and calls. */
    readonly chain?: readonly string[];
  };
  /** A client scatters a value. */
  scattered: {
    readonly client: string;
    readonly key: string;
    readonly body: ScatterBody;
    readonly value: Uint8Array;
    readonly refs: readonly string[];
  };
  /** A client promises the values of keys. */
  promised: { readonly client: string; readonly keys: readonly string[] };
  /** A client keeps a promise: with a value, or an error envelope. */
  fulfilled: {
    readonly client: string;
    readonly key: string;
    readonly ok: boolean;
    readonly value: Uint8Array;
    readonly refs: readonly string[];
  };
  /** A client got handles or futures from elsewhere. */
  held: { readonly client: string; readonly keys: readonly string[]; readonly holder?: string | undefined };
  /** A client no longer holds keys. */
  released: { readonly client: string; readonly keys: readonly string[]; readonly holder?: string | undefined };
  /** A client stops keys for everyone. */
  cancelled: { readonly client: string; readonly keys: readonly string[]; readonly reason: string | undefined };
  /** Someone looks an actor up. */
  lookedUp: { readonly asker: Asker; readonly key: string };
  /** Someone wants to know where a value is. */
  located: { readonly asker: Asker; readonly key: string };
  /** Someone retires workers, by id, name or address. */
  retired: { readonly asker: Asker; readonly workers: readonly string[]; readonly timeout: number };

  /** Someone wants everything to begin anew; all hosts have `timeout` milliseconds to come back. */
  restarted: { readonly asker: Asker; readonly timeout: number };
  /** Someone wants modules to be loaded anew. */
  modulesReloaded: { readonly asker: Asker };

  /** A host created an actor. */
  created: {
    readonly worker: string;
    readonly host: string;
    readonly key: string;
    readonly incarnation: string;
    readonly body: CreatedBody;
  };
  /** A host could not create an actor. `error` is an error envelope. */
  createFailed: {
    readonly worker: string;
    readonly host: string;
    readonly key: string;
    readonly incarnation: string;
    readonly executed: Executed;
    readonly error: Uint8Array;
  };
  /** An actor is gone from its host. */
  ended: {
    readonly worker: string;
    readonly host: string;
    readonly key: string;
    readonly incarnation: string;
    readonly reason: string;
  };

  /** A host ran a task, and keeps the result. */
  computed: {
    readonly worker: string;
    readonly host: string;
    readonly key: string;
    readonly run: number;
    readonly size: number;
    readonly value: Uint8Array | undefined;
    readonly refs: readonly string[];
    /** Milliseconds in which its function ran. */
    readonly took: number;
  };
  /** A host gives a task back that it has not begun. */
  returned: { readonly worker: string; readonly host: string; readonly key: string; readonly run: number };
  /** A task failed, or could not start because `missing` could not be fetched. `error` is an error envelope. */
  computeFailed: {
    readonly worker: string;
    readonly host: string;
    readonly key: string;
    readonly run: number;
    readonly executed: Executed;
    readonly error: Uint8Array;
    readonly missing: readonly string[];
  };
  /** A host keeps a value that it was told to. */
  stored: { readonly worker: string; readonly host: string; readonly key: string; readonly run: number };
  /** A host keeps a value that it has fetched from another. */
  copied: { readonly worker: string; readonly host: string; readonly key: string; readonly run: number };
  /** A host could not fetch a value that it was to keep. */
  copyFailed: { readonly worker: string; readonly host: string; readonly key: string; readonly run: number };
  /** A host that leaves has nothing more to do: it is answered when it may go. */
  leaveAsked: { readonly asker: Asker };

  /** A timer that was set has run out. */
  timerFired: { readonly timer: TimerName };
}

/** The name of a kind of event. */
export type EventType = keyof EventTable;

/** What carries an event of one kind, without its time. */
export type InputOf<T extends EventType> = { readonly type: T } & EventTable[T];

/** What a link or timer reports. */
export type SchedulerInput = { [T in EventType]: InputOf<T> }[EventType];

/** An event of one kind. `at` is in milliseconds of a clock that never goes back. */
export type EventOf<T extends EventType> = InputOf<T> & { readonly at: number };

/** Any event. */
export type SchedulerEvent = { [T in EventType]: EventOf<T> }[EventType];
