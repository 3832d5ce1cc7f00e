/**
 * A worker's options with everything filled in that was left out.
 *
 * @module
 */

import { resolve } from "node:path";
import { type Clock, platformClock } from "../connection/mod.ts";
import { DEFAULT_SCHEDULER_ADDRESS, tokenFilePath, TROUPE_VERSION, type WorkerHello } from "../protocol/mod.ts";
import { environmentVariable, findToken, runtimeName } from "../client/platform.ts";
import { webSocketAddress } from "../client/scheduler_link.ts";
import { ModulePolicy } from "./module_policy.ts";
import { checkWorkerOptions } from "./option_checks.ts";
import { UsageError, type WorkerOptions } from "./options.ts";
import { parseGrants } from "./permissions.ts";

/** Milliseconds that a module may take to load. */
export const MODULE_TIMEOUT = 30_000;

/** Milliseconds that running calls have to finish when a worker leaves. */
export const DRAIN_TIMEOUT = 10_000;

/** Options of one worker, complete. */
export interface WorkerSettings {
  /** WebSocket address of the scheduler. */
  readonly scheduler: string;
  /** Its token; `undefined` where none was found. */
  readonly token: string | undefined;
  /** What the worker says of itself. */
  readonly hello: WorkerHello;
  /** Where the data plane listens. */
  readonly hostname: string;
  /** Its port; 0 for one that the system chooses. */
  readonly port: number;
  /** What stands in addresses instead. */
  readonly contact: string;
  /** Whether all isolates share the host's port. */
  readonly singlePort: boolean;
  /** Prefixes that the worker's user allows. */
  readonly allowModules: readonly string[];
  /** Milliseconds without a scheduler after which it gives up. */
  readonly deathTimeout: number;
  /** Path of the `deno.json` of its hosts. */
  readonly config: string | undefined;
  /** Permissions more. */
  readonly allow: string;
  /** Permissions less. */
  readonly deny: string;
  /** Path of a file with further certificate authorities. */
  readonly certificates: string | undefined;
  /** What that file holds. */
  readonly caCerts: readonly string[] | undefined;
  /** How log lines of hosts look. */
  readonly logs: "text" | "json" | "none";
  /** The time. */
  readonly clock: Clock;
}

/**
 * Fills in what was left out. Nothing prompts: what may not be read is taken for absent.
 *
 * @throws {UsageError} Where options do not go together; {@linkcode TypeError} for one that is unknown or wrong.
 */
export function resolveOptions(given: WorkerOptions): WorkerSettings {
  const options = checkWorkerOptions(given);
  const { host = "127.0.0.1", port = 0, contactAddress, singlePort = false, allow = "", deny = "" } = options;
  if (!isLoopback(host) && !options.insecurePlaintext) {
    throw new UsageError(
      `Cannot listen on ${host} without TLS: others could read along. Leave --host out (calls from other machines are then ` +
        "relayed through the scheduler), or say --insecure-plaintext",
      78,
    );
  }
  if (contactAddress && /:\d+$/.test(contactAddress) && !contactAddress.endsWith("]") && !singlePort) {
    throw new UsageError(
      `Cannot use --contact-address ${contactAddress}: a port goes with --single-port, as each isolate has its own`,
    );
  }
  try {
    parseGrants(allow, "allow");
    parseGrants(deny, "deny");
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const cores = navigator.hardwareConcurrency;
  const machine = machineName();
  return {
    scheduler: schedulerAddress(options.scheduler),
    token: options.token ?? findToken(),
    hello: {
      troupe: TROUPE_VERSION,
      runtime: runtimeName(),
      name: options.name ?? "",
      pid: Deno.pid,
      machine,
      resources: { ...options.resources },
      isolates: options.isolates ?? cores,
      threads: options.threads ?? cores,
      memoryLimit: options.memoryLimit ?? 0,
    },
    hostname: host,
    port,
    contact: contactAddress ?? (isAnyAddress(host) && machine ? machine : host),
    singlePort,
    allowModules: checkedPrefixes(options.allowModules ?? []),
    deathTimeout: options.deathTimeout ?? Infinity,
    config: options.config === undefined ? nearestConfig() : findConfig(options.config),
    allow,
    deny,
    certificates: options.tlsCa,
    caCerts: options.tlsCa === undefined ? undefined : [readCertificates(options.tlsCa)],
    logs: options.logs ?? "none",
    clock: options.clock ?? platformClock,
  };
}

/**
 * What a worker may load: what the scheduler serves, what its user allows, and files where the scheduler is on loopback.
 *
 * @param loopback As the scheduler says of itself.
 */
export function allowedModules(settings: WorkerSettings, loopback: boolean): string[] {
  const served = new URL(settings.scheduler);
  served.protocol = served.protocol === "wss:" ? "https:" : "http:";
  return [served.origin, ...settings.allowModules, ...loopback ? ["file:", "data:"] : []];
}

/** Says now, in one line, what each host would die of. */
function checkedPrefixes(prefixes: readonly string[]): readonly string[] {
  try {
    new ModulePolicy(prefixes);
    return prefixes;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Files and folders that hold tokens, which hosts must not read. */
export function tokenPaths(): string[] {
  const file = tokenFilePath({
    HOME: environmentVariable("HOME"),
    XDG_CONFIG_HOME: environmentVariable("XDG_CONFIG_HOME"),
  });
  const other = environmentVariable("TROUPE_TOKEN_FILE");
  return [...file ? [file.slice(0, file.lastIndexOf("/"))] : [], ...other ? [other] : []];
}

function schedulerAddress(given: string | undefined): string {
  const address = given ?? environmentVariable("TROUPE_SCHEDULER") ?? DEFAULT_SCHEDULER_ADDRESS;
  try {
    return webSocketAddress(address);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Whether an address is this machine's own. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function isAnyAddress(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "[::]";
}

function machineName(): string {
  if (Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state !== "granted") return "";
  return Deno.hostname();
}

function readCertificates(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new UsageError(`Cannot read the certificates of --tls-ca ${path}: ${(error as Error).message}`, 78);
  }
}

/** The one that was named, from where the command was given. A host could only end without it. */
function findConfig(path: string): string {
  const found = [callersFolder(), Deno.cwd()].map((folder) => resolve(folder, path)).find(isFile);
  if (found === undefined) throw new UsageError(`Cannot use the configuration ${path}: there is no such file`);
  return found;
}

/** `deno task` changes to the folder of Troupe's own configuration, and says where it was called. */
function callersFolder(): string {
  return environmentVariable("INIT_CWD") ?? Deno.cwd();
}

/** As `deno run` would find it from the current folder. */
function nearestConfig(): string | undefined {
  if (Deno.permissions.querySync({ name: "read" }).state !== "granted") return undefined;
  let folder = callersFolder();
  while (true) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      const path = `${folder === "/" ? "" : folder}/${name}`;
      if (isFile(path)) return path;
    }
    const parent = folder.slice(0, folder.lastIndexOf("/"));
    if (parent === folder || folder === "/" || folder === "") return undefined;
    folder = parent || "/";
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
