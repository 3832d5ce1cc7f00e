/**
 * What is submitted, as a worker can find it: a module and an export.
 *
 * @module
 */

import { describeValue, functionName, targetName } from "./describe_value.ts";
import { isLocalName } from "./handle.ts";
import { markOf, type ModuleMark, parseReference } from "./remote.ts";
import { sourceModule } from "./source.ts";

/** Options of {@linkcode resolveTarget}. */
export interface TargetOptions {
  /** Whether it is to be an actor. */
  actor: boolean;
  /** Absolute URL of the module that exports it. */
  module?: string | URL | undefined;
  /** Its name there. */
  export?: string | undefined;
}

/** A target that a worker can load. */
export interface ResolvedTarget {
  /** Absolute URL of the module; a `data:` URL for a target sent by value. */
  module: string;
  /** Its name among the module's exports. */
  export: string;
  /** Its name for people, from which keys are made. */
  name: string;
  /** Where it should run as far as a look at it tells; the option `isolation` overrules it. */
  home: "inline" | "shared";
  /** `unknown` where only its name is here. */
  kind: "class" | "function" | "unknown";
  /** The source that `module` was made from, for a target sent by value. */
  source?: string;
}

/**
 * Finds out where a worker finds a target: by the options `module` and `export`, by its mark, as a reference, or by
 * value, in this order. What an option says overrules the mark.
 *
 * @throws {TypeError} Where it is no target, a class that is not to be an actor, or a generator function as a task.
 * @throws {SerializationError} Where it would have to go by value and cannot.
 */
export function resolveTarget(target: unknown, options: TargetOptions): ResolvedTarget {
  if (typeof target === "string" || target instanceof URL) return named(parseReference(target));
  if (typeof target !== "function") {
    throw new TypeError(`Cannot submit ${describeValue(target)}: a target is a class, a function or the URL of one`);
  }
  const mark = markOf(target);
  if (mark?.reference) return named({ ...mark, ...optionsMark(options, mark.export) });
  const kind = isClass(target) ? "class" : "function";
  checkUse(target, kind, options.actor);
  const look = { name: targetName(target), kind, home: homeOf(target, kind, options.actor) } as const;
  if (options.module !== undefined || mark !== undefined) {
    const { module, export: exported } = { ...mark, ...optionsMark(options, mark?.export ?? functionName(target)) };
    return { module: module!, export: exported!, ...look };
  }
  return { ...sourceModule(target, kind), export: "default", ...look };
}

/**
 * Whether a function is a class: one of the language's own, as `Map`, or one that was written as `class`.
 *
 * Only of those is `prototype` read-only; ordinary functions have a writable one, arrows and methods have none.
 */
export function isClass(target: unknown): boolean {
  return typeof target === "function" && Object.getOwnPropertyDescriptor(target, "prototype")?.writable === false;
}

function optionsMark({ module, export: exported }: TargetOptions, name: string): Partial<ModuleMark> {
  if (module === undefined) return exported === undefined ? {} : { export: exported };
  const reference = parseReference(module);
  return {
    module: reference.module,
    export: exported ?? (reference.export === "default" ? name || "default" : reference.export),
  };
}

/** A target of which only the name is here. */
function named({ module, export: exported }: Pick<ModuleMark, "module" | "export">): ResolvedTarget {
  return {
    module,
    export: exported,
    name: exported === "default" ? stem(module) : exported,
    home: "shared",
    kind: "unknown",
  };
}

/** `counter` for `https://host/lib/counter.ts?x`. */
function stem(module: string): string {
  const file = new URL(module).pathname.split("/").at(-1) ?? "";
  const match = /^[\w$-]+/.exec(file);
  return match === null || module.startsWith("data:") ? "anonymous" : match[0];
}

function checkUse(target: { readonly name: string }, kind: "class" | "function", actor: boolean): void {
  if (actor) return;
  if (kind === "class") throw new TypeError(`${targetName(target)} is a class: add { actor: true }`);
  if (isTagged(target, "GeneratorFunction") || isTagged(target, "AsyncGeneratorFunction")) {
    throw new TypeError(`${targetName(target)}: a generator cannot be a task: make it a method of an actor`);
  }
}

function homeOf(target: object, kind: "class" | "function", actor: boolean): "inline" | "shared" {
  if (kind === "class") return hasSyncMethod((target as { prototype: object }).prototype) ? "shared" : "inline";
  // What a factory makes is known only after it has run.
  return !actor && isTagged(target, "AsyncFunction") ? "inline" : "shared";
}

/** Looks for a public method that may block, up the whole chain of prototypes. Runs no getters. */
function hasSyncMethod(prototype: object | null): boolean {
  for (let level = prototype; level !== null && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value !== "function" || isLocalName(name)) continue;
      if (!isTagged(value, "AsyncFunction") && !isTagged(value, "AsyncGeneratorFunction")) return true;
    }
  }
  return false;
}

function isTagged(target: object, tag: string): boolean {
  return (target as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === tag;
}
