/**
 * Chooses a worker for an actor, or says why there is none. Pure.
 *
 * @module
 */

import type { WorkerRecord } from "./state.ts";

/** What an actor or task wants of its worker. */
export interface Wishes {
  /** Ids, names, addresses, hosts of addresses or machines, any of which will do; empty for any worker. */
  readonly workers: readonly string[];
  /** Whether another worker will do where none of `workers` can take it now. */
  readonly allowOtherWorkers: boolean;
  /** Amounts that an actor holds for its whole life, and a task while it runs. */
  readonly resources: ReadonlyMap<string, number>;
}

/** What a choice came to. */
export type Placing =
  | { readonly kind: "placed"; readonly worker: WorkerRecord }
  | {
    /** `none` has joined, all that fit are `starting`, or `busy`, or nothing that joined fits (`misfit`). */
    readonly kind: "none" | "starting" | "busy" | "misfit";
    /** What was wanted and what is offered, for people. */
    readonly reason: string;
  };

/** Differences of load below these do not outweigh taking turns. */
const LAG_STEP = 50;
const MEMORY_STEP = 64 * 1024 * 1024;

/** Amounts are users' own numbers, and may be fractions. */
const TOLERANCE = 1e-9;

/** How many workers a reason lists. */
const LISTED = 8;

/**
 * Chooses by fewest actors, then least data to move, then load, then who was not chosen for longest.
 *
 * @param there How many bytes of what the actor needs a worker has already.
 */
export function place(
  workers: ReadonlyMap<string, WorkerRecord>,
  wishes: Wishes,
  there: (worker: WorkerRecord) => number = nothingThere,
): Placing {
  let best: WorkerRecord | undefined;
  let bestOther: WorkerRecord | undefined;
  for (const worker of workers.values()) {
    if (!isReady(worker) || !hasFree(worker, wishes.resources)) continue;
    if (isWanted(worker, wishes.workers)) {
      if (best === undefined || compare(worker, best, there) < 0) best = worker;
    } else if (bestOther === undefined || compare(worker, bestOther, there) < 0) {
      bestOther = worker;
    }
  }
  const worker = best ?? (wishes.allowOtherWorkers ? bestOther : undefined);
  return worker ? { kind: "placed", worker } : refuse([...workers.values()], wishes);
}

/** What is wanted, for people: `GPU: 1 on workers ["a"]`. */
export function describeWishes(wishes: Wishes): string {
  const resources = describeAmounts(wishes.resources);
  const where = wishes.workers.length === 0 ? "" : `workers ${JSON.stringify(wishes.workers)}`;
  if (resources && where) return `${resources} on ${where}`;
  return resources || (where ? `one of ${where}` : "a worker");
}

/** What a worker offers and what of it is free, for people and for `NoWorkerError`. */
export function describeOffer(worker: WorkerRecord): string {
  const amounts = [...worker.resources].map(([name, total]) => {
    const free = freeAmount(worker, name);
    return free === total ? `${name}: ${total}` : `${name}: ${round(free)} of ${total} free`;
  });
  const running = worker.paused ? " (paused: its memory is full)" : "";
  const state = worker.draining ? " (leaving)" : worker.host?.phase === "joined" ? running : " (starting)";
  return `${worker.name}${state}${amounts.length > 0 ? ` with ${amounts.join(", ")}` : ""}`;
}

/** Whether a worker takes actors. */
export function isReady(worker: WorkerRecord): boolean {
  return !worker.draining && worker.host?.phase === "joined";
}

/** Whether one of the names means this worker; no names mean any. */
export function isWanted(worker: WorkerRecord, names: readonly string[]): boolean {
  if (names.length === 0) return true;
  const address = worker.host?.address ?? "";
  const url = address !== "" && URL.canParse(address) ? new URL(address) : undefined;
  const own = [worker.id, worker.name, worker.machine, address, url?.host, url?.hostname];
  return names.some((name) => name !== "" && own.includes(name));
}

/** What of a resource nobody holds. */
export function freeAmount(worker: WorkerRecord, name: string): number {
  return (worker.resources.get(name) ?? 0) - (worker.held.get(name) ?? 0);
}

/** Whether a worker has amounts that nobody holds. */
export function hasFree(worker: WorkerRecord, wanted: ReadonlyMap<string, number>): boolean {
  for (const [name, amount] of wanted) {
    if (freeAmount(worker, name) + TOLERANCE < amount) return false;
  }
  return true;
}

/** Whether a worker has amounts, held or not. */
export function hasAtAll(worker: WorkerRecord, wanted: ReadonlyMap<string, number>): boolean {
  for (const [name, amount] of wanted) {
    if ((worker.resources.get(name) ?? 0) + TOLERANCE < amount) return false;
  }
  return true;
}

function nothingThere(): number {
  return 0;
}

function compare(one: WorkerRecord, other: WorkerRecord, there: (worker: WorkerRecord) => number): number {
  return one.actors.size - other.actors.size ||
    there(other) - there(one) ||
    Math.floor(one.lag / LAG_STEP) - Math.floor(other.lag / LAG_STEP) ||
    Math.floor(one.memory / MEMORY_STEP) - Math.floor(other.memory / MEMORY_STEP) ||
    one.chosen - other.chosen ||
    (one.id < other.id ? -1 : 1);
}

/** Why nothing can be placed. */
export function refuse(
  workers: readonly WorkerRecord[],
  wishes: Wishes,
): Exclude<Placing, { kind: "placed" }> {
  const wanted = `needs ${describeWishes(wishes)}`;
  if (workers.length === 0) {
    return { kind: "none", reason: `${wanted}; no worker has joined yet: start one with deno task worker` };
  }
  const listed = workers.slice(0, LISTED).map(describeOffer).join("; ");
  const more = workers.length > LISTED ? `; and ${workers.length - LISTED} more` : "";
  const fitting = workers.filter((worker) =>
    !worker.draining && hasAtAll(worker, wishes.resources) &&
    (wishes.allowOtherWorkers || isWanted(worker, wishes.workers))
  );
  const kind = fitting.some(isReady) ? "busy" : fitting.length > 0 ? "starting" : "misfit";
  return { kind, reason: `${wanted}; offered: ${listed}${more}` };
}

function describeAmounts(amounts: ReadonlyMap<string, number>): string {
  return [...amounts].map(([name, amount]) => `${name}: ${amount}`).join(", ");
}

function round(amount: number): number {
  return Math.round(amount * 1e6) / 1e6;
}
