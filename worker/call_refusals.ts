/**
 * What callers are told whose calls do not start.
 *
 * @module
 */

import type { WorkerInfo } from "../client/types.ts";
import {
  ActorLostError,
  ActorNotFoundError,
  CallCancelledError,
  CallTimeoutError,
  DeadlockError,
  encodeError,
  type Executed,
  isRemoteError,
  type LossReason,
  MailboxFullError,
  type MessageOf,
  MethodNotFoundError,
  TroupeError,
} from "../protocol/mod.ts";
import { keyOfLink } from "./call_chain.ts";

/** What is said of an actor that is not there, and of one that is not the caller's: the same. */
export function notFound(key: string): ActorNotFoundError {
  return new ActorNotFoundError(`Cannot find the actor ${key}: there is none of that name, or it is not yours to call`);
}

/** What is said of an actor that was here. */
export function lost(
  key: string,
  { name }: WorkerInfo,
  reason: LossReason | "released",
  executed: Executed,
): ActorLostError {
  return new ActorLostError(`Lost the actor ${key} of worker ${name}: ${reason}`, {
    executed,
    worker: name,
    reason: reason === "released" ? "cancelled" : reason,
  });
}

/** One text for all names that are not there, whatever the reason. */
export function noSuchMember(key: string, what: "method" | "attribute", name: string): MethodNotFoundError {
  const shown = JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
  return new MethodNotFoundError(`Cannot find the ${what} ${shown} of ${key}: it has no public one of that name`);
}

/** A generator method was called one-way. */
export function nobodyReads(key: string, name: string): MethodNotFoundError {
  return new MethodNotFoundError(
    `Cannot call ${name} of ${key} one-way: it is a generator, and nobody would read what it yields`,
  );
}

/** A call waited until its deadline had passed. */
export function tooLate(key: string, { name, deadline }: MessageOf<"call">): CallTimeoutError {
  const text = `${name} of ${key} was not started within the ${deadline} ms that its caller gave it`;
  return new CallTimeoutError(text, { executed: "no" });
}

/** A call was cancelled while it waited. */
export function withdrawn(key: string, name: string, cause: unknown): CallCancelledError {
  return new CallCancelledError(`${name} of ${key} was cancelled before it started`, { executed: "no", cause });
}

/** The worker takes no more calls. */
export function leaving(key: string, name: string, worker: string): ActorLostError {
  return new ActorLostError(
    `Cannot call ${name} of ${key}: its worker ${worker} is leaving. Create the actor anew`,
    { code: "DRAINING", worker, reason: "drained" },
  );
}

/** A call that came back to an actor which waits for it. */
export function deadlock(key: string, name: string, chain: readonly string[]): DeadlockError {
  return new DeadlockError(
    `Cannot call ${name} of ${key}: the call would wait for itself, as ${[...chain.map(keyOfLink), key].join(" → ")} ` +
      "is a circle. " +
      "Raise the concurrency of the actor, or do not await the call",
  );
}

/** How full a mailbox is, and how full it may be. */
export interface Fullness {
  /** Calls that run or wait. */
  readonly calls: number;
  /** Bytes of the arguments of those that wait. */
  readonly bytes: number;
  /** The most calls. */
  readonly mostCalls: number;
  /** The most bytes. */
  readonly mostBytes: number;
  /** For how long the oldest of them has waited, in milliseconds. */
  readonly age: number;
}

/** There is no room. What the oldest one had to wait is a good guess at when there is. */
export function full(
  key: string,
  name: string,
  { calls, bytes, mostCalls, mostBytes, age }: Fullness,
): MailboxFullError {
  return new MailboxFullError(
    `Cannot call ${name} of ${key}: ${calls} calls run or wait there, with ${bytes} bytes of arguments, and its ` +
      `mailbox takes ${mostCalls} calls or ${mostBytes} bytes (maxPending)`,
    { executed: "no", retryAfterMs: Math.min(10_000, Math.max(10, Math.round(age))) },
  );
}

/**
 * Encodes what a caller is told. The stack of a refusal shows the worker's own code only, and V8 takes 60 µs to write it
 * down: a caller that floods an actor would keep its worker busy with that.
 */
export function encodeRefusal(error: unknown): Uint8Array {
  if (error instanceof TroupeError && !isRemoteError(error)) {
    Object.defineProperty(error, "stack", { value: `${error.name}: ${error.message}` });
  }
  return encodeError(error);
}
