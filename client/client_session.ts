/**
 * What stands behind a client: its scheduler link, its routes, and the keys that it holds.
 *
 * @module
 */

import { type Clock, platformClock } from "../connection/mod.ts";
import {
  type ActorManifest,
  ActorNotFoundError,
  type ActorReference,
  CallKind,
  type CloseInfo,
  createKeySuffixes,
  decodeActorReference,
  decodeManifest,
  decodeValue,
  encodeActorReference,
  encodeBody,
  type Encoded,
  encodeValue,
  KeyConflictError,
  randomHex,
  SerializationError,
  type StatusBody,
  type SubmitBody,
} from "../protocol/mod.ts";
import { futureLink, handleLink, type HandleTarget } from "./brands.ts";
import { createHandle } from "./handle.ts";
import { HeldKey } from "./held_key.ts";
import { actorLost, type CallSession, RemoteActor } from "./remote_actor.ts";
import { clientClosed, Routes } from "./routes.ts";
import { connectToScheduler, lostConnection, type SchedulerLink } from "./scheduler_link.ts";
import type { Actor, CallOptions } from "./types.ts";
import { UnobservedErrors } from "./unobserved.ts";

/** Options of {@linkcode ClientSession.connect}. */
export interface ClientSessionOptions {
  /** Address of the scheduler. */
  readonly address: string;
  /** Bearer token; `undefined` for none. */
  readonly token: string | undefined;
  /** Route of calls. */
  readonly direct: boolean | "auto";
  /** Further certificate authorities, as PEM. */
  readonly caCerts: readonly string[] | undefined;
  /** Gives up connecting. */
  readonly signal: AbortSignal;
  /** Options of every call. */
  readonly calls: CallOptions;
  /** Told of each failure that nobody awaited. */
  readonly onUnobservedError: ((error: Error) => void) | undefined;
}

/** One client, without its public face. */
export class ClientSession {
  /**
   * Connects to a scheduler.
   *
   * @throws {UnauthorizedError | ConnectionLostError | ProtocolError}
   */
  static async connect(options: ClientSessionOptions): Promise<ClientSession> {
    const session = new ClientSession(options);
    session.#scheduler = await connectToScheduler({
      address: options.address,
      token: options.token,
      session: session.#id,
      caCerts: options.caCerts,
      signal: options.signal,
      clock: session.#clock,
      onStatus: (key, status) => session.#keys.get(key)?.update(status),
      onClose: (info) => session.#disconnected(info),
    });
    session.#nextSuffix = createKeySuffixes(session.#scheduler.welcome.sessionNumber);
    return session;
  }

  /** Failures that nobody looks at. */
  readonly unobserved: UnobservedErrors;
  readonly #clock: Clock = platformClock;
  readonly #id = randomHex(16);
  readonly #keys = new Map<string, HeldKey>();
  readonly #manifests = new Map<string, ActorManifest>();
  readonly #routes: Routes;
  readonly #calls: CallSession;
  #scheduler!: SchedulerLink;
  #nextSuffix!: () => string;
  #nextCall = 1;
  #closed = false;

  private constructor(options: ClientSessionOptions) {
    const report = options.onUnobservedError;
    this.unobserved = new UnobservedErrors(report ? { report: (error) => report(error) } : {});
    const decode = (value: Uint8Array) => this.#decode(value);
    this.#routes = new Routes({
      direct: options.direct,
      session: this.#id,
      caCerts: options.caCerts,
      clock: this.#clock,
      requestTicket: async ({ worker, host, home }) =>
        (await this.#scheduler.request("ticket", { worker, host, home })).ticket,
      openChannel: ({ worker, home }) => this.#scheduler.openChannel(worker, home),
      schedulerAnswers: () => this.#scheduler.closed === undefined,
      decode,
    });
    this.#calls = {
      clock: this.#clock,
      unobserved: this.unobserved,
      calls: options.calls,
      nextCallId: () => this.#nextCall++,
      link: (actor) => this.#routes.link(actor),
      encode: (args) => this.encode(args, "args"),
      closed: () => this.#closed ? clientClosed("no") : undefined,
    };
  }

  /** The connection to the scheduler. */
  get scheduler(): SchedulerLink {
    return this.#scheduler;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** A key for something of this name that no other client makes. */
  createKey(name: string): string {
    return `${name}-${this.#nextSuffix()}`;
  }

  /**
   * Submits under a key, or holds the key where this client has submitted the same already.
   *
   * @throws {KeyConflictError} Where this client holds the key for another target.
   */
  submit(key: string, target: string, body: SubmitBody, args: Encoded): HeldKey {
    const existing = this.#keys.get(key);
    if (existing && !existing.over) {
      if (existing.target === target) return existing;
      throw new KeyConflictError(
        `Cannot submit ${body.target.name} as ${key}: this client holds that key for something else. Choose another key`,
      );
    }
    const held = this.#add(key, target);
    const closed = this.#scheduler.closed;
    if (closed) {
      held.fail(lostConnection(`submit ${body.target.name}`, closed, "no"), "error");
      return held;
    }
    this.#scheduler.send({ op: "submit", key, body: encodeBody(body), args: args.bytes, refs: args.refs });
    return held;
  }

  /** Holds the actor of a reference that came in a value or an answer. */
  adopt(reference: ActorReference, ticket?: string): HeldKey {
    const existing = this.#keys.get(reference.key);
    if (existing && !existing.over && existing.actor?.reference.incarnation === reference.incarnation) return existing;
    const held = this.#add(reference.key, "");
    held.update(adopted(reference, ticket));
    this.#scheduler.send({ op: "held", keys: [reference.key] });
    return held;
  }

  /**
   * Makes a handle that gives `release` back. The call goes to the actor that all handles share; failures that nobody
   * looks at are reported when this handle is released.
   */
  createHandle(actor: RemoteActor, release: () => void): Actor<unknown> {
    const target: HandleTarget = {
      key: actor.key,
      call: (method, kind, args, options) =>
        kind === "generator" || kind === "asyncGenerator"
          ? singleValueStream(() => actor.call(method, CallKind.method, args, options, target))
          : actor.call(method, CallKind.method, args, options, target),
      read: (attribute, options) => actor.call(attribute, CallKind.attribute, [], options, target),
      release: () => {
        release();
        this.unobserved.flush((rejection) => rejection.owner === target);
        return Promise.resolve();
      },
      reference: () => actor.reference,
    };
    return createHandle(actor.manifest, target);
  }

  /**
   * Encodes a value; handles in it become references.
   *
   * @throws {SerializationError} Naming the path, which starts with `root`.
   */
  encode(value: unknown, root: string): Encoded {
    return encodeValue(value, { root, reference });
  }

  /** Stops keys for everyone. */
  cancel(keys: readonly string[], reason: unknown): void {
    if (keys.length === 0) return;
    this.#scheduler.send({ op: "cancelKeys", keys, reason: reason === undefined ? undefined : String(reason) });
  }

  /** Gives everything back and closes all connections. */
  close(): void {
    if (this.#closed) return;
    const keys = [...this.#keys.keys()];
    this.#closed = true;
    if (keys.length > 0) this.#scheduler.send({ op: "release", keys });
    this.#routes.close();
    for (const held of this.#keys.values()) held.disconnect("this client was closed");
    this.#keys.clear();
    this.#scheduler.close();
    this.unobserved.flush();
  }

  #add(key: string, target: string): HeldKey {
    const held = new HeldKey({
      key,
      target,
      createActor: (status) => this.#createActor(status),
      onFree: (freed) => this.#free(freed),
      onLost: (actor, worker, reason) => this.#lose(actor, worker, reason),
    });
    this.#keys.set(key, held);
    return held;
  }

  #createActor({ actor, ticket }: StatusBody): RemoteActor {
    if (actor === undefined) throw new TypeError("A finished actor came without its reference");
    const text = actor.manifest.join();
    let manifest = this.#manifests.get(text);
    if (manifest === undefined) {
      manifest = decodeManifest(actor.manifest);
      this.#manifests.set(text, manifest);
    }
    if (ticket !== undefined) this.#routes.addTicket(actor, ticket);
    return new RemoteActor(actor, manifest, this.#calls);
  }

  #lose(actor: RemoteActor, worker: string, reason: string): void {
    actor.lose((executed) => actorLost(actor.key, worker, reason, executed));
    this.#routes.settle(actor.reference, () => actorLost(actor.key, worker, reason, "unknown"));
  }

  /** The last holder of this client gave a key back. Calls that are under way are the worker's to answer. */
  #free(held: HeldKey): void {
    if (this.#keys.get(held.key) === held) this.#keys.delete(held.key);
    if (this.#closed || held.over) return;
    this.#scheduler.send({ op: "release", keys: [held.key] });
    const { actor } = held;
    if (actor === undefined) return;
    actor.lose(() => actorReleased(actor.key));
    this.#routes.release(actor.reference);
  }

  #decode(value: Uint8Array): unknown {
    return decodeValue(value, {
      actor: (bytes) => {
        const held = this.adopt(decodeActorReference(bytes));
        return this.createHandle(held.actor!, held.hold());
      },
    });
  }

  #disconnected(info: CloseInfo): void {
    const said = info.local
      ? "this client was closed"
      : `the connection to the scheduler ended${info.reason ? `: ${info.reason}` : ""}`;
    for (const held of this.#keys.values()) held.disconnect(said);
    this.#routes.schedulerLost();
  }
}

function adopted(actor: ActorReference, ticket: string | undefined): StatusBody {
  return {
    status: "finished",
    actor,
    ticket,
    reason: undefined,
    error: undefined,
    executed: undefined,
    worker: undefined,
  };
}

/** What the codec writes in place of handles and futures. */
function reference(value: object): { kind: "actor" | "future"; bytes: Uint8Array; key: string } | undefined {
  const link = handleLink(value);
  if (link !== undefined) {
    const actor = link.target.reference() as ActorReference;
    return { kind: "actor", bytes: encodeActorReference(actor), key: actor.key };
  }
  if (futureLink(value) !== undefined) {
    throw new SerializationError("Cannot send a future as an argument: await it first", { path: "args" });
  }
  return undefined;
}

function actorReleased(key: string): ActorNotFoundError {
  return new ActorNotFoundError(`Cannot call ${key}: this client has released it`, { executed: "no" });
}

/** Until streams are served, a call of a generator method ends at its first step with what the worker says of it. */
async function* singleValueStream(call: () => PromiseLike<unknown>): AsyncGenerator<unknown> {
  yield await call();
}
