/**
 * How one copy of the library recognises the objects of another. User modules import their own copy, so `instanceof`
 * fails between them; registered symbols do not. The number in a symbol changes when what it stands for does.
 *
 * @module
 */

import type { ActorManifest, MethodKind } from "../protocol/actor_reference.ts";
import { REFERENCE } from "../protocol/values.ts";
import type { ActorFuture, CallOptions, Handle } from "./types.ts";

/** On every future: its {@linkcode FutureLink}. */
export const FUTURE: unique symbol = Symbol.for("troupe.future.1");

/** On every handle, future and node of a graph, not enumerable: its link. It tells the codec that the object travels by reference. */
export { REFERENCE };

/** On a function that a caller lent to a method: its {@linkcode FunctionLink}. */
export const LOCAL: unique symbol = Symbol.for("troupe.local.1");

/** On a marked class or function, own and not enumerable: its `ModuleMark`. */
export const REMOTE: unique symbol = Symbol.for("troupe.remote");

/** On `globalThis` of an isolate: the provider of its context. */
export const CONTEXT: unique symbol = Symbol.for("troupe.context.1");

/** What `console.log` of Deno asks for. */
export const DENO_INSPECT: unique symbol = Symbol.for("Deno.customInspect");

/** What `console.log` of Node and Bun asks for. */
export const NODE_INSPECT: unique symbol = Symbol.for("nodejs.util.inspect.custom");

/** What the library asks of a future behind its public face. None of it fetches a value or counts as looking at an error. */
export interface FutureLink {
  /** `"call"` for an `ActorFuture`, `"key"` for a `Future`. */
  readonly kind: "call" | "key";
  /** 0 until it settles, then its place in the order of all futures of this copy that have settled. */
  readonly order: number;
  /** Whether it settled with an error. */
  readonly failed: boolean;
  /** Its error is somebody else's now: it is not reported as one that nobody looked at. */
  observe(): void;
  /** Runs `listener` once when it settles, synchronously; not where it has. The function that it returns takes that back. */
  onSettled(listener: () => void): () => void;
  /** What the codec writes in its place. */
  reference(): unknown;
}

/** Where the calls of a handle go. None of the methods throws synchronously. */
export interface HandleTarget {
  /** The actor's cluster-wide name. */
  readonly key: string;
  /** Calls a method: a future, or for the kinds `generator` and `asyncGenerator` a stream. */
  call(
    method: string,
    kind: MethodKind,
    args: unknown[],
    options: CallOptions,
  ): ActorFuture<unknown> | AsyncGenerator<unknown>;
  /** Calls a method and wants no answer. */
  send(method: string, args: unknown[], options: CallOptions): void;
  /** Reads an attribute. */
  read(attribute: string, options: CallOptions): ActorFuture<unknown>;
  /** Gives the reference back; again is the same as once. */
  release(): Promise<void>;
  /** What the codec writes in place of the handle. */
  reference(): unknown;
}

/** What the library asks of a handle behind its public face. */
export interface HandleLink {
  /** Tells it from the link of a future. */
  readonly kind: "actor";
  /** Its members. */
  readonly manifest: ActorManifest;
  /** Where its calls go. */
  readonly target: HandleTarget;
  /** Options of each call. */
  readonly options: CallOptions;
}

/** What the library asks of a node of a graph behind its public face. */
export interface NodeLink {
  /** Tells it from other links. */
  readonly kind: "node";
  /** Its text for people. */
  readonly name: string;
  /** Keys that it was computed under, the latest first. */
  readonly keys: readonly string[];
}

/** What the library asks of a function that a caller lent. */
export interface FunctionLink {
  /** Tells it from other links. */
  readonly kind: "function";
  /** Gives it back: it cannot be called any more. */
  readonly release: () => void;
}

/** The link of a function that a caller lent, or `undefined` where `value` is none. */
export function functionLink(value: unknown): FunctionLink | undefined {
  return typeof value === "function" ? (value as { [LOCAL]?: FunctionLink })[LOCAL] : undefined;
}

/** The link of a node of a graph of any copy of the library, or `undefined` where `value` is none. */
export function nodeLink(value: unknown): NodeLink | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const link = (value as { [REFERENCE]?: HandleLink | FutureLink | NodeLink })[REFERENCE];
  return link?.kind === "node" ? link : undefined;
}

/** The link of a future of any copy of the library, or `undefined` where `value` is none. */
export function futureLink(value: unknown): FutureLink | undefined {
  return value instanceof Promise ? (value as { [FUTURE]?: FutureLink })[FUTURE] : undefined;
}

/** The link of a handle of any copy of the library, or `undefined` where `value` is none. */
export function handleLink(value: unknown): HandleLink | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const link = (value as { [REFERENCE]?: HandleLink | FutureLink })[REFERENCE];
  return link?.kind === "actor" ? link : undefined;
}

/** What the codec writes in place of a handle or future; `undefined` where `value` is neither. */
export function referenceOf(value: unknown): unknown {
  return handleLink(value)?.target.reference() ?? futureLink(value)?.reference();
}

/** Whether `value` is a handle. */
export function isHandle(value: unknown): value is Handle {
  return handleLink(value) !== undefined;
}
