/**
 * Serves one caller: its connection's slots, calls, streams, and the functions that it lends.
 *
 * @module
 */

import { Untaken } from "../client/untaken.ts";
import {
  acceptConnection,
  closeSlowConsumer,
  type Connection,
  type ConnectionReceiver,
  type Transport,
} from "../connection/mod.ts";
import {
  CallCancelledError,
  CallKind,
  CloseCode,
  type CloseInfo,
  decodeValue,
  DEFAULT_LIMITS,
  DependencyLostError,
  encodeBody,
  type Encoded,
  encodeError,
  type Executed,
  executedNumber,
  type Limits,
  type Message,
  type MessageOf,
  type PlainWelcome,
  ProtocolError,
  TROUPE_VERSION,
} from "../protocol/mod.ts";
import type { CallReceiver, LocalMaker, PendingCall } from "./active_call.ts";
import type { ActorHome } from "./actor_home.ts";
import type { ActorInstance } from "./actor_instance.ts";
import { notFound } from "./call_refusals.ts";
import type { CallerStream } from "./caller_stream.ts";
import { CallerValues } from "./caller_values.ts";
import { OneWayCalls } from "./one_way_calls.ts";
import { OWN_ARGUMENTS } from "./references.ts";
import type { StoredResult, StoredResults } from "./result_store.ts";

/** Milliseconds that what was in the last results is held after the connection of whoever called has broken. */
const UNTAKEN_TIME = 10_000;

/** Options of {@linkcode serveCaller}. */
export interface ServeCallerOptions {
  /** What a caller may do. */
  readonly limits?: Limits;
  /** Results that a caller may ask for; left out where none are kept. */
  readonly results?: StoredResults | undefined;
}

/**
 * Serves a caller, direct or relayed, from its hello to its end. One that says it is anything else is refused.
 *
 * @returns The connection, so that whoever ends the home can end it too.
 */
export function serveCaller(transport: Transport, home: ActorHome, options: ServeCallerOptions = {}): Connection {
  const { limits = DEFAULT_LIMITS, results } = options;
  return acceptConnection(transport, {
    clock: home.clock,
    limits,
    onHello(connection, hello, version) {
      if (hello.role !== "caller") {
        throw new ProtocolError(`Cannot serve the role ${JSON.stringify(hello.role)} here, only callers`);
      }
      const welcome: PlainWelcome = { troupe: TROUPE_VERSION, runtime: `deno ${Deno.version.deno}` };
      connection.send({ op: "welcome", version, body: encodeBody(welcome) });
      return new CallServer(connection, home, limits, results);
    },
  });
}

/** A slot that was attached: an actor, or the key of one that is not there or not the caller's. */
type Slot = ActorInstance | string;

/** The same for all callers, so that no call makes it anew. */
const NO_STREAMS: readonly CallerStream[] = Object.freeze([]);

/** One caller. Answers go out with the others of their turn, as the connection gathers them. */
class CallServer implements ConnectionReceiver, CallReceiver {
  readonly caller = this;
  readonly #connection: Connection;
  readonly #home: ActorHome;
  readonly #limits: Limits;
  readonly #results: StoredResults | undefined;
  readonly #slots = new Map<number, Slot>();
  readonly #pending = new Map<number, PendingCall>();
  readonly #oneWay: OneWayCalls;
  /** What is in results and items, held until the caller says that the scheduler knows of him. */
  readonly #untaken = new Untaken();
  /** Who gets the arguments that are decoded now. */
  #holder = "";
  readonly #maker: LocalMaker = {
    ...OWN_ARGUMENTS,
    callable: (id) => this.#lent.createFunction(id, this.#holder),
    stream: (id, kind) => {
      const stream = this.#lent.createStream(id, this.#holder);
      this.#streams = [...this.#streams, stream];
      return kind === "readable" ? stream.toReadable() : stream;
    },
  };
  #streams: readonly CallerStream[] = NO_STREAMS;
  #values: CallerValues | undefined;
  #stopListening = () => {};
  readonly #stopLooking: () => void;

  constructor(connection: Connection, home: ActorHome, limits: Limits, results: StoredResults | undefined) {
    this.#connection = connection;
    this.#home = home;
    this.#limits = limits;
    this.#results = results;
    this.#oneWay = new OneWayCalls(this, (message) => connection.send(message));
    this.#stopLooking = closeSlowConsumer(connection, { clock: home.clock, limits });
  }

  onMessage(message: Message): void {
    switch (message.op) {
      case "call":
        return this.#call(message);
      case "attach":
        return this.#attach(message);
      case "detach":
        this.#slots.delete(message.slot);
        return;
      case "cancel":
        return this.#cancel(message);
      case "credit":
        return this.#pending.get(message.id)?.onReader((call) => call.addCredit(message.count));
      case "resume":
        return this.#pending.get(message.id)?.onReader((call) =>
          call.resume(message.kind, message.value, message.refs)
        );
      case "result":
      case "failure":
      case "item":
      case "streamEnd":
        return this.#values?.receive(message);
      case "getData":
        return void this.#getData(message);
      case "taken":
        return this.#untaken.take(message.id);
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message from a caller`);
    }
  }

  get room(): Promise<void> | undefined {
    return this.#connection.sendQueue.room;
  }

  onClose({ code }: CloseInfo): void {
    this.#stopLooking();
    const gone = new CallCancelledError("The caller is gone: its connection closed");
    // The last first: whatever waits behind another must not get its turn now.
    for (const call of [...this.#pending.values()].reverse()) call.cancel(gone);
    this.#slots.clear();
    this.#stopListening();
    this.#values?.close();
    if (this.#untaken.size === 0) return;
    // Whoever closes holds nothing any more. Else the scheduler may hear of what he got later than this of the end.
    if (code === CloseCode.normal) this.#untaken.clear();
    else this.#home.later(UNTAKEN_TIME, () => this.#untaken.clear());
  }

  result(id: number, { bytes, refs }: Encoded): void {
    this.#hold(id, refs);
    this.#connection.send({ op: "result", id, value: bytes, refs }, true);
  }

  item(id: number, { bytes, refs }: Encoded): void {
    this.#hold(id, refs);
    this.#connection.send({ op: "item", id, value: bytes, refs }, true);
  }

  failure(id: number, executed: Executed, error: Uint8Array): void {
    this.#connection.send({ op: "failure", id, executed: executedNumber(executed), error });
  }

  onPending(call: PendingCall): void {
    this.#pending.set(call.id, call);
    const most = this.#limits.outstandingCalls * 2;
    if (this.#pending.size > most) this.#connection.close(CloseCode.tooMany, `More than ${most} calls are outstanding`);
  }

  onSettled(call: PendingCall): void {
    this.#pending.delete(call.id);
  }

  lentTo(holder: string): LocalMaker {
    this.#holder = holder;
    return this.#maker;
  }

  takeStreams(): readonly CallerStream[] {
    const streams = this.#streams;
    if (streams.length > 0) this.#streams = NO_STREAMS;
    return streams;
  }

  /** Made when the caller lends something, as most never do. */
  get #lent(): CallerValues {
    if (this.#values) return this.#values;
    const { scope } = this.#home;
    const values = new CallerValues(this.#connection, {
      encode: (args) => scope.encodeArguments(args),
      decode: (value, refs, holder) => scope.decodeFor(holder, value, refs),
      hold: (refs) => scope.holdResult(refs),
      confirmHeld: () => scope.confirmHeld(),
    });
    this.#stopListening = scope.onHolderEnded((key) => values.endHolder(key));
    return this.#values = values;
  }

  #hold(id: number, refs: readonly string[]): void {
    if (refs.length > 0) this.#untaken.add(id, this.#home.scope.holdResult(refs));
  }

  #call(message: MessageOf<"call">): void {
    if (this.#pending.has(message.id)) {
      throw new ProtocolError(`Cannot take call ${message.id}: one of that id is under way`);
    }
    const receiver = message.kind === CallKind.oneWay ? this.#oneWay.receiverOf(message) : this;
    const slot = this.#slots.get(message.slot);
    if (typeof slot === "object") return slot.call(message, receiver);
    receiver.failure(message.id, "no", encodeError(notFound(slot ?? `of slot ${message.slot}`)));
  }

  async #getData({ id, key }: MessageOf<"getData">): Promise<void> {
    for (let room = this.room; room; room = this.room) await room;
    const give = ({ bytes, refs }: StoredResult) => this.#connection.send({ op: "result", id, value: bytes, refs });
    const refuse = (why: string) => {
      const error = new DependencyLostError(`Cannot give the value of ${key}: ${why}`);
      this.failure(id, "no", encodeError(error));
    };
    const stored = this.#results?.get(key);
    if (stored instanceof Promise) stored.then(give, (error) => refuse((error as Error).message));
    else if (stored) give(stored);
    else refuse("it is not kept here, or not any more");
  }

  #attach({ slot, key, incarnation, tag }: MessageOf<"attach">): void {
    // A wrong tag is found out by the first call, with the same words as an actor that is not there.
    this.#slots.set(slot, this.#home.find(key, incarnation, tag) ?? key);
  }

  #cancel({ id, reason }: MessageOf<"cancel">): void {
    this.#pending.get(id)?.cancel(reason === undefined ? undefined : decodeValue(reason));
  }
}
