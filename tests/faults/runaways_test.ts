import { assert, assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, ActorLostError, CallTimeoutError, Client, RemoteError, withOptions } from "../../mod.ts";
import { neverBorn, Runaway, RunawayInline, spinForEver, square, Unborn } from "../fixtures/runaway_actors.ts";
import { isAlive } from "../helpers/processes.ts";
import { errorOf, eventually } from "../semantics/stage.ts";

const DEADLINE = 300;

/** Processor seconds that a process has used. */
function processorTime(pid: number): number {
  const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/stat`] }).outputSync();
  const fields = new TextDecoder().decode(stdout).split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

describe("6. what runs away", () => {
  let cluster: LocalCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 1 });
    client = await Client.connect(cluster.address, { token: cluster.token });
  });

  afterAll(async () => {
    await client.close();
    await cluster[Symbol.asyncDispose]();
  });

  /** Calls a method that does not come back; says how its actor was lost, and when. */
  async function runAway(actor: Actor<Runaway>, method: "spin" | "spinLater" | "match") {
    await actor.increment();
    const start = performance.now();
    const error = await errorOf(withOptions(actor, { timeout: DEADLINE })[method]());
    assertInstanceOf(error, CallTimeoutError);
    assertEquals(error.executed, "unknown");
    assertLess(performance.now() - start, DEADLINE + 500);
    const lost = await errorOf(actor.increment());
    assertInstanceOf(lost, ActorLostError);
    return { reason: lost.reason, after: performance.now() - start };
  }

  for (const method of ["spin", "match"] as const) {
    it(`in a shared isolate (${method}): it is given up, and nothing beside it is harmed`, async () => {
      const neighbour = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
      const inline = await client.submit(RunawayInline, { actor: true });
      const actor = await client.submit(Runaway, { actor: true, isolation: "shared" });
      const { reason, after } = await runAway(actor, method);
      assertEquals(reason, "isolate-stuck");
      assertLess(after, DEADLINE + 1500);
      assertEquals([await neighbour.increment(), await inline.increment()], [1, 1]);
      await using next = await client.submit(Runaway, { actor: true, isolation: "shared" });
      assertEquals(await next.increment(), 1);
    });
  }

  for (const method of ["spin", "match", "spinLater"] as const) {
    it(`in a process of its own (${method}): that is killed, and the processor is given back`, async () => {
      const neighbour = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
      const actor = await client.submit(Runaway, { actor: true, isolation: "process" });
      const pid = await actor.pid();
      const { reason, after } = await runAway(actor, method);
      assertEquals(reason, "host-stuck");
      // What holds a loop up while no call is on its stack may belong to a call that has time.
      assertLess(after, DEADLINE + (method === "spinLater" ? 7500 : 1500));
      await eventually(false, () => isAlive(pid), 500);
      assertEquals(await neighbour.increment(), 1);
    });
  }

  it("with `kill-host`: the host is gone within a second, its actors are lost, and the processor is given back", async () => {
    const neighbour = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
    const pid = await neighbour.pid();
    const actor = await client.submit(Runaway, { actor: true, isolation: "shared", onStuck: "kill-host" });
    const { reason, after } = await runAway(actor, "spin");
    assertEquals(reason, "host-stuck");
    assertLess(after, DEADLINE + 1500);
    // Callers are told before it is killed.
    await eventually(false, () => isAlive(pid), 500);
    const error = await errorOf(neighbour.increment());
    assert(error instanceof ActorLostError && error.reason === "host-stuck");
    await using next = await client.submit(Runaway, { actor: true });
    const before = processorTime(await next.pid());
    await new Promise((resolve) => setTimeout(resolve, 500));
    assertLess(processorTime(await next.pid()) - before, 0.3);
  });

  it("on the host's own event loop with `kill-host`: the same", async () => {
    const actor = await client.submit(RunawayInline, { actor: true, onStuck: "kill-host" });
    await actor.increment();
    assertInstanceOf(await errorOf(withOptions(actor, { timeout: DEADLINE }).spin()), CallTimeoutError);
    const lost = await errorOf(actor.increment());
    assert(lost instanceof ActorLostError && lost.reason === "host-stuck");
  });

  it("a constructor that never comes back ends at its deadline, and takes its isolate along", async () => {
    const future = client.submit(Unborn, { actor: true, isolation: "dedicated", timeout: 500 });
    const error = await errorOf(future);
    assert(error instanceof CallTimeoutError || error instanceof ActorLostError, String(error));
    await using next = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
    assertEquals(await next.increment(), 1);
  });

  it("18. a factory that never settles is given up with its submission, wherever it runs, and its key is free", async () => {
    const key = `unborn-${crypto.randomUUID()}`;
    for (const isolation of ["inline", "shared", "dedicated", "process"] as const) {
      const future = client.submit(neverBorn, { actor: true, isolation, key, timeout: 500 });
      const error = await errorOf(future);
      assert(error instanceof CallTimeoutError && error.executed === "unknown", String(error));
      await using next = await client.submit(Runaway, { actor: true, key, timeout: 10_000 });
      assertEquals(await next.increment(), 1);
    }
  });

  it("a task that does not stop when it is cancelled loses its isolate, and the next one runs", async () => {
    const stuck = client.submit(spinForEver, []);
    await eventually("processing", () => stuck.status === "pending" ? "processing" : stuck.status);
    await stuck.cancel();
    assertEquals(await client.submit(square, [5]), 25);
    const alone = client.submit(spinForEver, [], { isolation: "process", timeout: 500 });
    assertInstanceOf(await errorOf(alone), CallTimeoutError);
  });

  it("a host that has given up more isolates than there are processors is replaced, and serves on", async () => {
    const first = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
    const pid = await first.pid();
    for (let count = 0; count <= navigator.hardwareConcurrency && isAlive(pid); count++) {
      const created = client.submit(Runaway, { actor: true, isolation: "dedicated" });
      // What is on the host while it is replaced is lost, too: either way the actor is gone once it is called again.
      await errorOf(created.then((actor) => withOptions(actor, { timeout: DEADLINE }).spin()));
      assertInstanceOf(await errorOf(created.then((actor) => actor.increment())), ActorLostError);
    }
    await eventually(false, () => isAlive(pid));
    await using next = await client.submit(Runaway, { actor: true });
    assertEquals(await next.increment(), 1);
  });
});

describe("11, 12. memory without end", () => {
  it("ends in an error with its reason, at the cap of its own process, or of the host's", async () => {
    Deno.env.set("TROUPE_MEMORY_LIMIT", "300MiB");
    await using cluster = await LocalCluster.start({ workers: 1 });
    Deno.env.delete("TROUPE_MEMORY_LIMIT");
    await using client = await Client.connect(cluster.address, { token: cluster.token });
    for (const method of ["fillHeap", "fillBuffers"] as const) {
      const neighbour = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
      const alone = await client.submit(Runaway, { actor: true, memoryLimit: 150 << 20 });
      const error = await errorOf(alone[method]());
      assert(error instanceof ActorLostError && error.reason === "oom", String(error));
      assertEquals(await neighbour.increment(), 1);
      const shared = await client.submit(Runaway, { actor: true, isolation: "shared" });
      const lost = await errorOf(shared[method]());
      assert(lost instanceof ActorLostError && lost.reason === "oom", String(lost));
      assertInstanceOf(await errorOf(neighbour.increment()), ActorLostError);
    }
  });
});

describe("what code does to its own process", () => {
  let cluster: LocalCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 1 });
    client = await Client.connect(cluster.address, { token: cluster.token });
  });

  afterAll(async () => {
    await client.close();
    await cluster[Symbol.asyncDispose]();
  });

  it("8. an exit ends its isolate or process, with that reason, and nothing else", async () => {
    const neighbour = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
    for (const isolation of ["shared", "dedicated", "process"] as const) {
      const actor = await client.submit(Runaway, { actor: true, isolation });
      const error = await errorOf(actor.exit(3));
      assert(error instanceof ActorLostError && error.reason === "isolate-exit", `${isolation}: ${error}`);
      assertEquals(error.executed, "unknown");
      const later = await errorOf(actor.increment());
      assert(later instanceof ActorLostError && later.executed === "no", `a call made afterwards: ${later}`);
    }
    assertEquals(await neighbour.increment(), 1);
  });

  it("14. a kill of its own process, without any permission, ends that process alone", async () => {
    const neighbour = await client.submit(Runaway, { actor: true, isolation: "dedicated" });
    const actor = await client.submit(Runaway, { actor: true, isolation: "process", permissions: "none" });
    const error = await errorOf(actor.killItself());
    assert(error instanceof ActorLostError && error.reason === "host-exit", String(error));
    assertEquals(await neighbour.increment(), 1);
  });

  it("16. a stack overflow is a RangeError of its caller's, and the actor goes on", async () => {
    const actor = await client.submit(Runaway, { actor: true });
    const error = await errorOf(actor.overflow());
    assertInstanceOf(error, RemoteError);
    assertEquals(error.name, "RangeError");
    assertEquals(await actor.increment(), 1);
  });

  it("10. a rejection that nobody awaits fails no call", async () => {
    const actor = await client.submit(Runaway, { actor: true });
    await actor.leaveRejection();
    assertEquals(await actor.increment(), 1);
  });

  it("15. an actor that listens to signals does not keep its worker from leaving in time", async () => {
    await using leaving = await LocalCluster.start({ workers: 1 });
    await using other = await Client.connect(leaving.address, { token: leaving.token });
    const actor = await other.submit(Runaway, { actor: true, isolation: "shared" });
    await actor.ignoreSignals();
    const pid = await actor.pid();
    const start = performance.now();
    await other.retireWorkers((await other.schedulerInfo()).workers.map(({ id }) => id), { timeout: 500 });
    assertLess(performance.now() - start, 3000);
    await eventually(false, () => isAlive(pid));
  });

  it("21. sync and async methods of one instance share its state, wherever it lives", async () => {
    for (const isolation of ["shared", "dedicated", "process"] as const) {
      const actor = await client.submit(Runaway, { actor: true, isolation });
      const calls: PromiseLike<number>[] = [];
      for (let n = 0; n < 500; n++) calls.push(actor.increment(), actor.incrementLater());
      assertEquals(await Promise.all(calls), Array.from({ length: 1000 }, (_, index) => index + 1));
    }
  });
});
