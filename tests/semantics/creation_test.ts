import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  type Actor,
  ActorNotFoundError,
  ActorStartError,
  asCompleted,
  delayed,
  type Future,
  gather,
  isRemoteError,
  KeyConflictError,
  NoWorkerError,
  release,
  wait,
} from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import {
  add,
  addSlowly,
  Caller,
  Cell,
  double,
  Fragile,
  incrementTimes,
  Log,
  makeCounter,
  makeCounterLater,
  makeNumber,
  Tally,
  Unborn,
} from "../fixtures/semantics_actors.ts";
import { actorKeys, errorOf, everywhere, onBothRoutes, openStage, workerOf } from "./stage.ts";

describe("creation", () => {
  const stage = openStage();

  onBothRoutes(stage, "B1: an actor takes part in the graph of tasks", async (client) => {
    const start = client.submit(add, [1, 2]);
    const cell = client.submit(Cell<number>, [start], { actor: true });
    const counter = client.submit(Counter, { actor: true });
    const value = (await cell).get();
    assertEquals(await client.submit(incrementTimes, [counter, value]), 3);
  });

  onBothRoutes(
    stage,
    "B2: a handle points to an object on a worker, and every handle to the same one",
    async (client) => {
      const first = await client.submit(Counter, { actor: true, key: "pointed-at" });
      const second = await stage.observer.getActor<Counter>("pointed-at");
      assertEquals([await first.increment(), await second.increment(), await first.n], [1, 2, 2]);
      assertEquals(String(first), String(second));
      await release(second);
      assertEquals(await first.increment(), 3);
    },
  );

  everywhere(
    stage,
    "B3: anyone who has the handle may call it; private names are nobody's",
    async ({ client, actor }) => {
      const cell = await client.submit(Cell<number>, [1], { ...actor, key: "everybodys" });
      const other = await stage.observer.getActor<Cell<number>>("everybodys");
      assertEquals(await other.get(), 1);
      const names = Object.keys(cell);
      assertEquals(names.filter((name) => name.startsWith("_")), []);
      for (const name of ["_private", "_hidden", "#secret", "constructor", "then", "__proto__", "hasOwnProperty"]) {
        assertEquals(Object.hasOwn(cell, name), false, name);
      }
      await release(other);
    },
  );

  onBothRoutes(stage, "B4: a class or a function that makes the object", async (client) => {
    const made = await client.submit(makeCounter, [41], { actor: true });
    assertEquals(Object.keys(made), ["increment", "n"]);
    assertEquals(await Promise.all([made.increment(), made.n]), [42, 42]);
    const later = await client.submit(makeCounterLater, [1], { actor: true });
    assertEquals(await later.increment(), 2);
    const none = await errorOf(client.submit(makeNumber as never, { actor: true }));
    assertInstanceOf(none, ActorStartError);
    assertThrows(() => client.submit(42 as never, { actor: true }), TypeError, "a target is a class, a function");
  });

  it("B4: a class without `actor: true` is refused, in words that say what to do", () => {
    assertThrows(() => stage.direct.submit(Counter as never), TypeError, "actor: true");
  });

  onBothRoutes(
    stage,
    "B5: `actor: true` and `actors: true` are one, and equal submits give two actors",
    async (client) => {
      const one = client.submit(Counter, { actor: true });
      const other = client.submit(Counter, { actors: true });
      assertMatch(one.key, /^Counter-[0-9a-f]{8,}$/);
      assert(one.key !== other.key);
      assertEquals(await Promise.all([(await one).increment(), (await other).increment()]), [1, 1]);
      await (await one).increment();
      assertEquals(await (await other).n, 1);
    },
  );

  onBothRoutes(stage, "B6: `map` gives one actor for each item, and futures at once", async (client) => {
    const futures = client.map(Cell<number>, [10, client.submit(double, [10]), 30], { actor: true, key: "cells" });
    assertEquals(futures.map(({ key }) => key), ["cells-0", "cells-1", "cells-2"]);
    const cells = await gather(futures);
    assertEquals(await gather(cells.map((cell) => cell.get())), [10, 20, 30]);
  });

  onBothRoutes(stage, "B6: `compute` and `persist` take `true`, one node or several", async (client) => {
    const whole = client.compute(delayed(Counter)(), { actors: true });
    assertEquals(await (await whole).increment(), 1);

    const counter = delayed(Counter)();
    const total = delayed(incrementTimes)(counter, 2);
    assertEquals(await client.compute(total, { actors: counter }), 2);

    const [a, b] = [delayed(Counter)(), delayed(Counter)()];
    const sum = delayed(add)(delayed(incrementTimes)(a, 2), delayed(incrementTimes)(b, 3));
    assertEquals(await client.compute(sum, { actors: new Set([a, b]) }), 5);

    const marked = delayed(Counter, { actor: true })();
    assertEquals(await client.compute(delayed(incrementTimes)(marked, 4)), 4);

    const kept = client.persist(delayed(Counter)(), { actors: true });
    assertEquals(await client.compute(delayed(incrementTimes)(kept, 1)), 1);
    assertEquals(await client.compute(delayed(incrementTimes)(kept, 1)), 2, "it is the same actor");
    const handle = await client.compute(kept, { actors: true });
    assertEquals(await handle.n, 2);
  });

  it("B6: `true` marks the nodes that are asked for; other classes have to be marked", () => {
    const total = delayed(incrementTimes)(delayed(Counter)(), 1);
    assertThrows(() => stage.direct.compute(total), TypeError, "mark its node as an actor");
  });

  it("B7: `workers` and `allowOtherWorkers` say where", async () => {
    const client = stage.direct;
    for (const name of ["worker-1", "worker-2", "worker-1"]) {
      const future = client.submit(Counter, { actor: true, workers: [name] });
      await future;
      assertEquals((await workerOf(client, future.key)).name, name);
    }
    const elsewhere = client.submit(Counter, { actor: true, workers: "nowhere", allowOtherWorkers: true });
    assertEquals(await (await elsewhere).increment(), 1);
    const error = assertThrows(() => client.submit(Counter, { actor: true, allowOtherWorkers: true }), TypeError);
    assertStringIncludes(error.message, "workers");
  });

  it("B7: what fits no worker says so at once, and fails after its `timeout`", async () => {
    const future = stage.direct.submit(Counter, { actor: true, resources: { GPU: 1 }, timeout: 300 });
    await stage.observer.schedulerInfo();
    while (future.status === "pending") await stage.direct.schedulerInfo();
    assertEquals(future.status, "no-worker");
    const { waiting } = await stage.observer.schedulerInfo();
    assertStringIncludes(waiting[0]?.reason ?? "", "GPU");
    const error = await assertRejects(async () => await future, NoWorkerError);
    assertStringIncludes(error.message, "GPU");
  });

  everywhere(stage, "B7: `retries` tries the constructor again", async ({ client, route, actor }) => {
    // Where each attempt has an isolate of its own, none knows of those before it.
    if (actor.isolation !== "inline" && actor.isolation !== "shared") return;
    const name = `${route} ${actor.isolation}`;
    const workers = ["worker-1"];
    const fragile = await client.submit(Fragile, [name, 2], { ...actor, workers, retries: 3 });
    assertEquals(await fragile.attempts, 3);
    const failed = client.submit(Fragile, [`${name}, once`, 2], { ...actor, workers, retries: 1 });
    await assertRejects(async () => await failed, TypeError, "attempt 2 fails");
  });

  onBothRoutes(stage, "B8: the creation gives an ordinary future, which gives the handle", async (client) => {
    const future = client.submit(Counter, { actor: true });
    assertEquals(future.status, "pending");
    const counter = await future.result();
    assertEquals(future.status, "finished");
    assertStrictEquals(await future, counter);
    assertStrictEquals(await gather(future), counter);
    assertEquals((await wait([future])).done.length, 1);
    const seen: Future<Actor<Counter>>[] = [];
    for await (const completed of asCompleted([future])) seen.push(completed);
    assertStrictEquals(seen[0], future);
    assertEquals(await future.exception(), undefined);
    assertEquals(await counter.increment(), 1);
  });

  everywhere(
    stage,
    "B9: arguments of the constructor may be futures, and arrive as values",
    async ({ client, actor }) => {
      const counter = await client.submit(Counter, { actor: true });
      const [scattered] = client.scatter([new Float64Array([0.5, -0])]);
      const cell = await client.submit(Cell<unknown>, [{
        task: client.submit(addSlowly, [1, 2]),
        call: counter.add(5),
        nested: [client.submit(double, [client.submit(add, [1, 1])])],
        scattered,
      }], actor);
      assertEquals(await cell.get(), { task: 3, call: 5, nested: [4], scattered: new Float64Array([0.5, -0]) });
    },
  );

  onBothRoutes(stage, "B9: a future that fails takes the creation with it", async (client) => {
    const failing = client.submit((): number => {
      throw new RangeError("no number");
    });
    const error = await errorOf(client.submit(Cell<number>, [failing], { actor: true }));
    assertStringIncludes(`${error.message} ${error.cause}`, "no number");
  });

  everywhere(stage, "B10: an error of the constructor comes out of the future, and no actor remains", async (way) => {
    const future = way.client.submit(Unborn, ["no luck"], { ...way.actor, key: "unborn" });
    const error = await errorOf(future);
    assertInstanceOf(error, RangeError);
    assertEquals(error.message, "no luck");
    assert(isRemoteError(error));
    assertInstanceOf(error, ActorStartError);
    assertEquals(future.status, "error");
    assertEquals((await future.exception())?.message, "no luck");
    assertEquals(actorKeys(await stage.observer.schedulerInfo()).includes("unborn"), false);
    const second = await way.client.submit(Tally, { ...way.actor, key: "unborn" });
    assertEquals(await second.increment(), 1, "its key is free again");
  });

  onBothRoutes(stage, "B11: two clients that submit with the same `key` get the same actor", async (client) => {
    const mine = await client.submit(Counter, { actor: true, key: "ours" });
    const theirs = await stage.observer.submit(Counter, { actor: true, key: "ours" });
    assertEquals([await mine.increment(), await theirs.increment()], [1, 2]);
    await release(mine);
    assertEquals(await theirs.increment(), 3, "the other still holds it");
    await release(theirs);
    await assertRejects(() => stage.observer.getActor("ours"), ActorNotFoundError);
    const anew = await client.submit(Counter, { actor: true, key: "ours" });
    assertEquals(await anew.n, 0);
  });

  it("B11: a key that names something else is refused", async () => {
    await stage.direct.submit(Counter, { actor: true, key: "taken" });
    await assertRejects(
      async () => await stage.relayed.submit(Log, { actor: true, key: "taken" }),
      KeyConflictError,
    );
  });

  onBothRoutes(stage, "B11: `getActor` finds an actor without creating one", async (client) => {
    await assertRejects(() => client.getActor("nobody"), ActorNotFoundError, "nobody");
    const caller = await client.submit(Caller, { actor: true, key: "somebody" });
    const found = await client.getActor<Caller>("somebody");
    assertEquals(String(found), String(caller));
    assertEquals(await found.count(), 0);
  });
});
