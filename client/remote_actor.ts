/**
 * One actor as a client knows it: its calls, in order, and its loss. All handles of the actor share it.
 *
 * @module
 */

import {
  type ActorManifest,
  type ActorReference,
  CallKind,
  type Encoded,
  encodeValue,
  type Executed,
  type MessageOf,
} from "../protocol/mod.ts";
import { ActorCall, type CalledActor, type PreparedCall } from "./actor_call.ts";
import { createActorFuture, rejectedActorFuture } from "./actor_future.ts";
import { callCancelled, callTimedOut, type PendingBounds, tooManyPending } from "./call_errors.ts";
import type { CallLink, OneWayListener } from "./call_link.ts";
import { type CallSession, NO_CHAIN } from "./call_session.ts";
import { captureCallSite, joinSite } from "./call_site.ts";
import { CallReference } from "./external.ts";
import { createStreamReader } from "./stream_reader.ts";
import type { ActorFuture, CallOptions } from "./types.ts";
import { endSpan, isTracing, startCallSpan, traceparentOf } from "./tracing.ts";

/** What one client may have pending with one actor. */
const MOST_PENDING: PendingBounds = { calls: 100_000, bytes: 64 * 1024 * 1024 };

/** One actor of one client. */
export class RemoteActor implements OneWayListener, CalledActor {
  /** Names it on the wire. */
  readonly reference: ActorReference;
  /** Its members. */
  readonly manifest: ActorManifest;
  readonly #session: CallSession;
  #lost: ((executed: Executed) => Error) | undefined;
  /** The way that the last call took: it is kept while it is open. */
  #link: CallLink | undefined;
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
    const session = this.#session;
    const site = captureCallSite();
    let prepared: PreparedCall;
    try {
      prepared = this.#prepare(name, kind, args, options, undefined);
    } catch (error) {
      return rejectedActorFuture<unknown>(joinSite(error, "", site), {
        repr: this.#repr(name),
        unobserved: session.unobserved,
        owner,
        reference: () => new CallReference(session.owner, `${this.manifest.className}.${name}`, true),
      });
    }
    const call = new ActorCall({ session, actor: this, prepared, site, owner });
    const resolvers = createActorFuture<unknown>(call);
    call.send(resolvers);
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
        const call = new ActorCall({ session: this.#session, actor: this, prepared, site });
        call.send(sink);
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
      link.callOneWay(sent, this);
      endSpan(span);
    } catch (error) {
      this.#report(name, joinSite(error, "", site));
    }
  }

  settled(count: number, bytes: number): void {
    this.giveRoom(count, bytes);
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
    const gone = this.#lost?.("no") ?? session.closed();
    if (gone) throw gone;
    const signal = options.signal ?? calls.signal;
    if (signal?.aborted) throw callCancelled({ key: this.key, name }, "no", signal.reason);
    const inherited = session.inherited();
    const timeout = shorter(options.timeout ?? calls.timeout, inherited?.timeLeft());
    if (timeout !== undefined && timeout <= 0) throw callTimedOut({ key: this.key, name }, "no", timeout);

    const link = this.#link?.open ? this.#link : this.#link = session.link(this.reference);
    const holder = session.holder();
    let lent: number[] | undefined;
    let encoded: Encoded;
    try {
      if (kind === CallKind.attribute) encoded = NO_ARGUMENTS;
      else if (args.every(isPlain)) encoded = encodeValue(args, PLAIN_ARGUMENTS);
      else encoded = session.encode(args, holder, link.lent, lent = []);
      this.#takeRoom(name, encoded.bytes.length);
    } catch (error) {
      if (lent) link.lent.takeBack(lent);
      throw error;
    }

    const span = isTracing()
      ? startCallSpan({ className: this.manifest.className, method: name, key: this.key })
      : undefined;
    const sent: MessageOf<"call"> = {
      op: "call",
      id: session.nextCallId(),
      slot: link.slotOf(this.reference),
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
    return { sent, link, holder, lent: lent ?? NOTHING_LENT, timeout, signal, inherited, span };
  }

  #takeRoom(name: string, size: number): void {
    const calls = this.#pendingCalls;
    const bytes = this.#pendingBytes;
    const isFull = calls >= MOST_PENDING.calls || bytes + size > MOST_PENDING.bytes && calls > 0;
    if (isFull) throw tooManyPending({ key: this.key, name }, { calls, bytes }, MOST_PENDING);
    this.#pendingCalls++;
    this.#pendingBytes += size;
  }

  /** Calls are over, and with them their arguments of so many bytes. */
  giveRoom(calls: number, bytes: number): void {
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
const NOTHING_LENT: readonly number[] = Object.freeze([]);
const PLAIN_ARGUMENTS = Object.freeze({ root: "args" } as const);

/** What can hold no handle, future, function or stream: most arguments are encoded without anybody to ask for those. */
function isPlain(value: unknown): boolean {
  const type = typeof value;
  return type === "object" ? value === null || value instanceof Uint8Array : type !== "function";
}

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
