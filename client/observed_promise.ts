/**
 * What both kinds of future are: a promise that knows whether anybody looked at it.
 *
 * @module
 */

import { checkResultOptions } from "./arguments.ts";
import { bounded } from "./bounded.ts";
import { DENO_INSPECT, FUTURE, type FutureLink, NODE_INSPECT, REFERENCE } from "./brands.ts";
import type { ResultOptions } from "./types.ts";
import { defaultUnobservedErrors, type Rejection, type UnobservedErrors } from "./unobserved.ts";

/** What both kinds of future are made with. */
export interface ObservedPromiseOptions {
  /** Told of a rejection that nobody looks at. @default one for all, which writes to `console.error` */
  readonly unobserved?: UnobservedErrors | undefined;
  /** What the future was made for, so that `UnobservedErrors.flush` can pick its rejections. */
  readonly owner?: unknown;
  /** Gives what the codec writes in the future's place. */
  readonly reference?: (() => unknown) | undefined;
}

/** Futures of this copy of the library that have settled so far. */
let settledFutures = 0;

// The executor of a promise runs before `super` has returned: this is where it leaves what it is given.
let givenFulfil: (value: never) => void;
let givenReject: (error: unknown) => void;
function takeGiven(fulfil: (value: never) => void, reject: (error: unknown) => void): void {
  givenFulfil = fulfil;
  givenReject = reject;
}

/**
 * A `Promise` with a `then` of its own, through which `await` and all of `Promise`'s functions go. A rejection that nobody
 * subscribed to is no unhandled rejection of the process: it goes to {@linkcode UnobservedErrors}.
 *
 * What `then`, `catch` and `finally` return are ordinary promises with ordinary unhandled rejections.
 */
export abstract class ObservedPromise<T> extends Promise<T> implements Rejection {
  /** Derived promises are plain ones. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  readonly #kind: "call" | "key";
  readonly #options: ObservedPromiseOptions;
  readonly #fulfil: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  #observed = false;
  /** Whether somebody awaits it: then its rejection is handled, as far as the platform is concerned. */
  #subscribed = false;
  #error: unknown;
  /** 0 until it settles, then its place among all that have. */
  #order = 0;
  #failed = false;
  #listeners: Set<() => void> | undefined;
  #link: FutureLink | undefined;

  /** Makes one that is pending. It costs little, as there is one for each call: the options are kept as they are. */
  protected constructor(kind: "call" | "key", options: ObservedPromiseOptions) {
    super(takeGiven as (fulfil: (value: T | PromiseLike<T>) => void, reject: (error: unknown) => void) => void);
    this.#kind = kind;
    this.#options = options;
    this.#fulfil = givenFulfil as (value: T) => void;
    this.#reject = givenReject;
  }

  /** Subscribes, as every promise's `then` does, and with that counts as looking. */
  override then<A = T, B = never>(
    onfulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#subscribed = true;
    this.markObserved();
    return super.then(onfulfilled, onrejected);
  }

  /** The value. Without bounds this is the future itself, so that a `result()` that nobody awaits is as safe as the call. */
  result(options?: ResultOptions): Promise<T> {
    if (options === undefined) return this;
    const what = String(this);
    return bounded(what, () => checkResultOptions(what, options), (wait) => {
      super.then((value) => wait.resolve(value), (error) => {
        // A wait that was given up sees no error.
        if (!wait.ended) this.markObserved();
        wait.reject(error);
      });
      return undefined;
    });
  }

  /** Whether it has settled. */
  done(): boolean {
    return this.#order > 0;
  }

  /** What it was rejected with. */
  get error(): unknown {
    return this.#error;
  }

  /** What it was made for. */
  get owner(): unknown {
    return this.#options.owner;
  }

  /** What is behind it, for other parts of the library, also other copies. */
  get [FUTURE](): FutureLink {
    // Most are only awaited, and nobody asks.
    return this.#link ??= new ObservedPromise.#Link(this as unknown as ObservedPromise<unknown>);
  }

  /** Tells the codec that it travels by reference. */
  get [REFERENCE](): FutureLink {
    return this[FUTURE];
  }

  /** A text for people. */
  abstract override toString(): string;

  /** The text: `JSON.stringify` of a promise would give `{}`. */
  toJSON(): string {
    return this.toString();
  }

  /** The text, on Deno's console. */
  [DENO_INSPECT](): string {
    return this.toString();
  }

  /** The text, on the console of Node and Bun. */
  [NODE_INSPECT](): string {
    return this.toString();
  }

  /** Marks it as settled; a value need not be here yet. */
  protected markSettled(failed = this.#failed): void {
    this.#failed = failed;
    if (this.#order > 0) return;
    this.#order = ++settledFutures;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) { for (const listener of listeners) listener(); }
  }

  /** Keeps its error from being reported. */
  protected markObserved(): void {
    if (this.#observed) return;
    this.#observed = true;
    if (this.#failed) this.#unobserved.forget(this);
  }

  /** Reports its error now if nobody has looked at it. */
  protected reportUnobserved(): void {
    if (!this.#observed && this.#failed) this.#unobserved.flush((rejection) => rejection === this);
  }

  /** Settles it with a value. For the first settling only. */
  protected fulfil(value: T): void {
    this.#fulfil(value);
    this.markSettled(false);
  }

  /**
   * Fails a few microtasks from now, from inside the chain of promises through which it is awaited: a stack that is taken
   * there, `awaiting`, ends in the code that awaits it. That costs a successful call nothing.
   */
  protected failFromInside(error: unknown, join: (awaiting: string) => void): void {
    this.#error = error;
    // Adopting a promise takes two microtasks; only then does the chain reach from it to whoever awaits.
    const failing = Promise.resolve().then(ignore).then(ignore).then(() => {
      join(new Error().stack ?? "");
      // Not before: V8 finds who awaits only where nobody else has subscribed.
      if (!this.#subscribed) super.then(undefined, ignore);
      throw error;
    });
    this.#fulfil(failing as T);
    this.markSettled(true);
    if (!this.#observed) this.#unobserved.add(this);
  }

  /** Settles it with an error. For the first settling only. */
  protected fail(error: unknown): void {
    this.#error = error;
    // Handled, as far as the platform is concerned; subscribers get promises of their own.
    super.then(undefined, ignore);
    this.#reject(error);
    this.markSettled(true);
    if (!this.#observed) this.#unobserved.add(this);
  }

  get #unobserved(): UnobservedErrors {
    return this.#options.unobserved ?? defaultUnobservedErrors;
  }

  static readonly #Link = class implements FutureLink {
    readonly #future: ObservedPromise<unknown>;

    constructor(future: ObservedPromise<unknown>) {
      this.#future = future;
    }

    get kind() {
      return this.#future.#kind;
    }

    get order() {
      return this.#future.#order;
    }

    get failed() {
      return this.#future.#failed;
    }

    reference(): unknown {
      const options = this.#future.#options;
      return options.reference ? options.reference() : noReference();
    }

    observe(): void {
      this.#future.markObserved();
    }

    onSettled(listener: () => void): () => void {
      const future = this.#future;
      // A function of its own, so that one that is given twice is told twice.
      const own = () => listener();
      future.#listeners ??= new Set();
      future.#listeners.add(own);
      return () => future.#listeners?.delete(own);
    }
  };
}

function ignore(): void {}

function noReference(): never {
  throw new TypeError("This future cannot be sent: it belongs to no client");
}
