/**
 * Functions and streams among arguments: they stay here, and the callee uses them over the connection of the call.
 *
 * @module
 */

import { StreamWindow } from "../connection/mod.ts";
import {
  type Encoded,
  type EncodedLocal,
  encodeError,
  type Executed,
  executedNumber,
  type Message,
  type MessageOf,
  SerializationError,
} from "../protocol/mod.ts";
import { isClass } from "./targets.ts";
import { Untaken } from "./untaken.ts";

/** Functions and streams that one connection lends at the same time, at the most. */
const MOST_LENT = 100_000;

/** How what is lent travels. */
export interface LendOptions {
  /** Encodes what a function gives, or an item of a stream; `root` is what error paths begin with. */
  readonly encode: (value: unknown, root: string) => Encoded;
  /** Decodes the arguments of a function. */
  readonly decode: (value: Uint8Array, refs: readonly string[]) => unknown;
  /** Holds what is in something that is sent until the function is called. */
  readonly hold: (refs: readonly string[]) => () => void;
  /** Resolves when the scheduler has heard of what came in values and is held; `undefined` where it has. Never rejects. */
  readonly confirmHeld: () => Promise<void> | undefined;
  /** Keeps the surroundings in which a function was lent: what runs there later runs as if it were called now. */
  readonly bind: <F extends (...args: never[]) => unknown>(run: F) => F;
}

/** The functions and streams that one connection lends. */
export class LentValues {
  readonly #send: (message: Message) => void;
  readonly #options: LendOptions;
  readonly #functions = new Map<number, (...args: unknown[]) => unknown>();
  readonly #streams = new Map<number, LentStream>();
  /** What is in results and items, by the function or stream. */
  readonly #untaken = new Untaken();
  #next = 1;

  /** @param send Sends to the callee. */
  constructor(send: (message: Message) => void, options: LendOptions) {
    this.#send = send;
    this.#options = options;
  }

  /**
   * Lends a function or stream; its number is noted in `lent`. A class cannot be lent.
   *
   * @throws {SerializationError} Where too much is lent already, or a stream has a reader.
   */
  lend(value: object, lent: number[]): EncodedLocal | undefined {
    if (isClass(value)) return undefined;
    if (this.#functions.size + this.#streams.size >= MOST_LENT) {
      throw new SerializationError(
        `Cannot pass a function or stream: ${MOST_LENT} are in use by actors already. Release them there`,
        { code: "PAYLOAD_TOO_LARGE" },
      );
    }
    if (value instanceof ReadableStream && value.locked) {
      throw new SerializationError("Cannot pass a ReadableStream that is locked: it has a reader already");
    }
    const id = this.#next++;
    lent.push(id);
    if (typeof value === "function") {
      this.#functions.set(id, this.#options.bind(value as (...args: unknown[]) => unknown));
      return { id, kind: "function" };
    }
    const stream = new LentStream(value as AsyncIterable<unknown> | ReadableStream<unknown>, {
      send: (value) => {
        const { bytes, refs } = this.#encode(id, value, "item");
        this.#send({ op: "item", id, value: bytes, refs });
        return bytes.length;
      },
      onEnd: (failure) => {
        this.#streams.delete(id);
        const error = failure ? encodeError(failure.error) : NO_BYTES;
        this.#send({ op: "streamEnd", id, ok: failure ? 0 : 1, error });
      },
      bind: this.#options.bind,
    });
    this.#streams.set(id, stream);
    return { id, kind: value instanceof ReadableStream ? "readable" : "iterable" };
  }

  /** The callee calls a function. */
  async call({ id, slot, args, refs }: MessageOf<"call">): Promise<void> {
    const lent = this.#functions.get(slot);
    let executed: Executed = "no";
    try {
      if (lent === undefined) throw new TypeError("Cannot call the function: its caller has taken it back");
      const decoded = this.#options.decode(args, refs) as unknown[];
      executed = "yes";
      // Whoever gets the answer may give back what was among the arguments.
      const [result] = await Promise.all([lent(...decoded), refs.length > 0 && this.#options.confirmHeld()]);
      const { bytes, refs: keys } = this.#encode(slot, result, "result");
      this.#send({ op: "result", id, value: bytes, refs: keys });
    } catch (error) {
      this.#send({ op: "failure", id, executed: executedNumber(executed), error: encodeError(error) });
    }
  }

  /** What was in the oldest result of a function, or item of a stream, need not be held any more. */
  taken(id: number): void {
    this.#untaken.take(id);
  }

  /** The callee has taken items of a stream, or begins to read it. */
  addCredit(id: number, count: number): void {
    this.#streams.get(id)?.addCredit(count);
  }

  /** The callee wants no more of a stream. */
  stop(id: number): void {
    this.#streams.get(id)?.stop();
    this.#streams.delete(id);
  }

  /** Nobody uses these any more. */
  takeBack(ids: readonly number[]): void {
    for (const id of ids) {
      this.#functions.delete(id);
      this.stop(id);
    }
  }

  /** The connection has ended. */
  close(): void {
    this.#functions.clear();
    for (const id of [...this.#streams.keys()]) this.stop(id);
    this.#untaken.clear();
  }

  #encode(id: number, value: unknown, root: string): Encoded {
    const encoded = this.#options.encode(value, root);
    if (encoded.refs.length > 0) this.#untaken.add(id, this.#options.hold(encoded.refs));
    return encoded;
  }
}

const NO_BYTES = new Uint8Array(0);

/** Options of {@linkcode LentStream}. */
interface LentStreamOptions {
  /** Sends an item, and says how many bytes it has. */
  readonly send: (value: unknown) => number;
  /** Told of the end of the source, but not of one that was stopped. */
  readonly onEnd: (failure: { readonly error: unknown } | undefined) => void;
  readonly bind: LendOptions["bind"];
}

/** One stream that is lent. Nothing of it is read before the callee gives credit. */
class LentStream {
  readonly #options: LentStreamOptions;
  readonly #source: AsyncIterable<unknown> | ReadableStream<unknown>;
  readonly #window = new StreamWindow(0);
  readonly #step: () => Promise<IteratorResult<unknown>>;
  readonly #close: () => void;
  #iterator: AsyncIterator<unknown> | undefined;
  #reading = false;
  #stopped = false;

  constructor(source: AsyncIterable<unknown> | ReadableStream<unknown>, options: LentStreamOptions) {
    this.#source = source;
    this.#options = options;
    this.#step = options.bind(async () => await this.#open().next());
    this.#close = options.bind(() => {
      // One that was never begun has nothing to clean up, unless it is more than a recipe.
      if (this.#iterator) this.#iterator.return?.().catch(ignore);
      else if (this.#source instanceof ReadableStream) this.#source.cancel().catch(ignore);
      else if (isGenerator(this.#source)) this.#source.return(undefined).catch(ignore);
    });
  }

  addCredit(count: number): void {
    this.#window.addCredit(count);
    if (!this.#reading) this.#read();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#close();
  }

  #open(): AsyncIterator<unknown> {
    return this.#iterator ??= this.#source instanceof ReadableStream
      ? iterateReadable(this.#source)
      : this.#source[Symbol.asyncIterator]();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    try {
      while (!this.#stopped && this.#window.open) {
        this.#window.use();
        const { done, value } = await this.#step();
        if (this.#stopped) return;
        if (done) {
          this.#stopped = true;
          return this.#options.onEnd(undefined);
        }
        this.#window.sent(this.#options.send(value));
      }
    } catch (error) {
      if (this.#stopped) return;
      this.stop();
      this.#options.onEnd({ error });
    } finally {
      this.#reading = false;
    }
  }
}

/** Not every browser's `ReadableStream` is an async iterable. */
function iterateReadable(stream: ReadableStream<unknown>): AsyncIterator<unknown> {
  const reader = stream.getReader();
  return {
    next: () => reader.read() as Promise<IteratorResult<unknown>>,
    async return() {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}

function isGenerator(source: object): source is AsyncGenerator<unknown, unknown, undefined> {
  return typeof (source as Partial<AsyncGenerator>).return === "function";
}

function ignore(): void {}
