/**
 * Which way calls take: straight to a worker, or through the scheduler; and what becomes of calls whose way broke.
 *
 * @module
 */

import {
  type Clock,
  type Connection,
  type ConnectionReceiver,
  greet,
  opened,
  type Transport,
} from "../connection/mod.ts";
import {
  type ActorReference,
  type CloseInfo,
  ConnectionLostError,
  type DataHolder,
  decodeError,
  encodeBody,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  TROUPE_VERSION,
} from "../protocol/mod.ts";
import { CallLink, type CallLinkEnd, type PendingCall } from "./call_link.ts";
import type { LendOptions } from "./lent_values.ts";
import { isRefusedByWorkers, openWebSocket, runtimeName, withTrust } from "./platform.ts";
import { dialledTransport, httpAddress } from "./scheduler_link.ts";

/** How long the scheduler's word is awaited when a connection to a worker broke: is the actor lost, or only the way to it? */
const VERDICT_TIME = 900;

/** How long a host is given to answer whether it can be reached. */
const PROBE_TIME = 3000;

/** A ticket lives for 30 s; one that is nearly as old is not worth a try. */
const TICKET_FRESH = 20_000;

/** What is called, and where it lives: an actor, or a value that a host keeps. */
export type Place = Pick<ActorReference, "key" | "worker" | "host" | "home" | "address" | "hostAddress">;

/** A value as it came. */
export interface FetchedData {
  /** The encoded value. */
  readonly bytes: Uint8Array;
  /** The keys of the actors in it. */
  readonly refs: readonly string[];
}

/** What routes need of the client. */
export interface RoutesOptions {
  /** `true` direct, `false` relayed, `"auto"` direct where the host's port answers. */
  readonly direct: boolean | "auto";
  /** This caller's session. */
  readonly session: string;
  /** Further certificate authorities, as PEM. */
  readonly caCerts: readonly string[] | undefined;
  /** The time. */
  readonly clock: Clock;
  /** How values of functions and streams that are lent travel. */
  readonly lend: LendOptions;
  /** Asks the scheduler for a ticket to a home. */
  readonly requestTicket: (place: Place) => Promise<string>;
  /** A way to a home that is this very isolate, which takes no socket; `undefined` where it is not. */
  readonly openLocal?: ((place: Place) => Transport | undefined) | undefined;
  /** Opens a channel through the scheduler. */
  readonly openChannel: (place: Place) => Transport | Promise<Transport>;
  /** Whether the scheduler can still be asked. */
  readonly schedulerAnswers: () => boolean;
}

/** A call whose connection broke. */
interface Orphan {
  readonly call: PendingCall;
  /** Whether it can have left. */
  readonly executed: "no" | "unknown";
  /** What it fails with where the scheduler knows of no loss. */
  readonly error: () => Error;
}

/** Calls to a host whose connections broke, until the scheduler says of what. */
interface Orphans {
  readonly calls: Set<Orphan>;
  readonly settled: Promise<void>;
  settle(): void;
}

/** The links of one client to the homes of its actors. */
export class Routes {
  readonly #options: RoutesOptions;
  readonly #links = new Map<string, CallLink>();
  /** Whether a host can be reached, by its incarnation. */
  readonly #reachable = new Map<string, Promise<boolean>>();
  readonly #tickets = new Map<string, { ticket: string; since: number }>();
  readonly #orphans = new Map<string, Orphans>();
  #closed = false;

  constructor(options: RoutesOptions) {
    this.#options = options;
  }

  /** The link to a home: the one that there is, or a new one. */
  link(actor: Place): CallLink {
    const home = homeOf(actor);
    const existing = this.#links.get(home);
    if (existing?.open) return existing;
    // While the scheduler knows of no loss, calls made now wait until those before them have settled.
    const settled = this.#orphans.get(actor.host)?.settled;
    const link = new CallLink({
      connect: async (receiver) => {
        await settled;
        return await this.#connect(actor, receiver);
      },
      lend: this.#options.lend,
      onEnd: (end) => this.#ended(actor, link, end),
    });
    this.#links.set(home, link);
    return link;
  }

  /**
   * Asks a host for a value that it keeps. `id` is a number that no other call of the session has.
   *
   * @throws {ConnectionLostError} Where the host cannot be reached; else what it refused with.
   */
  getData(holder: DataHolder, key: string, id: number): Promise<FetchedData> {
    return new Promise((resolve, reject) => {
      this.link({ ...holder, hostAddress: holder.address, key }).getData(id, {
        key,
        repeatable: true,
        resolve: (bytes, refs) => resolve({ bytes, refs }),
        fail: (_executed, envelope) => reject(decodeError(envelope)),
        lose: reject,
      });
    });
  }

  /** A ticket that came with a creation. */
  addTicket(actor: Place, ticket: string): void {
    this.#tickets.set(homeOf(actor), { ticket, since: this.#options.clock.now() });
  }

  /** The scheduler says that an actor is lost: what is pending of it fails with `error`. */
  settle(actor: Place, error: (executed: "no" | "unknown") => Error): void {
    const link = this.#links.get(homeOf(actor));
    for (const pending of link?.forget(actor.key) ?? []) pending.lose(error(link!.left ? "unknown" : "no"));
    const orphans = this.#orphans.get(actor.host);
    if (orphans === undefined) return;
    for (const orphan of [...orphans.calls]) {
      if (orphan.call.key !== actor.key) continue;
      orphans.calls.delete(orphan);
      orphan.call.lose(error(orphan.executed));
    }
    if (orphans.calls.size === 0) orphans.settle();
  }

  /** Nobody of this client holds an actor any more. What is pending of it is still answered. */
  release(actor: Place): void {
    this.#links.get(homeOf(actor))?.detach(actor.key);
  }

  /** The scheduler is gone: nobody will say what became of broken connections. */
  schedulerLost(): void {
    for (const orphans of [...this.#orphans.values()]) orphans.settle();
  }

  /** Settles once one-way calls that wait for a connection have left, or cannot; `undefined` where none waits. */
  get oneWayCallsSent(): Promise<unknown> | undefined {
    const waiting = [...this.#links.values()].map((link) => link.oneWayCallsSent).filter((sent) => sent !== undefined);
    return waiting.length === 0 ? undefined : Promise.all(waiting);
  }

  /** Closes all links. What is pending fails. */
  close(): void {
    this.#closed = true;
    for (const link of this.#links.values()) link.close("the client closed");
    this.schedulerLost();
  }

  async #connect(actor: Place, receiver: ConnectionReceiver): Promise<Connection> {
    const { openLocal, openChannel } = this.#options;
    const transport = openLocal?.(actor) ?? await this.#direct(actor) ?? await openChannel(actor);
    const { connection } = greet(transport, {
      role: "caller",
      session: this.#options.session,
      body: encodeBody({ troupe: TROUPE_VERSION, runtime: runtimeName() }),
      receiver,
    });
    return connection;
  }

  /** A direct connection, or `undefined` where calls of this host are relayed. */
  async #direct(actor: Place): Promise<Transport | undefined> {
    const { direct } = this.#options;
    if (direct === false || actor.address === "") return undefined;
    if (direct === true) return await this.#dial(actor);
    if (isRefusedByWorkers()) return undefined;
    if (!await this.#isReachable(actor)) return undefined;
    try {
      return await this.#dial(actor);
    } catch {
      // The port answers, but not this caller: it is another worker's by now, for one. Nothing was sent.
      this.#reachable.set(actor.host, Promise.resolve(false));
      return undefined;
    }
  }

  async #dial(actor: Place): Promise<Transport> {
    const home = homeOf(actor);
    const kept = this.#tickets.get(home);
    this.#tickets.delete(home);
    const fresh = kept !== undefined && this.#options.clock.now() - kept.since < TICKET_FRESH;
    const ticket = fresh ? kept.ticket : await this.#options.requestTicket(actor);
    const socket = openWebSocket(actor.address, [SUBPROTOCOL, TICKET_SUBPROTOCOL + ticket], {
      caCerts: this.#options.caCerts,
    });
    const transport = dialledTransport(socket);
    await opened(socket, actor.address);
    return transport;
  }

  /** Asks the host's port, never an isolate: that may be busy with a sync method. */
  #isReachable(actor: Place): Promise<boolean> {
    let answer = this.#reachable.get(actor.host);
    if (answer === undefined) {
      answer = actor.hostAddress === "" ? Promise.resolve(false) : this.#probe(actor.hostAddress);
      this.#reachable.set(actor.host, answer);
    }
    return answer;
  }

  async #probe(address: string): Promise<boolean> {
    const abort = new AbortController();
    const cancel = this.#options.clock.setTimer(PROBE_TIME, () => abort.abort());
    try {
      return await withTrust(this.#options.caCerts, async (trust) => {
        const response = await fetch(httpAddress(address, "/healthz"), { ...trust, signal: abort.signal });
        await response.body?.cancel();
        return response.ok;
      });
    } catch {
      return false;
    } finally {
      cancel();
    }
  }

  #ended(actor: Place, link: CallLink, { pending, unsent, info, error }: CallLinkEnd): void {
    const home = homeOf(actor);
    if (this.#links.get(home) === link) this.#links.delete(home);
    const closed = this.#closed;
    const orphans = [
      ...pending.map((call): Orphan => ({
        call,
        executed: "unknown",
        error: () => closed ? clientClosed("unknown") : connectionBroke(actor, info),
      })),
      ...unsent.map((call): Orphan => ({
        call,
        executed: "no",
        error: () => closed ? clientClosed("no") : neverSent(actor, info, error),
      })),
    ];
    if (closed || !this.#options.schedulerAnswers()) return loseAll(orphans);
    loseAll(orphans.filter(({ call }) => call.repeatable));
    this.#await(actor, orphans.filter(({ call }) => !call.repeatable));
  }

  /** Gives the scheduler time to say that the host is gone. */
  #await(actor: Place, calls: readonly Orphan[]): void {
    if (calls.length === 0) return;
    const existing = this.#orphans.get(actor.host);
    if (existing) {
      for (const call of calls) existing.calls.add(call);
      return;
    }
    const { promise: settled, resolve } = Promise.withResolvers<void>();
    const orphans: Orphans = {
      calls: new Set(calls),
      settled,
      settle: () => {
        if (this.#orphans.get(actor.host) !== orphans) return;
        this.#orphans.delete(actor.host);
        cancel();
        loseAll(orphans.calls);
        resolve();
      },
    };
    const cancel = this.#options.clock.setTimer(VERDICT_TIME, () => orphans.settle());
    this.#orphans.set(actor.host, orphans);
  }
}

/** The error of calls on a client that was closed. */
export function clientClosed(executed: "no" | "unknown"): ConnectionLostError {
  return new ConnectionLostError("Cannot call an actor: this client was closed", { executed });
}

function homeOf(actor: Place): string {
  return `${actor.host}/${actor.home}`;
}

function loseAll(orphans: Iterable<Orphan>): void {
  for (const { call, error } of orphans) call.lose(error());
}

function neverSent(actor: Place, info: CloseInfo | undefined, cause: Error | undefined): ConnectionLostError {
  const why = cause?.message ?? (info?.reason || "the connection was lost before the call left");
  return new ConnectionLostError(
    `Cannot reach ${actor.key} at ${actor.address || `worker ${actor.worker}`}: ${why}`,
    // The next call opens another way, where there is one.
    { executed: "no", retryable: !(cause instanceof ConnectionLostError) || cause.retryable, ...(cause && { cause }) },
  );
}

function connectionBroke(actor: Place, info: CloseInfo | undefined): ConnectionLostError {
  const said = info?.reason ? `: ${info.reason}` : "";
  return new ConnectionLostError(
    `Lost the connection to ${actor.key} at ${
      actor.address || `worker ${actor.worker}`
    } while a call was under way${said}`,
    { executed: "unknown" },
  );
}
