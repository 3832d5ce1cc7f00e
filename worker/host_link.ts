/**
 * The host's connection to the scheduler: creations, tasks, their outcomes, relayed calls, counters.
 *
 * @module
 */

import {
  Channels,
  type ChannelTarget,
  type Clock,
  type Connection,
  greet,
  startHeartbeat,
  type Transport,
} from "../connection/mod.ts";
import {
  type Answered,
  type Asked,
  CloseCode,
  type CloseInfo,
  ConnectionLostError,
  type CreatedBody,
  decodeBody,
  decodeError,
  encodeBody,
  encodeError,
  type Executed,
  executedNumber,
  type HostHello,
  type LossReason,
  type Message,
  type MessageOf,
  ProtocolError,
  randomHex,
  type RequestName,
  REQUESTS,
} from "../protocol/mod.ts";
import {
  HOST_REQUESTS,
  type HostAnswered,
  type HostAsked,
  type HostRequestName,
  type ObservedBody,
  type WatchBody,
  watchBody,
} from "../protocol/observation.ts";
import type { HostReport } from "../protocol/report.ts";

/** Milliseconds between pings to the scheduler; three without an answer, and it is taken for gone. */
const PING_INTERVAL = 3000;

/** What came of a task. */
export interface TaskResult {
  /** Bytes of its result. */
  readonly size: number;
  /** The result, where it is small. */
  readonly value: Uint8Array | undefined;
  /** Keys of the actors and futures in it. */
  readonly refs: readonly string[];
  /** Milliseconds in which its function ran. */
  readonly took: number;
}

/** What a link tells its owner. */
export interface HostLinkOptions {
  /** What the host says of itself. */
  readonly hello: HostHello;
  /** The time. */
  readonly clock: Clock;
  /** Creates an actor. */
  readonly onCreate: (order: MessageOf<"create">) => void;
  /** Disposes of an actor. */
  readonly onDestroy: (order: MessageOf<"destroy">) => void;
  /** Runs a task. */
  readonly onCompute: (order: MessageOf<"compute">) => void;
  /** Stops a task. */
  readonly onCancelCompute: (order: MessageOf<"cancelCompute">) => void;
  /** Keeps a value. */
  readonly onStore: (order: MessageOf<"store">) => void;
  /** Fetches a value, and keeps it. */
  readonly onCopy: (order: MessageOf<"copy">) => void;
  /** Drops a value. */
  readonly onForget: (order: MessageOf<"forget">) => void;
  /** Loads modules anew from now on. */
  readonly onRenewModules: () => void;
  /** Somebody looks at something else now. */
  readonly onWatch: (body: WatchBody) => void;
  /** Answers a question of the scheduler; what it throws is its answer, too. */
  readonly onQuestion: <N extends HostRequestName>(name: N, asked: HostAsked<N>) => HostAnswered<N>;
  /** Serves a caller of a home whose frames the scheduler relays. */
  readonly onChannel: (target: ChannelTarget, transport: Transport) => void;
  /** The end: called once. */
  readonly onClose: (info: CloseInfo) => void;
}

/** Names one instance. */
export interface ActorInstance {
  /** The cluster-wide name. */
  readonly key: string;
  /** 64 random bits. */
  readonly incarnation: string;
}

/** Names one attempt at a task. */
export interface TaskRun {
  /** The cluster-wide name. */
  readonly key: string;
  /** The attempt. */
  readonly run: number;
}

/** A question that has no answer yet. */
interface Question {
  settle(answer: MessageOf<"answer">): void;
  lose(error: Error): void;
}

/** The link of one host incarnation. */
export class HostLink {
  /**
   * Introduces the host over a transport that was dialled with its ticket.
   *
   * @throws {ConnectionLostError | ProtocolError} Where the scheduler does not take the host in.
   */
  static async open(transport: Transport, options: HostLinkOptions): Promise<HostLink> {
    const link = new HostLink(transport, options);
    await link.#welcomed;
    link.#stopPings = startHeartbeat(link.#connection, {
      clock: options.clock,
      interval: PING_INTERVAL,
      onSilent: () => link.close(CloseCode.silent, "the scheduler answered no ping"),
    });
    return link;
  }

  readonly #connection: Connection;
  readonly #channels: Channels;
  readonly #options: HostLinkOptions;
  readonly #welcomed: Promise<unknown>;
  readonly #questions = new Map<number, Question>();
  #nextQuestion = 1;
  #stopPings = () => {};

  private constructor(transport: Transport, options: HostLinkOptions) {
    this.#options = options;
    const { connection, welcome } = greet(transport, {
      role: "host",
      session: randomHex(16),
      body: encodeBody(options.hello),
      receiver: { onMessage: (message) => this.#receive(message), onClose: (info) => this.#end(info) },
    });
    this.#connection = connection;
    this.#channels = new Channels(connection, options.onChannel);
    this.#welcomed = welcome;
  }

  /** How it ended; `undefined` while it has not. */
  get closed(): CloseInfo | undefined {
    return this.#connection.closed;
  }

  /** An actor stands. */
  created({ key, incarnation }: ActorInstance, body: CreatedBody): void {
    this.#connection.send({ op: "created", key, incarnation, body: encodeBody(body) });
  }

  /** An actor could not be created. */
  createFailed({ key, incarnation }: ActorInstance, executed: Executed, error: Uint8Array): void {
    this.#connection.send({ op: "createFailed", key, incarnation, executed: executedNumber(executed), error });
  }

  /** An actor is gone. */
  ended({ key, incarnation }: ActorInstance, reason: LossReason | "released"): void {
    this.#connection.send({ op: "ended", key, incarnation, reason });
  }

  /** A task ran, and this host keeps its result, unless it is small. */
  computed({ key, run }: TaskRun, { size, value, refs, took }: TaskResult): void {
    this.#connection.send({ op: "computed", key, run, size, value, refs, took: Math.round(took * 1000) });
  }

  /** A task did not begin, and should run elsewhere. */
  returned({ key, run }: TaskRun): void {
    this.#connection.send({ op: "returned", key, run });
  }

  /** A task failed, or did not start because nobody gave what `missing` names. */
  computeFailed({ key, run }: TaskRun, executed: Executed, error: Uint8Array, missing: readonly string[]): void {
    this.#connection.send({ op: "computeFailed", key, run, executed: executedNumber(executed), error, missing });
  }

  /** This host keeps a value that it was given. */
  stored({ key, run }: TaskRun): void {
    this.#connection.send({ op: "stored", key, run });
  }

  /** This host keeps a value that it has fetched. */
  copied({ key, run }: TaskRun): void {
    this.#connection.send({ op: "copied", key, run });
  }

  /** Nobody gave a value that this host was to keep. */
  copyFailed({ key, run }: TaskRun): void {
    this.#connection.send({ op: "copyFailed", key, run });
  }

  /**
   * Asks the scheduler something.
   *
   * @throws {ConnectionLostError} Where the link ends first; else what the scheduler refused it with.
   */
  request<N extends RequestName>(name: N, asked: Asked<N>): Promise<Answered<N>> {
    if (this.closed) return Promise.reject(unlinked(name, this.closed));
    const id = this.#nextQuestion++;
    return new Promise((resolve, reject) => {
      this.#questions.set(id, {
        settle({ ok, body }) {
          if (ok) resolve(decodeBody(REQUESTS[name].answered, body, name) as Answered<N>);
          else reject(decodeError(body));
        },
        lose: reject,
      });
      this.#connection.send({ op: "request", id, name, body: encodeBody(asked as object) });
    });
  }

  /** Tells the counters. */
  report(body: HostReport): void {
    this.#connection.send({ op: "report", body: encodeBody(body) });
  }

  /** Tells what was seen of what somebody looks at. */
  observed(body: ObservedBody): void {
    if (!this.closed) this.#connection.send({ op: "observed", body: encodeBody(body) });
  }

  /** Ends it; what was sent goes first. */
  close(code: number = CloseCode.normal, reason = "the host ends"): void {
    this.#connection.close(code, reason);
  }

  #receive(message: Message): void {
    switch (message.op) {
      case "create":
        return this.#options.onCreate(message);
      case "destroy":
        return this.#options.onDestroy(message);
      case "compute":
        return this.#options.onCompute(message);
      case "cancelCompute":
        return this.#options.onCancelCompute(message);
      case "store":
        return this.#options.onStore(message);
      case "copy":
        return this.#options.onCopy(message);
      case "forget":
        return this.#options.onForget(message);
      case "renewModules":
        return this.#options.onRenewModules();
      case "answer": {
        const question = this.#questions.get(message.id);
        this.#questions.delete(message.id);
        return question?.settle(message);
      }
      case "watch":
        return this.#options.onWatch(decodeBody(watchBody, message.body, "watch"));
      case "request":
        return this.#answer(message);
      case "open":
      case "data":
      case "close":
        return this.#channels.receive(message);
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message as a host`);
    }
  }

  #answer({ id, name, body }: MessageOf<"request">): void {
    let answer: Pick<MessageOf<"answer">, "ok" | "body">;
    try {
      if (!Object.hasOwn(HOST_REQUESTS, name)) {
        throw new ProtocolError(`Cannot answer ${name}: this host does not know it`);
      }
      const known = name as HostRequestName;
      const asked = decodeBody(HOST_REQUESTS[known].asked, body, name);
      answer = { ok: 1, body: encodeBody(this.#options.onQuestion(known, asked)) };
    } catch (error) {
      answer = { ok: 0, body: encodeError(error) };
    }
    this.#connection.send({ op: "answer", id, ...answer });
  }

  #end(info: CloseInfo): void {
    this.#stopPings();
    this.#channels.close(info);
    for (const question of this.#questions.values()) question.lose(unlinked("the scheduler", info));
    this.#questions.clear();
    this.#options.onClose(info);
  }
}

function unlinked(what: string, { reason }: CloseInfo): ConnectionLostError {
  return new ConnectionLostError(`Cannot ask ${what}: the host's link has ended${reason && `: ${reason}`}`, {
    executed: "no",
  });
}
