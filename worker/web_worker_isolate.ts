/**
 * A Web Worker isolate, seen from the host.
 *
 * @module
 */

import { type Clock, createPortTransport, joinTransports, platformClock, type Transport } from "../connection/mod.ts";
import { ActorLostError, CloseCode, type HomeKind, type LossReason } from "../protocol/mod.ts";
import { CounterTable } from "./counter_table.ts";
import { observeEnd } from "./caller_set.ts";
import type {
  CreateOrder,
  CreateOutcome,
  HostServices,
  Isolate,
  IsolateEnd,
  IsolateSettings,
  TaskOrder,
  TaskOutcome,
} from "./isolate.ts";
import type { FromIsolate, IsolateRequestName, IsolateRequests, IsolateStart, ToIsolate } from "./isolate_messages.ts";

/** Options of {@linkcode startWebWorkerIsolate}. */
export interface WebWorkerIsolateOptions {
  /** Its id within the host: `shared-1`. */
  readonly home: string;
  /** `shared`, or `dedicated` to one actor. */
  readonly kind: HomeKind;
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** What the host does for its isolates. */
  readonly services: HostServices;
  /** WebSocket address at which callers reach it, where it has no server of its own. @default nowhere */
  readonly address?: string;
  /** Deno permissions of its own; they need `--unstable-worker-options`. Defaults to those of the host. */
  readonly permissions?: Deno.PermissionOptions;
  /** The time. */
  readonly clock?: Clock;
}

/** Milliseconds that an isolate which exits has to tell its callers: it may be stuck in a loop that caught the exit. */
const EXIT_GRACE = 250;

/**
 * Starts a Web Worker isolate; resolves when it takes orders.
 *
 * @throws {Error} Where it ends before that.
 */
export async function startWebWorkerIsolate(options: WebWorkerIsolateOptions): Promise<Isolate> {
  const isolate = new WebWorkerIsolate(options);
  await isolate.ready;
  return isolate;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

class WebWorkerIsolate implements Isolate {
  readonly home: string;
  readonly kind: HomeKind;
  readonly counters = new CounterTable();
  readonly ended: Promise<IsolateEnd>;
  readonly ready: Promise<void>;
  address = "";
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #clock: Clock;
  readonly #workerName: string;
  readonly #services: HostServices;
  readonly #pending = new Map<number, Pending>();
  readonly #relayed = new Set<Transport>();
  readonly #resolveEnded: (end: IsolateEnd) => void;
  readonly #resolveReady: () => void;
  readonly #rejectReady: (error: Error) => void;
  #nextRequest = 1;
  #exiting = "";
  #stopGrace: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #hasEnded = false;

  constructor(options: WebWorkerIsolateOptions) {
    const { home, kind, settings, services, address = "", permissions, clock = platformClock } = options;
    this.home = home;
    this.kind = kind;
    this.#clock = clock;
    this.#workerName = settings.workerName;
    this.#services = services;
    ({ promise: this.ended, resolve: this.#resolveEnded } = Promise.withResolvers<IsolateEnd>());
    ({ promise: this.ready, resolve: this.#resolveReady, reject: this.#rejectReady } = Promise.withResolvers<void>());
    this.#worker = new Worker(import.meta.resolve("./isolate_main.ts"), {
      type: "module",
      name: `${settings.workerName} ${home}`,
      ...(permissions === undefined ? {} : { deno: { permissions } }),
    });
    // Its own guards catch what user code throws: what gets here has ended it, or kept it from starting.
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end({ reason: "isolate-exit", message: event.message });
    };
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#port.onmessage = ({ data }: MessageEvent<FromIsolate>) => this.#receive(data);
    this.#worker.postMessage({ home, address, settings, port: port2 } satisfies IsolateStart, [port2]);
  }

  create(order: CreateOrder): Promise<CreateOutcome> {
    // The bytes may be a view of a whole frame: only they are to go, and without another copy.
    const args = order.args.slice();
    return this.#ask("create", { order: { ...order, args } }, [args.buffer]);
  }

  async destroy(key: string, incarnation: string, reason: LossReason | "released"): Promise<void> {
    // With the isolate the actor has gone as well.
    await this.#ask("destroy", { key, incarnation, reason }).catch(() => {});
  }

  compute(order: TaskOrder): Promise<TaskOutcome> {
    const args = order.args.slice();
    // The host may keep the values, and others may need them.
    const values = order.values.map((value) => ({ ...value, bytes: value.bytes.slice() }));
    return this.#ask("compute", { order: { ...order, args, values } }, [
      args.buffer,
      ...values.map(({ bytes }) => bytes.buffer),
    ]);
  }

  cancelCompute(key: string, run: number): void {
    if (!this.#hasEnded) this.#port.postMessage({ type: "cancelCompute", key, run } satisfies ToIsolate);
  }

  watchCalls(watched: boolean): void {
    if (!this.#hasEnded) this.#port.postMessage({ type: "watchCalls", watched } satisfies ToIsolate);
  }

  collect(): void {
    if (!this.#hasEnded) this.#port.postMessage({ type: "collect" } satisfies ToIsolate);
  }

  serve(transport: Transport): void {
    if (this.#hasEnded) return transport.close(CloseCode.gone, "The isolate has ended");
    const { port1, port2 } = new MessageChannel();
    this.#port.postMessage({ type: "serve", port: port2 } satisfies ToIsolate, [port2]);
    this.#relayed.add(transport);
    // A port does not say that its other side has gone: the end of this isolate closes them.
    joinTransports(observeEnd(transport, () => this.#relayed.delete(transport)), createPortTransport(port1));
  }

  close(timeout: number): Promise<void> {
    return this.#closing ??= this.#close(timeout);
  }

  async #close(timeout: number): Promise<void> {
    const stop = this.#clock.setTimer(timeout, () => this.#end({ reason: "drained", message: "It was closed" }));
    await this.#ask("close", { timeout }).catch(() => {});
    stop();
    this.#end({ reason: "drained", message: "It was closed" });
  }

  #ask<N extends IsolateRequestName>(
    type: N,
    asked: IsolateRequests[N]["asked"],
    transfer: Transferable[] = [],
  ): Promise<IsolateRequests[N]["answered"]> {
    if (this.#hasEnded) return Promise.reject(this.#lost("no"));
    const id = this.#nextRequest++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#port.postMessage({ type, id, ...asked }, transfer);
    });
  }

  #receive(message: FromIsolate): void {
    switch (message.type) {
      case "ready":
        this.address = message.address;
        return this.#resolveReady();
      case "failed":
        return this.#end({ reason: "isolate-exit", message: message.message });
      case "settled":
        this.#pending.get(message.id)?.resolve(message.value as never);
        this.#pending.delete(message.id);
        return;
      case "counted":
        return this.counters.apply(message.news);
      case "observed":
        return this.#services.observed?.(message.news);
      case "ticket":
        return void this.#giveTicket(message.id);
      case "exiting":
        this.#exiting = `${message.how} was called in it`;
        this.#stopGrace = this.#clock.setTimer(EXIT_GRACE, () => this.#exit());
        return;
      case "exited":
        return this.#exit();
    }
  }

  async #giveTicket(id: number): Promise<void> {
    const answer = await this.#services.clientTicket().then(
      (ticket) => ({ ticket, error: "" }),
      (error) => ({ ticket: undefined, error: error instanceof Error ? error.message : String(error) }),
    );
    if (!this.#hasEnded) this.#port.postMessage({ type: "ticket", id, ...answer } satisfies ToIsolate);
  }

  #exit(): void {
    this.#end({ reason: "isolate-exit", message: this.#exiting });
  }

  #end(end: IsolateEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stopGrace?.();
    this.#worker.terminate();
    this.#port.close();
    for (const transport of [...this.#relayed]) transport.close(CloseCode.gone, `The isolate ended: ${end.reason}`);
    for (const { reject } of this.#pending.values()) reject(this.#lost("unknown"));
    this.#pending.clear();
    this.#rejectReady(new Error(`Cannot start the isolate ${this.home}: ${end.message}`));
    this.#resolveEnded(end);
  }

  #lost(executed: "no" | "unknown"): ActorLostError {
    return new ActorLostError(`The isolate ${this.home} of worker ${this.#workerName} has ended`, {
      executed,
      reason: "isolate-exit",
      worker: this.#workerName,
    });
  }
}
