import { assert, assertEquals, assertInstanceOf, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ChildProcess } from "../../cluster/child_process.ts";
import { LocalCluster } from "../../cluster/mod.ts";
import {
  ActorLostError,
  Client,
  ConnectionLostError,
  DependencyLostError,
  gather,
  type Handle,
  TroupeError,
  wait,
} from "../../mod.ts";
import { Waiter } from "../../examples/waiter.ts";
import {
  addSlowly,
  Caller,
  type Countable,
  Ender,
  fill,
  incrementTimes,
  sizeOf,
  Tally,
  where,
} from "../fixtures/semantics_actors.ts";
import { actorKeys, errorOf, eventually, workerNames, workerOf } from "./stage.ts";

/** A cluster whose workers a test may harm. */
async function openCluster(workers: number, directToWorkers: boolean) {
  const cluster = await LocalCluster.start({ workers });
  const client = await Client.connect(cluster.address, { token: cluster.token, directToWorkers });
  return {
    cluster,
    client,
    async [Symbol.asyncDispose]() {
      await client.close();
      await cluster.close();
    },
  };
}

/** Ends a worker's processes, as a machine does that loses power. */
async function kill(client: Client, name: string): Promise<void> {
  const worker = (await client.schedulerInfo()).workers.find((worker) => worker.name === name)!;
  Deno.kill(worker.pid, "SIGKILL");
  Deno.kill(worker.hostPid, "SIGKILL");
}

for (const directToWorkers of [true, false]) {
  const route = directToWorkers ? "direct" : "relayed";

  describe(`failure (${route})`, () => {
    it("B47: a worker that dies takes its actors; pending, later and dependent work says so", async () => {
      await using scene = await openCluster(2, directToWorkers);
      const { client } = scene;
      const future = client.submit(Tally, { actor: true, workers: ["worker-1"] });
      const tally = await future;
      const hanging = await gather(
        (["inline", "shared"] as const).map((isolation) => {
          return client.submit(Ender, [isolation, "killed"], { actor: true, isolation, workers: ["worker-1"] });
        }),
      );
      const survivor = await client.submit(Caller, [tally as Handle], { actor: true, workers: ["worker-2"] });
      assertEquals(await survivor.increment(), 1);
      const pending = hanging.map((ender) => errorOf(ender.hang()));
      await gather(hanging.map((ender) => ender.ping()));
      const slow = client.submit(addSlowly, [1, 1, 500], { pure: false, workers: ["worker-2"] });
      const dependent = client.submit(incrementTimes, [future as never as Countable, slow]);
      const dependentError = errorOf(dependent);
      await tally.increment();

      const start = performance.now();
      await kill(client, "worker-1");
      for (const error of await Promise.all(pending)) {
        assertInstanceOf(error, ActorLostError);
        assertEquals([error.executed, error.worker], ["unknown", "worker-1"]);
        assert(error.reason !== undefined);
      }
      assertLess(performance.now() - start, 1500);
      const later = await assertRejects(async () => await tally.increment(), ActorLostError);
      assertEquals(later.executed, "no");
      assertEquals(future.status, "lost");
      const failed = await dependentError;
      assertInstanceOf(failed, DependencyLostError);
      assertInstanceOf(failed.cause, ActorLostError);
      assertInstanceOf(await errorOf(survivor.increment().result({ timeout: 5000 })), ActorLostError);
      assertEquals(await survivor.count(), 1);
      const anew = await client.submit(Tally, { actor: true });
      assertEquals(await anew.increment(), 1, "others take its place");
    });

    it("B47: results of pure tasks are computed again, those of others are lost", async () => {
      await using scene = await openCluster(2, directToWorkers);
      const { client } = scene;
      const options = { workers: ["worker-1"], allowOtherWorkers: true };
      const pure = client.submit(fill, [5000], options);
      const impure = client.submit(fill, [5000], { ...options, pure: false });
      const [scattered] = client.scatter([new Uint8Array(5000)], options);
      await Promise.all([pure, impure, scattered!].map((future) => future.exception()));
      const running = client.submit(addSlowly, [1, 2, 300], options);
      const started = client.submit(addSlowly, [1, 2, 60_000], { ...options, pure: false });
      await eventually(2, async () => {
        return (await client.schedulerInfo()).workers.find(({ name }) => name === "worker-1")!.processing;
      });
      await kill(client, "worker-1");
      assertEquals(await client.submit(sizeOf, [pure]), 5000);
      assertEquals(await running, 3);
      for (const lost of [impure, scattered!]) {
        assertInstanceOf(await errorOf(client.submit(sizeOf, [lost], { pure: false })), DependencyLostError);
      }
      const error = await errorOf(started);
      assertInstanceOf(error, TroupeError);
      assertEquals(error.executed, "unknown");
      assertEquals(await client.submit(where), "worker-2");
    });

    it("B48: a call to a worker that died a moment ago settles, whoever knows of it", async () => {
      await using scene = await openCluster(2, directToWorkers);
      const { client } = scene;
      const tally = await client.submit(Tally, { actor: true, key: "tally" });
      const { pid, hostPid, name } = await workerOf(client, "tally");
      Deno.kill(pid, "SIGKILL");
      Deno.kill(hostPid, "SIGKILL");
      const start = performance.now();
      const error = await errorOf(tally.increment());
      assertInstanceOf(error, ActorLostError);
      assertEquals(error.worker, name);
      assertLess(performance.now() - start, 1500);
    });

    it("B49: a worker that leaves in good order loses its actors the same way", async () => {
      await using scene = await openCluster(2, directToWorkers);
      const { client, cluster } = scene;
      const future = client.submit(Tally, { actor: true, workers: ["worker-2"] });
      const tally = await future;
      await cluster.scale(1);
      const error = await errorOf(tally.increment());
      assertInstanceOf(error, ActorLostError);
      assertEquals(error.executed, "no");
      const dependent = await errorOf(client.submit(incrementTimes, [future as never as Countable]));
      assertInstanceOf(dependent, DependencyLostError);
    });

    it("B50: `retireWorkers` lets calls finish; the actors of the worker are lost", async () => {
      await using scene = await openCluster(2, directToWorkers);
      const { client } = scene;
      const waiter = await client.submit(Waiter, { actor: true, key: "waiter" });
      const worker = await workerOf(client, "waiter");
      const wait = waiter.wait();
      const caller = await client.submit(Caller, [waiter as Handle], { actor: true });
      await waiter.set();
      assertEquals(await client.retireWorkers(worker.name), [worker.id]);
      await wait;
      await eventually(false, async () => (await workerNames(client)).includes(worker.name));
      const error = await errorOf(waiter.wait());
      assertInstanceOf(error, ActorLostError);
      assertEquals(error.executed, "no");
      assertEquals(await caller.count(), 1, "one that has only the handle goes on");
      assertEquals(actorKeys(await client.schedulerInfo()).includes("waiter"), false);
    });

    it("B50: what only a worker keeps goes to others before it leaves", async () => {
      await using scene = await openCluster(2, directToWorkers);
      const { client, cluster } = scene;
      const options = { workers: ["worker-2"], allowOtherWorkers: true };
      const [scattered] = client.scatter([new Uint8Array(300_000)], options);
      const once = client.submit(fill, [5000], { ...options, pure: false });
      const pure = client.submit(fill, [6000], options);
      await wait([scattered!, once, pure]);
      const actor = await client.submit(Tally, { actor: true, workers: ["worker-2"] });
      // Whichever way it leaves: here by a signal to its nanny.
      await cluster.scale(1);
      assertEquals(await gather([scattered!, once, pure].map((future) => client.submit(sizeOf, [future]))), [
        300_000,
        5000,
        6000,
      ]);
      assertEquals((await scattered!).length, 300_000);
      const { workers } = await client.schedulerInfo();
      assertEquals(workers.map(({ name, results, copies }) => [name, results, copies]), [["worker-1", 3, 0]]);
      assertInstanceOf(await errorOf(actor.increment()), ActorLostError);
    });
  });
}

describe("failure", () => {
  it("B51: when the scheduler dies everything ends in typed errors, and nothing hangs", async () => {
    const token = "0".repeat(64);
    const flags = ["--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-sys", "--allow-run"];
    const { child: scheduler, ready } = await ChildProcess.start({
      name: "scheduler",
      module: new URL("../../scheduler/main.ts", import.meta.url),
      flags,
      args: ["--child", "--port", "0"],
      token,
    });
    const address = String(ready["address"]);
    const { child: worker } = await ChildProcess.start({
      name: "worker",
      module: new URL("../../worker/main.ts", import.meta.url),
      flags: [...flags, "--unstable-worker-options"],
      args: ["--child", address, "--name", "worker-1"],
      token,
    });
    try {
      const client = await Client.connect(address, { token });
      const waiter = await client.submit(Waiter, { actor: true });
      await waiter.set();
      await waiter.wait();
      const running = client.submit(addSlowly, [1, 2, 60_000]);
      const unplaced = client.submit(Tally, { actor: true, resources: { GPU: 1 } });
      await client.schedulerInfo();
      const errors = [running, unplaced].map(errorOf);
      Deno.kill(scheduler.pid, "SIGKILL");
      for (const error of await Promise.all(errors)) assertInstanceOf(error, ConnectionLostError);
      const next = await errorOf(client.submit(addSlowly, [1, 2]));
      assertInstanceOf(next, ConnectionLostError);
      assertStringIncludes(next.message, "scheduler");
      await client.close();
    } finally {
      await worker.close();
      await scheduler.close();
    }
  });
});
