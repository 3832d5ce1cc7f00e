/**
 * Values in the words of error messages.
 *
 * @module
 */

import { futureLink, isHandle } from "./brands.ts";

/** What `value` is, with its article: `a number`, `null`, `an array`, `a Future`, `a Map`. Runs none of its code. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return "a function";
  if (typeof value !== "object") return `a ${typeof value}`;
  if (Array.isArray(value)) return "an array";
  const link = futureLink(value);
  if (link !== undefined) return link.kind === "call" ? "an ActorFuture" : "a Future";
  if (isHandle(value)) return "an Actor";
  const name = className(value);
  if (name === undefined || name === "Object") return "an object";
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

function className(value: object): string | undefined {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (typeof prototype !== "object" || prototype === null) return undefined;
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
  return typeof constructor === "function" && constructor.name !== "" ? constructor.name : undefined;
}

/** The kind of a value in one word, for keys: `number`, `Float64Array`, `Array`. */
export function valueName(value: unknown): string {
  if (typeof value !== "object" || value === null) return value === null ? "null" : typeof value;
  return className(value) ?? "Object";
}

/** Whether `value` is an object of no class: its prototype is `Object.prototype` or null. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The name of a class or function, empty where it has none or a static member of that name hides it. */
export function functionName(target: { readonly name: unknown }): string {
  return typeof target.name === "string" ? target.name : "";
}

/** The name of a target for people: its own name, the URL, or `anonymous`. */
export function targetName(target: unknown): string {
  if (typeof target === "function") return functionName(target) || "anonymous";
  return typeof target === "string" || target instanceof URL ? String(target) : describeValue(target);
}
