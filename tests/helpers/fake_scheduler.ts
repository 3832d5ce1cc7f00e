/**
 * A scheduler that does nothing by itself: real sockets and the real connection layer, with a test in charge.
 *
 * @module
 */

import {
  acceptConnection,
  ACCEPTED_POLICY,
  Channels,
  type ChannelTarget,
  type Connection,
  createWebSocketTransport,
  greet,
  joinTransports,
  NAGLE_POLICY,
  platformClock,
  type Transport,
} from "../../connection/mod.ts";
import {
  type ActorReference,
  type Answered,
  CloseCode,
  type CloseInfo,
  type CreatedBody,
  createdBody,
  type DataHolder,
  decodeActorReference,
  decodeBody,
  decodeError,
  decodeValue,
  encodeActorReference,
  encodeBody,
  encodeClaims,
  type Encoded,
  encodeError,
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
  REFERENCE,
  type RequestName,
  REQUESTS,
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
  /** Isolates that have connected as clients. */
  readonly clients = new Queue<FakeClient>();
  /** How many upgrades were refused. */
  refused = 0;
  /** Whoever asks whether all was heard that he said waits for this. */
  heard: Promise<void> = Promise.resolve();
  /** A host that leaves with values waits for this. */
  moved: Promise<void> = Promise.resolve();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #privateKey: CryptoKey;
  readonly #publicKey: Uint8Array;
  readonly #loopback: boolean;
  readonly #connections = new Set<Connection>();
  readonly #hostLinks = new Map<string, FakeHost>();
  readonly #values = new Map<string, PromiseWithResolvers<Located>>();
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

  /** Where the value of a key is, as somebody asked: waits until the test says it. */
  locate(key: string): Promise<Located> {
    return this.#value(key).promise;
  }

  /** Says what the value of a key is. */
  fulfil(key: string, value: Encoded): void {
    this.#value(key).resolve({ value: value.bytes, refs: [...value.refs], size: value.bytes.length, holders: [] });
  }

  /** Says who keeps the value of a key. */
  place(key: string, size: number, ...holders: DataHolder[]): void {
    this.#value(key).resolve({ value: undefined, refs: [], size, holders });
  }

  /** Says that there will be no value of a key. */
  fail(key: string, error: Error): void {
    const value = this.#value(key);
    // It may be that nobody asks.
    value.promise.catch(() => {});
    value.reject(error);
  }

  #value(key: string): PromiseWithResolvers<Located> {
    let value = this.#values.get(key);
    if (value === undefined) this.#values.set(key, value = Promise.withResolvers());
    return value;
  }

  /** Answers a question of an isolate or host. */
  async answer(connection: Connection, { id, name, body }: MessageOf<"request">, claims: TicketClaims): Promise<void> {
    const asked = decodeValue(body) as Record<string, string>;
    try {
      const answered = await this.#find(name as RequestName, asked, claims);
      connection.send({ op: "answer", id, ok: 1, body: encodeBody(answered) });
    } catch (error) {
      connection.send({ op: "answer", id, ok: 0, body: encodeError(error) });
    }
  }

  async #find(name: RequestName, asked: Record<string, string>, claims: TicketClaims): Promise<object> {
    const { worker = "", host = "", home = "", key = "" } = asked;
    switch (name) {
      case "clientTicket":
        return { ticket: await this.ticket({ role: "client", worker: claims.worker, host: claims.host, home: "" }) };
      case "ticket":
        return { ticket: await this.ticket({ role: "caller", worker, host, home }) };
      case "locate":
        return await this.locate(key);
      case "sync":
        await this.heard;
        return {};
      case "leave":
        await this.moved;
        return {};
      default:
        throw new Error(`The test does not answer ${name}; there are ${Object.keys(REQUESTS)}`);
    }
  }

  /** Opens a channel to a home of a worker. */
  openChannel(target: ChannelTarget): Transport | undefined {
    return this.#hostLinks.get(target.worker)?.openChannel(target);
  }

  /** Ends all connections and stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close(CloseCode.goingAway, "the test is over");
    await this.#server.shutdown();
  }

  #accept(request: Request): Response {
    const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(/\s*,\s*/);
    const ticket = protocols.find((protocol) => protocol.startsWith(TICKET_SUBPROTOCOL));
    const claims = ticket === undefined ? undefined : parseTicket(ticket.slice(TICKET_SUBPROTOCOL.length))?.claims;
    if (!claims && request.headers.get("authorization") !== `Bearer ${this.token}`) {
      this.refused++;
      return new Response("Unauthorized", { status: 401 });
    }
    if (request.headers.get("upgrade") !== "websocket") return new Response("{}");
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: SUBPROTOCOL });
    const connection = acceptConnection(createWebSocketTransport(socket, ACCEPTED_POLICY), {
      clock: platformClock,
      onHello: (connection, hello, version) =>
        claims?.role === "client"
          ? this.#client(connection, hello, version, claims)
          : claims
          ? this.#host(connection, hello, version, claims)
          : this.#nanny(connection, hello, version),
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
    this.#hostLinks.set(claims.worker, host);
    host.closed.then(() => this.#hostLinks.delete(claims.worker));
    this.hosts.push(host);
    return host;
  }

  #client(connection: Connection, hello: MessageOf<"hello">, version: number, claims: TicketClaims) {
    const body = {
      ...VERSIONS,
      scheduler: "fake",
      client: `client-of-${claims.worker}`,
      sessionNumber: 1,
      dashboard: "",
      pingInterval: 10_000,
    };
    connection.send({ op: "welcome", version, body: encodeBody(body) });
    const client = new FakeClient(this, connection, hello.session, claims);
    this.clients.push(client);
    return client;
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

/** Where a value is. */
export type Located = Answered<"locate">;

/** The connection of an isolate that is a client. Its questions get their answers, its channels lead to hosts. */
export class FakeClient extends FakeLink {
  /** Its session. */
  readonly session: string;
  /** What its ticket said. */
  readonly claims: TicketClaims;
  readonly #scheduler: FakeScheduler;
  readonly #channels: Channels;

  constructor(scheduler: FakeScheduler, connection: Connection, session: string, claims: TicketClaims) {
    super(connection);
    this.#scheduler = scheduler;
    this.session = session;
    this.claims = claims;
    this.#channels = new Channels(connection, (target, transport) => {
      const far = scheduler.openChannel({ ...target, caller: "isolate" });
      if (far) joinTransports(transport, far);
      else transport.close(CloseCode.gone, "There is no such worker");
    });
  }

  override onMessage(message: Message): void {
    switch (message.op) {
      case "open":
      case "data":
      case "close":
        return this.#channels.receive(message);
      case "request":
        void this.#scheduler.answer(this.connection, message, this.claims);
    }
    super.onMessage(message);
  }

  override onClose(info: CloseInfo): void {
    this.#channels.close(info);
    super.onClose(info);
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
  /** The same, encoded, with references. */
  readonly encoded?: Encoded;
}

/** What a fake scheduler asks a host to run. */
export interface FakeTask {
  /** What to run. */
  readonly target: FakeOrder["target"];
  /** Where. */
  readonly home?: HomeKind;
  /** Its arguments; futures by {@linkcode FutureOf}. */
  readonly args?: readonly unknown[];
  /** Its key. @default a new one */
  readonly key?: string;
  /** What it depends on. */
  readonly dependencies?: readonly FakeDependency[];
}

/** Where a task finds what it depends on. */
export interface FakeDependency {
  readonly key: string;
  readonly run?: number;
  readonly value?: Uint8Array;
  readonly refs?: readonly string[];
  readonly holders?: readonly DataHolder[];
}

/** What a host says of a task. */
export type FakeOutcome =
  | { readonly ok: true; readonly value: unknown; readonly size: number; readonly refs: readonly string[] }
  | { readonly ok: false; readonly error: Error; readonly executed: Executed; readonly missing: readonly string[] };

/** Stands for a future in arguments that {@linkcode encodeWithReferences} encodes. */
export class FutureOf {
  readonly key: string;
  readonly [REFERENCE] = true;
  constructor(key: string) {
    this.key = key;
  }
}

/** Stands for a handle in arguments that {@linkcode encodeWithReferences} encodes. */
export class HandleOf {
  readonly reference: ActorReference;
  readonly [REFERENCE] = true;
  constructor(reference: ActorReference) {
    this.reference = reference;
  }
}

/** Encodes a value in which instances of {@linkcode FutureOf} and {@linkcode HandleOf} stand for futures and handles. */
export function encodeWithReferences(value: unknown): Encoded {
  const { bytes, refs } = encodeValue(value, {
    reference(found) {
      if (found instanceof FutureOf) {
        return { kind: "future", key: found.key, bytes: encodeValue([found.key]).bytes };
      }
      if (!(found instanceof HandleOf)) return undefined;
      return { kind: "actor", key: found.reference.key, bytes: encodeActorReference(found.reference) };
    },
  });
  return { bytes: bytes.slice(), refs };
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
    if (message.op === "data" || message.op === "close") return this.#channels.receive(message);
    if (message.op === "request") void this.#scheduler.answer(this.connection, message, this.claims);
    super.onMessage(message);
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
    const encoded = order.encoded ?? encodeValue(args);
    const key = `${target.export}-${++this.#count}`;
    const incarnation = randomHex(8);
    const whole = { name: target.export, byValue: false, version: undefined, ...target };
    const body = { target: whole, actor: true, home, homeFixed } as SubmitBody;
    this.connection.send({
      op: "create",
      key,
      incarnation,
      submitted: encodeBody(body),
      args: encoded.bytes,
      refs: encoded.refs,
    });
    const answer = await this.messages.next((message) =>
      (message.op === "created" || message.op === "createFailed") && message.incarnation === incarnation
    ) as MessageOf<"created"> | MessageOf<"createFailed">;
    if (answer.op === "createFailed") throw new CreateFailed(decodeError(answer.error), executedWord(answer.executed));
    return { key, incarnation, ...decodeBody(createdBody, answer.body, "created") };
  }

  /** Where a handle of an actor leads. */
  referenceTo({ key, incarnation, home, address, tag, manifest }: FakeActor): ActorReference {
    const { worker, host } = this.claims;
    return { key, incarnation, worker, host, home, address, hostAddress: this.hello.address, tag, manifest };
  }

  /** Where a value that this host keeps is. */
  get holder(): DataHolder {
    const { worker, host } = this.claims;
    return { worker, host, home: "inline", address: this.hello.address };
  }

  /** Tells it to run a task; the outcome comes later. */
  compute(task: FakeTask): { readonly key: string; readonly run: number; readonly outcome: Promise<FakeOutcome> } {
    const { target, home = "shared", args = [], key = `${target.export}-${++this.#count}`, dependencies = [] } = task;
    const run = ++this.#count;
    const whole = { name: target.export, byValue: false, version: undefined, ...target };
    const encoded = encodeWithReferences(args);
    this.connection.send({
      op: "compute",
      key,
      run,
      submitted: encodeBody({ target: whole, actor: false, home, homeFixed: false } as SubmitBody),
      args: encoded.bytes,
      refs: encoded.refs,
      dependencies: encodeBody(
        dependencies.map(({ run = 0, refs = [], holders = [], ...rest }) => ({ ...rest, run, refs, holders })),
      ),
    });
    return { key, run, outcome: this.#outcome(key, run) };
  }

  async #outcome(key: string, run: number): Promise<FakeOutcome> {
    const answer = await this.messages.next((message) =>
      (message.op === "computed" || message.op === "computeFailed") && message.key === key && message.run === run
    ) as MessageOf<"computed"> | MessageOf<"computeFailed">;
    if (answer.op === "computed") {
      const { value, size, refs } = answer;
      return { ok: true, value: value && decodeValue(value), size, refs };
    }
    const { executed, error, missing } = answer;
    return { ok: false, error: decodeError(error), executed: executedWord(executed), missing };
  }

  /** Opens a channel to one of its homes. */
  openChannel(target: ChannelTarget): Transport {
    return this.#channels.open(target);
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
  #lastRefs: readonly string[] = [];

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

  /** Asks for a value that the home keeps. */
  getData(key: string): Promise<unknown> {
    const id = ++this.#calls;
    const asked = Promise.withResolvers<unknown>();
    this.#pending.set(id, asked);
    asked.promise.catch(() => {});
    this.#connection.send({ op: "getData", id, key });
    return asked.promise;
  }

  /** Calls a method; arguments may hold instances of {@linkcode FutureOf} and {@linkcode HandleOf}. */
  call(actor: FakeActor, name: string, ...args: unknown[]): Promise<unknown> {
    return this.#call(actor, name, args, undefined);
  }

  #call(actor: FakeActor, name: string, args: readonly unknown[], deadline: number | undefined): Promise<unknown> {
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
    const encoded = encodeWithReferences(args);
    this.#connection.send({
      op: "call",
      id,
      slot,
      kind: 0,
      name,
      args: encoded.bytes,
      refs: encoded.refs,
      deadline,
      priority: undefined,
      credit: undefined,
      trace: undefined,
      chain: [],
    });
    return call.promise;
  }

  /** Calls a method with so many milliseconds to go. */
  callWithin(deadline: number, actor: FakeActor, name: string, ...args: unknown[]): Promise<unknown> {
    return this.#call(actor, name, args, deadline);
  }

  /** Cancels a call by its number, of the actor that was called first. */
  cancelCall(id: number): void {
    this.#connection.send({ op: "cancel", id, slot: 1, reason: undefined });
  }

  /** Says that the result of a call was taken, by the call's number. */
  taken(id: number): void {
    this.#connection.send({ op: "taken", id });
  }

  /** Keys in the result that came last. */
  get lastRefs(): readonly string[] {
    return this.#lastRefs;
  }

  /** Ends the connection. */
  close(): void {
    this.#connection.close();
  }

  #receive(message: Message): void {
    if (message.op === "result") this.#lastRefs = message.refs;
    if (message.op === "result") this.#pending.get(message.id)?.resolve(decodeResult(message));
    else if (message.op === "failure") this.#pending.get(message.id)?.reject(decodeError(message.error));
  }
}

/** A result; a handle in it arrives as its reference. */
function decodeResult({ value }: MessageOf<"result">): unknown {
  return decodeValue(value, { role: "result", actor: decodeActorReference });
}
