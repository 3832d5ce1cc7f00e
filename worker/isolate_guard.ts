/**
 * Keeps user code from ending or disarming the isolate that it shares.
 *
 * In a Web Worker of Deno 2.9 an exit gives the host no event, one floating rejection kills the isolate, and
 * `Deno.permissions.revoke` takes a permission from the whole process.
 *
 * @module
 */

import process from "node:process";
import type { Clock } from "../connection/mod.ts";
import { contextProvider } from "./context.ts";

/** Timers as they were before user code: one that replaces `setTimeout` for a test must not stop ours. */
const { setTimeout, clearTimeout, performance } = globalThis;

/** As `platformClock`, whatever user code does to the globals. */
export const guardedClock: Clock = {
  now: () => performance.now(),
  setTimer(delay, run) {
    const timer = setTimeout(run, delay);
    return () => clearTimeout(timer);
  },
};

/** What runs a callback later. Deno tells nobody in whose name one ran that threw. */
const SCHEDULING = ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"] as const;

/**
 * Hands every uncaught error and unhandled rejection of this isolate to `report`, and keeps it alive. What an actor or task
 * runs later reports in its context.
 *
 * @returns Takes that back.
 */
export function guardErrors(report: (error: unknown) => void): () => void {
  const restore = SCHEDULING.map((name) => guardCallbacks(name, report));
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    report(event.error);
  };
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    report(event.reason);
  };
  globalThis.addEventListener("error", onError);
  globalThis.addEventListener("unhandledrejection", onRejection);
  return () => {
    globalThis.removeEventListener("error", onError);
    globalThis.removeEventListener("unhandledrejection", onRejection);
    for (const undo of restore) undo();
  };
}

function guardCallbacks(name: (typeof SCHEDULING)[number], report: (error: unknown) => void): () => void {
  const scope = globalThis as unknown as Record<string, ((...args: unknown[]) => unknown) | undefined>;
  const original = scope[name];
  if (original === undefined) return () => {};
  const guarded = (callback: unknown) => {
    if (typeof callback !== "function") return callback;
    return function (this: unknown, ...args: unknown[]) {
      try {
        return Reflect.apply(callback, this, args);
      } catch (error) {
        // What is nobody's takes the platform's way.
        if (contextProvider.get() === undefined) throw error;
        report(error);
      }
    };
  };
  const replacement = (callback: unknown, ...rest: unknown[]) => original(guarded(callback), ...rest);
  // Its name, its length, and what makes a promise of it.
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original));
  scope[name] = replacement;
  return () => {
    if (scope[name] === replacement) scope[name] = original;
  };
}

/** Thrown into user code that asks for an exit: the isolate goes on only until its callers have been told. */
class IsolateExit extends Error {
  override readonly name = "IsolateExit";
}

/**
 * Replaces every way to end a Web Worker isolate from inside. Instead, `announce` is told how it was asked, and the
 * code that asked is stopped by an error.
 */
export function guardExits(announce: (how: string) => void): void {
  const replace = (holder: object, name: string, how: string) => {
    const value = (...args: unknown[]): never => {
      announce(`${how}(${args.join()})`);
      throw new IsolateExit(`${how} was called: this isolate is about to end`);
    };
    Object.defineProperty(holder, name, { value, writable: false, configurable: false });
  };
  replace(Deno, "exit", "Deno.exit");
  replace(globalThis, "close", "self.close");
  // The named exports of node:process go through `reallyExit`.
  for (const name of ["exit", "reallyExit", "abort"]) replace(process, name, `process.${name}`);
}

/** Removes what would change the permissions of the process, or ask a person for more. */
export function guardPermissions(): void {
  const permissions = Object.getPrototypeOf(Deno.permissions);
  for (const name of ["revoke", "revokeSync", "request", "requestSync"]) delete permissions[name];
}
