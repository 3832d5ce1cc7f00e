/**
 * Marks: where workers find what a module exports.
 *
 * @module
 */

import { REMOTE } from "./brands.ts";
import { describeValue, functionName, targetName } from "./describe_value.ts";
import type { Target } from "./types.ts";

/** Where workers find a class or function. */
export interface ModuleMark {
  /** Absolute URL of the module. */
  readonly module: string;
  /** Its name among the module's exports. */
  readonly export: string;
  /** The module was the program's main one when it was marked. */
  readonly main?: boolean;
  /** It only stands for the export: there is nothing here to look at or to call. */
  readonly reference?: boolean;
}

/**
 * Says where workers find what a module exports; once, as the last line of that module or from one that imports it.
 *
 * What is no class or function is passed over, so a whole namespace can be given.
 *
 * @example The module itself
 * ```ts
 * import { remote } from "@troupe/troupe";
 *
 * export class Counter {
 *   n = 0;
 *   increment() {
 *     return ++this.n;
 *   }
 * }
 *
 * remote(import.meta, { Counter });
 * ```
 *
 * @example From outside
 * ```ts ignore
 * import * as actors from "./actors.ts";
 *
 * remote(import.meta.resolve("./actors.ts"), actors);
 * ```
 *
 * @param module `import.meta`, or the absolute URL of the module.
 * @param exports What it exports, by name.
 * @throws {TypeError} Where the URL is relative, or `exports` is no object.
 */
export function remote(module: ImportMeta | string | URL, exports: Readonly<Record<string, unknown>>): void;
/**
 * Marks one class or function under its own name; also a class decorator. A decorated class cannot be sent by value.
 *
 * @example
 * ```ts
 * import { remote } from "@troupe/troupe";
 *
 * export const add = remote(import.meta)(function add(a: number, b: number) {
 *   return a + b;
 * });
 * ```
 */
export function remote(meta: ImportMeta): <T extends Target>(target: T, context?: ClassDecoratorContext) => T;
/**
 * Names an export without loading it. What comes back can only be submitted.
 *
 * @example
 * ```ts
 * import { remote } from "@troupe/troupe";
 *
 * class Counter {
 *   n = 0;
 * }
 * const RemoteCounter = remote<typeof Counter>("https://example.com/counter.ts#Counter");
 * ```
 *
 * @param reference Absolute URL of the module and, after `#`, the name of the export; without one the default export.
 */
export function remote<T extends Target>(reference: string | URL): T;
export function remote(...given: [module: unknown, exports?: unknown]): unknown {
  const [module, exports] = given;
  if (given.length > 1) return markExports(parseModule(module), exports);
  if (typeof module === "string" || module instanceof URL) return createReference(parseReference(module));
  const mark = parseModule(module);
  return (target: unknown, context?: unknown) => markOne(mark, target, context);
}

/** The mark of a class or function, or `undefined` where it has none of its own: a base class's mark names the base. */
export function markOf(target: unknown): ModuleMark | undefined {
  if (typeof target !== "function" || !Object.hasOwn(target, REMOTE)) return undefined;
  return (target as { [REMOTE]?: ModuleMark })[REMOTE];
}

/**
 * The module and export that a reference names.
 *
 * @throws {TypeError} Where it is no absolute URL.
 */
export function parseReference(reference: string | URL): ModuleMark {
  const url = parseUrl(reference, "a reference");
  const name = decodeURIComponent(url.hash.slice(1));
  url.hash = "";
  return { module: url.href, export: name === "" ? "default" : name };
}

/** `import.meta` or an absolute URL, as the start of a mark. */
type MarkedModule = Omit<ModuleMark, "export">;

function parseModule(module: unknown): MarkedModule {
  if (typeof module === "string" || module instanceof URL) return { module: parseUrl(module, "a module").href };
  if (typeof module === "object" && module !== null && "url" in module && typeof module.url === "string") {
    return "main" in module && module.main === true ? { module: module.url, main: true } : { module: module.url };
  }
  if (typeof module === "function") {
    const name = targetName(module);
    throw new TypeError(`Cannot mark ${name}: remote has to know its module, write remote(import.meta, { ${name} })`);
  }
  throw new TypeError(`Cannot mark anything: a module is import.meta or an absolute URL, got ${describeValue(module)}`);
}

function parseUrl(text: string | URL, what: string): URL {
  try {
    return new URL(text);
  } catch {
    const advice = `write import.meta.resolve(${JSON.stringify(String(text).split("#", 1)[0])})`;
    throw new TypeError(`Cannot use ${JSON.stringify(String(text))} as ${what}: it is no absolute URL, ${advice}`);
  }
}

function markExports(module: MarkedModule, exports: unknown): void {
  if (typeof exports !== "object" || exports === null) {
    const name = typeof exports === "function" ? targetName(exports) : "Counter";
    const found = describeValue(exports);
    throw new TypeError(`Cannot mark exports of ${module.module}: write { ${name} }, an object by name, got ${found}`);
  }
  for (const [name, exported] of Object.entries(exports)) {
    // A reference already says where its code is, and that is another module than the one that exports it.
    if (typeof exported === "function" && !markOf(exported)?.reference) mark(exported, { ...module, export: name });
  }
}

function markOne(module: MarkedModule, target: unknown, context: unknown): unknown {
  if (typeof target !== "function" || (isDecoratorContext(context) && context.kind !== "class")) {
    const found = isDecoratorContext(context) ? `a ${context.kind}` : describeValue(target);
    throw new TypeError(`Cannot mark ${found}: remote(import.meta) takes a class or a function`);
  }
  const name = functionName(target);
  if (name === "") {
    const advice = "give it one, or write remote(import.meta, { name: it })";
    throw new TypeError(`Cannot mark a function without a name of ${module.module}: ${advice}`);
  }
  mark(target, { ...module, export: name });
  return target;
}

function isDecoratorContext(context: unknown): context is { kind: string } {
  return typeof context === "object" && context !== null && "kind" in context && typeof context.kind === "string";
}

/** The last mark counts: whoever marks from outside knows better which URL workers can reach. */
function mark(target: object, value: ModuleMark): void {
  const written = Reflect.defineProperty(target, REMOTE, {
    value: Object.freeze(value),
    configurable: true,
    writable: false,
    enumerable: false,
  });
  if (!written) {
    throw new TypeError(`Cannot mark ${value.export} of ${value.module}: it is frozen. Mark it before it is frozen`);
  }
}

function createReference(reference: ModuleMark): object {
  // An ordinary function, so that `new` as well as a call gets as far as the message.
  function stand(): never {
    const { module, export: name } = reference;
    throw new TypeError(`Cannot run ${name} of ${module} here: remote() only names it, give it to client.submit`);
  }
  Object.defineProperty(stand, "name", { value: reference.export });
  mark(stand, { ...reference, reference: true });
  return stand;
}
