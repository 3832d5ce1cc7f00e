import { assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { gather, type Handle } from "../../mod.ts";
import { Waiter } from "../../examples/waiter.ts";
import { Caller, Mixed, Tally } from "../fixtures/semantics_actors.ts";
import { everywhere, onBothRoutes, openStage, workerOf } from "./stage.ts";

describe("async", () => {
  const stage = openStage();

  everywhere(stage, "B36: creation, calls and attributes are awaited", async ({ client, actor }) => {
    const tally = await client.submit(Tally, actor);
    await tally.increment();
    const n = await tally.n;
    assertEquals(n, 1);
  });

  onBothRoutes(stage, "B37: sync and async methods and getters of one actor share one state", async (client) => {
    const mixed = await client.submit(Mixed, { actor: true });
    for (let n = 1; n <= 200; n += 2) {
      assertEquals(await gather([mixed.increment(), mixed.incrementLater()]), [n, n + 1]);
    }
    assertEquals(await mixed.n, 200);
  });

  onBothRoutes(stage, "B37: no update is lost between sync methods, also beside async ones", async (client) => {
    const mixed = await client.submit(Mixed, { actor: true });
    await gather(Array.from({ length: 30 }, (_, i) => i % 2 ? mixed.readModifyWrite(1) : mixed.incrementLater()));
    assertEquals(await mixed.n, 30);
  });

  onBothRoutes(stage, "B37: async methods interleave where they await", async (client) => {
    const mixed = await client.submit(Mixed, { actor: true });
    await gather(Array.from({ length: 10 }, () => mixed.interleave()));
    assertEquals(await mixed.most, 10);
    assertLess(await mixed.n, 10, "what they read before, others have changed");
  });

  it("B37: an actor whose methods are all async lives on the event loop, others do not", async () => {
    const waiter = stage.direct.submit(Waiter, { actor: true });
    const mixed = stage.direct.submit(Mixed, { actor: true });
    await gather([waiter, mixed]);
    const { workers } = await stage.observer.schedulerInfo();
    const homes = Object.fromEntries(workers.flatMap(({ actors }) => actors.map(({ key, home }) => [key, home])));
    assertEquals(homes, { [waiter.key]: "inline", [mixed.key]: "shared" });
  });

  onBothRoutes(stage, "B37: `isolation` overrides where an actor lives", async (client) => {
    const inline = client.submit(Mixed, { actor: true, isolation: "inline" });
    const reference = `${import.meta.resolve("../fixtures/semantics_actors.ts")}#Mixed`;
    const named = client.submit<[], Mixed>(reference, { actor: true, isolation: "inline" });
    const shared = client.submit(Waiter, { actor: true, isolation: "shared" });
    const mixed = await inline;
    assertEquals(await gather([mixed.increment(), mixed.incrementLater()]), [1, 2]);
    await gather([named, shared]);
    const { workers } = await stage.observer.schedulerInfo();
    const homes = Object.fromEntries(workers.flatMap(({ actors }) => actors.map(({ key, home }) => [key, home])));
    assertEquals(homes, { [inline.key]: "inline", [named.key]: "inline", [shared.key]: "shared" });
  });

  everywhere(stage, "B38: any number of calls wait without a thread", async ({ client, actor }) => {
    const waiter = await client.submit(Waiter, actor);
    const waits = Array.from({ length: 1000 }, () => waiter.wait());
    const tally = await client.submit(Tally, actor);
    assertEquals(await tally.increment(), 1);
    assertEquals(waits.filter((wait) => wait.done()).length, 0);
    await waiter.set();
    await gather(waits);
  });

  everywhere(stage, "B39: async actors of one worker call each other by the same rules as others", async (way) => {
    const { client, actor } = way;
    const workers = ["worker-1"];
    const tally = await client.submit(Tally, { ...actor, workers });
    const caller = await client.submit(Caller, [tally as Handle], { ...actor, workers });
    const key = /key=([^>]+)>/.exec(String(tally))![1]!;
    assertEquals((await workerOf(client, key)).name, "worker-1");
    assertEquals(await caller.increment(), 1);
    assertEquals(await caller.readN(), 1);
    assertEquals(await caller.incrementOften(100), 101);
    assertEquals(await tally.n, 101);
  });
});
