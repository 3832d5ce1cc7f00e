/**
 * The latency of calls, beside the raw WebSocket echo of the same run: `deno task bench`.
 *
 * Compare within one run only, and by the ratio: on a machine with few processors the system sometimes puts both ends
 * on one of them, and then everything is two or three times as fast.
 *
 * @module
 */

import { Client, remote } from "../mod.ts";
import { LocalCluster } from "../cluster/mod.ts";
import { ACTORS_MODULE, InlineEcho, SyncCounter } from "./actors.ts";
import { startRawEcho } from "./peers/raw_echo.ts";

remote(ACTORS_MODULE, { InlineEcho, SyncCounter });

const cluster = await LocalCluster.start({ workers: 1 });
const direct = await Client.connect(cluster.address, { token: cluster.token, directToWorkers: true });
const relayed = await Client.connect(cluster.address, { token: cluster.token, directToWorkers: false });
const rawEcho = await startRawEcho();

const inline = await direct.submit(InlineEcho, { actor: true, key: "inline" });
const isolated = await direct.submit(SyncCounter, { actor: true });
const distant = await relayed.submit(InlineEcho, { actor: true, key: "inline" });

const small = new Uint8Array(64);
const fourKilobytes = new Uint8Array(4096);
const megabyte = new Uint8Array(1024 * 1024);

// Whatever comes first must not pay for the compiler.
for (let round = 0; round < 3000; round++) {
  await rawEcho.send(small);
  await inline.call();
  await isolated.increment();
  await inline.n;
  await distant.call();
}

Deno.bench({ name: "raw WebSocket echo, 64 B", group: "call", baseline: true }, async () => {
  await rawEcho.send(small);
});
Deno.bench({ name: "async method, inline", group: "call" }, async () => {
  await inline.call();
});
Deno.bench({ name: "sync method, isolate", group: "call" }, async () => {
  await isolated.increment();
});
Deno.bench({ name: "attribute", group: "call" }, async () => {
  await inline.n;
});
Deno.bench({ name: "async method, relayed", group: "call" }, async () => {
  await distant.call();
});
Deno.bench({ name: "argument of 4 KiB", group: "call" }, async () => {
  await inline.take(fourKilobytes);
});

Deno.bench({ name: "raw WebSocket echo, 1 MiB", group: "1 MiB", baseline: true }, async () => {
  await rawEcho.send(megabyte);
});
Deno.bench({ name: "echo of 1 MiB", group: "1 MiB" }, async () => {
  await inline.echo(megabyte);
});

for (const size of [1, 64, 900, 1000, 1024, 1025, 1500, 4096, 16384, 61440, 65536, 131072, 262144, 1048576, 4194304]) {
  const value = new Uint8Array(size);
  Deno.bench({ name: `argument of ${size} B`, group: "sizes", baseline: size === 64 }, async () => {
    await inline.take(value);
  });
}
