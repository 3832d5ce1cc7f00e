/**
 * Calls over one connection to one home of a worker: slots for actors, and what is pending.
 *
 * @module
 */

import type { Connection, ConnectionReceiver } from "../connection/mod.ts";
import {
  type ActorReference,
  CloseCode,
  type CloseInfo,
  type Executed,
  executedWord,
  type Message,
  type MessageOf,
  ProtocolError,
} from "../protocol/mod.ts";

/** One call, or one question for data, that waits for its answer. */
export interface PendingCall {
  /** Key of its actor, or of the data. */
  readonly key: string;
  /** It may be asked again elsewhere: where the connection breaks, nobody has to find out whether it ran. */
  readonly repeatable?: boolean;
  /** It returned: the encoded value, and the keys of the actors in it. */
  resolve(value: Uint8Array, refs: readonly string[]): void;
  /** The callee, or someone on the way, refused it or it threw: an error envelope. */
  fail(executed: Executed, envelope: Uint8Array): void;
  /** It will never be answered. */
  lose(error: Error): void;
}

/** What a link is made with. */
export interface CallLinkOptions {
  /**
   * Opens the connection; told who receives its messages. Called at once; calls made until it resolves wait in order.
   * Where it rejects, nothing of them has left.
   */
  readonly connect: (receiver: ConnectionReceiver) => Promise<Connection>;
  /** Told once, when the link can take no more calls, with the calls that were pending and whether any can have left. */
  readonly onEnd: (end: CallLinkEnd) => void;
}

/** The end of a link. */
export interface CallLinkEnd {
  /** What was pending. */
  readonly pending: readonly PendingCall[];
  /** The connection's end, where there was a connection. */
  readonly info: CloseInfo | undefined;
  /** Why there was none. */
  readonly error: Error | undefined;
}

/** Calls to the actors of one home, in order. */
export class CallLink {
  readonly #options: CallLinkOptions;
  readonly #pending = new Map<number, PendingCall>();
  readonly #slots = new Map<string, number>();
  #connection: Connection | undefined;
  #waiting: Message[] | undefined = [];
  #nextSlot = 1;
  #ended = false;

  constructor(options: CallLinkOptions) {
    this.#options = options;
    options.connect({
      onMessage: (message) => this.#receive(message),
      onClose: (info) => this.#end(info, undefined),
    }).then((connection) => {
      if (this.#ended) return connection.close(CloseCode.normal, "not needed any more");
      this.#connection = connection;
      for (const message of this.#waiting ?? []) connection.send(message);
      this.#waiting = undefined;
    }, (error) => this.#end(undefined, error));
  }

  /** Whether it takes calls. */
  get open(): boolean {
    return !this.#ended;
  }

  /** How many calls wait for their answers. */
  get pendingCalls(): number {
    return this.#pending.size;
  }

  /** Sends a call; its answer goes to `pending`. */
  call(actor: ActorReference, call: Omit<MessageOf<"call">, "op" | "slot">, pending: PendingCall): void {
    const slot = this.#slot(actor);
    this.#pending.set(call.id, pending);
    this.#send({
      op: "call",
      id: call.id,
      slot,
      kind: call.kind,
      name: call.name,
      args: call.args,
      refs: call.refs,
      deadline: call.deadline,
      priority: call.priority,
      credit: call.credit,
      trace: call.trace,
    }, true);
  }

  /** Asks the home for a value that it keeps; the answer goes to `pending`. */
  getData(id: number, pending: PendingCall): void {
    this.#pending.set(id, pending);
    this.#send({ op: "getData", id, key: pending.key });
  }

  /** Tells the home that it need not hold what is in a result any more. */
  taken(id: number): void {
    this.#send({ op: "taken", id });
  }

  /** Tells the callee that nobody waits for an answer any more. */
  cancel(id: number): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    const slot = this.#slots.get(pending.key);
    if (slot !== undefined) this.#send({ op: "cancel", id, slot, reason: undefined });
  }

  /** Gives an actor's slot back. What is pending of it is still answered. */
  detach(key: string): void {
    const slot = this.#slots.get(key);
    if (slot === undefined) return;
    this.#slots.delete(key);
    this.#send({ op: "detach", slot });
  }

  /** Gives an actor's slot back, and takes what is pending of it: its answers are not wanted. */
  forget(key: string): PendingCall[] {
    this.detach(key);
    const taken: PendingCall[] = [];
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

  #slot(actor: ActorReference): number {
    const existing = this.#slots.get(actor.key);
    if (existing !== undefined) return existing;
    const slot = this.#nextSlot++;
    this.#slots.set(actor.key, slot);
    this.#send({ op: "attach", slot, key: actor.key, incarnation: actor.incarnation, tag: actor.tag });
    return slot;
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
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message on a connection for calls`);
    }
  }

  #take(id: number): PendingCall | undefined {
    const pending = this.#pending.get(id);
    if (pending !== undefined) this.#pending.delete(id);
    return pending;
  }

  #end(info: CloseInfo | undefined, error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    this.#slots.clear();
    this.#waiting = undefined;
    this.#options.onEnd({ pending, info, error });
  }
}
