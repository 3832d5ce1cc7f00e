/**
 * The host's own isolate as a home of actors: for classes that never hold up its event loop.
 *
 * @module
 */

import { type Clock, platformClock, type Transport } from "../connection/mod.ts";
import { CloseCode, type LossReason } from "../protocol/mod.ts";
import { ActorHome } from "./actor_home.ts";
import { CallerSet } from "./caller_set.ts";
import type {
  ActorIsolate,
  CreateOrder,
  CreateOutcome,
  IsolateCounters,
  IsolateEnd,
  IsolateSettings,
} from "./isolate.ts";

/** Options of {@linkcode InlineIsolate}. */
export interface InlineIsolateOptions {
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** WebSocket address of the host's server, which hands its callers to {@linkcode InlineIsolate.serve}. */
  readonly address: string;
  /** The time. */
  readonly clock?: Clock;
}

/** An {@linkcode ActorIsolate} in the isolate that makes it. It has no server of its own. */
export class InlineIsolate implements ActorIsolate {
  readonly home = "inline";
  readonly kind = "inline";
  readonly address: string;
  readonly ended: Promise<IsolateEnd>;
  readonly #home: ActorHome;
  readonly #callers: CallerSet;
  readonly #clock: Clock;
  readonly #end: (end: IsolateEnd) => void;

  /** Starts nothing. */
  constructor({ settings, address, clock = platformClock }: InlineIsolateOptions) {
    this.address = address;
    this.#clock = clock;
    this.#home = new ActorHome({ home: this.home, address, settings, clock });
    this.#callers = new CallerSet(this.#home);
    ({ promise: this.ended, resolve: this.#end } = Promise.withResolvers<IsolateEnd>());
  }

  create(order: CreateOrder): Promise<CreateOutcome> {
    return this.#home.create(order);
  }

  destroy(key: string, incarnation: string, reason: LossReason | "released"): Promise<void> {
    return this.#home.destroy(key, incarnation, reason);
  }

  serve(transport: Transport): void {
    this.#callers.serve(transport);
  }

  counters(): Promise<IsolateCounters> {
    return Promise.resolve(this.#home.counters());
  }

  /** Counts and logs an error that belongs to no call: see `guardErrors` of `isolate_guard.ts`. */
  reportUnhandled(error: unknown): void {
    this.#home.reportUnhandled(error);
  }

  async close(timeout: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const stop = this.#clock.setTimer(timeout, resolve);
    await Promise.race([this.#home.close("drained", timeout), late]);
    stop();
    this.#callers.close(CloseCode.draining, "The worker is leaving");
    this.#end({ reason: "drained", message: "It was closed" });
  }
}
