/**
 * Numbers, times and values as text. Widths stay about the same, so that figures do not jump.
 *
 * @module
 */

/** What stands where there is no figure. */
export const NONE = "–";

/** A count: `950`, `12.3k`, `4.56M`. */
export function count(n) {
  if (n === null || n === undefined) return NONE;
  if (n < 10_000) return String(Math.round(n));
  if (n < 1e6) return `${(n / 1000).toFixed(n < 100_000 ? 1 : 0)}k`;
  return `${(n / 1e6).toFixed(n < 1e8 ? 2 : 0)}M`;
}

/** How often in a second: `0`, `0.4`, `120`, `12.3k`. */
export function rate(n) {
  if (n === null || n === undefined) return NONE;
  if (n > 0 && n < 0.05) return "<0.1";
  return n < 10 && n > 0 ? n.toFixed(1) : count(n);
}

/** A duration in milliseconds: `85 µs`, `0.42 ms`, `12 ms`, `1.3 s`, `4 min`. */
export function time(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms < 0.001) return "0 ms";
  if (ms < 0.1) return `${Math.max(1, Math.round(ms * 1000))} µs`;
  if (ms < 10) return `${Number.isInteger(ms) ? ms : ms.toFixed(2)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${ms % 1000 === 0 ? ms / 1000 : (ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.floor(ms % 60_000 / 1000)} s`;
  return `${Math.floor(ms / 3_600_000)} h ${Math.floor(ms % 3_600_000 / 60_000)} min`;
}

/** Bytes: `0 B`, `12 KiB`, `340 MiB`. */
export function bytes(n) {
  if (n === null || n === undefined) return NONE;
  if (n < 1024) return `${n} B`;
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let value = n / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** A share of 1: `0 %`, `0.4 %`, `12 %`. */
export function percent(share) {
  if (share > 0 && share < 0.01) return `${(share * 100).toFixed(1)} %`;
  return `${Math.round(share * 100)} %`;
}

/** The time of day, with tenths of seconds where wanted. */
export function clock(at, tenths = false) {
  const date = new Date(at);
  const two = (n) => String(n).padStart(2, "0");
  const text = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return tenths ? `${text}.${String(date.getMilliseconds()).padStart(3, "0")}` : text;
}

/** How long ago. */
export function ago(ms) {
  if (ms < 1500) return "just now";
  return `${ms < 60_000 ? `${Math.round(ms / 1000)} s` : time(ms)} ago`;
}

/** A value of any kind, as code would write it. */
export function show(value, depth = 0) {
  if (typeof value === "string") return depth === 0 ? value : JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (value === undefined) return "undefined";
  if (typeof value !== "object" || value === null) return String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (value instanceof URL || value instanceof RegExp) return String(value);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return showBytes(value);
  if (depth > 4) return "…";
  if (value instanceof Map) {
    return `Map(${value.size}) ${
      list([...value].map(([k, v]) => `${show(k, depth + 1)} => ${show(v, depth + 1)}`), "{}")
    }`;
  }
  if (value instanceof Set) return `Set(${value.size}) ${list([...value].map((v) => show(v, depth + 1)), "{}")}`;
  if (Array.isArray(value)) return list(value.map((v) => show(v, depth + 1)), "[]");
  // A handle, or anything else that says what it is.
  if (typeof value.toJSON === "function") return String(value);
  return list(Object.entries(value).map(([k, v]) => `${k}: ${show(v, depth + 1)}`), "{}");
}

function list(items, [open, close]) {
  if (items.length === 0) return open + close;
  const shown = items.length > 100 ? [...items.slice(0, 100), `… ${items.length - 100} more`] : items;
  const line = shown.join(", ");
  const space = open === "{" ? " " : "";
  if (line.length <= 72 && !line.includes("\n")) return `${open}${space}${line}${space}${close}`;
  return `${open}\n${shown.map((item) => `  ${item.replaceAll("\n", "\n  ")}`).join(",\n")}\n${close}`;
}

function showBytes(value) {
  const name = value.constructor.name;
  const array = value instanceof ArrayBuffer || value instanceof DataView
    ? new Uint8Array(value instanceof DataView ? value.buffer : value)
    : value;
  const first = Array.from(array.subarray(0, 16), (n) => show(n, 1)).join(", ");
  return `${name}(${array.length}) [${first}${array.length > 16 ? ", …" : ""}]`;
}
