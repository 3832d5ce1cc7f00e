/**
 * What it costs to be looked at: by a page that shows every call, and by a collector of traces.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho } from "./actors.ts";
import { type Case, timed } from "./harness.ts";
import { startChild } from "./peers/child.ts";
import type { Stage, Subject } from "./stage.ts";
import type { Tree } from "./tree.ts";

const UNSEEN = "call that nobody looks at";
const UNTRACED = "call of a program that does not trace";

/** Calls with and without somebody who looks. */
export const observation: Subject = {
  name: "observation",
  title: "Being looked at",
  repetition: { rounds: 60, warmUp: 6 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const servers: number[] = [];
  for (const tree of stage.trees) {
    cases.push(...await watched(stage, tree, servers));
    if (!stage.quick) cases.push(...await traced(stage, tree));
  }
  await stage.apart(servers);
  return cases;
}

async function watched(stage: Stage, tree: Tree, servers: number[]): Promise<Case[]> {
  const { Client, remote } = tree.library;
  remote(ACTORS_MODULE, { InlineEcho });
  const start = async () => {
    const cluster = stage.stack.use(await tree.startCluster({ workers: 1 }));
    const { address, token } = cluster;
    const client = stage.stack.use(await Client.connect(address, { token, directToWorkers: true }));
    servers.push((await client.schedulerInfo()).workers[0]!.hostPid);
    return { cluster, actor: await client.submit(InlineEcho, { actor: true }) };
  };
  const [unseen, seen] = [await start(), await start()];
  const { address, token } = seen.cluster;
  const page = await fetch(`${address.replace("ws", "http")}/api/v1/live?overview=1&calls=1&lines=1&actors=`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const reader = page.body!.getReader();
  const reading = (async () => {
    while (!(await reader.read()).done);
  })();
  stage.stack.defer(async () => {
    await reader.cancel();
    await reading;
  });
  return [
    { name: UNSEEN, tree, count: 50, measure: timed(() => unseen.actor.call()) },
    {
      name: "call that a page shows",
      tree,
      count: 50,
      to: UNSEEN,
      goal: { atMost: 1.03 },
      measure: timed(() => seen.actor.call()),
    },
  ];
}

/** Programs with clusters of their own: whether to trace is said by their environment. */
async function traced(stage: Stage, tree: Tree): Promise<Case[]> {
  const collector = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, async (request) => {
    await request.body?.cancel();
    return new Response();
  });
  stage.stack.defer(() => collector.shutdown());
  const start = async (env: Readonly<Record<string, string>>) => {
    const program = new URL("./traced_program.ts", import.meta.url).href;
    const args = ["run", "-A", "--no-lock", "--unstable-worker-options", program, tree.root.href];
    return stage.stack.use(await startChild(Deno.execPath(), args, env));
  };
  const off = await start({});
  const on = await start({
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
  });
  const measure = (program: typeof off) => async (count: number) =>
    (await program.ask(String(count))).split(" ").map(Number);
  return [
    { name: UNTRACED, tree, count: 50, measure: measure(off) },
    {
      name: "call of a program that traces every call",
      tree,
      count: 50,
      to: UNTRACED,
      goal: { atMost: 1.03 },
      measure: measure(on),
    },
  ];
}
