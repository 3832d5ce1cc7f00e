/**
 * What callers are told by their own side: the actor is lost, the call was given up, or too many are pending.
 *
 * @module
 */

import {
  ActorLostError,
  CallCancelledError,
  CallTimeoutError,
  DependencyLostError,
  type Executed,
  MailboxFullError,
} from "../protocol/mod.ts";

/** A call, as errors name it. */
export interface NamedCall {
  /** Key of the actor. */
  readonly key: string;
  /** The method or attribute. */
  readonly name: string;
}

/** How an actor was lost. */
export interface Loss {
  /** Name of its worker. */
  readonly worker: string;
  /** Why, as in `LossReason`. */
  readonly reason: string;
  /** What more there is to say, as a sentence. */
  readonly detail: string | undefined;
}

/** The error of an actor whose worker, host or isolate is gone. */
export function actorLost(key: string, { worker, reason, detail }: Loss, executed: Executed): ActorLostError {
  const why = `${reasonInWords(reason)} on worker ${worker}${detail ? `. ${detail}` : ""}`;
  return new ActorLostError(`The actor ${key} is lost: ${why}. Its state is gone; submit the class again`, {
    worker,
    reason,
    executed,
  });
}

function reasonInWords(reason: string): string {
  switch (reason) {
    case "host-exit":
      return "its host process ended (host-exit)";
    case "host-stuck":
      return "its host process hung and was killed (host-stuck)";
    case "worker-exit":
      return "its worker ended (worker-exit)";
    case "worker-timeout":
      return "its worker fell silent (worker-timeout)";
    case "isolate-exit":
      return "its isolate ended (isolate-exit)";
    case "isolate-stuck":
      return "its isolate was held up beyond a deadline and given up (isolate-stuck)";
    case "oom":
      return "its host process ran out of memory (oom)";
    case "restarted":
      return "the cluster was restarted (restarted)";
    case "drained":
      return "its worker was retired (drained)";
    default:
      return `it ended (${reason})`;
  }
}

/** A future among the arguments of a call failed, so the call never starts. */
export function argumentFailed(key: string, cause: unknown): DependencyLostError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new DependencyLostError(`Cannot pass the value of ${key}, which is an argument: ${said}`, {
    executed: "no",
    cause,
  });
}

/** Somebody cancelled a call. */
export function callCancelled({ key, name }: NamedCall, executed: Executed, cause: unknown): CallCancelledError {
  return new CallCancelledError(`The call ${name} of ${key} was cancelled`, { executed, cause });
}

/** The deadline of a call passed. */
export function callTimedOut({ key, name }: NamedCall, executed: Executed, timeout: number): CallTimeoutError {
  return new CallTimeoutError(`The call ${name} of ${key} did not finish within ${Math.round(timeout)} ms`, {
    executed,
  });
}

/** What one client may have pending with one actor, and what it has. */
export interface PendingBounds {
  /** Calls. */
  readonly calls: number;
  /** Bytes of their arguments. */
  readonly bytes: number;
}

/** One client has too many calls pending with one actor. */
export function tooManyPending(
  { key, name }: NamedCall,
  pending: PendingBounds,
  most: PendingBounds,
): MailboxFullError {
  return new MailboxFullError(
    `Cannot call ${name} of ${key}: ${pending.calls} calls with ${pending.bytes} bytes of arguments are pending with it, ` +
      `and ${most.calls} calls or ${most.bytes} bytes are the limit. Await some of them`,
    { executed: "no" },
  );
}
