import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { ActorStartError, Client, RemoteError, withOptions } from "../../mod.ts";
import { Middle, OneByOne, Pace, Source } from "../fixtures/control_actors.ts";
import { Sandboxed, sandboxedTask } from "../fixtures/home_actors.ts";
import { errorOf, onBothRoutes, openStage } from "../semantics/stage.ts";

const OWN_HOMES = ["dedicated", "process"] as const;

describe("a home of its own", () => {
  const stage = openStage();

  for (const isolation of OWN_HOMES) {
    onBothRoutes(stage, `(${isolation}) streams, takes one call at a time, and lends and borrows`, async (client) => {
      const source = await client.submit(Source, { actor: true, isolation });
      let sum = 0;
      for await (const n of source.countLater(1000)) sum += n;
      assertEquals(sum, 499_500);
      const single = await client.submit(OneByOne, { actor: true, isolation });
      await Promise.all([1, 2, 3].map((n) => single.take(5, `${n}`)));
      assertEquals([await single.most, await single.started], [1, ["1", "2", "3"]]);
      const pace = await client.submit(Pace, { actor: true, isolation });
      const told = Promise.withResolvers<void>();
      assertEquals(await pace.hold(0, "held", told.resolve), "held");
      await told.promise;
    });

    onBothRoutes(stage, `(${isolation}) calls other actors, also where it may reach nothing`, async (client) => {
      const pace = await client.submit(Pace, { actor: true });
      for (const permissions of ["inherit", "none"] as const) {
        const actor = await client.submit(Sandboxed, { actor: true, isolation, permissions });
        assertEquals(await actor.callOther(pace), "passed on");
        assertEquals(await actor.makeOther(), 1);
        assertEquals(await actor.runTask(6), 36);
      }
    });

    onBothRoutes(stage, `(${isolation}) may do what it was given, and no more`, async (client) => {
      const start = (permissions: Record<string, boolean | string[]> | "none" | "inherit") =>
        client.submit(Sandboxed, { actor: true, isolation, permissions });
      const nothing = await start("none");
      assertEquals(await nothing.tries(), {
        env: "NotCapable",
        file: "NotCapable",
        net: "NotCapable",
        run: "NotCapable",
      });
      const some = await start({ env: ["HOME"], read: ["/etc"] });
      assertEquals(await some.tries(), { env: "got", file: "got", net: "NotCapable", run: "NotCapable" });
      const all = await start("inherit");
      assertEquals(await all.tries(), { env: "got", file: "got", net: "TypeError", run: "NotCapable" });
      const error = await errorOf(start({ run: true }));
      assertInstanceOf(error, ActorStartError);
      assertMatch(error.message, /permissions of its own|Cannot grant run.*--allow run/);
      assertEquals(error.executed, "no");
    });

    onBothRoutes(stage, `(${isolation}) runs a task alone`, async (client) => {
      assertEquals(await client.submit(sandboxedTask, [5], { isolation, permissions: "none" }), {
        square: 25,
        env: "NotCapable",
      });
      const error = await errorOf(client.submit(sandboxedTask, [-1], { isolation }));
      assertInstanceOf(error, RemoteError);
      assertMatch(error.message, /negative/);
    });
  }

  it("is told with a refusal what grants it, as tasks and shared isolates are", async () => {
    const { direct } = stage;
    for (const isolation of ["shared", ...OWN_HOMES] as const) {
      const error = await errorOf((await direct.submit(Sandboxed, { actor: true, isolation })).runProgram());
      assertEquals(error.name, "NotCapable");
      assertMatch(error.message, /here: deno task worker --allow "run=true", and the permissions option/);
    }
    const task = await errorOf(direct.submit(() => Deno.writeTextFileSync("/nowhere", ""), [], { pure: false }));
    assertMatch(task.message, /here: deno task worker --allow "write=\/nowhere"/);
  });

  onBothRoutes(stage, "is chosen where only it can have what its user wants", async (client) => {
    const boxed = client.submit(Sandboxed, { actor: true, permissions: "none" });
    const limited = client.submit(Sandboxed, { actor: true, memoryLimit: 512 << 20 });
    const plain = client.submit(Sandboxed, { actor: true });
    const held = await Promise.all([boxed, limited, plain]);
    const { workers } = await client.schedulerInfo();
    const homes = new Map(workers.flatMap(({ actors }) => actors.map(({ key, home }) => [key, home])));
    assertEquals([boxed, limited, plain].map(({ key }) => homes.get(key)), ["dedicated", "process", "shared"]);
    assertEquals(held.length, 3);
  });

  onBothRoutes(stage, "counts what its calls do", async (client) => {
    const future = client.submit(Sandboxed, { actor: true, isolation: "process" });
    const actor = await future;
    for (let n = 0; n < 10; n++) await actor.pid();
    const figures = async () => (await client.actors()).find(({ key }) => key === future.key)?.figures?.calls;
    for (let look = 0; look < 100 && await figures() !== 10; look++) await new Promise((next) => setTimeout(next, 20));
    assertEquals(await figures(), 10);
  });

  it("is refused, in words, where a worker is one process", async () => {
    await using cluster = await LocalCluster.start({ workers: 1, mode: "inline" });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const process = await errorOf(client.submit(Sandboxed, { actor: true, isolation: "process" }));
    assertInstanceOf(process, ActorStartError);
    assertMatch(process.message, /a process of its own: this worker runs in one process/);
    const boxed = await errorOf(client.submit(Sandboxed, { actor: true, permissions: "none" }));
    assertMatch(String(boxed), /permissions of its own \("none"\): this worker runs in one process/);
    const task = await errorOf(client.submit(sandboxedTask, [1], { isolation: "process" }));
    assertInstanceOf(task, ActorStartError);
    const dedicated = await client.submit(Sandboxed, { actor: true, isolation: "dedicated" });
    assertEquals(await dedicated.pid(), Deno.pid);
    // Nothing is left of what was refused.
    assertEquals((await client.schedulerInfo()).workers.flatMap(({ actors }) => actors).length, 1);
  });

  onBothRoutes(stage, "passes deadlines on, from process to process", async (client) => {
    const pace = await client.submit(Pace, { actor: true, isolation: "process" });
    const middle = await client.submit(Middle, { actor: true, isolation: "process" });
    const left = await withOptions(middle, { timeout: 5000 }).timeLeftOf(pace);
    assert(left > 3000 && left <= 5000, `${left} ms`);
  });
});
