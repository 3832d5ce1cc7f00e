/**
 * Looks ahead whether a value can be sent, for the fields of an error: what cannot be sent of it must not keep the error
 * itself from arriving.
 *
 * @module
 */

import { isBuiltIn } from "./extensions.ts";

/**
 * Whether the encoder will take it. An error always can be sent, since what cannot be sent of it is dropped, but not
 * inside of itself: `around` are the errors around this place.
 */
export function isSendable(value: unknown, levels: number, around: ReadonlySet<unknown>): boolean {
  switch (typeof value) {
    case "function":
    case "symbol":
      return false;
    case "string":
      return value.isWellFormed();
    case "object":
      return value === null || isSendableObject(value, levels, around);
    default:
      return true;
  }
}

function isSendableObject(value: object, levels: number, around: ReadonlySet<unknown>): boolean {
  if (value instanceof Error) return !around.has(value);
  if (levels === 0) return false;
  const inside = (item: unknown) => isSendable(item, levels - 1, around);
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Array.prototype) {
      return isDense(value as unknown[]) && (value as unknown[]).every(inside);
    }
    if (prototype === Map.prototype) return [...value as Map<unknown, unknown>].flat().every(inside);
    if (prototype === Set.prototype) return [...value as Set<unknown>].every(inside);
    if (prototype !== Object.prototype && prototype !== null) return isBuiltIn(prototype);
    return Object.getOwnPropertySymbols(value).length === 0 &&
      Object.entries(value).every(([name, item]) => name !== "__proto__" && name.isWellFormed() && inside(item));
  } catch {
    return false;
  }
}

function isDense(array: readonly unknown[]): boolean {
  for (let index = 0; index < array.length; index++) if (!Object.hasOwn(array, index)) return false;
  return true;
}
