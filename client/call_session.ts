/**
 * What the calls of a client share, whoever makes them: the client itself, or the actor or task in whose name it calls.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { ActorReference, Encoded } from "../protocol/mod.ts";
import type { CallLink } from "./call_link.ts";
import type { Holder } from "./held_key.ts";
import type { LentValues } from "./lent_values.ts";
import type { CallOptions } from "./types.ts";
import type { UnobservedErrors } from "./unobserved.ts";

/** Nothing waits. */
export const NO_CHAIN: readonly string[] = Object.freeze([]);

/** What a call takes over from the call in which it is made. */
export interface InheritedLimits {
  /** Milliseconds until that one's caller stops waiting; `undefined` where it does not. */
  timeLeft(): number | undefined;
  /** What waits for it: tasks, and calls of actors that run a bounded number at a time. */
  readonly chain: readonly string[];
  /** Calls `listener` when that one is given up; the function that it returns takes that back. */
  onAbort(listener: (reason: unknown) => void): () => void;
}

/** What all actors of a client share. */
export interface CallSession {
  /** The time. */
  readonly clock: Clock;
  /** Where failures go that nobody looks at. */
  readonly unobserved: UnobservedErrors;
  /** Options of every call, unless its handle has others. */
  readonly calls: CallOptions;
  /** Tells this client's futures from those of others. */
  readonly owner: symbol;
  /** Who makes the call that is made now. */
  holder(): Holder;
  /** What the call that is made now takes over. */
  inherited(): InheritedLimits | undefined;
  /** A number that no other call of the session has. */
  nextCallId(): number;
  /** The link that an actor's calls take now. */
  link(actor: ActorReference): CallLink;
  /** Encodes arguments; functions and streams in them are lent by `lender`, and their numbers noted in `lent`. */
  encode(args: readonly unknown[], holder: Holder, lender: LentValues, lent: number[]): Encoded;
  /** Encodes one value for a generator. */
  encodeValue(value: unknown, holder: Holder): Encoded;
  /** Decodes a result; handles in it are held for `holder`. `owned`: nobody else reads or writes its bytes. */
  decode(value: Uint8Array, refs: readonly string[], holder: Holder, owned: boolean): unknown;
  /** Holds keys until the function is called. */
  hold(keys: readonly string[], holder: Holder): () => void;
  /** Resolves when the scheduler has heard of what came in values and is held; `undefined` where it has. Never rejects. */
  confirmHeld(): Promise<void> | undefined;
  /** Why no call can be made any more; `undefined` while calls can. */
  closed(): Error | undefined;
}
