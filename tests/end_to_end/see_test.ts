import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { ActorNotFoundError, CallTimeoutError, Client, gather, remote, withOptions } from "../../mod.ts";
import { metricsKeyOf } from "../../protocol/metrics_key.ts";
import { Queued, Slow, Talker } from "../fixtures/dashboard_actors.ts";
import { Counter } from "../../examples/counter.ts";
import { Waiter } from "../../examples/waiter.ts";
import { eventually } from "../semantics/stage.ts";

remote(import.meta.resolve("../fixtures/dashboard_actors.ts"), { Queued, Slow, Talker });
remote(import.meta.resolve("../../examples/counter.ts"), { Counter });
remote(import.meta.resolve("../../examples/waiter.ts"), { Waiter });

describe("what is seen of a cluster", () => {
  let cluster: LocalCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 2, isolates: 1 });
    client = await Client.connect(cluster.address, { token: cluster.token, onUnobservedError: () => {} });
  });
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
  });

  const api = async (path: string) => {
    const headers = { authorization: `Bearer ${cluster.token}` };
    const response = await fetch(new URL(`/api/v1${path}`, cluster.dashboardLink), { headers });
    return await response.json();
  };

  it("is exact after 10 000 calls, which add nothing to what the scheduler receives", async () => {
    const counter = await client.submit(Counter, { actor: true });
    await counter.increment();
    const before = await client.schedulerInfo();
    const started = performance.now();
    for (let round = 0; round < 10; round++) {
      await gather(Array.from({ length: 1000 }, () => counter.increment()));
    }
    const seconds = (performance.now() - started) / 1000;
    const after = await client.schedulerInfo();
    for (const name of ["submit", "data", "open", "request", "held", "observed"]) {
      const more = (after.messages[name] ?? 0) - (before.messages[name] ?? 0);
      assert(more <= 1, `${more} ${name} messages for 10 000 calls`);
    }
    // Two hosts report once a second, however many calls there are.
    const reports = (after.messages["report"] ?? 0) - (before.messages["report"] ?? 0);
    assert(reports <= 2 * Math.ceil(seconds + 1), `${reports} reports in ${seconds} s`);
    const counted = async () => {
      const { classes } = await api("/classes");
      const found = classes.find(({ className }: { className: string }) => className === "Counter");
      const method = found?.methods.find(({ name }: { name: string }) => name === "increment");
      return method && [method.calls, method.errors, method.inFlight, method.queued, method.running.count];
    };
    await eventually<unknown>([10_001, 0, 0, 0, 10_001], counted);
    const [actor] = await client.actors({ class: "Counter" });
    assertEquals([actor?.figures?.calls, actor?.figures?.inFlight], [10_001, 0]);
    assert(actor!.figures!.bytesOut > 10_000);
    await counter[Symbol.asyncDispose]();
  });

  it("shows what a sync method does while it holds up its isolate, and whom it holds up", async () => {
    const slow = await client.submit(Slow, { actor: true });
    const { worker } = (await client.actors({ class: "Slow" }))[0]!;
    const talker = await client.submit(Talker, { actor: true, workers: [worker!] });
    const computing = slow.compute(1500);
    await eventually([true, "compute", "compute"], async () => {
      const actors = await client.actors();
      const busy = actors.find(({ class: name }) => name === "Slow")?.figures;
      const held = actors.find(({ class: name }) => name === "Talker")?.heldUpBy;
      return [(busy?.busyFor ?? 0) > 300, busy?.method, held?.method];
    });
    await computing;
    await Promise.all([slow[Symbol.asyncDispose](), talker[Symbol.asyncDispose]()]);
  });

  it("shows the mailbox of an actor, and that it is busy though its caller has given up", async () => {
    const queued = await client.submit(Queued, { actor: true, key: "Queued-see" });
    const first = withOptions(queued, { timeout: 200 }).hold(2500);
    const others = [queued.hold(1), queued.hold(1), queued.hold(1)];
    await assertRejects(async () => await first, CallTimeoutError);
    const figures = async () => (await client.actors({ class: "Queued" }))[0]!.figures;
    await eventually([1, 3, 1, "hold"], async () => {
      const found = await figures();
      return [found?.inFlight, found?.queued, found?.errors, found?.method];
    });
    await eventually<unknown>(true, async () => {
      const { attention } = await api("/overview");
      return attention.some(({ text }: { text: string }) =>
        /^Queued-see has been in hold for .*; 3 calls wait for it$/.test(text)
      );
    });
    await gather(others);
    await eventually([0, 0, 4], async () => {
      const found = await figures();
      return [found?.inFlight, found?.queued, found?.calls];
    });
    // Three have waited, for the end of the first.
    await eventually([4, true], async () => {
      const { classes } = await api("/classes");
      const { methods } = classes.find(({ className }: { className: string }) => className === "Queued");
      return [methods[0].queueing.count, methods[0].queueing.p90 > 1500];
    });
    await queued[Symbol.asyncDispose]();
  });

  it("counts tasks by function", async () => {
    await client.gather(client.map(function triple(x: number) {
      return 3 * x;
    }, Array.from({ length: 50 }, (_, n) => n)));
    await eventually([50, 0], async () => {
      const { tasks } = await api("/classes");
      const found = tasks.find(({ name }: { name: string }) => name === "triple");
      return [found?.calls, found?.errors];
    });
  });

  it("has what actors and tasks print, with their key, class, method and call", async () => {
    const talker = await client.submit(Talker, { actor: true, key: "Talker-see" });
    await talker.say("hello");
    const task = client.submit(() => console.warn("careful"), [], { key: "warner" });
    await task;
    await eventually(
      [["log", "said hello", "Talker", "say", "number"], ["warn", "careful", "", "anonymous", "undefined"]],
      async () => {
        const lines = await api("/logs?limit=500");
        return lines.filter(({ text }: { text: string }) => ["said hello", "careful"].includes(text)).map((
          line: Record<string, unknown>,
        ) => [line["level"], line["text"], line["className"], line["method"], typeof line["call"]]);
      },
    );
    assertEquals((await api("/logs?key=Talker-see")).map(({ key }: { key: string }) => key), ["Talker-see"]);
    await talker[Symbol.asyncDispose]();
    task.release();
  });

  it("has the errors that methods threw, with the code that did", async () => {
    const talker = await client.submit(Talker, { actor: true });
    await assertRejects(async () => await talker.fail(), TypeError, "on purpose");
    await eventually(1, async () => (await api("/errors?class=Talker")).length);
    const [error] = await api("/errors?class=Talker");
    assertEquals([error.name, error.message, error.method], ["TypeError", "on purpose", "fail"]);
    assertStringIncludes(error.stack, "dashboard_actors.ts");
    await talker[Symbol.asyncDispose]();
  });

  it("explains a future: what it waits for, down to the cause", async () => {
    const gpu = client.submit(Slow, { actor: true, key: "Slow-gpu", resources: { GPU: 1 } });
    const user = client.submit((_: unknown) => 1, [gpu], { key: "user" });
    gpu.then(() => {}, () => {});
    user.then(() => {}, () => {});
    await eventually("no-worker", () => Promise.resolve(gpu.status));
    const why = await client.explain(gpu);
    assertEquals([why.kind, why.name, why.status], ["actor", "Slow", "waiting"]);
    assertMatch(why.summary, /^It waits for a worker: needs GPU: 1; offered: worker-/);
    assertEquals(why.story.map(({ to }) => to), ["waiting"]);
    const because = await client.explain(user);
    assertEquals(because.waitsFor.map(({ key }) => key), ["Slow-gpu"]);
    assertEquals(because.roots.map(({ key }) => key), ["Slow-gpu"]);
    assertStringIncludes(because.summary, "Slow-gpu: it waits for a worker: needs GPU: 1");
    await assertRejects(() => client.explain("nobody"), ActorNotFoundError, "nobody");
    await assertRejects(() => client.explain(5 as never), TypeError, "explain takes a future");
    await gpu.cancel();
    await user.release();
  });

  it("tells that a method which awaits is busy, and not slow", async () => {
    const waiter = await client.submit(Waiter, { actor: true });
    const waiting = waiter.wait();
    await eventually([1, "wait", false], async () => {
      const [actor] = await client.actors({ class: "Waiter" });
      return [actor?.figures?.inFlight, actor?.figures?.method, actor?.figures?.sync];
    });
    await waiter.set();
    await waiting;
    await waiter[Symbol.asyncDispose]();
  });

  it("is given to monitoring by each worker as well, for a key that is not the token", async () => {
    const { workers: [worker] } = await client.schedulerInfo();
    const url = new URL("/metrics", worker!.address.replace("ws", "http"));
    const ask = async (secret: string) => {
      const response = await fetch(url, { headers: { authorization: `Bearer ${secret}` } });
      return [response.status, await response.text()] as const;
    };
    assertEquals((await ask(cluster.token))[0], 401);
    const [status, text] = await ask(await metricsKeyOf(cluster.token));
    assertEquals(status, 200);
    assertStringIncludes(text, "# TYPE troupe_call_duration_seconds histogram");
    const page = await fetch(url, { headers: { origin: "https://evil.test" } });
    await page.body?.cancel();
    assertEquals(page.status, 403);
  });
});
