/**
 * An isolate that is a process of its own, started by the nanny of its host.
 *
 * @module
 */

import { Channels, type Connection, type ConnectionReceiver, type Transport } from "../connection/mod.ts";
import {
  ActorStartError,
  decodeValue,
  encodeValue,
  type LossReason,
  type Message,
  ProtocolError,
} from "../protocol/mod.ts";
import { CounterMirror } from "./counter_mirror.ts";
import { type HomeGrants, reachesAll } from "./home_permissions.ts";
import type { HostServices, Isolate, TaskThread } from "./isolate.ts";
import { type FromHome, type IsolateSetup, SCHEDULER, type SentToIsolate, type ToHome } from "./isolate_messages.ts";
import {
  type IsolateWay,
  type IsolateWayReceiver,
  RemoteIsolate,
  type RemoteIsolateOptions,
} from "./remote_isolate.ts";
import type { SecretListener } from "./secret_listener.ts";
import { connectToScheduler } from "./via_host.ts";

/** What the nanny does for homes that are processes. */
export interface ProcessStarter {
  /**
   * Starts one, which dials its host.
   *
   * @throws Where its nanny refuses that.
   */
  start(order: {
    readonly home: string;
    readonly host: { readonly address: string; readonly secret: string };
    readonly memoryLimit: number | undefined;
    readonly grants: HomeGrants | undefined;
  }): Promise<void>;
  /** Resolves when it is gone. */
  ended(home: string): Promise<{ readonly reason: LossReason; readonly code: number }>;
  /** Ends it at once. */
  kill(home: string): void;
}

/** Options of {@linkcode startProcessIsolate}. */
export interface ProcessIsolateOptions extends RemoteIsolateOptions {
  /** WebSocket address at which callers reach it, where it has no server of its own; may be empty. */
  readonly address: string;
  /** Where it dials its host. */
  readonly listener: SecretListener;
  /** Starts it. */
  readonly starter: ProcessStarter;
  /** The most bytes of memory; left out for what the worker says. */
  readonly memoryLimit: number | undefined;
  /** What it may do; left out for what the host may. */
  readonly grants: HomeGrants | undefined;
}

/**
 * Starts a process; resolves when it takes orders.
 *
 * @throws {ActorStartError} Where it is to do more than its host may.
 * @throws {Error} Where it ends before it takes orders.
 */
export async function startProcessIsolate(options: ProcessIsolateOptions): Promise<Isolate & TaskThread> {
  const { home, settings, services, address, listener, starter, memoryLimit, grants } = options;
  const viaHost = grants !== undefined && !reachesAll(grants);
  const way = new ProcessWay({ home, address, settings, viaHost }, starter, services);
  const place = listener.expect({ role: "home", onOpen: (connection) => way.opened(connection) });
  try {
    await starter.start({ home, host: { address: place.address, secret: place.secret }, memoryLimit, grants })
      .catch((cause) => {
        throw new ActorStartError(
          `Cannot start the process ${home}: ${cause instanceof Error ? cause.message : cause}`,
          {
            executed: "no",
            cause,
          },
        );
      });
    return await RemoteIsolate.start(options, (receiver) => way.start(receiver));
  } finally {
    place.close();
  }
}

/** The way to a process, over the connection by which it has dialled its host. */
class ProcessWay implements IsolateWay, ConnectionReceiver {
  readonly #setup: IsolateSetup;
  readonly #starter: ProcessStarter;
  readonly #services: HostServices;
  readonly #counters = new CounterMirror();
  #connection: Connection | undefined;
  #channels: Channels | undefined;
  #receiver: IsolateWayReceiver | undefined;

  constructor(setup: IsolateSetup, starter: ProcessStarter, services: HostServices) {
    this.#services = services;
    this.#setup = setup;
    this.#starter = starter;
  }

  /** The process is there. */
  opened(connection: Connection): this {
    this.#connection = connection;
    this.#channels = new Channels(connection);
    this.#setUp();
    return this;
  }

  /** Somebody is there to be told. */
  start(receiver: IsolateWayReceiver): this {
    this.#receiver = receiver;
    this.#setUp();
    const { home } = this.#setup;
    this.#starter.ended(home).then(({ reason, code }) => {
      receiver.onEnd({ reason, message: `The process ended (${reason}, exit code ${code})` });
    }, (error) => {
      receiver.onEnd({ reason: "host-exit", message: String(error) });
    });
    return this;
  }

  send(message: SentToIsolate): void {
    this.#say(message);
  }

  open(): Transport {
    return this.#channels!.open({ worker: "", home: this.#setup.home });
  }

  end(): void {
    this.#starter.kill(this.#setup.home);
    this.#connection?.close();
  }

  onMessage(message: Message): void {
    switch (message.op) {
      case "isolate":
        return this.#hear(decodeValue(message.body) as FromHome);
      case "data":
      case "close":
        return this.#channels!.receive(message);
    }
    throw new ProtocolError(`Cannot take a ${message.op} message of a home`);
  }

  // A process without its host ends, and its nanny says why it did.
  onClose(): void {}

  /** It says nothing before it has heard this. */
  #setUp(): void {
    if (this.#connection && this.#receiver) this.#say({ type: "setup", setup: this.#setup });
  }

  #say(message: ToHome): void {
    this.#connection?.send({ op: "isolate", body: encodeValue(message).bytes });
  }

  #hear(message: FromHome): void {
    switch (message.type) {
      case "mirrored":
      case "counts": {
        const news = this.#counters.receive(message);
        if (news) this.#receiver!.onMessage({ type: "counted", news });
        return;
      }
      case "connect": {
        const way = this.#channels!.open({ worker: "", home: SCHEDULER });
        return void connectToScheduler(way, this.#setup.settings, this.#services);
      }
      default:
        return this.#receiver!.onMessage(message);
    }
  }
}
