/**
 * The host's own isolate as a home of actors: for classes that never hold up its event loop.
 *
 * @module
 */

import { type Clock, platformClock, type Transport } from "../connection/mod.ts";
import { CloseCode, type LossReason } from "../protocol/mod.ts";
import type { PrintedLine } from "../protocol/observation.ts";
import { ActorHome } from "./actor_home.ts";
import { CallCounters } from "./call_counters.ts";
import { CallRecorder } from "./call_recorder.ts";
import { CallerSet } from "./caller_set.ts";
import { CounterTable } from "./counter_table.ts";
import { collectGarbage } from "./garbage.ts";
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
} from "./isolate.ts";
import { IsolateScope, type IsolateScopeOptions } from "./isolate_scope.ts";
import type { StoredResults } from "./result_store.ts";
import { TaskRunner } from "./task_runner.ts";

/** Options of {@linkcode InlineIsolate}. */
export interface InlineIsolateOptions {
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** WebSocket address of the host's server, which hands its callers to {@linkcode InlineIsolate.serve}. */
  readonly address: string;
  /** What the host does for its isolates. */
  readonly services: HostServices;
  /** The results that the host keeps: callers may ask for them. */
  readonly results?: StoredResults;
  /** Makes its session. @default as a client of the scheduler */
  readonly openSession?: IsolateScopeOptions["openSession"];
  /** The time. */
  readonly clock?: Clock;
}

/** An {@linkcode Isolate} in the isolate that makes it. It has no server of its own. */
export class InlineIsolate implements Isolate {
  readonly home = "inline";
  readonly kind = "inline";
  readonly address: string;
  readonly counters = new CounterTable();
  readonly ended: Promise<IsolateEnd>;
  readonly loop: LoopView;
  /** What its code shares. */
  readonly scope: IsolateScope;
  readonly #tasks: TaskRunner;
  readonly #recorder: CallRecorder;
  readonly #home: ActorHome;
  readonly #callers: CallerSet;
  readonly #clock: Clock;
  readonly #end: (end: IsolateEnd) => void;

  /** Starts nothing. */
  constructor(options: InlineIsolateOptions) {
    const { address, results, clock = platformClock } = options;
    this.address = address;
    this.#clock = clock;
    this.scope = new IsolateScope({ ...options, home: this.home, clock });
    this.loop = { memory: this.scope.loop.state.memory, offset: 0 };
    this.#recorder = new CallRecorder(clock, (news) => options.services.observed?.(news));
    const counters = new CallCounters(this.scope.loop.clock, this.#recorder, (news) => this.counters.apply(news));
    this.#home = new ActorHome({ scope: this.scope, counters });
    this.#tasks = new TaskRunner(this.scope, counters);
    this.#callers = new CallerSet(this.#home, results);
    this.scope.serveLocal = (transport) => this.#callers.serve(transport);
    ({ promise: this.ended, resolve: this.#end } = Promise.withResolvers<IsolateEnd>());
  }

  create(order: CreateOrder): Promise<CreateOutcome> {
    return this.#home.create(order);
  }

  destroy(key: string, incarnation: string, reason: LossReason | "released"): Promise<void> {
    return this.#home.destroy(key, incarnation, reason);
  }

  compute(order: TaskOrder, receiver: TaskReceiver): void {
    const outcome = this.#tasks.run(order);
    if (outcome instanceof Promise) outcome.then((outcome) => receiver.settle(outcome));
    else receiver.settle(outcome);
  }

  cancelCompute(key: string, run: number): void {
    this.#tasks.cancel(key, run);
  }

  serve(transport: Transport): void {
    this.#callers.serve(transport);
  }

  watchCalls(watched: boolean): void {
    this.#recorder.watch(watched);
  }

  collect(): void {
    collectGarbage();
  }

  /** User code printed something. */
  printed(line: PrintedLine): void {
    this.#recorder.printed(line);
  }

  /** Counts and logs an error that belongs to no call: see `guardErrors` of `isolate_guard.ts`. */
  reportUnhandled(error: unknown): void {
    this.#home.reportUnhandled(error);
  }

  abandon(): void {}

  async close(timeout: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const stop = this.#clock.setTimer(timeout, resolve);
    await Promise.race([this.#home.close("drained", timeout), late]);
    stop();
    this.#tasks.end("the worker is leaving");
    this.#callers.close(CloseCode.draining, "The worker is leaving");
    this.scope.close();
    this.#end({ reason: "drained", message: "It was closed" });
  }
}
