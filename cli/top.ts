/**
 * `troupe top`: the cluster, live, on one screen.
 *
 * @module
 */

import type { Overview } from "../scheduler/overview.ts";
import { eventsOf } from "./api.ts";
import { ACTOR_COLUMNS, type CommandContext, follow } from "./commands.ts";
import { bytes, clock, count, formatTable, type Paint, rate, time } from "./text.ts";

/** An actor, as the API gives it. */
type Actor = Parameters<ReturnType<typeof ACTOR_COLUMNS>[number]["cell"]>[0];

/** What a screen can do. */
export interface Screen {
  readonly width: number;
  readonly height: number;
  /** Puts lines on it, from the top. */
  draw(lines: readonly string[]): void;
}

/** Shows the cluster until it is told to stop; where there is no screen, once. */
export async function top(context: CommandContext, screen: Screen | undefined): Promise<void> {
  const { signal, terminal, line } = context;
  const stream = await follow(context, { overview: "1", actors: line.class ?? "" });
  let overview: Overview | undefined;
  let actors: readonly Actor[] = [];
  try {
    for await (const { event, data } of eventsOf(stream)) {
      if (event === "overview") overview = data as Overview;
      else if (event === "actors") actors = (data as { actors: Actor[] }).actors;
      if (!overview || event !== "actors") continue;
      const size = screen ?? { width: terminal.width, height: Infinity };
      const lines = drawTop(overview, actors, size, terminal.paint);
      if (!screen) {
        if (line.json) terminal.print(JSON.stringify({ ...overview, actors }, null, 2));
        else for (const text of lines) terminal.print(text);
        return;
      }
      screen.draw(lines);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** The screen as lines. */
export function drawTop(
  overview: Overview,
  actors: readonly Actor[],
  { width, height }: { readonly width: number; readonly height: number },
  paint: Paint,
): string[] {
  const { totals, attention, workers, address, uptime, at } = overview;
  const problem = (text: string, is: boolean) => is ? paint.red(text) : text;
  const lines = [
    `${paint.bold("troupe")} ${address} ${paint.faint(`up ${time(uptime)}, ${clock(at)}, q quits`)}`,
    [
      problem(`${totals.workers} workers`, totals.workers === 0),
      `${count(totals.actors)} actors`,
      problem(`${count(totals.waiting)} wait`, totals.waiting > 0),
      `${rate(totals.rate)} calls/s`,
      `p50 ${time(totals.p50)}`,
      `p99 ${time(totals.p99)}`,
      problem(`${rate(totals.errorRate)} errors/s`, totals.errorRate > 0),
      `${count(totals.queued)} queued`,
    ].join(paint.faint(" | ")),
    "",
    ...attention.slice(0, 5).map(({ level, text }) => {
      const shown = `! ${text}`.slice(0, width);
      return level === "bad" ? paint.red(shown) : level === "slow" ? paint.yellow(shown) : shown;
    }),
    ...attention.length > 0 ? [""] : [],
    ...formatTable(
      [
        { name: "WORKER", cell: ({ name }) => name },
        { name: "STATUS", cell: ({ status }) => status },
        { name: "ACTORS", cell: (worker) => count(worker.actors), numeric: true },
        { name: "CALLS/S", cell: (worker) => rate(worker.rate), numeric: true },
        { name: "TASKS", cell: ({ processing, threads }) => `${processing}/${threads}`, numeric: true },
        { name: "MEMORY", cell: ({ memory }) => bytes(memory), numeric: true },
        { name: "LAG", cell: ({ lag }) => time(lag), numeric: true },
        { name: "HEARTBEAT", cell: ({ heartbeatAge }) => time(heartbeatAge), numeric: true },
      ],
      workers,
      width,
      paint,
    ),
    "",
  ];
  const room = Math.max(1, height - lines.length - 2);
  lines.push(...formatTable(ACTOR_COLUMNS(paint), actors.slice(0, room), width, paint));
  if (actors.length > room) lines.push(paint.faint(`and ${actors.length - room} more`));
  return lines;
}
