/**
 * Arguments of all sizes: no cliff, no stall, and how much a large one costs beside the raw echo.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho } from "./actors.ts";
import { type Case, type Goal, timed } from "./harness.ts";
import { startRawEcho } from "./peers/raw_echo.ts";
import type { Stage, Subject } from "./stage.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Around every limit of frames and pieces, and far from them. */
const SIZES: readonly number[] = [
  1,
  64,
  900,
  1000,
  1024,
  1025,
  1500,
  4 * KIB,
  16 * KIB,
  60 * KIB,
  64 * KIB,
  128 * KIB,
  256 * KIB,
  1 * MIB,
  4 * MIB,
];
const SMALL = "argument of 64 B";
const GOALS: Readonly<Record<number, Goal>> = {
  [4 * KIB]: { atMost: 1.6 },
  [16 * KIB]: { atMost: 2.5 },
  [60 * KIB]: { atMost: 6 },
};

/** What sizes cost. */
export const sizes: Subject = {
  name: "sizes",
  title: "Arguments of all sizes",
  repetition: { rounds: 30, warmUp: 4 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const echo = stage.stack.use(await startRawEcho());
  const servers = [echo.pid];
  const echoed = [64 * KIB, 256 * KIB, MIB, 4 * MIB];
  const cases: Case[] = echoed.map((size) => {
    const bytes = new Uint8Array(size);
    return { name: `raw echo of ${text(size)}`, count: count(size), measure: timed(() => echo.send(bytes)) };
  });
  for (const tree of stage.trees) {
    const { Client, remote } = tree.library;
    remote(ACTORS_MODULE, { InlineEcho });
    const cluster = stage.stack.use(await tree.startCluster({ workers: 1 }));
    const { address, token } = cluster;
    const client = stage.stack.use(await Client.connect(address, { token, directToWorkers: true }));
    const actor = await client.submit(InlineEcho, { actor: true });
    servers.push((await client.schedulerInfo()).workers[0]!.hostPid);
    for (const size of SIZES) {
      const bytes = new Uint8Array(size);
      const goal = GOALS[size];
      cases.push({
        name: `argument of ${text(size)}`,
        tree,
        count: count(size),
        to: SMALL,
        ...(goal ? { goal } : {}),
        measure: timed(() => actor.take(bytes)),
      });
    }
    for (const size of echoed) {
      const bytes = new Uint8Array(size);
      cases.push({
        name: `echo of ${text(size)}`,
        tree,
        count: count(size),
        to: `raw echo of ${text(size)}`,
        ...(size === MIB ? { goal: { atMost: 1.3 } } : {}),
        measure: timed(() => actor.echo(bytes)),
      });
    }
  }
  await stage.apart(servers);
  return cases;
}

function count(size: number): number {
  return size >= 4 * MIB ? 2 : size >= MIB ? 5 : size >= 64 * KIB ? 10 : 20;
}

function text(size: number): string {
  if (size % MIB === 0) return `${size / MIB} MiB`;
  return size > KIB && size % KIB === 0 ? `${size / KIB} KiB` : `${size} B`;
}
