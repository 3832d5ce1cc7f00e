/**
 * One live actor: its object, the calls that wait for it or run, and its end.
 *
 * A call starts in the very turn in which it arrives, unless others are before it, the isolate's other work has its turn,
 * or as many calls run as may. So calls start in the order of arrival, sync methods run to completion, and `async` ones
 * interleave wherever they await.
 *
 * @module
 */

import {
  type ActorLostError,
  type ActorManifest,
  type ActorNotFoundError,
  type ActorReference,
  CallKind,
  type Executed,
  type LossReason,
  type MessageOf,
} from "../protocol/mod.ts";
import type { Actor } from "../client/types.ts";
import { type AttributeMember, membersOf, type MethodMember, type MethodTable } from "./actor_class.ts";
import { ActiveCall, CallContext, type CallOwner, type CallReceiver } from "./active_call.ts";
import type { ActorCounters } from "./call_counters.ts";
import { CallQueue } from "./call_queue.ts";
import { linkOf } from "./call_chain.ts";
import {
  deadlock,
  encodeRefusal,
  full,
  leaving,
  lost,
  nobodyReads,
  noSuchMember,
  notFound,
  tooLate,
} from "./call_refusals.ts";
import { type IsolateLoop, UNLIMITED } from "./isolate_loop.ts";
import type { IsolateScope } from "./isolate_scope.ts";
import type { OnStuck } from "./loop_state.ts";
import { decodePlainArguments, type FutureValues, NO_VALUES } from "./references.ts";
import type { TurnTaker } from "./turns.ts";

/** What the calls of one actor may take. */
export interface CallBounds {
  /** How many run at a time. */
  readonly concurrency: number;
  /** How many run or wait. */
  readonly maxPending: number;
  /** Bytes of the arguments of those that wait. */
  readonly maxPendingBytes: number;
  /** What is done when a deadline passes while the isolate is held up. */
  readonly onStuck: OnStuck;
}

/** Bounds of actors that were created without any. */
export const DEFAULT_BOUNDS: CallBounds = Object.freeze({
  concurrency: Infinity,
  maxPending: 1_000_000,
  maxPendingBytes: 256 * 1024 * 1024,
  onStuck: "abandon",
});

/** What makes an instance. */
export interface ActorInstanceOptions {
  /** The object. */
  readonly object: object;
  /** The cluster-wide name. */
  readonly key: string;
  /** 64 random bits of this instance. */
  readonly incarnation: string;
  /** The secret that an attaching caller has to know. */
  readonly tag: Uint8Array;
  /** Where it lives. */
  readonly scope: IsolateScope;
  /** What its calls may take. */
  readonly bounds: CallBounds;
  /** Name of its class or factory. */
  readonly className: string;
  /** Makes what counts its calls. */
  readonly count: (methods: ActorManifest["methods"]) => ActorCounters;
  /** Told of errors that no caller hears of. */
  readonly onUnhandled: (error: unknown, actor: string) => void;
}

/** Shared by all that run nothing, and never filled: an idle actor is to weigh little. */
const NO_CALLS: Set<ActiveCall> = new Set();

/** One live actor. */
export class ActorInstance implements CallOwner, TurnTaker {
  /** The cluster-wide name. */
  readonly key: string;
  /** 64 random bits of this instance. */
  readonly incarnation: string;
  /** The secret that an attaching caller has to know. */
  readonly tag: Uint8Array;
  /** The encoded manifest. */
  readonly manifest: Uint8Array;
  /** Where it lives. */
  readonly scope: IsolateScope;
  readonly loop: IsolateLoop;
  readonly className: string;
  readonly counters: ActorCounters;
  readonly #onUnhandled: (error: unknown, actor: string) => void;
  readonly #object: object;
  readonly #table: MethodTable;
  readonly #bounds: CallBounds;
  /** Calls that run and have not been answered. */
  #running = NO_CALLS;
  /** How many methods have not come to their end, answered or not. */
  #occupied = 0;
  /** The same by their names in chains, where only so many may run. */
  #occupants: Set<string> | undefined;
  #calls = 0;
  /** Calls that wait; made with the first of them. */
  #queue: CallQueue | undefined;
  #ended: LossReason | "released" | undefined;
  /** Set when it takes no more calls, resolved when none is under way. */
  #drained: PromiseWithResolvers<void> | undefined;

  /** Looks at the object, once. Its getters are not run. */
  constructor(options: ActorInstanceOptions) {
    this.key = options.key;
    this.incarnation = options.incarnation;
    this.tag = options.tag;
    this.scope = options.scope;
    this.className = options.className;
    this.loop = options.scope.loop;
    this.#onUnhandled = options.onUnhandled;
    this.#object = options.object;
    this.#bounds = options.bounds;
    const { table, manifest, encoded } = membersOf(options.className, options.object);
    this.#table = table;
    this.manifest = encoded;
    this.counters = options.count(manifest.methods);
  }

  /** A new handle of this actor. */
  handle(): Actor<unknown> {
    return this.scope.session.handleOf(this.#reference());
  }

  /**
   * Runs a call, now or when its turn comes, or refuses it. Whatever happens, the receiver gets exactly one answer. A call
   * with futures among its arguments waits for their values, and what the same receiver calls meanwhile waits behind it.
   */
  call(message: MessageOf<"call">, receiver: CallReceiver): void {
    if (this.#ended !== undefined) return this.#refuse(message, receiver, this.#lost("no"));
    if (this.#drained !== undefined) {
      return this.#refuse(message, receiver, leaving(this.key, message.name, this.scope.worker.name));
    }
    const waits = message.refs.length > 0 || this.#waiting > 0 || !this.#hasRoom || !this.loop.turns.free;
    if (waits || receiver.room !== undefined || this.#running.size >= this.#bounds.maxPending) {
      return this.#enqueue(message, receiver);
    }
    const { deadline } = message;
    if (deadline === undefined) return void this.#start(message, receiver, NO_VALUES, Infinity);
    if (deadline === 0) return this.#refuse(message, receiver, tooLate(this.key, message));
    this.#start(message, receiver, NO_VALUES, this.loop.clock.now() + deadline);
  }

  /** Takes no more calls; resolves when those that run or wait have been answered. */
  drain(): Promise<void> {
    this.#drained ??= Promise.withResolvers<void>();
    this.#settleDrain();
    return this.#drained.promise;
  }

  /**
   * Takes no more calls. Those under way fail as lost, and their signals abort.
   *
   * @param reason What callers are told.
   */
  end(reason: LossReason | "released"): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    this.counters.end();
    this.#queue?.end(() => this.#lost("no"));
    for (const call of [...this.#running]) call.lose(this.#lost("unknown"));
  }

  /**
   * Runs the object's own dispose hook: `[Symbol.asyncDispose]`, or else `[Symbol.dispose]`.
   *
   * @throws Whatever the hook throws.
   */
  async dispose(): Promise<void> {
    const object = this.#object as Partial<AsyncDisposable & Disposable>;
    const hook = object[Symbol.asyncDispose] ?? object[Symbol.dispose];
    if (typeof hook === "function") await this.loop.apply(new CallContext(this), UNLIMITED, hook, object, []);
  }

  takeTurn(): boolean {
    if (this.#mayBegin) this.#begin();
    return this.#mayBegin;
  }

  lost(): Error | undefined {
    return this.#ended === undefined ? undefined : this.#lost("unknown");
  }

  onPending(call: ActiveCall): void {
    this.#occupied++;
    if (this.#running === NO_CALLS) this.#running = new Set();
    this.#running.add(call);
    if (this.#isBounded) (this.#occupants ??= new Set()).add(call.chain.at(-1)!);
  }

  onAnswered(call: ActiveCall): void {
    this.#running.delete(call);
    // Its answer goes out in this turn, before whoever waits here goes on.
    this.#settleDrain();
  }

  onFinished(call: ActiveCall): void {
    this.#occupied--;
    this.#occupants?.delete(call.chain.at(-1)!);
    this.#advance();
  }

  reportUnhandled(error: unknown): void {
    this.#onUnhandled(error, this.key);
  }

  get #isBounded(): boolean {
    return this.#bounds.concurrency !== Infinity;
  }

  get #hasRoom(): boolean {
    return this.#occupied < this.#bounds.concurrency;
  }

  /** Whether a call that waits can start. */
  get #mayBegin(): boolean {
    return this.#queue !== undefined && this.#queue.ready && this.#hasRoom && this.#ended === undefined;
  }

  get #waiting(): number {
    return this.#queue === undefined ? 0 : this.#queue.size;
  }

  #enqueue(message: MessageOf<"call">, receiver: CallReceiver): void {
    const queue = this.#queue ??= this.#createQueue();
    const { maxPending: mostCalls, maxPendingBytes: mostBytes } = this.#bounds;
    const calls = this.#running.size + queue.size;
    const { bytes } = queue;
    if (calls >= mostCalls || bytes + message.args.length > mostBytes) {
      const { age } = queue;
      return this.#refuse(message, receiver, full(this.key, message.name, { calls, bytes, mostCalls, mostBytes, age }));
    }
    if (!this.#hasRoom && this.#allWaitFor(message.chain)) {
      return this.#refuse(message, receiver, deadlock(this.key, message.name, message.chain));
    }
    if (this.#table.has(message.name)) this.counters.queued(message.name);
    queue.add(message, receiver);
  }

  #createQueue(): CallQueue {
    const { key, loop, scope } = this;
    return new CallQueue({
      key,
      loop,
      prepare: (args, refs) => scope.prepare(args, refs),
      onReady: () => this.#advance(),
      onLeft: ({ message, receiver }, refusal) => {
        if (this.#table.has(message.name)) this.counters.unqueued(message.name);
        if (!refusal) return;
        this.#refuse(message, receiver, refusal.error);
        this.#settleDrain();
      },
    });
  }

  /** Starts what waits, as far as there is room and time. */
  #advance(): void {
    while (this.#mayBegin) {
      if (!this.loop.turns.free) return this.loop.turns.ask(this);
      this.#begin();
    }
  }

  #begin(): void {
    const next = this.#queue!.next();
    if (next === undefined) return;
    const { message, receiver, values, deadline, since, said } = next;
    const now = this.loop.clock.now();
    // A loop that was held up has fired no timers.
    if (deadline <= now) this.#refuse(message, receiver, tooLate(this.key, message));
    else {
      const call = this.#start(message, receiver, values, deadline, now - since);
      if (call) { for (const say of said ?? []) say(call); }
    }
    this.#settleDrain();
  }

  /** Starts a call; gives it back where it has. */
  #start(
    message: MessageOf<"call">,
    receiver: CallReceiver,
    values: FutureValues,
    deadline: number,
    waited = 0,
  ): ActiveCall | undefined {
    const { kind, name } = message;
    const member = this.#table.get(name);
    const isRead = kind === CallKind.attribute;
    const isWrong = member === undefined || isRead !== (member.type === "attribute");
    if (isWrong) {
      return void this.#refuse(message, receiver, noSuchMember(this.key, isRead ? "attribute" : "method", name));
    }
    if (kind === CallKind.oneWay && isStreamed(member)) {
      return void this.#refuse(message, receiver, nobodyReads(this.key, name));
    }
    let args: unknown[];
    try {
      args = isRead ? [this.#object, name] : this.#decode(message, receiver, values);
    } catch (error) {
      return void this.#refuse(message, receiver, error);
    }
    const brought = receiver.takeStreams();
    const { onStuck } = this.#bounds;
    const chain = this.#isBounded ? [...message.chain, linkOf(this.key, ++this.#calls)] : message.chain;
    const confirmed = message.refs.length > 0 ? this.scope.confirmHeld() : undefined;
    const call = new ActiveCall(this, { message, receiver, deadline, onStuck, chain, brought, waited, confirmed });
    this.counters.started(call, message.args.length);
    if (member.type === "attribute") call.run(Reflect.get, undefined, args);
    else if (isStreamed(member)) call.stream(member.method, this.#object, args);
    else call.run(member.method, this.#object, args);
    return call;
  }

  #decode({ args, refs }: MessageOf<"call">, receiver: CallReceiver, values: FutureValues): unknown[] {
    const local = receiver.lentTo(this.key);
    if (refs.length === 0) return decodePlainArguments(args, local);
    return this.scope.decodeArguments(args, { values, holder: this.key, local });
  }

  /** Whether all calls that run wait for one of this chain, which would then wait for ever. */
  #allWaitFor(chain: readonly string[]): boolean {
    for (const occupant of this.#occupants ?? []) if (!chain.includes(occupant)) return false;
    return true;
  }

  #settleDrain(): void {
    if (this.#running.size === 0 && this.#waiting === 0) this.#drained?.resolve();
  }

  #refuse(message: MessageOf<"call">, receiver: CallReceiver, error: unknown): void {
    receiver.failure(message.id, "no", encodeRefusal(error));
  }

  #reference(): ActorReference {
    const { key, incarnation, tag, manifest } = this;
    const { home, address, settings } = this.scope;
    const { worker, host, hostAddress } = settings;
    return { key, incarnation, worker, host, home, address, hostAddress, tag, manifest };
  }

  #lost(executed: Executed): ActorLostError | ActorNotFoundError {
    const reason = this.#ended!;
    // Who calls what was given back learns no more than who never had it.
    if (reason === "released" && executed === "no") return notFound(this.key);
    return lost(this.key, this.scope.worker, reason, executed);
  }
}

function isStreamed(member: MethodMember | AttributeMember): boolean {
  return member.type === "method" && (member.kind === "generator" || member.kind === "asyncGenerator");
}
