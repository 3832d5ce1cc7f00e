/**
 * The everyday part of `@std/testing/mock` for networks that do not reach JSR: spies and stubs that record their calls.
 *
 * @module
 */

import { assertEquals, AssertionError, assertIsError } from "./assert.ts";

/** Thrown when a mock is used where it cannot be. */
export class MockError extends Error {
  override name = "MockError";
}

/** One recorded call. */
export interface SpyCall<Args extends unknown[] = unknown[], Return = unknown> {
  /** Its arguments. */
  args: Args;
  /** What `this` was, unless undefined. */
  self?: unknown;
  /** What it returned, unless it threw. */
  returned?: Return;
  /** What it threw. */
  error?: Error;
}

/** A function that records its calls. */
export interface Spy<Args extends unknown[] = unknown[], Return = unknown> {
  /** Calls the function behind the spy. */
  (...args: Args): Return;
  /** The calls so far, oldest first. */
  calls: SpyCall<Args, Return>[];
}

/** A spy in the place of a method, until it is restored. */
export interface MethodSpy<Args extends unknown[] = unknown[], Return = unknown> extends Spy<Args, Return>, Disposable {
  /** Whether the method is back. */
  readonly restored: boolean;
  /** Puts the method back. */
  restore(): void;
}

type ArgumentsOf<F> = F extends (...args: infer Args extends unknown[]) => unknown ? Args : unknown[];
type ReturnOf<F> = F extends (...args: never[]) => infer Return ? Return : unknown;

function record<Args extends unknown[], Return>(fn: (...args: Args) => Return): Spy<Args, Return> {
  const calls: SpyCall<Args, Return>[] = [];
  function recorder(this: unknown, ...args: Args): Return {
    const call: SpyCall<Args, Return> = { args };
    if (this) call.self = this;
    try {
      const returned = fn.apply(this, args);
      call.returned = returned;
      return returned;
    } catch (error) {
      call.error = error as Error;
      throw error;
    } finally {
      calls.push(call);
    }
  }
  return Object.assign(recorder, { calls });
}

function replaceMethod<Args extends unknown[], Return>(
  self: object,
  property: PropertyKey,
  fn: (...args: Args) => Return,
): MethodSpy<Args, Return> {
  const descriptor = Object.getOwnPropertyDescriptor(self, property);
  if (descriptor && !descriptor.configurable) {
    throw new MockError(`Cannot replace ${String(property)}: it is not configurable`);
  }
  const recorder = record(fn);
  let restored = false;
  function restore(): void {
    if (restored) throw new MockError(`Cannot restore ${String(property)}: it is already restored`);
    restored = true;
    if (descriptor) Object.defineProperty(self, property, descriptor);
    else Reflect.deleteProperty(self, property);
  }
  Object.defineProperties(recorder, {
    restored: { get: () => restored },
    restore: { value: restore },
    [Symbol.dispose]: { value: restore },
  });
  Object.defineProperty(self, property, {
    configurable: true,
    enumerable: descriptor?.enumerable ?? false,
    writable: descriptor?.writable ?? false,
    value: recorder,
  });
  return recorder as MethodSpy<Args, Return>;
}

/** A function that does nothing but record its calls. */
export function spy(): Spy<unknown[], undefined>;
/** A function that records its calls and passes them on. */
export function spy<Args extends unknown[], Return>(fn: (...args: Args) => Return): Spy<Args, Return>;
/** Records the calls of a method, until it is restored. */
export function spy<Self extends object, Property extends keyof Self>(
  self: Self,
  property: Property,
): MethodSpy<ArgumentsOf<Self[Property]>, ReturnOf<Self[Property]>>;
export function spy(target?: object, property?: PropertyKey): Spy {
  if (property !== undefined) return replaceMethod(target as object, property, methodOf(target as object, property));
  return record((target ?? (() => undefined)) as (...args: unknown[]) => unknown);
}

function methodOf(self: object, property: PropertyKey): (...args: unknown[]) => unknown {
  const method: unknown = Reflect.get(self, property);
  if (typeof method !== "function") throw new MockError(`Cannot spy: ${String(property)} is not an instance method`);
  return method as (...args: unknown[]) => unknown;
}

/** Puts a function in the place of a method, until it is restored; without one, a function that does nothing. */
export function stub<Self extends object, Property extends keyof Self>(
  self: Self,
  property: Property,
  fn?: (this: Self, ...args: ArgumentsOf<Self[Property]>) => ReturnOf<Self[Property]>,
): MethodSpy<ArgumentsOf<Self[Property]>, ReturnOf<Self[Property]>> {
  methodOf(self, property);
  const fake = (fn ?? (() => undefined)) as (...args: ArgumentsOf<Self[Property]>) => ReturnOf<Self[Property]>;
  return replaceMethod(self, property, fake);
}

/** Holds if there were so many calls. */
export function assertSpyCalls<Args extends unknown[], Return>(spy: Spy<Args, Return>, expectedCalls: number): void {
  assertEquals(spy.calls.length, expectedCalls, "number of calls");
}

/** What {@linkcode assertSpyCall} compares; what is left out is not looked at. */
export interface ExpectedSpyCall<Args extends unknown[], Return> {
  /** The arguments. */
  args?: [...Args, ...unknown[]];
  /** What `this` was. */
  self?: unknown;
  /** What it returned. */
  returned?: Return;
  /** What it threw. */
  error?: {
    /** The class of the error. */
    Class?: new (...args: never[]) => Error;
    /** Text in its message. */
    msgIncludes?: string;
  };
}

/** Holds if the call with that number, from 0, was as expected. */
export function assertSpyCall<Args extends unknown[], Return>(
  spy: Spy<Args, Return>,
  callIndex: number,
  expected: ExpectedSpyCall<Args, Return> = {},
): void {
  const call = spy.calls[callIndex];
  if (!call) throw new AssertionError(`Expected call ${callIndex}, but there were ${spy.calls.length} calls`);
  if (expected.args) assertEquals<unknown[]>(call.args, expected.args, `arguments of call ${callIndex}`);
  if ("self" in expected) assertEquals(call.self, expected.self, `"this" of call ${callIndex}`);
  if ("returned" in expected) {
    if (call.error) throw new AssertionError(`Expected call ${callIndex} to return, but it threw: ${call.error}`);
    assertEquals<unknown>(call.returned, expected.returned, `result of call ${callIndex}`);
  }
  if (expected.error) {
    if (!call.error) throw new AssertionError(`Expected call ${callIndex} to throw, but it returned`);
    assertIsError(call.error, expected.error.Class, expected.error.msgIncludes);
  }
}

/** A function that returns the values one after the other, and throws those that are errors. */
export function returnsNext<Return>(values: Iterable<Return | Error>): (...args: unknown[]) => Return {
  const iterator = values[Symbol.iterator]();
  let calls = 0;
  return () => {
    const next = iterator.next();
    if (next.done) throw new MockError(`Not expected to be called more than ${calls} time(s)`);
    calls++;
    if (next.value instanceof Error) throw next.value;
    return next.value;
  };
}
