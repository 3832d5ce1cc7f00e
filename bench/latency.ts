/**
 * One call after another, each awaited, beside the raw echo.
 *
 * @module
 */

import { ACTORS_MODULE, Caller, InlineEcho, SyncCounter } from "./actors.ts";
import { type Case, timed } from "./harness.ts";
import { startRawEcho } from "./peers/raw_echo.ts";
import type { Stage, Subject } from "./stage.ts";
import type { Tree } from "./tree.ts";

const ECHO = "raw WebSocket echo, 64 B";
const small = new Uint8Array(64);

/** Calls of a few bytes. */
export const latency: Subject = {
  name: "latency",
  title: "One awaited call after another",
  repetition: { rounds: 40, warmUp: 6 },
  unpinned: true,
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const echo = stage.stack.use(await startRawEcho());
  const cases: Case[] = [
    { name: ECHO, count: 50, measure: timed(() => echo.send(small)) },
    { name: "raw TCP echo, 64 B", count: 50, to: ECHO, measure: timed(() => echo.sendBare(small)) },
  ];
  const servers = [echo.pid];
  for (const tree of stage.trees) cases.push(...await ofTree(stage, tree, servers));
  await stage.apart(servers);
  return cases;
}

async function ofTree(stage: Stage, tree: Tree, servers: number[]): Promise<Case[]> {
  const { Client, remote } = tree.library;
  remote(ACTORS_MODULE, { Caller, InlineEcho, SyncCounter });
  const cluster = stage.stack.use(await tree.startCluster({ workers: 2 }));
  const { token } = cluster;
  const direct = stage.stack.use(await Client.connect(cluster.address, { token, directToWorkers: true }));
  const relayed = stage.stack.use(await Client.connect(cluster.address, { token, directToWorkers: false }));
  const [near, far] = (await direct.schedulerInfo()).workers;
  const inline = await direct.submit(InlineEcho, { actor: true, key: "inline", workers: [far!.id] });
  const isolated = await direct.submit(SyncCounter, { actor: true, workers: [far!.id] });
  const distant = await relayed.submit(InlineEcho, { actor: true, key: "inline" });
  const caller = await direct.submit(Caller, { actor: true, workers: [near!.id] });
  const neighbour = await direct.submit(InlineEcho, { actor: true, workers: [near!.id] });
  servers.push(far!.hostPid);
  // The two ends of a call between workers are on different processors, too.
  await stage.pin(near!.hostPid, 0);
  const goal = { atMost: 1.15 };
  return [
    { name: "async method, inline", tree, count: 50, to: ECHO, goal, measure: timed(() => inline.call()) },
    { name: "sync method, isolate", tree, count: 50, to: ECHO, goal, measure: timed(() => isolated.increment()) },
    { name: "attribute", tree, count: 50, to: ECHO, goal, measure: timed(() => inline.n) },
    {
      name: "actor to actor, two workers",
      tree,
      count: 50,
      to: ECHO,
      goal,
      measure: (count) => caller.measure(inline, count),
    },
    {
      name: "actor to actor, one isolate",
      tree,
      count: 50,
      to: ECHO,
      measure: (count) => caller.measure(neighbour, count),
    },
    {
      name: "async method, relayed",
      tree,
      count: 50,
      to: ECHO,
      goal: { atMost: 2.3 },
      measure: timed(() => distant.call()),
    },
  ];
}
