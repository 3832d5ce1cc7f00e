/**
 * Figures and tables as text for terminals.
 *
 * @module
 */

/** What stands where there is no figure. */
export const NONE = "-";

/** Colours of terminals, or none. */
export interface Paint {
  bold(text: string): string;
  faint(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
  green(text: string): string;
}

/** Colours where somebody sees them. */
export function createPaint(colors: boolean): Paint {
  const paint = (on: number, off: number) => (text: string) => colors ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return { bold: paint(1, 22), faint: paint(2, 22), red: paint(31, 39), yellow: paint(33, 39), green: paint(32, 39) };
}

/** A column of a table. */
export interface Column<T> {
  /** Its heading. */
  readonly name: string;
  /** What stands in it. */
  readonly cell: (row: T) => string;
  /** Whether figures stand in it, which are aligned to the right. */
  readonly numeric?: boolean;
  /** Colours what stands there; it does not change its width. */
  readonly paint?: (text: string, row: T) => string;
}

/** A table as lines: the heading first. No line is longer than `width`. */
export function formatTable<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  width: number,
  paint: Paint,
): string[] {
  const cells = rows.map((row) => columns.map(({ cell }) => cell(row)));
  const widths = columns.map(({ name }, index) => Math.max(name.length, ...cells.map((row) => row[index]!.length)));
  const pad = (text: string, index: number) =>
    columns[index]!.numeric ? text.padStart(widths[index]!) : text.padEnd(widths[index]!);
  // What is too wide is cut, not wrapped: colours are put on afterwards.
  const cut = (texts: readonly string[]): string[] => {
    let left = width;
    return texts.map((text, index) => {
      const gap = index === 0 ? 0 : 2;
      const shown = text.slice(0, Math.max(0, left - gap));
      left -= text.length + gap;
      return shown;
    });
  };
  const join = (texts: readonly string[]) => texts.filter((text) => text !== "").join("  ").trimEnd();
  const heading = join(cut(columns.map(({ name }, index) => pad(name, index))));
  return [
    paint.faint(heading),
    ...rows.map((row, at) =>
      join(cut(cells[at]!.map(pad)).map((text, index) => text && (columns[index]!.paint?.(text, row) ?? text)))
    ),
  ];
}

/** A count: `950`, `12.3k`. */
export function count(n: number | null | undefined): string {
  if (n === null || n === undefined) return NONE;
  if (n < 10_000) return String(Math.round(n));
  return n < 1e6 ? `${(n / 1000).toFixed(1)}k` : `${(n / 1e6).toFixed(2)}M`;
}

/** How often in a second. */
export function rate(n: number): string {
  return n > 0 && n < 10 ? n.toFixed(1) : count(n);
}

/** A duration in milliseconds. */
export function time(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 0.001) return "0";
  if (ms < 0.1) return `${Math.round(ms * 1000)}us`;
  if (ms < 10) return `${ms.toFixed(2)}ms`;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  return ms < 3_600_000
    ? `${Math.floor(ms / 60_000)}m${Math.floor(ms % 60_000 / 1000)}s`
    : `${Math.floor(ms / 3_600_000)}h${Math.floor(ms % 3_600_000 / 60_000)}m`;
}

/** Bytes. */
export function bytes(n: number): string {
  if (n < 1024) return `${n}B`;
  return n < 2 ** 20
    ? `${(n / 1024).toFixed(1)}K`
    : n < 2 ** 30
    ? `${(n / 2 ** 20).toFixed(0)}M`
    : `${(n / 2 ** 30).toFixed(1)}G`;
}

/** The time of day. */
export function clock(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}
