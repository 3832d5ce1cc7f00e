/**
 * Errors to plain data and back.
 *
 * An envelope is a map with these keys, of which only the first two are always there:
 *
 * | key | what |
 * |---|---|
 * | `name`, `message` | as on the error |
 * | `class` | `Error`, `TypeError`, `AggregateError`, `DOMException` … for an instance of exactly that class |
 * | `code`, `executed`, `retryable` | for an error of Troupe's own (`errors.ts`) |
 * | `stack` | the remote stack, without Troupe's own frames |
 * | `cause` | `{ error: envelope }` or `{ value }` |
 * | `errors` | of an `AggregateError`: an array of the same |
 * | `thrown` | `{ value }`, where what was thrown was no error at all |
 * | `fields` | the error's own fields |
 * | `dropped` | names of what could not be sent of the error, as one string |
 * | `remote` | where user code threw it: `{ worker, actor, method }` |
 *
 * @module
 */

import {
  errorClassOf,
  type Executed,
  isExecuted,
  isRemoteError,
  RemoteError,
  type RemoteMark,
  TroupeError,
} from "./errors.ts";
import type { TroupeErrorCode } from "./errors.ts";
import { isSendable } from "./sendable.ts";
import { withoutOwnFrames } from "./stack.ts";

export { joinCallSite } from "./stack.ts";

/** An error, or another value, inside an envelope. */
export type ErrorPart = { readonly error: ErrorEnvelope } | { readonly value: unknown };

/** An error as plain data. */
export interface ErrorEnvelope {
  /** Name of the error. */
  readonly name: string;
  /** Message of the error. */
  readonly message: string;
  /** The built-in class that it is an instance of. */
  readonly class?: string;
  /** Of an error of Troupe's own. */
  readonly code?: string;
  /** Of an error of Troupe's own. */
  readonly executed?: Executed;
  /** Of an error of Troupe's own. */
  readonly retryable?: boolean;
  /** The stack at the place where it was thrown. */
  readonly stack?: string;
  /** Its cause. */
  readonly cause?: ErrorPart;
  /** The errors of an `AggregateError`. */
  readonly errors?: readonly ErrorPart[];
  /** What was thrown, where it was no error. */
  readonly thrown?: { readonly value: unknown };
  /** Own enumerable fields. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Names of what could not be sent. */
  readonly dropped?: string;
  /** Where user code threw it. */
  readonly remote?: RemoteMark;
}

/** Causes of causes beyond this are dropped. */
const CAUSE_LEVELS = 8;
/** Fields that nest deeper than this are dropped. */
const FIELD_LEVELS = 16;
/** Characters of a stack that are sent; recursion makes long ones. */
const STACK_LENGTH = 32 * 1024;

type ErrorConstructor = new (message: string) => Error;

const BUILT_IN_CLASSES: Readonly<Record<string, ErrorConstructor>> = Object.freeze(Object.assign(Object.create(null), {
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  EvalError,
  ReferenceError,
  URIError,
}));

/** What `fields` never holds: these travel by themselves, or are not the user's to set. */
const RESERVED: ReadonlySet<string> = new Set(["name", "message", "stack", "cause", "remote", "executed", "__proto__"]);

/** Fields of Troupe's own errors that have a type to keep. */
const FIELD_TYPES: Readonly<Record<string, (value: unknown) => boolean>> = Object.assign(Object.create(null), {
  worker: isText,
  reason: isText,
  path: isText,
  retryAfterMs: (value: unknown) => typeof value === "number",
  offset: (value: unknown) => typeof value === "number",
  variables: (value: unknown) => Array.isArray(value) && value.every(isText),
  offered: Array.isArray,
  wanted: isRecord,
});

/**
 * Describes anything that was thrown as plain data that can be encoded. Never throws.
 *
 * `mark` says where user code threw it. With a mark the call has run, so an error of Troupe's own that passes through
 * user code says `executed: "yes"` from then on, whatever it said of the call that it came from. An error that has a
 * mark already, from an actor further away, keeps that one.
 *
 * @param around Objects around the error in the value that it is part of: it cannot contain them.
 */
export function toErrorEnvelope(error: unknown, mark?: RemoteMark, around: Iterable<unknown> = []): ErrorEnvelope {
  return envelope(error, mark, CAUSE_LEVELS, new Set(around));
}

function envelope(error: unknown, mark: RemoteMark | undefined, levels: number, around: Set<unknown>): ErrorEnvelope {
  if (!(error instanceof Error)) return thrownValue(error, mark);
  around.add(error);
  const dropped: string[] = [];
  const remote = isRemoteError(error) ? plainMark(error.remote) : mark && plainMark(mark);
  const result: { -readonly [K in keyof ErrorEnvelope]: ErrorEnvelope[K] } = {
    name: nameOf(error),
    message: text(attempt(() => error.message)),
  };
  const errorClass = builtInClassOf(error);
  if (errorClass !== undefined) result.class = errorClass;
  // A built-in error that came from further away has our fields, too.
  const ours = errorClass === undefined && isOwn(error);
  if (ours) {
    result.code = error.code;
    result.executed = mark === undefined ? error.executed : "yes";
    result.retryable = mark === undefined && error.retryable;
  }
  const stack = attempt(() => error.stack);
  if (typeof stack === "string") result.stack = text(withoutOwnFrames(stack).slice(0, STACK_LENGTH));

  const part = (value: unknown, name: string): ErrorPart | undefined => {
    if (value instanceof Error) {
      if (levels > 0 && !around.has(value)) return { error: envelope(value, undefined, levels - 1, around) };
    } else if (isSendable(value, FIELD_LEVELS, around)) {
      return { value };
    }
    dropped.push(name);
    return undefined;
  };
  if (Object.hasOwn(error, "cause")) {
    const cause = part(attempt(() => error.cause), "cause");
    if (cause !== undefined) result.cause = cause;
  }
  if (errorClass === "AggregateError") {
    const errors: unknown = attempt(() => (error as AggregateError).errors);
    const list = Array.isArray(errors) ? errors : [];
    result.errors = list.map((value, index) => part(value, `errors[${index}]`)).filter((item) => item !== undefined);
  }
  const fields: Record<string, unknown> = {};
  for (const name of fieldNames(error, ours)) {
    const value: unknown = attempt((): unknown => (error as unknown as Record<string, unknown>)[name], unreadable);
    if (name.isWellFormed() && isSendable(value, FIELD_LEVELS, around)) fields[name] = value;
    else dropped.push(text(name));
  }
  around.delete(error);
  if (Object.keys(fields).length > 0) result.fields = fields;
  if (dropped.length > 0) result.dropped = dropped.join(", ");
  if (remote !== undefined) result.remote = remote;
  return result;
}

function thrownValue(value: unknown, mark: RemoteMark | undefined): ErrorEnvelope {
  const sendable = isSendable(value, FIELD_LEVELS, new Set());
  const what = typeof value === "string" ? `the string ${JSON.stringify(value.slice(0, 200))}` : describe(value);
  return {
    name: "RemoteError",
    message: `What was thrown is no error but ${what}`,
    ...(sendable ? { thrown: { value } } : { dropped: "cause" }),
    ...(mark && { remote: plainMark(mark) }),
  };
}

/**
 * Makes an error of an envelope. Never throws and never trusts: what has the wrong shape becomes a {@linkcode RemoteError}
 * that says so.
 *
 * Built-in classes and Troupe's own stay what they are. Another class arrives as a `RemoteError`, or as an `Error` if
 * it was not thrown but sent as a value; both with its `name` and fields.
 */
export function fromErrorEnvelope(data: unknown): Error {
  return errorOf(data, 2 * CAUSE_LEVELS);
}

function errorOf(data: unknown, levels: number): Error {
  if (!isRecord(data) || typeof data.name !== "string" || typeof data.message !== "string" || levels === 0) {
    return new RemoteError("Cannot read an error that arrived: it has no name or no message, or too many causes");
  }
  const { name, message, stack, fields, dropped } = data;
  const remote = isMark(data.remote) ? plainMark(data.remote) : undefined;
  const options: { cause?: unknown; remote?: RemoteMark } = remote === undefined ? {} : { remote };
  const cause = isRecord(data.cause)
    ? partOf(data.cause, levels)
    : isRecord(data.thrown)
    ? partOf(data.thrown, levels)
    : undefined;
  if (cause !== undefined) options.cause = cause.value;

  const error = create(data, name, message, options, levels);
  if (error.name !== name) define(error, "name", name, false);
  if (typeof stack === "string") define(error, "stack", stack, false);
  if (isRecord(fields)) addFields(error, fields);
  if (typeof dropped === "string") define(error, "dropped", dropped, true);
  if (remote !== undefined) addMark(error, remote);
  return error;
}

function create(
  data: Readonly<Record<string, unknown>>,
  name: string,
  message: string,
  options: { cause?: unknown; remote?: RemoteMark },
  levels: number,
): Error {
  const { code, executed, retryable, class: errorClass, errors } = data;
  const ourClass = typeof code === "string" ? errorClassOf(code) : undefined;
  if (ourClass !== undefined && isExecuted(executed)) {
    return new ourClass(message, {
      ...options,
      code: code as TroupeErrorCode,
      executed,
      retryable: retryable === true,
    });
  }
  if (errorClass === "AggregateError" && Array.isArray(errors)) {
    const list = errors.map((part: unknown) => isRecord(part) ? partOf(part, levels)?.value : undefined);
    return withCause(new AggregateError(list, message), options);
  }
  if (errorClass === "DOMException") return withCause(new DOMException(message, name), options);
  const builtIn = typeof errorClass === "string" ? BUILT_IN_CLASSES[errorClass] : undefined;
  if (builtIn !== undefined) return withCause(new builtIn(message), options);
  return options.remote === undefined && !isRecord(data.thrown)
    ? withCause(new Error(message), options)
    : new RemoteError(message, options);
}

function partOf(part: Readonly<Record<string, unknown>>, levels: number): { value: unknown } | undefined {
  if (Object.hasOwn(part, "error")) return { value: errorOf(part.error, levels - 1) };
  return Object.hasOwn(part, "value") ? { value: part.value } : undefined;
}

function withCause(error: Error, options: { cause?: unknown }): Error {
  if ("cause" in options) define(error, "cause", options.cause, false);
  return error;
}

function addFields(error: Error, fields: Readonly<Record<string, unknown>>): void {
  const ours = isOwn(error) && !isRemoteError(error);
  for (const name of Object.keys(fields)) {
    if (RESERVED.has(name) || (ours && (name === "code" || name === "retryable"))) continue;
    const value = fields[name];
    const fits = !(error instanceof TroupeError) || FIELD_TYPES[name] === undefined || value === undefined ||
      FIELD_TYPES[name](value);
    if (fits) define(error, name, value, true);
  }
}

/** A built-in error gets the fields of a {@linkcode RemoteError}, hidden so that its own data stays as it was. */
function addMark(error: Error, remote: RemoteMark): void {
  if (!Object.hasOwn(error, "remote")) define(error, "remote", remote, false);
  const hidden = { code: "REMOTE_ERROR", executed: "yes", retryable: false };
  for (const [name, value] of Object.entries(hidden)) if (!(name in error)) define(error, name, value, false);
}

function define(error: Error, name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, name, { value, enumerable, writable: true, configurable: true });
}

function isOwn(error: Error): error is TroupeError {
  const { code, executed } = error as Partial<TroupeError>;
  return typeof code === "string" && errorClassOf(code) !== undefined && isExecuted(executed) &&
    Object.hasOwn(error, "code");
}

function builtInClassOf(error: Error): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(error);
  if (prototype === AggregateError.prototype) return "AggregateError";
  if (typeof DOMException === "function" && prototype === DOMException.prototype) return "DOMException";
  for (const name of Object.keys(BUILT_IN_CLASSES)) {
    if (prototype === BUILT_IN_CLASSES[name]!.prototype) return name;
  }
  return undefined;
}

/** The error's name; of a class that never set one, the name of the class. */
function nameOf(error: Error): string {
  const name = text(attempt(() => error.name)) || "Error";
  if (name !== "Error" || Object.hasOwn(error, "name")) return name;
  return text(attempt(() => error.constructor.name)) || name;
}

function fieldNames(error: Error, ours: boolean): string[] {
  const names = Object.keys(error).filter((name) => !RESERVED.has(name));
  // The two errors in a SuppressedError are its own, though not enumerable.
  if (nameOf(error) === "SuppressedError") names.push("error", "suppressed");
  return ours ? names.filter((name) => name !== "code" && name !== "retryable") : names;
}

const unreadable = Symbol("unreadable");

function attempt<T, F = undefined>(read: () => T, otherwise?: F): T | F {
  try {
    return read();
  } catch {
    return otherwise as F;
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value.toWellFormed() : "";
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isMark(value: unknown): value is RemoteMark {
  return isRecord(value) && isText(value.worker);
}

function plainMark({ worker, actor, method }: RemoteMark): RemoteMark {
  return { worker, ...(isText(actor) && { actor }), ...(isText(method) && { method }) };
}

function describe(value: unknown): string {
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" || typeof value === "symbol" ? `a ${typeof value}` : String(value);
}
