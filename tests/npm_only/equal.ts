/**
 * Deep equality by the rules of `equal` in `@std/assert`, which differ from those of `node:assert/strict`: `0` equals
 * `-0`, and a null prototype equals `Object.prototype`.
 *
 * @module
 */

const TypedArray = Object.getPrototypeOf(Uint8Array) as abstract new () => { length: number; [index: number]: unknown };

/** Classes whose instances are compared by their text. */
const BY_TEXT: readonly unknown[] = [RegExp.prototype, URL.prototype, URLSearchParams.prototype, Intl.Locale.prototype];

/** Whether two values are equal in depth: prototypes, own and inherited keys, contents of collections, cycles. */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function compare(a: unknown, b: unknown, seen: Map<object, object>): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (a instanceof Date && b instanceof Date) return Object.is(a.getTime(), b.getTime());
  const prototype = Object.getPrototypeOf(a) ?? Object.prototype;
  if (prototype !== (Object.getPrototypeOf(b) ?? Object.prototype)) return false;
  if (a instanceof TypedArray && b instanceof TypedArray) return compareElements(a, b);
  if (a instanceof ArrayBuffer || a instanceof SharedArrayBuffer) {
    return compareElements(new Uint8Array(a), new Uint8Array(b as ArrayBuffer));
  }
  if (a instanceof WeakMap || a instanceof WeakSet) throw new TypeError("Cannot compare weak collections");
  if (a instanceof WeakRef) return compare(a.deref(), (b as WeakRef<WeakKey>).deref(), seen);
  if (seen.get(a) === b) return true;
  if (Object.keys(a).length !== Object.keys(b).length) return false;
  seen.set(a, b);
  if (a instanceof Map) return compareMembers([...a], [...b as Map<unknown, unknown>], seen);
  if (a instanceof Set) return compareMembers([...a], [...b as Set<unknown>], seen);
  if (BY_TEXT.includes(prototype)) return String(a) === String(b);
  for (const key of new Set([...allKeys(a), ...allKeys(b)])) {
    if (!(key in a && key in b)) return false;
    if (!compare(a[key as keyof typeof a], b[key as keyof typeof b], seen)) return false;
  }
  return true;
}

function compareElements(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) {
    if (a[index] !== b[index] && !Object.is(a[index], b[index])) return false;
  }
  return true;
}

/** Compares the members of two collections in any order, each used once. */
function compareMembers(a: unknown[], b: unknown[], seen: Map<object, object>): boolean {
  if (a.length !== b.length) return false;
  return a.every((member) => {
    const index = b.findIndex((candidate) => compare(member, candidate, seen));
    if (index !== -1) b.splice(index, 1);
    return index !== -1;
  });
}

function allKeys(value: object): PropertyKey[] {
  const keys: PropertyKey[] = [];
  let level: object | null = value;
  while (level !== null && level !== Object.prototype && level !== Array.prototype) {
    keys.push(...Reflect.ownKeys(level));
    level = Object.getPrototypeOf(level);
  }
  return keys;
}
