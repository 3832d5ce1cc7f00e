import { assert, assertEquals, assertLess, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { asCompleted, Client, gather, NoWorkerError, release } from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import { Waiter } from "../../examples/waiter.ts";
import { add, Cell, Faulty, sizeOf, Sleeper, Tally, where } from "../fixtures/semantics_actors.ts";
import { actorKeys, errorOf, eventually, onBothRoutes, openStage, workerOf } from "./stage.ts";

describe("placement", () => {
  const stage = openStage();

  it("B52: actors are spread evenly: ten over five workers sit two on each", async () => {
    await using cluster = await LocalCluster.start({ workers: 5, mode: "inline" });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const counters = await gather(client.map(Cell<number>, Array.from({ length: 10 }, (_, i) => i), { actor: true }));
    const { workers } = await client.schedulerInfo();
    assertEquals(workers.map(({ actors }) => actors.length), [2, 2, 2, 2, 2]);
    await release(counters.filter((_, i) => i % 2 === 0));
    await gather(client.map(Cell<number>, [1, 2, 3, 4, 5], { actor: true }));
    const after = (await client.schedulerInfo()).workers.map(({ actors }) => actors.length);
    assertEquals(Math.max(...after) - Math.min(...after) <= 1, true, String(after));
  });

  it("B52: of workers with equally many actors, the one that has the data gets the next", async () => {
    const client = stage.direct;
    for (const worker of ["worker-2", "worker-1"]) {
      const [data] = client.scatter([new Uint8Array(100_000)], { workers: [worker] });
      const future = client.submit(Cell<Uint8Array>, [data!], { actor: true });
      await future;
      assertEquals((await workerOf(client, future.key)).name, worker);
      await future.release();
      // An actor that is about to end still counts.
      await eventually([], async () => actorKeys(await stage.observer.schedulerInfo()));
    }
    const [data] = client.scatter([new Uint8Array(100_000)], { workers: ["worker-2"] });
    const cells = [1, 2].map(() => client.submit(Cell<Uint8Array>, [data!], { actor: true }));
    await gather(cells);
    const names = await Promise.all(cells.map(async ({ key }) => (await workerOf(client, key)).name));
    assertEquals(names, ["worker-2", "worker-1"], "evenly first, then where the data is");
  });

  it("tasks run where their data is", async () => {
    const client = stage.direct;
    for (const worker of ["worker-2", "worker-1"]) {
      const [data] = client.scatter([new Uint8Array(200_000)], { workers: [worker] });
      const run = (_data: Uint8Array) => (globalThis as { name?: string }).name ?? "";
      const future = client.submit(run, [data!], { pure: false });
      await future.exception();
      const { workers } = await stage.observer.schedulerInfo();
      const holding = workers.filter(({ results }) => results > 0).map(({ name }) => name);
      assertEquals(holding, [worker]);
      await release([future, data!]);
      await eventually([0, 0], async () => (await stage.observer.schedulerInfo()).workers.map((w) => w.results));
    }
    assertMatch(await client.submit(where, { pure: false }), /^worker-[12]$/);
  });

  it("what a worker has fetched it keeps for the next that needs it, and it is forgotten everywhere at once", async () => {
    const client = stage.direct;
    const [data] = client.scatter([new Uint8Array(200_000)], { workers: ["worker-1"] });
    const kept = async () => {
      const { workers } = await stage.observer.schedulerInfo();
      return Object.fromEntries(workers.map(({ name, results, copies }) => [name, [results, copies]]));
    };
    for (const x of [1, 2]) {
      assertEquals(await client.submit(sizeOf, [data!], { workers: ["worker-2"], pure: false, priority: x }), 200_000);
      await eventually({ "worker-1": [1, 0], "worker-2": [1, 1] }, kept);
    }
    await release(data!);
    await eventually({ "worker-1": [0, 0], "worker-2": [0, 0] }, kept);
  });

  it("workers are not drowned: what they cannot run yet waits at the scheduler", async () => {
    await using cluster = await LocalCluster.start({ workers: 1, nthreads: 2 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const waiter = await client.submit(Waiter, { actor: true });
    const waitForIt = async (waiter: { wait(): Promise<void> }, i: number) => {
      await waiter.wait();
      return i;
    };
    const futures = Array.from({ length: 50 }, (_, i) => client.submit(waitForIt, [waiter as never, i]));
    const { workers, tasks } = await client.schedulerInfo();
    assert(workers[0]!.processing <= 4, `${workers[0]!.processing} of 50`);
    assertEquals(tasks.waiting + tasks.processing, 50);
    await waiter.set();
    assertEquals(await gather(futures), Array.from({ length: 50 }, (_, i) => i));
  });

  it("quick tasks that were given ahead do not wait for one that is slow", async () => {
    await using cluster = await LocalCluster.start({ workers: 2, nthreads: 1 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    // The slow one holds its isolate up until the file is gone.
    const file = await Deno.makeTempFile();
    const work = ([n, file]: readonly [number, string]) => {
      while (n === 400) {
        try {
          Deno.statSync(file);
        } catch {
          break;
        }
      }
      return n;
    };
    const numbers = Array.from({ length: 300 }, (_, index) => index);
    await gather(client.map(work, numbers.map((n) => [n, file] as const)));
    const futures = client.map(work, numbers.map((n) => [300 + n, file] as const));
    let done = 0;
    for await (const _future of asCompleted(futures)) {
      // The slow one, and the next that its worker was given: two to a thread, as ever.
      if (++done === 298) break;
    }
    assertEquals(futures[100]!.done(), false);
    await Deno.remove(file);
    assertEquals((await gather(futures))[100], 400);
  });

  it("B7: what has a higher priority is run first", async () => {
    await using cluster = await LocalCluster.start({ workers: 1, nthreads: 1, isolates: 1 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const waiter = await client.submit(Waiter, { actor: true });
    const order = await client.submit(
      () => {
        const seen: string[] = [];
        // deno-lint-ignore require-await
        return { add: async (name: string) => void seen.push(name), all: () => seen };
      },
      { actor: true },
    );
    const first = client.map(
      async (waiter: { wait(): Promise<void> }) => await waiter.wait(),
      [waiter, waiter] as never[],
      { pure: false },
    );
    const note = async (order: { add(name: string): Promise<void> }, name: string) => await order.add(name);
    const low = client.submit(note, [order as never, "low"], { pure: false });
    const high = client.submit(note, [order as never, "high"], { pure: false, priority: 1 });
    await client.schedulerInfo();
    await waiter.set();
    await gather([...first, low, high]);
    assertEquals(await order.all(), ["high", "low"]);
  });

  it("B7: resources are held for an actor's life: three that need one GPU run one after the other", async () => {
    await using cluster = await LocalCluster.start({ workers: 1, resources: { GPU: 1 } });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const futures = Array.from({ length: 3 }, () => client.submit(Tally, { actor: true, resources: { GPU: 1 } }));
    for (const [i, future] of futures.entries()) {
      const tally = await future;
      assertEquals(await tally.increment(), 1);
      const { waiting } = await client.schedulerInfo();
      const others = futures.slice(i + 1);
      assertEquals(waiting.map(({ key }) => key).sort(), others.map(({ key }) => key).sort());
      for (const { reason } of waiting) assertStringIncludes(reason ?? "", "GPU");
      assertEquals(others.map(({ status }) => status), others.map(() => "no-worker"));
      await release(tally);
    }
    await eventually([{ GPU: 0 }], async () => {
      return (await client.schedulerInfo()).workers.map(({ resourcesHeld: { GPU = 0 } }) => ({ GPU }));
    });
  });

  it("B7: a task holds its resources while it runs", async () => {
    await using cluster = await LocalCluster.start({ workers: 1, resources: { GPU: 1 } });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const spans = await gather(Array.from({ length: 3 }, () => {
      return client.submit(
        async () => {
          const start = Date.now();
          await new Promise((resolve) => setTimeout(resolve, 30));
          return [start, Date.now()] as const;
        },
        { resources: { GPU: 1 }, pure: false },
      );
    }));
    const sorted = spans.toSorted(([a], [b]) => a - b);
    for (const [i, [start]] of sorted.slice(1).entries()) assert(start >= sorted[i]![1] - 1, Deno.inspect(sorted));
  });

  it("B7: what fits no worker runs when one joins", async () => {
    await using cluster = await LocalCluster.start({ workers: 0 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const counter = client.submit(Counter, { actor: true });
    const sum = client.submit(add, [1, 2]);
    const late = client.submit(Counter, { actor: true, workers: ["worker-2"], timeout: 60_000 });
    const { waiting } = await client.schedulerInfo();
    assertEquals(waiting.length, 2);
    assertStringIncludes(waiting[0]!.reason ?? "", "no worker has joined");
    assertEquals([counter.status, late.status], ["no-worker", "no-worker"]);
    await cluster.scale(1);
    assertEquals(await (await counter).increment(), 1);
    assertEquals(await sum, 3);
    await cluster.scale(2);
    assertEquals((await workerOf(client, (await late && late).key)).name, "worker-2");
  });

  onBothRoutes(stage, "B7: what fits no worker says what was wanted and what is offered", async (client) => {
    const future = client.submit(Counter, { actor: true, workers: ["nowhere"], resources: { GPU: 2 }, timeout: 200 });
    const error = await assertRejects(async () => await future, NoWorkerError);
    for (const word of ["nowhere", "GPU", "worker-1", "worker-2"]) assertStringIncludes(error.message, word);
    assertEquals(error.executed, "no");
    const task = client.submit(add, [1, 2], { resources: { GPU: 2 }, timeout: 200, pure: false });
    assertStringIncludes((await assertRejects(async () => await task, NoWorkerError)).message, "GPU");
  });

  it("B53: a call on one machine takes less than 5 ms, also while others work", async () => {
    const tally = await stage.direct.submit(Tally, { actor: true });
    const times: number[] = [];
    for (let i = 0; i < 500; i++) {
      const start = performance.now();
      await tally.increment();
      times.push(performance.now() - start);
    }
    assertLess(times.sort((a, b) => a - b)[250]!, 5);
  });

  it("B54: what one actor computes does not hold up those on the event loop", async () => {
    const workers = ["worker-1"];
    const sleeper = await stage.direct.submit(Sleeper, { actor: true, workers });
    const tally = await stage.direct.submit(Tally, { actor: true, workers });
    const burning = sleeper.burn(500);
    const times: number[] = [];
    while (!burning.done()) {
      const start = performance.now();
      await tally.increment();
      times.push(performance.now() - start);
    }
    assert(times.length > 10);
    assertLess(times.sort((a, b) => a - b)[times.length >> 1]!, 50);
  });

  it("B55: the scheduler knows how many calls and errors each class had on each worker", async () => {
    const client = stage.direct;
    const faulty = await client.submit(Faulty, { actor: true });
    await gather([faulty.ok(), faulty.ok(), errorOf(faulty.fail("counted"))]);
    await eventually({ actors: 1, calls: 3, errors: 1 }, async () => {
      const { workers } = await client.schedulerInfo();
      const records = workers.flatMap(({ classes }) => classes).filter(({ className }) => className === "Faulty");
      const [{ actors = 0, calls = 0, errors = 0 } = {}] = records;
      return { actors, calls, errors };
    });
  });

  it("B56: everybody says which version they are", async () => {
    const { versions, workers, clients } = await stage.observer.schedulerInfo();
    assertMatch(versions.troupe, /^\d+\.\d+\.\d+$/);
    for (const peer of [...workers, ...clients]) assertEquals(peer.versions.troupe, versions.troupe);
  });
});
