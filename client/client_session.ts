/**
 * What stands behind a client: its scheduler link, its routes, and the keys that it holds.
 *
 * @module
 */

import { type Clock, platformClock, type Transport } from "../connection/mod.ts";
import {
  type ActorManifest,
  ActorNotFoundError,
  type ActorReference,
  type Answered,
  type Asked,
  CallKind,
  type CloseInfo,
  createKeySuffixes,
  type DataHolder,
  decodeActorReference,
  decodeManifest,
  decodeValue,
  type Encoded,
  type EncodedReference,
  MAXIMUM_TEXTS,
  randomHex,
  type RequestName,
  type ScatterBody,
  type SubmitBody,
} from "../protocol/mod.ts";
import type { HandleTarget } from "./brands.ts";
import { ExternalKeys } from "./external.ts";
import { fetchValue, type ValueSource } from "./fetch_value.ts";
import { captureSubmitSite } from "./call_site.ts";
import { createFuture, type FutureControl } from "./future.ts";
import { createHandle } from "./handle.ts";
import { HeldKey, type Holder, type StoredValue } from "./held_key.ts";
import { HeldKeys, type Reference } from "./held_keys.ts";
import { LazyLink } from "./lazy_link.ts";
import type { LendOptions } from "./lent_values.ts";
import {
  decodeFutureKey,
  encodeArguments,
  encodeKept,
  encodeStored,
  type KeyReference,
  type ReferenceOwner,
} from "./references.ts";
import { actorLost, type Loss } from "./call_errors.ts";
import { type CallSession, type InheritedLimits, NO_CHAIN } from "./call_session.ts";
import { RemoteActor } from "./remote_actor.ts";
import { clientClosed, type FetchedData, type Place, Routes } from "./routes.ts";
import {
  connectToScheduler,
  lostConnection,
  type SchedulerLink,
  type SchedulerLinkOptions,
  webSocketAddress,
} from "./scheduler_link.ts";
import type { Actor, CallOptions } from "./types.ts";
import { UnobservedErrors } from "./unobserved.ts";

/** What every session is made with. */
export interface SessionOptions {
  /** Route of calls. */
  readonly direct: boolean | "auto";
  /** Further certificate authorities, as PEM. */
  readonly caCerts: readonly string[] | undefined;
  /** A way to the actors of this isolate that takes no socket. */
  readonly openLocal?: ((place: Place) => Transport | undefined) | undefined;
  /** Options of every call. */
  readonly calls: CallOptions;
  /** Told of each failure that nobody awaited. */
  readonly onUnobservedError: ((error: Error) => void) | undefined;
}

/** The call in whose name something is done, in an isolate of a worker. */
export interface Surroundings {
  /** The key of the actor or task that runs now: what is submitted and decoded is held for it. */
  readonly holder: () => Holder;
  /** What calls that are made now take over from the call that runs. */
  readonly inherited: () => InheritedLimits | undefined;
  /** Keeps both for a function that runs later. */
  readonly bind: LendOptions["bind"];
}

/** Everywhere else. */
const NO_SURROUNDINGS: Surroundings = {
  holder: () => undefined,
  inherited: () => undefined,
  bind: (run) => run,
};

/** Options of {@linkcode ClientSession.connect}. */
export interface ClientSessionOptions extends SessionOptions {
  /** Address of the scheduler. */
  readonly address: string;
  /** Bearer token; `undefined` for none. */
  readonly token: string | undefined;
  /** Gives up connecting. */
  readonly signal: AbortSignal;
}

/** Options of {@linkcode ClientSession.lazy}. */
export interface LazySessionOptions extends SessionOptions {
  /** Connects, when the scheduler is first needed, and again when it is needed after the connection was lost. */
  readonly dial: (link: SessionLink) => Promise<SchedulerLink>;
  /** What runs now. */
  readonly surroundings: Surroundings;
}

/** Makes handles and futures of references that came in a value. */
export interface ReferenceMaker {
  /** Makes a handle. */
  readonly actor: (reference: Uint8Array) => unknown;
  /** Makes a future. */
  readonly future: (reference: Uint8Array) => unknown;
}

/** What a session tells the link that it is connected by. */
export type SessionLink = Pick<SchedulerLinkOptions, "session" | "clock" | "onStatus" | "onClose">;

/** One client, without its public face. */
export class ClientSession {
  /**
   * Connects to a scheduler.
   *
   * @throws {UnauthorizedError | ConnectionLostError | ProtocolError}
   */
  static async connect(options: ClientSessionOptions): Promise<ClientSession> {
    const { address, token, caCerts, signal } = options;
    const session = new ClientSession(options, {
      surroundings: NO_SURROUNDINGS,
      redials: false,
      dial: (link) => connectToScheduler({ ...link, address, token, caCerts, signal }),
    });
    session.#server = { address: webSocketAddress(address), token };
    const { welcome } = await session.#link.connect();
    session.#createSuffix = createKeySuffixes(welcome.sessionNumber);
    return session;
  }

  /** A session that connects when it first has to. It is no root of references: what it holds it holds for others. */
  static lazy(options: LazySessionOptions): ClientSession {
    return new ClientSession(options, { ...options, redials: true });
  }

  /** Failures that nobody looks at. */
  readonly unobserved: UnobservedErrors;
  readonly #clock: Clock = platformClock;
  readonly #id = randomHex(16);
  readonly #owner = Symbol("client");
  readonly #manifests = new Map<string, ActorManifest>();
  readonly #holder: () => Holder;
  readonly #link: LazyLink;
  readonly #keys: HeldKeys;
  readonly #routes: Routes;
  readonly #calls: CallSession;
  readonly #externals: ExternalKeys;
  readonly #values: ValueSource;
  #server: { readonly address: string; readonly token: string | undefined } | undefined;
  /** Sessions that are numbered have short ones. */
  #createSuffix: () => string = () => randomHex(8);
  #nextCall = 1;
  #closed = false;
  /** Whether the scheduler was told of something held since it was last asked whether it has heard. */
  #saidHeld = false;
  #confirming: Promise<void> | undefined;

  private constructor(
    options: SessionOptions,
    { dial, redials, surroundings }: Pick<LazySessionOptions, "dial" | "surroundings"> & { readonly redials: boolean },
  ) {
    const { holder, inherited, bind } = surroundings;
    const report = options.onUnobservedError;
    this.unobserved = new UnobservedErrors(report ? { report: (error) => report(error) } : {});
    this.#holder = holder;
    this.#link = new LazyLink({
      redials,
      dial: () =>
        dial({
          session: this.#id,
          clock: this.#clock,
          onStatus: (key, status) => this.#keys.update(key, status),
          onClose: (info) => this.#disconnected(info),
        }),
      onFailed: (info) => this.#disconnected(info),
    });
    this.#keys = new HeldKeys({
      holder,
      chain: () => inherited()?.chain ?? NO_CHAIN,
      send: (message) => {
        if (message.op === "held") this.#saidHeld = true;
        this.#link.send(message);
      },
      closed: (attempted) => {
        const { closed } = this.#link;
        return closed && lostConnection(attempted, closed, "no");
      },
      createActor: (reference, ticket) => this.#createActor(reference, ticket),
      onLost: (actor, loss) => this.#lose(actor, loss),
      onReleased: (actor) => {
        // Calls that are under way are the worker's to answer.
        actor.lose(() => actorReleased(actor.key));
        this.#routes.release(actor.reference);
      },
    });
    this.#routes = new Routes({
      direct: options.direct,
      session: this.#id,
      caCerts: options.caCerts,
      clock: this.#clock,
      lend: {
        encode: (value, root) => this.encodeStored(value, root),
        decode: (value, refs) => this.decode(value, refs, undefined),
        hold: (refs) => this.holdKeys(refs, undefined),
        confirmHeld: () => this.confirmHeld(),
        bind,
      },
      requestTicket: async ({ worker, host, home }) =>
        (await this.#link.request("ticket", { worker, host, home })).ticket,
      openLocal: options.openLocal,
      openChannel: ({ worker, home }) => this.#link.openChannel(worker, home),
      schedulerAnswers: () => this.#link.closed === undefined,
    });
    this.#calls = {
      clock: this.#clock,
      unobserved: this.unobserved,
      calls: options.calls,
      owner: this.#owner,
      holder,
      inherited,
      nextCallId: () => this.#nextCall++,
      link: (actor) => this.#routes.link(actor),
      encode: (args, holder, lender, lent) => {
        return encodeArguments(args, "args", this.#referenceOwner(holder), (value) => lender.lend(value, lent));
      },
      encodeValue: (value, holder) => this.encode(value, "value", holder),
      decode: (value, refs, holder, owned) => this.decode(value, refs, holder, owned),
      hold: (keys, holder) => this.holdKeys(keys, holder),
      confirmHeld: () => this.confirmHeld(),
      closed: () => this.#closed ? clientClosed("no") : undefined,
    };
    this.#externals = new ExternalKeys({
      createKey: (name) => this.createKey(name),
      send: (message) => this.#link.send(message),
      encode: (value) => this.encodeStored(value, "result"),
    });
    this.#values = {
      getData: (holder, key) => this.getData(holder, key),
      locate: (key) => this.#link.request("locate", { key }),
      pause: (time) => new Promise((resolve) => void this.#clock.setTimer(time, resolve)),
    };
  }

  /** The connection to the scheduler, where it stands or stood. */
  get scheduler(): SchedulerLink | undefined {
    return this.#link.link;
  }

  /** Where the scheduler's HTTP API is, and the token that it wants; `undefined` for a session of a worker. */
  get server(): { readonly address: string; readonly token: string | undefined } | undefined {
    return this.#server;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether the scheduler is connected now. */
  get connected(): boolean {
    return this.scheduler !== undefined && this.scheduler.closed === undefined;
  }

  /** Connects now where that was not needed before. */
  async connect(): Promise<void> {
    await this.#link.connect();
  }

  /** A key for something of this name that no other client makes. */
  createKey(name: string): string {
    return `${name}-${this.#createSuffix()}`;
  }

  /** A key that this client holds. */
  find(key: string): HeldKey | undefined {
    return this.#keys.find(key);
  }

  /** Asks the scheduler something. */
  request<N extends RequestName>(name: N, asked: Asked<N>): Promise<Answered<N>> {
    return this.#link.request(name, asked);
  }

  /**
   * Submits under a key, or holds the key where this client has submitted the same already.
   *
   * @throws {KeyConflictError} Where this client holds the key for another target.
   */
  submit(key: string, body: SubmitBody, args: Encoded): Reference {
    return this.#keys.submit(key, body, args);
  }

  /** Puts a value on a worker. */
  scatter(key: string, body: ScatterBody, value: Encoded): Reference {
    return this.#keys.scatter(key, body, value);
  }

  /** Holds a key once more. */
  hold(held: HeldKey): Reference {
    return this.#keys.hold(held);
  }

  /** Holds keys that are held already, until the function is called. */
  holdKeys(keys: readonly string[], holder: Holder): () => void {
    const said = this.#saidHeld;
    const releases = keys.map((key) => this.#keys.find(key)?.hold(holder) ?? this.#externals.hold(key));
    // Nobody has to wait until the scheduler hears of it.
    this.#saidHeld = said;
    return () => {
      for (const release of releases) release?.();
    };
  }

  /**
   * Resolves when the scheduler has heard of all that came in values and is held; `undefined` where it has. Never rejects.
   */
  confirmHeld(): Promise<void> | undefined {
    if (!this.#saidHeld) return this.#confirming;
    this.#saidHeld = false;
    const confirming: Promise<void> = this.sync().then(() => {
      if (this.#confirming === confirming) this.#confirming = undefined;
    });
    return this.#confirming = confirming;
  }

  /** Resolves when the scheduler has heard of all that was said until now. Never rejects. */
  sync(): Promise<void> {
    // Where the connection ends first, what is held ends with it.
    return this.#link.request("sync", {}).then(ignore, ignore);
  }

  /** The handle of an actor that the scheduler gave a reference to. */
  createHandleOf(reference: ActorReference, ticket: string | undefined): Actor<unknown> {
    const holder = this.#holder();
    // Whoever asks holds it, but only for itself.
    const { held, release } = this.#keys.adopt(reference, { ticket, holder, known: holder === undefined });
    return this.createHandle(held.actor!, release);
  }

  /** A future that stands for a reference; to release it gives the reference back. */
  createFuture({ held, release, holder }: Reference): FutureControl<unknown> {
    const { key } = held;
    const reference: KeyReference = { owner: this.#owner, key };
    const control: FutureControl<unknown> = createFuture<unknown>({
      key,
      unobserved: this.unobserved,
      owner: held,
      site: captureSubmitSite(),
      reference: () => reference,
      source: {
        fetch: async () => {
          const { actor, stored } = await held.finished;
          if (actor) {
            return this.createHandle(actor, () => {
              release();
              control.update("released");
            });
          }
          const { value } = stored;
          const { bytes, refs } = value
            ? { bytes: value, refs: stored.refs }
            : await fetchValue(key, stored, this.#values);
          return this.decode(bytes, refs, holder);
        },
        cancel: (reason) => {
          if (!held.over) this.cancel([key], reason);
          return Promise.resolve();
        },
        release: () => {
          held.removeFuture(control);
          release();
          return Promise.resolve();
        },
      },
    });
    held.addFuture(control);
    return control;
  }

  /** A future of what failed before the scheduler heard of it. */
  createFailedFuture(key: string, failure: Error): FutureControl<unknown> {
    const reference: KeyReference = { owner: this.#owner, key, failure };
    const control = createFuture<unknown>({
      key,
      unobserved: this.unobserved,
      reference: () => reference,
      source: { fetch: () => Promise.reject(failure), cancel: async () => {}, release: async () => {} },
    });
    control.fail(failure);
    return control;
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
          ? actor.stream(method, args, options)
          : actor.call(method, CallKind.method, args, options, target),
      send: (method, args, options) => actor.send(method, args, options),
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

  /** A handle that holds nothing: an actor's own, as long as it runs. */
  createOwnHandle(reference: ActorReference): Actor<unknown> {
    return this.createHandle(this.#createActor(reference, undefined), () => {});
  }

  /**
   * Encodes arguments; handles and futures in them become references.
   *
   * @throws {SerializationError} Naming the path, which starts with `root`.
   * @throws {TypeError} Where a future in them is not this client's, or was released.
   */
  encode(value: unknown, root: string, holder: Holder = this.#holder()): Encoded {
    return encodeArguments(value, root, this.#referenceOwner(holder));
  }

  /**
   * Encodes a value that is kept.
   *
   * @throws {SerializationError} Naming the path, which starts with `root`.
   */
  encodeStored(value: unknown, root: string): Encoded {
    return encodeStored(value, root, this.#referenceOwner(undefined));
  }

  /** What the codec writes in place of a handle or future in a result; `undefined` refuses it. */
  encodeReference(value: object): EncodedReference | undefined {
    return encodeKept(value, this.#referenceOwner(undefined));
  }

  /** Decodes a value. Handles and futures in it are held for `holder`. */
  decode(value: Uint8Array, refs: readonly string[], holder: Holder, owned = false): unknown {
    return decodeValue(value, refs.length === 0 ? { owned } : { owned, ...this.references(holder) });
  }

  /**
   * Makes handles and futures of references that came in a value; they are held for `holder`.
   *
   * @param known Whether the scheduler knows that already.
   */
  references(holder: Holder = this.#holder(), known = false): ReferenceMaker {
    return {
      actor: (bytes) => {
        const { held, release } = this.#keys.adopt(decodeActorReference(bytes), { holder, known });
        return this.createHandle(held.actor!, release);
      },
      future: (bytes) => {
        const key = decodeFutureKey(bytes);
        return this.createFuture(this.#keys.adoptFuture(key, holder, this.#values.locate, known)).future;
      },
    };
  }

  /** Asks one host for a value that it keeps. */
  getData(holder: DataHolder, key: string): Promise<FetchedData> {
    return this.#routes.getData(holder, key, this.#nextCall++);
  }

  /** Gets the value of a key, wherever it is; waits until it is there. */
  fetch(key: string, stored?: StoredValue): Promise<FetchedData> {
    const { locate } = this.#values;
    return stored
      ? fetchValue(key, stored, this.#values)
      : locate(key).then((stored) => fetchValue(key, stored, this.#values));
  }

  /** Stops keys for everyone. */
  cancel(keys: readonly string[], reason: unknown): void {
    const text = reason === undefined ? undefined : String(reason);
    for (const some of inMessages(keys)) this.#link.send({ op: "cancelKeys", keys: some, reason: text });
  }

  /** An actor or task has ended, and with it all that it held; the scheduler knows. */
  endHolder(holder: string): void {
    this.#keys.endHolder(holder);
  }

  /** Settles once one-way calls that wait for a connection have left, or cannot; `undefined` where none waits. */
  get oneWayCallsSent(): Promise<unknown> | undefined {
    return this.#routes.oneWayCallsSent;
  }

  /** Gives everything back and closes all connections. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.unobserved.flush();
    const keys = this.#keys.close("this client was closed");
    // Whoever closes a client knows that he will not hear of what is under way.
    this.unobserved.drop((rejection) => rejection.owner instanceof HeldKey);
    // What is held for others ends with them.
    if (this.#server) {
      for (const some of inMessages(keys)) this.#link.send({ op: "release", keys: some, holder: undefined });
    }
    this.#routes.close();
    this.#link.close();
    this.unobserved.flush();
  }

  #referenceOwner(holder: Holder): ReferenceOwner {
    return {
      owner: this.#owner,
      find: (key) => this.#keys.find(key),
      keyOfCall: (future, call) => this.#externals.keyOf(future, call, holder),
    };
  }

  #createActor(actor: ActorReference, ticket: string | undefined): RemoteActor {
    const text = actor.manifest.join();
    let manifest = this.#manifests.get(text);
    if (manifest === undefined) {
      manifest = decodeManifest(actor.manifest);
      this.#manifests.set(text, manifest);
    }
    if (ticket !== undefined) this.#routes.addTicket(actor, ticket);
    return new RemoteActor(actor, manifest, this.#calls);
  }

  #lose(actor: RemoteActor, loss: Loss): void {
    actor.lose((executed) => actorLost(actor.key, loss, executed));
    this.#routes.settle(actor.reference, (executed) => actorLost(actor.key, loss, executed));
  }

  #disconnected(info: CloseInfo): void {
    const said = info.local
      ? "this client was closed"
      : `the connection to the scheduler ended${info.reason ? `: ${info.reason}` : ""}`;
    this.#keys.disconnect(said);
    this.#routes.schedulerLost();
  }
}

function ignore(): void {}

function actorReleased(key: string): ActorNotFoundError {
  return new ActorNotFoundError(`Cannot call ${key}: this client has released it`, { executed: "no" });
}
/** As many at a time as one message takes. */
function* inMessages(keys: readonly string[]): Generator<readonly string[]> {
  for (let start = 0; start < keys.length; start += MAXIMUM_TEXTS) yield keys.slice(start, start + MAXIMUM_TEXTS);
}
