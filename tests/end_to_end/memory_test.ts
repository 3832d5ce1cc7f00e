import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { ActorLostError, Client, DependencyLostError, gather, release, wait } from "../../mod.ts";
import { Tally } from "../fixtures/semantics_actors.ts";
import { errorOf, eventually } from "../semantics/stage.ts";

const MIB = 2 ** 20;

describe("a worker whose memory limit is lower than what its users keep", () => {
  it("puts results into a file where it may write, gives them as ever, and lives", async () => {
    const folder = await Deno.makeTempDir();
    try {
      await using cluster = await LocalCluster.start({
        workers: 1,
        nthreads: 1,
        memoryLimit: 600 * MIB,
        allow: `write=${folder}`,
      });
      await using client = await Client.connect(cluster.address, { token: cluster.token });
      const worker = async () => (await client.schedulerInfo()).workers[0]!;
      const { hostPid } = await worker();
      const fill = (byte: number) => new Uint8Array(20 * 2 ** 20).fill(byte);
      const futures = client.map(fill, Array.from({ length: 30 }, (_, index) => index));
      await wait(futures);
      const sums = await gather(client.map((bytes: Uint8Array) => bytes[7]! + bytes.length, futures));
      assertEquals(sums, futures.map((_, index) => index + 20 * MIB));
      await eventually(true, async () => (await worker()).spilledBytes > 0);
      assertEquals((await futures[0]!).at(-1), 0);
      assertEquals((await worker()).hostPid, hostPid);
      await release(futures);
      await eventually([0, 0], async () => {
        const { spilledBytes, results } = await worker();
        return [spilledBytes, results];
      });
      const left = [];
      for await (const { name } of Deno.readDir(folder)) left.push(name);
      assertEquals(left, [], "the file has no name");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("is ended where it may not write, and all who lost something hear what took the memory", async () => {
    await using cluster = await LocalCluster.start({ workers: 1, nthreads: 1, memoryLimit: 300 * MIB });
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    const tally = await client.submit(Tally, { actor: true });
    const fill = (length: number) => new Uint8Array(length).fill(1);
    const table = client.submit(fill, [30 * MIB], { key: "the-table", pure: false });
    await wait([table]);
    const growing = client.submit(fill, [200 * MIB], { key: "too-much", pure: false });
    for (const error of [await errorOf(tally.increment().then(() => growing)), await errorOf(growing)]) {
      assertStringIncludes(error.message, "the-table (30.0 MiB)");
    }
    const lost = await errorOf(tally.increment());
    assertInstanceOf(lost, ActorLostError);
    assertEquals(lost.reason, "oom");
    assertStringIncludes(lost.message, "It kept 30.0 MiB of results, the largest: the-table (30.0 MiB)");
    const gone = await errorOf(client.submit((bytes: Uint8Array) => bytes.length, [table]));
    assertInstanceOf(gone, DependencyLostError);
    assert(gone.message.includes("the-table (30.0 MiB)"), gone.message);
    assertEquals(await client.submit((x: number) => x + 1, [1]), 2);
  });
});
