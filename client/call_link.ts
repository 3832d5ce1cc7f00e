/**
 * Calls over one connection to one home of a worker: slots for actors, what is pending, and what was lent.
 *
 * @module
 */

import type { Connection, ConnectionReceiver } from "../connection/mod.ts";
import {
  type ActorReference,
  CallKind,
  CloseCode,
  type CloseInfo,
  decodeError,
  type Executed,
  executedWord,
  type Message,
  type MessageOf,
  ProtocolError,
} from "../protocol/mod.ts";
import { type LendOptions, LentValues } from "./lent_values.ts";

/** One call, or one question for data, that waits for its answer. */
export interface PendingCall {
  /** Key of its actor, or of the data. */
  readonly key: string;
  /** It may be asked again elsewhere: where the connection breaks, nobody has to find out whether it ran. */
  readonly repeatable?: boolean;
  /** It returned: the encoded value, and the keys of the actors in it. */
  resolve(value: Uint8Array, refs: readonly string[]): void;
  /** One value of its stream. */
  item?(value: Uint8Array, refs: readonly string[]): void;
  /** The callee, or someone on the way, refused it or it threw: an error envelope. */
  fail(executed: Executed, envelope: Uint8Array): void;
  /** It will never be answered. */
  lose(error: Error): void;
}

/** Who hears of an actor's one-way calls. */
export interface OneWayListener {
  /** Key of the actor. */
  readonly key: string;
  /** So many have ended, with so many bytes of arguments. */
  settled(count: number, bytes: number): void;
  /** One of them failed. */
  failed(error: Error): void;
}

/** What a link is made with. */
export interface CallLinkOptions {
  /**
   * Opens the connection; told who receives its messages. Called at once; calls made until it resolves wait in order.
   * Where it rejects, nothing of them has left.
   */
  readonly connect: (receiver: ConnectionReceiver) => Promise<Connection>;
  /** How values of functions and streams that are lent travel. */
  readonly lend: LendOptions;
  /** Told once, when the link can take no more calls. */
  readonly onEnd: (end: CallLinkEnd) => void;
}

/** The end of a link. */
export interface CallLinkEnd {
  /** Calls that were pending and may have left. */
  readonly pending: readonly PendingCall[];
  /** Calls that were pending and have certainly not left. */
  readonly unsent: readonly PendingCall[];
  /** The connection's end, where there was a connection. */
  readonly info: CloseInfo | undefined;
  /** Why there was none. */
  readonly error: Error | undefined;
}

/** One-way calls of one slot that have not ended. */
interface OneWaySlot {
  readonly listener: OneWayListener;
  count: number;
  bytes: number;
}

/** Calls to the actors of one home, in order. */
export class CallLink {
  readonly #options: CallLinkOptions;
  readonly #pending = new Map<number, PendingCall>();
  readonly #slots = new Map<string, number>();
  readonly #oneWay = new Map<number, OneWaySlot>();
  readonly #lent: LentValues;
  #connection: Connection | undefined;
  readonly #connected = Promise.withResolvers<void>();
  #waiting: Message[] | undefined = [];
  #nextSlot = 1;
  #ended = false;

  constructor(options: CallLinkOptions) {
    this.#options = options;
    this.#lent = new LentValues((message) => this.#send(message), options.lend);
    options.connect({
      onMessage: (message) => this.#receive(message),
      onClose: (info) => this.#end(info, undefined),
    }).then((connection) => {
      if (this.#ended) return connection.close(CloseCode.normal, "not needed any more");
      this.#connection = connection;
      for (const message of this.#waiting ?? []) connection.send(message);
      this.#waiting = undefined;
      this.#connected.resolve();
    }, (error) => this.#end(undefined, error));
  }

  /** Whether it takes calls. */
  get open(): boolean {
    return !this.#ended;
  }

  /** Whether what it was given may have left. */
  get left(): boolean {
    return this.#waiting === undefined;
  }

  /** How many calls wait for their answers. */
  get pendingCalls(): number {
    return this.#pending.size;
  }

  /** Functions and streams that stay here and are used from afar. */
  get lent(): LentValues {
    return this.#lent;
  }

  /** The number by which calls name an actor; it is told to the home with the first of them. */
  slotOf(actor: ActorReference): number {
    const existing = this.#slots.get(actor.key);
    if (existing !== undefined) return existing;
    const slot = this.#nextSlot++;
    this.#slots.set(actor.key, slot);
    this.#send({ op: "attach", slot, key: actor.key, incarnation: actor.incarnation, tag: actor.tag });
    return slot;
  }

  /** Sends a call of a slot; its answer goes to `pending`. */
  call(call: MessageOf<"call">, pending: PendingCall): void {
    this.#pending.set(call.id, pending);
    this.#send(call, true);
  }

  /** Sends a call that is not answered. */
  callOneWay(call: MessageOf<"call">, listener: OneWayListener): void {
    let calls = this.#oneWay.get(call.slot);
    if (calls === undefined) this.#oneWay.set(call.slot, calls = { listener, count: 0, bytes: 0 });
    calls.count++;
    calls.bytes += call.args.length;
    this.#send(call, true);
  }

  /** Settles once one-way calls that wait for the connection have left, or cannot; `undefined` where none waits. */
  get oneWayCallsSent(): Promise<void> | undefined {
    return this.#waiting && this.#oneWay.size > 0 ? this.#connected.promise : undefined;
  }

  /** Asks the home for a value that it keeps; the answer goes to `pending`. */
  getData(id: number, pending: PendingCall): void {
    this.#pending.set(id, pending);
    this.#send({ op: "getData", id, key: pending.key });
  }

  /** Tells the home that it need not hold any more what is in the oldest result or item of a call that was not taken. */
  taken(id: number): void {
    this.#send({ op: "taken", id });
  }

  /** Takes a call back that has not left; `false` where it may have. */
  withdraw(id: number): boolean {
    const index = this.#waiting?.findIndex((message) => message.op === "call" && message.id === id) ?? -1;
    if (index < 0) return false;
    this.#waiting!.splice(index, 1);
    this.#pending.delete(id);
    return true;
  }

  /** Tells the callee that a call was given up; it says whether that had started. */
  cancel(id: number): void {
    const pending = this.#pending.get(id);
    const slot = pending && this.#slots.get(pending.key);
    if (slot !== undefined) this.#send({ op: "cancel", id, slot, reason: undefined });
  }

  /** Waits for no answer of a call any more. */
  drop(id: number): void {
    this.#pending.delete(id);
  }

  /** The reader of a call's stream has taken items. */
  addCredit(id: number, count: number): void {
    this.#send({ op: "credit", id, count });
  }

  /** The reader of a call's stream does something to its generator. */
  resume(actor: ActorReference, resumption: Omit<MessageOf<"resume">, "op" | "slot">): void {
    this.#send({ op: "resume", slot: this.slotOf(actor), ...resumption });
  }

  /** Gives an actor's slot back. What is pending of it is still answered. */
  detach(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    this.#send({ op: "detach", slot });
  }

  /** Gives an actor's slot back, and takes what is pending of it: its answers are not wanted. What waits never leaves. */
  forget(key: string): PendingCall[] {
    const slot = this.#slots.get(key);
    const taken = slot === undefined ? [] : this.#takeOneWay(slot);
    this.detach(key);
    if (this.#waiting) this.#waiting = this.#waiting.filter((message) => !("slot" in message && message.slot === slot));
    for (const [id, pending] of this.#pending) {
      if (pending.key !== key) continue;
      this.#pending.delete(id);
      taken.push(pending);
    }
    return taken;
  }

  /** Closes the connection. What is pending goes to `onEnd`. */
  close(reason: string): void {
    if (this.#connection) this.#connection.close(CloseCode.normal, reason);
    else this.#end(undefined, undefined);
  }

  #send(message: Message, given = false): void {
    if (this.#connection) this.#connection.send(message, given);
    else this.#waiting?.push(message);
  }

  #receive(message: Message): void {
    switch (message.op) {
      case "result": {
        const pending = this.#take(message.id);
        if (pending) pending.resolve(message.value, message.refs);
        else if (message.refs.length > 0) this.taken(message.id);
        return;
      }
      case "failure":
        return this.#take(message.id)?.fail(executedWord(message.executed), message.error);
      case "item":
        return this.#receiveItem(message);
      case "settled":
        return this.#settleOneWay(message);
      case "call":
        if (message.kind !== CallKind.callback) break;
        return void this.#lent.call(message);
      case "credit":
        return this.#lent.addCredit(message.id, message.count);
      case "streamStop":
        return this.#lent.stop(message.id);
      case "detach":
        return this.#lent.takeBack([message.slot]);
      case "taken":
        return this.#lent.taken(message.id);
    }
    throw new ProtocolError(`Cannot take a ${message.op} message on a connection for calls`);
  }

  #receiveItem({ id, value, refs }: MessageOf<"item">): void {
    const pending = this.#pending.get(id);
    if (pending?.item) pending.item(value, refs);
    else if (refs.length > 0) this.taken(id);
  }

  #take(id: number): PendingCall | undefined {
    const pending = this.#pending.get(id);
    if (pending !== undefined) this.#pending.delete(id);
    return pending;
  }

  #settleOneWay({ slot, count, bytes, error }: MessageOf<"settled">): void {
    const calls = this.#oneWay.get(slot);
    if (calls === undefined) return;
    calls.count -= count;
    calls.bytes -= bytes;
    if (calls.count <= 0) this.#oneWay.delete(slot);
    calls.listener.settled(count, bytes);
    if (error) calls.listener.failed(decodeError(error));
  }

  #end(info: CloseInfo | undefined, error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const pending: PendingCall[] = [];
    const unsent: PendingCall[] = [];
    const idsUnsent = new Set<number>();
    this.#connection?.eachUnsent((message) => {
      // Others with an id are about calls that have left, or answer calls of the home.
      if (message.op === "call" || message.op === "getData") idsUnsent.add(message.id);
    });
    const { left } = this;
    for (const [id, call] of this.#pending) (left && !idsUnsent.has(id) ? pending : unsent).push(call);
    this.#pending.clear();
    this.#slots.clear();
    this.#waiting = undefined;
    this.#connected.resolve();
    this.#lent.close();
    for (const slot of [...this.#oneWay.keys()]) (left ? pending : unsent).push(...this.#takeOneWay(slot));
    this.#options.onEnd({ pending, unsent, info, error });
  }

  /** What is left of an actor's one-way calls, as one call: one error says it all. */
  #takeOneWay(slot: number): PendingCall[] {
    const calls = this.#oneWay.get(slot);
    if (calls === undefined) return [];
    this.#oneWay.delete(slot);
    const { listener, count, bytes } = calls;
    const lose = (error: Error) => {
      listener.settled(count, bytes);
      listener.failed(error);
    };
    return [{ key: listener.key, resolve() {}, fail() {}, lose }];
  }
}
