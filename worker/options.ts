/**
 * Options of a worker: from a program, from the command line, from the environment.
 *
 * @module
 */

import * as v from "npm:valibot@^1.5.0";
import type { Clock } from "../connection/mod.ts";

/** Options of `startWorker`. */
export interface WorkerOptions {
  /** Address of the scheduler. @default {"ws://127.0.0.1:8786"} or `TROUPE_SCHEDULER` */
  readonly scheduler?: string | undefined;
  /** The scheduler's token. @default {TROUPE_TOKEN}, the file of `TROUPE_TOKEN_FILE`, or the token file of this user */
  readonly token?: string | undefined;
  /** A name that stays the same; the scheduler makes one where there is none. */
  readonly name?: string | undefined;
  /** Where the data plane listens. @default {"127.0.0.1"} */
  readonly host?: string | undefined;
  /** Port of the host's data plane; 0 for one that the system chooses. @default {0} */
  readonly port?: number | undefined;
  /** What stands in the worker's addresses instead of `host`; with `singlePort` it may end with `:port`. */
  readonly contactAddress?: string | undefined;
  /** What the worker offers, in amounts of units of your own. */
  readonly resources?: Readonly<Record<string, number>> | undefined;
  /** How many shared isolates run at the most. @default {number of cores} */
  readonly isolates?: number | undefined;
  /** How many task isolates run at the most. @default {number of cores} */
  readonly threads?: number | undefined;
  /** Resident memory in bytes at which the host process is ended; 0 for no limit. @default {0} */
  readonly memoryLimit?: number | undefined;
  /**
   * Prefixes of module URLs that may be loaded, beside what the scheduler serves. With a scheduler on loopback, `file:`
   * and `data:` are among them.
   */
  readonly allowModules?: readonly string[] | undefined;
  /** Whether all isolates share the host's port: calls are relayed within the process. @default {false} */
  readonly singlePort?: boolean | undefined;
  /** Whether a nanny starts and watches a host process; without one, this process runs the actors itself. @default {true} */
  readonly nanny?: boolean | undefined;
  /** Milliseconds without a scheduler after which the worker gives up. @default {Infinity} */
  readonly deathTimeout?: number | undefined;
  /** Path of the `deno.json` with which modules are loaded. @default {the one nearest to the current folder} */
  readonly config?: string | undefined;
  /** Permissions that user code gets beside net, read and env: `"write=/data run=git"`. */
  readonly allow?: string | undefined;
  /** Permissions that user code does not get: `"env net=10.0.0.1"`. */
  readonly deny?: string | undefined;
  /** Path of a PEM file with further certificate authorities, for the scheduler and for modules. */
  readonly tlsCa?: string | undefined;
  /** Whether the data plane may listen on other addresses than loopback, where others can read it. @default {false} */
  readonly insecurePlaintext?: boolean | undefined;
  /** How log lines of the host process look on standard error. @default {"none"} */
  readonly logs?: "text" | "json" | "none" | undefined;
  /** The time. */
  readonly clock?: Clock | undefined;
}

/** What a command line asks for. */
export interface WorkerCommand {
  /** The worker's options. */
  readonly options: WorkerOptions;
  /** How many workers this process starts. */
  readonly workers: number;
  /** Whether a program started it: the token comes over standard input, whose end ends the worker. */
  readonly child: boolean;
  /** Whether only the help is wanted. */
  readonly help: boolean;
}

/** A mistake of whoever starts a worker. Its message is one line. */
export class UsageError extends Error {
  /** As for every error: the name of its class. */
  override name = "UsageError";
  /** Exit code of the command: 64 for a wrong flag, 78 for what must not be. */
  readonly exitCode: number;

  /** Makes one. */
  constructor(message: string, exitCode = 64) {
    super(message);
    this.exitCode = exitCode;
  }
}

const text = v.pipe(v.string(), v.nonEmpty("expected some text"));
const word = v.pipe(
  v.string(),
  v.regex(/^[\w.@-]{1,64}$/, "expected 1 to 64 letters, digits, dots, dashes or underscores"),
);
const yesOrNo = v.pipe(
  v.string(),
  v.regex(/^(true|false|1|0|yes|no|)$/i, "expected true or false"),
  v.transform((found) => /^(true|1|yes)$/i.test(found)),
);

function whole(least: number, most: number) {
  const expected = `expected a whole number from ${least} to ${most}`;
  return v.pipe(
    v.string(),
    v.regex(/^\d{1,15}$/, expected),
    v.transform(Number),
    v.minValue(least, expected),
    v.maxValue(most, expected),
  );
}

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

const byteCount = v.pipe(
  v.string(),
  v.regex(/^\d+(\.\d+)?\s*([KMGT]i?)?B?$/i, "expected a size such as 2GiB or 500MB"),
  v.transform((found) => {
    const [, amount = "", unit = ""] = /^([\d.]+)\s*(\w*)$/.exec(found)!;
    const name = unit.toUpperCase();
    return Math.round(Number(amount) * (BYTE_UNITS[name] ?? BYTE_UNITS[`${name}B`]!));
  }),
);

const TIME_UNITS: Readonly<Record<string, number>> = { ms: 1, "": 1000, s: 1000, m: 60_000, h: 3_600_000 };

const duration = v.pipe(
  v.string(),
  v.regex(/^\d+(\.\d+)?\s*(ms|s|m|h)?$/, "expected a time such as 60s, 5m or 500ms"),
  v.transform((found) => {
    const [, amount = "", unit = ""] = /^([\d.]+)\s*(\w*)$/.exec(found)!;
    return Number(amount) * TIME_UNITS[unit]!;
  }),
);

const amounts = v.pipe(
  v.string(),
  v.transform((found) => found.split(/[\s,]+/).filter(Boolean).map((part) => part.split("="))),
  v.check(
    (parts) => parts.every(([name, amount, ...rest]) => name && amount && rest.length === 0 && Number(amount) >= 0),
    'expected amounts such as "GPU=2 MEM=10e9"',
  ),
  v.transform((parts) => Object.fromEntries(parts.map(([name, amount]) => [name!, Number(amount)]))),
);

const prefixes = v.pipe(
  v.string(),
  v.transform((found) => found.split(",").map((part) => part.trim()).filter(Boolean)),
);

/** Every flag: what it takes, what it means. A flag without a value name is on or off. */
const FLAGS = {
  name: { value: "NAME", shape: word, help: "a name that stays the same (default: the scheduler makes one)" },
  host: { value: "HOST", shape: text, help: "where callers can reach its actors (default: 127.0.0.1)" },
  port: { value: "PORT", shape: whole(0, 65535), help: "port of the host process (default: the system chooses)" },
  "contact-address": { value: "HOST", shape: text, help: "what stands in its addresses instead of --host" },
  resources: { value: "AMOUNTS", shape: amounts, help: 'what it offers, as in "GPU=2 MEM=10e9"' },
  isolates: { value: "N", shape: whole(1, 1024), help: "shared isolates at the most (default: number of cores)" },
  nthreads: { value: "N", shape: whole(1, 1024), help: "task isolates at the most (default: number of cores)" },
  nworkers: { value: "N", shape: whole(1, 1024), help: "how many workers to start (default: 1)" },
  "memory-limit": {
    value: "SIZE",
    shape: byteCount,
    help: "end the host process above it, as in 2GiB (default: none)",
  },
  "allow-modules": { value: "PREFIX,…", shape: prefixes, help: "beginnings of module URLs that may be loaded" },
  "single-port": { value: "", shape: yesOrNo, help: "one port for all isolates, for firewalls" },
  "no-nanny": { value: "", shape: yesOrNo, help: "one process, that dials out only and starts no other" },
  "death-timeout": {
    value: "TIME",
    shape: duration,
    help: "give up after so long without a scheduler (default: never)",
  },
  config: { value: "PATH", shape: text, help: "deno.json with which modules are loaded (default: the nearest)" },
  allow: {
    value: "PERMISSIONS",
    shape: text,
    help: 'what user code may do beside net, read, env: "write=/data run=git"',
  },
  deny: { value: "PERMISSIONS", shape: text, help: 'what user code may not do: "env net=10.0.0.1"' },
  "tls-ca": { value: "PATH", shape: text, help: "PEM file with further certificate authorities" },
  "insecure-plaintext": { value: "", shape: yesOrNo, help: "listen without TLS where others can read along" },
  child: { value: "", shape: yesOrNo, help: "for programs: token and end come over standard input" },
  help: { value: "", shape: yesOrNo, help: "show this" },
} as const;

type FlagName = keyof typeof FLAGS;
type FlagValues = { -readonly [F in FlagName]?: v.InferOutput<(typeof FLAGS)[F]["shape"]> };
type Environment = (name: string) => string | undefined;

/**
 * Reads a command line. A flag counts more than its variable (`--memory-limit`: `TROUPE_MEMORY_LIMIT`).
 *
 * @param parse `parseArgs` of `node:util`, which the doors that never see a command line do without.
 * @throws {UsageError} In one line.
 */
export function parseCommand(given: readonly string[], environment: Environment, parse: ParseArguments): WorkerCommand {
  const { flags, positionals } = parseFlags(given, parse);
  const values = readFlags((name) => flags[name] ?? environment(variableOf(name)), (name) => {
    return flags[name] !== undefined ? `--${name}` : variableOf(name);
  });
  if (positionals.length > 1) {
    throw new UsageError(`Cannot start a worker for ${positionals.length} schedulers: give one address`);
  }
  return {
    options: { ...optionsOf(values), scheduler: positionals[0] ?? (environment("TROUPE_SCHEDULER") || undefined) },
    workers: values.nworkers ?? 1,
    child: values.child ?? false,
    help: values.help ?? false,
  };
}

/**
 * Options of a worker from variables of the environment alone.
 *
 * @throws {UsageError} In one line.
 */
export function optionsFromEnvironment(environment: Environment): WorkerOptions {
  const values = readFlags((name) => environment(variableOf(name)), variableOf);
  return { ...optionsOf(values), scheduler: environment("TROUPE_SCHEDULER") || undefined };
}

/** What `--help` shows. */
export function helpText(): string {
  const lines = Object.entries(FLAGS).map(([name, { value, help }]) => {
    return `  ${`--${name}${value && ` ${value}`}`.padEnd(28)} ${help}`;
  });
  return [
    "Usage: deno task worker [ws://scheduler:8786] [flags]",
    "",
    "Starts a worker: it joins the scheduler and runs actors.",
    "Every flag can be given as a variable: --memory-limit as TROUPE_MEMORY_LIMIT. The token comes from TROUPE_TOKEN,",
    "the file that TROUPE_TOKEN_FILE names, or the token file of this user; never from the command line.",
    "",
    ...lines,
  ].join("\n");
}

/** The part of `parseArgs` of `node:util` that is used here. */
export type ParseArguments = (config: {
  args: string[];
  options: Record<string, { type: "string" | "boolean" }>;
  allowPositionals: boolean;
  strict: boolean;
}) => { values: Record<string, unknown>; positionals: string[] };

function parseFlags(given: readonly string[], parse: ParseArguments): {
  flags: Readonly<Record<string, string | undefined>>;
  positionals: string[];
} {
  const options = Object.fromEntries(
    Object.entries(FLAGS).map(([name, { value }]) => [name, { type: value ? "string" : "boolean" } as const]),
  );
  try {
    const { values, positionals } = parse({ args: [...given], options, allowPositionals: true, strict: true });
    const flags = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
    return { flags, positionals };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new UsageError(`Cannot start a worker: ${message.split(/[.\n]/, 1)[0]}. See --help`);
  }
}

function readFlags(find: (name: FlagName) => string | undefined, source: (name: FlagName) => string): FlagValues {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(FLAGS) as FlagName[]) {
    const found = find(name);
    if (found === undefined) continue;
    const read = v.safeParse(FLAGS[name].shape, found);
    if (!read.success) {
      throw new UsageError(`Cannot use ${source(name)} ${JSON.stringify(found)}: ${read.issues[0].message}`);
    }
    values[name] = read.output;
  }
  return values as FlagValues;
}

function optionsOf(values: FlagValues): WorkerOptions {
  return {
    name: values.name,
    host: values.host,
    port: values.port,
    contactAddress: values["contact-address"],
    resources: values.resources,
    isolates: values.isolates,
    threads: values.nthreads,
    memoryLimit: values["memory-limit"],
    allowModules: values["allow-modules"],
    singlePort: values["single-port"],
    nanny: values["no-nanny"] === undefined ? undefined : !values["no-nanny"],
    deathTimeout: values["death-timeout"],
    config: values.config,
    allow: values.allow,
    deny: values.deny,
    tlsCa: values["tls-ca"],
    insecurePlaintext: values["insecure-plaintext"],
  };
}

function variableOf(name: string): string {
  return `TROUPE_${name.toUpperCase().replaceAll("-", "_")}`;
}
