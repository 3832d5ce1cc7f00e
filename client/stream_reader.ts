/**
 * The stream of a generator method, as its caller reads it: an async generator.
 *
 * It begins with the first `next`, as every generator does, and items come ahead of their use as far as its credit goes.
 *
 * @module
 */

import { STREAM_CREDIT, StreamCredit } from "../connection/mod.ts";
import { ActorLostError, ConnectionLostError, ResumeKind } from "../protocol/mod.ts";
import type { CallSink } from "./actor_call.ts";

/** What a reader does to the call that streams. */
export interface StreamCall {
  /** Items were taken. */
  addCredit(count: number): void;
  /** Something is done to the generator. */
  resume(kind: number, value: unknown): void;
  /** What was in an item is held here, or not wanted. */
  taken(refs: readonly string[]): void;
}

/** Options of {@linkcode createStreamReader}. */
export interface StreamReaderOptions {
  /** Its text for people. */
  readonly repr: string;
  /** Whether items come ahead of their use. Without, `next(value)` gives the generator a value. */
  readonly prefetch: boolean;
  /** Makes the call; throws where that cannot be. */
  readonly begin: (sink: CallSink, credit: number) => StreamCall;
  /** Decodes an item. */
  readonly decode: (value: Uint8Array, refs: readonly string[]) => unknown;
}

/** Makes an async generator. Nothing is called before its first step. */
export function createStreamReader(options: StreamReaderOptions): AsyncGenerator<unknown, unknown, unknown> {
  const reader = new StreamReader(new Stream(options));
  return reader;
}

/** What the caller has. What arrives does not refer to it, so that it can be seen when nobody has it any more. */
class StreamReader implements AsyncGenerator<unknown, unknown, unknown> {
  static readonly #forgotten = new FinalizationRegistry<Stream>((stream) => stream.abandon());
  readonly #stream: Stream;

  constructor(stream: Stream) {
    this.#stream = stream;
    StreamReader.#forgotten.register(this, stream);
  }

  next(value?: unknown): Promise<IteratorResult<unknown, unknown>> {
    return this.#stream.next(value);
  }

  return(value?: unknown): Promise<IteratorResult<unknown, unknown>> {
    return this.#stream.close(ResumeKind.return, value);
  }

  throw(error?: unknown): Promise<IteratorResult<unknown, unknown>> {
    return this.#stream.close(ResumeKind.throw, error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  get [Symbol.toStringTag](): string {
    return "AsyncGenerator";
  }
}

/** Somebody who waits for a step. */
interface Step extends PromiseWithResolvers<IteratorResult<unknown, unknown>> {
  /** Whether it only waits for the end: `return` or `throw`. */
  readonly closes: boolean;
}

type End = { readonly value: unknown; readonly error?: undefined } | { readonly error: { readonly of: unknown } };

class Stream implements CallSink {
  readonly #options: StreamReaderOptions;
  readonly #items: { readonly value: Uint8Array; readonly refs: readonly string[] }[] = [];
  readonly #steps: Step[] = [];
  readonly #credit: StreamCredit;
  #call: StreamCall | undefined;
  #end: End | undefined;
  #closing = false;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    this.#credit = new StreamCredit((count) => {
      if (!this.#end) this.#call?.addCredit(count);
    });
  }

  next(value: unknown): Promise<IteratorResult<unknown, unknown>> {
    const { prefetch, repr } = this.#options;
    if (prefetch && value !== undefined && this.#call) {
      return Promise.reject(
        new TypeError(
          `Cannot give ${repr} a value: its items come ahead of their use. Call the method through ` +
            "withOptions(actor, { prefetch: false })",
        ),
      );
    }
    const begins = this.#begin();
    if (!prefetch && !this.#end) {
      // The first one has no `yield` to give a value to.
      const error = this.#resume(ResumeKind.next, begins ? undefined : value);
      if (error) return Promise.reject(error.of);
    }
    return this.#wait(false);
  }

  close(kind: number, value: unknown): Promise<IteratorResult<unknown, unknown>> {
    if (!this.#call) this.#end ??= { value: undefined };
    if (this.#end) {
      this.#drop();
      const { error } = this.#end;
      this.#end = { value: undefined };
      if (kind === ResumeKind.throw) return Promise.reject(value);
      return error && this.#closing ? Promise.reject(error.of) : Promise.resolve({ done: true, value });
    }
    const { prefetch } = this.#options;
    const closes = kind === ResumeKind.return || prefetch;
    this.#closing ||= closes;
    if (closes) this.#drop();
    const error = this.#resume(kind, value);
    if (error) return Promise.reject(error.of);
    return this.#wait(closes);
  }

  /** Nobody can read it any more. */
  abandon(): void {
    if (this.#call && !this.#end && this.#steps.length === 0) this.#resume(ResumeKind.return, undefined);
    this.#drop();
    this.#closing = true;
  }

  item(value: Uint8Array, refs: readonly string[]): void {
    if (this.#closing) return this.#call?.taken(refs);
    // The bytes are a view of a frame: they must not keep all of it.
    this.#items.push({ value: this.#steps.length > 0 ? value : value.slice(), refs });
    this.#give();
  }

  resolve(value: unknown): void {
    this.#end ??= { value };
    this.#give();
  }

  reject(error: unknown, join: (awaiting: string) => void): void {
    join("");
    // Whoever gives up a generator does not want to hear that it has gone.
    const isGone = error instanceof ActorLostError || error instanceof ConnectionLostError;
    this.#end ??= this.#closing && isGone ? { value: undefined } : { error: { of: error } };
    this.#give();
  }

  /** Makes the call, once. Returns whether it did. */
  #begin(): boolean {
    if (this.#call || this.#end) return false;
    try {
      this.#call = this.#options.begin(this, this.#options.prefetch ? STREAM_CREDIT : 0);
    } catch (error) {
      this.#end = { error: { of: error } };
    }
    return true;
  }

  #resume(kind: number, value: unknown): { readonly of: unknown } | undefined {
    try {
      this.#call?.resume(kind, value);
      return undefined;
    } catch (error) {
      return { of: error };
    }
  }

  #drop(): void {
    for (const { refs } of this.#items.splice(0)) this.#call?.taken(refs);
  }

  #wait(closes: boolean): Promise<IteratorResult<unknown, unknown>> {
    const step: Step = { ...Promise.withResolvers<IteratorResult<unknown, unknown>>(), closes };
    this.#steps.push(step);
    this.#give();
    return step.promise;
  }

  #give(): void {
    while (this.#steps.length > 0 && this.#items.length > 0 && !this.#steps[0]!.closes) {
      const { value, refs } = this.#items.shift()!;
      const { resolve, reject } = this.#steps.shift()!;
      try {
        resolve({ done: false, value: this.#options.decode(value, refs) });
      } catch (error) {
        reject(error);
        this.#closing = true;
        this.#drop();
        this.#resume(ResumeKind.return, undefined);
      } finally {
        this.#call?.taken(refs);
      }
      if (this.#options.prefetch) this.#credit.take(value.length);
    }
    if (this.#end === undefined || this.#items.length > 0) return;
    for (const { resolve, reject } of this.#steps.splice(0)) {
      if (this.#end.error) reject(this.#end.error.of);
      else resolve({ done: true, value: this.#end.value });
      // The value and the error of a generator are told once.
      this.#end = { value: undefined };
    }
  }
}
