/**
 * Medians of calls as multiples of the raw WebSocket echo, measured in turn in one run: `deno task bench:ratios`.
 *
 * Where `taskset` is there and two processors are, the two ends are kept on different ones: otherwise the system now and
 * then puts both on one, where everything is two to three times as fast, the echo most of all.
 *
 * @module
 */

import { Client, remote } from "../mod.ts";
import { LocalCluster } from "../cluster/mod.ts";
import { InlineEcho, SyncCounter } from "./actors.ts";
import { startRawEcho } from "./raw_echo.ts";

remote(import.meta.resolve("./actors.ts"), { InlineEcho, SyncCounter });

const ROUNDS = 40;

/** What is measured, how often in each round, and what it is compared with. */
interface Case {
  readonly name: string;
  readonly count: number;
  readonly base: string;
  readonly run: () => PromiseLike<unknown>;
}

/** Keeps all threads of a process on one processor. */
async function pin(pid: number, processor: number): Promise<void> {
  const command = new Deno.Command("taskset", {
    args: ["-a", "-p", "-c", String(processor), String(pid)],
    stdout: "null",
    stderr: "null",
  });
  await command.output().catch(() => {});
}

/** The value below which `share` of all values are. */
function quantile(values: number[], share: number): number {
  return values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}

await using cluster = await LocalCluster.start({ workers: 1 });
await using direct = await Client.connect(cluster.address, { token: cluster.token, directToWorkers: true });
await using relayed = await Client.connect(cluster.address, { token: cluster.token, directToWorkers: false });
const echo = await startRawEcho();
const inline = await direct.submit(InlineEcho, { actor: true, key: "inline" });
const isolated = await direct.submit(SyncCounter, { actor: true });
const distant = await relayed.submit(InlineEcho, { actor: true, key: "inline" });

const bytes = (size: number) => new Uint8Array(size);
const [b64, k4, k16, k60, m1] = [bytes(64), bytes(4096), bytes(16384), bytes(61440), bytes(1 << 20)];
const small = "raw echo, 64 B";
const large = "raw echo, 1 MiB";
const CASES: readonly Case[] = [
  { name: small, count: 50, base: small, run: () => echo.send(b64) },
  { name: "async method, inline", count: 50, base: small, run: () => inline.call() },
  { name: "sync method, isolate", count: 50, base: small, run: () => isolated.increment() },
  { name: "attribute", count: 50, base: small, run: () => inline.n },
  { name: "async method, relayed", count: 50, base: small, run: () => distant.call() },
  { name: "argument of 64 B", count: 50, base: small, run: () => inline.take(b64) },
  { name: "argument of 4 KiB", count: 50, base: "argument of 64 B", run: () => inline.take(k4) },
  { name: "argument of 16 KiB", count: 50, base: "argument of 64 B", run: () => inline.take(k16) },
  { name: "argument of 60 KiB", count: 50, base: "argument of 64 B", run: () => inline.take(k60) },
  { name: large, count: 5, base: large, run: () => echo.send(m1) },
  { name: "echo of 1 MiB", count: 5, base: large, run: () => inline.echo(m1) },
];

const { workers } = await direct.schedulerInfo();
await pin(Deno.pid, 0);
for (const pid of [echo.pid, workers[0]!.hostPid]) await pin(pid, 1);

const times = new Map<string, number[]>(CASES.map(({ name }) => [name, []]));
for (let round = -5; round < ROUNDS; round++) {
  for (const { name, count, run } of CASES) {
    for (let call = 0; call < count; call++) {
      const start = performance.now();
      await run();
      if (round >= 0) times.get(name)!.push(performance.now() - start);
    }
  }
}
console.log("| call | p50 ms | p99 ms | p50 ratio | to |\n|---|---|---|---|---|");
for (const { name, base } of CASES) {
  const [p50, p99] = [quantile(times.get(name)!, 0.5), quantile(times.get(name)!, 0.99)];
  const ratio = p50 / quantile(times.get(base)!, 0.5);
  console.log(`| ${name} | ${p50.toFixed(3)} | ${p99.toFixed(3)} | ${ratio.toFixed(2)} | ${base} |`);
}
Deno.exit(0);
