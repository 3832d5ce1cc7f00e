/**
 * Loads what a target names, and says in a typed error why it could not.
 *
 * @module
 */

import { REMOTE } from "../client/brands.ts";
import {
  ActorStartError,
  MainModuleError,
  ModuleLoadError,
  ModuleNotAllowedError,
  type SubmittedTarget,
} from "../protocol/mod.ts";
import { contextProvider } from "./context.ts";
import type { ModulePolicy } from "./module_policy.ts";

/** A class or function, as a module exports it. */
export type LoadedTarget = ((...args: never[]) => unknown) & { readonly name: string; readonly prototype?: unknown };

/** What loading may do. */
export interface LoadSettings {
  /** Which modules may be loaded. */
  readonly policy: ModulePolicy;
  /** Milliseconds that a module may take. */
  readonly moduleTimeout: number;
}

/**
 * Loads the module of a target and gives the class or function that it names.
 *
 * @throws {ModuleNotAllowedError} Where the module, or one that it imports, may not be loaded. Nothing was run.
 * @throws {FreeVariableError} Where a target sent by value needs what stayed behind. Nothing was run.
 * @throws {ModuleLoadError} Where the module is not found, does not parse, throws, or takes too long.
 * @throws {ActorStartError} With the code `NO_SUCH_CLASS` where it has no such export.
 */
export async function loadExport(target: SubmittedTarget, settings: LoadSettings): Promise<LoadedTarget> {
  settings.policy.check(target.module);
  if (target.byValue) {
    // The parser is large: only an isolate that needs it loads it.
    const { checkByValue } = await import("./by_value.ts");
    await checkByValue(target);
  }
  const exports = await importModule(target, settings.moduleTimeout);
  const found = Object.hasOwn(exports, target.export) ? exports[target.export] : undefined;
  if (typeof found !== "function") throw missing(target, exports, found);
  markExports(target.module, exports);
  return found as LoadedTarget;
}

type ModuleExports = Readonly<Record<string, unknown>>;

async function importModule(target: SubmittedTarget, timeout: number): Promise<ModuleExports> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new ModuleLoadError(
        `Cannot load ${describe(target)}: it took more than ${timeout} ms. Does its top level wait for something?`,
      ),
    );
  }, timeout);
  try {
    return await Promise.race([importOnce(target.module), late]);
  } catch (error) {
    const failure = explain(target, error);
    importFailures.add(failure);
    throw failure;
  } finally {
    clearTimeout(timer);
  }
}

const loading = new Map<string, Promise<ModuleExports>>();

/**
 * Orders for one module share one import. (Deno 2.9.6 dies of a Rust panic where a module with a top-level await is
 * imported twice meanwhile, and the code that waited for it then imports another.)
 */
function importOnce(module: string): Promise<ModuleExports> {
  const existing = loading.get(module);
  if (existing !== undefined) return existing;
  contextProvider.loading++;
  // Past its deadline a module may still be running: it counts as loading until it really ends.
  const imported: Promise<ModuleExports> = import(module).finally(() => {
    loading.delete(module);
    contextProvider.loading--;
  });
  loading.set(module, imported);
  return imported;
}

const importFailures = new WeakSet<Error>();

/** Whether `error` says that an import failed: the isolate remembers that, and will not load the module any more. */
export function isImportFailure(error: unknown): boolean {
  return error instanceof Error && importFailures.has(error);
}

/** Deno gives the same class and code to all that can go wrong before a module runs: only the text tells. */
function explain(target: SubmittedTarget, error: unknown): Error {
  // A module that took too long, and one that connects at its top level, have been explained.
  if (error instanceof ModuleLoadError || error instanceof MainModuleError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const plain = stripAnsi(message);
  const importer = /\n\s+at (\S+?):\d+:\d+$/.exec(plain)?.[1];

  const refused = /Requires import access to "([^"]+)"/.exec(plain)?.[1];
  if (refused !== undefined) {
    const by = importer === undefined ? "" : `${importer} imports from ${refused}, and `;
    return new ModuleNotAllowedError(
      `Cannot load ${describe(target)}: ${by}this worker may not import from ${refused}. ` +
        `Start it with --allow-modules=PREFIX,… that names https://${refused}/ or its http: form`,
      { cause: error },
    );
  }
  const bare = /^(?:Import "([^"]+)" not a dependency|Relative import path "([^"]+)" not prefixed)/.exec(plain);
  if (bare) {
    const specifier = bare[1] ?? bare[2];
    return new ModuleLoadError(
      `Cannot load ${describe(target)}: ${
        importer ?? "it"
      } imports "${specifier}", which no import map of this worker has. ` +
        `Start the worker with --config=PATH of the deno.json that maps it, or write a full specifier (npm:, https:)`,
      { cause: error },
    );
  }
  return new ModuleLoadError(`Cannot load ${describe(target)}: ${plain || "it threw"}`, { cause: error });
}

function missing(target: SubmittedTarget, exports: ModuleExports, found: unknown): ActorStartError {
  const names = Object.keys(exports);
  const what = Object.hasOwn(exports, target.export)
    ? `its export ${target.export} is ${found === null ? "null" : `of type ${typeof found}`}, not a class or function`
    : `it has no export ${target.export}`;
  return new ActorStartError(
    `Cannot start ${target.name} of ${describe(target)}: ${what}. It exports ${
      names.length === 0 ? "nothing" : names.join(", ")
    }`,
    { code: "NO_SUCH_CLASS" },
  );
}

/** So that an actor can submit what stands beside it in its module. A mark of the module's own counts more. */
function markExports(module: string, exports: ModuleExports): void {
  for (const [name, value] of Object.entries(exports)) {
    if (typeof value !== "function" || Object.hasOwn(value, REMOTE) || !Object.isExtensible(value)) continue;
    const mark = Object.freeze({ module, export: name });
    Object.defineProperty(value, REMOTE, { value: mark, configurable: true });
  }
}

/** The URL; a `data:` module is known by the name of what it holds. */
function describe(target: SubmittedTarget): string {
  return target.module.startsWith("data:") ? `the source of ${target.name}` : target.module;
}

/** Deno colours parts of its messages. */
function stripAnsi(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/\x1b\[[\d;]*m/g, "");
}
