/**
 * The command `deno task worker`.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { findToken } from "../client/platform.ts";
import { platformClock } from "../connection/mod.ts";
import { ConnectionLostError, DEFAULT_SCHEDULER_ADDRESS, ProtocolError, UnauthorizedError } from "../protocol/mod.ts";
import { readLine } from "./boot.ts";
import { configureLogging, preferredLogForm } from "./logging.ts";
import { DRAIN_TIMEOUT, startWorker, type Worker } from "./mod.ts";
import { helpText, parseCommand, UsageError, type WorkerCommand } from "./options.ts";
import { describePermissions } from "./permissions.ts";
import { showStatus } from "./status_line.ts";

/** Milliseconds that calls have when the program that started the worker is gone, or closed it. */
const CHILD_DRAIN_TIMEOUT = 1000;

async function main(): Promise<number> {
  let command: WorkerCommand;
  try {
    command = parseCommand(Deno.args, (name) => Deno.env.get(name), parseArgs);
  } catch (error) {
    return fail(error);
  }
  if (command.help) {
    console.log(helpText());
    return 0;
  }
  const logs = preferredLogForm();
  await configureLogging(logs);
  const leaving = new Leaving();
  try {
    const token = command.child ? { token: (await readLine(Deno.stdin)).trim() || undefined } : {};
    if (command.child) leaving.onStandardInputEnd();
    const starting = Array.from({ length: command.workers }, (_, index) => {
      return startWorker({ ...optionsOf(command, index), ...token, logs });
    });
    const workers = await Promise.race([Promise.all(starting), leaving.began]);
    if (workers === undefined) return leaving.exitCode;
    for (const worker of workers) announce(worker, command);
    leaving.follow(workers);
    const hideStatus = command.child || !Deno.stderr.isTerminal() ? () => {} : showStatus({
      scheduler: command.options.scheduler ?? DEFAULT_SCHEDULER_ADDRESS,
      token: findToken(),
      workers: () => workers.map(({ id }) => id),
      terminal: {
        write: (text) => Deno.stderr.writeSync(new TextEncoder().encode(text)),
        size: () => Deno.consoleSize(),
      },
      clock: platformClock,
    });
    try {
      await Promise.all(workers.map(({ finished }) => finished));
    } finally {
      hideStatus();
    }
    return leaving.exitCode;
  } catch (error) {
    return fail(error);
  }
}

/** Workers of one command differ in name, and in the port if there is one. */
function optionsOf({ options, workers }: WorkerCommand, index: number): WorkerCommand["options"] {
  if (workers === 1) return options;
  const { name, port } = options;
  return { ...options, name: name && `${name}-${index + 1}`, port: port && port + index };
}

function announce(worker: Worker, { child }: WorkerCommand): void {
  const { id, name, address, permissions } = worker;
  if (child) return console.log(JSON.stringify({ worker: id, address }));
  const where = address ? `at ${address}` : "without a port of its own: calls are relayed";
  const may = permissions.length > 0 ? describePermissions(permissions) : "all that this process may";
  console.log(`Worker ${name} (${id}) ${where}; user code may: ${may}`);
}

/** What makes the command end: signals, and for a child the end of its standard input. */
class Leaving {
  /** Resolves when something did. */
  readonly began: Promise<undefined>;
  exitCode = 0;
  readonly #begin: (value: undefined) => void;
  #workers: readonly Worker[] = [];
  #signals = 0;

  constructor() {
    ({ promise: this.began, resolve: this.#begin } = Promise.withResolvers<undefined>());
    Deno.addSignalListener("SIGINT", () => this.#onSignal(130));
    if (Deno.build.os !== "windows") Deno.addSignalListener("SIGTERM", () => this.#onSignal(143));
  }

  /** From now on these are told. */
  follow(workers: readonly Worker[]): void {
    this.#workers = workers;
  }

  async onStandardInputEnd(): Promise<void> {
    const bytes = new Uint8Array(256);
    while (await Deno.stdin.read(bytes) !== null);
    this.#close(CHILD_DRAIN_TIMEOUT);
  }

  /** The first signal drains; a second one kills. */
  #onSignal(exitCode: number): void {
    if (++this.#signals === 1) return this.#close(DRAIN_TIMEOUT);
    this.exitCode = exitCode;
    for (const worker of this.#workers) worker.kill();
  }

  #close(timeout: number): void {
    this.#begin(undefined);
    for (const worker of this.#workers) worker.close(timeout).catch(() => {});
  }
}

function fail(error: unknown): number {
  console.error(error instanceof Error ? error.message : String(error));
  if (error instanceof UsageError) return error.exitCode;
  if (error instanceof UnauthorizedError) return 77;
  if (error instanceof ConnectionLostError) return 69;
  return error instanceof ProtocolError ? 76 : 70;
}

if (import.meta.main) Deno.exit(await main());
