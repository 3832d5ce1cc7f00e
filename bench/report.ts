/**
 * Figures as text: tables for people, between markers of a page, and JSON for programs.
 *
 * @module
 */

import type { Figure, Goal } from "./harness.ts";

/** Where and when figures were taken. */
export interface Circumstances {
  /** ISO date and time. */
  readonly date: string;
  /** The commit; with a `+` where something had changed since. */
  readonly revision: string;
  /** The commit that it was compared with. */
  readonly base?: string;
  /** The command. */
  readonly command: string;
  /** The machine. */
  readonly machine: string;
  /** The runtime. */
  readonly runtime: string;
}

/** What one subject gave. */
export interface Result {
  /** Names it. */
  readonly subject: string;
  /** What stands over its table. */
  readonly title: string;
  /** Its figures, in the order of the cases. */
  readonly figures: readonly Figure[];
  /** The same without pinned processes, where they were taken. */
  readonly unpinned?: readonly Figure[];
  /** Peers that were not there, and why. */
  readonly absent: readonly string[];
}

/** A number with three digits that count. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const rounded = Number(value.toPrecision(3));
  const text = rounded.toFixed(Math.min(digits, 4));
  return text.includes(".") ? text : grouped(text);
}

/** Digits in groups of three. */
function grouped(text: string): string {
  return text.replace(/\B(?=(\d{3})+(?!\d))/g, " ");
}

/** A goal in a few characters. */
export function goalText(goal: Goal): string {
  const { of = "ratio", atMost, atLeast } = goal;
  const bounds = [
    ...(atMost === undefined ? [] : [`≤ ${grouped(String(atMost))}`]),
    ...(atLeast === undefined ? [] : [`≥ ${grouped(String(atLeast))}`]),
  ];
  return bounds.join(", ") + (of === "ratio" ? " ×" : of === "p99Ratio" ? " × (p99)" : "");
}

/** A table of figures in Markdown. */
export function table(figures: readonly Figure[], unpinned: readonly Figure[] = []): string {
  const some = (has: (figure: Figure) => boolean) => figures.some(has);
  const other = (figure: Figure) => unpinned.find(({ name }) => name === figure.name);
  const columns: readonly [string, boolean, (figure: Figure) => string][] = [
    ["what", true, ({ name }) => name],
    ["median", true, ({ value, unit }) => `${shortNumber(value)} ${unit}`],
    [
      "p99",
      some(({ p99 }) => p99 !== undefined),
      ({ p99, unit }) => p99 === undefined ? "" : `${shortNumber(p99)} ${unit}`,
    ],
    ["ratio", some(({ ratio }) => ratio !== undefined), ({ ratio }) => ratio === undefined ? "" : ratio.toFixed(2)],
    [
      "p99 ratio",
      some(({ p99Ratio }) => p99Ratio !== undefined),
      ({ p99Ratio }) => p99Ratio === undefined ? "" : p99Ratio.toFixed(2),
    ],
    ["to", some(({ to }) => to !== undefined), ({ to }) => to ?? ""],
    [
      "goal",
      some(({ goal }) => goal !== undefined),
      ({ goal, met }) => goal ? `${goalText(goal)}: ${met ? "met" : "not met"}` : "",
    ],
    [
      "÷ base",
      some(({ toBase }) => toBase !== undefined),
      ({ toBase, toBaseRange }) =>
        toBase === undefined ? "" : `${toBase.toFixed(2)} (${toBaseRange?.map((end) => end.toFixed(2)).join(" to ")})`,
    ],
    ["unpinned", unpinned.length > 0, (figure) => {
      const { value, unit, ratio } = other(figure) ?? {};
      if (value === undefined) return "";
      return `${shortNumber(value)} ${unit}${ratio === undefined ? "" : `, ${ratio.toFixed(2)} ×`}`;
    }],
  ];
  const shown = columns.filter(([, isShown]) => isShown);
  const rows = [
    shown.map(([title]) => title),
    ...figures.map((figure) => shown.map(([, , cell]) => cell(figure))),
  ];
  const widths = shown.map((_, column) => Math.max(...rows.map((row) => [...row[column]!].length)));
  const lines = rows.map((row) => `| ${row.map((cell, column) => padded(cell, widths[column]!)).join(" | ")} |`);
  lines.splice(1, 0, `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`);
  return lines.join("\n");
}

function padded(text: string, width: number): string {
  return text + " ".repeat(width - [...text].length);
}

/** What stands between the markers of a subject. */
export function section({ figures, unpinned, absent }: Result): string {
  const missing = absent.map((reason) => `Not there: ${reason}.`);
  return [table(figures, unpinned), ...missing].join("\n\n");
}

/** The lines about where and when. */
export function circumstancesText({ date, revision, command, machine, runtime }: Circumstances): string {
  return `${machine}; ${runtime}; ${date.slice(0, 10)}, revision ${revision}; \`${command}\`.`;
}

/**
 * Replaces what stands between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`.
 *
 * @throws {Error} Where the page has no such markers.
 */
export function replaceSection(page: string, name: string, text: string): string {
  const begin = `<!-- bench:${name} -->`;
  const end = `<!-- /bench:${name} -->`;
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`The page has no markers ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}

/** What goes into the file of a subject's results. */
export function resultFile(result: Result, circumstances: Circumstances): string {
  return `${JSON.stringify({ ...result, ...circumstances }, undefined, 2)}\n`;
}
