import { assert, assertEquals, assertInstanceOf, assertLess, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ChildProcess } from "../../cluster/child_process.ts";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, ActorLostError, Client, ConnectionLostError, remote } from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import { Waiter } from "../../examples/waiter.ts";
import { isAlive } from "../helpers/processes.ts";
import { Mixed } from "../fixtures/end_to_end_actors.ts";

remote(import.meta.resolve("../../examples/counter.ts"), { Counter });
remote(import.meta.resolve("../../examples/waiter.ts"), { Waiter });
remote(import.meta.resolve("../fixtures/end_to_end_actors.ts"), { Mixed });

/** The worker on which an actor of a key lives. */
async function workerOf(client: Client, key: string) {
  const { workers } = await client.schedulerInfo();
  return workers.find((worker) => worker.actors.some((actor) => actor.key === key))!;
}

/** Waits until `holds`, asking the scheduler again and again; gives up after `milliseconds`. */
async function eventually(milliseconds: number, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!await holds()) {
    assert(performance.now() < end, `not within ${milliseconds} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A hundred calls that wait, and have started. */
async function hundredWaits(waiter: Actor<Waiter>, client: Client): Promise<Promise<unknown>[]> {
  const waits = Array.from({ length: 100 }, () => waiter.wait());
  const settled = waits.map((wait) => wait.then(() => assert(false, "it must not return"), (error) => error));
  // The answer of another actor of the same home, over the same connection, follows them.
  await using other = await client.submit(Waiter, { actor: true });
  await other.set();
  return settled;
}

for (const directToWorkers of [true, false]) {
  const route = directToWorkers ? "direct" : "relayed";

  describe(`a hundred pending calls (${route})`, () => {
    it("reject within a second when the host is killed; a new host takes actors within another", async () => {
      await using cluster = await LocalCluster.start({ workers: 1 });
      await using client = await Client.connect(cluster.address, { token: cluster.token, directToWorkers });
      const waiter = await client.submit(Waiter, { actor: true, key: "waiter" });
      const waits = await hundredWaits(waiter, client);
      const { hostPid, name } = await workerOf(client, "waiter");

      const start = performance.now();
      Deno.kill(hostPid, "SIGKILL");
      for (const error of await Promise.all(waits)) {
        assertInstanceOf(error, ActorLostError);
        assertEquals(error.executed, "unknown");
        assertEquals(error.reason, "host-exit");
        assertEquals(error.worker, name);
      }
      assertLess(performance.now() - start, 1000);

      const later = await assertRejects(async () => await waiter.wait(), ActorLostError);
      assertEquals(later.executed, "no");
      await using counter = await client.submit(Counter, { actor: true, timeout: 2000 });
      assertEquals(await counter.increment(), 1);
      assertLess(performance.now() - start, 2500);
    });

    it("reject when the whole worker is killed", async () => {
      await using cluster = await LocalCluster.start({ workers: 2 });
      await using client = await Client.connect(cluster.address, { token: cluster.token, directToWorkers });
      const waiter = await client.submit(Waiter, { actor: true, key: "waiter" });
      const waits = await hundredWaits(waiter, client);
      const { id, pid, hostPid } = await workerOf(client, "waiter");

      const start = performance.now();
      Deno.kill(pid, "SIGKILL");
      Deno.kill(hostPid, "SIGKILL");
      for (const error of await Promise.all(waits)) {
        assertInstanceOf(error, ActorLostError);
        assertEquals(error.executed, "unknown");
      }
      assertLess(performance.now() - start, 1500);
      await eventually(2000, async () => (await client.schedulerInfo()).workers.every((worker) => worker.id !== id));
      await using counter = await client.submit(Counter, { actor: true });
      assertEquals(await counter.increment(), 1);
    });
  });
}

describe("a scheduler that is killed", () => {
  it("ends what its clients await in typed errors", async () => {
    const token = "0".repeat(64);
    const { child: scheduler, ready } = await ChildProcess.start({
      name: "scheduler",
      module: new URL("../../scheduler/main.ts", import.meta.url),
      flags: ["--allow-net", "--allow-read", "--allow-env", "--no-prompt"],
      args: ["--child", "--port", "0"],
      token,
    });
    const client = await Client.connect(String(ready["address"]), { token });
    const unplaced = client.submit(Counter, { actor: true });
    const info = await client.schedulerInfo();
    assertEquals(info.waiting.map(({ key }) => key), [unplaced.key]);
    assertEquals(unplaced.status, "no-worker");

    Deno.kill(scheduler.pid, "SIGKILL");
    await assertRejects(async () => await unplaced, ConnectionLostError);
    await assertRejects(async () => await client.schedulerInfo(), ConnectionLostError);
    await assertRejects(async () => await client.submit(Counter, { actor: true }), ConnectionLostError);
    await client.close();
    await scheduler.close();
  });
});

describe("a scheduler that is killed and started again", () => {
  it("31. takes its workers in again, without the actors that they had, and its clients anew", async () => {
    const token = "0".repeat(64);
    const flags = ["--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-sys", "--allow-run"];
    const startScheduler = (port: number) =>
      ChildProcess.start({
        name: "scheduler",
        module: new URL("../../scheduler/main.ts", import.meta.url),
        flags,
        args: ["--child", "--port", `${port}`],
        token,
      });
    const first = await startScheduler(0);
    const address = String(first.ready["address"]);
    const { child: worker } = await ChildProcess.start({
      name: "worker",
      module: new URL("../../worker/main.ts", import.meta.url),
      flags: [...flags, "--unstable-worker-options"],
      args: ["--child", address, "--name", "worker-1"],
      token,
    });
    const routes = await Promise.all([true, false].map((directToWorkers) => {
      return Client.connect(address, { token, directToWorkers });
    }));
    const waiters = await Promise.all(routes.map(async (client, index) => {
      return await client.submit(Waiter, { actor: true, key: `waiter-${index}` });
    }));
    const pending = (await Promise.all(waiters.map((waiter, index) => hundredWaits(waiter, routes[index]!)))).flat();
    const { hostPid } = await workerOf(routes[0]!, "waiter-0");
    Deno.kill(first.child.pid, "SIGKILL");
    for (const error of await Promise.all(pending)) {
      assertInstanceOf(error, ConnectionLostError);
      assertEquals(error.executed, "unknown");
    }
    await eventually(2000, () => Promise.resolve(!isAlive(hostPid)));
    for (const waiter of waiters) {
      const later = await assertRejects(async () => await waiter.set(), ConnectionLostError);
      assertEquals(later.executed, "no");
    }
    const second = await startScheduler(Number(new URL(address).port));
    {
      await using client = await Client.connect(address, { token });
      await using waiter = await client.submit(Waiter, { actor: true, key: "waiter-0" });
      await waiter.set();
      const { workers } = await client.schedulerInfo();
      assertEquals(workers.map(({ name, actors }) => [name, actors.length]), [["worker-1", 1]]);
    }
    for (const client of routes) await client.close();
    await worker.close();
    for (const { child } of [first, second]) await child.close();
  });
});

describe("a nanny that is killed", () => {
  it("leaves no host behind", async () => {
    await using cluster = await LocalCluster.start({ workers: 1 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    await using mixed = await client.submit(Mixed, { actor: true, key: "mixed" });
    await mixed.increment();
    const { pid, hostPid } = await workerOf(client, "mixed");
    assert(isAlive(hostPid));
    Deno.kill(pid, "SIGKILL");
    await eventually(2000, () => Promise.resolve(!isAlive(hostPid)));
  });
});
