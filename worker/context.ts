/**
 * What runs now: the worker, the call, the actor and the client, for `currentWorker()`, `currentCall()` and the others.
 *
 * User modules import their own copy of the library, so the context goes by a registered symbol of `globalThis` and not
 * by a variable of this module.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { CONTEXT } from "../client/brands.ts";
import type { Context as LibraryContext } from "../client/context.ts";
import type { InheritedLimits } from "../client/call_session.ts";

/** What is known inside a method, a constructor or a task, and in whatever they started. */
export interface Context extends LibraryContext {
  /** Key of the actor; absent in a task. */
  readonly actorKey?: string | undefined;
  /** Key of the actor or task: what it gets and makes is held in its name. */
  readonly holder: string;
  /** Name of the actor's class; empty in a task. */
  readonly className?: string | undefined;
  /** The method or function; absent in a constructor and a dispose hook. */
  readonly method?: string | undefined;
  /** Number of the call at its caller. */
  readonly callId?: number | undefined;
  /** What calls that are made from here take over: until when, and who waits for them. */
  readonly limits: InheritedLimits;
}

/** What stands at `globalThis[Symbol.for("troupe.context.1")]` of an isolate. */
export interface ContextProvider {
  /** The context of the code that asks; `undefined` outside of any call, as while a module is evaluated. */
  get(): Context | undefined;
  /** How many user modules are being loaded: with no context beside it, the code that asks is the top level of one. */
  loading: number;
}

const storage = new AsyncLocalStorage<Context>();

/** The provider of this isolate, installed with the first use of this module. */
export const contextProvider: ContextProvider = installProvider();

/** Calls `method` of `target` in a context, which everything that it starts inherits. */
export function applyInContext(
  context: Context,
  method: (...args: never[]) => unknown,
  target: unknown,
  args: readonly unknown[],
): unknown {
  return storage.run(context, Reflect.apply, method, target, args);
}

/** Another copy of the library may have been first (a cluster inside one process): its contexts stay visible. */
function installProvider(): ContextProvider {
  const earlier = (globalThis as { [CONTEXT]?: ContextProvider })[CONTEXT];
  const provider: ContextProvider = { get: () => storage.getStore() ?? earlier?.get(), loading: 0 };
  Object.defineProperty(globalThis, CONTEXT, { value: provider, configurable: true });
  return provider;
}
