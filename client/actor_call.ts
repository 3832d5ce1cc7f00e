/**
 * One call from the moment that it is sent: its deadline, its cancellation and its one outcome.
 *
 * @module
 */

import {
  ActorLostError,
  type ActorManifest,
  type ActorReference,
  CallTimeoutError,
  decodeError,
  encodeError,
  type Executed,
  isRemoteError,
  type MessageOf,
} from "../protocol/mod.ts";
import type { ActorFutureOptions } from "./actor_future.ts";
import { actorLost, callCancelled, callTimedOut } from "./call_errors.ts";
import type { CallLink, PendingCall } from "./call_link.ts";
import { type CallSite, joinSite } from "./call_site.ts";
import { CallReference } from "./external.ts";
import type { Holder } from "./held_key.ts";
import type { CallSession, InheritedLimits } from "./call_session.ts";
import { endSpan, type Span } from "./tracing.ts";
import type { UnobservedErrors } from "./unobserved.ts";

/** Milliseconds that a home is given to say whether a call that was given up had started. */
const VERDICT_TIME = 50;

/** Milliseconds beyond its deadline after which the caller does not wait for its home's word any more. */
const DEADLINE_SLACK = 25;

/** What comes of a call. */
export interface CallSink {
  /** Its value. */
  resolve(value: unknown): void;
  /** Its error; `join` adds to it where the caller's code stands. */
  reject(error: unknown, join: (awaiting: string) => void): void;
  /** An encoded value of its stream. */
  item?(value: Uint8Array, refs: readonly string[]): void;
}

/** A call that is ready to be sent. */
export interface PreparedCall {
  /** As it travels. */
  readonly sent: MessageOf<"call">;
  /** The way that it takes. */
  readonly link: CallLink;
  /** Who made it, and gets what is in its result. */
  readonly holder: Holder;
  /** Numbers of functions and streams among its arguments. */
  readonly lent: readonly number[];
  /** Milliseconds that it may take; `undefined` for any time. */
  readonly timeout: number | undefined;
  /** Ends it. */
  readonly signal: AbortSignal | undefined;
  /** What it takes over from the call in which it is made. */
  readonly inherited: InheritedLimits | undefined;
  /** Its trace, where somebody traces. */
  readonly span: Span | undefined;
}

/** Whose call it is. */
export interface CalledActor {
  /** Names it on the wire. */
  readonly reference: ActorReference;
  /** Its members. */
  readonly manifest: ActorManifest;
  /** Calls of it are over, and their arguments of so many bytes with them. */
  giveRoom(calls: number, bytes: number): void;
  /** It is gone: its home says so, whatever the scheduler knows by now. */
  lose(error: (executed: Executed) => Error): void;
}

/** What a call is made with. */
export interface ActorCallOptions {
  /** What it needs of its client. */
  readonly session: CallSession;
  /** Whose it is. */
  readonly actor: CalledActor;
  /** What is sent. */
  readonly prepared: PreparedCall;
  /** Where it was made. */
  readonly site: CallSite;
  /** Who is asked for unobserved failures. */
  readonly owner?: unknown;
}

/** One call. It settles once. It is the options of its own future, as there is one for each call. */
export class ActorCall implements PendingCall, ActorFutureOptions {
  readonly owner: unknown;
  readonly #session: CallSession;
  readonly #actor: CalledActor;
  readonly #prepared: PreparedCall;
  readonly #site: CallSite;
  #sink: CallSink | undefined;
  /** Makes the error of a call that was given up, from whether it ran. */
  #givenUp: ((executed: Executed) => Error) | undefined;
  #cleanUps: (() => void)[] | undefined;
  #stopTimer: (() => void) | undefined;
  #reference: CallReference | undefined;

  /** Sends nothing. */
  constructor({ session, actor, prepared, site, owner }: ActorCallOptions) {
    this.owner = owner;
    this.#session = session;
    this.#actor = actor;
    this.#prepared = prepared;
    this.#site = site;
    const { sent: { refs }, holder, timeout, signal, inherited } = prepared;
    if (refs.length > 0) this.onOver(session.hold(refs, holder));
    if (signal) this.#follow(signal);
    if (timeout !== undefined) this.#limit(timeout);
    if (inherited) {
      this.onOver(inherited.onAbort((reason) => {
        // A deadline it has itself.
        if (!(reason instanceof CallTimeoutError)) this.abort(reason);
      }));
    }
  }

  get repr(): string {
    return `<ActorFuture: ${this.#actor.manifest.className}.${this.#prepared.sent.name}>`;
  }

  get unobserved(): UnobservedErrors {
    return this.#session.unobserved;
  }

  get key(): string {
    return this.#actor.reference.key;
  }

  /** What stands for its result in arguments. */
  reference(): CallReference {
    const name = `${this.#actor.manifest.className}.${this.#prepared.sent.name}`;
    return this.#reference ??= new CallReference(this.#session.owner, name, this.#sink === undefined);
  }

  /** Calls a function when it is over. */
  onOver(cleanUp: () => void): void {
    (this.#cleanUps ??= []).push(cleanUp);
  }

  /** Sends it; `sink` gets the outcome. */
  send(sink: CallSink): void {
    this.#sink = sink;
    this.#prepared.link.call(this.#prepared.sent, this);
  }

  /** Its future was cancelled. */
  onCancel(reason: unknown): void {
    this.abort(reason);
  }

  /** The caller gives it up. It settles as soon as its home says whether it had started, or does not say so in time. */
  abort(reason: unknown): void {
    if (this.#sink === undefined || this.#givenUp) return;
    const { link } = this.#prepared;
    const id = this.#id;
    const error = (executed: Executed) => callCancelled(this.#named, executed, reason);
    if (link.withdraw(id)) return this.#reject(error("no"), undefined);
    this.#givenUp = error;
    link.cancel(id);
    this.#stopTimer?.();
    this.#stopTimer = this.#session.clock.setTimer(VERDICT_TIME, () => this.#drop(error));
  }

  /** The reader of its stream has taken items. */
  addCredit(count: number): void {
    this.#prepared.link.addCredit(this.#id, count);
  }

  /** The reader of its stream does something to its generator. */
  resume(kind: number, value: unknown): void {
    const { link, holder } = this.#prepared;
    const { bytes, refs } = this.#session.encodeValue(value, holder);
    if (refs.length > 0) this.onOver(this.#session.hold(refs, holder));
    link.resume(this.#actor.reference, { id: this.#id, kind, value: bytes, refs });
  }

  item(value: Uint8Array, refs: readonly string[]): void {
    if (!this.#givenUp && this.#sink?.item) this.#sink.item(value, refs);
    else if (refs.length > 0) this.taken(refs);
  }

  /** What was in an item, or in the result, is held here, or not wanted: its home need not hold it any more. */
  async taken(refs: readonly string[]): Promise<void> {
    if (refs.length === 0) return;
    await this.#session.confirmHeld();
    this.#prepared.link.taken(this.#id);
  }

  resolve(value: Uint8Array, refs: readonly string[]): void {
    if (this.#sink === undefined || this.#givenUp) {
      if (refs.length > 0) this.taken(refs);
      if (this.#sink && this.#givenUp) this.#reject(this.#givenUp("yes"), undefined);
      return;
    }
    let result: unknown;
    try {
      result = this.#session.decode(value, refs, this.#prepared.holder, this.#reference === undefined);
    } catch (error) {
      return this.#reject(error, undefined);
    } finally {
      if (refs.length > 0) this.taken(refs);
    }
    this.#reference?.settle(() => ({ ok: true, value, refs }));
    endSpan(this.#prepared.span);
    this.#settle()?.resolve(result);
  }

  fail(executed: Executed, envelope: Uint8Array): void {
    // The home knows nothing of what was lent to a call that did not start.
    if (executed === "no") this.#prepared.link.lent.takeBack(this.#prepared.lent);
    const error = decodeError(envelope);
    if (isLoss(error)) {
      const { worker = "", reason = "" } = error;
      this.#actor.lose((executed) => actorLost(this.key, { worker, reason, detail: undefined }, executed));
    }
    if (this.#givenUp) this.#reject(this.#givenUp(executed), undefined);
    else this.#reject(error, envelope);
  }

  lose(error: Error): void {
    this.#reject(this.#givenUp?.("unknown") ?? error, undefined);
  }

  /** Ends with a signal. */
  #follow(signal: AbortSignal): void {
    const onAbort = () => this.abort(signal.reason);
    signal.addEventListener("abort", onAbort);
    this.onOver(() => signal.removeEventListener("abort", onAbort));
  }

  /** Ends after a time: the home says so, and else this side does a little later. */
  #limit(timeout: number): void {
    const error = (executed: Executed) => callTimedOut(this.#named, executed, timeout);
    this.#stopTimer = this.#session.clock.setTimer(timeout, () => {
      if (this.#givenUp) return;
      if (this.#prepared.link.withdraw(this.#id)) return this.#reject(error("no"), undefined);
      this.#stopTimer = this.#session.clock.setTimer(DEADLINE_SLACK, () => {
        this.#prepared.link.cancel(this.#id);
        this.#drop(error);
      });
    });
  }

  get #named(): { readonly key: string; readonly name: string } {
    return { key: this.key, name: this.#prepared.sent.name };
  }

  get #id(): number {
    return this.#prepared.sent.id;
  }

  #drop(error: (executed: Executed) => Error): void {
    this.#prepared.link.drop(this.#id);
    this.#reject(error("unknown"), undefined);
  }

  #reject(error: unknown, envelope: Uint8Array | undefined): void {
    this.#reference?.settle(() => ({ ok: false, error: envelope ?? encodeError(error) }));
    const sink = this.#settle();
    if (sink === undefined) return;
    endSpan(this.#prepared.span, error ?? "undefined");
    sink.reject(error, (awaiting) => void joinSite(error, awaiting, this.#site));
  }

  /** Takes whoever gets the outcome; `undefined` where it has had one. */
  #settle(): CallSink | undefined {
    const sink = this.#sink;
    if (sink === undefined) return undefined;
    this.#sink = undefined;
    this.#stopTimer?.();
    if (this.#cleanUps) { for (const cleanUp of this.#cleanUps) cleanUp(); }
    this.#actor.giveRoom(1, this.#prepared.sent.args.length);
    return sink;
  }
}

/** Whether its home says of the actor itself that it is gone; what a method threw says that of another one. */
function isLoss(error: unknown): error is ActorLostError {
  return error instanceof ActorLostError && error.code === "ACTOR_LOST" && !isRemoteError(error);
}
