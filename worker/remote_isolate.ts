/**
 * An isolate of its own, seen from its host: orders go out, outcomes and counts come in, over whatever way leads there.
 *
 * @module
 */

import { type Clock, joinTransports, type Transport } from "../connection/mod.ts";
import { ActorLostError, CloseCode, type HomeKind, type LossReason } from "../protocol/mod.ts";
import { observeEnd } from "./caller_set.ts";
import { CounterTable } from "./counter_table.ts";
import type {
  CreateOrder,
  CreateOutcome,
  HostServices,
  Isolate,
  IsolateEnd,
  IsolateSettings,
  LoopView,
  TaskOrder,
  TaskReceiver,
  TaskThread,
} from "./isolate.ts";
import type { HeardFromIsolate, IsolateRequestName, IsolateRequests, SentToIsolate } from "./isolate_messages.ts";
import type { TaskBoard } from "./task_board.ts";
import { TaskSender } from "./task_sender.ts";

/** Milliseconds that an isolate which exits has to tell its callers: it may be stuck in a loop that caught the exit. */
const EXIT_GRACE = 250;

/** The way to one isolate. */
export interface IsolateWay {
  /** What both ends share for tasks; left out where they share no memory. */
  readonly board?: TaskBoard;
  /** Says something; what is transferred must not be used again. */
  send(message: SentToIsolate, transfer: Transferable[]): void;
  /** Opens a way for the frames of a caller. */
  open(): Transport;
  /** Ends the isolate, at once. */
  end(): void;
}

/** What a way tells. */
export interface IsolateWayReceiver {
  /** The isolate said something. */
  onMessage(message: HeardFromIsolate): void;
  /** It has ended, or did not start. */
  onEnd(end: IsolateEnd): void;
}

/** Options of {@linkcode RemoteIsolate}. */
export interface RemoteIsolateOptions {
  /** Its id within the host: `shared-1`. */
  readonly home: string;
  /** Its kind. */
  readonly kind: HomeKind;
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** What the host does for its isolates. */
  readonly services: HostServices;
  /** The time. */
  readonly clock: Clock;
}

interface Pending {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

/** An isolate at the other end of a way. */
export class RemoteIsolate implements Isolate, TaskThread {
  /**
   * Starts an isolate; resolves when it takes orders.
   *
   * @param open Starts it, and gives the way to it.
   * @throws {Error} Where it ends before that.
   */
  static async start(
    options: RemoteIsolateOptions,
    open: (receiver: IsolateWayReceiver) => IsolateWay,
  ): Promise<RemoteIsolate> {
    const isolate = new RemoteIsolate(options, open);
    await isolate.#ready.promise;
    return isolate;
  }

  readonly home: string;
  readonly kind: HomeKind;
  readonly counters = new CounterTable();
  readonly ended: Promise<IsolateEnd>;
  address = "";
  loop: LoopView | undefined;
  readonly #way: IsolateWay;
  readonly #clock: Clock;
  readonly #workerName: string;
  readonly #services: HostServices;
  readonly #tasks: TaskSender;
  readonly #pending = new Map<number, Pending>();
  readonly #relayed = new Set<Transport>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #resolveEnded: (end: IsolateEnd) => void;
  #nextRequest = 1;
  #exiting = "";
  #stopGrace: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #hasEnded = false;

  private constructor(options: RemoteIsolateOptions, open: (receiver: IsolateWayReceiver) => IsolateWay) {
    const { home, kind, settings, services, clock } = options;
    this.home = home;
    this.kind = kind;
    this.#clock = clock;
    this.#workerName = settings.workerName;
    this.#services = services;
    ({ promise: this.ended, resolve: this.#resolveEnded } = Promise.withResolvers<IsolateEnd>());
    this.#way = open({
      onMessage: (message) => this.#receive(message),
      onEnd: (end) => this.#end(end),
    });
    this.#tasks = new TaskSender((orders) => this.#way.send(orders, [orders.bytes.buffer]), this.#way.board);
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

  compute(order: TaskOrder, receiver: TaskReceiver): void {
    if (this.#hasEnded) receiver.lose(false);
    else this.#tasks.give(order, receiver);
  }

  withdraw(): number {
    return this.#tasks.withdraw();
  }

  look(): void {
    this.#tasks.look();
  }

  cancelCompute(key: string, run: number): void {
    // It may be among those that have not been sent.
    this.#tasks.flush();
    this.#tell({ type: "cancelCompute", key, run });
  }

  watchCalls(watched: boolean): void {
    this.#tell({ type: "watchCalls", watched });
  }

  collect(): void {
    this.#tell({ type: "collect" });
  }

  serve(transport: Transport): void {
    if (this.#hasEnded) return transport.close(CloseCode.gone, "The isolate has ended");
    this.#relayed.add(transport);
    // Not every way says that its other side has gone: the end of this isolate closes what was relayed.
    joinTransports(observeEnd(transport, () => this.#relayed.delete(transport)), this.#way.open());
  }

  abandon(message: string): void {
    this.#end({ reason: "isolate-stuck", message });
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

  #tell(message: SentToIsolate): void {
    if (!this.#hasEnded) this.#way.send(message, []);
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
      this.#way.send({ type, id, ...asked } as SentToIsolate, transfer);
    });
  }

  #receive(message: HeardFromIsolate): void {
    switch (message.type) {
      case "ready":
        this.address = message.address;
        // On the host's clock, or a little later: a deadline never passes too early.
        if (message.loop) this.loop = { memory: message.loop, offset: this.#clock.now() - message.now };
        return this.#ready.resolve();
      case "failed":
        return this.#end({ reason: "isolate-exit", message: message.message });
      case "settled":
        this.#pending.get(message.id)?.resolve(message.value as never);
        this.#pending.delete(message.id);
        return;
      case "results":
        return this.#tasks.look();
      case "waits":
        return this.#tasks.wait(message.number);
      case "computed":
        return this.#tasks.settle(message.number, message.outcome);
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
    this.#tell({ type: "ticket", id, ...answer });
  }

  #exit(): void {
    this.#end({ reason: "isolate-exit", message: this.#exiting });
  }

  #end(end: IsolateEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stopGrace?.();
    this.#way.end();
    for (const transport of [...this.#relayed]) transport.close(CloseCode.gone, `The isolate ended: ${end.reason}`);
    for (const { reject } of this.#pending.values()) reject(this.#lost("unknown", end));
    this.#pending.clear();
    this.#tasks.end();
    this.#ready.reject(new Error(`Cannot start the isolate ${this.home}: ${end.message}`));
    this.#resolveEnded(end);
  }

  #lost(
    executed: "no" | "unknown",
    { reason }: Pick<IsolateEnd, "reason"> = { reason: "isolate-exit" },
  ): ActorLostError {
    return new ActorLostError(`The isolate ${this.home} of worker ${this.#workerName} has ended`, {
      executed,
      reason,
      worker: this.#workerName,
    });
  }
}
