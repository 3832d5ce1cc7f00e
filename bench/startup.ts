/**
 * How long it takes until a first call has its answer.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho } from "./actors.ts";
import { type Case, timed } from "./harness.ts";
import { startDenoChild } from "./peers/child.ts";
import type { Stage, Subject } from "./stage.ts";

/** From nothing to an answer. */
export const startup: Subject = {
  name: "startup",
  title: "Starting",
  repetition: { rounds: 12, warmUp: 1 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  for (const tree of stage.trees) {
    const { Client, remote } = tree.library;
    remote(ACTORS_MODULE, { InlineEcho });
    const cluster = stage.stack.use(await tree.startCluster({ workers: 2 }));
    const { address, token } = cluster;
    const client = stage.stack.use(await Client.connect(address, { token }));
    await client.submit(InlineEcho, { actor: true, key: "echo" });
    const library = new URL("mod.ts", tree.root).href;
    cases.push(
      {
        name: "connect and first call, on a running cluster",
        tree,
        count: 5,
        goal: { of: "value", atMost: 60 },
        measure: timed(async () => {
          await using other = await Client.connect(address, { token });
          await (await other.submit(InlineEcho, { actor: true })).call();
        }),
      },
      {
        name: "the same, in a new process",
        tree,
        async measure() {
          await using child = await startDenoChild("../first_call.ts", library, address, token);
          return [Number(child.line)];
        },
      },
      {
        name: "LocalCluster with 2 workers",
        tree,
        goal: { of: "value", atMost: 500 },
        async measure() {
          const start = performance.now();
          await using _cluster = await tree.startCluster({ workers: 2 });
          return [performance.now() - start];
        },
      },
    );
  }
  return cases;
}
