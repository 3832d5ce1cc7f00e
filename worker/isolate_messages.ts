/**
 * What a host and an isolate of its own say to each other: with a Web Worker by structured clone over a port, with a
 * process encoded over a connection.
 *
 * The bootstrap of a Web Worker gets that port in the first message, so that nothing user code does with `self.onmessage`
 * or `self.postMessage` comes between the two.
 *
 * @module
 */

import type { LossReason, SubmittedTarget } from "../protocol/mod.ts";
import type { RecorderNews } from "./call_recorder.ts";
import type { CounterNews } from "./call_counters.ts";
import type { MirrorMessage } from "./counter_mirror.ts";
import type { CreateOrder, CreateOutcome, IsolateSettings, TaskOutcome } from "./isolate.ts";

/** What an isolate is told at its start. */
export interface IsolateSetup {
  /** Id of the home. */
  readonly home: string;
  /** WebSocket address at which callers reach it, where it has no server of its own; may be empty. */
  readonly address: string;
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** What the two share for tasks: see `task_board.ts`. Left out where they share no memory. */
  readonly board?: SharedArrayBuffer | undefined;
  /** Whether it may not dial: then it talks to the scheduler through its host, and its calls are relayed. */
  readonly viaHost: boolean;
}

/** The only message that goes to the Web Worker itself; the port is transferred with it. */
export interface IsolateStart extends IsolateSetup {
  /** Carries everything else. */
  readonly port: MessagePort;
}

/** What a host may ask, and what it gets. */
export interface IsolateRequests {
  /** Loads and constructs. */
  create: { readonly asked: { readonly order: CreateOrder }; readonly answered: CreateOutcome };
  /** Removes an actor. */
  destroy: {
    readonly asked: { readonly key: string; readonly incarnation: string; readonly reason: LossReason | "released" };
    readonly answered: undefined;
  };
  /** Ends all actors, after their calls and with their dispose hooks. */
  close: { readonly asked: { readonly timeout: number }; readonly answered: undefined };
}

/** A task to run, without its bytes: how many there are of each stands in their place. */
export interface PackedOrder {
  /** Its number among all of the isolate. */
  readonly number: number;
  readonly key: string;
  readonly run: number;
  readonly target: SubmittedTarget;
  readonly refs: readonly string[];
  readonly asyncOnly: boolean;
  readonly args: number;
  readonly values: readonly { readonly key: string; readonly refs: readonly string[]; readonly bytes: number }[];
}

/** Tasks to run, one after the other. */
export interface PackedOrders {
  readonly type: "compute";
  readonly orders: readonly PackedOrder[];
  /** The bytes of all of them: of each first its arguments, then the values. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The name of a request. */
export type IsolateRequestName = keyof IsolateRequests;

/** Host to isolate. */
export type ToIsolate =
  | {
    [N in IsolateRequestName]: { readonly type: N; readonly id: number } & IsolateRequests[N]["asked"];
  }[IsolateRequestName]
  | PackedOrders
  /** Serves a relayed caller. */
  | { readonly type: "serve"; readonly port: MessagePort }
  /** Somebody looks at calls, or nobody does any more. */
  | { readonly type: "watchCalls"; readonly watched: boolean }
  /** Memory is nearly full. */
  | { readonly type: "collect" }
  /** Nobody wants the result of a task any more. */
  | { readonly type: "cancelCompute"; readonly key: string; readonly run: number }
  /** The ticket of that number, or why there is none. */
  | { readonly type: "ticket"; readonly id: number; readonly ticket: string | undefined; readonly error: string };

/** What can be said to an isolate on any way; how callers are handed over differs. */
export type SentToIsolate = Exclude<ToIsolate, { type: "serve" }>;

/** Isolate to host. */
export type FromIsolate =
  /**
   * It takes orders now, and callers at this address; it is empty where calls are relayed. `loop` is how its event loop
   * looks from outside, with its own time.
   */
  | { readonly type: "ready"; readonly address: string; readonly loop?: SharedArrayBuffer; readonly now: number }
  /** It could not start. */
  | { readonly type: "failed"; readonly message: string }
  /** The answer to the request of that id. */
  | { readonly type: "settled"; readonly id: number; readonly value: IsolateRequests[IsolateRequestName]["answered"] }
  /** What came of the task of that number. */
  | { readonly type: "computed"; readonly number: number; readonly outcome: TaskOutcome }
  /** The function of the task of that number has given a promise. */
  | { readonly type: "waits"; readonly number: number }
  /** There are results on the board. */
  | { readonly type: "results" }
  /** Where it counts. */
  | { readonly type: "counted"; readonly news: CounterNews }
  /** What it has to say of single calls, and of what user code prints. */
  | { readonly type: "observed"; readonly news: RecorderNews }
  /** It wants to connect to the scheduler. */
  | { readonly type: "ticket"; readonly id: number }
  /** It wants to be connected to the scheduler, by a port that carries frames. */
  | { readonly type: "connect"; readonly port: MessagePort }
  /** User code asked the isolate to exit: `how` it did. Its callers are being told. */
  | { readonly type: "exiting"; readonly how: string }
  /** They have been told. */
  | { readonly type: "exited" };

/** What an isolate says on any way; how it gets to the scheduler differs. */
export type HeardFromIsolate = Exclude<FromIsolate, { type: "connect" }>;

/** Host to a process that is one home; what it is told at its start comes first. */
export type ToHome = { readonly type: "setup"; readonly setup: IsolateSetup } | SentToIsolate;

/** A process that is one home to its host: it shares no memory. */
export type FromHome =
  | Exclude<HeardFromIsolate, { type: "counted" }>
  | MirrorMessage
  /** It wants to be connected to the scheduler, by a channel that its host opens: {@linkcode SCHEDULER}. */
  | { readonly type: "connect" };

/** Stands for the home of a channel that leads to the scheduler. */
export const SCHEDULER = "scheduler";
