/**
 * The client of an isolate on a worker: what `currentClient()` gives, and what the worker needs to take values apart.
 *
 * @module
 */

import type { Transport } from "../connection/mod.ts";
import type { ActorReference, DataHolder, EncodedReference } from "../protocol/mod.ts";
import { type Client, clientOfSession } from "./client.ts";
import { ClientSession, type ReferenceMaker, type SessionLink, type Surroundings } from "./client_session.ts";
import type { FetchedData, Place } from "./routes.ts";
import { connectToScheduler, type SchedulerLink } from "./scheduler_link.ts";
import type { Actor } from "./types.ts";

/** Options of {@linkcode WorkerClient}. */
export interface WorkerClientOptions {
  /** Address of the scheduler. */
  readonly address: string;
  /** Gets a one-use ticket of the role `client`. Asked when the scheduler is first needed, and after a lost connection. */
  readonly requestTicket: () => Promise<string>;
  /** What runs now. */
  readonly surroundings: Surroundings;
  /** Further certificate authorities, as PEM. */
  readonly caCerts?: readonly string[] | undefined;
  /** Route of calls. @default {"auto"} */
  readonly direct?: boolean | "auto" | undefined;
  /** A way to the actors of this isolate that takes no socket. */
  readonly openLocal?: ((place: Place) => Transport | undefined) | undefined;
  /** Told of each failure that nobody awaited. @default one line on `console.error` */
  readonly onUnobservedError?: ((error: Error) => void) | undefined;
  /** Connects. @default over a WebSocket, with the ticket */
  readonly dial?: ((link: SessionLink) => Promise<SchedulerLink>) | undefined;
}

/** An isolate as a client of its scheduler. It connects when it first has to; what is asked of it before then waits. */
export class WorkerClient {
  /** What `currentClient()` gives. Closing it does nothing: it is shared by all that runs in the isolate. */
  readonly client: Client;
  readonly #session: ClientSession;

  constructor(options: WorkerClientOptions) {
    const { address, requestTicket, surroundings, caCerts, direct = "auto", openLocal, onUnobservedError } = options;
    const { dial = dialWithTicket } = options;
    async function dialWithTicket(link: SessionLink): Promise<SchedulerLink> {
      const ticket = await requestTicket();
      // Nobody gives up: the isolate ends with its host.
      const { signal } = new AbortController();
      return await connectToScheduler({ ...link, address, token: undefined, ticket, caCerts, signal });
    }
    this.#session = ClientSession.lazy({
      direct,
      caCerts,
      openLocal,
      calls: {},
      onUnobservedError,
      surroundings,
      dial,
    });
    this.client = clientOfSession(this.#session);
  }

  /** Makes handles and futures of references that came in a value: for `decodeValue`. Whoever runs now holds them. */
  get make(): ReferenceMaker {
    return this.#session.references();
  }

  /** Whether the scheduler can be told now, without connecting first. */
  get connected(): boolean {
    return this.#session.connected;
  }

  /**
   * Connects now.
   *
   * @throws {ConnectionLostError | ProtocolError} Where that fails. It is tried again when it is next needed.
   */
  connect(): Promise<void> {
    return this.#session.connect();
  }

  /** What the codec writes in place of handles and futures in results: for `encodeValue`. `undefined` refuses it. */
  reference(value: object): EncodedReference | undefined {
    return this.#session.encodeReference(value);
  }

  /**
   * As {@linkcode WorkerClient.make}, for `holder`, whoever runs now.
   *
   * @param known Whether the scheduler knows already that it holds them.
   */
  makeFor(holder: string, known: boolean): ReferenceMaker {
    return this.#session.references(holder, known);
  }

  /** Gets the value of a key, wherever it is; waits until it is there. */
  fetch(key: string): Promise<FetchedData> {
    return this.#session.fetch(key);
  }

  /** Asks one host for a value that it keeps. */
  getData(holder: DataHolder, key: string): Promise<FetchedData> {
    return this.#session.getData(holder, key);
  }

  /** Holds keys for the isolate itself until the function is called, where they are held here for somebody. */
  hold(keys: readonly string[]): () => void {
    return this.#session.holdKeys(keys, undefined);
  }

  /**
   * Resolves when the scheduler has heard of all that came in values and is held; `undefined` where it has. Never rejects.
   */
  confirmHeld(): Promise<void> | undefined {
    return this.#session.confirmHeld();
  }

  /** Resolves when the scheduler has heard of all that was said until now. Never rejects. */
  sync(): Promise<void> {
    return this.#session.sync();
  }

  /** As `decodeValue`, with handles and futures that are held for `holder`, whoever runs now. */
  decodeFor(holder: string, value: Uint8Array, refs: readonly string[]): unknown {
    return this.#session.decode(value, refs, holder);
  }

  /** A handle of an actor of this isolate, for `currentActor()`. It holds nothing: the actor is there while it runs. */
  handleOf(actor: ActorReference): Actor<unknown> {
    return this.#session.createOwnHandle(actor);
  }

  /** An actor or task has ended, and with it all that it held; the scheduler hears of that from its host. */
  endHolder(key: string): void {
    this.#session.endHolder(key);
  }

  /** Closes its connections. */
  close(): void {
    this.#session.close();
  }
}
