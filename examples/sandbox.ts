/**
 * Code that nobody has looked at, in a process of its own: it may do nothing but compute, for so long, in so much memory.
 * What it does wrong ends its process, and nothing else.
 *
 *     deno run --allow-net --allow-read --allow-env --allow-run examples/sandbox.ts
 *
 * prints
 *
 *     6 * 7 gives 42
 *     Deno.readTextFileSync("/etc/passwd") fails: NotCapable
 *     fetch("https://example.com/") fails: NotCapable
 *     while (true); takes too long, and its process is ended: host-stuck
 *     for (const all = []; ; all.push(new Array(1e6).fill(1.5))); ends its process: oom
 *     the next one gives 42
 *
 * @module
 */

import { LocalCluster } from "../cluster/mod.ts";
import { type Actor, ActorLostError, CallTimeoutError, Client, remote, withOptions } from "../mod.ts";

/** Runs what it is given. */
export class Sandbox {
  /** The value of a program's last expression. */
  async run(program: string): Promise<unknown> {
    // Not `eval` here and there: everything that this process may do, the program may do.
    return await (0, eval)(program);
  }
}

/** A box that may do nothing, and of whose calls none takes longer than a second. */
async function openSandbox(client: Client): Promise<Actor<Sandbox>> {
  const sandbox = await client.submit(Sandbox, {
    actor: true,
    isolation: "process",
    permissions: "none",
    memoryLimit: 200 * 1024 * 1024,
  });
  return withOptions(sandbox, { timeout: 1000 });
}

/** What comes of a program, in words. */
async function attempt(sandbox: Actor<Sandbox>, program: string): Promise<string> {
  try {
    return `gives ${await sandbox.run(program)}`;
  } catch (error) {
    if (error instanceof ActorLostError) return `ends its process: ${error.reason}`;
    if (!(error instanceof CallTimeoutError)) return `fails: ${(error as Error).name}`;
    // A second later its process is gone, and whoever calls hears why.
    const lost = await sandbox.run("0").catch((reason: unknown) => reason);
    return `takes too long, and its process is ended: ${(lost as ActorLostError).reason}`;
  }
}

remote(import.meta, { Sandbox });

if (import.meta.main) {
  await using cluster = await LocalCluster.start({ workers: 1 });
  await using client = await Client.connect(cluster.address, { token: cluster.token });
  let sandbox = await openSandbox(client);
  for (
    const program of [
      "6 * 7",
      'Deno.readTextFileSync("/etc/passwd")',
      'fetch("https://example.com/")',
      "while (true);",
      "for (const all = []; ; all.push(new Array(1e6).fill(1.5)));",
    ]
  ) {
    const outcome = await attempt(sandbox, program);
    console.log(program, outcome);
    if (outcome.includes("process")) sandbox = await openSandbox(client);
  }
  console.log("the next one", await attempt(sandbox, "6 * 7"));
}
