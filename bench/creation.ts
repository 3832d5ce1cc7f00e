/**
 * How long it takes to make actors.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho, SyncCounter } from "./actors.ts";
import { type Case, timed } from "./harness.ts";
import type { Stage, Subject } from "./stage.ts";

/** Creations. */
export const creation: Subject = {
  name: "creation",
  title: "Making actors",
  repetition: { rounds: 5, warmUp: 1 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const many = stage.size(10_000, 10);
  for (const tree of stage.trees) {
    const { Client, gather, release, remote } = tree.library;
    remote(ACTORS_MODULE, { InlineEcho, SyncCounter });
    const cluster = stage.stack.use(await tree.startCluster({ workers: 2 }));
    const client = stage.stack.use(await Client.connect(cluster.address, { token: cluster.token }));
    const goal = { of: "value", atMost: 1.5 } as const;
    cases.push(
      {
        name: "create an actor, inline",
        tree,
        count: 60,
        goal,
        measure: timed(async () => void release(await client.submit(InlineEcho, { actor: true }))),
      },
      {
        name: "create an actor, isolate",
        tree,
        count: 60,
        goal,
        measure: timed(async () => void release(await client.submit(SyncCounter, { actor: true }))),
      },
      {
        name: `${many} actors by one map`,
        tree,
        goal: { of: "value", atMost: 2000 },
        async measure() {
          const start = performance.now();
          const actors = await gather(client.map(InlineEcho, new Array(many).fill(0), { actor: true }));
          const time = performance.now() - start;
          await release(actors);
          return [time];
        },
      },
    );
  }
  return cases;
}
