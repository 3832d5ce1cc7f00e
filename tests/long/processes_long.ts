/**
 * What takes ten seconds and more until somebody is given up, or must not be: faults 4, 50, 59 and 60.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { ActorLostError, Client } from "../../mod.ts";
import { Pace } from "../fixtures/control_actors.ts";
import { Burner } from "../fixtures/end_to_end_actors.ts";
import { eventually } from "../helpers/eventually.ts";
import { childrenOf, isAlive, residentBytes } from "../helpers/processes.ts";
import { actorKeys, errorOf } from "../semantics/stage.ts";

const BURNER = `${import.meta.resolve("../fixtures/end_to_end_actors.ts")}#Burner`;

/** A class of the event loop that holds it up. */
class Blocker {
  async block(milliseconds: number): Promise<number> {
    const end = performance.now() + milliseconds;
    while (performance.now() < end);
    return await Promise.resolve(milliseconds);
  }
}

describe("a nanny that is frozen", () => {
  it("4. is given up after ten seconds; when it wakes up it ends its host, and registers anew without actors", async () => {
    await using cluster = await LocalCluster.start({ workers: 1 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const pace = await client.submit(Pace, { actor: true, key: "pace" });
    const { workers: [before] } = await client.schedulerInfo();
    const [nanny] = childrenOf("worker/main.ts");
    const lost = errorOf(pace.take(60_000));
    const frozen = performance.now();
    Deno.kill(nanny!, "SIGSTOP");
    try {
      const error = await lost;
      const seconds = (performance.now() - frozen) / 1000;
      assert(error instanceof ActorLostError && error.reason === "worker-timeout", String(error));
      assertEquals([error.worker, error.executed], ["worker-1", "unknown"]);
      assert(seconds > 7 && seconds < 14, `${seconds} s`);
      assertEquals((await client.schedulerInfo()).workers, []);
    } finally {
      Deno.kill(nanny!, "SIGCONT");
    }
    await eventually(false, () => isAlive(before!.hostPid), 1000);
    await eventually(1, async () => (await client.schedulerInfo()).workers.length);
    const { workers: [after] } = await client.schedulerInfo();
    assert(after!.id !== before!.id && after!.hostPid !== before!.hostPid);
    assertEquals(after!.actors, []);
    await using again = await client.submit(Pace, { actor: true, key: "pace" });
    assertEquals(await again.take(0, "back"), "back");
    assertEquals(childrenOf("worker/main.ts"), [nanny]);
  });
});

describe("clients that are killed", () => {
  const PROGRAM = `
    import { Client, gather } from ${JSON.stringify(import.meta.resolve("../../mod.ts"))};
    const client = await Client.connect(Deno.args[0], { token: Deno.env.get("TOKEN") });
    class Ballast { bytes = new Uint8Array(1 << 20).fill(1); async ping() { return await Promise.resolve("pong"); } }
    const actors = await gather(client.map(Ballast, Array(100), { actor: true }));
    await gather(actors.map((actor) => actor.ping()));
    console.log("ready");
  `;

  it("50. own nothing after twelve seconds, and what they owned takes no memory", async () => {
    await using cluster = await LocalCluster.start({ workers: 1 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const { workers: [worker] } = await client.schedulerInfo();
    const folder = await Deno.makeTempDir();
    const resident: number[] = [];
    try {
      await Deno.writeTextFile(`${folder}/main.ts`, PROGRAM);
      for (let round = 0; round < 3; round++) {
        const child = new Deno.Command(Deno.execPath(), {
          args: ["run", "--no-prompt", "--allow-net", "--allow-env=TOKEN", `${folder}/main.ts`, cluster.address],
          env: { TOKEN: cluster.token },
          stdout: "piped",
        }).spawn();
        const output = child.stdout.getReader();
        await output.read();
        assertEquals(actorKeys(await client.schedulerInfo()).length, 100);
        child.kill("SIGKILL");
        await child.status;
        await output.cancel();
        const died = performance.now();
        await eventually(0, async () => actorKeys(await client.schedulerInfo()).length, 15_000);
        assertLess(performance.now() - died, 13_000);
        resident.push(residentBytes(worker!.hostPid));
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    // Three times a hundred megabytes: what is not given back would show.
    assertLess(resident[2]! - resident[0]!, 60 * 2 ** 20, resident.map((bytes) => `${bytes >> 20} MiB`).join(", "));
  });
});

describe("code that takes all of the processors", () => {
  it("59. CPU hog: no worker is given up beside eight loops that compute for 30 s", async () => {
    await using cluster = await LocalCluster.start({ workers: 2 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const ids = async () => (await client.schedulerInfo()).workers.map(({ id, hostPid }) => [id, hostPid]);
    const before = await ids();
    const burners = client.map(BURNER as unknown as typeof Burner, Array(8), { actor: true, isolation: "dedicated" });
    const done = await Promise.all(burners.map(async (burner) => await (await burner).burn(30_000)));
    assert(done.every((rounds) => rounds > 0));
    assertEquals(await ids(), before);
  });

  it("60. Event-loop hog: a loop that is held up for 5 s is late, and nobody is given up", async () => {
    await using cluster = await LocalCluster.start({ workers: 1 });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const blocker = await client.submit(Blocker, { actor: true });
    const pace = await client.submit(Pace, { actor: true });
    await pace.take(0, "before");
    const { workers: [before] } = await client.schedulerInfo();
    const blocked = blocker.block(5000);
    const start = performance.now();
    const late = pace.take(0, "late");
    let lag = 0;
    let ended = false;
    blocked.then(() => ended = true);
    while (!ended) {
      const { workers: [worker] } = await client.schedulerInfo();
      lag = Math.max(lag, worker!.lag);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    assertEquals([await blocked, await late], [5000, "late"]);
    assert(performance.now() - start > 4000 && lag > 1000, `${lag} ms`);
    const { workers: [after] } = await client.schedulerInfo();
    assertEquals([after!.id, after!.hostPid], [before!.id, before!.hostPid]);
    assertEquals(await pace.started, ["before", "late"]);
  });
});
