/**
 * Which members of an instance can be called and read from elsewhere: the one table through which every call goes.
 *
 * @module
 */

import { type ActorManifest, encodeManifest, type MethodKind } from "../protocol/mod.ts";

/** A method, as it was when the table was built. */
export interface MethodMember {
  /** Tells it from an attribute. */
  readonly type: "method";
  /** How it answers. */
  readonly kind: MethodKind;
  /** The function. */
  readonly method: (...args: never[]) => unknown;
}

/** An own data field or a getter; it is read anew each time. */
export interface AttributeMember {
  /** Tells it from a method. */
  readonly type: "attribute";
}

/** The remote members of one instance by name. A `Map`: a name off the wire must never reach a property look-up. */
export type MethodTable = ReadonlyMap<string, MethodMember | AttributeMember>;

const ATTRIBUTE: AttributeMember = Object.freeze({ type: "attribute" });

/** Taken before user code can add to it. */
const OBJECT_MEMBERS: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/**
 * Builds the table of an instance, once, after its construction: methods and getters of its prototype chain up to and
 * without `Object.prototype`, and its own functions, data fields and getters. No getter is run. What is set later is
 * unknown, and so are accessors without a getter, array indices and whatever {@linkcode isReserved} says.
 */
export function buildMethodTable(instance: object): MethodTable {
  const table = new Map<string, MethodMember | AttributeMember>();
  const seen = new Set<string>();
  forEachLevel(instance, (level) => {
    for (const name of Object.getOwnPropertyNames(level)) {
      // A member of a level nearer to the instance hides this one, even if it is none of the remote ones.
      if (seen.has(name)) continue;
      seen.add(name);
      if (isReserved(name) || isArrayIndex(name)) continue;
      const member = memberOf(Object.getOwnPropertyDescriptor(level, name), level === instance);
      if (member !== undefined) table.set(name, member);
    }
  });
  return table;
}

/** What actors of one class have in common, and share: there may be a hundred thousand of them. */
export interface ActorMembers {
  /** Every call goes through it. */
  readonly table: MethodTable;
  /** What it says to callers. */
  readonly manifest: ActorManifest;
  /** The same, encoded. */
  readonly encoded: Uint8Array;
}

/** The members of the last instance with a prototype, and the name of its class. */
const lastMembers = new WeakMap<object, { readonly className: string; readonly members: ActorMembers }>();

/** Looks at an instance, as {@linkcode buildMethodTable} does; what is as it was of the last one is the same object. */
export function membersOf(className: string, instance: object): ActorMembers {
  const table = buildMethodTable(instance);
  const prototype = Object.getPrototypeOf(instance) as object | null;
  const last = prototype === null ? undefined : lastMembers.get(prototype);
  if (last?.className === className && equalTables(last.members.table, table)) return last.members;
  const manifest = manifestOf(className, table);
  // Kept for long, and cloned on its way to the host: not with the buffer that small values share.
  const members: ActorMembers = { table, manifest, encoded: encodeManifest(manifest).slice() };
  if (prototype !== null) lastMembers.set(prototype, { className, members });
  return members;
}

function equalTables(one: MethodTable, other: MethodTable): boolean {
  if (one.size !== other.size) return false;
  for (const [name, member] of one) {
    const found = other.get(name);
    if (found?.type !== member.type) return false;
    if (member.type === "method" && found.type === "method" && member.method !== found.method) return false;
  }
  return true;
}

/** What a table says to callers: methods and attributes, each sorted, so that equal classes have equal manifests. */
export function manifestOf(className: string, table: MethodTable): ActorManifest {
  const methods: Record<string, MethodKind> = {};
  const attributes: string[] = [];
  for (const name of [...table.keys()].sort()) {
    const member = table.get(name)!;
    if (member.type === "method") methods[name] = member.kind;
    else attributes.push(name);
  }
  return { className, methods, attributes };
}

/**
 * Whether a class has a public method that may hold up its event loop, its own or inherited: one that is neither
 * `async` nor an async generator. Getters do not count.
 */
export function hasSyncMethod(actorClass: { readonly prototype?: unknown }): boolean {
  for (const member of buildMethodTable(Object.create(actorClass.prototype as object | null)).values()) {
    if (member.type === "method" && (member.kind === "sync" || member.kind === "generator")) return true;
  }
  return false;
}

/**
 * How many calls of an actor of this class run at a time, as its `static concurrency` says; any number where it has none.
 *
 * @throws {TypeError} Where that is no number from 1.
 */
export function declaredConcurrency(target: object & { readonly name: string }): number {
  const declared = (target as { concurrency?: unknown }).concurrency ?? Infinity;
  if (declared === Infinity || Number.isSafeInteger(declared) && declared as number >= 1) return declared as number;
  throw new TypeError(
    `Cannot start ${target.name}: its static concurrency has to be a whole number from 1, or Infinity, and is ${
      typeof declared === "string" ? JSON.stringify(declared) : String(declared)
    }`,
  );
}

/** Whether it is a class, written as one or the language's own, and not a factory: only a class's `prototype` is fixed. */
export function isClass(target: (...args: never[]) => unknown): boolean {
  return Object.getOwnPropertyDescriptor(target, "prototype")?.writable === false;
}

/** Whether a member of this name is never remote: the language, JSON or the class's privacy own it. */
export function isReserved(name: string): boolean {
  return name.startsWith("_") || name === "then" || name === "toJSON" || OBJECT_MEMBERS.has(name);
}

function memberOf(
  descriptor: PropertyDescriptor | undefined,
  own: boolean,
): MethodMember | AttributeMember | undefined {
  if (descriptor === undefined) return undefined;
  if (typeof descriptor.value === "function") {
    return { type: "method", kind: kindOf(descriptor.value), method: descriptor.value };
  }
  // Data of a prototype is the class's business; the type of the class does not have it either.
  return descriptor.get !== undefined || (own && "value" in descriptor) ? ATTRIBUTE : undefined;
}

/** How a function answers. A plain one that returns a promise counts as sync, and its promise is awaited. */
export function kindOf(method: object): MethodKind {
  switch ((method as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]) {
    case "AsyncFunction":
      return "async";
    case "GeneratorFunction":
      return "generator";
    case "AsyncGeneratorFunction":
      return "asyncGenerator";
    default:
      return "sync";
  }
}

function forEachLevel(instance: object, visit: (level: object) => void): void {
  let level: object | null = instance;
  while (level !== null && level !== Object.prototype) {
    visit(level);
    level = Object.getPrototypeOf(level) as object | null;
  }
}

/** Elements of arrays are data of the actor, not members of its class, and there may be millions. */
function isArrayIndex(name: string): boolean {
  return /^(?:0|[1-9]\d*)$/.test(name);
}
