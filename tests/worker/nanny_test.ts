import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ActorLostError, CloseCode, ConnectionLostError, UnauthorizedError } from "../../protocol/mod.ts";
import { startWorker, type Worker, type WorkerOptions } from "../../worker/mod.ts";
import { type FakeHost, type FakeNanny, FakeScheduler } from "../helpers/fake_scheduler.ts";

const GUEST = {
  target: { module: import.meta.resolve("../fixtures/actors/host_faults.ts"), export: "Guest" },
  home: "inline",
} as const;

interface Running {
  readonly scheduler: FakeScheduler;
  readonly worker: Worker;
  readonly nanny: FakeNanny;
  readonly host: FakeHost;
}

async function withWorker(options: WorkerOptions, run: (running: Running) => Promise<void>): Promise<void> {
  await using scheduler = await FakeScheduler.start();
  const worker = await startWorker({ scheduler: scheduler.address, token: scheduler.token, isolates: 2, ...options });
  try {
    await run({ scheduler, worker, nanny: await scheduler.nannies.next(), host: await scheduler.hosts.next() });
  } finally {
    await worker.kill();
  }
}

describe("a nanny", () => {
  it("registers the worker, and starts a host that joins with its ticket", async () => {
    await withWorker(
      { name: "east", resources: { GPU: 2 }, memoryLimit: 4 * 2 ** 30 },
      async ({ worker, nanny, host }) => {
        const { name, resources, isolates, memoryLimit, pid } = nanny.hello;
        assertEquals({ name, resources, isolates, memoryLimit, pid }, {
          name: "east",
          resources: { GPU: 2 },
          isolates: 2,
          memoryLimit: 4 * 2 ** 30,
          pid: Deno.pid,
        });
        const { incarnation } = await nanny.next("hostStarting");
        assertEquals(host.claims.host, incarnation);
        assertEquals(host.hello, { ...host.hello, pid: worker.hostPid, address: worker.address });
        assertEquals([worker.id, worker.name], [nanny.id, "east"]);
        assertNotEquals(worker.hostPid, Deno.pid);
      },
    );
  });

  it("sends heartbeats with what the watchdog measures", async () => {
    await withWorker({}, async ({ nanny, host }) => {
      await nanny.next("heartbeat", () => (nanny.heartbeat?.memory ?? 0) > 0);
      assertEquals(nanny.heartbeat?.host, host.claims.host);
      assertGreater(nanny.heartbeat!.memory, 10 * 2 ** 20);
    });
  });

  it("reports a killed host, and starts the next within a second", async () => {
    await withWorker({}, async ({ scheduler, worker, nanny, host }) => {
      const actor = await host.create(GUEST);
      const direct = await host.direct(actor.address, actor.home);
      const calls = Array.from({ length: 100 }, () => direct.call(actor, "sleep", 10_000));
      assertEquals(await direct.call(actor, "echo", 1), 1);
      const killed = performance.now();
      Deno.kill(worker.hostPid, "SIGKILL");
      const ended = await nanny.next("hostEnded");
      assertLess(performance.now() - killed, 1000);
      assertEquals([ended.incarnation, ended.reason], [host.claims.host, "host-exit"]);
      await direct.closed;
      assertEquals((await Promise.allSettled(calls)).every(({ status }) => status === "rejected"), true);
      const next = await scheduler.hosts.next();
      assertLess(performance.now() - killed, 2000);
      assertNotEquals(next.claims.host, host.claims.host);
      const again = await next.create(GUEST);
      assertEquals(await next.relayed("inline").call(again, "echo", "back"), "back");
    });
  });

  it("reports a host that an actor ended from inside, as killed as by anyone", async () => {
    await withWorker({}, async ({ scheduler, nanny, host }) => {
      const actor = await host.create(GUEST);
      host.relayed("inline").call(actor, "exit", 0);
      assertEquals((await nanny.next("hostEnded")).reason, "host-exit");
      await scheduler.hosts.next();
    });
  });

  it("kills a host that is frozen, and says before that why", async () => {
    await withWorker({}, async ({ scheduler, worker, nanny, host }) => {
      await nanny.next("heartbeat", () => (nanny.heartbeat?.memory ?? 0) > 0);
      const frozen = performance.now();
      Deno.kill(worker.hostPid, "SIGSTOP");
      assertEquals((await nanny.next("hostEnded")).reason, "host-stuck");
      assertLess(performance.now() - frozen, 5000);
      await host.closed;
      await scheduler.hosts.next();
    });
  });

  it("ends a host that the scheduler wants restarted, however busy it is, and counts that as no crash", async () => {
    await withWorker({}, async ({ scheduler, nanny, host }) => {
      let current = host;
      const before = performance.now();
      for (let count = 0; count < 5; count++) {
        const actor = await current.create(GUEST);
        current.relayed("inline").call(actor, "spin", 60_000);
        nanny.connection.send({ op: "restartHost", incarnation: "of long ago" });
        nanny.connection.send({ op: "restartHost", incarnation: current.claims.host });
        const { incarnation, reason } = await nanny.next("hostEnded");
        assertEquals([incarnation, reason], [current.claims.host, "restarted"]);
        current = await scheduler.hosts.next();
      }
      // After as many crashes it would wait for seconds.
      assertLess(performance.now() - before, 6000);
    });
  });

  it("takes a busy event loop for lag, never for death", async () => {
    await withWorker({}, async ({ nanny, host }) => {
      const actor = await host.create(GUEST);
      const caller = host.relayed("inline");
      await caller.call(actor, "spin", 4500);
      assertEquals(await caller.call(actor, "echo", "alive"), "alive");
      assertGreater(nanny.heartbeat!.lag, 1000);
      assertEquals(nanny.heartbeat!.host, host.claims.host);
    });
  });

  it("ends a host whose buffers outgrow the memory limit, and names the reason", async () => {
    await withWorker({ memoryLimit: 300 * 2 ** 20 }, async ({ scheduler, nanny, host }) => {
      const actor = await host.create(GUEST);
      host.relayed("inline").call(actor, "growBuffers");
      assertEquals((await nanny.next("hostEnded")).reason, "oom");
      await scheduler.hosts.next();
    });
  });

  it("names the reason of a host whose heap is full", async () => {
    await withWorker({ memoryLimit: 200 * 2 ** 20 }, async ({ nanny, host }) => {
      const actor = await host.create(GUEST);
      host.relayed("inline").call(actor, "growHeap");
      assertEquals((await nanny.next("hostEnded")).reason, "oom");
    });
  });

  it("keeps the secrets from its host", async () => {
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, "a token");
    Deno.env.set("TROUPE_TOKEN_FILE", file);
    Deno.env.set("DENO_AUTH_TOKENS", "secret@example.com");
    try {
      await withWorker({}, async ({ host }) => {
        const actor = await host.create(GUEST);
        const caller = host.relayed("inline");
        const variables = await caller.call(actor, "variables") as string[];
        assert(variables.includes("PATH"));
        assertEquals(variables.filter((name) => /TOKEN/.test(name)), []);
        assertEquals(await caller.call(actor, "readFile", file), "NotCapable");
        assertStringIncludes(
          await caller.call(actor, "readFile", new URL(import.meta.url).pathname) as string,
          "assert",
        );
      });
    } finally {
      Deno.env.delete("TROUPE_TOKEN_FILE");
      Deno.env.delete("DENO_AUTH_TOKENS");
      await Deno.remove(file);
    }
  });

  it("starts no host after host without a pause where they do not live", async () => {
    await withWorker({}, async ({ scheduler, worker, nanny }) => {
      for (let count = 0; count < 3; count++) {
        Deno.kill(worker.hostPid, "SIGKILL");
        await nanny.next("hostEnded");
        await scheduler.hosts.next();
        await nanny.next("heartbeat", () => worker.hostPid !== 0);
      }
      const fourth = performance.now();
      Deno.kill(worker.hostPid, "SIGKILL");
      await scheduler.hosts.next();
      assertGreater(performance.now() - fourth, 1000);
    });
  });
});

describe("a nanny and its scheduler", () => {
  it("part where the token is wrong, with a word on how to give one", async () => {
    await using scheduler = await FakeScheduler.start();
    const error = await assertRejects(
      () => startWorker({ scheduler: scheduler.address, token: "wrong" }),
      UnauthorizedError,
    );
    assertStringIncludes(error.message, "TROUPE_TOKEN_FILE");
    assertEquals(error.message.includes("wrong"), false);
    assertEquals(scheduler.hosts.size, 0);
  });

  it("find each other where the worker is there first", async () => {
    const probe = await FakeScheduler.start();
    const { address, token } = probe;
    await probe[Symbol.asyncDispose]();
    const starting = startWorker({ scheduler: address, token });
    await using scheduler = await FakeScheduler.start({ token, port: Number(new URL(address).port) });
    const worker = await starting;
    assertEquals(worker.id, (await scheduler.nannies.next()).id);
    await worker.kill();
  });

  it("give up after the death timeout", async () => {
    const error = await assertRejects(
      () => startWorker({ scheduler: "ws://127.0.0.1:1", token: "t", deathTimeout: 300 }),
      ConnectionLostError,
    );
    assertStringIncludes(error.message, "--death-timeout");
  });

  it("start anew when the link between them breaks: the host ends with it", async () => {
    await withWorker({}, async ({ scheduler, worker, nanny, host }) => {
      nanny.connection.close(4403, "fenced by the test");
      await host.closed;
      const again = await scheduler.nannies.next();
      await scheduler.hosts.next();
      assertNotEquals(again.id, nanny.id);
      assertEquals(worker.id, again.id);
    });
  });

  it("replace a host whose own link broke", async () => {
    await withWorker({}, async ({ scheduler, nanny, host }) => {
      host.connection.close(4403, "closed by the test");
      assertEquals((await nanny.next("hostEnded")).reason, "host-exit");
      assertNotEquals((await scheduler.hosts.next()).claims.host, host.claims.host);
    });
  });

  it("know of a leave: the actors end with their hooks, then the host, then the link", async () => {
    await withWorker({}, async ({ worker, nanny, host }) => {
      const actor = await host.create(GUEST);
      const direct = await host.direct(actor.address, actor.home);
      const leaving = worker.close(2000);
      assertEquals((await nanny.next("drain")).timeout, 2000);
      assertEquals((await host.next("ended")).reason, "drained");
      await direct.closed;
      assertEquals((await nanny.next("hostEnded")).reason, "drained");
      assertEquals((await nanny.closed).code, CloseCode.goingAway);
      await leaving;
      await worker.finished;
    });
  });

  it("know of a leave that calls which run may finish, and no new ones start", async () => {
    await withWorker({}, async ({ worker, nanny, host }) => {
      const sleepers = await host.create(GUEST);
      const shared = await host.create({ ...GUEST, home: "shared" });
      const direct = await host.direct(sleepers.address, sleepers.home);
      const relayed = host.relayed(shared.home);
      const running = Array.from({ length: 50 }, () => direct.call(sleepers, "sleep", 1000));
      const elsewhere = relayed.call(shared, "sleep", 1000);
      await Promise.all([direct.call(sleepers, "echo", 1), relayed.call(shared, "echo", 1)]);
      const left = performance.now();
      const leaving = worker.close(5000);
      await nanny.next("drain");
      // The order to leave reaches the host by another way than the calls: they are taken until then.
      const refused = await assertRejects(async () => {
        while (true) await relayed.call(shared, "echo", 2);
      }, ActorLostError);
      assertEquals([refused.code, refused.executed, refused.retryable], ["DRAINING", "no", true]);
      assertEquals(await Promise.all(running), running.map(() => 1000));
      assertEquals(await elsewhere, 1000);
      await leaving;
      assertLess(performance.now() - left, 6000);
    });
  });

  it("lose the calls that outlast the time of a leave", async () => {
    await withWorker({}, async ({ worker, host }) => {
      const actor = await host.create(GUEST);
      const caller = host.relayed("inline");
      const call = caller.call(actor, "sleep", 60_000);
      await caller.call(actor, "echo", 1);
      const left = performance.now();
      const leaving = worker.close(300);
      const error = await assertRejects(() => call, ActorLostError);
      assertEquals([error.reason, error.executed], ["drained", "unknown"]);
      await leaving;
      assertLess(performance.now() - left, 2300);
    });
  });

  it("leave when the scheduler says so", async () => {
    await withWorker({}, async ({ worker, nanny }) => {
      nanny.connection.send({ op: "drain", timeout: 1000 });
      assertEquals((await nanny.next("hostEnded")).reason, "drained");
      await worker.finished;
    });
  });

  it("do not wait for a host that does not end", async () => {
    await withWorker({}, async ({ worker, nanny, host }) => {
      const actor = await host.create(GUEST);
      host.relayed("inline").call(actor, "spin", 60_000);
      await nanny.next("heartbeat", () => (nanny.heartbeat?.lag ?? 0) > 500);
      const leaving = performance.now();
      await worker.close(200);
      assertLess(performance.now() - leaving, 2200);
      assertEquals((await nanny.next("hostEnded")).reason, "drained");
    });
  });
});
