/**
 * Handles: objects built from the manifest of an actor, by which its methods are called and its attributes read.
 *
 * @module
 */

import type { ActorManifest, MethodKind } from "../protocol/actor_reference.ts";
import { rejectedActorFuture } from "./actor_future.ts";
import { checkCallOptions } from "./arguments.ts";
import { DENO_INSPECT, type HandleLink, handleLink, type HandleTarget, NODE_INSPECT, REFERENCE } from "./brands.ts";
import { describeValue } from "./describe_value.ts";
import type { Actor, ActorFuture, CallOptions, Handle, OneWay } from "./types.ts";

/** Names that are never remote, besides those that begin with an underscore. */
const LOCAL_NAMES: ReadonlySet<string> = new Set([
  ...["then", "constructor", "toString", "toLocaleString", "toJSON", "valueOf", "hasOwnProperty", "isPrototypeOf"],
  "propertyIsEnumerable",
]);

/** Whether a member of this name stays on its own side: the language, the console, JSON or the class's privacy own it. */
export function isLocalName(name: string): boolean {
  return LOCAL_NAMES.has(name) || name.startsWith("_");
}

/**
 * Makes a handle from a manifest: methods first, then attributes, each sorted, as own, enumerable, frozen properties.
 *
 * Names that may not be remote are left out, whatever the manifest says. Methods are closures, so that they can be taken
 * off the handle, and so that a deep comparison of two handles ends at the first of them instead of reading attributes.
 *
 * @param manifest Should be the same object for all handles of one class: the work that depends on it is done once.
 * @param options Options of each call.
 */
export function createHandle<T = unknown>(
  manifest: ActorManifest,
  target: HandleTarget,
  options: CallOptions = {},
): Actor<T> {
  return new ActorHandle({ kind: "actor", manifest, target, options }) as unknown as Actor<T>;
}

/**
 * The same handle with options for each call that is made through it. It shares the reference of the handle it is made
 * from: releasing either releases both.
 *
 * @example
 * ```ts ignore
 * const quick = withOptions(counter, { timeout: 100 });
 * await quick.increment(); // stopped after 100 ms
 *
 * const log = withOptions(logger, { oneWay: true });
 * log.write("started"); // returns nothing, and waits for nothing
 * ```
 *
 * @param options Those that are left out, or undefined, stay as they are.
 * @throws {TypeError} Where `handle` is none, or an option is unknown or of the wrong type.
 */
export function withOptions<H extends Handle>(handle: H, options: CallOptions & { oneWay: true }): OneWay<H>;
/** The same handle with options for each call that is made through it. */
export function withOptions<H extends Handle>(handle: H, options: CallOptions): H;
export function withOptions(handle: Handle, options: CallOptions): never {
  const link = handleLink(handle);
  if (link === undefined) throw new TypeError(`withOptions takes a handle of an actor, got ${describeValue(handle)}`);
  const merged = { ...link.options, ...checkCallOptions("withOptions", options) };
  return createHandle(link.manifest, link.target, merged) as never;
}

class ActorHandle implements Handle {
  readonly #link: HandleLink;

  constructor(link: HandleLink) {
    this.#link = link;
    const plan = planOf(link.manifest);
    for (const [name, kind] of plan.methods) {
      Object.defineProperty(this, name, { value: createMethod(link, name, kind), enumerable: true });
    }
    for (const [name, set] of plan.attributes) {
      Object.defineProperty(this, name, { get: createGetter(link, name), set, enumerable: true });
    }
    Object.freeze(this);
  }

  get [Symbol.toStringTag](): "Actor" {
    return "Actor";
  }

  get [REFERENCE](): HandleLink {
    return this.#link;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await releaseTarget(this.#link.target);
  }

  toString(): string {
    return `<Actor: ${this.#link.manifest.className}, key=${this.#link.target.key}>`;
  }

  toJSON(): string {
    return this.toString();
  }

  [DENO_INSPECT](): string {
    return this.toString();
  }

  [NODE_INSPECT](): string {
    return this.toString();
  }
}

/** Gives a handle's reference back. Never rejects: what cannot be told to a lost worker or scheduler is given back anyway. */
export async function releaseTarget(target: HandleTarget): Promise<void> {
  try {
    await target.release();
  } catch {
    // The connection is gone, and the reference with it.
  }
}

/** What of a handle depends on its manifest alone. */
interface HandlePlan {
  readonly methods: readonly (readonly [name: string, kind: MethodKind])[];
  readonly attributes: readonly (readonly [name: string, set: (value: unknown) => void])[];
}

const plans: WeakMap<ActorManifest, HandlePlan> = new WeakMap();

function planOf(manifest: ActorManifest): HandlePlan {
  let plan = plans.get(manifest);
  if (plan === undefined) {
    plan = createPlan(manifest);
    plans.set(manifest, plan);
  }
  return plan;
}

function createPlan({ className, methods, attributes }: ActorManifest): HandlePlan {
  const methodNames = Object.keys(methods).filter((name) => !isLocalName(name)).sort();
  const attributeNames = [...new Set(attributes)]
    .filter((name) => !isLocalName(name) && !Object.hasOwn(methods, name)).sort();
  return {
    methods: methodNames.map((name) => [name, methods[name]!]),
    attributes: attributeNames.map((name) => [name, createSetter(className, name)]),
  };
}

function createSetter(className: string, name: string): (value: unknown) => void {
  return () => {
    throw new TypeError(`Cannot set ${name} of ${className} through its handle: add a method that sets it`);
  };
}

function createMethod({ target, manifest, options }: HandleLink, name: string, kind: MethodKind) {
  if (options.oneWay) return (...args: unknown[]): void => target.send(name, args, options);
  return (...args: unknown[]): ActorFuture<unknown> | AsyncGenerator<unknown> => {
    try {
      return target.call(name, kind, args, options);
    } catch (error) {
      return kind === "generator" || kind === "asyncGenerator"
        ? rejectedStream(error)
        : rejectedActorFuture(error, { repr: `<ActorFuture: ${manifest.className}.${name}>` });
    }
  };
}

function createGetter({ target, manifest, options }: HandleLink, name: string): () => ActorFuture<unknown> {
  return () => {
    try {
      return target.read(name, options);
    } catch (error) {
      return rejectedActorFuture(error, { repr: `<ActorFuture: ${manifest.className}.${name}>` });
    }
  };
}

// deno-lint-ignore require-yield -- it fails before its first value
async function* rejectedStream(error: unknown): AsyncGenerator<never> {
  throw error;
}
