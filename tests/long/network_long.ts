/**
 * What takes long to happen to a network of processes: faults 25, 28, 37 and 38.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ChildProcess } from "../../cluster/child_process.ts";
import { LocalCluster } from "../../cluster/mod.ts";
import { ActorLostError, Client, ConnectionLostError, TroupeError } from "../../mod.ts";
import { Pace } from "../fixtures/control_actors.ts";
import { Tally } from "../fixtures/semantics_actors.ts";
import { eventually } from "../helpers/eventually.ts";
import { isAlive, residentBytes } from "../helpers/processes.ts";
import { errorOf } from "../semantics/stage.ts";

const TOKEN = "0".repeat(64);
const FLAGS = ["--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-sys", "--allow-run"];

async function startScheduler(port = 0) {
  const { child, ready } = await ChildProcess.start({
    name: "scheduler",
    module: new URL("../../scheduler/main.ts", import.meta.url),
    flags: FLAGS,
    args: ["--child", "--port", `${port}`],
    token: TOKEN,
  });
  return { child, address: String(ready["address"]) };
}

async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

describe("a scheduler that is frozen", () => {
  it("25. and 28. is waited for for 5 s; after 12 s all have given it up, and find it again when it wakes up", async () => {
    const { child: scheduler, address } = await startScheduler();
    const { child: worker } = await ChildProcess.start({
      name: "worker",
      module: new URL("../../worker/main.ts", import.meta.url),
      flags: [...FLAGS, "--unstable-worker-options"],
      args: ["--child", address, "--name", "worker-1"],
      token: TOKEN,
    });
    const routes = await Promise.all([true, false].map((directToWorkers) => {
      return Client.connect(address, { token: TOKEN, directToWorkers });
    }));
    try {
      const actors = await Promise.all(routes.map(async (client) => await client.submit(Pace, { actor: true })));
      for (const pace of actors) await pace.take(0, "before");
      const { workers: [before] } = await routes[0]!.schedulerInfo();

      Deno.kill(scheduler.pid, "SIGSTOP");
      // Who is called directly notices nothing; who is relayed is late.
      const during = actors.map((pace) => pace.take(0, "during"));
      assertEquals(await during[0], "during");
      await pause(5000);
      Deno.kill(scheduler.pid, "SIGCONT");
      assertEquals(await during[1], "during");
      const { workers: [same] } = await routes[0]!.schedulerInfo();
      assertEquals([same!.id, same!.hostPid], [before!.id, before!.hostPid]);

      const pending = actors.map((pace) => errorOf(pace.take(60_000)));
      for (const pace of actors) await pace.take(0, "after them");
      Deno.kill(scheduler.pid, "SIGSTOP");
      const frozen = performance.now();
      const asked = errorOf(routes[0]!.schedulerInfo());
      for (const error of await Promise.all([...pending, asked])) {
        assert(error instanceof ConnectionLostError && error.executed === "unknown", String(error));
      }
      assertLess(performance.now() - frozen, 13_000);
      assertEquals(isAlive(before!.hostPid), false);
      Deno.kill(scheduler.pid, "SIGCONT");
      await using client = await Client.connect(address, { token: TOKEN });
      await using again = await client.submit(Pace, { actor: true });
      assertEquals(await again.take(0, "again"), "again");
      await eventually(1, async () => (await client.schedulerInfo()).workers.length, 15_000);
    } finally {
      for (const client of routes) await client.close();
      await worker.close();
      await scheduler.close();
    }
  });
});

describe("hosts that are killed one after another", () => {
  it("37. Rolling kill: 200 counters that are created anew never lose an answer, nor count a call twice", async () => {
    await using cluster = await LocalCluster.start({ workers: 4 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    let over = false;
    let losses = 0;
    let answers = 0;

    /** One counter after another, until it is over. */
    async function count(): Promise<void> {
      while (!over) {
        await using tally = await client.submit(Tally, { actor: true });
        let acknowledged = 0;
        let uncertain = 0;
        for (let lost = false; !over && !lost;) {
          // Three at once: they start in this order.
          const calls = await Promise.allSettled([tally.increment(), tally.increment(), tally.increment()]);
          for (const call of calls) {
            if (call.status === "fulfilled") {
              acknowledged++;
              answers++;
              assert(call.value >= acknowledged && call.value <= acknowledged + uncertain, `${call.value}`);
              continue;
            }
            assert(call.reason instanceof TroupeError, String(call.reason));
            if (call.reason.executed !== "no") uncertain++;
            lost ||= call.reason instanceof ActorLostError;
          }
          if (lost) losses++;
          await pause(20);
        }
      }
    }

    const counting = Array.from({ length: 200 }, async () => {
      // What is lost while it is created is created anew as well.
      while (!over) await count().catch((error) => assert(error instanceof ActorLostError, String(error)));
    });
    for (let killed = 0; killed < 30; killed++) {
      await pause(2000);
      const { workers } = await client.schedulerInfo();
      const victim = workers.find(({ name }) => name === `worker-${killed % 4 + 1}`);
      if (victim?.hostPid) Deno.kill(victim.hostPid, "SIGKILL");
    }
    const last = performance.now();
    const before = answers;
    await eventually(true, () => answers > before + 1000);
    over = true;
    await Promise.all(counting);
    assertLess(performance.now() - last, 5000);
    assert(losses > 200 && answers > 10_000, `${losses} losses, ${answers} answers`);
  });
});

describe("clients that come back all at once", () => {
  it("38. Reconnect storm: 500 of them find a scheduler that was started again, and it stays small", async () => {
    const first = await startScheduler();
    const { address } = first;
    const connect = () => Client.connect(address, { token: TOKEN });
    const clients = await Promise.all(Array.from({ length: 500 }, connect));
    // It waits for a worker until the connection is lost.
    const lost = clients.map((client) => errorOf(client.submit(Tally, { actor: true })));
    await Promise.all(clients.map((client) => client.schedulerInfo()));
    Deno.kill(first.child.pid, "SIGKILL");
    for (const error of await Promise.all(lost)) assert(error instanceof ConnectionLostError, String(error));
    const away = performance.now();
    const coming = clients.map(async (client) => {
      await client.close();
      for (;;) {
        try {
          return await connect();
        } catch (error) {
          assert(error instanceof ConnectionLostError && error.retryable, String(error));
          await pause(Math.random() * 500);
        }
      }
    });
    const second = await startScheduler(Number(new URL(address).port));
    const back = await Promise.all(coming);
    assertLess(performance.now() - away, 30_000);
    assertLess(residentBytes(second.child.pid), 200 * 2 ** 20);
    await Promise.all(back.map((client) => client.schedulerInfo()));
    await Promise.all(back.map((client) => client.close()));
    for (const { child } of [first, second]) await child.close();
  });
});
