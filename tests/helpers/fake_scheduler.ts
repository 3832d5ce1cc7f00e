/**
 * A scheduler that does nothing by itself: real sockets and the real connection layer, with a test in charge.
 *
 * @module
 */

import {
  acceptConnection,
  ACCEPTED_POLICY,
  Channels,
  type Connection,
  createWebSocketTransport,
  greet,
  NAGLE_POLICY,
  platformClock,
  type Transport,
} from "../../connection/mod.ts";
import {
  CloseCode,
  type CloseInfo,
  type CreatedBody,
  createdBody,
  decodeBody,
  decodeError,
  decodeValue,
  encodeBody,
  encodeClaims,
  encodeValue,
  type Executed,
  executedWord,
  formatTicket,
  type HeartbeatBody,
  heartbeatBody,
  type HomeKind,
  type HostHello,
  hostHello,
  type Message,
  type MessageOf,
  parseTicket,
  randomHex,
  type SubmitBody,
  type SubmittedTarget,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  type TicketClaims,
  TROUPE_VERSION,
  type WorkerHello,
  workerHello,
} from "../../protocol/mod.ts";
import { Queue } from "./queue.ts";

const VERSIONS = { troupe: TROUPE_VERSION, runtime: "test" };

/** Options of {@linkcode FakeScheduler.start}. */
export interface FakeSchedulerOptions {
  /** The token that nannies must show. */
  readonly token?: string;
  /** The port; 0 for any. */
  readonly port?: number;
  /** Whether it says of itself that it is bound to loopback. */
  readonly loopback?: boolean;
}

/** A scheduler whose every step is the test's. */
export class FakeScheduler implements AsyncDisposable {
  /** Starts one on a port of loopback. */
  static async start(options: FakeSchedulerOptions = {}): Promise<FakeScheduler> {
    const keys = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]) as CryptoKeyPair;
    const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", keys.publicKey));
    return new FakeScheduler(options, keys.privateKey, publicKey);
  }

  /** Address for `--scheduler` and its like. */
  readonly address: string;
  /** The token that nannies must show. */
  readonly token: string;
  /** Nannies that have said hello. */
  readonly nannies = new Queue<FakeNanny>();
  /** Hosts that have said hello. */
  readonly hosts = new Queue<FakeHost>();
  /** How many upgrades were refused. */
  refused = 0;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #privateKey: CryptoKey;
  readonly #publicKey: Uint8Array;
  readonly #loopback: boolean;
  readonly #connections = new Set<Connection>();
  #workers = 0;

  private constructor(options: FakeSchedulerOptions, privateKey: CryptoKey, publicKey: Uint8Array) {
    const { token = randomHex(32), port = 0, loopback = true } = options;
    this.token = token;
    this.#privateKey = privateKey;
    this.#publicKey = publicKey;
    this.#loopback = loopback;
    this.#server = Deno.serve({ hostname: "127.0.0.1", port, onListen() {} }, (request) => this.#accept(request));
    this.address = `ws://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Signs a ticket. */
  async ticket(claims: Omit<TicketClaims, "expires" | "nonce">): Promise<string> {
    const signed = encodeClaims({ ...claims, expires: Date.now() + 30_000, nonce: randomHex(8) });
    return formatTicket(signed, new Uint8Array(await crypto.subtle.sign("Ed25519", this.#privateKey, signed)));
  }

  /** Ends all connections and stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close(CloseCode.goingAway, "the test is over");
    await this.#server.shutdown();
  }

  #accept(request: Request): Response {
    const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(/\s*,\s*/);
    const ticket = protocols.find((protocol) => protocol.startsWith(TICKET_SUBPROTOCOL));
    const claims = ticket && parseTicket(ticket.slice(TICKET_SUBPROTOCOL.length))?.claims;
    if (!claims && request.headers.get("authorization") !== `Bearer ${this.token}`) {
      this.refused++;
      return new Response("Unauthorized", { status: 401 });
    }
    if (request.headers.get("upgrade") !== "websocket") return new Response("{}");
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: SUBPROTOCOL });
    const connection = acceptConnection(createWebSocketTransport(socket, ACCEPTED_POLICY), {
      clock: platformClock,
      onHello: (connection, hello, version) =>
        claims ? this.#host(connection, hello, version, claims) : this.#nanny(connection, hello, version),
    });
    this.#connections.add(connection);
    return response;
  }

  #nanny(connection: Connection, hello: MessageOf<"hello">, version: number) {
    const id = `worker-${++this.#workers}`;
    const said = decodeBody(workerHello, hello.body, "hello");
    const body = {
      ...VERSIONS,
      scheduler: "fake",
      worker: id,
      name: said.name || `name-of-${id}`,
      heartbeatInterval: 200,
      publicKey: this.#publicKey,
      loopback: this.#loopback,
    };
    connection.send({ op: "welcome", version, body: encodeBody(body) });
    const nanny = new FakeNanny(this, connection, id, said);
    this.nannies.push(nanny);
    return nanny;
  }

  #host(connection: Connection, hello: MessageOf<"hello">, version: number, claims: TicketClaims) {
    connection.send({ op: "welcome", version, body: encodeBody(VERSIONS) });
    const host = new FakeHost(this, connection, claims, decodeBody(hostHello, hello.body, "hello"));
    this.hosts.push(host);
    return host;
  }
}

/** What both kinds of links have in common. */
class FakeLink {
  /** What it sent, and nobody has taken yet. */
  readonly messages = new Queue<Message>();
  /** Resolves when the link has ended. */
  readonly closed: Promise<CloseInfo>;
  /** The connection. */
  readonly connection: Connection;
  readonly #close: (info: CloseInfo) => void;

  constructor(connection: Connection) {
    this.connection = connection;
    ({ promise: this.closed, resolve: this.#close } = Promise.withResolvers<CloseInfo>());
  }

  onMessage(message: Message): void {
    this.messages.push(message);
  }

  onClose(info: CloseInfo): void {
    this.#close(info);
  }

  /** The next message of a kind. */
  async next<O extends Message["op"]>(
    op: O,
    fits: (message: MessageOf<O>) => boolean = () => true,
  ): Promise<MessageOf<O>> {
    const found = await this.messages.next((message) => message.op === op && fits(message as unknown as MessageOf<O>));
    return found as unknown as MessageOf<O>;
  }
}

/** A nanny's link. Hosts that it announces get their tickets. */
export class FakeNanny extends FakeLink {
  /** What it said of itself. */
  readonly hello: WorkerHello;
  /** The worker's id. */
  readonly id: string;
  /** What it said last. */
  heartbeat: HeartbeatBody | undefined;
  readonly #scheduler: FakeScheduler;

  constructor(scheduler: FakeScheduler, connection: Connection, id: string, hello: WorkerHello) {
    super(connection);
    this.#scheduler = scheduler;
    this.id = id;
    this.hello = hello;
  }

  override onMessage(message: Message): void {
    if (message.op === "heartbeat") this.heartbeat = decodeBody(heartbeatBody, message.body, "heartbeat");
    if (message.op === "hostStarting") void this.#welcomeHost(message.incarnation);
    super.onMessage(message);
  }

  async #welcomeHost(incarnation: string): Promise<void> {
    const ticket = await this.#scheduler.ticket({ role: "host", worker: this.id, host: incarnation, home: "" });
    this.connection.send({ op: "hostTicket", incarnation, ticket });
  }
}

/** What a fake scheduler asks a host to create. */
export interface FakeOrder {
  /** What to construct. */
  readonly target: Partial<SubmittedTarget> & Pick<SubmittedTarget, "module" | "export">;
  /** Where. */
  readonly home?: HomeKind;
  /** Whether nowhere else. */
  readonly homeFixed?: boolean;
  /** The constructor's arguments. */
  readonly args?: readonly unknown[];
}

/** An actor of a fake scheduler. */
export interface FakeActor extends CreatedBody {
  /** Its key. */
  readonly key: string;
  /** Its incarnation. */
  readonly incarnation: string;
}

/** A creation that failed. */
export class CreateFailed extends Error {
  /** What the host said. */
  override readonly cause: Error;
  /** Whether the constructor ran. */
  readonly executed: Executed;

  constructor(cause: Error, executed: Executed) {
    super(cause.message, { cause });
    this.cause = cause;
    this.executed = executed;
  }
}

/** A host's link. */
export class FakeHost extends FakeLink {
  /** What it said of itself. */
  readonly hello: HostHello;
  /** What its ticket said. */
  readonly claims: TicketClaims;
  readonly #scheduler: FakeScheduler;
  readonly #channels: Channels;
  #count = 0;

  constructor(scheduler: FakeScheduler, connection: Connection, claims: TicketClaims, hello: HostHello) {
    super(connection);
    this.#scheduler = scheduler;
    this.hello = hello;
    this.claims = claims;
    this.#channels = new Channels(connection);
  }

  override onMessage(message: Message): void {
    if (message.op === "data" || message.op === "close") this.#channels.receive(message);
    else super.onMessage(message);
  }

  override onClose(info: CloseInfo): void {
    this.#channels.close(info);
    super.onClose(info);
  }

  /**
   * Creates an actor.
   *
   * @throws {CreateFailed}
   */
  async create(order: FakeOrder): Promise<FakeActor> {
    const { target, home = "shared", homeFixed = false, args = [] } = order;
    const key = `${target.export}-${++this.#count}`;
    const incarnation = randomHex(8);
    const whole = { name: target.export, byValue: false, version: undefined, ...target };
    const body = { target: whole, actor: true, home, homeFixed } as SubmitBody;
    this.connection.send({
      op: "create",
      key,
      incarnation,
      submitted: encodeBody(body),
      args: encodeValue(args).bytes,
      refs: [],
    });
    const answer = await this.messages.next((message) =>
      (message.op === "created" || message.op === "createFailed") && message.incarnation === incarnation
    ) as MessageOf<"created"> | MessageOf<"createFailed">;
    if (answer.op === "createFailed") throw new CreateFailed(decodeError(answer.error), executedWord(answer.executed));
    return { key, incarnation, ...decodeBody(createdBody, answer.body, "created") };
  }

  /** Destroys an actor, and says what the host says of it. */
  async destroy({ key, incarnation }: FakeActor): Promise<string> {
    this.connection.send({ op: "destroy", key, incarnation });
    return (await this.next("ended", (message) => message.incarnation === incarnation)).reason;
  }

  /** A caller whose frames go over the host's link. */
  relayed(home: string): FakeCaller {
    return new FakeCaller(this.#channels.open({ worker: this.claims.worker, home, caller: "test" }));
  }

  /** A caller that dials. */
  async direct(address: string, home: string): Promise<FakeCaller> {
    const { worker, host } = this.claims;
    const ticket = await this.#scheduler.ticket({ role: "caller", worker, host, home });
    const socket = new WebSocket(address, [SUBPROTOCOL, TICKET_SUBPROTOCOL + ticket]);
    const caller = new FakeCaller(createWebSocketTransport(socket, NAGLE_POLICY));
    await caller.welcome;
    return caller;
  }
}

/** Someone who calls actors of one home. */
export class FakeCaller {
  /** Resolves when the home has welcomed it. */
  readonly welcome: Promise<unknown>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<CloseInfo>;
  readonly #connection: Connection;
  readonly #slots = new Map<string, number>();
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #calls = 0;

  constructor(transport: Transport) {
    const { promise, resolve } = Promise.withResolvers<CloseInfo>();
    this.closed = promise;
    const { connection, welcome } = greet(transport, {
      role: "caller",
      session: randomHex(16),
      body: encodeBody(VERSIONS),
      receiver: {
        onMessage: (message) => this.#receive(message),
        onClose: (info) => {
          for (const call of this.#pending.values()) call.reject(new Error(`closed ${info.code} ${info.reason}`));
          resolve(info);
        },
      },
    });
    this.#connection = connection;
    this.welcome = welcome;
  }

  /** Calls a method. */
  call(actor: FakeActor, name: string, ...args: unknown[]): Promise<unknown> {
    const { key, incarnation, tag } = actor;
    let slot = this.#slots.get(incarnation);
    if (slot === undefined) {
      slot = this.#slots.size + 1;
      this.#slots.set(incarnation, slot);
      this.#connection.send({ op: "attach", slot, key, incarnation, tag });
    }
    const id = ++this.#calls;
    const call = Promise.withResolvers<unknown>();
    this.#pending.set(id, call);
    // Tests look at the result later, or never.
    call.promise.catch(() => {});
    this.#connection.send({
      op: "call",
      id,
      slot,
      kind: 0,
      name,
      args: encodeValue(args).bytes,
      refs: [],
      deadline: undefined,
      priority: undefined,
      credit: undefined,
      trace: undefined,
    });
    return call.promise;
  }

  /** Ends the connection. */
  close(): void {
    this.#connection.close();
  }

  #receive(message: Message): void {
    if (message.op === "result") this.#pending.get(message.id)?.resolve(decodeValue(message.value));
    else if (message.op === "failure") this.#pending.get(message.id)?.reject(decodeError(message.error));
  }
}
