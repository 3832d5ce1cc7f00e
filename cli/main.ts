/**
 * `deno task troupe`.
 *
 * @module
 */

import { environmentVariable, findToken } from "../client/platform.ts";
import { DEFAULT_SCHEDULER_ADDRESS } from "../protocol/mod.ts";
import { CommandError, openApi } from "./api.ts";
import { type CommandLine, HELP, readCommandLine } from "./command_line.ts";
import { type CommandContext, dashboard, drain, get, kill, list, logs, metrics } from "./commands.ts";
import { createPaint } from "./text.ts";
import { type Screen, top } from "./top.ts";

const COMMANDS: Readonly<Record<string, (context: CommandContext) => Promise<void>>> = {
  list,
  get,
  logs,
  kill,
  drain,
  dashboard,
  metrics,
};

if (import.meta.main) Deno.exit(await main());

async function main(): Promise<number> {
  const stopping = new AbortController();
  let interrupted = false;
  try {
    const line = readCommandLine(Deno.args);
    if (line.command === "help") {
      console.log(HELP);
      return 0;
    }
    const context = createContext(line, stopping.signal);
    Deno.addSignalListener("SIGINT", () => {
      interrupted = true;
      stopping.abort();
    });
    if (line.command === "top") await showTop(context, stopping);
    else await COMMANDS[line.command]!(context);
    return interrupted ? 130 : 0;
  } catch (error) {
    if (stopping.signal.aborted) return interrupted ? 130 : 0;
    console.error(error instanceof Error ? error.message : String(error));
    return error instanceof CommandError ? error.exitCode : 70;
  }
}

function createContext(line: CommandLine, signal: AbortSignal): CommandContext {
  const isTerminal = Deno.stdout.isTerminal();
  const token = findToken();
  const scheduler = line.scheduler ?? environmentVariable("TROUPE_SCHEDULER") ?? DEFAULT_SCHEDULER_ADDRESS;
  return {
    api: openApi({ scheduler, token }),
    line,
    token,
    signal,
    terminal: {
      print: (text) => console.log(text),
      width: isTerminal ? Deno.consoleSize().columns : Infinity,
      paint: createPaint(isTerminal && !Deno.noColor),
    },
  };
}

/** On a screen of its own, which goes away with it: `q` ends it. */
async function showTop(context: CommandContext, stopping: AbortController): Promise<void> {
  if (!Deno.stdout.isTerminal() || !Deno.stdin.isTerminal() || context.line.json) return await top(context, undefined);
  const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
  write("\x1b[?1049h\x1b[?25l");
  Deno.stdin.setRaw(true);
  quitOnKey(stopping);
  const screen: Screen = {
    get width() {
      return Deno.consoleSize().columns;
    },
    get height() {
      return Deno.consoleSize().rows;
    },
    draw: (lines) =>
      write(`\x1b[H${lines.slice(0, Deno.consoleSize().rows - 1).map((line) => `${line}\x1b[K`).join("\r\n")}\x1b[J`),
  };
  try {
    await top(context, screen);
  } finally {
    Deno.stdin.setRaw(false);
    write("\x1b[?25h\x1b[?1049l");
  }
}

async function quitOnKey(stopping: AbortController): Promise<void> {
  const key = new Uint8Array(8);
  while (await Deno.stdin.read(key) !== null) {
    // q, Q, Ctrl-C, Escape.
    if ([113, 81, 3, 27].includes(key[0]!)) return stopping.abort();
  }
}
