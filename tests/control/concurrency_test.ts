import { assertEquals, assertInstanceOf, assertLess, assertMatch } from "@std/assert";
import { describe } from "@std/testing/bdd";
import { DeadlockError, type TroupeError } from "../../mod.ts";
import { Link, OneByOne, Pace } from "../fixtures/control_actors.ts";
import { errorOf, eventually, everywhere, onBothRoutes, openStage } from "../semantics/stage.ts";

describe("concurrency", () => {
  const stage = openStage();

  everywhere(stage, "calls interleave where nothing is said", async ({ client, actor }) => {
    const pace = await client.submit(Pace, actor);
    await Promise.all(["a", "b", "c"].map((name) => pace.take(50, name)));
    assertEquals(await pace.most, 3);
  });

  everywhere(stage, "`static concurrency = 1` runs one at a time, in order", async ({ client, actor }) => {
    const pace = await client.submit(OneByOne, actor);
    await Promise.all(["a", "b", "c"].map((name) => pace.take(20, name)));
    assertEquals([await pace.most, await pace.started, await pace.finished], [1, ["a", "b", "c"], ["a", "b", "c"]]);
  });

  everywhere(stage, "the option says how many, whatever the class says", async ({ client, actor }) => {
    const two = await client.submit(Pace, { ...actor, concurrency: 2 });
    await Promise.all(["a", "b", "c", "d"].map((name) => two.take(20, name)));
    assertEquals(await two.most, 2);
    const any = await client.submit(OneByOne, { ...actor, concurrency: Infinity });
    await Promise.all(["a", "b", "c"].map((name) => any.take(50, name)));
    assertEquals(await any.most, 3);
  });

  everywhere(
    stage,
    "a call that was given up keeps its place until its method has ended",
    async ({ client, actor }) => {
      const pace = await client.submit(OneByOne, actor);
      const started = Promise.withResolvers<void>();
      const first = pace.hold(150, "first", started.resolve);
      const second = pace.take(0, "second");
      await started.promise;
      first.cancel();
      assertEquals((await errorOf(first) as TroupeError).executed, "unknown");
      assertEquals(await second, "second");
      assertEquals([await pace.most, await pace.finished], [1, ["first", "second"]]);
    },
  );

  onBothRoutes(stage, "a chain of calls that comes back is refused, and named", async (client) => {
    const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => {
      return client.submit(Link, { actor: true, key: `${name}-${crypto.randomUUID()}` });
    })) as [Awaited<ReturnType<typeof make>>, Awaited<ReturnType<typeof make>>, Awaited<ReturnType<typeof make>>];
    await Promise.all([a.connect(b), b.connect(c), c.connect(a)]);
    assertEquals(await a.pass(2), 2);
    const start = performance.now();
    const error = await errorOf(a.pass(3)) as TroupeError;
    assertLess(performance.now() - start, 1000);
    assertInstanceOf(error, DeadlockError);
    const keys = [a, b, c, a].map((link) => /key=(.*)>/.exec(String(link))![1]!);
    assertMatch(error.message, new RegExp(keys.join(" → ")));
    // They live on.
    assertEquals(await Promise.all([a.pass(0), b.pass(0), c.pass(0)]), [0, 0, 0]);

    async function make() {
      return await client.submit(Link, { actor: true });
    }
  });

  onBothRoutes(stage, "an actor that calls itself is refused where it runs one call at a time", async (client) => {
    const link = await client.submit(Link, { actor: true });
    assertInstanceOf(await errorOf(link.callMyself()), DeadlockError);
    const two = await client.submit(Link, { actor: true, concurrency: 2 });
    assertEquals(await two.callMyself(), 0);
  });

  onBothRoutes(stage, "what is called one-way may come back: nobody waits for it", async (client) => {
    const [a, b] = [await client.submit(Link, { actor: true }), await client.submit(Link, { actor: true })];
    await Promise.all([a.connect(b), b.connect(a)]);
    assertEquals(await a.nudge(3), "nudged");
    assertEquals(await a.pass(1), 1);
  });

  onBothRoutes(stage, "a call for which nobody waits any more is no circle: it waits its turn", async (client) => {
    const [a, b] = [await client.submit(Link, { actor: true }), await client.submit(Link, { actor: true })];
    await Promise.all([a.connect(b), b.connect(a)]);
    // `a` has ended its own call by the time at which `b` calls it, while it is busy with another.
    const started = a.passLater(2, 50);
    const busy = a.pause(150);
    assertEquals(await started, "passed");
    assertEquals(await busy, 150);
    await eventually([1], async () => await a.passed());
  });
});
