import { clientOfSession } from "../../client/client.ts";
import type { Client } from "../../client/client.ts";
import { ClientSession, type SessionLink, type Surroundings } from "../../client/client_session.ts";
import { SchedulerLink } from "../../client/scheduler_link.ts";
import {
  acceptConnection,
  Channels,
  type Connection,
  createMemoryTransports,
  platformClock,
  type Transport,
} from "../../connection/mod.ts";
import {
  type ActorReference,
  type DataHolder,
  decodeBody,
  decodeValue,
  encodeActorReference,
  encodeBody,
  encodeError,
  encodeManifest,
  encodeValue,
  type Executed,
  executedNumber,
  type Message,
  type MessageOf,
  REFERENCE,
  REQUESTS,
  type StatusBody,
  type SubmitBody,
  submitBody,
  TROUPE_VERSION,
} from "../../protocol/mod.ts";
import { Queue } from "../helpers/queue.ts";

const VERSIONS = { troupe: TROUPE_VERSION, runtime: "test" };

/** What a scripted scheduler is asked by `request`. */
type Requests = { -readonly [N in keyof typeof REQUESTS]?: (body: never) => object | Promise<object> };

const sessions: ClientSession[] = [];

/** Closes all clients of a test: for `afterEach`. */
export function closeClients(): void {
  for (const session of sessions.splice(0)) session.close();
}

/** A scheduler of which a test is every step. Calls come to it by channels, as it is its own only worker. */
export class ScriptedScheduler {
  /** What clients have sent and nobody has taken yet, pings aside. */
  readonly messages = new Queue<Message>();
  /** The same of callers that opened a channel. */
  readonly calls = new Queue<MessageOf<"call"> | MessageOf<"getData">>();
  /** Names of all messages so far. */
  readonly log: string[] = [];
  /** Answers to requests, by name; an error that is thrown refuses. */
  readonly requests: Requests = {};
  /** What its host keeps, encoded, by key. */
  readonly data = new Map<string, Uint8Array>();
  /** How many clients have connected. */
  clients = 0;
  #connection!: Connection;
  #caller: Connection | undefined;

  /** A client of it. */
  connect(
    options: { holder?: () => string | undefined; onUnobservedError?: (error: Error) => void } = {},
  ): { client: Client; session: ClientSession } {
    const session = ClientSession.lazy({
      direct: false,
      caCerts: undefined,
      calls: {},
      onUnobservedError: options.onUnobservedError ?? (() => {}),
      surroundings: surroundings(options.holder),
      dial: (link) => this.dial(link),
    });
    sessions.push(session);
    return { client: clientOfSession(session), session };
  }

  /** Takes a session in. */
  dial(link: SessionLink): Promise<SchedulerLink> {
    const [near, far] = createMemoryTransports();
    this.clients++;
    const accepted = acceptConnection(far, {
      clock: platformClock,
      onHello: (connection, _hello, version) => {
        const body = {
          ...VERSIONS,
          scheduler: "scripted",
          client: "client-1",
          sessionNumber: 0,
          dashboard: "",
          pingInterval: 60_000,
        };
        connection.send({ op: "welcome", version, body: encodeBody(body) });
        const channels = new Channels(connection, (_target, transport) => this.#serve(transport));
        return {
          onMessage: (message) => {
            if (message.op === "data" || message.op === "open" || message.op === "close") channels.receive(message);
            else this.#receive(message);
          },
          onClose: (info) => channels.close(info),
        };
      },
    });
    this.#connection = accepted;
    return SchedulerLink.introduce(near, "memory", { ...link, signal: new AbortController().signal });
  }

  /** The next message of a kind. */
  async next<O extends Message["op"]>(op: O): Promise<MessageOf<O>> {
    return await this.messages.next((message) => message.op === op) as unknown as MessageOf<O>;
  }

  /** The next submission, decoded as far as a scheduler would. */
  async submitted(): Promise<MessageOf<"submit"> & { submitted: SubmitBody }> {
    const message = await this.next("submit");
    return { ...message, submitted: decodeBody(submitBody, message.body, "submit") };
  }

  /** Tells the client what became of a key. */
  status(key: string, body: Partial<StatusBody> & Pick<StatusBody, "status">): void {
    this.#connection.send({ op: "status", key, body: encodeBody(body) });
  }

  /** A task has finished with a small value. */
  finish(key: string, value: unknown): void {
    const { bytes } = encodeValue(value);
    this.status(key, { status: "finished", value: bytes.slice(), refs: [], size: bytes.length });
  }

  /** An actor runs. */
  start(key: string, actor: ActorReference = actorReference(key)): void {
    this.status(key, { status: "finished", actor });
  }

  /** A task, or the start of an actor, has failed. */
  fail(key: string, error: Error): void {
    this.status(key, { status: "error", error: encodeError(error), executed: "yes" });
  }

  /** Answers a call. */
  answer({ id }: { id: number }, value: unknown): void {
    this.#caller!.send({ op: "result", id, value: encodeValue(value).bytes, refs: [] });
  }

  /** Answers a call with a handle of an actor. */
  give({ id }: { id: number }, key: string): void {
    const reference = () => ({ kind: "actor" as const, key, bytes: encodeActorReference(actorReference(key)) });
    this.#caller!.send({
      op: "result",
      id,
      value: encodeValue([{ [REFERENCE]: key }], { reference }).bytes,
      refs: [key],
    });
  }

  /** Fails a call. */
  refuse({ id }: { id: number }, error: Error, executed: Executed = "yes"): void {
    this.#caller!.send({ op: "failure", id, executed: executedNumber(executed), error: encodeError(error) });
  }

  /** Cuts the connection to the host. */
  cutHost(): void {
    this.#caller!.close(4410, "the host ended");
  }

  /** Cuts the client off. */
  cut(): void {
    this.#connection.close(4411, "the scheduler is closing");
  }

  #receive(message: Message): void {
    if (message.op === "ping") return;
    this.log.push(message.op === "request" ? `request ${message.name}` : message.op);
    if (message.op === "request") void this.#answer(message);
    else this.messages.push(message);
  }

  async #answer({ id, name, body }: MessageOf<"request">): Promise<void> {
    try {
      const { asked } = REQUESTS[name as keyof typeof REQUESTS];
      const answer = this.requests[name as keyof typeof REQUESTS];
      if (!answer) throw new Error(`Nobody answers ${name} here`);
      const answered = await answer(decodeBody(asked as never, body, name) as never);
      this.#connection.send({ op: "answer", id, ok: 1, body: encodeBody(answered) });
    } catch (error) {
      this.#connection.send({ op: "answer", id, ok: 0, body: encodeError(error) });
    }
  }

  #serve(transport: Transport): void {
    acceptConnection(transport, {
      clock: platformClock,
      onHello: (connection, _hello, version) => {
        this.#caller = connection;
        connection.send({ op: "welcome", version, body: encodeBody(VERSIONS) });
        return { onMessage: (message) => this.#called(message), onClose: () => {} };
      },
    });
  }

  #called(message: Message): void {
    if (message.op === "call") this.calls.push(message);
    if (message.op === "taken") this.log.push(`taken ${message.id}`);
    if (message.op !== "getData") return;
    this.log.push("getData");
    const value = this.data.get(message.key);
    if (value === undefined) this.refuse(message, new Error(`${message.key} is not kept here`), "no");
    else this.#caller!.send({ op: "result", id: message.id, value, refs: [] });
  }
}

/** Where the scripted host keeps values. */
export const HOLDER: DataHolder = { worker: "worker-1", host: "host-1", home: "inline", address: "" };

/** An actor of the scripted host. */
export function actorReference(key: string): ActorReference {
  const manifest = encodeManifest({
    className: "Counter",
    methods: { add: "sync", increment: "sync" },
    attributes: ["n"],
  });
  return {
    key,
    incarnation: "0011223344556677",
    worker: "worker-1",
    host: "host-1",
    home: "shared-1",
    address: "",
    hostAddress: "",
    tag: new Uint8Array(16),
    manifest,
  };
}

/** The futures in encoded arguments become their keys. */
export function decodeArguments(args: Uint8Array): unknown {
  return decodeValue(args, {
    actor: () => "actor",
    future: (reference) => ({ future: (decodeValue(reference) as [string])[0] }),
  });
}

/** Lets everything happen that is under way. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** What runs where a client is: nothing but what `holder` names. */
export function surroundings(holder: () => string | undefined = () => undefined): Surroundings {
  return { holder, inherited: () => undefined, bind: (run) => run };
}
