import { assertEquals } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { type Actor, Client, release } from "../../mod.ts";
import { type Scheduler, serveScheduler } from "../../scheduler/mod.ts";
import { startWorker, type Worker } from "../../worker/mod.ts";
import { Keeping, Tally } from "../fixtures/semantics_actors.ts";
import { SlowProxy } from "../helpers/slow_proxy.ts";

/** Much longer than everything else takes. */
const DELAY = 150;

describe("a handle that travels while the scheduler hears of it late", () => {
  let scheduler: Scheduler;
  let slowIsolates: SlowProxy;
  let slowClients: SlowProxy;
  let worker: Worker;

  beforeAll(async () => {
    const token = "0".repeat(64);
    scheduler = await serveScheduler({ port: 0, token });
    slowIsolates = new SlowProxy(scheduler.address, (claims) => claims?.role === "client" ? DELAY : 0);
    slowClients = new SlowProxy(scheduler.address, (claims) => claims === undefined ? DELAY : 0);
    worker = await startWorker({ scheduler: slowIsolates.address, token, isolates: 1 });
  });
  afterAll(async () => {
    await worker?.kill();
    await slowIsolates?.[Symbol.asyncDispose]();
    await slowClients?.[Symbol.asyncDispose]();
    await scheduler?.close();
  });

  function connect(address: string, directToWorkers: boolean): Promise<Client> {
    return Client.connect(address, { token: "0".repeat(64), directToWorkers });
  }

  for (const directToWorkers of [true, false]) {
    const route = directToWorkers ? "direct" : "relayed";

    it(`stays alive in the actor that it was given to, when its sender releases it (${route})`, async () => {
      await using client = await connect(scheduler.address, directToWorkers);
      const keeping = await client.submit(Keeping, { actor: true });
      const tally = await client.submit(Tally, { actor: true });
      await keeping.keep(tally);
      await release(tally);
      // Everything that was said until now has been heard.
      await new Promise((resolve) => setTimeout(resolve, 2 * DELAY));
      assertEquals(await keeping.increment(), 1);
    });

    it(`stays alive at the caller that got it, when the actor that gave it releases it (${route})`, async () => {
      // The others: what the isolate says is in time, what the client says is late.
      const other = await startWorker({
        scheduler: scheduler.address,
        token: "0".repeat(64),
        name: "other",
        isolates: 1,
      });
      try {
        await using client = await connect(slowClients.address, directToWorkers);
        const keeping = await client.submit(Keeping, { actor: true, workers: ["other"] });
        await keeping.make();
        const tally = await keeping.give() as Actor<Tally>;
        await keeping.drop();
        await new Promise((resolve) => setTimeout(resolve, 2 * DELAY));
        assertEquals(await tally.increment(), 1);
      } finally {
        await other.kill();
      }
    });
  }
});
