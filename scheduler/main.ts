/**
 * `deno task scheduler`.
 *
 * @module
 */

import { ansiColorFormatter, configure, getStreamSink, jsonLinesFormatter } from "npm:@logtape/logtape@^2.4.0";
import { type Flags, HELP, readFlags, UsageError } from "./flags.ts";
import { type Scheduler, serveScheduler, TokenError, UnsafeOptionsError } from "./mod.ts";

/** Exit codes as in sysexits.h: a wrong command line, and a configuration that would be unsafe. */
const EXIT_USAGE = 64;
const EXIT_CONFIG = 78;

/** How long an orderly end may take, in milliseconds. */
const END_TIMEOUT = 1_800;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const flags = understand();
  if (flags.help) return console.log(HELP);
  await configureLogs(flags.child ? "warning" : "info");
  const input = flags.child ? readLines(Deno.stdin.readable) : undefined;
  const token = input && ((await input.next()).value ?? "");
  const scheduler = await start(flags, token);
  endOnSignals(scheduler);
  if (input) {
    console.log(JSON.stringify({ address: scheduler.address, dashboard: scheduler.dashboardLink }));
    for await (const _ of input);
    return await end(scheduler);
  }
  announce(scheduler, flags);
}

function understand(): Flags {
  try {
    return readFlags(Deno.args);
  } catch (error) {
    if (error instanceof UsageError) return fail(error, EXIT_USAGE);
    throw error;
  }
}

async function start(flags: Flags, token: string | undefined): Promise<Scheduler> {
  try {
    return await serveScheduler({
      host: flags.host,
      port: flags.port,
      tls: readTls(flags),
      auth: !flags["no-auth"],
      insecurePlaintext: flags["insecure-plaintext"],
      allowOrigins: flags["allow-origin"],
      allowHosts: flags["allow-host"],
      dashboard: !flags["no-dashboard"],
      token,
    });
  } catch (error) {
    if (error instanceof UnsafeOptionsError || error instanceof TokenError) return fail(error, EXIT_CONFIG);
    if (error instanceof Deno.errors.AddrInUse) {
      const taken = new Error(`Cannot listen on ${flags.host} port ${flags.port}: it is in use. Give another --port`);
      return fail(taken, 1);
    }
    return fail(error instanceof Error ? error : new Error(String(error)), 1);
  }
}

function readTls({ "tls-cert": cert, "tls-key": key }: Flags): { cert: string; key: string } | undefined {
  if (cert === undefined || key === undefined) return undefined;
  return { cert: readFlagFile("--tls-cert", cert), key: readFlagFile("--tls-key", key) };
}

function readFlagFile(flag: string, path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw new UnsafeOptionsError(`Cannot read ${flag} ${path}: ${(error as Error).message.split(": ", 1)[0]}`);
  }
}

function announce(scheduler: Scheduler, flags: Flags): void {
  const isDefault = scheduler.address === "ws://127.0.0.1:8786";
  const worker = import.meta.url.startsWith("file:")
    ? "deno task worker"
    : `deno run -A ${new URL("../worker/main.ts", import.meta.url)}`;
  const lines = [
    `Scheduler at  ${scheduler.address}`,
    `${flags["no-dashboard"] ? "API at      " : "Dashboard at"}  ${scheduler.dashboardLink}`,
    `Add a worker  ${worker}${isDefault ? "" : ` ${scheduler.address}`}`,
  ];
  if (flags["no-auth"]) lines.push("No token is asked for: every program on this machine can run code here.");
  if (flags["insecure-plaintext"]) lines.push("Insecure: without TLS whoever can listen on the way sees the token.");
  console.log(lines.join("\n"));
}

function endOnSignals(scheduler: Scheduler): void {
  const signals: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, () => void end(scheduler));
}

async function end(scheduler: Scheduler): Promise<void> {
  setTimeout(() => Deno.exit(0), END_TIMEOUT);
  await scheduler.close();
  Deno.exit(0);
}

/** Logs go to stderr: stdout belongs to what is announced. A child's parent shares its terminal with it. */
async function configureLogs(level: "info" | "warning"): Promise<void> {
  const formatter = Deno.stderr.isTerminal() ? ansiColorFormatter : jsonLinesFormatter;
  await configure({
    sinks: { stderr: getStreamSink(Deno.stderr.writable, { formatter }) },
    loggers: [
      { category: "troupe", lowestLevel: level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["stderr"] },
    ],
  });
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream() as TransformStream<Uint8Array, string>)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

function fail(error: Error, code: number): never {
  console.error(error.message);
  Deno.exit(code);
}
