/**
 * Every error class of Troupe.
 *
 * Each says with `code` what went wrong, with `executed` whether the call may have run, and with `retryable` whether the
 * same call can succeed later. `instanceof` looks at the code, not at the prototype chain, so that two copies of the
 * library (a client's, and one that an actor's module imports from another URL) know each other's errors.
 *
 * @module
 */

/** Whether the call ran: certainly not, certainly, or nobody can know. Only after `"no"` is a retry free of risk. */
export type Executed = "no" | "yes" | "unknown";

/** What went wrong, in one word for programs. */
export type TroupeErrorCode =
  | "REMOTE_ERROR"
  | "INIT_FAILED"
  | "NO_SUCH_CLASS"
  | "NO_SUCH_METHOD"
  | "ACTOR_NOT_FOUND"
  | "ACTOR_LOST"
  | "DRAINING"
  | "FENCED"
  | "CONNECTION_LOST"
  | "UNAVAILABLE"
  | "TLS_ERROR"
  | "DEADLINE_EXCEEDED"
  | "CANCELLED"
  | "OVERLOADED"
  | "NO_WORKERS"
  | "ARGUMENT_NOT_SERIALIZABLE"
  | "PAYLOAD_TOO_LARGE"
  | "RESULT_NOT_SERIALIZABLE"
  | "RESULT_TOO_LARGE"
  | "MODULE_NOT_ALLOWED"
  | "MODULE_LOAD_FAILED"
  | "MODULE_INTEGRITY"
  | "QUARANTINED"
  | "DEADLOCK"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "VERSION_MISMATCH"
  | "BAD_FRAME"
  | "KEY_CONFLICT"
  | "DEPENDENCY_LOST"
  | "FREE_VARIABLE"
  | "MAIN_MODULE";

interface CodeDefaults {
  readonly executed: Executed;
  readonly retryable: boolean;
}

/** Every code, with what it says of a call where the error does not know better. */
const CODES: Readonly<Record<TroupeErrorCode, CodeDefaults>> = {
  REMOTE_ERROR: says("yes", false),
  INIT_FAILED: says("yes", false),
  NO_SUCH_CLASS: says("no", false),
  NO_SUCH_METHOD: says("no", false),
  ACTOR_NOT_FOUND: says("no", false),
  ACTOR_LOST: says("unknown", false),
  DRAINING: says("no", true),
  FENCED: says("no", true),
  CONNECTION_LOST: says("unknown", false),
  UNAVAILABLE: says("no", true),
  TLS_ERROR: says("no", false),
  DEADLINE_EXCEEDED: says("unknown", false),
  CANCELLED: says("unknown", false),
  OVERLOADED: says("no", true),
  NO_WORKERS: says("no", true),
  ARGUMENT_NOT_SERIALIZABLE: says("no", false),
  PAYLOAD_TOO_LARGE: says("no", false),
  RESULT_NOT_SERIALIZABLE: says("yes", false),
  RESULT_TOO_LARGE: says("yes", false),
  MODULE_NOT_ALLOWED: says("no", false),
  MODULE_LOAD_FAILED: says("no", true),
  MODULE_INTEGRITY: says("no", false),
  QUARANTINED: says("no", false),
  DEADLOCK: says("no", false),
  UNAUTHORIZED: says("no", false),
  FORBIDDEN: says("no", false),
  VERSION_MISMATCH: says("no", false),
  BAD_FRAME: says("no", false),
  KEY_CONFLICT: says("no", false),
  DEPENDENCY_LOST: says("no", false),
  FREE_VARIABLE: says("no", false),
  MAIN_MODULE: says("no", false),
};

function says(executed: Executed, retryable: boolean): CodeDefaults {
  return { executed, retryable };
}

/** What every error of Troupe can be given. */
export interface TroupeErrorOptions {
  /** One of the codes of the class. Defaults to the first of them. */
  readonly code?: TroupeErrorCode | undefined;
  /** Whether the call ran. Defaults to what the code implies. */
  readonly executed?: Executed | undefined;
  /** Whether the same call can succeed later. Defaults to what the code implies. */
  readonly retryable?: boolean | undefined;
  /** The error behind this one. */
  readonly cause?: unknown;
}

/** Where an error was thrown: the worker, and the actor and method if there was one. */
export interface RemoteMark {
  /** Id or name of the worker. */
  readonly worker: string;
  /** Key of the actor. */
  readonly actor?: string | undefined;
  /** Name of the method, attribute or task function. */
  readonly method?: string | undefined;
}

type TroupeErrorClass = abstract new (message: string, options: TroupeErrorOptions) => TroupeError;

const codesOfClass = new Map<unknown, readonly TroupeErrorCode[]>();
const classOfCode = new Map<string, new (message: string, options: TroupeErrorOptions) => TroupeError>();

/** Gives a class its name, safe from minifiers, and the codes by which `instanceof` knows it. */
function define(errorClass: TroupeErrorClass, name: string, codes: readonly TroupeErrorCode[]): void {
  Object.defineProperty(errorClass.prototype, "name", { value: name, writable: true, configurable: true });
  codesOfClass.set(errorClass, codes);
  for (const code of codes) {
    classOfCode.set(code, errorClass as new (message: string, options: TroupeErrorOptions) => TroupeError);
  }
}

/** A subclass that a user made of one of our classes has the codes of that class. */
function codesOf(errorClass: unknown): readonly TroupeErrorCode[] {
  for (let current = errorClass; current !== null; current = Object.getPrototypeOf(current)) {
    const codes = codesOfClass.get(current);
    if (codes !== undefined) return codes;
  }
  return ["REMOTE_ERROR"];
}

/** Whether it has the fields that every error of Troupe has, whichever copy of the library made it. */
function isOurs(value: unknown): value is TroupeError {
  if (!(value instanceof Error)) return false;
  const { code, executed } = value as Partial<TroupeError>;
  return typeof code === "string" && Object.hasOwn(CODES, code) && isExecuted(executed);
}

/** Whether it is one of the three words of {@linkcode Executed}. */
export function isExecuted(value: unknown): value is Executed {
  return value === "no" || value === "yes" || value === "unknown";
}

/**
 * What all errors of Troupe have in common. A built-in error that a method threw (a `TypeError`, say) counts as one of
 * them too, as a {@linkcode RemoteError}.
 *
 * @example
 * ```ts
 * import { ActorNotFoundError, TroupeError } from "@troupe/troupe";
 *
 * function mayRetry(error: unknown): boolean {
 *   return error instanceof TroupeError && error.executed === "no" && error.retryable;
 * }
 * console.assert(!mayRetry(new ActorNotFoundError("Cannot find the actor Counter-1")));
 * ```
 */
export abstract class TroupeError extends Error {
  /** What went wrong, for programs: a {@linkcode TroupeErrorCode}, or the own `code` of an error that user code threw. */
  readonly code: string;
  /** Whether the call ran. */
  readonly executed: Executed;
  /** Whether the same call can succeed later. */
  readonly retryable: boolean;

  /** Makes one; `message` says what was attempted, what was found and what to do. */
  constructor(message = "", options: TroupeErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    const code = options.code ?? codesOf(new.target)[0]!;
    this.code = code;
    this.executed = options.executed ?? CODES[code].executed;
    this.retryable = options.retryable ?? CODES[code].retryable;
  }

  /** Recognises by code, across copies of the library. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this === TroupeError) return isOurs(value) || isRemoteError(value);
    const codes = codesOfClass.get(this);
    if (codes === undefined) {
      return value instanceof Error && Object.prototype.isPrototypeOf.call(this.prototype, value);
    }
    if (codes[0] === "REMOTE_ERROR" && isRemoteError(value)) return true;
    return isOurs(value) && (codes as readonly string[]).includes(value.code);
  }
}

/** What a {@linkcode RemoteError} can be given. */
export interface RemoteErrorOptions extends TroupeErrorOptions {
  /** Where it was thrown. */
  readonly remote?: RemoteMark | undefined;
}

/**
 * User code threw on a worker. An error of a class of the user's own arrives as a `RemoteError` with the `name`,
 * `message`, `cause` and fields that it had; a built-in class is kept. Both are `instanceof RemoteError`.
 *
 * @example
 * ```ts
 * import { RemoteError } from "@troupe/troupe";
 *
 * const error: unknown = new RemoteError("sold out", { remote: { worker: "worker-1", method: "buy" } });
 * if (error instanceof RemoteError) console.log(`${error.message} on ${error.remote?.worker}`);
 * ```
 */
export class RemoteError extends TroupeError {
  /** Where it was thrown. */
  readonly remote: RemoteMark | undefined;

  /** Makes one. */
  constructor(message?: string, options: RemoteErrorOptions = {}) {
    super(message, options);
    this.remote = options.remote;
  }
  static {
    define(this, "RemoteError", ["REMOTE_ERROR"]);
  }
}

/**
 * Whether user code threw this on a worker: it carries the mark `remote`, whatever its class.
 *
 * @example
 * ```ts
 * import { isRemoteError } from "@troupe/troupe";
 *
 * try {
 *   throw new Error("local");
 * } catch (error) {
 *   console.log(isRemoteError(error) ? `from ${error.remote.worker}` : "from here");
 * }
 * ```
 */
export function isRemoteError(error: unknown): error is Error & { readonly remote: RemoteMark } {
  if (!(error instanceof Error) || !Object.hasOwn(error, "remote")) return false;
  const remote: unknown = (error as { remote?: unknown }).remote;
  return typeof remote === "object" && remote !== null && typeof (remote as { worker?: unknown }).worker === "string";
}

/** What an {@linkcode ActorLostError} can be given. */
export interface ActorLostErrorOptions extends TroupeErrorOptions {
  /** Id or name of the worker. */
  readonly worker?: string | undefined;
  /** Why, such as `host-exit`. */
  readonly reason?: string | undefined;
}

/**
 * The actor is gone for ever: its worker, process or isolate ended, or its worker is leaving. Create it anew.
 *
 * @example
 * ```ts
 * import { ActorLostError } from "@troupe/troupe";
 *
 * const error: unknown = new ActorLostError("Lost Counter-1", { worker: "worker-1", reason: "oom", executed: "no" });
 * if (error instanceof ActorLostError) console.log(error.worker, error.reason, error.executed);
 * ```
 */
export class ActorLostError extends TroupeError {
  /** Id or name of the worker that held it, where known. */
  readonly worker: string | undefined;
  /** `host-exit`, `host-stuck`, `worker-exit`, `worker-timeout`, `isolate-exit`, `oom`, `drained`, `killed`, `fenced` … */
  readonly reason: string | undefined;

  /** Makes one. */
  constructor(message?: string, options: ActorLostErrorOptions = {}) {
    super(message, options);
    this.worker = options.worker;
    this.reason = options.reason;
  }
  static {
    define(this, "ActorLostError", ["ACTOR_LOST", "DRAINING", "FENCED"]);
  }
}

/** There is no such actor: it never existed, was released, or is not yours. Which of them is not said. */
export class ActorNotFoundError extends TroupeError {
  static {
    define(this, "ActorNotFoundError", ["ACTOR_NOT_FOUND"]);
  }
}

/**
 * An actor could not be made: its constructor threw, or the module has no such export. Nothing is left. What the
 * constructor threw keeps its class, as every {@linkcode RemoteError} does, and is an `ActorStartError` by its code.
 */
export class ActorStartError extends TroupeError {
  static {
    define(this, "ActorStartError", ["INIT_FAILED", "NO_SUCH_CLASS"]);
  }
}

/** The actor has no such public method or attribute. */
export class MethodNotFoundError extends TroupeError {
  static {
    define(this, "MethodNotFoundError", ["NO_SUCH_METHOD"]);
  }
}

/** What a {@linkcode NoWorkerError} can be given. */
export interface NoWorkerErrorOptions extends TroupeErrorOptions {
  /** What was asked for. */
  readonly wanted?: Readonly<Record<string, unknown>> | undefined;
  /** What each worker has. */
  readonly offered?: readonly unknown[] | undefined;
}

/**
 * No worker fits the options `workers` and `resources`, and none joined in time.
 *
 * @example
 * ```ts
 * import { NoWorkerError } from "@troupe/troupe";
 *
 * const error: unknown = new NoWorkerError("Cannot place Net-1", { wanted: { GPU: 1 }, offered: [] });
 * if (error instanceof NoWorkerError) console.log("wanted", error.wanted, "of", error.offered);
 * ```
 */
export class NoWorkerError extends TroupeError {
  /** What was asked for. */
  readonly wanted: Readonly<Record<string, unknown>>;
  /** What each worker has. */
  readonly offered: readonly unknown[];

  /** Makes one. */
  constructor(message?: string, options: NoWorkerErrorOptions = {}) {
    super(message, options);
    this.wanted = options.wanted ?? {};
    this.offered = options.offered ?? [];
  }
  static {
    define(this, "NoWorkerError", ["NO_WORKERS"]);
  }
}

/** What a {@linkcode SerializationError} can be given. */
export interface SerializationErrorOptions extends TroupeErrorOptions {
  /** Where in the value, such as `args[0].user.socket`. */
  readonly path?: string | undefined;
}

/**
 * A value cannot travel: it holds something that is not data, or it is too large. Found before anything is sent.
 *
 * @example
 * ```ts
 * import { SerializationError } from "@troupe/troupe";
 *
 * const error: unknown = new SerializationError("Cannot send args[0].socket", { path: "args[0].socket" });
 * if (error instanceof SerializationError) console.log(error.path);
 * ```
 */
export class SerializationError extends TroupeError {
  /** Where in the value, such as `args[0].user.socket`. */
  readonly path: string;

  /** Makes one. */
  constructor(message?: string, options: SerializationErrorOptions = {}) {
    super(message, options);
    this.path = options.path ?? "";
  }
  static {
    define(this, "SerializationError", [
      "ARGUMENT_NOT_SERIALIZABLE",
      "RESULT_NOT_SERIALIZABLE",
      "PAYLOAD_TOO_LARGE",
      "RESULT_TOO_LARGE",
    ]);
  }
}

/** The deadline of a call or a wait passed. Its `name` is `TimeoutError`, as the platform's own is. */
export class CallTimeoutError extends TroupeError {
  static {
    define(this, "TimeoutError", ["DEADLINE_EXCEEDED"]);
  }
}

/** The caller cancelled the call. Its `name` is `AbortError`, as the platform's own is; `cause` is the reason given. */
export class CallCancelledError extends TroupeError {
  static {
    define(this, "AbortError", ["CANCELLED"]);
  }
}

/** What a {@linkcode MailboxFullError} can be given. */
export interface MailboxFullErrorOptions extends TroupeErrorOptions {
  /** Milliseconds to wait before another try. */
  readonly retryAfterMs?: number | undefined;
}

/** Too many calls wait for the actor (`maxPending`), or on the connection. The call did not run. */
export class MailboxFullError extends TroupeError {
  /** Milliseconds to wait before another try, where known. */
  readonly retryAfterMs: number | undefined;

  /** Makes one. */
  constructor(message?: string, options: MailboxFullErrorOptions = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
  static {
    define(this, "MailboxFullError", ["OVERLOADED"]);
  }
}

/** A chain of calls came back to an actor that runs one call at a time. The message names the chain. */
export class DeadlockError extends TroupeError {
  static {
    define(this, "DeadlockError", ["DEADLOCK"]);
  }
}

/** The connection broke, or could not be made; what became of the actor is not known. */
export class ConnectionLostError extends TroupeError {
  static {
    define(this, "ConnectionLostError", ["CONNECTION_LOST", "UNAVAILABLE", "TLS_ERROR"]);
  }
}

/** The token or ticket is missing or wrong, or does not allow this. */
export class UnauthorizedError extends TroupeError {
  static {
    define(this, "UnauthorizedError", ["UNAUTHORIZED", "FORBIDDEN"]);
  }
}

/** The worker may not load that module: see its `--allow-modules`. */
export class ModuleNotAllowedError extends TroupeError {
  static {
    define(this, "ModuleNotAllowedError", ["MODULE_NOT_ALLOWED"]);
  }
}

/** A module did not load, or threw while it did (see `cause`). */
export class ModuleLoadError extends TroupeError {
  static {
    define(this, "ModuleLoadError", ["MODULE_LOAD_FAILED", "MODULE_INTEGRITY", "QUARANTINED"]);
  }
}

/** The `key` is in use for another target. */
export class KeyConflictError extends TroupeError {
  static {
    define(this, "KeyConflictError", ["KEY_CONFLICT"]);
  }
}

/** A future or actor that this needed was lost, failed or belonged to a client that left (see `cause`). */
export class DependencyLostError extends TroupeError {
  static {
    define(this, "DependencyLostError", ["DEPENDENCY_LOST"]);
  }
}

/** What a {@linkcode FreeVariableError} can be given. */
export interface FreeVariableErrorOptions extends TroupeErrorOptions {
  /** The names. */
  readonly variables?: readonly string[] | undefined;
}

/** A function or class sent by value uses variables from outside of itself: give its module instead. */
export class FreeVariableError extends TroupeError {
  /** Their names. */
  readonly variables: readonly string[];

  /** Makes one. */
  constructor(message?: string, options: FreeVariableErrorOptions = {}) {
    super(message, options);
    this.variables = options.variables ?? [];
  }
  static {
    define(this, "FreeVariableError", ["FREE_VARIABLE"]);
  }
}

/** What a {@linkcode ProtocolError} can be given. */
export interface ProtocolErrorOptions extends TroupeErrorOptions {
  /** The byte at which it was found. */
  readonly offset?: number | undefined;
}

/** The peer sent something that is not Troupe's protocol, or speaks another version of it. */
export class ProtocolError extends TroupeError {
  /** The byte at which it was found, where that is known. */
  readonly offset: number | undefined;

  /** Makes one. */
  constructor(message?: string, options: ProtocolErrorOptions = {}) {
    super(message, options);
    this.offset = options.offset;
  }
  static {
    define(this, "ProtocolError", ["BAD_FRAME", "VERSION_MISMATCH"]);
  }
}

/** A module that connects at its top level was loaded by a worker: guard it with `if (import.meta.main)`. */
export class MainModuleError extends TroupeError {
  static {
    define(this, "MainModuleError", ["MAIN_MODULE"]);
  }
}

/** The class that has this code; `undefined` for a code of a newer version. */
export function errorClassOf(
  code: string,
): (new (message: string, options: TroupeErrorOptions) => TroupeError) | undefined {
  return classOfCode.get(code);
}
