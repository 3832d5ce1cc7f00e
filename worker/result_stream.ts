/**
 * A generator method that runs for a caller: what it yields goes out as far as the caller lets it.
 *
 * A reader takes items ahead of their use, up to its credit; or, with no credit to begin with, it asks for each one, as
 * `next(value)` of a generator that is at hand does.
 *
 * @module
 */

import { StreamWindow } from "../connection/mod.ts";
import { ResumeKind } from "../protocol/mod.ts";
import type { Turns, TurnTaker } from "./turns.ts";

/** The generator of a method: of a `function*`, or of an `async function*`. */
export type MethodGenerator = Generator<unknown, unknown, unknown> | AsyncGenerator<unknown, unknown, unknown>;

/** What a reader does to a generator. */
export interface Resumption {
  /** Of {@linkcode ResumeKind}. */
  readonly kind: number;
  /** What `next`, `return` or `throw` is called with. */
  readonly value: unknown;
}

/** Options of {@linkcode ResultStream}. */
export interface ResultStreamOptions {
  /** Has not begun. */
  readonly generator: MethodGenerator;
  /** How many items may be sent before the reader says more; 0 where it asks for each. */
  readonly credit: number;
  /** Whose turn it is in this isolate. */
  readonly turns: Turns;
  /** Resolves when the reader's connection has room; `undefined` where it has. */
  readonly room: () => Promise<void> | undefined;
  /** Runs a method of the generator, in the call's context. */
  readonly apply: (method: (...args: never[]) => unknown, generator: MethodGenerator, args: unknown[]) => unknown;
  /** Sends a value, and says how many bytes it has. What this throws ends the stream, as an error of it. */
  readonly send: (value: unknown) => number;
  /** The reader is told that it has returned. */
  readonly onReturned: (value: unknown) => void;
  /** The reader is told that it has thrown, or gave what cannot be sent. */
  readonly onThrown: (error: unknown) => void;
  /** The reader was told the end while the generator still awaits something. */
  readonly onLeft: () => void;
  /** The generator has ended, whatever its reader was told before; `late` is what it threw after that. */
  readonly onEnded: (late: { readonly error: unknown } | undefined) => void;
}

type Step = IteratorResult<unknown, unknown>;

/** One generator that runs. */
export class ResultStream implements TurnTaker {
  readonly #options: ResultStreamOptions;
  readonly #window: StreamWindow;
  /** What the reader wants done to the generator before it goes on. */
  readonly #resumptions: Resumption[] = [];
  /** Whether the generator awaits something: then nothing can be done to it. */
  #awaiting = false;
  /** What was done to it last ends it, whatever it yields. */
  #closing: Resumption | undefined;
  /** Whether it waits for room. */
  #crowded = false;
  /** Whether the reader was told of the end. */
  #told = false;
  #ended = false;

  /** Begins nothing. */
  constructor(options: ResultStreamOptions) {
    this.#options = options;
    this.#window = new StreamWindow(options.credit);
  }

  /** Goes on, or begins, as far as it may. */
  goOn(): void {
    while (this.#mayStep()) {
      if (!this.#options.turns.free) return this.#options.turns.ask(this);
      this.#step();
    }
  }

  /** The reader has taken `count` items more, and gets as many more. */
  addCredit(count: number): void {
    this.#window.addCredit(count);
    this.goOn();
  }

  /**
   * The reader does something to the generator. One that awaits something cannot be made to return or throw: its reader is
   * answered at once, it hears that by its signal, and its `finally` runs when it comes back.
   */
  resume(resumption: Resumption): void {
    if (this.#told || this.#ended) return;
    this.#resumptions.push(resumption);
    if (resumption.kind === ResumeKind.next) this.#window.taken(1);
    else if (this.#awaiting) {
      this.#answer(resumption);
      this.#options.onLeft();
    }
    this.goOn();
  }

  /** The reader is gone: nothing more is sent, and the generator's `finally` runs, now or when it comes back. */
  stop(): void {
    if (this.#told || this.#ended) return;
    this.#told = true;
    this.#resumptions.splice(0, Infinity, { kind: ResumeKind.return, value: undefined });
    this.goOn();
  }

  takeTurn(): boolean {
    this.#step();
    return this.#mayStep();
  }

  #mayStep(): boolean {
    if (this.#ended || this.#awaiting) return false;
    if (this.#resumptions.length > 0) return true;
    return this.#window.open && this.#hasRoom();
  }

  /** Many streams of one reader may be open, each with a window of its own: all together they wait for their connection. */
  #hasRoom(): boolean {
    if (this.#crowded) return false;
    const room = this.#options.room();
    if (room === undefined) return true;
    this.#crowded = true;
    room.then(() => {
      this.#crowded = false;
      this.goOn();
    });
    return false;
  }

  #step(): void {
    if (!this.#mayStep()) return;
    const { generator, apply, credit } = this.#options;
    const resumption = this.#resumptions.shift();
    if (resumption === undefined) this.#window.use();
    // Whoever takes items ahead of their use cannot tell which of them came after what he has thrown.
    else if (resumption.kind === ResumeKind.return || resumption.kind === ResumeKind.throw && credit > 0) {
      this.#closing = resumption;
    }
    let step: Step | PromiseLike<Step>;
    try {
      const args = resumption === undefined ? [] : [resumption.value];
      step = apply(methodOf(generator, resumption?.kind), generator, args) as Step | PromiseLike<Step>;
    } catch (error) {
      return this.#thrown(error);
    }
    if (isThenable(step)) return this.#await(step);
    // As a `for await` over a sync generator does.
    if (isThenable(step.value)) {
      const done = step.done === true;
      return this.#await(step.value.then((value): Step => ({ done, value })));
    }
    this.#take(step);
  }

  #await(step: PromiseLike<Step>): void {
    this.#awaiting = true;
    step.then((step) => {
      this.#awaiting = false;
      this.#take(step);
      this.goOn();
    }, (error) => {
      this.#awaiting = false;
      this.#thrown(error);
    });
  }

  #take({ done, value }: Step): void {
    if (done) {
      if (!this.#told) this.#options.onReturned(value);
      return this.#end(undefined);
    }
    if (this.#closing) {
      if (!this.#told) this.#answer(this.#closing);
      return this.#end(undefined);
    }
    if (this.#told) return;
    try {
      this.#window.sent(this.#options.send(value));
    } catch (error) {
      this.#options.onThrown(error);
      this.stop();
    }
  }

  #thrown(error: unknown): void {
    if (this.#told) return this.#end({ error });
    this.#options.onThrown(error);
    this.#end(undefined);
  }

  #answer({ kind, value }: Resumption): void {
    this.#told = true;
    if (kind === ResumeKind.throw) this.#options.onThrown(value);
    else this.#options.onReturned(value);
  }

  #end(late: { readonly error: unknown } | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnded(late);
  }
}

function methodOf(generator: MethodGenerator, kind: number | undefined): (...args: never[]) => unknown {
  if (kind === ResumeKind.return) return generator.return as (...args: never[]) => unknown;
  if (kind === ResumeKind.throw) return generator.throw as (...args: never[]) => unknown;
  return generator.next as (...args: never[]) => unknown;
}

function isThenable<T>(value: unknown): value is PromiseLike<T> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
