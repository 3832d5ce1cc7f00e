/**
 * The command line of a scheduler.
 *
 * @module
 */

import { parseArgs } from "node:util";
import * as v from "npm:valibot@^1.5.0";
import { readVariable, splitList } from "./environment.ts";

/** What `deno task scheduler --help` prints. */
export const HELP = `Starts a scheduler of Troupe.

  --host ADDRESS          address to bind to (default 127.0.0.1)
  --port PORT             port; 0 lets the system choose (default 8786)
  --tls-cert FILE         certificate chain in PEM, with --tls-key
  --tls-key FILE          private key in PEM, with --tls-cert
  --allow-origin ORIGIN   origin of web pages that may connect; may be repeated
  --allow-host NAME       name by which the scheduler may be called; may be repeated
  --no-auth               ask for no token (on loopback only)
  --insecure-plaintext    serve other machines without TLS
  --no-dashboard          serve no page to browsers
  --child                 take the token from stdin, print one line of JSON, end when stdin ends
  --help                  print this

Each flag can be given as TROUPE_<FLAG>, such as TROUPE_PORT; flag beats environment beats default. The token comes from
TROUPE_TOKEN, from the file TROUPE_TOKEN_FILE, or from the user's own file, which is made if it is not there.
`;

/** The command line cannot be understood. */
export class UsageError extends Error {
  override name = "UsageError";
}

const switchSchema = v.pipe(
  v.string(),
  v.picklist(["1", "true", "0", "false"], ({ input }) => `expected 1 or true, found ${input}`),
  v.transform((word) => word === "1" || word === "true"),
);

const listSchema = v.pipe(v.string(), v.transform(splitList));

const flagsSchema = v.object({
  host: v.optional(v.pipe(v.string(), v.nonEmpty("expected an address")), "127.0.0.1"),
  port: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d+$/, ({ input }) => `expected a number, found ${input}`),
      v.transform(Number),
      v.maxValue(65535, ({ input }) => `expected 0 to 65535, found ${input}`),
    ),
    "8786",
  ),
  "tls-cert": v.optional(v.string()),
  "tls-key": v.optional(v.string()),
  "allow-origin": v.optional(
    v.pipe(listSchema, v.everyItem(isOrigin, "expected origins such as https://app.example")),
    "",
  ),
  "allow-host": v.optional(listSchema, ""),
  "no-auth": v.optional(switchSchema, "0"),
  "insecure-plaintext": v.optional(switchSchema, "0"),
  "no-dashboard": v.optional(switchSchema, "0"),
  child: v.optional(switchSchema, "0"),
  help: v.optional(switchSchema, "0"),
});

/** The command line and the environment, checked. */
export type Flags = v.InferOutput<typeof flagsSchema>;

const SWITCHES = ["no-auth", "insecure-plaintext", "no-dashboard", "child", "help"] as const;
const LISTS = ["allow-origin", "allow-host"] as const;
const TEXTS = ["host", "port", "tls-cert", "tls-key"] as const;

/**
 * Reads flags, and the environment for those that are not given.
 *
 * @throws {UsageError} With one line that says what is wrong.
 */
export function readFlags(args: readonly string[]): Flags {
  const given = parse(args);
  const found: Record<string, string> = {};
  for (const name of Object.keys(flagsSchema.entries)) {
    const isCommand = name === "child" || name === "help";
    const value = given[name] ?? (isCommand ? undefined : readVariable(variableOf(name)));
    if (value !== undefined) found[name] = value;
  }
  const checked = v.safeParse(flagsSchema, found);
  if (!checked.success) {
    const [issue] = checked.issues;
    const name = v.getDotPath(issue) ?? "";
    const flag = given[name] === undefined ? variableOf(name) : `--${name}`;
    throw new UsageError(`Cannot use ${flag}: ${issue.message}`);
  }
  const flags = checked.output;
  if ((flags["tls-cert"] === undefined) !== (flags["tls-key"] === undefined)) {
    throw new UsageError("Cannot use TLS: give both --tls-cert and --tls-key");
  }
  return flags;
}

function parse(args: readonly string[]): Record<string, string> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: Object.fromEntries([
        ...TEXTS.map((name) => [name, { type: "string" as const }] as const),
        ...LISTS.map((name) => [name, { type: "string" as const, multiple: true }] as const),
        ...SWITCHES.map((name) => [name, { type: "boolean" as const }] as const),
      ]),
    });
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
  } catch (error) {
    const found = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new UsageError(`Cannot understand the command line: ${found}. See --help`);
  }
}

function variableOf(flag: string): string {
  return `TROUPE_${flag.toUpperCase().replaceAll("-", "_")}`;
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}
