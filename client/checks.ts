/**
 * Options are checked by tables: what each has to be, in words and as a test.
 *
 * @module
 */

import { describeValue, isPlainObject } from "./describe_value.ts";

/** What an option has to be, in words, and whether a value is that. */
export type Check = readonly [wanted: string, holds: (value: unknown) => boolean];

/** A switch. */
export const flag: Check = ["true or false", (value) => typeof value === "boolean"];
/** A name. */
export const name: Check = ["a string that is not empty", (value) => typeof value === "string" && value !== ""];
/** A number. */
export const finite: Check = ["a finite number", Number.isFinite];
/** How many; none is fine. */
export const count: Check = ["a whole number from 0", (value) => Number.isSafeInteger(value) && (value as number) >= 0];
/** The most of something. */
export const positive: Check = [
  "a whole number from 1, or Infinity",
  (value) => value === Infinity || Number.isSafeInteger(value) && (value as number) >= 1,
];
/** A length of time. */
export const milliseconds: Check = [
  "a number of milliseconds from 0",
  (value) => typeof value === "number" && value >= 0,
];
/** What aborts. */
export const signal: Check = ["an AbortSignal", (value) => value instanceof AbortSignal];

/** One of some words. */
export function oneOf(...words: readonly string[]): Check {
  return [words.map((word) => `"${word}"`).join(" or "), (value) => words.includes(value as string)];
}

/**
 * Checks options against a table. Those that are undefined are absent in what it returns.
 *
 * @param what Names in errors what was called.
 * @throws {TypeError} Names the option that is unknown or of the wrong type.
 */
export function checkOptions(what: string, options: unknown, checks: Readonly<Record<string, Check>>): object {
  if (options === undefined) return {};
  if (!isPlainObject(options)) throw new TypeError(`${what}: options are an object, got ${describeValue(options)}`);
  const checked: Record<string, unknown> = {};
  for (const [option, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, option) ? checks[option] : undefined;
    if (check === undefined) throw new TypeError(`${what}: unknown option ${quoteWithHint(option, checks)}`);
    if (value === undefined) continue;
    const [wanted, holds] = check;
    if (!holds(value)) throw new TypeError(`${what}: ${option} has to be ${wanted}, got ${describeOption(value)}`);
    checked[option] = value;
  }
  return checked;
}

/** Whether it is a string. */
export function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** Whether it is an amount of a resource. */
export function isAmount(value: unknown): boolean {
  return Number.isFinite(value) && (value as number) >= 0;
}

/** Whether it is an array of such items. */
export function isListOf(value: unknown, holds: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(holds);
}

/** Whether it is a plain object of such values, under these names. */
export function isRecordOf(value: unknown, holds: (item: unknown) => boolean, names?: readonly string[]): boolean {
  if (!isPlainObject(value)) return false;
  return Object.values(value).every(holds) && (!names || Object.keys(value).every((name) => names.includes(name)));
}

/** Short values as they are, also in short arrays and plain objects; the others by their kind. */
function describeOption(value: unknown, level = 0): string {
  if (typeof value === "string") return value.length <= 40 ? JSON.stringify(value) : "a long string";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const isArray = Array.isArray(value);
  if (level > 1 || !isArray && !isPlainObject(value)) return describeValue(value);
  const parts = isArray
    ? value.map((item) => describeOption(item, level + 1))
    : Object.entries(value).map(([name, item]) => `${name}: ${describeOption(item, level + 1)}`);
  if (parts.length === 0 || parts.length > 8) return describeValue(value);
  return isArray ? `[${parts.join(", ")}]` : `{ ${parts.join(", ")} }`;
}

/** An option that nobody knows, and the one that may have been meant. */
export function quoteWithHint(option: string, checks: Readonly<Record<string, Check>>): string {
  const near = Object.keys(checks).find((known) => isNear(known.toLowerCase(), option.toLowerCase()));
  return near === undefined ? `"${option}"` : `"${option}" (did you mean ${near}?)`;
}

/** Whether two words differ by one letter, or one begins with the other. */
function isNear(known: string, given: string): boolean {
  if (given.length < 3) return false;
  if (known.startsWith(given) || given.startsWith(known)) return true;
  if (known.length === given.length) return [...known].filter((letter, index) => letter !== given[index]).length === 1;
  const [longer, shorter] = known.length > given.length ? [known, given] : [given, known];
  return longer.length === shorter.length + 1 &&
    [...longer].some((_, index) => longer.slice(0, index) + longer.slice(index + 1) === shorter);
}
