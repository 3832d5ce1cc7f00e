/**
 * What all code of one isolate shares: the worker that it runs on, and its session as a client, made when it is needed.
 *
 * @module
 */

import { argumentFailed } from "../client/call_errors.ts";
import type { ReferenceMaker } from "../client/client_session.ts";
import type { Actor, ClientApi, WorkerInfo } from "../client/types.ts";
import {
  type ActorReference,
  type DataHolder,
  type DecodeContext,
  decodeValue,
  type EncodeContext,
  type Encoded,
  type EncodedReference,
  encodeValue,
} from "../protocol/mod.ts";
import { type Clock, createMemoryTransports, platformClock, type Transport } from "../connection/mod.ts";
import type { FetchedValue, HostServices, IsolateSettings } from "./isolate.ts";
import { IsolateLoop } from "./isolate_loop.ts";
import { openIsolateSession } from "./isolate_session.ts";
import { decodeArguments, findReferences, type FutureValues, NO_VALUES } from "./references.ts";
import type { StoredResult, StoredResults } from "./result_store.ts";

/** An isolate as a client of its scheduler: the part of a `WorkerClient` that is used here. */
export interface IsolateSession {
  /** What `currentClient()` gives. */
  readonly client: ClientApi;
  /** Whether the scheduler can be told now of what is held. */
  readonly connected: boolean;
  /** Resolves when it can. */
  connect(): Promise<void>;
  /** Makes handles and futures of references in values; `known` says that the scheduler knows whom they are held for. */
  makeFor(holder: string, known: boolean): ReferenceMaker;
  /** What the codec writes in place of a handle or future in a result; `undefined` refuses it. */
  reference(value: object): EncodedReference | undefined;
  /** Gets the value of a future, wherever it is; waits until it is there. Rejects with what the future failed with. */
  fetch(key: string): Promise<StoredResult>;
  /** Asks one host for a value that it keeps. */
  getData(holder: DataHolder, key: string): Promise<StoredResult>;
  /** Holds keys for the isolate itself until the function is called, where they are held here for somebody. */
  hold(keys: readonly string[]): () => void;
  /** Resolves when the scheduler has heard of what came in values and is held; `undefined` where it has. Never rejects. */
  confirmHeld(): Promise<void> | undefined;
  /** Resolves when the scheduler has heard of all that was said until now. Never rejects. */
  sync(): Promise<void>;
  /** A handle of an actor of this isolate. It holds nothing. */
  handleOf(actor: ActorReference): Actor<unknown>;
  /** An actor or task has ended, and with it what was held for it. */
  endHolder(key: string): void;
  /** Closes its connections. */
  close(): void;
}

/** Options of {@linkcode IsolateScope}. */
export interface IsolateScopeOptions {
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** Id of the home. */
  readonly home: string;
  /** WebSocket address of the home's data plane; empty where its calls are relayed. */
  readonly address: string;
  /** What the host does for it. */
  readonly services: HostServices;
  /** The results that are kept in this isolate. */
  readonly results?: StoredResults | undefined;
  /** Makes its session. @default as a client of the scheduler */
  readonly openSession?: typeof openIsolateSession | undefined;
  /** The time. @default {platformClock} */
  readonly clock?: Clock | undefined;
}

/** How arguments are decoded. */
export interface ArgumentOptions {
  /** The values of the futures among them. */
  readonly values: FutureValues;
  /** For whom handles are held. */
  readonly holder: string;
  /** Whether the scheduler knows that already. @default {false} */
  readonly known?: boolean;
  /** Makes functions and streams of a caller; without it there can be none. */
  readonly local?: DecodeContext;
}

/** What all code of one isolate shares. */
export class IsolateScope {
  /** The worker. */
  readonly worker: WorkerInfo;
  /** Id of the home. */
  readonly home: string;
  /** WebSocket address of the home's data plane; empty where its calls are relayed. */
  readonly address: string;
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** Its event loop. */
  readonly loop: IsolateLoop;
  readonly #results: StoredResults | undefined;
  readonly #holderListeners = new Set<(key: string) => void>();
  readonly #open: () => IsolateSession;
  readonly #result: EncodeContext = {
    root: "result",
    role: "result",
    reference: (value) => this.session.reference(value),
  };
  /** Serves callers of this isolate's actors: its own code is one, and takes no socket. Set by whoever serves the others. */
  serveLocal: ((transport: Transport) => void) | undefined;
  #session: IsolateSession | undefined;
  /** How many results have references in them, and were not taken yet. */
  #untaken = 0;

  /** Opens nothing. */
  constructor(options: IsolateScopeOptions) {
    const { settings, home, address, services, results, openSession = openIsolateSession } = options;
    this.settings = settings;
    this.loop = new IsolateLoop(options.clock ?? platformClock);
    this.home = home;
    this.address = address;
    this.#results = results;
    this.#open = () => openSession(settings, services, (place) => this.#openLocal(place));
    this.worker = Object.freeze({ id: settings.worker, name: settings.workerName, address: settings.hostAddress });
  }

  /** The isolate as a client. Made when it is first asked for, as many isolates never need one. */
  get session(): IsolateSession {
    return this.#session ??= this.#open();
  }

  #openLocal({ host, home }: { readonly host: string; readonly home: string }): Transport | undefined {
    if (host !== this.settings.host || home !== this.home || this.serveLocal === undefined) return undefined;
    const [near, far] = createMemoryTransports();
    this.serveLocal(far);
    return near;
  }

  /**
   * Encodes what a method or task gives; handles and futures in it stay what they are.
   *
   * @throws {SerializationError} Naming the path of what cannot be sent.
   */
  encodeResult(value: unknown): Encoded {
    return encodeValue(value, this.#result);
  }

  /**
   * Encodes the arguments of a function that a caller lent.
   *
   * @throws {SerializationError} Naming the path of what cannot be sent.
   */
  encodeArguments(args: readonly unknown[]): Encoded {
    return encodeValue(args, { root: "args", reference: (value) => this.session.reference(value) });
  }

  /** Decodes a value; handles and futures in it are held for `holder`. */
  decodeFor(holder: string, value: Uint8Array, refs: readonly string[]): unknown {
    return refs.length === 0 ? decodeValue(value) : decodeValue(value, this.session.makeFor(holder, false));
  }

  /**
   * Makes ready what arguments with references need before they can be decoded: the values of the futures among them,
   * and the link by which the scheduler hears who holds the actors.
   *
   * @returns The values, at once where there is nothing to wait for. Where a future failed, it rejects with a
   * {@linkcode DependencyLostError}.
   * @throws {ProtocolError | SerializationError} Where the bytes are no value.
   */
  prepare(args: Uint8Array, refs: readonly string[]): FutureValues | Promise<FutureValues> {
    if (refs.length === 0) return NO_VALUES;
    const { futures, actors } = findReferences(args);
    const connects = actors && !this.session.connected;
    return futures.length === 0 && !connects ? NO_VALUES : this.#prepare(futures, connects);
  }

  /**
   * Arguments with references, of a call, constructor or task; futures among them are replaced by their values, and
   * handles are live, and held for `holder`.
   *
   * @throws {ProtocolError | SerializationError} Where the bytes are no array of values.
   */
  decodeArguments(args: Uint8Array, { values, holder, known = false, local }: ArgumentOptions): unknown[] {
    return decodeArguments(args, values, this.session.makeFor(holder, known), local);
  }

  /** Holds what is in a result until the function is called: whoever gets it does not hold it yet. */
  holdResult(refs: readonly string[]): () => void {
    const release = this.session.hold(refs);
    this.#untaken++;
    return () => {
      this.#untaken--;
      release();
    };
  }

  /**
   * Resolves when the scheduler has heard of all that came to this isolate and is held; `undefined` where it has. Until
   * then whoever sent it has to hold it, so nothing that lets him give it back may go out. Never rejects.
   */
  confirmHeld(): Promise<void> | undefined {
    return this.#session?.confirmHeld();
  }

  /** Resolves when the scheduler has heard of all that is in results which are on their way. Never rejects. */
  confirmResults(): Promise<void> | undefined {
    return this.#untaken > 0 ? this.#session?.sync() : undefined;
  }

  /** An actor or task has ended. */
  endHolder(key: string): void {
    this.#session?.endHolder(key);
    for (const listener of [...this.#holderListeners]) listener(key);
  }

  /** Tells `listener` of each actor and task that ends; the function that it returns takes that back. */
  onHolderEnded(listener: (key: string) => void): () => void {
    this.#holderListeners.add(listener);
    return () => this.#holderListeners.delete(listener);
  }

  /** Closes the session, if there is one. */
  close(): void {
    this.#session?.close();
  }

  async #prepare(futures: readonly string[], connects: boolean): Promise<FutureValues> {
    const connected = connects ? this.session.connect() : undefined;
    // Where a future fails first, one error is enough.
    connected?.catch(() => {});
    const values = await Promise.all(futures.map((key) => this.#valueOf(key)));
    await (connected ?? (values.some(({ refs }) => refs.length > 0) ? this.session.connect() : undefined));
    return new Map(values.map((value) => [value.key, value]));
  }

  async #valueOf(key: string): Promise<FetchedValue> {
    try {
      const { bytes, refs } = await this.#results?.get(key) ?? await this.session.fetch(key);
      return { key, bytes, refs };
    } catch (error) {
      throw argumentFailed(key, error);
    }
  }
}
