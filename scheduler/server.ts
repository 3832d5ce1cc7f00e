/**
 * The shell around the core: it owns the state, the timers and the links, and does what the core wants done.
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import {
  acceptConnection,
  type ChannelTarget,
  type Clock,
  type Connection,
  type ConnectionReceiver,
  platformClock,
  type Transport,
} from "../connection/mod.ts";
import {
  clientHello,
  CloseCode,
  decodeBody,
  DEFAULT_LIMITS,
  hostHello,
  type Limits,
  type MessageOf,
  type Op,
  platformRandom,
  ProtocolError,
  randomHex,
  type RandomSource,
  type SchedulerSnapshot,
  type TicketClaims,
  TROUPE_VERSION,
  workerHello,
} from "../protocol/mod.ts";
import { ClientLink } from "./client_link.ts";
import type { Grant } from "./door.ts";
import type { SchedulerEvent, SchedulerInput } from "./events.ts";
import { HostLink } from "./host_link.ts";
import type { Instruction, TimerName } from "./instructions.ts";
import type { LinkOwner } from "./link_owner.ts";
import { Observation } from "./observation.ts";
import { PageSessions } from "./page_sessions.ts";
import { DRAIN_TIMEOUT } from "./requests.ts";
import { takeSnapshot } from "./snapshot.ts";
import { createState, type SchedulerState } from "./state.ts";
import { Tickets } from "./tickets.ts";
import { handleEvent } from "./transitions.ts";
import { SchedulerView } from "./view.ts";
import { WorkerLink } from "./worker_link.ts";

const logger = getLogger(["troupe", "scheduler"]);

/** Timers of a platform cannot be longer: they would run out at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** As who the API acts: no client has this id. */
const API = "api";

type Link = ClientLink | WorkerLink | HostLink;

/** Hears what a peer still says that was sent away. */
const NOBODY: ConnectionReceiver = { onMessage() {}, onClose() {} };

/** Options of {@linkcode SchedulerServer}. */
export interface SchedulerServerOptions {
  /** The time. @default {platformClock} */
  readonly clock?: Clock | undefined;
  /** Milliseconds since 1970, for tickets. @default {Date.now} */
  readonly now?: (() => number) | undefined;
  /** Source of ids and incarnations. @default {platformRandom} */
  readonly random?: RandomSource | undefined;
  /** What a peer may do. @default {DEFAULT_LIMITS} */
  readonly limits?: Limits | undefined;
  /** Name and version of the runtime, for diagnostics. */
  readonly runtime: string;
  /** Whether it listens on this machine only. */
  readonly loopback: boolean;
}

/** A scheduler without its sockets: it takes transports that someone else accepted. */
export class SchedulerServer implements LinkOwner {
  readonly id: string;
  readonly state: SchedulerState;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly tickets: Tickets;
  readonly versions: { readonly troupe: string; readonly runtime: string };
  readonly loopback: boolean;
  readonly observation: Observation;
  /** Who is signed in to the dashboard. */
  readonly sessions: PageSessions;
  /** What there is to see. */
  readonly view: SchedulerView;
  /** WebSocket address that peers dial; set as soon as it is known. */
  address = "";
  /** Link to the dashboard or API; set as soon as it is known. */
  dashboard = "";
  /** Whether somebody has to sign in to the dashboard, and can. */
  signsIn = false;
  /** What the core refused the API, by the number of the request. */
  readonly #refused = new Map<number, Error>();
  #apiRequests = 0;
  readonly #random: RandomSource;
  readonly #startedAt: number;
  readonly #clients = new Map<string, ClientLink>();
  readonly #workers = new Map<string, WorkerLink>();
  /** By worker id. */
  readonly #hosts = new Map<string, HostLink>();
  /** Every connection, those that have not said hello among them. */
  readonly #links = new Map<Connection, Link | undefined>();
  readonly #timers = new Map<TimerName, () => void>();
  readonly #messages = new Map<Op, number>();
  readonly #events: SchedulerEvent[] = [];
  #handling = false;
  #closed = false;

  /** An empty scheduler. */
  constructor(options: SchedulerServerOptions) {
    const { clock = platformClock, now = Date.now, random = platformRandom, limits = DEFAULT_LIMITS } = options;
    this.clock = clock;
    this.#random = random;
    this.limits = limits;
    this.id = `scheduler-${randomHex(8, random)}`;
    this.state = createState({ random });
    this.tickets = new Tickets({ now, random });
    this.versions = { troupe: TROUPE_VERSION, runtime: options.runtime };
    this.loopback = options.loopback;
    this.#startedAt = clock.now();
    this.observation = new Observation(clock, () => this.#hosts.values());
    this.sessions = new PageSessions({ now, random });
    this.view = new SchedulerView({
      state: this.state,
      observation: this.observation,
      clock,
      now,
      snapshot: () => this.snapshot(),
    });
  }

  /** Takes a peer that was let in with `grant`; its hello says what it is. */
  accept(transport: Transport, grant: Grant): void {
    if (this.#closed) return transport.close(CloseCode.goingAway, "The scheduler is closing");
    let connection: Connection | undefined = undefined;
    const observed = observeEnd(transport, () => this.#forget(connection));
    connection = acceptConnection(observed, {
      clock: this.clock,
      limits: this.limits,
      onHello: (connection, hello, version) => {
        this.count("hello");
        const link = this.#greet(connection, hello, version, grant);
        if (link && !connection.closed) this.#links.set(connection, link);
        return link ?? NOBODY;
      },
    });
    if (!connection.closed) this.#links.set(connection, undefined);
  }

  /** Whether an actor could be placed now. */
  get ready(): boolean {
    return [...this.state.workers.values()].some(({ host, draining }) => host?.phase === "joined" && !draining);
  }

  dispatch(input: SchedulerInput): void {
    if (this.#closed) return;
    this.view.before(input);
    this.#events.push({ ...input, at: this.clock.now() } as SchedulerEvent);
    // What is done for one event may cause another, which then has to wait for its turn.
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let event = this.#events.shift(); event; event = this.#events.shift()) {
        for (const instruction of handleEvent(this.state, event)) this.#perform(instruction);
      }
    } finally {
      this.#handling = false;
    }
    this.view.after(input);
  }

  count(op: Op): void {
    this.#messages.set(op, (this.#messages.get(op) ?? 0) + 1);
  }

  snapshot(): SchedulerSnapshot {
    return takeSnapshot(this.state, {
      at: this.clock.now(),
      startedAt: this.#startedAt,
      id: this.id,
      address: this.address,
      dashboard: this.dashboard,
      runtime: this.versions.runtime,
      messages: Object.fromEntries(this.#messages),
    });
  }

  /** Link to the dashboard that signs its bearer in, once, where that is needed. */
  get signInLink(): string {
    return this.signsIn ? `${this.dashboard}?ticket=${this.sessions.issue()}` : this.dashboard;
  }

  /** Retires workers by id, name or address; the answer does not wait until they have left. */
  retire(workers: readonly string[], timeout: number = DRAIN_TIMEOUT): { workers: string[] } | { error: string } {
    const request = ++this.#apiRequests;
    this.dispatch({ type: "retired", asker: { role: "client", id: API, request }, workers, timeout });
    const error = this.#refused.get(request);
    this.#refused.delete(request);
    if (error) return { error: error.message };
    return { workers: [...this.state.workers.values()].filter(({ draining }) => draining).map(({ id }) => id) };
  }

  /** Ends an actor or task for everyone. */
  cancel(key: string, reason: string | undefined): void {
    this.dispatch({ type: "cancelled", client: API, keys: [key], reason });
  }

  openChannel(target: ChannelTarget): Transport | undefined {
    return this.#hosts.get(target.worker)?.openChannel(target);
  }

  /** Ends all connections, which are told that it is going away, and all timers. Nothing happens here any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.view.close();
    for (const stop of this.#timers.values()) stop();
    this.#timers.clear();
    for (const connection of [...this.#links.keys()]) {
      connection.close(CloseCode.goingAway, "The scheduler is closing");
    }
  }

  #greet(connection: Connection, hello: MessageOf<"hello">, version: number, grant: Grant): Link | undefined {
    const claims = grant.kind === "ticket" ? grant.claims : undefined;
    const came = claims ? `a ticket for the role ${claims.role}` : `a ${grant.kind}`;
    switch (`${hello.role} by ${claims?.role ?? grant.kind}`) {
      case "client by token":
      case "client by session":
      case "client by client":
        return this.#greetClient(connection, hello, version, grant);
      case "worker by token":
        return this.#greetWorker(connection, hello, version);
      case "host by host":
        return this.#greetHost(connection, hello, version, claims!);
      default:
        connection.close(CloseCode.forbidden, `The role ${hello.role} cannot be taken with ${came}`);
        return undefined;
    }
  }

  #greetClient(
    connection: Connection,
    hello: MessageOf<"hello">,
    version: number,
    grant: Grant,
  ): Link | undefined {
    const claims = grant.kind === "ticket" ? grant.claims : undefined;
    const { session } = hello;
    if (!/^[0-9a-f]{32}$/.test(session)) {
      throw new ProtocolError("Cannot read hello.session: expected 128 bits in hexadecimal");
    }
    const body = decodeBody(clientHello, hello.body, "hello");
    const isolateOf = claims?.host ? { worker: claims.worker, host: claims.host } : undefined;
    if (isolateOf && this.state.workers.get(isolateOf.worker)?.host?.incarnation !== isolateOf.host) {
      connection.close(CloseCode.forbidden, "The host of this isolate was declared ended");
      return undefined;
    }
    const known = this.state.sessions.get(session);
    const link = new ClientLink(this, connection, known ?? `client-${randomHex(8, this.#random)}`);
    this.#clients.get(link.id)?.replace();
    this.#clients.set(link.id, link);
    // Whoever has the token may sign in; a session or ticket is not multiplied.
    const dashboard = grant.kind === "token" ? this.signInLink : this.dashboard;
    link.join(body, { session, version, dashboard, isolateOf });
    return link;
  }

  #greetWorker(connection: Connection, hello: MessageOf<"hello">, version: number): Link {
    const body = decodeBody(workerHello, hello.body, "hello");
    const link = new WorkerLink(this, connection, `worker-${randomHex(8, this.#random)}`);
    this.#workers.set(link.id, link);
    link.join(body, version);
    return link;
  }

  #greetHost(
    connection: Connection,
    hello: MessageOf<"hello">,
    version: number,
    { worker, host: incarnation }: TicketClaims,
  ): Link | undefined {
    const body = decodeBody(hostHello, hello.body, "hello");
    const host = this.state.workers.get(worker)?.host;
    if (host?.incarnation !== incarnation || host.phase !== "announced") {
      connection.close(CloseCode.forbidden, "This host is not announced, or was declared ended");
      return undefined;
    }
    const link = new HostLink(this, connection, worker, incarnation);
    this.#hosts.set(worker, link);
    link.join(body, version);
    return link;
  }

  /** Drops what belongs to a connection that ended. */
  #forget(connection: Connection | undefined): void {
    if (!connection) return;
    const link = this.#links.get(connection);
    this.#links.delete(connection);
    for (const links of [this.#clients, this.#workers, this.#hosts] as Map<string, Link>[]) {
      for (const [id, filed] of links) if (filed === link) links.delete(id);
    }
  }

  #perform(instruction: Instruction): void {
    switch (instruction.type) {
      case "sendStatus":
        return this.#clients.get(instruction.client)?.sendStatus(instruction);
      case "answer": {
        const { role, id, request } = instruction.asker;
        if (id === API && "error" in instruction) this.#refused.set(request, instruction.error);
        return (role === "client" ? this.#clients : this.#hosts).get(id)?.sendAnswer(instruction);
      }
      case "sendCreate":
        return this.#hosts.get(instruction.worker)?.sendCreate(instruction);
      case "sendDestroy":
        return this.#hosts.get(instruction.worker)?.sendDestroy(instruction);
      case "sendCompute":
        return this.#hosts.get(instruction.worker)?.sendCompute(instruction);
      case "sendCancelCompute":
        return this.#hosts.get(instruction.worker)?.sendCancelCompute(instruction);
      case "sendStore":
        return this.#hosts.get(instruction.worker)?.sendStore(instruction);
      case "sendCopy":
        return this.#hosts.get(instruction.worker)?.sendCopy(instruction);
      case "sendForget":
        return this.#hosts.get(instruction.worker)?.sendForget(instruction);
      case "sendDrain":
        return this.#workers.get(instruction.worker)?.sendDrain(instruction.timeout);
      case "sendRestart":
        return this.#workers.get(instruction.worker)?.sendRestart(instruction.incarnation);
      case "sendRenewModules":
        return this.#hosts.get(instruction.worker)?.sendRenewModules();
      case "closeWorker":
        return this.#workers.get(instruction.worker)?.close(instruction.code, instruction.reason);
      case "closeHost": {
        const host = this.#hosts.get(instruction.worker);
        if (host?.incarnation === instruction.incarnation) host.close(instruction.code, instruction.reason);
        return;
      }
      case "setTimer":
        return this.#setTimer(instruction.timer, instruction.delay);
      case "clearTimer":
        this.#timers.get(instruction.timer)?.();
        this.#timers.delete(instruction.timer);
        return;
      case "log":
        return logger[instruction.level === "warning" ? "warn" : instruction.level](
          instruction.message,
          { ...instruction.properties },
        );
    }
  }

  #setTimer(timer: TimerName, delay: number): void {
    this.#timers.get(timer)?.();
    this.#timers.delete(timer);
    if (delay > LONGEST_TIMER) return;
    const stop = this.clock.setTimer(delay, () => {
      this.#timers.delete(timer);
      this.dispatch({ type: "timerFired", timer });
    });
    this.#timers.set(timer, stop);
  }
}

/** A transport whose end is told to `onEnd` before anyone else hears of it. */
function observeEnd(transport: Transport, onEnd: () => void): Transport {
  return {
    policy: transport.policy,
    send: (frame) => transport.send(frame),
    close: (code, reason) => transport.close(code, reason),
    start: (receiver) =>
      transport.start({
        onFrame: (frame) => receiver.onFrame(frame),
        onClose: (info) => {
          onEnd();
          receiver.onClose(info);
        },
      }),
  };
}
