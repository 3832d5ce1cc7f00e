/**
 * What a local cluster can be asked for, and the check of it: a child process could only end with its complaint.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { resolve } from "node:path";
import { type Check, checkOptions, flag, isAmount, isListOf, isRecordOf, isText, oneOf } from "../client/checks.ts";

/** Options of {@linkcode LocalCluster.start}. */
export interface LocalClusterOptions {
  /** How many workers. @default {2} */
  workers?: number | undefined;
  /** What each worker offers, in amounts of your own units. @default none */
  resources?: Readonly<Record<string, number>> | undefined;
  /**
   * `"process"` starts a scheduler process and, for each worker, a nanny and its host. `"inline"` runs everything in this
   * process: quick to start and easy to debug, but a crash takes all. @default `"process"` where processes may be started
   */
  mode?: "process" | "inline" | undefined;
  /** Port of the scheduler; 0 lets the system choose. @default {0} */
  port?: number | undefined;
  /** How many shared isolates each worker starts at the most. @default the number of processors */
  isolates?: number | undefined;
  /** How many task isolates each worker starts at the most. @default the number of processors */
  nthreads?: number | undefined;
  /** Resident memory in bytes at which a worker's host process is ended. In a mode of one process nothing is. @default none */
  memoryLimit?: number | undefined;
  /**
   * What code on workers may do besides net, read and env: `"write=/data run=git"`. Where it may write to a folder, results
   * go there while memory is nearly full. @default nothing
   */
  allow?: string | undefined;
  /** A `deno.json` whose imports actors' modules use. @default the nearest to the working folder, if there is one */
  config?: string | URL | undefined;
  /** Prefixes of module URLs that workers may load besides `file:`, `data:` and what the scheduler serves. @default none */
  allowModules?: readonly string[] | undefined;
  /** Relays all calls of a worker through one port. @default {false} */
  singlePort?: boolean | undefined;
}

const isWhole = (value: unknown, from: number) => Number.isSafeInteger(value) && (value as number) >= from;
const isolates: Check = ["a whole number from 1 to 1024", (value) => isWhole(value, 1) && (value as number) <= 1024];

const CLUSTER_CHECKS: Readonly<Record<keyof LocalClusterOptions, Check>> = {
  workers: ["a whole number from 0", (value) => isWhole(value, 0)],
  resources: [
    "an object of amounts from 0, whose names have no space, comma or =",
    (value) => isRecordOf(value, isAmount) && Object.keys(value as object).every((name) => /^[^\s,=]+$/.test(name)),
  ],
  mode: oneOf("process", "inline"),
  port: ["a port from 0 to 65535", (value) => isWhole(value, 0) && (value as number) <= 65535],
  isolates,
  nthreads: isolates,
  memoryLimit: ["a whole number of bytes from 1", (value) => isWhole(value, 1)],
  allow: ["a string of permissions", isText],
  config: ["a path or file: URL", (value) => isText(value) || value instanceof URL],
  allowModules: ["an array of strings", (value) => isListOf(value, isText)],
  singlePort: flag,
};

/** {@linkcode LocalClusterOptions}, checked: `config` is an absolute path. */
export type ClusterOptions = Omit<LocalClusterOptions, "config"> & { readonly config?: string };

/**
 * Checks options of `LocalCluster.start`.
 *
 * @throws {TypeError} Names the option that is unknown or wrong.
 */
export function checkClusterOptions(options: unknown): ClusterOptions {
  const { config, ...checked } = checkOptions("LocalCluster.start", options, CLUSTER_CHECKS) as LocalClusterOptions;
  if (config === undefined) return checked;
  const path = String(config);
  const absolute = path.startsWith("file:") ? fileURLToPath(path) : resolve(path);
  if (!isFile(absolute)) throw new TypeError(`LocalCluster.start: config is ${absolute}, and there is no such file`);
  return { ...checked, config: absolute };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
