/**
 * A program with a cluster of its own, for `observation.ts`; its environment says whether it traces. Its argument is the
 * root of the tree. Reads numbers, and answers each with the milliseconds of as many calls.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho } from "./actors.ts";
import { timed } from "./harness.ts";
import { answerInput } from "./peers/child.ts";
import { loadTree } from "./tree.ts";

const { library, startCluster } = await loadTree(new URL(Deno.args[0]!), false);
library.remote(ACTORS_MODULE, { InlineEcho });
const cluster = await startCluster({ workers: 1 });
const client = await library.Client.connect(cluster.address, { token: cluster.token, directToWorkers: true });
const actor = await client.submit(InlineEcho, { actor: true });
const measure = timed(() => actor.call());
console.log("ready");
await answerInput(async (count) => Array.from(await measure(Number(count))).join(" "));
await client.close();
await cluster.close();
Deno.exit(0);
