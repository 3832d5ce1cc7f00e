/**
 * Troupe: stateful actors for Deno.
 *
 * Write a plain class; {@linkcode Client.submit} puts an instance of it on a worker somewhere in a cluster and gives back
 * a typed handle; calling the handle runs the method there, without asking the scheduler.
 *
 * @example
 * ```ts ignore
 * import { Client } from "@troupe/troupe";
 *
 * class Counter {
 *   n = 0;
 *   increment() {
 *     return ++this.n;
 *   }
 * }
 *
 * await using client = await Client.connect();                    // starts a local cluster
 * const counter = await client.submit(Counter, { actor: true });  // a Counter on a worker
 * console.log(await counter.increment());                         // 1
 * ```
 *
 * @module
 */

export * from "./client/mod.ts";
export * from "./protocol/errors.ts";
export type {
  ActorCounts,
  ActorDetails,
  ActorSnapshot,
  ActorStatus,
  ClientSnapshot,
  ExplainedKey,
  Explanation,
  SchedulerSnapshot,
  TaskStatus,
  WorkerSnapshot,
} from "./protocol/snapshot.ts";
