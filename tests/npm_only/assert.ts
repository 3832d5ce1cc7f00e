/**
 * The assertions of `@std/assert` for networks that do not reach JSR, with the same signatures, outcomes and return
 * values; only the texts of failures differ. Differences are shown by `node:assert/strict`.
 *
 * @module
 */

import { AssertionError as NodeAssertionError } from "node:assert/strict";
import { inspect } from "node:util";
import { equal } from "./equal.ts";

export { equal };

/** Any class; `never[]` lets every constructor fit. */
type Class<T> = abstract new (...args: never[]) => T;

/** Values that are false in a condition. */
export type Falsy = false | 0 | 0n | "" | null | undefined;

/** An array, a typed array or the like. */
export type ArrayLikeArg<T> = ArrayLike<T> & object;

/** Thrown by an assertion that does not hold. */
export class AssertionError extends Error {
  override name = "AssertionError";
}

function failure(what: string, msg?: string): AssertionError {
  return new AssertionError(msg ? `${what}: ${msg}` : what);
}

function show(value: unknown): string {
  return typeof value === "string" ? `"${value}"` : inspect(value, { depth: 6 });
}

function difference(actual: unknown, expected: unknown, operator: string, msg?: string): AssertionError {
  return failure(new NodeAssertionError({ actual, expected, operator }).message, msg);
}

/** Holds if the value is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Holds if the value is falsy. */
export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

/** Holds if both are equal in depth. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) throw difference(actual, expected, "deepStrictEqual", msg);
}

/** Holds if they are not equal in depth. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) throw failure(`Expected actual: ${show(actual)} not to be: ${show(expected)}`, msg);
}

/** Holds if both are the same value, by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  if (!Object.is(actual, expected)) throw difference(actual, expected, "strictEqual", msg);
}

/** Holds if they are not the same value, by `Object.is`. */
export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  if (Object.is(actual, expected)) throw failure(`Expected "actual" not to be strictly equal to: ${show(actual)}`, msg);
}

/** Holds if two numbers differ by no more than the tolerance; default a ten-millionth of what is expected. */
export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const limit = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (!(Math.abs(expected - actual) <= limit)) {
    throw failure(`Expected ${actual} to be within ${limit} of ${expected}`, msg);
  }
}

/** Holds if `actual > expected`. */
export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw new AssertionError(msg ?? `Expect ${show(actual)} > ${show(expected)}`);
}

/** Holds if `actual >= expected`. */
export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) throw new AssertionError(msg ?? `Expect ${show(actual)} >= ${show(expected)}`);
}

/** Holds if `actual < expected`. */
export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw new AssertionError(msg ?? `Expect ${show(actual)} < ${show(expected)}`);
}

/** Holds if `actual <= expected`. */
export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) throw new AssertionError(msg ?? `Expect ${show(actual)} <= ${show(expected)}`);
}

/** Holds unless the value is `null` or `undefined`. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) throw failure(`Expected ${actual} not to be null or undefined`, msg);
}

/** Holds if the value is an instance of the class. */
export function assertInstanceOf<T>(actual: unknown, expectedType: Class<T>, msg?: string): asserts actual is T {
  if (!(actual instanceof expectedType)) {
    throw failure(`Expected an instance of ${expectedType.name} but was ${show(actual)}`, msg);
  }
}

/** Holds if the value is not an instance of the class. */
export function assertNotInstanceOf<A, T>(
  actual: A,
  unexpectedType: Class<T>,
  msg?: string,
): asserts actual is Exclude<A, T> {
  if (actual instanceof unexpectedType) throw failure(`Expected no instance of ${unexpectedType.name}`, msg);
}

/** Holds if the text matches the pattern. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (!expected.test(actual)) throw failure(`Expected ${show(actual)} to match ${expected}`, msg);
}

/** Holds if the text does not match the pattern. */
export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) throw failure(`Expected ${show(actual)} not to match ${expected}`, msg);
}

/** Holds if the text contains the other. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) throw failure(`Expected ${show(actual)} to contain ${show(expected)}`, msg);
}

/** Holds if each expected item equals an item of the array in depth. */
export function assertArrayIncludes<T>(actual: ArrayLikeArg<T>, expected: ArrayLikeArg<T>, msg?: string): void {
  const items = Array.from(actual);
  const missing = Array.from(expected).filter((wanted) => !items.some((item) => equal(item, wanted)));
  if (missing.length > 0) throw failure(`Expected ${show(actual)} to include ${show(missing)}`, msg);
}

/** Holds if the object has what is expected, in depth; it may have more. */
export function assertObjectMatch(
  actual: Record<PropertyKey, unknown>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  if (!matches(actual, expected, new Map())) throw difference(actual, expected, "deepStrictEqual", msg);
}

/** Whether `actual` has all of `expected`; arrays and collections match by member, leaves by {@linkcode equal}. */
function matches(actual: unknown, expected: unknown, seen: Map<object, unknown>): boolean {
  const isTree = typeof expected === "object" && expected !== null && typeof actual === "object" && actual !== null;
  if (!isTree || expected instanceof Date || expected instanceof RegExp) return equal(actual, expected);
  if (seen.get(expected) === actual) return true;
  seen.set(expected, actual);
  if (expected instanceof Map) {
    if (!(actual instanceof Map)) return false;
    return [...expected].every(([key, value]) => actual.has(key) && matches(actual.get(key), value, seen));
  }
  if (expected instanceof Set) return actual instanceof Set && expected.isSubsetOf(actual);
  if (Array.isArray(expected) !== Array.isArray(actual)) return false;
  return Reflect.ownKeys(expected).every((key) =>
    (key === "length" && Array.isArray(expected)) ||
    (Object.hasOwn(actual, key) && matches(Reflect.get(actual, key), Reflect.get(expected, key), seen))
  );
}

/** Holds if the value is an error, of the class and with the text in its message where they are given. */
export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: Class<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) throw failure(`Expected an Error object but was ${show(error)}`, msg);
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw failure(`Expected an instance of ${ErrorClass.name} but was ${show(error)}`, msg);
  }
  if (msgMatches === undefined || msgMatches === "") return;
  const found = typeof msgMatches === "string" ? error.message.includes(msgMatches) : msgMatches.test(error.message);
  if (!found) {
    throw failure(`Expected error message to include ${show(msgMatches)} but was ${show(error.message)}`, msg);
  }
}

/** What `assertThrows` and `assertRejects` are asked for: `(msg)` or `(ErrorClass, msgIncludes, msg)`. */
interface Expectation {
  ErrorClass: Class<Error> | undefined;
  msgIncludes: string | undefined;
  msg: string | undefined;
}

function readExpectation(classOrMsg?: Class<Error> | string, msgIncludes?: string, msg?: string): Expectation {
  if (typeof classOrMsg === "string") return { ErrorClass: undefined, msgIncludes: undefined, msg: classOrMsg };
  return { ErrorClass: classOrMsg, msgIncludes, msg };
}

function checkThrown(error: unknown, { ErrorClass, msgIncludes, msg }: Expectation): unknown {
  if (ErrorClass) assertIsError(error, ErrorClass, msgIncludes, msg);
  return error;
}

/** Holds if the function throws; returns what it threw. */
export function assertThrows(fn: () => unknown, msg?: string): unknown;
/** Holds if the function throws an error of the class; returns it. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows(
  fn: () => unknown,
  classOrMsg?: Class<Error> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  const expectation = readExpectation(classOrMsg, msgIncludes, msg);
  try {
    fn();
  } catch (error) {
    return checkThrown(error, expectation);
  }
  throw failure("Expected function to throw", expectation.msg);
}

/** Holds if the function's promise rejects; resolves to the reason. A function that throws at once does not reject. */
export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
/** Holds if the function's promise rejects with an error of the class; resolves to it. */
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: Class<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects(
  fn: () => PromiseLike<unknown>,
  classOrMsg?: Class<Error> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  const expectation = readExpectation(classOrMsg, msgIncludes, msg);
  let promise: PromiseLike<unknown> | undefined;
  try {
    promise = fn();
  } catch (error) {
    throw failure(`Function throws when expected to reject: ${show(error)}`, expectation.msg);
  }
  if (typeof promise?.then !== "function") throw failure("Function returns no promise", expectation.msg);
  try {
    await promise;
  } catch (error) {
    return checkThrown(error, expectation);
  }
  throw failure("Expected function to reject", expectation.msg);
}

/** Fails always. */
export function fail(msg?: string): never {
  throw failure("Failed assertion", msg);
}

/** Fails, for a place that is not built yet. */
export function unimplemented(msg?: string): never {
  throw failure("Unimplemented", msg);
}

/** Fails, for a place that cannot be reached. */
export function unreachable(msg?: string): never {
  throw failure("Unreachable", msg);
}
