/**
 * What a host and a Web Worker isolate say to each other, by structured clone over a port of their own.
 *
 * The bootstrap gets that port in the first message, so that nothing user code does with `self.onmessage` or
 * `self.postMessage` comes between the two.
 *
 * @module
 */

import type { LossReason } from "../protocol/mod.ts";
import type { CreateOrder, CreateOutcome, IsolateCounters, IsolateSettings } from "./isolate.ts";

/** The only message that goes to the Web Worker itself; the port is transferred with it. */
export interface IsolateStart {
  /** Id of the home. */
  readonly home: string;
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
  /** Counts. */
  counters: { readonly asked: Record<never, never>; readonly answered: IsolateCounters };
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
  | { readonly type: "serve"; readonly port: MessagePort };

/** Isolate to host. */
export type FromIsolate =
  /** It takes orders now. `address` is empty where it has no server of its own. */
  | { readonly type: "ready"; readonly address: string }
  /** It could not start. */
  | { readonly type: "failed"; readonly message: string }
  /** The answer to the request of that id. */
  | { readonly type: "settled"; readonly id: number; readonly value: IsolateRequests[IsolateRequestName]["answered"] }
  /** User code asked the isolate to exit: `how` it did. Its callers are being told. */
  | { readonly type: "exiting"; readonly how: string }
  /** They have been told. */
  | { readonly type: "exited" };
