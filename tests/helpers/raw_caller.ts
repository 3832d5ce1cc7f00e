/**
 * A caller that speaks the protocol and nothing else: for tests of those that serve calls.
 *
 * @module
 */

import { type Connection, greet, type Transport } from "../../connection/mod.ts";
import {
  CallKind,
  type CloseInfo,
  decodeError,
  decodeValue,
  encodeBody,
  encodeValue,
  type Executed,
  executedWord,
  type Message,
  type MessageOf,
  randomHex,
} from "../../protocol/mod.ts";

/** What came of a call. */
export type Outcome =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: Error; readonly executed: Executed };

/** Fields of a call that most tests leave out. */
export type CallFields = Partial<
  Pick<MessageOf<"call">, "deadline" | "priority" | "credit" | "trace" | "refs" | "chain">
>;

/** One connection of role `caller`. */
export class RawCaller {
  /** Resolves when the connection has ended. */
  readonly closed: Promise<CloseInfo>;
  readonly connection: Connection;
  readonly #settle = new Map<number, (outcome: Outcome) => void>();
  readonly #items = new Map<number, (value: unknown) => void>();
  /** Takes what is neither an answer nor an item. */
  onOther: (message: Message) => void = () => {};
  #nextId = 1;
  #nextSlot = 1;

  private constructor(transport: Transport, role: string, welcomed: (welcome: Promise<unknown>) => void) {
    const { promise, resolve } = Promise.withResolvers<CloseInfo>();
    this.closed = promise;
    const greeting = greet(transport, {
      role,
      session: randomHex(16),
      body: encodeBody({ troupe: "test", runtime: "test" }),
      receiver: {
        onMessage: (message) => this.#receive(message),
        onClose: (info) => {
          resolve(info);
          const error = new Error(`closed with ${info.code}: ${info.reason}`);
          for (const settle of this.#settle.values()) settle({ ok: false, error, executed: "unknown" });
          this.#settle.clear();
        },
      },
    });
    this.connection = greeting.connection;
    welcomed(greeting.welcome);
  }

  /** Says hello over a transport and waits for the welcome. */
  static async connect(transport: Transport, role = "caller"): Promise<RawCaller> {
    let welcome: Promise<unknown> | undefined;
    const caller = new RawCaller(transport, role, (promise) => welcome = promise);
    await welcome;
    return caller;
  }

  /** Attaches a slot of its own choosing. */
  attach(actor: { readonly key: string; readonly incarnation: string; readonly tag: Uint8Array }): number {
    const slot = this.#nextSlot++;
    const { key, incarnation, tag } = actor;
    this.connection.send({ op: "attach", slot, key, incarnation, tag });
    return slot;
  }

  /** Calls a method; the id is that of {@linkcode RawCaller.lastId}. */
  outcome(slot: number, name: string, args: readonly unknown[] = [], fields: CallFields = {}): Promise<Outcome> {
    return this.#send(slot, CallKind.method, name, encodeValue(args, { root: "args" }).bytes, fields);
  }

  /** Calls a method with bytes for arguments. */
  outcomeOfBytes(slot: number, name: string, args: Uint8Array, fields: CallFields = {}): Promise<Outcome> {
    return this.#send(slot, CallKind.method, name, args, fields);
  }

  /** Calls a generator method; `onItem` gets what it yields. */
  stream(
    slot: number,
    name: string,
    args: readonly unknown[],
    credit: number,
    onItem: (value: unknown) => void,
  ): { readonly id: number; readonly outcome: Promise<Outcome> } {
    this.#items.set(this.#nextId, onItem);
    const outcome = this.outcome(slot, name, args, { credit });
    return { id: this.lastId, outcome };
  }

  /** Lets a stream send more. */
  addCredit(id: number, count: number): void {
    this.connection.send({ op: "credit", id, count });
  }

  /** Does something to a generator. */
  resume(slot: number, id: number, kind: number, value?: unknown): void {
    this.connection.send({ op: "resume", slot, id, kind, value: encodeValue(value).bytes, refs: [] });
  }

  /** Calls a method of which no answer is wanted. */
  callOneWay(slot: number, name: string, args: readonly unknown[] = []): void {
    const fields = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined };
    const { bytes } = encodeValue(args, { root: "args" });
    const id = this.#nextId++;
    const kind = CallKind.oneWay;
    this.connection.send({ op: "call", id, slot, kind, name, args: bytes, refs: [], ...fields, chain: [] });
  }

  /** Asks for a value that the home keeps. */
  getData(key: string): Promise<Outcome> {
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#settle.set(id, resolve);
      this.connection.send({ op: "getData", id, key });
    });
  }

  /** Reads an attribute. */
  readOutcome(slot: number, name: string): Promise<Outcome> {
    return this.#send(slot, CallKind.attribute, name, new Uint8Array(), {});
  }

  /** The value of a method, or its error thrown. */
  async call(slot: number, name: string, ...args: unknown[]): Promise<unknown> {
    return valueOf(await this.outcome(slot, name, args));
  }

  /** The value of an attribute, or its error thrown. */
  async read(slot: number, name: string): Promise<unknown> {
    return valueOf(await this.readOutcome(slot, name));
  }

  /** Cancels a call. */
  cancel(slot: number, id = this.lastId): void {
    this.connection.send({ op: "cancel", id, slot, reason: undefined });
  }

  /** The id of the call that was made last. */
  get lastId(): number {
    return this.#nextId - 1;
  }

  /** Ends the connection. */
  close(): void {
    this.connection.close();
  }

  #send(slot: number, kind: number, name: string, args: Uint8Array, fields: CallFields): Promise<Outcome> {
    const id = this.#nextId++;
    const { refs = [], deadline, priority, credit, trace, chain = [] } = fields;
    return new Promise((resolve) => {
      this.#settle.set(id, resolve);
      this.connection.send({ op: "call", id, slot, kind, name, args, refs, deadline, priority, credit, trace, chain });
    });
  }

  #receive(message: Message): void {
    if (message.op === "item") return this.#items.get(message.id)?.(decodeValue(message.value, { role: "result" }));
    if (message.op !== "result" && message.op !== "failure") return this.onOther(message);
    const settle = this.#settle.get(message.id);
    if (settle === undefined) throw new Error(`A second answer to call ${message.id}, or one to no call`);
    this.#settle.delete(message.id);
    if (message.op === "result") settle({ ok: true, value: decodeValue(message.value, { role: "result" }) });
    else settle({ ok: false, error: decodeError(message.error), executed: executedWord(message.executed) });
  }
}

/** The value, or the error thrown. */
export function valueOf(outcome: Outcome): unknown {
  if (outcome.ok) return outcome.value;
  throw outcome.error;
}
