/**
 * Workers and hosts that are gone, for as long as somebody may wonder where they are.
 *
 * @module
 */

import type { SchedulerInput } from "./events.ts";
import type { SchedulerState } from "./state.ts";

/** A worker that left, or a host that ended under a worker that is still here. */
export interface Departure {
  /** Id of the worker. */
  readonly worker: string;
  /** Its name. */
  readonly name: string;
  /** What is gone. */
  readonly what: "worker" | "host";
  /** Why, as in `ActorLostError.reason`. */
  readonly reason: string;
  /** How many actors were lost with it. */
  readonly actors: number;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** How many are remembered, and for how long, in milliseconds. */
const MOST = 50;
const REMEMBERED = 10 * 60 * 1000;

/** Remembers departures. */
export class Departures {
  readonly #now: () => number;
  #list: Departure[] = [];

  /** @param now Milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The latest first. */
  list(): Departure[] {
    const since = this.#now() - REMEMBERED;
    this.#list = this.#list.filter(({ at }) => at >= since);
    return [...this.#list];
  }

  /** Looks at an event before the state changes: afterwards nothing says who it was. */
  note(state: SchedulerState, input: SchedulerInput): void {
    if (input.type !== "workerLeft" && input.type !== "hostEnded") return;
    const worker = state.workers.get(input.worker);
    if (!worker) return;
    if (input.type === "hostEnded" && worker.host?.incarnation !== input.incarnation) return;
    const what = input.type === "workerLeft" ? "worker" : "host";
    const reason = worker.draining ? "drained" : input.reason;
    const { id, name, actors } = worker;
    this.#list.unshift({ worker: id, name, what, reason, actors: actors.size, at: this.#now() });
    this.#list.splice(MOST);
  }
}
