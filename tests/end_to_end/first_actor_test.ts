import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, Client, isRemoteError, release, remote, RemoteError, SerializationError } from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import { Waiter } from "../../examples/waiter.ts";
import { Burner, Faulty, Log, Mixed } from "../fixtures/end_to_end_actors.ts";

remote(import.meta.resolve("../../examples/counter.ts"), { Counter });
remote(import.meta.resolve("../../examples/waiter.ts"), { Waiter });
remote(import.meta.resolve("../fixtures/end_to_end_actors.ts"), { Burner, Faulty, Log, Mixed });

describe("the first actor, on a cluster of processes", () => {
  let cluster: LocalCluster;
  let direct: Client;
  let relayed: Client;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 2 });
    direct = await Client.connect(cluster.address, { token: cluster.token, directToWorkers: true });
    relayed = await Client.connect(cluster.address, { token: cluster.token, directToWorkers: false });
  });
  afterAll(async () => {
    await direct.close();
    await relayed.close();
    await cluster.close();
  });

  it("plays the page's example", async () => {
    const future = direct.submit(Counter, { actor: true });
    const counter = await future.result();
    assertEquals(String(counter), `<Actor: Counter, key=${future.key}>`);
    assert(/^Counter-[0-9a-f]{8}$/.test(future.key), future.key);
    const call = counter.increment();
    assertEquals(await call.result(), 1);
    assertEquals(await call.result(), 1, "the result is cached");
    assertEquals(await counter.add(10), 11);
    assertEquals(await Promise.all([counter.increment(), counter.n]), [12, 12]);
    assertEquals(Object.keys(counter), ["add", "increment", "n"]);
    assertEquals((counter as unknown as { nope: unknown }).nope, undefined);
    assertThrows(() => ((counter as { n: unknown }).n = 5), TypeError, "Cannot set n of Counter");
    assertStrictEquals(await future, counter, "a future and its handle are one");
    await release(counter);
  });

  it("places actors evenly", async () => {
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const counters = await client.gather(client.map(Counter, Array(10), { actor: true }));
    const { workers } = await client.schedulerInfo();
    assertEquals(counters.length, 10);
    assertEquals(workers.map((worker) => worker.actors.length), [5, 5]);
  });

  for (const route of ["direct", "relayed"] as const) {
    const clientOf = () => route === "direct" ? direct : relayed;

    it(`gives sync and async methods of one instance the same state (${route})`, async () => {
      await using mixed = await clientOf().submit(Mixed, { actor: true });
      for (let n = 1; n <= 1000; n += 2) {
        assertEquals(await mixed.increment(), n);
        assertEquals(await mixed.ainc(), n + 1);
      }
      assertEquals(await mixed.n, 1000);
    });

    it(`lets a thousand calls wait without a thread (${route})`, async () => {
      await using waiter = await clientOf().submit(Waiter, { actor: true });
      const waits = Array.from({ length: 1000 }, () => waiter.wait());
      // An answer to a later call shows that the calls before it have started.
      const one = await clientOf().submit(Counter, { actor: true });
      await one.increment();
      assertEquals(waits.filter((wait) => wait.done()).length, 0);
      await waiter.set();
      await Promise.all(waits);
      await release(one);
    });

    it(`starts ten thousand un-awaited calls in order (${route})`, async () => {
      await using log = await clientOf().submit(Log, { actor: true });
      for (let i = 0; i < 10_000; i++) log.append(i);
      assertEquals(await log.all(), Array.from({ length: 10_000 }, (_, i) => i));
    });

    it(`keeps the order of calls whose arguments differ in size by a million (${route})`, async () => {
      await using log = await clientOf().submit(Log, { actor: true });
      const sizes = [10, 1 << 20, 10, 5000, 200_000, 1, 70_000, 900, 1030, 300_000, 2];
      for (const [i, size] of sizes.entries()) log.append(i, new Uint8Array(size));
      assertEquals(await log.all(), sizes.map((_, i) => i));
    });

    it(`brings errors as errors, joined to the call (${route})`, async () => {
      await using faulty = await clientOf().submit(Faulty, { actor: true });
      const error = await assertRejects(async () => await faulty.fail("no luck"), TypeError, "no luck");
      assert(isRemoteError(error));
      assertInstanceOf(error, RemoteError);
      assert(error.stack?.includes("end_to_end_actors.ts"), error.stack);
      assert(error.stack?.includes("first_actor_test.ts"), error.stack);
      const own = await assertRejects(async () => await faulty.failOwn(), RemoteError, "out of stock");
      assertEquals((own as RemoteError & { item?: string }).item, "tea");
      assertEquals(own.name, "StockError");
      assertEquals(await faulty.ok(), "still here");
    });

    it(`refuses what cannot be sent, with its path (${route})`, async () => {
      await using log = await clientOf().submit(Log, { actor: true });
      const error = await assertRejects(
        async () => await log.append(1, { user: { socket: new WeakMap() } } as never),
        SerializationError,
      );
      assertEquals(error.path, "args[1].user.socket");
      assertEquals(error.executed, "no");
      await using faulty = await clientOf().submit(Faulty, { actor: true });
      const result = await assertRejects(async () => await faulty.unsendable(), SerializationError);
      assertEquals(result.executed, "yes");
      assertEquals(await faulty.ok(), "still here");
    });
  }

  it("adds no message to the scheduler for direct calls", async () => {
    await using counter = await direct.submit(Counter, { actor: true });
    await counter.increment();
    const count = async () => {
      const { messages } = await direct.schedulerInfo();
      // What comes by the clock, this very question, and the releases of the tests before.
      const { heartbeat: _h, report: _r, ping: _p, pong: _o, request: _q, release: _l, ended: _e, ...others } =
        messages;
      return Object.values(others).reduce((sum, n) => sum + n, 0);
    };
    const before = await count();
    await Promise.all(Array.from({ length: 1000 }, () => counter.increment()));
    assertEquals(await count(), before);
    assertEquals(await counter.n, 1001);
  });

  it("does not let a sync method hold up inline actors or heartbeats", async () => {
    const workers = [(await direct.schedulerInfo()).workers[0]!.id];
    await using burner = await direct.submit(Burner, { actor: true, workers });
    await using waiter = await direct.submit(Mixed, { actor: true, workers, key: "inline-neighbour" });
    const inline = await direct.submit(Waiter, { actor: true, workers });
    await inline.set();
    const burning = burner.burn(5000);
    let slowest = 0;
    while (!burning.done()) {
      const start = performance.now();
      await inline.wait();
      slowest = Math.max(slowest, performance.now() - start);
    }
    assertLess(slowest, 500);
    const worker = (await direct.schedulerInfo()).workers.find(({ id }) => id === workers[0])!;
    assertLess(worker.heartbeatAge, 3000);
    assertEquals(worker.status, "running");
    await release([waiter, inline]);
  });

  it("offers no name that belongs to the language or to nobody", async () => {
    await using counter = await direct.submit(Counter, { actor: true });
    for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", "then", "_hidden", "nope"]) {
      assertEquals(Object.hasOwn(counter, name), false, name);
    }
  });

  it("creates one actor for a key that two clients share", async () => {
    const first = await direct.submit(Counter, { actor: true, key: "shared-counter" });
    const second = await relayed.submit(Counter, { actor: true, key: "shared-counter" });
    assertEquals(await first.increment(), 1);
    assertEquals(await second.increment(), 2);
    await release([first, second]);
  });

  it("takes a class by value, a factory, and a class of the main script", async () => {
    class Local {
      constructor(private name: string) {}
      hello() {
        return `hello ${this.name}`;
      }
    }
    await using local = await direct.submit(Local, ["value"], { actor: true });
    assertEquals(await local.hello(), "hello value");
    await using made = await direct.submit(
      (start: number) => {
        let n = start;
        return {
          inc() {
            return ++n;
          },
          get n() {
            return n;
          },
        };
      },
      [5],
      { actor: true },
    );
    assertEquals(await made.inc(), 6);
    assertEquals(await made.n, 6);
  });

  it("reports a failure that nobody awaited, and goes on", async () => {
    const { promise, resolve } = Promise.withResolvers<Error>();
    await using client = await Client.connect(cluster.address, { token: cluster.token, onUnobservedError: resolve });
    const faulty: Actor<Faulty> = await client.submit(Faulty, { actor: true });
    faulty.fail("nobody looks");
    assertEquals((await promise).message, "nobody looks");
    assertEquals(await faulty.ok(), "still here");
  });
});
