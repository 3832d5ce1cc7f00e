/**
 * Checks that a decoded control message has the shape that it should have, and gives it that type.
 *
 * Used on everything that a peer says about itself (hello, submit, heartbeat …), never on user values and not on the
 * path of a call.
 *
 * @module
 */

import { ProtocolError } from "./errors.ts";

/** Gives `value` its type, or throws {@linkcode ProtocolError} naming `path` and what was found there. */
export type Shape<T> = (value: unknown, path: string) => T;

/** The type that a shape checks for. */
export type Shaped<S> = S extends Shape<infer T> ? T : never;

/** A string of at most 65 536 characters, so that nothing that is kept grows without bound. */
export function text(value: unknown, path: string): string {
  if (typeof value === "string" && value.length <= 65536) return value;
  throw wrong(path, "a string", value);
}

/** A string of any length that the limits of the frame allow: source code, for one. */
export function longText(value: unknown, path: string): string {
  if (typeof value === "string") return value;
  throw wrong(path, "a string", value);
}

/** A whole number from 0 to 2^53 - 1. */
export function uint(value: unknown, path: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrong(path, "a whole number", value);
}

/** A finite number. */
export function number(value: unknown, path: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw wrong(path, "a number", value);
}

/** `true` or `false`. */
export function flag(value: unknown, path: string): boolean {
  if (typeof value === "boolean") return value;
  throw wrong(path, "true or false", value);
}

/** Bytes. */
export function bytes(value: unknown, path: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw wrong(path, "bytes", value);
}

/** One of a few words. */
export function oneOf<const W extends readonly string[]>(words: W): Shape<W[number]> {
  return (value, path) => {
    if (typeof value === "string" && words.includes(value)) return value;
    throw wrong(path, words.map((word) => `"${word}"`).join(" or "), value);
  };
}

/** What may be missing. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return (value, path) => value === undefined || value === null ? undefined : shape(value, path);
}

/** An array of one shape. */
export function list<T>(shape: Shape<T>): Shape<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) throw wrong(path, "an array", value);
    return value.map((item, index) => shape(item, `${path}[${index}]`));
  };
}

/** A plain object from any name to one shape. */
export function record<T>(shape: Shape<T>): Shape<Record<string, T>> {
  return (value, path) => {
    const source = asObject(value, path);
    const result: Record<string, T> = Object.create(null);
    for (const name of Object.keys(source)) result[name] = shape(source[name], `${path}.${name}`);
    return result;
  };
}

/** A plain object with known names. Names that are not known are left out: a newer peer may say more. */
export function object<S extends Record<string, Shape<unknown>>>(
  shapes: S,
): Shape<{ [K in keyof S]: Shaped<S[K]> }> {
  const names = Object.keys(shapes);
  return (value, path) => {
    const source = asObject(value, path);
    const result: Record<string, unknown> = {};
    for (const name of names) {
      result[name] = shapes[name]!(Object.hasOwn(source, name) ? source[name] : undefined, `${path}.${name}`);
    }
    return result as { [K in keyof S]: Shaped<S[K]> };
  };
}

function asObject(value: unknown, path: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null) {
    // A Map or an Error is an object too, but its names are not what was asked for.
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return value as Record<string, unknown>;
  }
  throw wrong(path, "an object", value);
}

function wrong(path: string, wanted: string, value: unknown): ProtocolError {
  return new ProtocolError(`Cannot read ${path}: expected ${wanted}, found ${describe(value)}`);
}

function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value !== "object" || value === null) return String(value);
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
