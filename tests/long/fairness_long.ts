/** Group D of the faults: those who call much beside those who call little, in milliseconds that only a quiet machine keeps. */

import { assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { Client } from "../../mod.ts";
import type { Counter } from "../fixtures/actors/counter.ts";
import type { Flood } from "../fixtures/flooding_client.ts";
import { percentile } from "../helpers/spaced_calls.ts";

const COUNTER = `${import.meta.resolve("../fixtures/actors/counter.ts")}#Counter`;

describe("a fair relay", () => {
  it("57. Fair proxy: while one client floods 10 000 calls through the scheduler, another's take less than 50 ms", async () => {
    await using cluster = await LocalCluster.start({ workers: 1 });
    const { address, token } = cluster;
    await using client = await Client.connect(address, { token, directToWorkers: false });
    const counter = await client.submit<[], Counter>(COUNTER, { actor: true });
    const flooder = new Worker(import.meta.resolve("../fixtures/flooding_client.ts"), { type: "module" });
    const said = () => new Promise((resolve) => flooder.onmessage = ({ data }) => resolve(data));
    flooder.postMessage({ address, token, target: COUNTER, calls: 10_000 } satisfies Flood);
    await said();
    for (let count = 0; count < 200; count++) await counter.increment();

    const times: number[] = [];
    for (let round = 0; round < 5; round++) {
      let floods = true;
      flooder.postMessage(true);
      const done = said().then(() => floods = false);
      while (floods) {
        const start = performance.now();
        await counter.increment();
        times.push(performance.now() - start);
      }
      await done;
    }
    assertLess(percentile(times, 0.99), 50, `${times.length} calls`);
    flooder.postMessage(false);
    await said();
    flooder.terminate();
  });
});
