/**
 * Waiting for many futures: `gather`, `wait`, `asCompleted`.
 *
 * A future that an `async` function returns, or an async generator yields, turns into its value. That is why nothing
 * here that hands out futures is either of them.
 *
 * @module
 */

import { checkGatherOptions, checkWaitOptions } from "./arguments.ts";
import { bounded } from "./bounded.ts";
import { type FutureLink, futureLink, isHandle } from "./brands.ts";
import { describeValue, isPlainObject } from "./describe_value.ts";
import type {
  ActorFuture,
  CompletionIterator,
  Completions,
  Gathered,
  GatheredSome,
  GatherOptions,
  WaitOptions,
  WaitResult,
} from "./types.ts";

/**
 * Waits for every future in a nest of arrays and plain objects and gives the values in the same shape. Everything else
 * in it stays as it is.
 *
 * @example
 * ```ts
 * import { gather } from "@troupe/troupe";
 *
 * const { total, parts } = await gather({ total: Promise.resolve(3), parts: [Promise.resolve(1), 2] });
 * console.assert(total === 3 && parts[0] === 1 && parts[1] === 2);
 * ```
 *
 * @param x An array or plain object, nested at will, or one future.
 * @returns Rejects with the first error of any of them.
 * @throws {TypeError} As a rejection: where `x` is another container, such as a Set, or holds itself.
 */
export function gather<T extends readonly unknown[] | [] | object>(
  x: T,
  options?: GatherOptions & { errors?: "raise" | undefined },
): Promise<Gathered<T>>;
/** The same without the futures that failed: they are missing in arrays and objects; one that is given alone gives `undefined`. */
export function gather<T extends readonly unknown[] | [] | object>(
  x: T,
  options: GatherOptions & { errors: "skip" },
): Promise<GatheredSome<T>>;
export async function gather(x: unknown, options?: GatherOptions): Promise<unknown> {
  const { errors = "raise" } = checkGatherOptions(options);
  if (!isThenable(x) && !isNest(x)) {
    throw new TypeError(
      `gather takes futures in arrays and plain objects, got ${describeValue(x)}: spread it, [...values]`,
    );
  }
  const futures = new Set<PromiseLike<unknown>>();
  collect(x, futures, new Set());
  const outcomes = new Map<unknown, Outcome>();
  await Promise.all([...futures].map((future) =>
    future.then((value) => {
      outcomes.set(future, { value });
    }, (error: unknown) => {
      if (errors === "raise") throw error;
      outcomes.set(future, FAILED);
    })
  ));
  const gathered = replace(x, outcomes);
  return gathered === FAILED ? undefined : gathered;
}

/** What came of one future. */
interface Outcome {
  readonly value?: unknown;
}

const FAILED: Outcome = Object.freeze({});

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

function isNest(value: unknown): value is unknown[] | Record<string, unknown> {
  return Array.isArray(value) || isPlainObject(value) && !isHandle(value);
}

function collect(x: unknown, futures: Set<PromiseLike<unknown>>, ancestors: Set<unknown>): void {
  if (isThenable(x)) {
    futures.add(x);
  } else if (isNest(x)) {
    if (ancestors.has(x)) throw new TypeError("gather cannot follow a value that holds itself");
    ancestors.add(x);
    for (const member of Object.values(x)) collect(member, futures, ancestors);
    ancestors.delete(x);
  }
}

/** A copy of the nest with values in the place of futures; `FAILED` where a future that stands alone has none. */
function replace(x: unknown, outcomes: ReadonlyMap<unknown, Outcome>): unknown {
  const outcome = outcomes.get(x);
  if (outcome !== undefined) return outcome === FAILED ? FAILED : outcome.value;
  if (Array.isArray(x)) {
    return Array.from(x, (member) => replace(member, outcomes)).filter((member) => member !== FAILED);
  }
  if (!isNest(x)) return x;
  const entries = Object.entries(x).map(([name, member]) => [name, replace(member, outcomes)] as const);
  return Object.fromEntries(entries.filter(([, member]) => member !== FAILED));
}

/**
 * Waits until futures have settled. Fetches no values, and does not fail because one of them did.
 *
 * @example
 * ```ts ignore
 * const { done, notDone } = await wait([counter.increment(), client.submit(work)], { returnWhen: "first" });
 * ```
 *
 * @returns Rejects with a `CallTimeoutError` where `timeout` passed first, or with the signal's reason.
 * @throws {TypeError} As a rejection: where something is no future of ours; plain promises are not.
 */
export function wait<F extends ActorFuture<unknown>>(
  futures: Iterable<F>,
  options?: WaitOptions,
): Promise<WaitResult<F>> {
  // Not `async`, but its errors are rejections all the same.
  return bounded("futures", () => checkWaitOptions(options), (wait, { returnWhen = "all" }) => {
    const items = linked("wait", futures);
    const open = items.map(({ link }) => link).filter((link) => link.order === 0);
    let left = open.length;

    function isEnough(settled: FutureLink): boolean {
      return left === 0 || returnWhen === "first" || returnWhen === "error" && settled.failed;
    }

    if (left === 0 || items.some(({ link }) => link.order > 0 && isEnough(link))) {
      wait.resolve(split(items));
      return undefined;
    }
    const unsubscribers = open.map((link) =>
      link.onSettled(() => {
        left--;
        if (isEnough(link)) wait.resolve(split(items));
      })
    );
    return () => unsubscribers.forEach((unsubscribe) => unsubscribe());
  });
}

function split<F>(items: readonly Linked<F>[]): WaitResult<F> {
  const done: F[] = [];
  const notDone: F[] = [];
  for (const { future, link } of items) (link.order > 0 ? done : notDone).push(future);
  return { done, notDone };
}

/**
 * Gives the futures themselves, each as it settles, in the order in which they do. Fetches no values.
 *
 * @example
 * ```ts ignore
 * for await (const future of asCompleted(client.map(work, [1, 2, 3]))) {
 *   console.log(future.key, await future);
 * }
 * ```
 *
 * @throws {TypeError} Where something is no future of ours; plain promises are not.
 */
export function asCompleted<F extends ActorFuture<unknown>>(futures: Iterable<F>): Completions<F> {
  return new CompletionQueue(linked("asCompleted", futures));
}

class CompletionQueue<F> implements CompletionIterator<F> {
  /** All that have settled, of which the first `#taken` were given out. */
  #settled: F[];
  #taken = 0;
  #unsettled: number;
  #unsubscribers: (() => void)[];
  #waiting: ((result: IteratorResult<F, undefined>) => void)[] = [];

  constructor(items: readonly Linked<F>[]) {
    const settled = items.filter(({ link }) => link.order > 0).sort((a, b) => a.link.order - b.link.order);
    const unsettled = items.filter(({ link }) => link.order === 0);
    this.#settled = settled.map(({ future }) => future);
    this.#unsettled = unsettled.length;
    this.#unsubscribers = unsettled.map(({ future, link }) => link.onSettled(() => this.#add(future)));
  }

  next(): Promise<IteratorResult<F, undefined>> {
    // The future stands inside a result object, so that no promise unwraps it.
    if (this.#taken < this.#settled.length) {
      return Promise.resolve({ done: false, value: this.#settled[this.#taken++]! });
    }
    if (this.#unsettled === this.#waiting.length) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  return(): Promise<IteratorResult<F, undefined>> {
    for (const unsubscribe of this.#unsubscribers) unsubscribe();
    for (const resolve of this.#waiting) resolve({ done: true, value: undefined });
    this.#settled = [];
    this.#taken = 0;
    this.#unsettled = 0;
    this.#unsubscribers = [];
    this.#waiting = [];
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): Completions<F> {
    return this;
  }

  #add(future: F): void {
    this.#unsettled--;
    const resolve = this.#waiting.shift();
    if (resolve === undefined) this.#settled.push(future);
    else resolve({ done: false, value: future });
  }
}

/** A future and what is behind it. */
interface Linked<F> {
  readonly future: F;
  readonly link: FutureLink;
}

function linked<F>(what: string, futures: Iterable<F>): Linked<F>[] {
  if (typeof futures !== "object" || futures === null || !(Symbol.iterator in futures)) {
    throw new TypeError(`${what} takes an array of futures, got ${describeValue(futures)}`);
  }
  return Array.from(futures, (future, index) => {
    const link = futureLink(future);
    if (link !== undefined) return { future, link };
    const advice = future instanceof Promise ? ": use Promise.all or Promise.race for promises of other origin" : "";
    throw new TypeError(
      `${what} takes futures of submit, map and calls of actors, got ${describeValue(future)} at ${index}${advice}`,
    );
  });
}
