/**
 * What a nanny tells a process that it starts: one line of JSON on its standard input, which then stays open for as long
 * as the nanny lives.
 *
 * @module
 */

import { flag, list, object, oneOf, type Shape, type Shaped, text, uint } from "../protocol/shape.ts";

/** What every process is told: where its watchdog finds the nanny, on loopback, and the secret that it shows there. */
const nannyShape = object({ address: text, secret: text });

/** The shape of a host's boot line. */
export const hostBoot = object({
  /** WebSocket address of the scheduler. */
  scheduler: text,
  /** The one-use ticket with which the host dials it. The token never enters a host. */
  ticket: text,
  /** Id of the worker. */
  worker: text,
  /** Name of the worker. */
  workerName: text,
  /** Incarnation of this host process. */
  incarnation: text,
  /** The scheduler's raw Ed25519 public key, base64url. */
  publicKey: text,
  /** Where the watchdog reports. */
  nanny: nannyShape,
  /** Where the data plane listens. */
  hostname: text,
  /** Its port; 0 for one that the system chooses. */
  port: uint,
  /** What stands in addresses instead of `hostname`. */
  contact: text,
  /** Whether all homes share the host's port. */
  singlePort: flag,
  /** Prefixes of module URLs that may be loaded. */
  allowModules: list(text),
  /** Milliseconds that a module may take to load. */
  moduleTimeout: uint,
  /** What a monitoring system has to show for its metrics; empty where nothing has to be. */
  metricsKey: text,
  /** How many shared isolates it starts at the most. */
  isolates: uint,
  /** How many task isolates it starts at the most. */
  threads: uint,
  /** Resident memory in bytes at which the watchdog calls out at once; 0 for none. */
  memoryLimit: uint,
  /** Folders for what does not fit into memory, the first that the host may write to. */
  spillFolders: list(text),
  /** How log lines look on standard error. */
  logs: oneOf(["text", "json", "none"]),
});

/** What a host process needs to know to start. */
export type HostBoot = Shaped<typeof hostBoot>;

/** The shape of the boot line of a process that is one home. */
export const homeBoot = object({
  /** Where the watchdog reports. */
  nanny: nannyShape,
  /** Where its host listens for it, on loopback, and the secret that it shows there. Everything else the host tells it. */
  host: nannyShape,
  /** Resident memory in bytes at which the watchdog calls out at once; 0 for none. */
  memoryLimit: uint,
});

/** What a process that is one home needs to know to start. */
export type HomeBoot = Shaped<typeof homeBoot>;

/** What the watchdog of a process needs to know. */
export type WatchdogBoot = Pick<HomeBoot, "nanny" | "memoryLimit">;

/** The line, with its end. */
export function formatBootLine(boot: object): string {
  return `${JSON.stringify(boot)}\n`;
}

/**
 * Reads the line.
 *
 * @param shape What it has to hold.
 * @throws {ProtocolError | SyntaxError} Where it does not: the process and its nanny are of different versions.
 */
export function parseBootLine<T>(line: string, shape: Shape<T>): T {
  return shape(JSON.parse(line), "boot");
}

/** The part of a file that is read from here. */
export interface LineSource {
  /** Fills an array, and says how much of it; `null` at the end. */
  read(bytes: Uint8Array): Promise<number | null>;
}

/**
 * Reads one line, and not a byte more: somebody else reads on.
 *
 * @throws {TypeError} Where the source ends first, or the line is longer than 1 MiB.
 */
export async function readLine(source: LineSource): Promise<string> {
  const bytes: number[] = [];
  const chunk = new Uint8Array(1);
  while (bytes.length < 1024 * 1024) {
    const count = await source.read(chunk);
    if (count === null) throw new TypeError("Cannot read a line from standard input: it ended");
    if (chunk[0] === 10) return new TextDecoder().decode(new Uint8Array(bytes));
    bytes.push(chunk[0]!);
  }
  throw new TypeError("Cannot read a line from standard input: it is longer than 1 MiB");
}
