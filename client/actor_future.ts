/**
 * The futures of method calls and attribute reads.
 *
 * @module
 */

import { CallCancelledError } from "../protocol/errors.ts";
import { ObservedPromise, type ObservedPromiseOptions } from "./observed_promise.ts";
import type { ActorFuture } from "./types.ts";

/** Options of {@linkcode createActorFuture}. */
export interface ActorFutureOptions extends ObservedPromiseOptions {
  /** Its text for people: `<ActorFuture: Counter.increment>`. */
  repr: string;
  /**
   * Told of the first `cancel` while it is unsettled. It may reject the future itself, with what it knows of the call;
   * otherwise the future rejects with a `CallCancelledError` of `executed: "unknown"`.
   */
  onCancel?: ((reason: unknown) => void) | undefined;
}

/** A future, and what settles it. Only the first settling counts. */
export interface ActorFutureResolvers<T> {
  /** What the caller gets. */
  readonly future: ActorFuture<T>;
  /** Settles it with a value. */
  resolve(value: T): void;
  /** Settles it with an error. */
  reject(error: unknown): void;
  /** The same, for an error that came from elsewhere: `join` is told the stack of the code that awaits it, if any does. */
  rejectFromInside(error: unknown, join: (awaiting: string) => void): void;
}

/** Makes the future of one call that is under way. */
export function createActorFuture<T>(options: ActorFutureOptions): ActorFutureResolvers<T> {
  return CallFuture.create(options);
}

/** A future that has failed before anything was sent. */
export function rejectedActorFuture<T>(error: unknown, options: ActorFutureOptions): ActorFuture<T> {
  const resolvers = createActorFuture<T>(options);
  resolvers.reject(error);
  return resolvers.future;
}

class CallFuture<T> extends ObservedPromise<T> implements ActorFuture<T> {
  static create<T>(options: ActorFutureOptions): ActorFutureResolvers<T> {
    return new CallFuture.#Resolvers(new CallFuture<T>(options));
  }

  /** One object instead of a function for each way to settle: there is one for each call. */
  static readonly #Resolvers = class<T> implements ActorFutureResolvers<T> {
    readonly future: CallFuture<T>;

    constructor(future: CallFuture<T>) {
      this.future = future;
    }

    resolve(value: T): void {
      if (!this.future.done()) this.future.fulfil(value);
    }

    reject(error: unknown): void {
      if (!this.future.done()) this.future.fail(error);
    }

    rejectFromInside(error: unknown, join: (awaiting: string) => void): void {
      if (!this.future.done()) this.future.failFromInside(error, join);
    }
  };

  readonly #options: ActorFutureOptions;

  private constructor(options: ActorFutureOptions) {
    super("call", options);
    this.#options = options;
  }

  cancel(reason?: unknown): void {
    if (this.done()) return;
    // Whoever cancels knows that it fails.
    this.markObserved();
    try {
      this.#options.onCancel?.(reason);
    } finally {
      if (!this.done()) {
        const options = reason === undefined ? {} : { cause: reason };
        this.fail(new CallCancelledError(`${this} was cancelled`, options));
      }
    }
  }

  override toString(): string {
    return this.#options.repr;
  }
}
