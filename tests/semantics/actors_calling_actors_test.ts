import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, ActorNotFoundError, Client, gather, type Handle, release, remote } from "../../mod.ts";
import {
  add,
  AsyncLog,
  Caller,
  Cell,
  type Countable,
  describe as describeTask,
  Faulty,
  Fibonacci,
  fibonacciByActor,
  fibonacciByPromise,
  fibonacciByTasks,
  incrementTimes,
  PlainCaller,
  setWaiter,
  spawnInTask,
  Tally,
  useAndForget,
} from "../fixtures/semantics_actors.ts";
import { Waiter } from "../../examples/waiter.ts";
import { actorKeys, errorOf, eventually, everywhere, onBothRoutes, openStage } from "./stage.ts";

describe("actors calling actors", () => {
  const stage = openStage();

  everywhere(stage, "B40: a task that takes an actor gets a handle, and holds the actor", async ({ client, actor }) => {
    const tally = await client.submit(Tally, { ...actor, workers: ["worker-1"] });
    for (const worker of ["worker-1", "worker-2"]) {
      const options = { workers: [worker], pure: false };
      assertEquals(await client.submit(describeTask, [tally], options), `no instance: ${tally}`);
      await client.submit(incrementTimes, [tally as Countable, 3], options);
    }
    assertEquals(await tally.n, 6);
  });

  onBothRoutes(stage, "B40: a task wakes those who wait in an actor", async (client) => {
    const waiter = await client.submit(Waiter, { actor: true });
    const waits = Array.from({ length: 5 }, () => waiter.wait());
    await client.submit(setWaiter, [waiter], { pure: false });
    await gather(waits);
  });

  everywhere(stage, "B41: an actor that is given to a method is a handle there", async ({ client, actor }) => {
    const tally = await client.submit(Tally, actor);
    for (const worker of ["worker-1", "worker-2"]) {
      const caller = await client.submit(Caller, { ...actor, workers: [worker] });
      const n = await tally.n;
      assertEquals(await caller.increment(tally), n + 1);
      await caller.keep(tally, tally);
      assertEquals([await caller.readN(), await caller.count()], [n + 1, 2]);
    }
  });

  everywhere(stage, "B41: A → B → A returns, on one worker and across two", async ({ client, actor }) => {
    for (const worker of ["worker-1", "worker-2"]) {
      const a = await client.submit(Caller, { ...actor, workers: ["worker-1"] });
      const b = await client.submit(Caller, { ...actor, workers: [worker] });
      assertEquals(await a.there(b, 9).result({ timeout: 10_000 }), 9);
      await release([a, b]);
    }
  });

  onBothRoutes(stage, "B41: plain methods that give promises on form such chains too", async (client) => {
    for (const worker of ["worker-1", "worker-2"]) {
      const a = await client.submit(PlainCaller, { actor: true, workers: ["worker-1"] });
      const b = await client.submit(PlainCaller, { actor: true, workers: [worker] });
      assertEquals(await a.there(b, 9).result({ timeout: 10_000 }), 9);
    }
  });

  everywhere(stage, "B41: an actor may call itself through its own handle", async ({ client, actor }) => {
    const caller = await client.submit(Caller, actor);
    assertEquals(await caller.countBySelf(), 0);
    assertEquals(String(await caller.self()), String(caller));
    await caller.keep(caller);
    assertEquals(await caller.countBySelf(), 1);
  });

  it("tasks that await tasks which they have submitted never wait for each other", async () => {
    await using cluster = await LocalCluster.start({ workers: 1, nthreads: 1 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const fibonacci = await client.submit(Fibonacci, { actor: true });
    const numbers = [5, 6, 7, 8];
    assertEquals(await gather(client.map(fibonacciByTasks, numbers)), [5, 8, 13, 21], "async functions");
    assertEquals(await gather(client.map(fibonacciByPromise, numbers)), [5, 8, 13, 21], "plain ones, in one isolate");
    const viaActor = numbers.map((n) => client.submit(fibonacciByActor, [fibonacci, n]));
    assertEquals(await gather(viaActor), [5, 8, 13, 21], "and through an actor");
  });

  everywhere(stage, "B42: `currentActor`, `currentWorker` and `currentClient` know where they are", async (way) => {
    const caller = await way.client.submit(Caller, { ...way.actor, workers: ["worker-2"] });
    assertEquals(await gather([caller.whereLater(), caller.whereLater()]), ["worker-2", "worker-2"]);
    assertEquals(await caller.runTask(20, 22), 42);
    assertEquals(await caller.runTasks([1, 2, 3]), [2, 4, 6]);
  });

  onBothRoutes(stage, "B42: plain methods have them too, and give promises on", async (client) => {
    const caller = await client.submit(PlainCaller, { actor: true, workers: ["worker-1"] });
    assertEquals(await caller.where(), "worker-1");
    assertEquals(String(await caller.self()), String(caller));
    assertEquals(await caller.runTask(20, 22), 42);
  });

  everywhere(stage, "B43: an actor creates actors, which live while somebody holds them", async ({ client, actor }) => {
    const caller = await client.submit(Caller, actor);
    const made = await caller.spawn(10);
    assertEquals(await made.increment(), 11);
    const key = /key=([^>]+)>/.exec(String(made))![1]!;
    await release(made);
    assertEquals(actorKeys(await stage.observer.schedulerInfo()).includes(key), true, "its maker holds it");
    await caller.drop();
    await eventually(false, async () => actorKeys(await stage.observer.schedulerInfo()).includes(key));
    const sibling = await caller.spawnSibling() as Actor<Caller>;
    assertEquals(await sibling.count(), 0);
  });

  onBothRoutes(stage, "B43: a task creates actors; one that it gives back lives, the others end", async (client) => {
    const future = client.submit(spawnInTask, [5], { pure: false });
    const cell = await future;
    assertEquals(await cell.get(), 5);
    assertEquals(await client.submit(useAndForget, { pure: false }), 1);
    const key = /key=([^>]+)>/.exec(String(cell))![1]!;
    await eventually([key], async () => actorKeys(await stage.observer.schedulerInfo()));
  });

  it("B43b: `uploadModules` gives workers the modules that they cannot read", async () => {
    const folder = await Deno.makeTempDir();
    const url = new URL(`file://${folder}/`);
    await Deno.writeTextFile(`${folder}/words.ts`, `export const GREETING: string = "hello";\n`);
    await Deno.writeTextFile(
      `${folder}/greeter.ts`,
      `import { GREETING } from "./words.ts";
      export class Greeter { greet(name: string) { return \`\${GREETING} \${name}\`; } }
      export function shout(text: string) { return text.toUpperCase(); }\n`,
    );
    try {
      await stage.direct.uploadModules(url);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    const Greeter = remote<new () => { greet(name: string): string }>(new URL("greeter.ts#Greeter", url));
    const shout = remote<(text: string) => string>(new URL("greeter.ts#shout", url));
    const greeter = await stage.direct.submit(Greeter, { actor: true });
    assertEquals(await greeter.greet("Ann"), "hello Ann");
    assertEquals(await stage.direct.submit(shout, [greeter.greet("Bob")]), "HELLO BOB");
  });

  everywhere(stage, "B43b: a scattered value arrives in a method as its value", async ({ client, actor }) => {
    const log = await client.submit(AsyncLog, actor);
    const [future] = client.scatter([{ rows: new Float64Array([1, 2]) }]);
    await log.append(future);
    assertEquals(await log.all(), [{ rows: new Float64Array([1, 2]) }]);
  });

  it("B43b: `detached` keeps an actor that nobody holds, until it is cancelled", async () => {
    const client = await stage.connect();
    const cell = await client.submit(Cell<number>, [1], { actor: true, detached: true, key: "detached" });
    await cell.set(2);
    await client.close();
    const found = await stage.direct.getActor<Cell<number>>("detached");
    assertEquals(await found.get(), 2);
    await assertRejects(() => stage.direct.cancel([5] as never), TypeError, "cancel takes futures");
    await stage.direct.cancel(found);
    await assertRejects(() => stage.direct.getActor("detached"), ActorNotFoundError);
  });

  it("B43b: the failure of a call that nobody awaits is reported, and ends no process", async () => {
    const { promise, resolve } = Promise.withResolvers<Error>();
    await using client = await stage.connect({ onUnobservedError: resolve });
    const faulty = await client.submit(Faulty, { actor: true });
    faulty.fail("nobody looks");
    assertEquals((await promise).message, "nobody looks");
    const caller = await client.submit(Caller, { actor: true });
    await caller.ignore(faulty);
    assertEquals([await faulty.ok(), await caller.count()], ["still here", 0]);
  });

  everywhere(stage, "B17: a handle in a value of another task stays live, however deep", async ({ client, actor }) => {
    const tally = await client.submit(Tally, actor);
    const wrapped = client.submit(
      (tally: Handle) => ({ inside: new Map([["tally", [tally]]]) }),
      [tally],
      { pure: false },
    );
    const n = client.submit(
      async (value: { inside: Map<string, Countable[]> }) => await value.inside.get("tally")![0]!.increment(),
      [wrapped as never],
      { pure: false },
    );
    assertEquals(await n, 1);
    assertEquals(await client.submit(add, [n, tally.n]), 2);
  });

  everywhere(stage, "B33: an error in the middle of a chain arrives at its beginning", async ({ client, actor }) => {
    const caller = await client.submit(Caller, actor);
    const faulty = await client.submit(Faulty, actor);
    const error = await errorOf(caller.increment(faulty as never));
    assert(error instanceof TypeError);
    assertStringIncludes(error.message, "increment");
  });
});
