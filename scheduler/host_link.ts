/**
 * The connection of one host: its messages become events, and instructions become messages. It carries the channels of
 * relayed calls as well.
 *
 * @module
 */

import {
  Channels,
  type ChannelTarget,
  type Connection,
  type ConnectionReceiver,
  type Transport,
} from "../connection/mod.ts";
import {
  type CloseInfo,
  ConnectionLostError,
  createdBody,
  decodeBody,
  decodeError,
  encodeBody,
  executedWord,
  type HostHello,
  type Message,
  type MessageOf,
  ProtocolError,
} from "../protocol/mod.ts";
import {
  HOST_REQUESTS,
  type HostAnswered,
  type HostAsked,
  type HostRequestName,
  observedBody,
  type WatchBody,
} from "../protocol/observation.ts";
import { hostReport } from "../protocol/report.ts";
import type { Shape } from "../protocol/shape.ts";
import type { Answer, Instruction } from "./instructions.ts";
import type { LinkOwner } from "./link_owner.ts";
import type { ObservedHost } from "./observation.ts";
import { sendAnswer, takeRequest } from "./requests.ts";

/** One host's connection. */
export class HostLink implements ConnectionReceiver, ObservedHost {
  /** Id of its worker. */
  readonly worker: string;
  /** Its incarnation, for which its ticket vouches. */
  readonly incarnation: string;
  readonly #owner: LinkOwner;
  readonly #connection: Connection;
  readonly #channels: Channels;
  readonly #questions = new Map<
    number,
    { settle(answer: MessageOf<"answer">): void; lose(error: Error): void }
  >();
  #nextQuestion = 1;

  /** A link that has not joined yet: its owner files it first. */
  constructor(owner: LinkOwner, connection: Connection, worker: string, incarnation: string) {
    this.worker = worker;
    this.incarnation = incarnation;
    this.#owner = owner;
    this.#connection = connection;
    this.#channels = new Channels(connection);
  }

  /** Welcomes the host, then tells the core, which may have something to create already. */
  join({ pid, address }: HostHello, version: number): void {
    this.#connection.send({ op: "welcome", version, body: encodeBody(this.#owner.versions) });
    const { worker, incarnation } = this;
    this.#owner.dispatch({ type: "hostJoined", worker, incarnation, pid, address });
    this.#owner.observation.joined(this);
  }

  onMessage(message: Message): void {
    const { worker, incarnation: host } = this;
    this.#owner.count(message.op);
    switch (message.op) {
      case "created": {
        const { key, incarnation } = message;
        const body = decodeBody(createdBody, message.body, "created");
        return this.#owner.dispatch({ type: "created", worker, host, key, incarnation, body });
      }
      case "createFailed": {
        const { key, incarnation, error } = message;
        const executed = executedWord(message.executed);
        return this.#owner.dispatch({ type: "createFailed", worker, host, key, incarnation, executed, error });
      }
      case "ended": {
        const { key, incarnation, reason } = message;
        return this.#owner.dispatch({ type: "ended", worker, host, key, incarnation, reason });
      }
      case "computed": {
        const { key, run, size, value, refs, took } = message;
        return this.#owner.dispatch({ type: "computed", worker, host, key, run, size, value, refs, took: took / 1000 });
      }
      case "computeFailed": {
        const { key, run, error, missing } = message;
        const executed = executedWord(message.executed);
        return this.#owner.dispatch({ type: "computeFailed", worker, host, key, run, executed, error, missing });
      }
      case "returned":
      case "stored":
      case "copied":
      case "copyFailed":
        return this.#owner.dispatch({ type: message.op, worker, host, key: message.key, run: message.run });
      case "report": {
        const body = decodeBody(hostReport, message.body, "report");
        return this.#owner.dispatch({ type: "report", worker, incarnation: host, body });
      }
      case "observed":
        return this.#owner.observation.observed(worker, decodeBody(observedBody, message.body, "observed"));
      case "answer": {
        const question = this.#questions.get(message.id);
        this.#questions.delete(message.id);
        return question?.settle(message);
      }
      case "request":
        return takeRequest(this.#owner, this.#connection, { role: "host", id: worker }, message);
      case "open":
      case "data":
      case "close":
        return this.#channels.receive(message);
      default:
        throw new ProtocolError(`Cannot take a ${message.op} message from a host`);
    }
  }

  onClose(info: CloseInfo): void {
    this.#channels.close(info);
    for (const { lose } of this.#questions.values()) lose(new ConnectionLostError("The host's link has ended"));
    this.#questions.clear();
    this.#owner.dispatch({ type: "hostLinkClosed", worker: this.worker, incarnation: this.incarnation });
  }

  /** Opens a channel to one of the host's homes. */
  openChannel(target: ChannelTarget): Transport {
    return this.#channels.open(target);
  }

  /**
   * Asks the host something.
   *
   * @throws {ConnectionLostError} Where its link ends first; else what the host refused it with.
   */
  ask<N extends HostRequestName>(name: N, asked: HostAsked<N>): Promise<HostAnswered<N>> {
    const id = this.#nextQuestion++;
    return new Promise((resolve, reject) => {
      this.#questions.set(id, {
        settle({ ok, body }) {
          try {
            if (ok) resolve(decodeBody(HOST_REQUESTS[name].answered as Shape<HostAnswered<N>>, body, name));
            else reject(decodeError(body));
          } catch (error) {
            reject(error);
          }
        },
        lose: reject,
      });
      this.#connection.send({ op: "request", id, name, body: encodeBody(asked) });
    });
  }

  /** Tells the host what somebody looks at. */
  watch(body: WatchBody): void {
    this.#connection.send({ op: "watch", body: encodeBody(body) });
  }

  /** Tells the host to create an actor. */
  sendCreate({ key, incarnation, submitted, args, refs }: Extract<Instruction, { type: "sendCreate" }>): void {
    this.#connection.send({ op: "create", key, incarnation, submitted, args, refs });
  }

  /** Tells the host to destroy an actor. */
  sendDestroy({ key, incarnation }: Extract<Instruction, { type: "sendDestroy" }>): void {
    this.#connection.send({ op: "destroy", key, incarnation });
  }

  /** Tells the host to run a task. */
  sendCompute(instruction: Extract<Instruction, { type: "sendCompute" }>): void {
    const { key, run, submitted, args, refs } = instruction;
    const dependencies = instruction.dependencies.length === 0 ? undefined : encodeBody(instruction.dependencies);
    this.#connection.send({ op: "compute", key, run, submitted, args, refs, dependencies });
  }

  /** Tells the host that nobody wants the result of a task. */
  sendCancelCompute({ key, run }: Extract<Instruction, { type: "sendCancelCompute" }>): void {
    this.#connection.send({ op: "cancelCompute", key, run });
  }

  /** Tells the host to keep a value. */
  sendStore({ key, run, value, refs }: Extract<Instruction, { type: "sendStore" }>): void {
    this.#connection.send({ op: "store", key, run, value, refs });
  }

  /** Tells the host to fetch a value and to keep it too. */
  sendCopy({ key, run, holders }: Extract<Instruction, { type: "sendCopy" }>): void {
    this.#connection.send({ op: "copy", key, run, holders: encodeBody([...holders]) });
  }

  /** Tells the host that nobody needs a value any more. */
  sendForget({ key, run }: Extract<Instruction, { type: "sendForget" }>): void {
    this.#connection.send({ op: "forget", key, run });
  }

  /** Tells the host to load modules anew. */
  sendRenewModules(): void {
    this.#connection.send({ op: "renewModules" });
  }

  /** Answers a request. */
  sendAnswer(instruction: Answer): void {
    sendAnswer(this.#owner, this.#connection, instruction);
  }

  /** Ends the connection. */
  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }
}
