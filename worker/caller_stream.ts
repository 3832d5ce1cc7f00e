/**
 * A stream among the arguments of a call, as the method reads it: its items come from the caller as far as they are read.
 *
 * @module
 */

import { STREAM_CREDIT, StreamCredit } from "../connection/mod.ts";
import { ConnectionLostError } from "../protocol/mod.ts";

/** Options of {@linkcode CallerStream}. */
export interface CallerStreamOptions {
  /** Decodes an item. */
  readonly decode: (value: Uint8Array, refs: readonly string[]) => unknown;
  /** Lets the caller send more. */
  readonly sendCredit: (count: number) => void;
  /** Tells the caller that no more is wanted. */
  readonly sendStop: () => void;
  /** What was in an item is held here, or not wanted. */
  readonly onTaken: (refs: readonly string[]) => void;
  /** Nothing more will come. */
  readonly onEnded: () => void;
}

/** Somebody who waits for an item. */
type Reader = PromiseWithResolvers<IteratorResult<unknown, undefined>>;

/** A stream of a caller. Nothing of it moves before somebody reads. */
export class CallerStream implements AsyncGenerator<unknown, undefined, unknown> {
  readonly #options: CallerStreamOptions;
  readonly #items: { readonly value: Uint8Array; readonly refs: readonly string[] }[] = [];
  readonly #readers: Reader[] = [];
  readonly #credit: StreamCredit;
  #begun = false;
  #end: { readonly error: unknown } | undefined;

  /** Asks for nothing. */
  constructor(options: CallerStreamOptions) {
    this.#options = options;
    this.#credit = new StreamCredit(options.sendCredit);
  }

  /** An item came. */
  add(value: Uint8Array, refs: readonly string[]): void {
    if (this.#end) return this.#options.onTaken(refs);
    // The bytes are a view of a frame: they must not keep all of it.
    this.#items.push({ value: value.slice(), refs });
    this.#give();
  }

  /** Nothing more will come: for `error`, where there is one. Items that came before are still read. */
  end(error: unknown): void {
    if (this.#end) return;
    this.#end = { error };
    this.#options.onEnded();
    this.#give();
  }

  /** Its call has ended. What nobody has begun to read by now is given up; what somebody reads goes on. */
  callEnded(): void {
    if (this.#begun || this.#end) return;
    this.#options.sendStop();
    this.end(
      new ConnectionLostError(
        "Cannot read a stream that was an argument: nobody had begun to read it when its call ended",
        { executed: "no" },
      ),
    );
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    if (!this.#begun && !this.#end) {
      this.#begun = true;
      this.#options.sendCredit(STREAM_CREDIT);
    }
    const reader: Reader = Promise.withResolvers();
    this.#readers.push(reader);
    this.#give();
    return reader.promise;
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#stop();
    return Promise.resolve({ done: true, value: undefined });
  }

  throw(error: unknown): Promise<IteratorResult<unknown, undefined>> {
    this.#stop();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** The same as a `ReadableStream`. */
  toReadable(): ReadableStream<unknown> {
    return new ReadableStream({
      pull: async (controller) => {
        const { done, value } = await this.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => this.#stop(),
    }, { highWaterMark: 0 });
  }

  #stop(): void {
    if (!this.#end) this.#options.sendStop();
    for (const { refs } of this.#items.splice(0)) this.#options.onTaken(refs);
    this.end(undefined);
  }

  #give(): void {
    while (this.#readers.length > 0 && this.#items.length > 0) {
      const { value, refs } = this.#items.shift()!;
      const { resolve, reject } = this.#readers.shift()!;
      if (!this.#end) this.#credit.take(value.length);
      try {
        resolve({ done: false, value: this.#options.decode(value, refs) });
      } catch (error) {
        this.#stop();
        reject(error);
      } finally {
        this.#options.onTaken(refs);
      }
    }
    if (!this.#end || this.#items.length > 0) return;
    for (const { resolve, reject } of this.#readers.splice(0)) {
      if (this.#end.error === undefined) resolve({ done: true, value: undefined });
      else reject(this.#end.error);
      // An error is told once, as a generator's is.
      this.#end = { error: undefined };
    }
  }
}
