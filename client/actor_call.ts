/**
 * One call from the moment that it is sent: its deadline, its cancellation and its one outcome.
 *
 * @module
 */

import {
  type ActorReference,
  decodeError,
  encodeError,
  type Executed,
  hasFrames,
  isRemoteError,
  joinCallSite,
} from "../protocol/mod.ts";
import { callCancelled, callTimedOut } from "./call_errors.ts";
import type { CallLink, PendingCall, SentCall } from "./call_link.ts";
import { type CallSite, wasTaken } from "./call_site.ts";
import { CallReference } from "./external.ts";
import type { Holder } from "./held_key.ts";
import type { CallSession } from "./remote_actor.ts";
import { endSpan, type Span } from "./tracing.ts";

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

/** What a call is made of. */
export interface ActorCallOptions {
  /** The actor. */
  readonly actor: ActorReference;
  /** Name of the class, for people. */
  readonly className: string;
  /** The method or attribute. */
  readonly name: string;
  /** The way that it takes. */
  readonly link: CallLink;
  /** A number that no other call of the session has. */
  readonly id: number;
  /** Who made it, and gets what is in its result. */
  readonly holder: Holder;
  /** Where it was made. */
  readonly site: CallSite;
  /** What is in its arguments and must be held until it is over. */
  readonly refs: readonly string[];
  /** Numbers of functions and streams among its arguments. */
  readonly lent: readonly number[];
  /** Its trace, where somebody traces. */
  readonly span: Span | undefined;
  /** Told once that it is over. */
  readonly onSettled: () => void;
}

/** One call. It settles once. */
export class ActorCall implements PendingCall {
  readonly #session: CallSession;
  readonly #options: ActorCallOptions;
  #sink: CallSink | undefined;
  /** Makes the error of a call that was given up, from whether it ran. */
  #givenUp: ((executed: Executed) => Error) | undefined;
  #cleanUps: (() => void)[] | undefined;
  #stopTimer: (() => void) | undefined;
  #reference: CallReference | undefined;

  /** Sends nothing. */
  constructor(session: CallSession, options: ActorCallOptions) {
    this.#session = session;
    this.#options = options;
    if (options.refs.length > 0) this.onOver(session.hold(options.refs, options.holder));
  }

  get key(): string {
    return this.#options.actor.key;
  }

  /** What stands for its result in arguments. */
  reference(): CallReference {
    const { className, name } = this.#options;
    return this.#reference ??= new CallReference(this.#session.owner, `${className}.${name}`, this.#sink === undefined);
  }

  /** Calls a function when it is over. */
  onOver(cleanUp: () => void): void {
    (this.#cleanUps ??= []).push(cleanUp);
  }

  /** Ends with a signal. */
  follow(signal: AbortSignal): void {
    const onAbort = () => this.abort(signal.reason);
    signal.addEventListener("abort", onAbort);
    this.onOver(() => signal.removeEventListener("abort", onAbort));
  }

  /** Ends after a time: the home says so, and else this side does a little later. */
  limit(timeout: number): void {
    const error = (executed: Executed) => callTimedOut(this.#named, executed, timeout);
    this.#stopTimer = this.#session.clock.setTimer(timeout, () => {
      if (this.#givenUp) return;
      if (this.#options.link.withdraw(this.#options.id)) return this.#reject(error("no"), undefined);
      this.#stopTimer = this.#session.clock.setTimer(DEADLINE_SLACK, () => {
        this.#options.link.cancel(this.#options.id);
        this.#drop(error);
      });
    });
  }

  /** Sends it; `sink` gets the outcome. */
  send(call: SentCall, sink: CallSink): void {
    this.#sink = sink;
    this.#options.link.call(this.#options.actor, call, this);
  }

  /** The caller gives it up. It settles as soon as its home says whether it had started, or does not say so in time. */
  abort(reason: unknown): void {
    if (this.#sink === undefined || this.#givenUp) return;
    const { link, id } = this.#options;
    const error = (executed: Executed) => callCancelled(this.#named, executed, reason);
    if (link.withdraw(id)) return this.#reject(error("no"), undefined);
    this.#givenUp = error;
    link.cancel(id);
    this.#stopTimer?.();
    this.#stopTimer = this.#session.clock.setTimer(VERDICT_TIME, () => this.#drop(error));
  }

  /** The reader of its stream has taken items. */
  addCredit(count: number): void {
    this.#options.link.addCredit(this.#options.id, count);
  }

  /** The reader of its stream does something to its generator. */
  resume(kind: number, value: unknown): void {
    const { link, id, actor, holder } = this.#options;
    const { bytes, refs } = this.#session.encodeValue(value, holder);
    if (refs.length > 0) this.onOver(this.#session.hold(refs, holder));
    link.resume(actor, { id, kind, value: bytes, refs });
  }

  item(value: Uint8Array, refs: readonly string[]): void {
    if (!this.#givenUp && this.#sink?.item) this.#sink.item(value, refs);
    else this.taken(refs);
  }

  /** What was in an item, or in the result, is held here, or not wanted: its home need not hold it any more. */
  async taken(refs: readonly string[]): Promise<void> {
    if (refs.length === 0) return;
    const { link, id } = this.#options;
    await this.#session.confirmHeld();
    link.taken(id);
  }

  resolve(value: Uint8Array, refs: readonly string[]): void {
    if (this.#sink === undefined || this.#givenUp) {
      this.taken(refs);
      if (this.#sink && this.#givenUp) this.#reject(this.#givenUp("yes"), undefined);
      return;
    }
    let result: unknown;
    try {
      result = this.#session.decode(value, refs, this.#options.holder, this.#reference === undefined);
    } catch (error) {
      return this.#reject(error, undefined);
    } finally {
      this.taken(refs);
    }
    this.#reference?.settle(() => ({ ok: true, value, refs }));
    endSpan(this.#options.span);
    this.#settle()?.resolve(result);
  }

  fail(executed: Executed, envelope: Uint8Array): void {
    // The home knows nothing of what was lent to a call that did not start.
    if (executed === "no") this.#options.link.lent.takeBack(this.#options.lent);
    if (this.#givenUp) this.#reject(this.#givenUp(executed), undefined);
    else this.#reject(decodeError(envelope), envelope);
  }

  lose(error: Error): void {
    this.#reject(this.#givenUp?.("unknown") ?? error, undefined);
  }

  get #named(): { readonly key: string; readonly name: string } {
    return { key: this.key, name: this.#options.name };
  }

  #drop(error: (executed: Executed) => Error): void {
    this.#options.link.drop(this.#options.id);
    this.#reject(error("unknown"), undefined);
  }

  #reject(error: unknown, envelope: Uint8Array | undefined): void {
    this.#reference?.settle(() => ({ ok: false, error: envelope ?? encodeError(error) }));
    const { site, span } = this.#options;
    const sink = this.#settle();
    if (sink === undefined) return;
    endSpan(span, error ?? "undefined");
    sink.reject(error, (awaiting) => void joinSite(error, awaiting, site));
  }

  /** Takes whoever gets the outcome; `undefined` where it has had one. */
  #settle(): CallSink | undefined {
    const sink = this.#sink;
    if (sink === undefined) return undefined;
    this.#sink = undefined;
    this.#stopTimer?.();
    for (const cleanUp of this.#cleanUps ?? []) cleanUp();
    this.#options.onSettled();
    return sink;
  }
}

/** The code that awaits the call says more than the place of the call, but not everybody awaits at once. */
export function joinSite(error: unknown, awaiting: string, site: CallSite): unknown {
  if (!(error instanceof Error)) return error;
  if (hasFrames(awaiting)) joinCallSite(error, awaiting);
  // V8 takes 60 µs to write down the stack of an error that was made here: not for each of a hundred thousand.
  else if (wasTaken(site) || isRemoteError(error)) joinCallSite(error, site.stack ?? "");
  return error;
}
