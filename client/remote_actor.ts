/**
 * One actor as a client knows it: its calls, in order, and its loss. All handles of the actor share it.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import {
  ActorLostError,
  type ActorManifest,
  type ActorReference,
  CallCancelledError,
  CallKind,
  CallTimeoutError,
  decodeError,
  type Encoded,
  encodeError,
  type Executed,
  hasFrames,
  joinCallSite,
  MailboxFullError,
} from "../protocol/mod.ts";
import {
  type ActorFutureOptions,
  type ActorFutureResolvers,
  createActorFuture,
  rejectedActorFuture,
} from "./actor_future.ts";
import type { CallLink, PendingCall } from "./call_link.ts";
import { type CallSite, captureCallSite } from "./call_site.ts";
import { CallReference } from "./external.ts";
import type { Holder } from "./held_key.ts";
import type { ActorFuture, CallOptions } from "./types.ts";
import { endSpan, type Span, startCallSpan, traceparentOf } from "./tracing.ts";
import type { UnobservedErrors } from "./unobserved.ts";

/** Bounds of what one client may have pending with one actor. */
const MAXIMUM_PENDING_CALLS = 100_000;
const MAXIMUM_PENDING_BYTES = 64 * 1024 * 1024;

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
  /** A number that no other call of the session has. */
  nextCallId(): number;
  /** The link that an actor's calls take now. */
  link(actor: ActorReference): CallLink;
  /** Encodes arguments. */
  encode(args: readonly unknown[], holder: Holder): Encoded;
  /** Decodes a result; handles in it are held for `holder`. `owned`: nobody else reads or writes its bytes. */
  decode(value: Uint8Array, refs: readonly string[], holder: Holder, owned: boolean): unknown;
  /** Holds keys until the function is called. */
  hold(keys: readonly string[], holder: Holder): () => void;
  /** Resolves when the scheduler has heard of what came in values and is held; `undefined` where it has. Never rejects. */
  confirmHeld(): Promise<void> | undefined;
  /** Why no call can be made any more; `undefined` while calls can. */
  closed(): Error | undefined;
}

/** One actor of one client. */
export class RemoteActor {
  /** Names it on the wire. */
  readonly reference: ActorReference;
  /** Its members. */
  readonly manifest: ActorManifest;
  readonly #session: CallSession;
  #lost: ((executed: Executed) => Error) | undefined;
  #pendingCalls = 0;
  #pendingBytes = 0;

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
    const repr = `<ActorFuture: ${this.manifest.className}.${name}>`;
    const { unobserved, calls, clock } = this.#session;
    const site = captureCallSite();
    const refuse = (error: unknown) => {
      const reference = () => new CallReference(this.#session.owner, `${this.manifest.className}.${name}`, true);
      return rejectedActorFuture<unknown>(joined(error, "", site), { repr, unobserved, owner, reference });
    };

    const gone = this.#lost?.("no") ?? this.#session.closed();
    if (gone) return refuse(gone);
    const signal = options.signal ?? calls.signal;
    if (signal?.aborted) return refuse(cancelled(this, name, "no", signal.reason));
    const holder = this.#session.holder();
    let encoded: Encoded;
    try {
      encoded = kind === CallKind.attribute ? NO_ARGUMENTS : this.#session.encode(args, holder);
    } catch (error) {
      return refuse(error);
    }
    const size = encoded.bytes.length;
    if (
      this.#pendingCalls >= MAXIMUM_PENDING_CALLS ||
      this.#pendingBytes + size > MAXIMUM_PENDING_BYTES && this.#pendingCalls > 0
    ) {
      return refuse(mailboxFull(this, name, this.#pendingCalls, this.#pendingBytes));
    }

    const link = this.#session.link(this.reference);
    const id = this.#session.nextCallId();
    const timeout = options.timeout ?? calls.timeout;
    const span = startCallSpan({ className: this.manifest.className, method: name, key: this.key });
    const call = new ActorCall(this, this.#session, { name, link, id, size, site, holder, span });
    if (encoded.refs.length > 0) call.hold(encoded.refs);
    this.#pendingCalls++;
    this.#pendingBytes += size;
    const future = call.begin({
      repr,
      unobserved,
      owner,
      reference: () => call.reference(),
      onCancel: (reason) => call.abort(reason),
    });
    if (signal) call.follow(signal);
    const limited = timeout !== undefined && timeout !== Infinity;
    if (limited) call.limit(timeout, clock);
    link.call(this.reference, {
      id,
      kind,
      name,
      args: encoded.bytes,
      refs: encoded.refs,
      deadline: limited ? Math.ceil(timeout) : undefined,
      priority: encodePriority(options.priority ?? calls.priority),
      credit: undefined,
      trace: span && traceparentOf(span),
    }, call);
    return future;
  }

  /** A call of it has its answer. */
  settled(size: number): void {
    this.#pendingCalls--;
    this.#pendingBytes -= size;
  }

  /** It is gone: every later call rejects at once. What is pending is settled by the routes. */
  lose(error: (executed: Executed) => Error): void {
    this.#lost ??= error;
  }
}

/** What a call is made of. */
interface ActorCallOptions {
  readonly name: string;
  readonly link: CallLink;
  readonly id: number;
  /** Bytes of its arguments. */
  readonly size: number;
  readonly site: CallSite;
  /** Who made it, and gets what is in its result. */
  readonly holder: Holder;
  /** Its trace, where somebody traces. */
  readonly span: Span | undefined;
}

/** One call from the moment that it is sent. It settles once. */
class ActorCall implements PendingCall {
  readonly #actor: RemoteActor;
  readonly #session: CallSession;
  readonly #options: ActorCallOptions;
  #resolvers: ActorFutureResolvers<unknown> | undefined;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;
  #stopTimer: (() => void) | undefined;
  #letGo: (() => void) | undefined;
  /** Only of a call whose future is an argument elsewhere. */
  #reference: CallReference | undefined;

  constructor(actor: RemoteActor, session: CallSession, options: ActorCallOptions) {
    this.#actor = actor;
    this.#session = session;
    this.#options = options;
  }

  get key(): string {
    return this.#actor.key;
  }

  /** Makes the future that the caller gets. */
  begin(options: ActorFutureOptions): ActorFuture<unknown> {
    this.#resolvers = createActorFuture<unknown>(options);
    return this.#resolvers.future;
  }

  /** What stands for its result in arguments. */
  reference(): CallReference {
    const name = `${this.#actor.manifest.className}.${this.#options.name}`;
    return this.#reference ??= new CallReference(this.#session.owner, name, this.#resolvers === undefined);
  }

  /** Holds what is in its arguments until it has settled. */
  hold(keys: readonly string[]): void {
    this.#letGo = this.#session.hold(keys, this.#options.holder);
  }

  /** Ends with a signal. */
  follow(signal: AbortSignal): void {
    this.#signal = signal;
    this.#onAbort = () => this.abort(signal.reason);
    signal.addEventListener("abort", this.#onAbort);
  }

  /** Ends after a time. */
  limit(timeout: number, clock: Clock): void {
    this.#stopTimer = clock.setTimer(timeout, () => this.#giveUp(timedOut(this.#actor, this.#options.name, timeout)));
  }

  /** The caller wants no answer. */
  abort(reason: unknown): void {
    this.#giveUp(cancelled(this.#actor, this.#options.name, "unknown", reason));
  }

  resolve(value: Uint8Array, refs: readonly string[]): void {
    if (this.#resolvers === undefined) return void this.#take(refs);
    let result: unknown;
    try {
      result = this.#session.decode(value, refs, this.#options.holder, this.#reference === undefined);
    } catch (error) {
      return this.#reject(error, undefined);
    } finally {
      this.#take(refs);
    }
    this.#reference?.settle(() => ({ ok: true, value, refs }));
    endSpan(this.#options.span);
    this.#settle()?.resolve(result);
  }

  fail(_executed: Executed, envelope: Uint8Array): void {
    this.#reject(decodeError(envelope), envelope);
  }

  lose(error: Error): void {
    this.#reject(error, undefined);
  }

  /** Until the scheduler knows of this holder, the actor's side holds what is in the result. */
  async #take(refs: readonly string[]): Promise<void> {
    if (refs.length === 0) return;
    const { link, id } = this.#options;
    await this.#session.confirmHeld();
    link.taken(id);
  }

  #reject(error: unknown, envelope: Uint8Array | undefined): void {
    this.#reference?.settle(() => ({ ok: false, error: envelope ?? encodeError(error) }));
    const { site, span } = this.#options;
    const resolvers = this.#settle();
    if (resolvers) endSpan(span, error ?? "undefined");
    resolvers?.rejectFromInside(error, (awaiting) => void joined(error, awaiting, site));
  }

  #giveUp(error: Error): void {
    if (this.#resolvers === undefined) return;
    this.#options.link.cancel(this.#options.id);
    this.lose(error);
  }

  /** Takes what settles the future; `undefined` where somebody was first. */
  #settle(): ActorFutureResolvers<unknown> | undefined {
    const resolvers = this.#resolvers;
    if (resolvers === undefined) return undefined;
    this.#resolvers = undefined;
    this.#actor.settled(this.#options.size);
    this.#stopTimer?.();
    if (this.#onAbort) this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#letGo?.();
    return resolvers;
  }
}

const NO_ARGUMENTS: Encoded = { bytes: new Uint8Array(0), refs: [] };

/** The error of an actor whose worker, host or isolate is gone. */
export function actorLost(key: string, worker: string, reason: string, executed: Executed): ActorLostError {
  return new ActorLostError(
    `The actor ${key} is lost: ${reasonInWords(reason)} on worker ${worker}. Its state is gone; submit the class again`,
    { worker, reason, executed },
  );
}

function reasonInWords(reason: string): string {
  switch (reason) {
    case "host-exit":
      return "its host process ended (host-exit)";
    case "host-stuck":
      return "its host process hung and was killed (host-stuck)";
    case "worker-exit":
      return "its worker ended (worker-exit)";
    case "worker-timeout":
      return "its worker fell silent (worker-timeout)";
    case "isolate-exit":
      return "its isolate ended (isolate-exit)";
    case "oom":
      return "its host process ran out of memory (oom)";
    case "drained":
      return "its worker was retired (drained)";
    case "restarted":
      return "the cluster was restarted (restarted)";
    default:
      return `it ended (${reason})`;
  }
}

function cancelled(actor: RemoteActor, name: string, executed: Executed, cause: unknown): CallCancelledError {
  return new CallCancelledError(`The call ${name} of ${actor.key} was cancelled`, { executed, cause });
}

function timedOut(actor: RemoteActor, name: string, timeout: number): CallTimeoutError {
  return new CallTimeoutError(`The call ${name} of ${actor.key} did not finish within ${timeout} ms`, {
    executed: "unknown",
  });
}

function mailboxFull(actor: RemoteActor, name: string, calls: number, bytes: number): MailboxFullError {
  return new MailboxFullError(
    `Cannot call ${name} of ${actor.key}: ${calls} calls with ${bytes} bytes of arguments are pending with it, ` +
      `and ${MAXIMUM_PENDING_CALLS} calls or ${MAXIMUM_PENDING_BYTES} bytes are the limit. Await some of them`,
    { executed: "no" },
  );
}

/** A priority on the wire is a whole number: 2^31 stands for 0. */
function encodePriority(priority: number | undefined): number | undefined {
  return priority === undefined || priority === 0 ? undefined : Math.max(0, Math.round(priority) + 2 ** 31);
}

/** The code that awaits the call says more than the place of the call, but not everybody awaits at once. */
function joined(error: unknown, awaiting: string, site: CallSite): unknown {
  if (error instanceof Error) joinCallSite(error, hasFrames(awaiting) ? awaiting : site.stack ?? "");
  return error;
}
