/**
 * One actor as a client knows it: its calls, in order, and its loss. All handles of the actor share it.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import {
  type ActorManifest,
  type ActorReference,
  CallKind,
  CallTimeoutError,
  type Encoded,
  type Executed,
  type MessageOf,
} from "../protocol/mod.ts";
import { ActorCall, joinSite } from "./actor_call.ts";
import { createActorFuture, rejectedActorFuture } from "./actor_future.ts";
import { callCancelled, callTimedOut, type PendingBounds, tooManyPending } from "./call_errors.ts";
import type { CallLink, OneWayListener, SentCall } from "./call_link.ts";
import { type CallSite, captureCallSite } from "./call_site.ts";
import { CallReference } from "./external.ts";
import type { Holder } from "./held_key.ts";
import type { LentValues } from "./lent_values.ts";
import { createStreamReader } from "./stream_reader.ts";
import type { ActorFuture, CallOptions } from "./types.ts";
import { endSpan, type Span, startCallSpan, traceparentOf } from "./tracing.ts";
import type { UnobservedErrors } from "./unobserved.ts";

/** What one client may have pending with one actor. */
const MOST_PENDING: PendingBounds = { calls: 100_000, bytes: 64 * 1024 * 1024 };

/** What a call takes over from the call in which it is made. */
export interface InheritedLimits {
  /** Milliseconds until that one's caller stops waiting; `undefined` where it does not. */
  timeLeft(): number | undefined;
  /** The calls that wait for it, of actors that run a bounded number at a time. */
  readonly chain: readonly string[];
  /** Calls `listener` when that one is given up; the function that it returns takes that back. */
  onAbort(listener: (reason: unknown) => void): () => void;
}

/** What all actors of a client share. */
export interface CallSession {
  /** The time. */
  readonly clock: Clock;
  /** Where failures go that nobody looks at. */
  readonly unobserved: UnobservedErrors;
  /** Options of every call, unless its handle has others. */
  readonly calls: CallOptions;
  /** Tells this client's futures from those of others. */
  readonly owner: symbol;
  /** Who makes the call that is made now. */
  holder(): Holder;
  /** What the call that is made now takes over. */
  inherited(): InheritedLimits | undefined;
  /** A number that no other call of the session has. */
  nextCallId(): number;
  /** The link that an actor's calls take now. */
  link(actor: ActorReference): CallLink;
  /** Encodes arguments; functions and streams in them are lent by `lender`, and their numbers noted in `lent`. */
  encode(args: readonly unknown[], holder: Holder, lender: LentValues, lent: number[]): Encoded;
  /** Encodes one value for a generator. */
  encodeValue(value: unknown, holder: Holder): Encoded;
  /** Decodes a result; handles in it are held for `holder`. `owned`: nobody else reads or writes its bytes. */
  decode(value: Uint8Array, refs: readonly string[], holder: Holder, owned: boolean): unknown;
  /** Holds keys until the function is called. */
  hold(keys: readonly string[], holder: Holder): () => void;
  /** Resolves when the scheduler has heard of what came in values and is held; `undefined` where it has. Never rejects. */
  confirmHeld(): Promise<void> | undefined;
  /** Why no call can be made any more; `undefined` while calls can. */
  closed(): Error | undefined;
}

/** A call that is about to be sent. */
interface PreparedCall {
  readonly sent: SentCall;
  readonly link: CallLink;
  readonly holder: Holder;
  /** Numbers of functions and streams among its arguments. */
  readonly lent: readonly number[];
  /** Milliseconds that it may take; `undefined` for any time. */
  readonly timeout: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly inherited: InheritedLimits | undefined;
  /** Its trace, where somebody traces. */
  readonly span: Span | undefined;
}

/** One actor of one client. */
export class RemoteActor implements OneWayListener {
  /** Names it on the wire. */
  readonly reference: ActorReference;
  /** Its members. */
  readonly manifest: ActorManifest;
  readonly #session: CallSession;
  #lost: ((executed: Executed) => Error) | undefined;
  #pendingCalls = 0;
  #pendingBytes = 0;
  /** One-way calls that have not ended, and what is in the arguments of some of them. */
  #oneWay = 0;
  #oneWayHeld: (() => void)[] = [];

  constructor(reference: ActorReference, manifest: ActorManifest, session: CallSession) {
    this.reference = reference;
    this.manifest = manifest;
    this.#session = session;
  }

  /** Its cluster-wide name. */
  get key(): string {
    return this.reference.key;
  }

  /**
   * Calls a method, or reads an attribute where `kind` says so. Never throws: what cannot be sent rejects.
   *
   * @param owner Who is asked for unobserved failures: the handle's target.
   */
  call(
    name: string,
    kind: number,
    args: readonly unknown[],
    options: CallOptions,
    owner: unknown,
  ): ActorFuture<unknown> {
    const repr = this.#repr(name);
    const { unobserved } = this.#session;
    const site = captureCallSite();
    let prepared: PreparedCall;
    try {
      prepared = this.#prepare(name, kind, args, options, undefined);
    } catch (error) {
      const reference = () => new CallReference(this.#session.owner, `${this.manifest.className}.${name}`, true);
      return rejectedActorFuture<unknown>(joinSite(error, "", site), { repr, unobserved, owner, reference });
    }
    const call = this.#begin(prepared, site);
    const resolvers = createActorFuture<unknown>({
      repr,
      unobserved,
      owner,
      reference: () => call.reference(),
      onCancel: (reason) => call.abort(reason),
    });
    call.send(prepared.sent, resolvers);
    return resolvers.future;
  }

  /** Calls a generator method. Nothing is sent before the first step. */
  stream(name: string, args: readonly unknown[], options: CallOptions): AsyncGenerator<unknown, unknown, unknown> {
    const site = captureCallSite();
    const holder = this.#session.holder();
    return createStreamReader({
      repr: this.#repr(name),
      prefetch: options.prefetch ?? true,
      begin: (sink, credit) => {
        const prepared = this.#prepare(name, CallKind.method, args, options, credit);
        const call = this.#begin(prepared, site);
        call.send(prepared.sent, sink);
        return call;
      },
      decode: (value, refs) => this.#session.decode(value, refs, holder, true),
    });
  }

  /** Calls a method and wants no answer. What fails is reported as what nobody looks at is. */
  send(name: string, args: readonly unknown[], options: CallOptions): void {
    const site = captureCallSite();
    try {
      const { sent, link, holder, span } = this.#prepare(name, CallKind.oneWay, args, options, undefined);
      if (sent.refs.length > 0) this.#oneWayHeld.push(this.#session.hold(sent.refs, holder));
      this.#oneWay++;
      link.callOneWay(this.reference, sent, this);
      endSpan(span);
    } catch (error) {
      this.#report(name, joinSite(error, "", site));
    }
  }

  settled(count: number, bytes: number): void {
    this.#giveRoom(count, bytes);
    this.#oneWay -= count;
    // Which of them have ended is not said: what is in their arguments is held until all have.
    if (this.#oneWay <= 0) { for (const letGo of this.#oneWayHeld.splice(0)) letGo(); }
  }

  failed(error: Error): void {
    // Whoever closes a client knows that.
    if (this.#session.closed()) return;
    this.#report("a one-way call", error);
  }

  /** It is gone: every later call rejects at once. What is pending is settled by the routes. */
  lose(error: (executed: Executed) => Error): void {
    this.#lost ??= error;
  }

  /**
   * Makes a call ready to be sent, and takes room for it.
   *
   * @throws Why it cannot be.
   */
  #prepare(
    name: string,
    kind: number,
    args: readonly unknown[],
    options: CallOptions,
    credit: number | undefined,
  ): PreparedCall {
    const session = this.#session;
    const { calls } = session;
    const named = { key: this.key, name };
    const gone = this.#lost?.("no") ?? session.closed();
    if (gone) throw gone;
    const signal = options.signal ?? calls.signal;
    if (signal?.aborted) throw callCancelled(named, "no", signal.reason);
    const inherited = session.inherited();
    const timeout = shorter(options.timeout ?? calls.timeout, inherited?.timeLeft());
    if (timeout !== undefined && timeout <= 0) throw callTimedOut(named, "no", timeout);

    const link = session.link(this.reference);
    const holder = session.holder();
    const lent: number[] = [];
    let encoded: Encoded;
    try {
      encoded = kind === CallKind.attribute ? NO_ARGUMENTS : session.encode(args, holder, link.lent, lent);
      this.#takeRoom(name, encoded.bytes.length);
    } catch (error) {
      link.lent.takeBack(lent);
      throw error;
    }

    const span = startCallSpan({ className: this.manifest.className, method: name, key: this.key });
    const sent: SentCall = {
      id: session.nextCallId(),
      kind,
      name,
      args: encoded.bytes,
      refs: encoded.refs,
      deadline: timeout === undefined ? undefined : Math.ceil(timeout),
      priority: encodePriority(options.priority ?? calls.priority),
      credit,
      trace: span && traceparentOf(span),
      chain: kind === CallKind.oneWay ? NO_CHAIN : inherited?.chain ?? NO_CHAIN,
    };
    return { sent, link, holder, lent, timeout, signal, inherited, span };
  }

  /** The call that is watched until it is over. */
  #begin({ sent, link, holder, lent, timeout, signal, inherited, span }: PreparedCall, site: CallSite): ActorCall {
    const { id, name, refs, args } = sent;
    const size = args.length;
    const call = new ActorCall(this.#session, {
      actor: this.reference,
      className: this.manifest.className,
      name,
      link,
      id,
      holder,
      site,
      refs,
      lent,
      span,
      onSettled: () => this.#giveRoom(1, size),
    });
    if (signal) call.follow(signal);
    if (timeout !== undefined) call.limit(timeout);
    if (inherited) {
      call.onOver(inherited.onAbort((reason) => {
        // A deadline it has itself.
        if (!(reason instanceof CallTimeoutError)) call.abort(reason);
      }));
    }
    return call;
  }

  #takeRoom(name: string, size: number): void {
    const pending = { calls: this.#pendingCalls, bytes: this.#pendingBytes };
    const isFull = pending.calls >= MOST_PENDING.calls ||
      pending.bytes + size > MOST_PENDING.bytes && pending.calls > 0;
    if (isFull) throw tooManyPending({ key: this.key, name }, pending, MOST_PENDING);
    this.#pendingCalls++;
    this.#pendingBytes += size;
  }

  #giveRoom(calls: number, bytes: number): void {
    this.#pendingCalls -= calls;
    this.#pendingBytes -= bytes;
  }

  #report(name: string, error: unknown): void {
    rejectedActorFuture(error, { repr: this.#repr(name), unobserved: this.#session.unobserved });
  }

  #repr(name: string): string {
    return `<ActorFuture: ${this.manifest.className}.${name}>`;
  }
}

const NO_ARGUMENTS: Encoded = { bytes: new Uint8Array(0), refs: [] };
const NO_CHAIN: MessageOf<"call">["chain"] = Object.freeze([]);

/** The shorter of two times, each of which may be without end. A call that is to take as long as it likes does. */
function shorter(own: number | undefined, inherited: number | undefined): number | undefined {
  if (own === Infinity) return undefined;
  // A call whose time is up already is over for its caller: what is called now is to clean up.
  if (inherited === undefined || inherited <= 0) return own;
  return own === undefined ? inherited : Math.min(own, inherited);
}

/** A priority on the wire is a whole number: 2^31 stands for 0. */
function encodePriority(priority: number | undefined): number | undefined {
  return priority === undefined || priority === 0 ? undefined : Math.max(0, Math.round(priority) + 2 ** 31);
}
