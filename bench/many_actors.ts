/**
 * A worker full of actors that do nothing: what each costs, and what the others do to the calls of one.
 *
 * @module
 */

import { ACTORS_MODULE, HostMemory, InlineEcho } from "./actors.ts";
import { type Case, timed } from "./harness.ts";
import type { Stage, Subject } from "./stage.ts";

const ALONE = "call of the only actor";

/** Idle actors. */
export const manyActors: Subject = {
  name: "many_actors",
  title: "Many idle actors on one worker",
  repetition: { rounds: 20, warmUp: 2 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const servers: number[] = [];
  const many = stage.size(100_000, 20);
  for (const tree of stage.trees) {
    const { Client, gather, remote } = tree.library;
    remote(ACTORS_MODULE, { HostMemory, InlineEcho });
    const start = async () => {
      const cluster = stage.stack.use(await tree.startCluster({ workers: 1 }));
      const client = stage.stack.use(
        await Client.connect(cluster.address, { token: cluster.token, directToWorkers: true }),
      );
      servers.push((await client.schedulerInfo()).workers[0]!.hostPid);
      const memory = await client.submit(HostMemory, { actor: true });
      return { client, memory, actor: await client.submit(InlineEcho, { actor: true }) };
    };
    const [alone, crowded] = [await start(), await start()];
    const { client, memory } = crowded;
    const before = await memory.used();
    for (let made = 0; made < many; made += 10_000) {
      await gather(client.map(InlineEcho, new Array(Math.min(many, 10_000)).fill(0), { actor: true }));
    }
    const each = (await memory.used() - before) / many - await memory.instanceBytes();
    cases.push(
      {
        name: `memory of the host for each of ${many} actors, beyond the instance`,
        tree,
        unit: "B",
        goal: { of: "value", atMost: 1024 },
        measure: () => Promise.resolve([each]),
      },
      { name: ALONE, tree, count: 50, measure: timed(() => alone.actor.call()) },
      {
        name: `call of one of ${many}`,
        tree,
        count: 50,
        to: ALONE,
        goal: { atMost: 1.2 },
        measure: timed(() => crowded.actor.call()),
      },
    );
  }
  await stage.apart(servers);
  return cases;
}
