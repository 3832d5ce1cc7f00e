import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { ActorLostError, Client, remote } from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import { Waiter } from "../../examples/waiter.ts";
import { isAlive } from "../helpers/processes.ts";

remote(import.meta.resolve("../../examples/counter.ts"), { Counter });
remote(import.meta.resolve("../../examples/waiter.ts"), { Waiter });

for (const mode of ["process", "inline"] as const) {
  describe(`a local cluster (${mode})`, () => {
    it("runs actors of both homes on its workers", async () => {
      await using cluster = await LocalCluster.start({ workers: 2, mode });
      await using client = await Client.connect(cluster.address, { token: cluster.token });
      const [counter, waiter] = await client.gather([
        client.submit(Counter, { actor: true }),
        client.submit(Waiter, { actor: true }),
      ]);
      const wait = waiter.wait();
      assertEquals(await counter.add(5), 5);
      await waiter.set();
      await wait;
      const { workers } = await client.schedulerInfo();
      assertEquals(workers.map(({ name, actors }) => [name, actors.length]).sort(), [["worker-1", 1], ["worker-2", 1]]);
      assertEquals(new Set(workers.map(({ hostPid }) => hostPid)).size, mode === "process" ? 2 : 1);
      assertEquals(client.dashboardLink, cluster.dashboardLink);
    });

    it("grows and shrinks; the youngest go first, and their actors are lost", async () => {
      await using cluster = await LocalCluster.start({ workers: 1, mode });
      await using client = await Client.connect(cluster.address, { token: cluster.token });
      await cluster.scale(2);
      assertEquals(cluster.size, 2);
      const names = async () => (await client.schedulerInfo()).workers.map(({ name }) => name).sort();
      assertEquals(await names(), ["worker-1", "worker-2"]);
      const counter = await client.submit(Counter, { actor: true, workers: "worker-2" });
      assertEquals(await counter.increment(), 1);
      await cluster.scale(1);
      assertEquals(await names(), ["worker-1"]);
      const error = await assertRejects(async () => await counter.increment(), ActorLostError);
      assertEquals(error.executed, "no");
    });

    it("gives workers what they offer", async () => {
      await using cluster = await LocalCluster.start({ workers: 1, mode, resources: { GPU: 1 } });
      await using client = await Client.connect(cluster.address, { token: cluster.token });
      await using one = await client.submit(Counter, { actor: true, resources: { GPU: 1 } });
      const other = client.submit(Counter, { actor: true, resources: { GPU: 1 } });
      assertEquals((await client.schedulerInfo()).waiting.map(({ key }) => key), [other.key]);
      assertEquals(other.status, "no-worker");
      await one[Symbol.asyncDispose]();
      assertEquals(await (await other).increment(), 1);
    });
  });
}

describe("a local cluster", () => {
  it("leaves no process behind", async () => {
    const cluster = await LocalCluster.start({ workers: 2 });
    const client = await Client.connect(cluster.address, { token: cluster.token });
    const { workers } = await client.schedulerInfo();
    const pids = workers.flatMap(({ pid, hostPid }) => [pid, hostPid]);
    assert(pids.every(isAlive));
    await client.close();
    await cluster.close();
    assertEquals(pids.filter(isAlive), []);
  });

  it("is what Client.connect starts where it gets no address, and ends with the client", async () => {
    const client = await Client.connect();
    await using counter = await client.submit(Counter, { actor: true });
    assertEquals(await counter.increment(), 1);
    const { workers } = await client.schedulerInfo();
    assertEquals(workers.length, 2);
    await client.close();
    assertEquals(workers.flatMap(({ pid, hostPid }) => [pid, hostPid]).filter(isAlive), []);
  });

  it("refuses options that it does not know, and wrong ones, before anything starts", async () => {
    for (
      const [options, message] of [
        [{ worker: 2 }, `unknown option "worker"`],
        [{ workers: -1 }, "workers has to be a whole number from 0, got -1"],
        [{ mode: "thread" }, `"process" or "inline"`],
        [{ resources: { GPU: -1 } }, "resources has to be"],
        [{ resources: { "A B": 1 } }, "resources has to be"],
        [{ port: 70_000 }, "port has to be"],
        [{ isolates: 0 }, "isolates has to be"],
        [{ nthreads: 1.5 }, "nthreads has to be"],
        [{ memoryLimit: "2GiB" }, "memoryLimit has to be"],
        [{ allowModules: "https://example.com/" }, "allowModules has to be an array"],
        [{ config: "no/deno.json" }, "there is no such file"],
      ] as const
    ) await assertRejects(() => LocalCluster.start(options as never), TypeError, message);
  });

  it("that was closed says so where it is scaled", async () => {
    const cluster = await LocalCluster.start({ workers: 0, mode: "inline" });
    await cluster.close();
    await assertRejects(() => cluster.scale(1), Error, "it was closed");
  });

  it("runs in one process where no process may be started, and says so in one line", async () => {
    const program = `
      import { Client } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
      class Counter { n = 0; increment() { return ++this.n; } }
      await using client = await Client.connect();
      const counter = await client.submit(Counter, { actor: true });
      console.log(await counter.increment());
    `;
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/main.ts`, program);
      const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", `${folder}/main.ts`],
      }).output();
      const said = new TextDecoder().decode(stderr);
      assert(success, said);
      assertEquals(new TextDecoder().decode(stdout), "1\n");
      assertStringIncludes(said, "--allow-run");
      assertEquals(said.trim().split("\n").filter((line) => line.startsWith("Troupe")).length, 1);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
