/**
 * Clients, nannies and hosts that speak the protocol by hand, over any transport.
 *
 * @module
 */

import { type Clock, Connection, createMemoryTransports, greet, type Transport } from "../../connection/mod.ts";
import { afterThisTurn } from "../../connection/macrotask.ts";
import {
  type CloseInfo,
  decodeBody,
  encodeBody,
  encodeError,
  type Message,
  type MessageOf,
  type Op,
  randomHex,
  type StatusBody,
  statusBody,
  type SubmitBody,
  type TicketClaims,
  type WorkerHello,
} from "../../protocol/mod.ts";
import type { Grant } from "../../scheduler/door.ts";
import { SchedulerServer, type SchedulerServerOptions } from "../../scheduler/server.ts";
import { checkInvariants } from "../../scheduler/invariants.ts";
import { submission, workerHello } from "./simulation.ts";

/** Lets everything that is on its way in this process arrive. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => afterThisTurn(resolve));
}

/** A clock that stands still until it is told to go on. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { due: number; run: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  setTimer(delay: number, run: () => void): () => void {
    const timer = { due: this.#now + delay, run };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** How many timers are set. */
  get size(): number {
    return this.#timers.length;
  }

  /** Goes on, and lets everything that a timer causes arrive before the next one runs out. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = this.#timers.filter(({ due }) => due <= end).sort((one, other) => one.due - other.due)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#now = Math.max(this.#now, next.due);
      next.run();
      await settle();
    }
    this.#now = end;
  }

  /** Goes on without running anything: this process was held up. */
  skip(milliseconds: number): void {
    this.#now += milliseconds;
  }
}

/** One end of a connection to a scheduler. */
export class Peer {
  readonly connection: Connection;
  readonly received: Message[] = [];
  /** How it ended. */
  readonly closed: Promise<CloseInfo>;
  /** The scheduler's welcome. */
  readonly welcome: Promise<MessageOf<"welcome">>;
  /** What it answers to requests of the scheduler, by name; it refuses all others. */
  readonly answers: Record<string, object> = {};
  readonly #waiting: { op: Op; resolve: (message: Message) => void }[] = [];

  /** Says hello. */
  constructor(transport: Transport, role: string, body: object, session: string = randomHex(16)) {
    const { promise, resolve } = Promise.withResolvers<CloseInfo>();
    this.closed = promise;
    const { connection, welcome } = greet(transport, {
      role,
      session,
      body: encodeBody(body),
      receiver: { onMessage: (message) => this.#take(message), onClose: resolve },
    });
    this.connection = connection;
    this.welcome = welcome;
  }

  /** Sends a message. */
  send(message: Message): void {
    this.connection.send(message);
  }

  /** The next message of a kind that nobody has taken. */
  next<O extends Op>(op: O): Promise<MessageOf<O>> {
    const index = this.received.findIndex((message) => message.op === op);
    if (index >= 0) return Promise.resolve(this.received.splice(index, 1)[0] as unknown as MessageOf<O>);
    const { promise, resolve } = Promise.withResolvers<Message>();
    this.#waiting.push({ op, resolve });
    return promise as Promise<unknown> as Promise<MessageOf<O>>;
  }

  /** The next status. */
  async status(): Promise<{ key: string; body: StatusBody }> {
    const { key, body } = await this.next("status");
    return { key, body: decodeBody(statusBody, body, "status") };
  }

  /** The answer to a request. */
  async request<T>(id: number, name: string, asked: object, shape: (value: unknown, path: string) => T): Promise<T> {
    this.send({ op: "request", id, name, body: encodeBody(asked) });
    const answer = await this.next("answer");
    if (answer.id !== id || answer.ok !== 1) throw new Error(`Request ${id} got ${answer.id}, ok ${answer.ok}`);
    return decodeBody(shape, answer.body, "answer");
  }

  /** Submits an actor. */
  submit(key: string, more: Partial<SubmitBody> = {}): void {
    const body = encodeBody(submission(more));
    this.send({ op: "submit", key, body, args: new Uint8Array([1, 2, 3]), refs: [], holder: undefined, chain: [] });
  }

  /** Ends the connection in order. */
  close(): void {
    this.connection.close(1000, "");
  }

  #take(message: Message): void {
    if (message.op === "request") {
      const { id, name } = message;
      const found = this.answers[name];
      const body = found ? encodeBody(found) : encodeError(new Error(`This peer answers no ${name}`));
      return this.send({ op: "answer", id, ok: found ? 1 : 0, body });
    }
    const index = this.#waiting.findIndex(({ op }) => op === message.op);
    if (index < 0) this.received.push(message);
    else this.#waiting.splice(index, 1)[0]!.resolve(message);
  }
}

/** Versions of a peer. */
export const VERSIONS = { troupe: "0.1.0", runtime: "test" };

/** A scheduler in memory. */
export class MemoryScheduler {
  readonly clock = new FakeClock();
  readonly server: SchedulerServer;

  constructor(options: Partial<SchedulerServerOptions> = {}) {
    this.server = new SchedulerServer({ clock: this.clock, runtime: "test", loopback: true, ...options });
  }

  /** A link, and the peer's end of it, which `cut` ends as a killed process does. */
  connect(grant: Grant = { kind: "token" }): { transport: Transport; cut: () => void } {
    const [near, far] = createMemoryTransports();
    this.server.accept(near, grant);
    return { transport: far, cut: () => far.abort() };
  }

  /** A client. */
  client(session?: string): Peer & { cut: () => void } {
    const { transport, cut } = this.connect();
    return Object.assign(new Peer(transport, "client", VERSIONS, session), { cut });
  }

  /** A nanny. */
  nanny(hello: Partial<WorkerHello> = {}): Peer & { cut: () => void } {
    const { transport, cut } = this.connect();
    return Object.assign(new Peer(transport, "worker", workerHello(hello)), { cut });
  }

  /** A host that shows its ticket. */
  host(ticket: string, address = "ws://127.0.0.1:4000/ws"): Peer & { cut: () => void } {
    const claims = this.server.tickets.redeem(ticket);
    if (!claims) throw new Error("The ticket is not good");
    const { transport, cut } = this.connect({ kind: "ticket", claims });
    return Object.assign(new Peer(transport, "host", { ...VERSIONS, pid: 9, address }), { cut });
  }

  /** A worker whose host is up. */
  async worker(
    name: string,
    incarnation = `${name}-1`,
  ): Promise<{ nanny: Peer & { cut: () => void }; host: Peer & { cut: () => void } }> {
    const nanny = this.nanny({ name });
    nanny.send({ op: "hostStarting", incarnation });
    const { ticket } = await nanny.next("hostTicket");
    const host = this.host(ticket);
    await host.welcome;
    return { nanny, host };
  }

  /** Ends it, and checks that nothing is left that would run. */
  close(): void {
    checkInvariants(this.server.state);
    this.server.close();
    if (this.clock.size > 0) throw new Error(`${this.clock.size} timers are left`);
  }
}

/** Claims of a ticket, without what is made at signing. */
export function claimsOf(more: Partial<TicketClaims>): Omit<TicketClaims, "expires" | "nonce"> {
  return { role: "client", worker: "", host: "", home: "", ...more };
}

/** What a host says of an actor that it created. */
export function createdBy(host: Peer, { key, incarnation }: { key: string; incarnation: string }): void {
  const body = {
    home: "main",
    homeKind: "inline",
    address: "ws://127.0.0.1:4000/ws",
    tag: new Uint8Array([1]),
    manifest: new Uint8Array([2]),
  };
  host.send({ op: "created", key, incarnation, body: encodeBody(body) });
}
