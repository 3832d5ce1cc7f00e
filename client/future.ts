/**
 * The futures of `submit` and `map`.
 *
 * @module
 */

import { CallCancelledError } from "../protocol/errors.ts";
import { checkResultOptions } from "./arguments.ts";
import { bounded, type Wait } from "./bounded.ts";
import { FUTURE } from "./brands.ts";
import { type CallSite, joinSite, mayLookInside } from "./call_site.ts";
import { ObservedPromise, type ObservedPromiseOptions } from "./observed_promise.ts";
import type { Future, FutureStatus, ResultOptions } from "./types.ts";

/** Where a future's value comes from. */
export interface FutureSource<T> {
  /**
   * Gives the value, once it is there. Called once, when somebody first wants it, whatever the status; also after the
   * future was released. For an actor it gives its handle.
   */
  fetch(): Promise<T>;
  /** Stops it for everyone. */
  cancel(reason: unknown): Promise<void>;
  /** Gives the reference back. Called once. */
  release(): Promise<void>;
}

/** Statuses that come without an error. */
export type UnfailedStatus = Exclude<FutureStatus, FailedStatus>;

/** Statuses that come with one. */
export type FailedStatus = "error" | "lost" | "cancelled";

/** Options of {@linkcode createFuture}. */
export interface FutureOptions<T> extends ObservedPromiseOptions {
  /** The cluster-wide name. */
  key: string;
  /** Where its value comes from. */
  source: FutureSource<T>;
  /** Where the user's code asked for it, for the stacks of errors that come from elsewhere. */
  site?: CallSite | undefined;
  /** Where it stands. @default {"pending"} */
  status?: UnfailedStatus | undefined;
}

/** A future and the two functions by which its client tells it what it hears. */
export interface FutureControl<T> {
  /** What the user gets. */
  readonly future: Future<T>;
  /** It now stands there. A failed or released future stays that, except that what failed can be released. */
  readonly update: (status: UnfailedStatus) => void;
  /** It failed. Where the value was fetched before, only the status changes. */
  readonly fail: (error: Error, status?: FailedStatus) => void;
}

/** Makes the future of one key. */
export function createFuture<T>(options: FutureOptions<T>): FutureControl<T> {
  return KeyFuture.create(options);
}

const FINAL: readonly FutureStatus[] = ["finished", "error", "lost", "cancelled", "released"];
const FAILED: readonly FutureStatus[] = ["error", "lost", "cancelled"];

/** Errors whose stack says already who asked. */
const joined = new WeakSet<Error>();

class KeyFuture<T> extends ObservedPromise<T> implements Future<T> {
  static create<T>(options: FutureOptions<T>): FutureControl<T> {
    const future = new KeyFuture<T>(options);
    return {
      future,
      update: (status) => future.#update(status),
      fail: (error, status = "error") => future.#failWith(error, status),
    };
  }

  readonly key: string;
  readonly #source: FutureSource<T>;
  readonly #site: CallSite | undefined;
  #status: FutureStatus = "pending";
  #fetching = false;
  /** Whether the promise itself has its value or error. */
  #settled = false;
  #failure: Error | undefined;
  #released: Promise<void> | undefined;

  private constructor(options: FutureOptions<T>) {
    super("key", { ...options, reference: options.reference ?? (() => ({ key: options.key })) });
    this.key = options.key;
    this.#source = options.source;
    this.#site = options.site;
    if (options.status !== undefined) this.#update(options.status);
  }

  get status(): FutureStatus {
    return this.#status;
  }

  override then<A = T, B = never>(
    onfulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onrejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#fetch();
    return super.then(onfulfilled, onrejected);
  }

  override result(options?: ResultOptions): Promise<T> {
    this.#fetch();
    return super.result(options);
  }

  exception(options?: ResultOptions): Promise<Error | undefined> {
    const what = String(this);
    return bounded(what, () => checkResultOptions(what, options), (wait: Wait<Error | undefined>) => {
      const answer = () => {
        this.markObserved();
        wait.resolve(this.#failure);
      };
      if (!this.done()) return this[FUTURE].onSettled(answer);
      answer();
      return undefined;
    });
  }

  cancel(reason?: unknown): Promise<void> {
    // Whoever cancels knows that it fails.
    this.markObserved();
    const options = reason === undefined ? {} : { cause: reason };
    this.#failWith(new CallCancelledError(`${this.key} was cancelled`, options), "cancelled");
    const cancelled = this.#source.cancel(reason);
    // Nobody has to await a cancel.
    cancelled.catch(ignore);
    return cancelled;
  }

  release(): Promise<void> {
    this.#released ??= this.#source.release().catch(ignore);
    this.#update("released");
    this.reportUnobserved();
    return this.#released;
  }

  [Symbol.dispose](): void {
    this.release();
  }

  override toString(): string {
    return `<Future: ${this.#status}, key=${this.key}>`;
  }

  #update(status: UnfailedStatus): void {
    if (this.#status === "released") return;
    if (FAILED.includes(this.#status) && status !== "released") return;
    this.#status = status;
    if (FINAL.includes(status)) this.markSettled();
  }

  #failWith(error: Error, status: FailedStatus): void {
    if (this.#status === "released" || FAILED.includes(this.#status)) return;
    this.#status = status;
    this.#failure = error;
    if (this.#settled) return;
    this.#settled = true;
    const site = this.#site;
    // Of several futures of one key, the first to fail says where.
    if (site === undefined || joined.has(error)) return this.fail(error);
    joined.add(error);
    if (mayLookInside()) return this.failFromInside(error, (awaiting) => void joinSite(error, awaiting, site));
    joinSite(error, "", site);
    this.fail(error);
  }

  #fetch(): void {
    if (this.#fetching || this.#settled) return;
    this.#fetching = true;
    this.#source.fetch().then((value) => {
      if (this.#settled) return;
      this.#settled = true;
      this.#update("finished");
      this.fulfil(value);
    }, (error) => {
      if (this.#settled) return;
      if (this.#status === "released" || FAILED.includes(this.#status)) this.#reject(error);
      else this.#failWith(error, "error");
    });
  }

  #reject(error: unknown): void {
    this.#settled = true;
    this.fail(error);
  }
}

function ignore(): void {}
