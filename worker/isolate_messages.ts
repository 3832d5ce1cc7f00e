/**
 * What a host and a Web Worker isolate say to each other, by structured clone over a port of their own.
 *
 * The bootstrap gets that port in the first message, so that nothing user code does with `self.onmessage` or
 * `self.postMessage` comes between the two.
 *
 * @module
 */

import type { LossReason } from "../protocol/mod.ts";
import type { RecorderNews } from "./call_recorder.ts";
import type { CounterNews } from "./call_counters.ts";
import type { CreateOrder, CreateOutcome, IsolateSettings, TaskOrder, TaskOutcome } from "./isolate.ts";

/** The only message that goes to the Web Worker itself; the port is transferred with it. */
export interface IsolateStart {
  /** Id of the home. */
  readonly home: string;
  /** WebSocket address at which callers reach it, where it has no server of its own; may be empty. */
  readonly address: string;
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
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
  /** Runs a task. */
  compute: { readonly asked: { readonly order: TaskOrder }; readonly answered: TaskOutcome };
  /** Ends all actors, after their calls and with their dispose hooks. */
  close: { readonly asked: { readonly timeout: number }; readonly answered: undefined };
}

/** The name of a request. */
export type IsolateRequestName = keyof IsolateRequests;

/** Host to isolate. */
export type ToIsolate =
  | {
    [N in IsolateRequestName]: { readonly type: N; readonly id: number } & IsolateRequests[N]["asked"];
  }[IsolateRequestName]
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

/** Isolate to host. */
export type FromIsolate =
  /** It takes orders now, and callers at this address; it is empty where calls are relayed. */
  | { readonly type: "ready"; readonly address: string }
  /** It could not start. */
  | { readonly type: "failed"; readonly message: string }
  /** The answer to the request of that id. */
  | { readonly type: "settled"; readonly id: number; readonly value: IsolateRequests[IsolateRequestName]["answered"] }
  /** Where it counts. */
  | { readonly type: "counted"; readonly news: CounterNews }
  /** What it has to say of single calls, and of what user code prints. */
  | { readonly type: "observed"; readonly news: RecorderNews }
  /** It wants to connect to the scheduler. */
  | { readonly type: "ticket"; readonly id: number }
  /** User code asked the isolate to exit: `how` it did. Its callers are being told. */
  | { readonly type: "exiting"; readonly how: string }
  /** They have been told. */
  | { readonly type: "exited" };
