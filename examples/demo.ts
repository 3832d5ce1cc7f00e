/**
 * The Dask Actors page, played on a cluster of two workers on this machine: `deno task demo`.
 *
 * @module
 */

import { Client, progress, remote } from "../mod.ts";
import { Counter } from "./counter.ts";
import { Waiter } from "./waiter.ts";

remote(import.meta.resolve("./counter.ts"), { Counter });
remote(import.meta.resolve("./waiter.ts"), { Waiter });

/** Prints a line of code and what came of it. */
function show(code: string, value: unknown): void {
  console.log(`> ${code}`);
  if (value !== undefined) console.log(value);
}

/** The median time of one awaited call, in milliseconds. */
async function measure(call: () => PromiseLike<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 2000; round++) {
    const start = performance.now();
    await call();
    if (round >= 500) times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

if (import.meta.main) {
  const started = performance.now();
  await using client = await Client.connect();
  console.log(
    `A scheduler and two workers run (${Math.round(performance.now() - started)} ms): ${client.dashboardLink}\n`,
  );

  const future = client.submit(Counter, { actor: true });
  show("const future = client.submit(Counter, { actor: true });", undefined);
  const counter = await future.result();
  show("const counter = await future.result();", undefined);
  show("counter", counter);
  const call = counter.increment();
  show("const call = counter.increment();", undefined);
  show("await call.result()", await call.result());
  show("await counter.add(10)", await counter.add(10));
  show("await counter.n", await counter.n);
  show("Object.keys(counter)", Object.keys(counter));
  show(
    "await Promise.all([counter.increment(), counter.n])",
    await Promise.all([counter.increment(), counter.n]),
  );

  const { workers } = await client.schedulerInfo();
  const home = workers.find((worker) => worker.actors.some((actor) => actor.key === future.key));
  console.log(`\n${future.key} lives on ${home?.name} (${home?.address}, process ${home?.hostPid})\n`);

  const waiter = await client.submit(Waiter, { actor: true });
  show("const waiter = await client.submit(Waiter, { actor: true });", undefined);
  const waits = Array.from({ length: 1000 }, () => waiter.wait());
  show("const waits = Array.from({ length: 1000 }, () => waiter.wait());", undefined);
  show("waits.filter((wait) => wait.done()).length", waits.filter((wait) => wait.done()).length);
  await waiter.set();
  await progress(waits);
  show("await waiter.set(); await progress(waits);", undefined);
  show("waits.filter((wait) => wait.done()).length", waits.filter((wait) => wait.done()).length);

  const latency = await measure(() => counter.increment());
  console.log(`\nA call takes ${latency.toFixed(3)} ms (median of 1500, straight to the worker)`);
}
