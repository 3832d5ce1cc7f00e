/**
 * What the commands print.
 *
 * @module
 */

import { metricsKeyOf } from "../protocol/metrics_key.ts";
import { CommandError, eventsOf, read, type SchedulerApi } from "./api.ts";
import type { CommandLine } from "./command_line.ts";
import { bytes, clock, type Column, count, formatTable, NONE, type Paint, rate, time } from "./text.ts";

/** Where a command prints, and how. */
export interface Terminal {
  /** Prints a line. */
  print(line: string): void;
  /** Columns. */
  readonly width: number;
  /** Colours. */
  readonly paint: Paint;
}

/** What every command gets. */
export interface CommandContext {
  readonly api: SchedulerApi;
  readonly line: CommandLine;
  readonly terminal: Terminal;
  /** The scheduler's token. */
  readonly token: string | undefined;
  /** Ends what goes on for ever. */
  readonly signal: AbortSignal;
}

/** `troupe list`. */
export async function list(context: CommandContext): Promise<void> {
  const { api, line, terminal } = context;
  const { paint } = terminal;
  switch (line.subject ?? "actors") {
    case "workers": {
      const { workers } = await read(api.api.overview.$get());
      return table(context, workers, [
        { name: "WORKER", cell: ({ name }) => name },
        {
          name: "STATUS",
          cell: ({ status }) => status,
          paint: (text, { status }) => status === "running" ? paint.green(text) : paint.yellow(text),
        },
        { name: "ACTORS", cell: ({ actors }) => count(actors), numeric: true },
        { name: "CALLS/S", cell: (worker) => rate(worker.rate), numeric: true },
        { name: "TASKS", cell: ({ processing, threads }) => `${processing}/${threads}`, numeric: true },
        { name: "MEMORY", cell: ({ memory }) => bytes(memory), numeric: true },
        { name: "LAG", cell: ({ lag }) => time(lag), numeric: true },
        { name: "HEARTBEAT", cell: ({ heartbeatAge }) => time(heartbeatAge), numeric: true },
        { name: "RESOURCES", cell: ({ resources, resourcesHeld }) => amounts(resources, resourcesHeld) },
        { name: "ADDRESS", cell: ({ address }) => address || "relayed" },
      ]);
    }
    case "tasks": {
      const { tasks } = await read(api.api.overview.$get());
      return table(context, tasks.functions, [
        { name: "FUNCTION", cell: ({ name }) => name },
        { name: "RUNS", cell: ({ calls }) => count(calls), numeric: true },
        { name: "NOW", cell: ({ inFlight }) => count(inFlight), numeric: true },
        {
          name: "FAILED",
          cell: ({ errors }) => count(errors),
          numeric: true,
          paint: (text, { errors }) => errors > 0 ? paint.red(text) : text,
        },
        { name: "P50", cell: ({ median }) => time(median), numeric: true },
        { name: "P99", cell: ({ slowest }) => time(slowest), numeric: true },
      ]);
    }
    case "waiting":
      return table(context, await read(api.api.waiting.$get()), [
        { name: "KEY", cell: ({ key }) => key },
        { name: "WHAT", cell: ({ kind, name }) => `${kind} ${name}`.trim() },
        { name: "SINCE", cell: ({ since }) => since === null ? NONE : time(Date.now() - since), numeric: true },
        { name: "WHY", cell: ({ reason }) => reason, paint: (text) => paint.red(text) },
      ]);
    default: {
      const { class: name, worker, limit } = line;
      const query = {
        limit: String(limit),
        ...name !== undefined && { class: name },
        ...worker !== undefined && { worker },
      };
      return table(context, await read(api.api.actors.$get({ query })), ACTOR_COLUMNS(paint));
    }
  }
}

type Actor = Awaited<ReturnType<typeof actorsOf>>[number];

async function actorsOf({ api }: CommandContext) {
  return await read(api.api.actors.$get({ query: {} }));
}

/** Columns of actors, as `list` and `top` have them. */
export function ACTOR_COLUMNS(paint: Paint): Column<Actor>[] {
  const slow = (actor: Actor) =>
    (actor.figures?.busyFor ?? 0) > 1000 && (actor.figures!.sync || actor.figures!.queued > 0);
  return [
    { name: "ACTOR", cell: ({ key }) => key },
    {
      name: "STATE",
      cell: (actor) => stateOf(actor),
      paint: (text, actor) =>
        actor.status === "no-worker" ? paint.red(text) : slow(actor) || actor.heldUpBy ? paint.yellow(text) : text,
    },
    { name: "WORKER", cell: ({ workerName }) => workerName ?? NONE },
    { name: "QUEUED", cell: ({ figures }) => count(figures?.queued), numeric: true },
    { name: "RUNNING", cell: ({ figures }) => count(figures?.inFlight), numeric: true },
    { name: "CALLS", cell: ({ figures }) => count(figures?.calls), numeric: true },
    { name: "MEAN", cell: ({ figures }) => time(meanOf(figures)), numeric: true },
    {
      name: "ERRORS",
      cell: ({ figures }) => count(figures?.errors),
      numeric: true,
      paint: (text, { figures }) => figures && figures.errors > 0 ? paint.red(text) : text,
    },
    {
      name: "",
      cell: ({ status, reason, heldUpBy }) =>
        status === "no-worker" ? reason ?? "" : heldUpBy ? `by ${heldUpBy.key}` : "",
    },
  ];
}

function stateOf({ status, figures, heldUpBy }: Actor): string {
  if (status === "no-worker") return "does not run";
  if (status !== "running" || figures === undefined) return status;
  if (heldUpBy) return "held up";
  if (figures.busyFor === 0) return "idle";
  return `${figures.sync ? "computes" : "busy"} ${figures.method ?? ""} ${time(figures.busyFor)}`;
}

function meanOf(figures: Actor["figures"]): number | undefined {
  const ended = figures ? figures.calls - figures.inFlight : 0;
  return ended > 0 ? figures!.runningTime / ended : undefined;
}

/** `troupe get`. */
export async function get(context: CommandContext): Promise<void> {
  const { api, line, terminal: { print, paint } } = context;
  const name = line.subject!;
  const worker = await api.api.workers[":id"].$get({ param: { id: name } });
  if (worker.ok) {
    const found = await worker.json();
    if (line.json) return print(JSON.stringify(found, null, 2));
    if ("error" in found) return;
    const { actors, classes, versions, ...rest } = found;
    print(paint.bold(`Worker ${found.name}`));
    describe(context, { ...rest, versions: `Troupe ${versions.troupe}, ${versions.runtime}` });
    for (const { className, actors, calls, errors } of classes) {
      print(`  ${className}: ${plural(actors, "actor")}, ${plural(calls, "call")}, ${plural(errors, "error")}`);
    }
    print(paint.faint(`  ${plural(actors.length, "actor")}: troupe list --worker ${found.name}`));
    return;
  }
  await worker.body?.cancel();
  const explained = await read(api.api.explain[":key"].$get({ param: { key: name } }));
  const found = await api.api.actors[":key"].$get({ param: { key: name } });
  const actor = found.ok ? await found.json() : undefined;
  if (actor === undefined) await found.body?.cancel();
  if (line.json) return print(JSON.stringify({ ...explained, actor }, null, 2));
  print(paint.bold(`${explained.kind} ${name}`));
  print(`  ${explained.summary}`);
  for (const { key, summary } of explained.roots) print(paint.red(`  in the end it waits for ${key}: ${summary}`));
  if (actor && "figures" in actor && actor.figures) {
    const { calls, errors, inFlight, queued, busyFor, method, bytesIn, bytesOut, home } = actor.figures;
    if (actor.heldUpBy) {
      print(
        paint.yellow(
          `  its isolate is held up by ${actor.heldUpBy.key}, which has computed in ${actor.heldUpBy.method} for ${
            time(actor.heldUpBy.for)
          }`,
        ),
      );
    }
    describe(context, {
      class: actor.class,
      worker: actor.workerName,
      home,
      calls,
      errors,
      running: inFlight,
      queued,
      mean: time(meanOf(actor.figures)),
      busy: busyFor ? `for ${time(busyFor)}, in ${method}` : "no",
      bytes: `${bytes(bytesIn)} in, ${bytes(bytesOut)} out`,
    });
  }
  print(paint.faint("  story"));
  for (const { at, from, to, cause } of explained.story.slice(-10)) {
    print(`  ${clock(at)} ${from && `${from} -> `}${to} ${paint.faint(cause)}`);
  }
}

/** `troupe logs`. */
export async function logs(context: CommandContext): Promise<void> {
  const { api, line, signal } = context;
  const { class: name, worker, limit, subject: key } = line;
  const filter = { ...key !== undefined && { key }, ...name !== undefined && { class: name } };
  const stream = line.follow ? await follow(context, { lines: "1", ...filter }) : undefined;
  const before = await read(api.api.logs.$get({
    query: { ...filter, ...worker !== undefined && { worker }, limit: String(limit) },
  }));
  for (const each of before) printLine(context, each);
  if (!stream) return;
  try {
    for await (const { event, data } of eventsOf(stream)) {
      if (event !== "lines") continue;
      const { lines, leftOut } = data as { lines: (typeof before)[number][]; leftOut: number };
      for (const each of lines) printLine(context, each);
      if (leftOut > 0) {
        context.terminal.print(context.terminal.paint.yellow(`${leftOut} lines were left out: too many at a time`));
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Opens a stream. */
export async function follow({ api, signal }: CommandContext, topics: Record<string, string>): Promise<Response> {
  const response = await api.request(new URL(`/api/v1/live?${new URLSearchParams(topics)}`, api.base), { signal });
  if (response.ok) return response;
  throw new CommandError(`Cannot follow: ${(await response.text()).trim()}`, 1);
}

function printLine(
  { line: { json }, terminal: { print, paint } }: CommandContext,
  line: {
    readonly at: number;
    readonly level: string;
    readonly text: string;
    readonly key?: string | undefined;
    readonly method?: string | undefined;
  },
): void {
  if (json) return print(JSON.stringify(line));
  const { at, level, text, key, method } = line;
  const whose = key === undefined ? "" : ` ${key}${method === undefined ? "" : `.${method}`}`;
  const color = level === "error" ? paint.red : level === "warn" ? paint.yellow : (text: string) => text;
  print(`${paint.faint(clock(at))} ${color(level.padEnd(5))}${paint.faint(whose)} ${text}`);
}

/** `troupe kill`. */
export async function kill({ api, line, terminal }: CommandContext): Promise<void> {
  const key = line.subject!;
  const json = line.reason === undefined ? {} : { reason: line.reason };
  const actor = await api.api.actors[":key"].kill.$post({ param: { key }, json });
  if (actor.status === 404) {
    await actor.body?.cancel();
    const task = await api.api.tasks[":key"].cancel.$post({ param: { key }, json });
    if (task.status === 404) throw new CommandError(`Cannot end ${key}: there is no actor or task of this key`, 1);
    await read(Promise.resolve(task));
  } else {
    await read(Promise.resolve(actor));
  }
  terminal.print(line.json ? JSON.stringify({ key }) : `Ended ${key}`);
}

/** `troupe drain`. */
export async function drain({ api, line, terminal }: CommandContext): Promise<void> {
  const id = line.subject!;
  const json = line.timeout === undefined ? {} : { timeout: line.timeout };
  const { workers } = await read(api.api.workers[":id"].drain.$post({ param: { id }, json }));
  terminal.print(line.json ? JSON.stringify({ workers }) : `${id} is leaving: nothing is placed there any more`);
}

/** `troupe dashboard`. */
export async function dashboard({ api, line, terminal }: CommandContext): Promise<void> {
  const { link } = await read(api.routes.link.$post()) as { link: string };
  terminal.print(line.json ? JSON.stringify({ link }) : link);
}

/** `troupe metrics`. */
export async function metrics({ line, terminal, token }: CommandContext): Promise<void> {
  if (token === undefined) {
    throw new CommandError(
      "Cannot make the metrics key: no token was found. Set TROUPE_TOKEN, or TROUPE_TOKEN_FILE",
      77,
    );
  }
  const key = await metricsKeyOf(token);
  terminal.print(line.json ? JSON.stringify({ key }) : key);
}

function table<T>({ line, terminal }: CommandContext, rows: readonly T[], columns: readonly Column<T>[]): void {
  const { print, width, paint } = terminal;
  if (line.json) return print(JSON.stringify(rows, null, 2));
  if (rows.length === 0) return print(paint.faint(`No ${line.subject ?? "actors"}`));
  for (const text of formatTable(columns, rows, width, paint)) print(text);
}

function describe({ terminal: { print, paint } }: CommandContext, fields: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === "") continue;
    const text = typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
    print(`  ${paint.faint(name.padEnd(14))} ${text}`);
  }
}

function amounts(offered: Readonly<Record<string, number>>, held: Readonly<Record<string, number>>): string {
  return Object.entries(offered).map(([name, amount]) => `${name} ${held[name] ?? 0}/${amount}`).join(" ");
}

function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
