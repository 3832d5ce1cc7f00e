/**
 * One line at the bottom of the terminal that says how a worker is doing. What user code prints scrolls above it.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import { httpAddress, webSocketAddress } from "../client/scheduler_link.ts";
import type { WorkerSnapshot } from "../protocol/mod.ts";

/** Milliseconds between two looks. */
const INTERVAL = 1000;

/** A terminal. */
export interface StatusTerminal {
  /** Writes to it. */
  write(text: string): void;
  /** Its size, now. */
  size(): { readonly columns: number; readonly rows: number };
}

/** Options of {@linkcode showStatus}. */
export interface StatusOptions {
  /** Address of the scheduler. */
  readonly scheduler: string;
  /** Its token. */
  readonly token: string | undefined;
  /** Ids of the workers that are shown, now. */
  readonly workers: () => readonly string[];
  /** Where it is shown. */
  readonly terminal: StatusTerminal;
  /** The time. */
  readonly clock: Clock;
}

/** Calls that workers had counted at a time. */
interface Look {
  readonly at: number;
  readonly calls: number;
}

/**
 * Shows how workers are doing, as the scheduler sees them.
 *
 * @returns Takes the line away again.
 */
export function showStatus({ scheduler, token, workers, terminal, clock }: StatusOptions): () => void {
  const url = httpAddress(webSocketAddress(scheduler), "/api/v1/workers");
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  let before: Look | undefined;
  let rows = 0;
  let stopped = false;
  let stopTimer: () => void = () => {};

  async function look(): Promise<void> {
    let text = "no scheduler answers";
    try {
      const response = await fetch(url, { headers });
      const all = await response.json() as WorkerSnapshot[];
      const own = all.filter(({ id }) => workers().includes(id));
      const now = { at: clock.now(), calls: callsOf(own) };
      text = formatStatus(own, now, before);
      before = now;
    } catch {
      // It says so in the log, too, and is tried again.
    }
    if (stopped) return;
    draw(text);
    stopTimer = clock.setTimer(INTERVAL, look);
  }

  /** The rows above the last one scroll by themselves; the cursor stays where it is among them. */
  function draw(text: string): void {
    const size = terminal.size();
    if (size.rows !== rows) {
      rows = size.rows;
      // A line of room first, for the case that the cursor stands in the last one.
      terminal.write(`\n\x1b[1A\x1b7\x1b[1;${rows - 1}r\x1b8`);
    }
    terminal.write(`\x1b7\x1b[${rows};1H\x1b[2K\x1b[7m ${text.slice(0, size.columns - 3)} \x1b[27m\x1b8`);
  }

  void look();
  return () => {
    stopped = true;
    stopTimer();
    if (rows > 0) terminal.write(`\x1b7\x1b[r\x1b[${rows};1H\x1b[2K\x1b8`);
  };
}

/** The line. */
export function formatStatus(workers: readonly WorkerSnapshot[], now: Look, before: Look | undefined): string {
  if (workers.length === 0) return "joining the scheduler";
  const sum = (find: (worker: WorkerSnapshot) => number) => workers.reduce((sum, worker) => sum + find(worker), 0);
  const seconds = before === undefined ? 0 : (now.at - before.at) / 1000;
  const rate = seconds > 0 ? Math.max(0, Math.round((now.calls - before!.calls) / seconds)) : 0;
  const lag = Math.max(...workers.map(({ lag }) => lag));
  return [
    workers.length === 1 ? workers[0]!.name : `${workers.length} workers`,
    [...new Set(workers.map(({ status }) => status))].join(", "),
    plural(sum(({ actors }) => actors.length), "actor"),
    `${rate} calls/s`,
    plural(sum(({ processing }) => processing), "task"),
    `${Math.round(sum(({ memory }) => memory) / 2 ** 20)} MiB`,
    `lag ${Math.round(lag)} ms`,
  ].join(" | ");
}

function callsOf(workers: readonly WorkerSnapshot[]): number {
  return workers.reduce((sum, { classes }) => sum + classes.reduce((sum, { calls }) => sum + calls, 0), 0);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
