/**
 * What the core wants done. The shell performs each in order, and none can fail in a way that the core must know: a
 * link that ended is an event of its own.
 *
 * @module
 */

import type { Answered, DataHolder, DependenciesBody, RequestName, StatusBody } from "../protocol/mod.ts";
import type { Asker } from "./state.ts";

/** Names a timer; setting it again replaces it. */
export type TimerName =
  | `deadline ${string}`
  | `grace ${string}`
  | `host end ${string}`
  | `drain ${string}`
  | `again ${string}`
  | `expected ${string}`
  | `restart ${number}`;

/** Where a ticket leads. */
export interface TicketTarget {
  /** Worker id. */
  readonly worker: string;
  /** Incarnation of the host. */
  readonly host: string;
  /** Id of the home. */
  readonly home: string;
}

/** The answers that the core gives. */
export type Answer =
  & { readonly type: "answer"; readonly asker: Asker }
  & (
    | {
      readonly name: "getActor";
      readonly body: Answered<"getActor">;
      readonly ticketFor?: TicketTarget;
    }
    | { readonly name: "locate"; readonly body: Answered<"locate"> }
    | { readonly name: "retireWorkers"; readonly body: Answered<"retireWorkers"> }
    | { readonly name: "restart" | "reloadModules" | "leave"; readonly body: Record<never, never> }
    | { readonly name: RequestName; readonly error: Error }
  );

/** Any instruction. */
export type Instruction =
  /** Tells a client what became of a key, with a new ticket for `ticketFor`. */
  | {
    readonly type: "sendStatus";
    readonly client: string;
    readonly key: string;
    readonly body: StatusBody;
    readonly ticketFor?: TicketTarget;
    /** It may wait a little, and be left out where another of this key follows. */
    readonly passing?: true;
  }
  /** Answers a request. */
  | Answer
  /** Tells a host to create an actor. */
  | {
    readonly type: "sendCreate";
    readonly worker: string;
    readonly key: string;
    readonly incarnation: string;
    readonly submitted: Uint8Array;
    readonly args: Uint8Array;
    readonly refs: readonly string[];
  }
  /** Tells a host to destroy an actor. */
  | { readonly type: "sendDestroy"; readonly worker: string; readonly key: string; readonly incarnation: string }
  /** Tells a host to run a task. */
  | {
    readonly type: "sendCompute";
    readonly worker: string;
    readonly key: string;
    readonly run: number;
    readonly submitted: Uint8Array;
    readonly args: Uint8Array;
    readonly refs: readonly string[];
    readonly dependencies: DependenciesBody;
  }
  /** Tells a host that nobody wants the result of a task that it runs. */
  | { readonly type: "sendCancelCompute"; readonly worker: string; readonly key: string; readonly run: number }
  /** Tells a host to keep a value. */
  | {
    readonly type: "sendStore";
    readonly worker: string;
    readonly key: string;
    readonly run: number;
    readonly value: Uint8Array;
    readonly refs: readonly string[];
  }
  /** Tells a host to fetch a value from one of those that keep it, and to keep it too. */
  | {
    readonly type: "sendCopy";
    readonly worker: string;
    readonly key: string;
    readonly run: number;
    readonly holders: readonly DataHolder[];
  }
  /** Tells a host that nobody needs what came of an attempt any more. */
  | { readonly type: "sendForget"; readonly worker: string; readonly key: string; readonly run: number }
  /** Tells a nanny to leave within `timeout` milliseconds. */
  | { readonly type: "sendDrain"; readonly worker: string; readonly timeout: number }
  /** Tells a nanny to end the host of this incarnation at once, and to start another. */
  | { readonly type: "sendRestart"; readonly worker: string; readonly incarnation: string }
  /** Tells a host to load modules anew from now on. */
  | { readonly type: "sendRenewModules"; readonly worker: string }
  /** Ends a nanny's link. */
  | { readonly type: "closeWorker"; readonly worker: string; readonly code: number; readonly reason: string }
  /** Ends a host's link, where it is linked with this incarnation. */
  | {
    readonly type: "closeHost";
    readonly worker: string;
    readonly incarnation: string;
    readonly code: number;
    readonly reason: string;
  }
  /** Sets a timer, `delay` in milliseconds. */
  | { readonly type: "setTimer"; readonly timer: TimerName; readonly delay: number }
  /** Clears a timer, if it is set. */
  | { readonly type: "clearTimer"; readonly timer: TimerName }
  /** Writes a line to the log. */
  | {
    readonly type: "log";
    readonly level: "debug" | "info" | "warning";
    readonly message: string;
    readonly properties: Readonly<Record<string, unknown>>;
  };
