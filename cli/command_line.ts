/**
 * The command line of `deno task troupe`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { CommandError } from "./api.ts";

/** What `deno task troupe --help` prints. */
export const HELP = `Looks at a cluster of Troupe, and does something about it.

  troupe list [actors|workers|tasks|waiting]   what there is; actors where nothing is said
  troupe get NAME                              an actor, a task or a worker, and why it does not run
  troupe logs [KEY]                            what actors and tasks print
  troupe kill KEY                              end an actor or a task, for everyone
  troupe drain WORKER                          retire a worker: calls that run may finish
  troupe top                                   the cluster, live
  troupe dashboard                             a new link to the dashboard, good for one browser
  troupe metrics                               the key with which monitoring reads /metrics

  --scheduler ADDRESS   (default: TROUPE_SCHEDULER, or ws://127.0.0.1:8786)
  --class NAME          list, logs: only of this class
  --worker NAME         list, logs: only on this worker
  --limit N             list, logs: how many at the most (default 200)
  --follow              logs: go on as lines come
  --timeout TIME        drain: how long calls that run may take: 30s (default 10s)
  --reason TEXT         kill: what is said to those who hold it
  --json                print JSON
  --help                print this

The token comes from TROUPE_TOKEN, the file that TROUPE_TOKEN_FILE names, or the token file of this user; never from the
command line.
`;

/** Commands, and how many names each takes. */
const COMMANDS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  list: [0, 1],
  get: [1, 1],
  logs: [0, 1],
  kill: [1, 1],
  drain: [1, 1],
  top: [0, 0],
  dashboard: [0, 0],
  metrics: [0, 0],
};

/** What `list` lists. */
export const LISTED = ["actors", "workers", "tasks", "waiting"] as const;

/** A command line, read. */
export interface CommandLine {
  /** The command; `help` where that is asked, or nothing is. */
  readonly command: string;
  /** What it is about. */
  readonly subject: string | undefined;
  readonly scheduler: string | undefined;
  readonly class: string | undefined;
  readonly worker: string | undefined;
  readonly limit: number;
  readonly follow: boolean;
  /** Milliseconds. */
  readonly timeout: number | undefined;
  readonly reason: string | undefined;
  readonly json: boolean;
}

/**
 * Reads a command line.
 *
 * @throws {CommandError} With one line that says what is wrong.
 */
export function readCommandLine(args: readonly string[]): CommandLine {
  let values: Record<string, string | boolean | undefined>;
  let positionals: string[];
  try {
    ({ values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        scheduler: { type: "string" },
        class: { type: "string" },
        worker: { type: "string" },
        limit: { type: "string" },
        follow: { type: "boolean", short: "f" },
        timeout: { type: "string" },
        reason: { type: "string" },
        json: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    throw usage(`Cannot understand the command line: ${(error as Error).message.split(". ")[0]}`);
  }
  const [command = "help", ...names] = positionals;
  if (values["help"] || command === "help") return { ...NOTHING, command: "help" };
  const range = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (!range) throw usage(`Cannot do ${JSON.stringify(command)}: the commands are ${Object.keys(COMMANDS).join(", ")}`);
  const [least, most] = range;
  if (names.length < least) {
    throw usage(`Cannot ${command} nothing: give a name, as in troupe ${command} ${exampleOf(command)}`);
  }
  if (names.length > most) {
    throw usage(`Cannot ${command} ${names.join(" ")}: that is ${names.length} names, and ${most} can be given`);
  }
  if (command === "list" && names[0] !== undefined && !(LISTED as readonly string[]).includes(names[0])) {
    throw usage(`Cannot list ${names[0]}: there are ${LISTED.join(", ")}`);
  }
  const text = (name: string) => values[name] as string | undefined;
  return {
    command,
    subject: names[0],
    scheduler: text("scheduler"),
    class: text("class"),
    worker: text("worker"),
    limit: readNumber("--limit", text("limit") ?? "200"),
    follow: values["follow"] === true,
    timeout: text("timeout") === undefined ? undefined : readTime("--timeout", text("timeout")!),
    reason: text("reason"),
    json: values["json"] === true,
  };
}

const NOTHING = {
  subject: undefined,
  scheduler: undefined,
  class: undefined,
  worker: undefined,
  limit: 200,
  follow: false,
  timeout: undefined,
  reason: undefined,
  json: false,
};

function readNumber(flag: string, text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw usage(`Cannot use ${flag} ${text}: expected a number up to 10000`);
  return Math.min(10_000, Number(text));
}

function readTime(flag: string, text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text) ?? [];
  if (amount === undefined) throw usage(`Cannot use ${flag} ${text}: expected a time such as 500ms, 30s or 2m`);
  return Math.round(Number(amount) * { ms: 1, s: 1000, m: 60_000 }[unit ?? "s"]!);
}

function exampleOf(command: string): string {
  return command === "drain" ? "worker-1" : "Counter-1234abcd";
}

function usage(message: string): CommandError {
  return new CommandError(`${message}. See --help`, 64);
}
