/**
 * Many clients that are connected and do nothing: what they do to the calls of one that does.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho } from "./actors.ts";
import { type Case, timed } from "./harness.ts";
import { startDenoChild } from "./peers/child.ts";
import type { Stage, Subject } from "./stage.ts";

const ALONE = "call of the only client";

/** Idle clients. */
export const manyConnections: Subject = {
  name: "many_connections",
  title: "Many connected clients",
  repetition: { rounds: 20, warmUp: 2 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const servers: number[] = [];
  const many = stage.size(1000, 4);
  for (const tree of stage.trees) {
    const { Client, remote } = tree.library;
    remote(ACTORS_MODULE, { InlineEcho });
    const start = async () => {
      const cluster = stage.stack.use(await tree.startCluster({ workers: 1 }));
      const { address, token } = cluster;
      const client = stage.stack.use(await Client.connect(address, { token, directToWorkers: true }));
      servers.push((await client.schedulerInfo()).workers[0]!.hostPid);
      return { cluster, actor: await client.submit(InlineEcho, { actor: true, key: "echo" }) };
    };
    const [alone, crowded] = [await start(), await start()];
    const { address, token } = crowded.cluster;
    const library = new URL("mod.ts", tree.root).href;
    const crowd = stage.stack.use(await startDenoChild("../idle_clients.ts", library, address, token, String(many)));
    if (crowd.line !== String(many)) throw new Error(`Only ${crowd.line} of ${many} clients are connected`);
    cases.push(
      { name: ALONE, tree, count: 50, measure: timed(() => alone.actor.call()) },
      {
        name: `call of one of ${many + 1}`,
        tree,
        count: 50,
        to: ALONE,
        goal: { atMost: 1.3 },
        measure: timed(() => crowded.actor.call()),
      },
    );
  }
  await stage.apart(servers);
  return cases;
}
