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

/** A future and the two functions that settle it. Only the first settling counts. */
export interface ActorFutureResolvers<T> {
  /** What the caller gets. */
  readonly future: ActorFuture<T>;
  /** Settles it with a value. */
  readonly resolve: (value: T) => void;
  /** Settles it with an error. */
  readonly reject: (error: unknown) => void;
  /** The same, for an error that came from elsewhere: `join` is told the stack of the code that awaits it, if any does. */
  readonly rejectFromInside: (error: unknown, join: (awaiting: string) => void) => void;
}

/** Makes the future of one call that is under way. */
export function createActorFuture<T>(options: ActorFutureOptions): ActorFutureResolvers<T> {
  return CallFuture.create(options);
}

/** A future that has failed before anything was sent. */
export function rejectedActorFuture<T>(error: unknown, options: ActorFutureOptions): ActorFuture<T> {
  const { future, reject } = createActorFuture<T>(options);
  reject(error);
  return future;
}

class CallFuture<T> extends ObservedPromise<T> implements ActorFuture<T> {
  static create<T>(options: ActorFutureOptions): ActorFutureResolvers<T> {
    const future = new CallFuture<T>(options);
    return {
      future,
      resolve: (value) => {
        if (!future.done()) future.fulfil(value);
      },
      reject: (error) => {
        if (!future.done()) future.fail(error);
      },
      rejectFromInside: (error, join) => {
        if (!future.done()) future.failFromInside(error, join);
      },
    };
  }

  readonly #repr: string;
  readonly #onCancel: ((reason: unknown) => void) | undefined;

  private constructor(options: ActorFutureOptions) {
    super("call", options);
    this.#repr = options.repr;
    this.#onCancel = options.onCancel;
  }

  cancel(reason?: unknown): void {
    if (this.done()) return;
    // Whoever cancels knows that it fails.
    this.markObserved();
    try {
      this.#onCancel?.(reason);
    } finally {
      if (!this.done()) {
        const options = reason === undefined ? {} : { cause: reason };
        this.fail(new CallCancelledError(`${this.#repr} was cancelled`, options));
      }
    }
  }

  override toString(): string {
    return this.#repr;
  }
}
