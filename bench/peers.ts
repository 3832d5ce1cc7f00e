/**
 * Calls beside those of others. A subject of its own, as the idle processes of the others are not quiet.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho } from "./actors.ts";
import { type Case, rate, timed } from "./harness.ts";
import { startCapnWeb } from "./peers/capnweb.ts";
import { startComlink } from "./peers/comlink.ts";
import { startDask } from "./peers/dask.ts";
import { startDurableObject } from "./peers/durable_object.ts";
import { startRawEcho } from "./peers/raw_echo.ts";
import type { Stage, Subject } from "./stage.ts";
import type { Tree } from "./tree.ts";

const OURS = "Troupe";
const OURS_AT_ONCE = "Troupe, 1000 calls at once";
const OURS_INSIDE = "Troupe, cluster in one process";
const OURS_CREATION = "Troupe, create an actor";
const RATE = "calls/s";
const small = new Uint8Array(64);

/** Calls of the same kind elsewhere. */
export const peers: Subject = {
  name: "peers",
  title: "Beside others",
  repetition: { rounds: 12, warmUp: 3 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const echo = stage.stack.use(await startRawEcho());
  const servers: number[] = [echo.pid];
  const cases: Case[] = [
    { name: "raw WebSocket echo, 64 B", to: OURS, count: 50, measure: timed(() => echo.send(small)) },
  ];
  for (const tree of stage.trees) cases.push(...await ofTree(stage, tree, servers));
  cases.push(...await ofPeers(stage, servers));
  await stage.apart(servers);
  return cases;
}

async function ofTree(stage: Stage, tree: Tree, servers: number[]): Promise<Case[]> {
  const { Client, release, remote } = tree.library;
  remote(ACTORS_MODULE, { InlineEcho });
  const cluster = stage.stack.use(await tree.startCluster({ workers: 1 }));
  const client = stage.stack.use(await Client.connect(cluster.address, { token: cluster.token }));
  const actor = await client.submit(InlineEcho, { actor: true });
  servers.push((await client.schedulerInfo()).workers[0]!.hostPid);
  const inside = stage.stack.use(await tree.startCluster({ workers: 1, mode: "inline" }));
  const insideClient = stage.stack.use(await Client.connect(inside.address, { token: inside.token }));
  const insideActor = await insideClient.submit(InlineEcho, { actor: true });
  return [
    { name: OURS, tree, count: 50, measure: timed(() => actor.call()) },
    { name: OURS_AT_ONCE, tree, unit: RATE, measure: rate(1000, (calls) => atOnce(calls, () => actor.call())) },
    { name: OURS_INSIDE, tree, count: 50, measure: timed(() => insideActor.call()) },
    {
      name: OURS_CREATION,
      tree,
      count: 10,
      measure: timed(async () => void release(await client.submit(InlineEcho, { actor: true }))),
    },
  ];
}

function atOnce(calls: number, call: () => PromiseLike<unknown>): Promise<unknown> {
  return Promise.all(Array.from({ length: calls }, call));
}

async function ofPeers(stage: Stage, servers: number[]): Promise<Case[]> {
  const cases: Case[] = [];
  const capnWeb = await stage.peer("Cap'n Web", startCapnWeb);
  if (capnWeb) {
    servers.push(capnWeb.pid);
    cases.push(
      // Each call meets Nagle's algorithm: see docs/protocol.md.
      { name: "Cap'n Web", to: OURS, count: 4, measure: timed(() => capnWeb.increment()) },
      {
        name: "Cap'n Web, 1000 calls at once",
        to: OURS_AT_ONCE,
        unit: RATE,
        measure: rate(1000, (calls) => atOnce(calls, () => capnWeb.increment())),
      },
    );
  }
  const durable = await stage.peer("Durable Object (workerd)", startDurableObject);
  if (durable) {
    cases.push(
      { name: "Durable Object, WebSocket", to: OURS, count: 50, measure: timed(() => durable.increment()) },
      { name: "Durable Object, HTTP", to: OURS, count: 10, measure: timed(() => durable.post()) },
    );
  }
  const comlink = await stage.peer("Comlink", startComlink);
  if (comlink) {
    cases.push({
      name: "Comlink, Web Worker",
      to: OURS_INSIDE,
      count: 50,
      measure: timed(() => comlink.increment()),
    });
  }
  const dask = await stage.peer("Dask", startDask);
  if (dask) {
    cases.push(
      { name: "Dask, actor", to: OURS, count: 10, measure: (count) => dask.measure("call", count) },
      {
        name: "Dask, actor, 200 calls at once",
        to: OURS_AT_ONCE,
        unit: RATE,
        measure: () => dask.measure("pipelined", 200),
      },
      { name: "Dask, create an actor", to: OURS_CREATION, count: 5, measure: (count) => dask.measure("create", count) },
      { name: "Dask, tasks by map and gather", unit: "tasks/s", measure: () => dask.measure("tasks", 200) },
    );
  }
  return cases;
}
