import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import { delayed } from "../../client/delayed.ts";
import { release } from "../../client/release.ts";
import { remote } from "../../client/remote.ts";
import type { Actor } from "../../client/types.ts";
import { SerializationError } from "../../protocol/mod.ts";
import { closeClients, decodeArguments, ScriptedScheduler, settle } from "./scripted_scheduler.ts";

class Counter {
  n = 0;
  add(x: number) {
    return this.n += x;
  }
}

function add(a: number, b: number) {
  return a + b;
}

function sum(numbers: number[]) {
  return numbers.reduce((total, number) => total + number, 0);
}

function bump(counter: Actor<Counter>, by: number) {
  return counter.add(by);
}

function setUp() {
  const scheduler = new ScriptedScheduler();
  return { scheduler, ...scheduler.connect() };
}

/** So many submissions, each as its name and arguments, with keys in the place of futures. */
async function taken(scheduler: ScriptedScheduler, count: number) {
  const submissions = [];
  for (let index = 0; index < count; index++) {
    const { key, submitted, args } = await scheduler.submitted();
    submissions.push({ key, name: submitted.target.name, actor: submitted.actor, args: decodeArguments(args) });
  }
  return submissions;
}

describe("compute", () => {
  afterEach(closeClients);

  it("submits each node once, after what it depends on, and gives a future at once", async () => {
    const { scheduler, client } = setUp();
    const one = delayed(add)(1, 2);
    const both = delayed(sum)([one, delayed(add)(one, 4)]);
    assertEquals(one.key, "");
    const future = client.compute(both);
    const [first, second, third] = await taken(scheduler, 3);
    assertEquals(first!.args, [1, 2]);
    assertEquals(second!.args, [{ future: first!.key }, 4]);
    assertEquals(third!.args, [[{ future: first!.key }, { future: second!.key }]]);
    assertEquals([one.key, both.key, future.key], [first!.key, third!.key, third!.key]);
    scheduler.finish(third!.key, 10);
    assertEquals(await future, 10);
  });

  it("gives up what is only on the way, once everything is submitted", async () => {
    const { scheduler, client } = setUp();
    const inner = delayed(add)(1, 2);
    const future = client.compute(delayed(add)(inner, 3));
    assertEquals((await scheduler.next("release")).keys, [inner.key]);
    assertEquals(scheduler.log, ["submit", "submit", "release"]);
    await future.release();
    assertEquals((await scheduler.next("release")).keys, [future.key]);
  });

  it("finds nodes in objects, Maps and Sets, and takes futures besides them", async () => {
    const { scheduler, client } = setUp();
    const future = client.submit(add, [5, 6]);
    const inner = delayed(add)(1, 2);
    client.compute(delayed((x: unknown) => x)({ a: new Map([["m", new Set([inner])]]), future }));
    const [, first, second] = await taken(scheduler, 3);
    assertEquals(second!.args, [{
      a: new Map([["m", new Set([{ future: first!.key }])]]),
      future: { future: future.key },
    }]);
  });

  it("gives a future for each of several nodes, in their order", async () => {
    const { scheduler, client } = setUp();
    const one = delayed(add)(1, 2);
    const two = delayed(add)(one, 3);
    const futures = client.compute([two, one]);
    const [first, second] = await taken(scheduler, 2);
    assertEquals(futures.map(({ key }) => key), [second!.key, first!.key]);
    assertEquals(client.compute([]).length, 0);
  });

  it("makes actors of the nodes that are asked for, of one, or of several", async () => {
    for (const choice of ["one", "several", "outputs", "made"] as const) {
      const { scheduler, client } = setUp();
      const counter = choice === "made" ? delayed(Counter, { actor: true })() : delayed(Counter)();
      const steps = [1, 2].map((n) => delayed(bump)(counter, n));
      if (choice === "one") client.compute(steps, { actors: counter });
      if (choice === "several") client.compute(steps, { actors: new Set([counter]) });
      if (choice === "made") client.compute(steps);
      if (choice === "outputs") {
        const future = client.compute(counter, { actors: true });
        scheduler.start((await scheduler.submitted()).key);
        assertMatch(String(await future), /^<Actor: Counter, key=Counter-/);
        continue;
      }
      const [first, second, third] = await taken(scheduler, 3);
      assertEquals([first!.actor, second!.actor], [true, false]);
      assertEquals([second!.args, third!.args], [[{ future: first!.key }, 1], [{ future: first!.key }, 2]]);
    }
  });

  it("refuses a class that is not marked, and what is no node, before anything is submitted", async () => {
    const { scheduler, client } = setUp();
    const counter = delayed(Counter)();
    const fine = delayed(add)(1, 2);
    assertThrows(
      () => client.compute([fine, delayed(bump)(counter, 1)]),
      TypeError,
      "compute: Counter is a class: mark its node as an actor, delayed(Counter, { actor: true }), or give it in actors",
    );
    assertThrows(() => client.compute(client.submit as never), TypeError, "takes nodes that delayed() made");
    assertThrows(() => client.compute(fine, { actors: counter }), TypeError, "no part of the graph");
    assertThrows(() => client.compute(fine, { key: "x" } as never), TypeError, 'unknown option "key"');
    assertThrows(() => client.compute(fine, { actors: 5 } as never), TypeError, "actors has to be true");
    const loop: unknown[] = [];
    loop.push(loop);
    assertThrows(() => client.compute(delayed((x: unknown) => x)(loop)), TypeError, "hold themselves");
    const knot: unknown[] = [];
    const knotted = delayed((x: unknown) => x)(knot);
    knot.push(knotted);
    assertThrows(() => client.compute(knotted), TypeError, "depends on itself");
    await settle();
    assertEquals(scheduler.log, []);
  });

  it("passes its options to all nodes, those of a node first, and detaches only what is asked for", async () => {
    const { scheduler, client } = setUp();
    const inner = delayed(add, { resources: { GPU: 1 }, retries: 3, pure: false })(1, 2);
    client.compute(delayed(add)(inner, 3), { workers: "a", retries: 1, detached: true });
    const first = (await scheduler.submitted()).submitted;
    const second = (await scheduler.submitted()).submitted;
    assertEquals([first.workers, second.workers], [["a"], ["a"]]);
    assertEquals([first.retries, second.retries], [3, 1]);
    assertEquals([first.detached, second.detached], [undefined, true]);
    assertEquals([first.pure, second.pure], [false, true]);
    assertEquals({ ...first.resources }, { GPU: 1 });
  });

  it("has a key for each node, which pure nodes of equal arguments share with equal submits", async () => {
    const { scheduler, client } = setUp();
    const [one, two] = [delayed(add)(1, 2), delayed(add, { key: "plus" })(1, 2)];
    const [three, four] = [delayed(add, { pure: true })(1, 2), delayed(add, { pure: true })(1, 2)];
    client.compute([one, two, three, four]);
    const submissions = await taken(scheduler, 3);
    assertNotEquals(one.key, two.key);
    assertMatch(two.key, /^plus-/);
    assertEquals(three.key, four.key);
    assertEquals(three.key, client.submit(add, [1, 2]).key);
    assertEquals(submissions.length, 3);
  });

  it("does not run again what this client holds", async () => {
    const { scheduler, client } = setUp();
    const inner = delayed(add)(1, 2);
    const held = client.compute(inner);
    client.compute(delayed(add)(inner, 3));
    client.compute(delayed(add)(inner, 4));
    const [first, second, third] = await taken(scheduler, 3);
    assertEquals([second!.args, third!.args], [[{ future: first!.key }, 3], [{ future: first!.key }, 4]]);
    await held.release();
    await settle();
    client.compute(inner);
    assertEquals((await taken(scheduler, 1))[0]!.key, first!.key);
  });

  it("fails what depends on a node whose arguments cannot be sent, with the same error", async () => {
    const { scheduler, client } = setUp();
    const bad = delayed((x: unknown) => x)(() => 1);
    const future = client.compute(delayed((x: unknown) => x)([bad]));
    await assertRejects(async () => await future, SerializationError, "args[0]");
    assertEquals(scheduler.log, []);
  });

  it("goes as deep as memory lasts", async () => {
    const { scheduler, client } = setUp();
    let node = delayed(add)(0, 1);
    for (let index = 1; index < 20_000; index++) node = delayed(add)(node, 1);
    client.compute(node);
    for (let index = 0; index < 20_000; index++) await scheduler.next("submit");
  });

  it("is cancelled by its signal", async () => {
    const { scheduler, client } = setUp();
    const abort = new AbortController();
    const future = client.compute(delayed(add)(1, 2), { signal: abort.signal });
    abort.abort();
    assertEquals((await scheduler.next("cancelKeys")).keys, [future.key]);
  });
});

describe("persist", () => {
  afterEach(closeClients);

  it("gives back the nodes, which stand for their results in further graphs until they are released", async () => {
    const { scheduler, client } = setUp();
    const inner = delayed(add)(1, 2);
    const nodes = [delayed(add)(inner, 3), inner] as const;
    const kept = client.persist(nodes);
    assert(kept === nodes);
    await taken(scheduler, 2);
    client.compute(delayed(sum)([...kept]));
    const [third] = await taken(scheduler, 1);
    assertEquals(third!.args, [[{ future: kept[0].key }, { future: kept[1].key }]]);
    client.submit(add, [kept[0] as never, 1]);
    assertEquals((await taken(scheduler, 1))[0]!.args, [{ future: kept[0].key }, 1]);
    assertEquals(scheduler.log.filter((op) => op === "release"), []);
    await release(kept);
    assertEquals((await scheduler.next("release")).keys, [kept[0].key]);
    assertEquals((await scheduler.next("release")).keys, [kept[1].key]);
  });

  it("keeps one result however often it is called", async () => {
    const { scheduler, client } = setUp();
    const node = client.persist(client.persist(delayed(add)(1, 2)));
    await taken(scheduler, 1);
    await release(node);
    await scheduler.next("release");
    assertEquals(scheduler.log, ["submit", "release"]);
  });
});

describe("a node", () => {
  afterEach(closeClients);

  it("is no argument of a submit before it was computed", async () => {
    const { client } = setUp();
    const node = delayed(add)(1, 2);
    await assertRejects(async () => await client.submit(add, [node as never, 1]), TypeError, "is not computed");
    assertEquals(String(node), "<Delayed: add>");
    assertEquals(JSON.stringify({ node }), '{"node":"<Delayed: add>"}');
    client.compute(node);
    assertEquals(String(node), `<Delayed: add, key=${node.key}>`);
  });

  it("may have a reference as its target", async () => {
    const { scheduler, client } = setUp();
    client.compute(delayed<[number], number>("https://example.com/math.ts#square")(3));
    const RemoteCounter = remote<typeof Counter>("https://example.com/counter.ts#Counter");
    client.compute(delayed(RemoteCounter, { actor: true })());
    const [square, counter] = await taken(scheduler, 2);
    assertEquals([square!.name, square!.actor], ["square", false]);
    assertEquals([counter!.name, counter!.actor], ["Counter", true]);
  });

  it("wants a target and known options", () => {
    assertThrows(() => delayed(5 as never), TypeError, "delayed: a target is a class, a function or the URL of one");
    assertThrows(() => delayed(add, { actors: true } as never), TypeError, 'unknown option "actors"');
  });
});
