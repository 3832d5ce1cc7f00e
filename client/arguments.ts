/**
 * What `submit` and `map` are called with: arguments told from options, and options checked.
 *
 * @module
 */

import { futureLink, isHandle } from "./brands.ts";
import {
  type Check,
  checkOptions,
  count,
  finite,
  flag,
  isAmount,
  isListOf,
  isRecordOf,
  isText,
  milliseconds,
  name,
  oneOf,
  positive,
  quoteWithHint,
  signal,
} from "./checks.ts";
import { describeValue, isPlainObject, targetName } from "./describe_value.ts";
import type {
  CallOptions,
  ClientOptions,
  ComputeOptions,
  DelayedOptions,
  GatherOptions,
  ResultOptions,
  RunOptions,
  ScatterOptions,
  SubmitOptions,
  WaitOptions,
} from "./types.ts";

/** Options of `submit` and `map` at run time, where tasks and actors are not told apart by type. */
export interface CheckedSubmitOptions extends SubmitOptions {
  /** Whether it is an actor: the two spellings, `actor` and `actors`, have become one. */
  actor: boolean;
}

/** The parts of `submit(target, …rest)`. */
export interface SubmitArguments {
  /** Arguments of the function or constructor. */
  args: readonly unknown[];
  /** Checked; those that are left out or undefined are absent. */
  options: CheckedSubmitOptions;
}

/**
 * Splits what follows the target: an array is the arguments, a plain object with known option names the options.
 *
 * @param target The target, or its name, for errors.
 * @throws {TypeError} Where something else is found, as in `submit(inc, future)`, or an option is wrong.
 */
export function splitSubmitArguments(target: unknown, rest: readonly unknown[]): SubmitArguments {
  const what = `submit(${targetName(target)})`;
  const [first, second] = rest;
  if (first !== undefined && !Array.isArray(first)) {
    if (!isPlainObject(first)) {
      const found = describeValue(first);
      throw new TypeError(`${what}: arguments go in an array, got ${found}: write [${placeholder(first)}]`);
    }
    const unknown = Object.keys(first).find((name) => !Object.hasOwn(SUBMIT_CHECKS, name));
    if (unknown !== undefined) {
      const found = `an object with the unknown option ${quoteWithHint(unknown, SUBMIT_CHECKS)}`;
      throw new TypeError(`${what}: arguments go in an array, got ${found}: write [value]`);
    }
    if (rest.slice(1).some((extra) => extra !== undefined)) {
      throw new TypeError(`${what}: options come last, got ${describeValue(second)} after them: write (args, options)`);
    }
    return { args: [], options: checkSubmitOptions(what, first) };
  }
  if (rest.length > 2) {
    throw new TypeError(`${what}: arguments go in one array, followed by options; got ${rest.length} values`);
  }
  return { args: first ?? [], options: checkSubmitOptions(what, second) };
}

/**
 * Checks options of `submit` and `map`.
 *
 * @param what Names in errors what was called: `map(inc)`.
 * @throws {TypeError} Names the option that is unknown, of the wrong type, or without another that it needs.
 */
export function checkSubmitOptions(what: string, options: unknown): CheckedSubmitOptions {
  const { actor, actors, ...checked } = checkOptions(what, options, SUBMIT_CHECKS) as Partial<CheckedOptions>;
  if (actor !== undefined && actors !== undefined && actor !== actors) {
    throw new TypeError(`${what}: actor and actors are two spellings of one option: give one of them`);
  }
  checkWorkers(what, checked);
  checkHome(what, checked);
  return { ...checked, actor: actor ?? actors ?? false };
}

/**
 * Checks options of `delayed`.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkDelayedOptions(what: string, options: unknown): DelayedOptions & { actor?: boolean } {
  const checked = checkOptions(what, options, DELAYED_CHECKS) as DelayedOptions;
  checkWorkers(what, checked);
  checkHome(what, checked);
  return checked;
}

/**
 * Checks options of `compute` and `persist`, but `actors`, which needs a look at nodes.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkComputeOptions(what: string, options: unknown): ComputeOptions {
  const checked = checkOptions(what, options, COMPUTE_CHECKS) as ComputeOptions;
  checkWorkers(what, checked);
  return checked;
}

/**
 * Checks options of `scatter`.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkScatterOptions(what: string, options: unknown): ScatterOptions {
  const checked = checkOptions(what, options, SCATTER_CHECKS) as ScatterOptions;
  checkWorkers(what, checked);
  return checked;
}

/**
 * Splits and checks what follows the target in `run`.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function splitRunArguments(
  target: unknown,
  rest: readonly unknown[],
): { readonly args: readonly unknown[]; readonly options: RunOptions } {
  const what = `run(${targetName(target)})`;
  const [first, second] = rest;
  if (Array.isArray(first)) return { args: first, options: checkOptions(what, second, RUN_CHECKS) as RunOptions };
  return { args: [], options: checkOptions(what, first ?? second, RUN_CHECKS) as RunOptions };
}

/** A list of workers, whichever way it was given. */
export function workerList(workers: string | readonly string[] | undefined): string[] | undefined {
  return typeof workers === "string" ? [workers] : workers && [...workers];
}

/**
 * Checks options of calls. Those that are undefined are absent in what it returns.
 *
 * @param what Names in errors what was called.
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkCallOptions(what: string, options: unknown): CallOptions {
  return checkOptions(what, options, CALL_CHECKS) as CallOptions;
}

/**
 * Checks options of `Client.connect`.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkClientOptions(options: unknown): ClientOptions {
  const checked = checkOptions("Client.connect", options, CLIENT_CHECKS) as ClientOptions;
  if (checked.calls) checkCallOptions("Client.connect: calls", checked.calls);
  return checked;
}

/**
 * Checks options of a wait for one future.
 *
 * @param what Names in errors what is waited for.
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkResultOptions(what: string, options: unknown): ResultOptions {
  return checkOptions(`Cannot wait for ${what}`, options, RESULT_CHECKS) as ResultOptions;
}

/**
 * Checks options of `wait`.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkWaitOptions(options: unknown): WaitOptions {
  return checkOptions("wait", options, WAIT_CHECKS) as WaitOptions;
}

/**
 * Checks options of `gather`.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkGatherOptions(options: unknown): GatherOptions {
  return checkOptions("gather", options, GATHER_CHECKS) as GatherOptions;
}

/** Options of what the workers of a cluster do. */
export interface WorkersOptions {
  /** Which ones. */
  readonly workers?: string | readonly string[];
  /** Milliseconds that they have. */
  readonly timeout?: number;
}

/**
 * Checks options of `retireWorkers` and `restart`.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkWorkersOptions(what: string, options: unknown): WorkersOptions {
  return checkOptions(what, options, WORKERS_CHECKS) as WorkersOptions;
}

interface CheckedOptions extends SubmitOptions {
  actor: boolean;
  actors: boolean;
}

/** Deno's permissions. */
const PERMISSIONS = ["env", "ffi", "import", "net", "read", "run", "sys", "write"];

/** Every option, so that a new one without a check does not compile. */
const SUBMIT_CHECKS: Readonly<Record<keyof CheckedOptions, Check>> = {
  actor: flag,
  actors: flag,
  key: name,
  workers: ["a string or an array of strings", (value) => typeof value === "string" || isListOf(value, isText)],
  allowOtherWorkers: flag,
  resources: ["an object of amounts from 0", (value) => isRecordOf(value, isAmount)],
  priority: finite,
  retries: count,
  pure: flag,
  module: ["a string or URL", (value) => typeof value === "string" || value instanceof URL],
  export: name,
  version: name,
  isolation: oneOf("inline", "shared", "dedicated", "process"),
  permissions: [
    `"inherit", "none" or an object of ${PERMISSIONS.join(", ")}: booleans, "inherit" and arrays of strings`,
    (value) => value === "inherit" || value === "none" || isRecordOf(value, isPermission, PERMISSIONS),
  ],
  memoryLimit: positive,
  onStuck: oneOf("abandon", "kill-host"),
  maxPending: positive,
  concurrency: positive,
  detached: flag,
  timeout: milliseconds,
  signal,
};

const { allowOtherWorkers, detached, priority, resources, retries, timeout, workers } = SUBMIT_CHECKS;
const { export: exported, isolation, key, module, pure, version } = SUBMIT_CHECKS;
const { permissions, memoryLimit, onStuck, maxPending, concurrency } = SUBMIT_CHECKS;

const COMPUTE_CHECKS: Readonly<Record<keyof ComputeOptions, Check>> = {
  actors: ["true, a node or an iterable of nodes", (value) => value === true || typeof value === "object"],
  workers,
  allowOtherWorkers,
  resources,
  priority,
  retries,
  detached,
  timeout,
  signal,
};

const DELAYED_CHECKS: Readonly<Record<keyof DelayedOptions | "actor", Check>> = {
  actor: flag,
  key,
  module,
  export: exported,
  version,
  pure,
  isolation,
  permissions,
  memoryLimit,
  onStuck,
  maxPending,
  concurrency,
  workers,
  allowOtherWorkers,
  resources,
  priority,
  retries,
};

const SCATTER_CHECKS: Readonly<Record<keyof ScatterOptions, Check>> = { workers, allowOtherWorkers };

const RUN_CHECKS: Readonly<Record<keyof RunOptions, Check>> = {
  workers,
  module,
  export: exported,
  version,
  timeout,
  signal,
};

const WORKERS_CHECKS: Readonly<Record<keyof WorkersOptions, Check>> = { workers, timeout };

const CALL_CHECKS: Readonly<Record<keyof CallOptions, Check>> = {
  timeout: milliseconds,
  signal,
  priority: finite,
  oneWay: flag,
  prefetch: flag,
};

const RESULT_CHECKS: Readonly<Record<keyof ResultOptions, Check>> = { timeout: milliseconds, signal };

const WAIT_CHECKS: Readonly<Record<keyof WaitOptions, Check>> = {
  ...RESULT_CHECKS,
  returnWhen: oneOf("all", "first", "error"),
};

const GATHER_CHECKS: Readonly<Record<keyof GatherOptions, Check>> = { errors: oneOf("raise", "skip") };

const CLIENT_CHECKS: Readonly<Record<keyof ClientOptions, Check>> = {
  ...RESULT_CHECKS,
  token: ["a string", isText],
  directToWorkers: [`true, false or "auto"`, (value) => typeof value === "boolean" || value === "auto"],
  caCerts: ["an array of PEM texts", (value) => isListOf(value, isText)],
  calls: ["an object of options of calls", isPlainObject],
  onUnobservedError: ["a function", (value) => typeof value === "function"],
};

function checkWorkers(what: string, options: Pick<SubmitOptions, "workers" | "allowOtherWorkers">): void {
  if (options.allowOtherWorkers && options.workers === undefined) {
    throw new TypeError(`${what}: Only use allowOtherWorkers together with workers`);
  }
}

/** What only a home of its own can have asks for one, and is refused for any other. */
function checkHome(what: string, { isolation, permissions, memoryLimit }: SubmitOptions): void {
  const refuse = (option: string, homes: string) => {
    throw new TypeError(`${what}: ${option} goes with isolation ${homes}, not with "${isolation}"`);
  };
  if (isolation === undefined) return;
  if (memoryLimit !== undefined && isolation !== "process") refuse("memoryLimit", '"process"');
  if (permissions === undefined || permissions === "inherit") return;
  if (isolation === "inline" || isolation === "shared") refuse("permissions", '"dedicated" or "process"');
}

function isPermission(value: unknown): boolean {
  return typeof value === "boolean" || value === "inherit" || isListOf(value, isText);
}

/** What stands for the value in advice on how to write it. */
function placeholder(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean" || value === null) return String(value);
  if (futureLink(value) !== undefined) return "future";
  return isHandle(value) ? "actor" : "value";
}
