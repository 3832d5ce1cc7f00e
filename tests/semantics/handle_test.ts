import { assert, assertEquals, assertMatch, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Actor, type ActorFuture, ConnectionLostError, release } from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import {
  Caller,
  Cell,
  describe as describeTask,
  incrementAndGive,
  incrementTimes,
  Tally,
} from "../fixtures/semantics_actors.ts";
import { everywhere, onBothRoutes, openStage } from "./stage.ts";

describe("the handle", () => {
  const stage = openStage();

  it("B12: a handle and a call have a text that names them", async () => {
    const future = stage.direct.submit(Counter, { actor: true });
    const counter = await future;
    const text = `<Actor: Counter, key=${future.key}>`;
    assertEquals(String(counter), text);
    assertEquals(Deno.inspect(counter), text);
    assertEquals(Deno.inspect({ counter }, { getters: true }), `{ counter: ${text} }`);
    assertEquals(JSON.stringify({ counter }), JSON.stringify({ counter: text }));
    assertEquals(Object.prototype.toString.call(counter), "[object Actor]");
    const call = counter.increment();
    assertMatch(String(call), /^<ActorFuture: Counter\.increment.*>$/);
    assertMatch(String(counter.n), /^<ActorFuture: Counter\.n.*>$/);
    assertMatch(String(future), new RegExp(`^<Future: .*${future.key}.*>$`));
    await call;
  });

  everywhere(stage, "B13: a handle has the same methods and attributes, methods first", async ({ client, actor }) => {
    const tally = await client.submit(Tally, actor);
    assertEquals(Object.keys(tally), ["add", "increment", "n"]);
    const cell = await client.submit(Cell<number>, [1], actor);
    assertEquals(Object.keys(cell), ["addField", "echo", "get", "set", "description", "failing", "value"]);
  });

  it("B14: an unknown name is unknown here, without a question to anybody", async () => {
    const counter = await stage.relayed.submit(Counter, { actor: true }) as Actor<Counter> & { nope?: unknown };
    await counter.increment();
    const before = (await stage.observer.schedulerInfo()).messages["relay"];
    assertEquals([counter.nope, "nope" in counter, Object.hasOwn(counter, "nope")], [undefined, false, false]);
    assertEquals((await stage.observer.schedulerInfo()).messages["relay"], before);
    // @ts-expect-error: TypeScript says so before.
    assertThrows(() => counter.decrement(), TypeError);
  });

  it("B15: nothing can be assigned through a handle, and the actor does not change", async () => {
    const counter = await stage.direct.submit(Counter, { actor: true });
    const open = counter as unknown as Record<string, unknown>;
    assertThrows(() => (open["n"] = 5), TypeError, "Cannot set n of Counter through its handle");
    assertThrows(() => (open["add"] = () => 1), TypeError);
    assertThrows(() => (open["more"] = 1), TypeError);
    assertEquals(await counter.n, 0);
  });

  everywhere(stage, "B16: getters are attributes; statics are not the instance's", async ({ client, actor }) => {
    const cell = await client.submit(Cell<number>, [1], actor);
    assertEquals(await cell.description, "a cell of number");
    await assertRejects(async () => await cell.failing, RangeError, "this getter fails");
    assertEquals(["describe", "made"].filter((name) => name in cell), []);
    assertEquals(await cell.get(), 1, "it lives on");
  });

  onBothRoutes(
    stage,
    "B17: a handle travels in arguments and results, nested, and is live where it arrives",
    async (client) => {
      const counter = await client.submit(Counter, { actor: true });
      assertEquals(await client.submit(incrementTimes, [counter, 2], { pure: false }), 2);
      const { nested: [back] } = await client.submit(incrementAndGive, [counter], { pure: false });
      assertEquals(await back.increment(), 4);
      assertEquals(String(back), String(counter));

      const keeper = await client.submit(Caller, [counter], { actor: true });
      assertEquals(await keeper.increment(), 5);
      const { handles } = await keeper.give();
      assertEquals(await (handles[0] as Actor<Counter>).increment(), 6);

      const [scattered] = client.scatter([{ deep: { counter } }]);
      const through = client.submit(
        async (value: { deep: { counter: { increment(): Promise<number> } } }) => await value.deep.counter.increment(),
        [scattered as never],
        { pure: false },
      );
      assertEquals(await through, 7);
      assertEquals(await counter.n, 7);
    },
  );

  everywhere(stage, "B17: what arrives is a handle, also on the owner's own worker", async ({ client, actor }) => {
    const counter = await client.submit(Tally, { ...actor, workers: ["worker-1"] });
    for (const worker of ["worker-1", "worker-2"]) {
      const text = await client.submit(describeTask, [counter], { workers: [worker], pure: false });
      assertEquals(text, `no instance: ${counter}`);
    }
  });

  it("B18: a handle belongs to the client that made it", async () => {
    const first = await stage.connect();
    const second = await stage.connect();
    const mine = await first.submit(Counter, { actor: true, key: "of-two" });
    const theirs = await second.submit(Counter, { actor: true, key: "of-two" });
    assertEquals(await mine.increment(), 1);
    await first.close();
    await assertRejects(async () => await mine.increment(), ConnectionLostError, "closed");
    assertEquals(await theirs.increment(), 2);
    await second.close();
  });

  onBothRoutes(stage, "B18: two handles of one actor are two objects and two references", async (client) => {
    const first = await client.submit(Counter, { actor: true, key: "twice" });
    const second = await client.submit(Counter, { actor: true, key: "twice" });
    assert(first !== second);
    await release(first);
    assertEquals(await second.increment(), 1);
  });

  it("H5: a handle is no promise: async functions give it back unharmed", async () => {
    const counter = await stage.direct.submit(Counter, { actor: true });
    const through = async (handle: Actor<Counter>) => await Promise.resolve(handle);
    assertStrictEquals(await through(counter), counter);
    assertEquals((counter as { then?: unknown }).then, undefined);
    const { increment } = counter;
    const call: ActorFuture<number> = increment();
    assertEquals(await call, 1, "a method can be taken off its handle");
  });
});
