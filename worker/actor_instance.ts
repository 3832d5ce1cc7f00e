/**
 * One live actor: its object, the calls that it has not answered, and its end.
 *
 * A call starts in the very turn in which it arrives, so calls start in the order of arrival, sync methods run to
 * completion, and `async` ones interleave wherever they await.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import {
  ActorLostError,
  type ActorManifest,
  ActorNotFoundError,
  type ActorReference,
  CallKind,
  CallTimeoutError,
  type Encoded,
  encodeError,
  type Executed,
  type LossReason,
  type MessageOf,
  MethodNotFoundError,
  ProtocolError,
  SerializationError,
} from "../protocol/mod.ts";
import { startServedSpan } from "../client/tracing.ts";
import type { Actor, WorkerInfo } from "../client/types.ts";
import { membersOf, type MethodMember, type MethodTable } from "./actor_class.ts";
import { ActiveCall, CallContext, type CallOwner, type CallReceiver } from "./active_call.ts";
import type { ActorCounters } from "./call_counters.ts";
import { CallLine } from "./call_line.ts";
import { applyInContext } from "./context.ts";
import type { IsolateScope } from "./isolate_scope.ts";
import { decodePlainArguments, type FutureValues, NO_VALUES } from "./references.ts";

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
  /** The time. */
  readonly clock: Clock;
  /** Name of its class or factory. */
  readonly className: string;
  /** Makes what counts its calls. */
  readonly count: (methods: ActorManifest["methods"]) => ActorCounters;
}

// Never filled.
const NO_CALLS = new Set<ActiveCall>();
const NO_LINES = new Map<CallReceiver, CallLine>();

/** One live actor. */
export class ActorInstance implements CallOwner {
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
  /** Name of its class or factory. */
  readonly className: string;
  readonly #object: object;
  readonly #table: MethodTable;
  readonly #clock: Clock;
  readonly #counters: ActorCounters;
  /** Made with the first call that has to wait: an actor that does nothing weighs a third of one that has both. */
  #pending = NO_CALLS;
  /** Callers with calls that wait. */
  #lines = NO_LINES;
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
    this.#object = options.object;
    this.#clock = options.clock;
    const { table, manifest, encoded } = membersOf(options.className, options.object);
    this.#table = table;
    this.manifest = encoded;
    this.#counters = options.count(manifest.methods);
  }

  /** A new handle of this actor. */
  handle(): Actor<unknown> {
    return this.scope.session.handleOf(this.#reference());
  }

  /**
   * Runs a call, or refuses it. Whatever happens, the receiver gets exactly one answer, unless it cancels. A call with
   * futures among its arguments waits for their values, and what the same receiver calls meanwhile waits behind it.
   */
  call(message: MessageOf<"call">, receiver: CallReceiver): void {
    if (this.#ended !== undefined) return this.#refuse(message, receiver, this.#lost("no"));
    if (this.#drained !== undefined) return this.#refuse(message, receiver, this.#leaving(message.name));
    if (message.refs.length > 0 || this.#lines.size > 0) return this.#lineUp(message, receiver);
    this.#start(message, receiver, NO_VALUES);
  }

  /** @param waited How long the call has waited for its turn, in milliseconds. */
  #start(message: MessageOf<"call">, receiver: CallReceiver, values: FutureValues, waited = 0): void {
    if (message.deadline === 0) return this.#refuse(message, receiver, this.#tooLate(message.name));
    const member = this.#table.get(message.name);
    if (message.kind === CallKind.attribute) {
      if (member?.type !== "attribute") {
        return this.#refuse(message, receiver, this.#notFound("attribute", message.name));
      }
      return this.#run(message, receiver, waited, Reflect.get, undefined, [this.#object, message.name]);
    }
    if (member?.type !== "method") return this.#refuse(message, receiver, this.#notFound("method", message.name));
    let { method } = member;
    let args: unknown[];
    try {
      if (message.refs.length === 0) {
        args = decodePlainArguments(message.args);
      } else {
        args = this.scope.decodeArguments(message.args, message.refs, values, this.key);
        const confirmed = this.scope.confirmHeld();
        if (confirmed) method = answeringAfter(confirmed, method);
      }
    } catch (error) {
      return this.#refuse(message, receiver, error);
    }
    if (member.kind === "generator" || member.kind === "asyncGenerator") return this.#stream(message, receiver);
    this.#run(message, receiver, waited, method, this.#object, args);
  }

  /** Takes no more calls; resolves when those under way have been answered. */
  drain(): Promise<void> {
    this.#drained ??= Promise.withResolvers<void>();
    if (this.#pending.size === 0) this.#drained.resolve();
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
    this.#counters.end();
    for (const line of [...this.#lines.values()]) line.end(() => this.#lost("no"));
    for (const call of [...this.#pending]) {
      if (this.#settle(call)) call.abort(this.#failLost(call));
    }
  }

  /**
   * Runs the object's own dispose hook: `[Symbol.asyncDispose]`, or else `[Symbol.dispose]`.
   *
   * @throws Whatever the hook throws.
   */
  async dispose(): Promise<void> {
    const object = this.#object as Partial<AsyncDisposable & Disposable>;
    const hook = object[Symbol.asyncDispose] ?? object[Symbol.dispose];
    if (typeof hook === "function") await applyInContext(new CallContext(this), hook, object, []);
  }

  /** Forgets a call that is under way; nothing is sent. */
  cancel(call: ActiveCall, reason: unknown): void {
    if (!this.#settle(call)) return;
    this.#counters.finished(call, false, 0);
    call.abort(reason);
  }

  #lineUp(message: MessageOf<"call">, receiver: CallReceiver): void {
    let values: FutureValues | Promise<FutureValues>;
    try {
      values = this.scope.prepare(message.args, message.refs);
    } catch (error) {
      values = Promise.reject(error);
    }
    let line = this.#lines.get(receiver);
    if (line === undefined) {
      if (!(values instanceof Promise)) return this.#start(message, receiver, values);
      line = new CallLine({
        receiver,
        clock: this.#clock,
        start: (message, values, waited) => this.#start(message, receiver, values, waited),
        refuse: (message, error) => this.#refuse(message, receiver, error ?? this.#tooLate(message.name)),
        onEmpty: () => this.#lines.delete(receiver),
        counters: this.#counters,
        isCounted: (name) => this.#table.has(name),
      });
      if (this.#lines === NO_LINES) this.#lines = new Map();
      this.#lines.set(receiver, line);
    }
    line.add(message, values);
  }

  #run(
    message: MessageOf<"call">,
    receiver: CallReceiver,
    waited: number,
    method: (...args: never[]) => unknown,
    target: unknown,
    args: readonly unknown[],
  ): void {
    const { deadline } = message;
    const end = deadline === undefined ? undefined : this.#clock.now() + deadline;
    const call = new ActiveCall(this, message, receiver, waited);
    this.#counters.started(call, message.args.length);
    const traced = startServedSpan(
      { className: this.className, method: call.name, key: this.key },
      message.trace,
      waited,
    );
    let value: unknown;
    try {
      if (traced) {
        call.span = traced.span;
        value = traced.run(() => applyInContext(call, method, target, args));
      } else {
        value = applyInContext(call, method, target, args);
      }
      if (isThenable(value)) {
        this.#wait(call, value);
        if (end !== undefined) this.#limit(call, end, deadline!);
        return;
      }
    } catch (error) {
      return this.#throw(call, error);
    }
    this.#succeed(call, value);
  }

  #wait(call: ActiveCall, value: PromiseLike<unknown>): void {
    // `resolve` gives a promise back as it is, and tames every other thenable.
    Promise.resolve(value).then((result) => {
      if (this.#settle(call)) this.#succeed(call, result);
    }, (error) => {
      if (this.#settle(call)) this.#throw(call, error);
    });
    if (this.#pending === NO_CALLS) this.#pending = new Set();
    this.#pending.add(call);
    call.receiver.onPending(call);
  }

  #limit(call: ActiveCall, end: number, deadline: number): void {
    call.stopTimer = this.#clock.setTimer(Math.max(0, end - this.#clock.now()), () => {
      if (!this.#settle(call)) return;
      this.#counters.finished(call, true, 0);
      const text = `${call.name} of ${this.key} did not finish within the ${deadline} ms that its caller gave it`;
      const error = new CallTimeoutError(text);
      call.receiver.failure(call.id, "unknown", encodeError(error));
      call.abort(error);
    });
  }

  /** Takes a call from those that are under way; false where somebody was first. */
  #settle(call: ActiveCall): boolean {
    if (!this.#pending.delete(call)) return false;
    call.stopTimer?.();
    call.receiver.onSettled(call);
    // Its answer goes out in this turn, before whoever waits here goes on.
    if (this.#pending.size === 0) this.#drained?.resolve();
    return true;
  }

  #succeed(call: ActiveCall, value: unknown): void {
    // Only a method that made its own isolate exit gets here after the end.
    if (this.#ended !== undefined) return void this.#failLost(call);
    let encoded: Encoded;
    try {
      encoded = this.scope.encodeResult(value);
    } catch (error) {
      const found = isIterator(value) ? this.#iteratorError(call) : error;
      this.#counters.failed(call, found);
      return call.receiver.failure(call.id, "yes", encodeError(found));
    }
    this.#counters.finished(call, false, encoded.bytes.length);
    call.receiver.result(call.id, encoded);
  }

  #throw(call: ActiveCall, error: unknown): void {
    if (this.#ended !== undefined) return void this.#failLost(call);
    this.#counters.failed(call, error);
    const remote = { worker: this.scope.worker.name, actor: this.key, method: call.name };
    call.receiver.failure(call.id, "yes", encodeError(error, remote));
  }

  #failLost(call: ActiveCall): Error {
    this.#counters.finished(call, false, 0);
    const error = this.#lost("unknown");
    call.receiver.failure(call.id, "unknown", encodeError(error));
    return error;
  }

  #refuse(message: MessageOf<"call">, receiver: CallReceiver, error: unknown): void {
    receiver.failure(message.id, "no", encodeError(error));
  }

  /** The one place that answers calls of generator methods. */
  #stream(message: MessageOf<"call">, receiver: CallReceiver): void {
    const text =
      `Cannot call ${message.name} of ${this.key}: it is a generator method, and this worker does not serve streams yet`;
    this.#refuse(message, receiver, new ProtocolError(text, { code: "VERSION_MISMATCH" }));
  }

  #reference(): ActorReference {
    const { key, incarnation, tag, manifest } = this;
    const { home, address, settings } = this.scope;
    const { worker, host, hostAddress } = settings;
    return { key, incarnation, worker, host, home, address, hostAddress, tag, manifest };
  }

  /** One text for all names that are not there, whatever the reason. */
  #notFound(what: "method" | "attribute", name: string): MethodNotFoundError {
    const shown = JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}…` : name);
    return new MethodNotFoundError(
      `Cannot find the ${what} ${shown} of ${this.key}: it has no public one of that name`,
    );
  }

  #tooLate(name: string): CallTimeoutError {
    return new CallTimeoutError(`${name} of ${this.key} was not started: its deadline had passed`, { executed: "no" });
  }

  #leaving(name: string): ActorLostError {
    const worker = this.scope.worker.name || this.scope.worker.id;
    return new ActorLostError(
      `Cannot call ${name} of ${this.key}: its worker ${worker} is leaving. Create the actor anew`,
      { code: "DRAINING", worker, reason: "drained" },
    );
  }

  #lost(executed: Executed): ActorLostError | ActorNotFoundError {
    const reason = this.#ended!;
    // Who calls what was given back learns no more than who never had it.
    if (reason === "released" && executed === "no") return notFound(this.key);
    return lost(this.key, this.scope.worker, reason, executed);
  }

  #iteratorError({ name }: ActiveCall): SerializationError {
    return new SerializationError(
      `Cannot send the result of ${name} of ${this.key}: it is an iterator. Make ${name} a generator method`,
      { code: "RESULT_NOT_SERIALIZABLE", path: "result" },
    );
  }
}

/** What is said of an actor that is not there, and of one that is not the caller's: the same. */
export function notFound(key: string): ActorNotFoundError {
  return new ActorNotFoundError(`Cannot find the actor ${key}: there is none of that name, or it is not yours to call`);
}

/** What is said of an actor that was here. */
export function lost(
  key: string,
  { name }: WorkerInfo,
  reason: LossReason | "released",
  executed: Executed,
): ActorLostError {
  return new ActorLostError(`Lost the actor ${key} of worker ${name}: ${reason}`, {
    executed,
    worker: name,
    reason: reason === "released" ? "cancelled" : reason,
  });
}

/**
 * A method that starts at once, and whose outcome, good or bad, comes when `confirmed` has resolved as well: the answer
 * lets the caller give back what was among the arguments.
 */
function answeringAfter(confirmed: Promise<void>, method: MethodMember["method"]): MethodMember["method"] {
  return async function (this: unknown, ...args: never[]) {
    try {
      return await Reflect.apply(method, this, args);
    } finally {
      await confirmed;
    }
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (value instanceof Promise) return true;
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return typeof (value as { then?: unknown }).then === "function";
}

function isIterator(value: unknown): boolean {
  if (typeof value !== "object" || value === null || typeof (value as { next?: unknown }).next !== "function") {
    return false;
  }
  return Symbol.iterator in value || Symbol.asyncIterator in value;
}
