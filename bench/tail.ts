/**
 * Calls that come at their own pace, whether or not those before them have ended: what waits in a queue counts.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho, SyncCounter } from "./actors.ts";
import { type Case, openLoop } from "./harness.ts";
import { startRawEcho } from "./peers/raw_echo.ts";
import type { Stage, Subject } from "./stage.ts";

const RATES: readonly number[] = [500, 2000, 10_000];
const small = new Uint8Array(64);

/** Latency under load from outside. */
export const tail: Subject = {
  name: "tail",
  title: "Calls that come at their own pace",
  repetition: { rounds: 16, warmUp: 2 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const echo = stage.stack.use(await startRawEcho());
  const servers = [echo.pid];
  const cases: Case[] = RATES.map((perSecond) => ({
    name: `raw WebSocket echo, ${perSecond}/s`,
    count: perSecond / 4,
    measure: openLoop(perSecond, () => echo.sendAhead(small)),
  }));
  for (const tree of stage.trees) {
    const { Client, remote } = tree.library;
    remote(ACTORS_MODULE, { InlineEcho, SyncCounter });
    const cluster = stage.stack.use(await tree.startCluster({ workers: 1 }));
    const { address, token } = cluster;
    const client = stage.stack.use(await Client.connect(address, { token, directToWorkers: true }));
    const inline = await client.submit(InlineEcho, { actor: true });
    const isolated = await client.submit(SyncCounter, { actor: true });
    servers.push((await client.schedulerInfo()).workers[0]!.hostPid);
    for (const perSecond of RATES) {
      const shared = {
        tree,
        count: perSecond / 4,
        to: `raw WebSocket echo, ${perSecond}/s`,
        goal: { of: "p99Ratio", atMost: 1.5 },
      } as const;
      cases.push(
        { name: `async method, ${perSecond}/s`, ...shared, measure: openLoop(perSecond, () => inline.call()) },
        { name: `sync method, ${perSecond}/s`, ...shared, measure: openLoop(perSecond, () => isolated.increment()) },
      );
    }
  }
  await stage.apart(servers);
  return cases;
}
