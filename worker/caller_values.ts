/**
 * Functions and streams that stay with a caller: what stands for them in an isolate, and what they answer.
 *
 * @module
 */

import { type FunctionLink, LOCAL } from "../client/brands.ts";
import type { Connection } from "../connection/mod.ts";
import {
  CallKind,
  ConnectionLostError,
  decodeError,
  type Encoded,
  type Executed,
  type MessageOf,
} from "../protocol/mod.ts";
import { contextProvider } from "./context.ts";
import { CallerStream } from "./caller_stream.ts";

/** How values travel to and from a caller. */
export interface CallerCodec {
  /** Encodes the arguments of a function. */
  encode(args: readonly unknown[]): Encoded;
  /** Decodes what a function gave, or an item of a stream; handles in it are held for `holder`. */
  decode(value: Uint8Array, refs: readonly string[], holder: string): unknown;
  /** Holds what is in arguments until the function is called. */
  hold(refs: readonly string[]): () => void;
  /** Resolves when the scheduler has heard of what came in values and is held; `undefined` where it has. Never rejects. */
  confirmHeld(): Promise<void> | undefined;
}

/** A call of a function that has no answer yet. */
interface PendingAnswer {
  /** Number of the function. */
  readonly of: number;
  readonly holder: string;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly cleanUp: () => void;
  /** Whether nobody waits for it. */
  givenUp: boolean;
}

/** The functions and streams of one caller. */
export class CallerValues {
  readonly #connection: Connection;
  readonly #codec: CallerCodec;
  readonly #pending = new Map<number, PendingAnswer>();
  readonly #streams = new Map<number, CallerStream>();
  /** The functions that each actor has got, to be given back at its end. */
  readonly #functions = new Map<string, Set<number>>();
  readonly #forgotten = new FinalizationRegistry<{ readonly id: number; readonly holder: string }>(({ id, holder }) => {
    this.#giveBack(id, holder);
  });
  #nextCall = 1;
  #closed = false;

  /** None yet. */
  constructor(connection: Connection, codec: CallerCodec) {
    this.#connection = connection;
    this.#codec = codec;
  }

  /** What stands for a function, which goes to `holder`. It lives until it is released, forgotten, or its holder ends. */
  createFunction(id: number, holder: string): (...args: unknown[]) => Promise<unknown> {
    let released = false;
    const release = () => {
      released = true;
      this.#giveBack(id, holder);
    };
    const callable = (...args: unknown[]) => released ? Promise.reject(wasReleased()) : this.#call(id, holder, args);
    const link: FunctionLink = { kind: "function", release };
    Object.defineProperty(callable, LOCAL, { value: link });
    Object.defineProperty(callable, Symbol.dispose, { value: release });
    const functions = this.#functions.get(holder);
    if (functions) functions.add(id);
    else this.#functions.set(holder, new Set([id]));
    this.#forgotten.register(callable, { id, holder });
    return callable;
  }

  /** What stands for a stream, which goes to `holder`. */
  createStream(id: number, holder: string): CallerStream {
    const stream = new CallerStream({
      decode: (value, refs) => this.#codec.decode(value, refs, holder),
      sendCredit: (count) => this.#connection.send({ op: "credit", id, count }),
      sendStop: () => this.#connection.send({ op: "streamStop", id }),
      onTaken: (refs) => void this.#taken(id, refs),
      onEnded: () => this.#streams.delete(id),
    });
    this.#streams.set(id, stream);
    return stream;
  }

  /** Takes what a caller says of its functions and streams. */
  receive(message: MessageOf<"result"> | MessageOf<"failure"> | MessageOf<"item"> | MessageOf<"streamEnd">): void {
    switch (message.op) {
      case "item": {
        const stream = this.#streams.get(message.id);
        if (stream === undefined) return void this.#taken(message.id, message.refs);
        return stream.add(message.value, message.refs);
      }
      case "streamEnd":
        return this.#streams.get(message.id)?.end(message.ok === 1 ? undefined : decodeError(message.error));
      case "result": {
        const pending = this.#take(message.id);
        if (pending === undefined) return;
        try {
          if (!pending.givenUp) pending.resolve(this.#codec.decode(message.value, message.refs, pending.holder));
        } catch (error) {
          pending.reject(error);
        }
        return void this.#taken(pending.of, message.refs);
      }
      case "failure":
        this.#take(message.id)?.reject(decodeError(message.error));
    }
  }

  /** An actor has ended: what it got is given back. */
  endHolder(holder: string): void {
    for (const id of [...this.#functions.get(holder) ?? []]) this.#giveBack(id, holder);
  }

  /** The caller is gone. */
  close(): void {
    this.#closed = true;
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(callerGone("unknown"));
    for (const stream of [...this.#streams.values()]) stream.end(callerGone("unknown"));
    this.#functions.clear();
  }

  #call(id: number, holder: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#closed) return Promise.reject(callerGone("no"));
    let encoded: Encoded;
    try {
      encoded = this.#codec.encode(args);
    } catch (error) {
      return Promise.reject(error);
    }
    const call = this.#nextCall++;
    const limits = contextProvider.get()?.limits;
    const timeLeft = limits?.timeLeft();
    return new Promise((resolve, reject) => {
      const letGo = encoded.refs.length > 0 ? this.#codec.hold(encoded.refs) : doNothing;
      const stopListening = limits?.onAbort((reason) => {
        pending.givenUp = true;
        reject(reason);
      }) ?? doNothing;
      const cleanUp = () => {
        stopListening();
        letGo();
      };
      const pending: PendingAnswer = { of: id, holder, resolve, reject, cleanUp, givenUp: false };
      this.#pending.set(call, pending);
      this.#connection.send({
        op: "call",
        id: call,
        slot: id,
        kind: CallKind.callback,
        name: "",
        args: encoded.bytes,
        refs: encoded.refs,
        deadline: timeLeft === undefined ? undefined : Math.max(0, Math.ceil(timeLeft)),
        priority: undefined,
        credit: undefined,
        trace: undefined,
        chain: [],
      });
    });
  }

  #take(id: number): PendingAnswer | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    pending.cleanUp();
    return pending;
  }

  /** Of a function's result or a stream's item: who it came from need not hold what is in it any more. */
  async #taken(id: number, refs: readonly string[]): Promise<void> {
    if (refs.length === 0) return;
    await this.#codec.confirmHeld();
    this.#connection.send({ op: "taken", id });
  }

  #giveBack(id: number, holder: string): void {
    const functions = this.#functions.get(holder);
    if (this.#closed || !functions?.delete(id)) return;
    if (functions.size === 0) this.#functions.delete(holder);
    this.#connection.send({ op: "detach", slot: id });
  }
}

function callerGone(executed: Executed): ConnectionLostError {
  return new ConnectionLostError("Cannot use what a caller passed as an argument: the caller is gone", { executed });
}

function wasReleased(): ConnectionLostError {
  return new ConnectionLostError("Cannot call a function that was an argument: it was released", { executed: "no" });
}

function doNothing(): void {}
