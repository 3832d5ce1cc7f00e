/**
 * Whether each option of `startWorker` is what it has to be; whether they go together is looked at afterwards.
 *
 * @module
 */

import {
  type Check,
  checkOptions,
  flag,
  isAmount,
  isListOf,
  isRecordOf,
  isText,
  milliseconds,
  oneOf,
} from "../client/checks.ts";
import type { WorkerOptions } from "./options.ts";

const text: Check = ["a string", isText];
const upTo1024: Check = ["a whole number from 1 to 1024", (value) => isWhole(value, 1, 1024)];

const WORKER_CHECKS: Readonly<Record<keyof WorkerOptions, Check>> = {
  scheduler: text,
  token: text,
  name: text,
  host: text,
  port: ["a port from 0 to 65535", (value) => isWhole(value, 0, 65535)],
  contactAddress: text,
  resources: ["an object of amounts from 0", (value) => isRecordOf(value, isAmount)],
  isolates: upTo1024,
  threads: upTo1024,
  memoryLimit: ["a whole number of bytes from 0", (value) => isWhole(value, 0, Number.MAX_SAFE_INTEGER)],
  allowModules: ["an array of strings", (value) => isListOf(value, isText)],
  singlePort: flag,
  nanny: flag,
  deathTimeout: milliseconds,
  config: text,
  allow: text,
  deny: text,
  tlsCa: text,
  insecurePlaintext: flag,
  logs: oneOf("text", "json", "none"),
  clock: ["a clock", (value) => typeof value === "object" && value !== null],
};

/**
 * Checks the options of a worker.
 *
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkWorkerOptions(options: unknown): WorkerOptions {
  return checkOptions("startWorker", options, WORKER_CHECKS);
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
}
