/**
 * How many calls a second one connection carries.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho, SyncCounter } from "./actors.ts";
import { type Case, rate } from "./harness.ts";
import type { Stage, Subject } from "./stage.ts";

const UNIT = "calls/s";

/** Calls a second. */
export const throughput: Subject = {
  name: "throughput",
  title: "Calls a second",
  repetition: { rounds: 12, warmUp: 3 },
  unpinned: true,
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const servers: number[] = [];
  const calls = stage.size(50_000, 100);
  for (const tree of stage.trees) {
    const { Client, remote, withOptions } = tree.library;
    remote(ACTORS_MODULE, { InlineEcho, SyncCounter });
    const cluster = stage.stack.use(await tree.startCluster({ workers: 1 }));
    const { address, token } = cluster;
    const direct = stage.stack.use(await Client.connect(address, { token, directToWorkers: true }));
    const relayed = stage.stack.use(await Client.connect(address, { token, directToWorkers: false }));
    const inline = await direct.submit(InlineEcho, { actor: true, key: "inline" });
    const isolated = await direct.submit(SyncCounter, { actor: true });
    const distant = await relayed.submit(InlineEcho, { actor: true, key: "inline" });
    const bounded = withOptions(isolated, { timeout: 60_000 });
    servers.push((await direct.schedulerInfo()).workers[0]!.hostPid);
    cases.push(
      {
        name: "pipelined, sync method",
        tree,
        unit: UNIT,
        goal: { of: "value", atLeast: 300_000 },
        measure: rate(calls, (count) => pipelined(count, () => isolated.increment())),
      },
      {
        name: "pipelined, async method",
        tree,
        unit: UNIT,
        goal: { of: "value", atLeast: 300_000 },
        measure: rate(calls, (count) => pipelined(count, () => inline.call())),
      },
      {
        name: "pipelined, sync method with a timeout",
        tree,
        unit: UNIT,
        measure: rate(calls, (count) => pipelined(count, () => bounded.increment())),
      },
      {
        name: "pipelined, relayed",
        tree,
        unit: UNIT,
        measure: rate(calls, (count) => pipelined(count, () => distant.call())),
      },
      {
        name: "64 awaiting callers, sync method",
        tree,
        unit: UNIT,
        goal: { of: "value", atLeast: 150_000 },
        measure: rate(calls, (count) => awaiting(64, count, () => isolated.increment())),
      },
      {
        name: "64 awaiting callers, async method",
        tree,
        unit: UNIT,
        goal: { of: "value", atLeast: 150_000 },
        measure: rate(calls, (count) => awaiting(64, count, () => inline.call())),
      },
    );
  }
  await stage.apart(servers);
  return cases;
}

/** All calls at once; then all answers. */
async function pipelined(count: number, call: () => PromiseLike<unknown>): Promise<void> {
  const calls = new Array<PromiseLike<unknown>>(count);
  for (let index = 0; index < count; index++) calls[index] = call();
  for (const one of calls) await one;
}

/** So many callers, each of which awaits its call before it makes the next. */
async function awaiting(callers: number, count: number, call: () => PromiseLike<unknown>): Promise<void> {
  async function caller(): Promise<void> {
    for (let index = 0; index < count / callers; index++) await call();
  }
  await Promise.all(Array.from({ length: callers }, caller));
}
