import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Actor,
  ActorLostError,
  ActorNotFoundError,
  type Client,
  ConnectionLostError,
  delayed,
  gather,
  type Handle,
  release,
  TroupeError,
} from "../../mod.ts";
import {
  addSlowly,
  Caller,
  type Countable,
  double,
  Ender,
  incrementAndGive,
  incrementSlowly,
  incrementTimes,
  SyncEnder,
  Tally,
  Witness,
} from "../fixtures/semantics_actors.ts";
import {
  actorKeys,
  errorOf,
  eventually,
  everywhere,
  nothingIsLeft,
  onBothRoutes,
  openStage,
  type Way,
} from "./stage.ts";

describe("lifetime", () => {
  // One shared isolate, so that those who ended there can be asked for.
  const stage = openStage({ isolates: 1 });
  let groups = 0;

  /** Creates actors on one worker, in one home, and one that sees how they end. */
  async function ending({ client, actor }: Way) {
    const group = `group-${++groups}`;
    const options = { ...actor, workers: ["worker-1"] };
    const witness = await stage.observer.submit(Witness, options);
    return {
      create: (name: string, other?: Handle) => client.submit(Ender, [group, name, other], options),
      createSync: () => client.submit(SyncEnder, [group], options),
      ended: (...names: string[]) => eventually(names.sort(), async () => await witness.endings(group)),
      [Symbol.asyncDispose]: () => release(witness),
    };
  }

  function isThere(key: string): Promise<boolean> {
    return stage.observer.schedulerInfo().then((info) => actorKeys(info).includes(key));
  }

  everywhere(stage, "B44: `release` ends an actor that nobody else holds, and runs its dispose hook", async (way) => {
    await using scene = await ending(way);
    const future = scene.create("released");
    const ender = await future;
    const hanging = errorOf(ender.hang());
    assertEquals(await ender.ping(), "pong");
    await release(ender);
    await scene.ended("released");
    assertInstanceOf(await hanging, TroupeError);
    const later = await errorOf(ender.ping());
    assertInstanceOf(later, TroupeError);
    assertEquals(later.executed, "no");
    assertEquals(future.status, "released");
    await Promise.all([release(ender), release(future), future.release()]);
  });

  everywhere(stage, "B44: `[Symbol.dispose]` is the hook where there is no async one", async (way) => {
    await using scene = await ending(way);
    await release(await scene.createSync());
    await scene.ended("sync");
  });

  everywhere(stage, "B44: `await using` ends it with its block", async (way) => {
    await using scene = await ending(way);
    {
      await using ender = await scene.create("scoped");
      await ender.ping();
    }
    await scene.ended("scoped");
  });

  everywhere(stage, "B44: a future that is released before it is awaited ends the actor", async (way) => {
    await using scene = await ending(way);
    const future = scene.create("early");
    await future.release();
    await eventually(false, () => isThere(future.key));
    await assertRejects(async () => await future);
  });

  everywhere(stage, "B44: tasks that take an actor keep it until they are done", async ({ client, actor }) => {
    const future = client.submit(Tally, actor);
    const tally = await future;
    const slow = client.submit(incrementSlowly, [tally as Countable, 50], { pure: false });
    const later = client.submit(incrementTimes, [future as never, client.submit(addSlowly, [1, 1], { pure: false })]);
    await release([tally, future]);
    const [one, two] = await gather([slow, later]);
    assertEquals(Math.max(one, two), 3, "all three counted on one actor");
    await release([slow, later]);
    await eventually(false, () => isThere(future.key));
  });

  everywhere(stage, "B45: an actor keeps those whose handles it has, until it ends", async (way) => {
    await using scene = await ending(way);
    const { client, actor } = way;
    const ender = await scene.create("kept");
    const caller = await client.submit(Caller, [ender], actor);
    const given = await client.submit(Caller, actor);
    await given.keep(ender);
    await release(ender);
    await release(caller);
    await scene.ended();
    const { handles: [back] } = await given.give();
    assertEquals(await (back as Actor<Ender>).ping(), "pong");
    await release(back!);
    await release(given);
    await scene.ended("kept");
  });

  everywhere(stage, "B45: an actor that releases a handle gives it up", async (way) => {
    await using scene = await ending(way);
    const ender = await scene.create("dropped");
    const caller = await way.client.submit(Caller, [ender], way.actor);
    await release(ender);
    assertEquals(await caller.count(), 1);
    await caller.drop();
    await scene.ended("dropped");
  });

  everywhere(stage, "B45: a stored result keeps the actors whose handles are in it", async ({ client, actor }) => {
    const future = client.submit(Tally, actor);
    const result = client.submit(incrementAndGive, [await future], { pure: false });
    await result.exception();
    await future.release();
    assertEquals(await isThere(future.key), true);
    const { nested: [tally] } = await result;
    assertEquals(await tally.increment(), 2);
    await release([result, tally]);
    await eventually(false, () => isThere(future.key));
  });

  everywhere(stage, "B45: a call through a handle whose actor is gone fails at once", async ({ client, actor }) => {
    const future = client.submit(Tally, actor);
    const caller = await client.submit(Caller, [await future], actor);
    assertEquals(await caller.increment(), 1);
    await future.cancel();
    await eventually(false, () => isThere(future.key));
    const error = await errorOf(caller.increment().result({ timeout: 5000 }));
    assert(error instanceof ActorLostError || error instanceof ActorNotFoundError, Deno.inspect(error));
    assertEquals(await caller.count(), 1);
  });

  everywhere(stage, "B45: cycles of actors end together when nobody outside holds one of them", async (way) => {
    await using scene = await ending(way);
    const a = await scene.create("a");
    const b = await scene.create("b", a);
    const c = await scene.create("c", b);
    await a.join(c);
    const own = await scene.create("own");
    await own.join(own);
    await release([a, c, own]);
    await scene.ended("own");
    assertEquals(await b.ping(), "pong", "b is still held, and holds a, which holds c");
    await release(b);
    await scene.ended("a", "b", "c", "own");
  });

  it("B45: cycles end that go through two workers and two homes", async () => {
    const client = stage.direct;
    const a = client.submit(Caller, { actor: true, isolation: "inline", workers: ["worker-1"] });
    const b = client.submit(Caller, [await a], { actor: true, isolation: "shared", workers: ["worker-2"] });
    await (await a).keep(await b);
    await release([a, b]);
    await eventually([], async () => actorKeys(await stage.observer.schedulerInfo()));
  });

  everywhere(stage, "B46: closing a client ends what only it holds", async (way) => {
    const client = await stage.connect({ directToWorkers: way.route === "direct" });
    await using scene = await ending({ ...way, client });
    const ender = await scene.create("of the closed");
    const kept = await stage.direct.submit(Tally, { ...way.actor, key: "kept" });
    const theirs = await client.submit(Tally, { ...way.actor, key: "kept" });
    await theirs.increment();
    await client.close();
    await scene.ended("of the closed");
    await assertRejects(async () => await ender.ping(), ConnectionLostError);
    assertEquals(await kept.increment(), 2);
  });

  everywhere(stage, "B46: `cancel` ends an actor for all who hold it, and what runs in it fails", async (way) => {
    await using scene = await ending(way);
    const future = scene.create("cancelled");
    const ender = await future;
    const other = await stage.observer.getActor<Ender>(future.key);
    const hanging = errorOf(ender.hang());
    await ender.ping();
    await way.client.cancel(future);
    assertInstanceOf(await hanging, TroupeError);
    await scene.ended("cancelled");
    for (const handle of [ender, other]) {
      const error = await errorOf(handle.ping());
      assert(error instanceof ActorLostError || error instanceof ActorNotFoundError, Deno.inspect(error));
      assertEquals(error.executed, "no");
    }
    await release(other);
  });

  onBothRoutes(stage, "B46: a task that is cancelled fails for all who wait for it", async (client) => {
    const future = client.submit(addSlowly, [1, 2, 60_000], { pure: false });
    const dependent = client.submit(double, [future]);
    await future.cancel();
    assertEquals((await errorOf(future)).name, "AbortError");
    assertInstanceOf(await errorOf(dependent), Error);
    assertEquals(future.status, "cancelled");
  });

  onBothRoutes(
    stage,
    "B44: results live while somebody holds them or needs them, and are computed once",
    async (client) => {
      const source = client.submit(double, [21], { pure: false });
      const doubled = client.map(double, [source, source]);
      assertEquals(doubled[0]!.key, doubled[1]!.key, "equal tasks are one");
      await release(source);
      assertEquals(await gather(doubled), [84, 84]);
      await release(doubled);
      await nothingIsLeft(stage.observer);
    },
  );

  onBothRoutes(stage, "B44: what `persist` holds goes with `release`", async (client) => {
    const node = client.persist(delayed(Tally, { actor: true })());
    assertEquals(await client.compute(delayed(incrementTimes)(node as never, 2)), 2);
    await release(node as never);
    await eventually([], async () => actorKeys(await stage.observer.schedulerInfo()));
  });

  onBothRoutes(stage, "B46: `client.restart()` loses all actors", async (client) => {
    const before = (await client.schedulerInfo()).workers;
    const [tally, witness] = [
      await client.submit(Tally, { actor: true }),
      await stage.observer.submit(Tally, { actor: true }),
    ];
    const ender = await client.submit(Ender, ["restarted", "one"], { actor: true });
    const hanging = errorOf(ender.hang());
    const running = client.submit(addSlowly, [1, 2, 60_000], { pure: false });
    const dependent = client.submit(double, [running]);
    const finished = client.submit(double, [21]);
    const [scattered] = client.scatter([new Uint8Array(5000)]);
    await Promise.all([tally.increment(), finished, scattered]);
    const errors = [running, dependent].map(errorOf);
    await client.restart();
    for (const lost of [await hanging, await errorOf(tally.increment()), await errorOf(witness.increment())]) {
      assertInstanceOf(lost, ActorLostError);
      assertEquals(lost.reason, "restarted");
    }
    for (const error of await Promise.all(errors)) assertEquals(error.name, "AbortError");
    assertEquals([running, dependent, finished, scattered!].map(({ status }) => status), Array(4).fill("cancelled"));
    const after = (await client.schedulerInfo()).workers;
    assertEquals(
      after.map(({ id, pid, status }) => [id, pid, status]),
      before.map(({ id, pid, status }) => [id, pid, status]),
    );
    assertEquals(after.every(({ hostPid }) => !before.some((worker) => worker.hostPid === hostPid)), true);
    await nothingIsLeft(stage.observer);
    assertEquals(await client.submit(double, [21]), 42);
    const again = await client.submit(Tally, { actor: true });
    assertEquals(await again.increment(), 1);
  });

  it("B46: workers report no instance of what has ended", async () => {
    const client = await stage.connect();
    await gather(client.map(Tally, Array(6) as never[], { actor: true } as never) as never[]);
    await client.close();
    await eventually(0, () => instancesOf(stage.observer, "Tally"));
  });
});

/** Instances of a class that workers have, as they say themselves. */
async function instancesOf(client: Client, name: string): Promise<number> {
  const { workers } = await client.schedulerInfo();
  const records = workers.flatMap(({ classes }) => classes).filter(({ className }) => className === name);
  return records.reduce((sum, { actors }) => sum + actors, 0);
}

describe("a client that dies", () => {
  const stage = openStage({ workers: 1 });

  it("B46: what a client held that died lives for ten seconds, and then ends", async () => {
    const folder = await Deno.makeTempDir();
    const program = `
      import { Client } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
      const client = await Client.connect(Deno.args[0], { token: Deno.env.get("TOKEN") });
      class Orphan { async ping() { return await Promise.resolve("pong"); } }
      const orphan = await client.submit(Orphan, { actor: true, key: "orphan" });
      client.submit(() => new Uint8Array(5000), { key: "orphaned-result" });
      console.log(await orphan.ping());
    `;
    try {
      await Deno.writeTextFile(`${folder}/main.ts`, program);
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--allow-net", "--allow-env=TOKEN", `${folder}/main.ts`, stage.cluster.address],
        env: { TOKEN: stage.cluster.token },
        stdout: "piped",
      }).spawn();
      const output = child.stdout.getReader();
      const { value } = await output.read();
      assertEquals(new TextDecoder().decode(value), "pong\n");
      child.kill("SIGKILL");
      await child.status;
      await output.cancel();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    const died = performance.now();
    const orphan = await stage.direct.getActor<{ ping(): Promise<string> }>("orphan");
    assertEquals(await orphan.ping(), "pong");
    await release(orphan);
    await eventually([], async () => actorKeys(await stage.observer.schedulerInfo()), 15_000);
    const seconds = (performance.now() - died) / 1000;
    assert(seconds > 8 && seconds < 13, `${seconds} s`);
  });
});
