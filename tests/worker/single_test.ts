import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CloseCode } from "../../protocol/mod.ts";
import { FakeScheduler } from "../helpers/fake_scheduler.ts";
import { Lines } from "../helpers/lines.ts";

const WORKER_DOOR = import.meta.resolve("../../worker/mod.ts");
const APP = import.meta.resolve("../../worker/app.ts");

/** A module by value: where no file may be read, code comes over the network or in its URL. */
function moduleOf(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

const COUNTER = moduleOf("export class Counter { n = 0; increment() { return ++this.n; } }");

interface Running {
  readonly child: Deno.ChildProcess;
  readonly output: Lines;
}

/** Runs Deno with few permissions. */
async function withDeno(
  args: string[],
  environment: Record<string, string>,
  run: (running: Running) => Promise<void>,
): Promise<void> {
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env: environment,
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = new Lines(child.stdout);
  const errors = new Lines(child.stderr).rest();
  try {
    await run({ child, output });
  } finally {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await child.status;
    await output.rest();
    // Nothing was missed that a permission would have given.
    assertEquals((await errors).match(/NotCapable|Requires .* access/)?.[0], undefined);
  }
}

async function withEntry(source: string, run: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(path, source);
  try {
    await run(path);
  } finally {
    await Deno.remove(path);
  }
}

describe("a worker in one process", () => {
  it("needs no permission but net, opens no port, and is called by relay", async () => {
    await using scheduler = await FakeScheduler.start();
    const { address, token } = scheduler;
    const source = `
      import { startWorker } from "${WORKER_DOOR}";
      const worker = await startWorker({ scheduler: "${address}", token: "${token}", nanny: false, name: "edge" });
      console.log(JSON.stringify([worker.name, worker.address, worker.hostPid === Deno.pid]));
      await worker.finished;
      console.log("left");
    `;
    await withEntry(source, async (path) => {
      await withDeno(["run", "--allow-net", "--no-prompt", path], {}, async ({ child, output }) => {
        const nanny = await scheduler.nannies.next();
        const host = await scheduler.hosts.next();
        assertEquals(JSON.parse((await output.next())!), ["edge", "", true]);
        assertEquals([host.hello.address, host.hello.pid, nanny.hello.pid], ["", child.pid, child.pid]);
        const actor = await host.create({ target: { module: COUNTER, export: "Counter" } });
        assertEquals([actor.home, actor.homeKind, actor.address], ["inline", "inline", ""]);
        assertEquals(await host.relayed("inline").call(actor, "increment"), 1);
        await nanny.next("heartbeat", () => (nanny.heartbeat?.memory ?? 0) > 0);
        nanny.connection.send({ op: "drain", timeout: 1000 });
        assertEquals((await host.next("ended")).reason, "drained");
        assertEquals((await nanny.next("hostEnded")).reason, "drained");
        assertEquals(await output.next(), "left");
        assertEquals((await child.status).code, 0);
      });
    });
  });

  it("joins again when it has lost the scheduler", async () => {
    await using scheduler = await FakeScheduler.start();
    const { address, token } = scheduler;
    const source = `
      import { startWorker } from "${WORKER_DOOR}";
      await startWorker({ scheduler: "${address}", token: "${token}", nanny: false });
    `;
    await withEntry(source, async (path) => {
      await withDeno(["run", "--allow-net", "--no-prompt", path], {}, async () => {
        const nanny = await scheduler.nannies.next();
        const host = await scheduler.hosts.next();
        nanny.connection.close(4403, "fenced by the test");
        await host.closed;
        const again = await scheduler.nannies.next();
        assertEquals((await scheduler.hosts.next()).claims.worker, again.id);
      });
    });
  });
});

describe("a worker in one process that is restarted", () => {
  it("ends what it has, and joins with another host under the same registration", async () => {
    await using scheduler = await FakeScheduler.start();
    const { address, token } = scheduler;
    const source = `
      import { startWorker } from "${WORKER_DOOR}";
      await startWorker({ scheduler: "${address}", token: "${token}", nanny: false });
    `;
    await withEntry(source, async (path) => {
      await withDeno(["run", "--allow-net", "--no-prompt", path], {}, async () => {
        const nanny = await scheduler.nannies.next();
        const host = await scheduler.hosts.next();
        const actor = await host.create({ target: { module: COUNTER, export: "Counter" } });
        assertEquals(await host.relayed("inline").call(actor, "increment"), 1);
        host.connection.close(CloseCode.gone, "restarted");
        assertEquals((await nanny.next("hostEnded")).reason, "restarted");
        const next = await scheduler.hosts.next();
        assertEquals([next.claims.worker, next.claims.host === host.claims.host], [nanny.id, false]);
        const again = await next.create({ target: { module: COUNTER, export: "Counter" } });
        assertEquals(await next.relayed("inline").call(again, "increment"), 1);
      });
    });
  });
});

describe("a worker app", () => {
  /** `deno serve` says where it listens. */
  async function portOf(output: Lines): Promise<number> {
    const line = await output.find("Listening on") ?? await output.find("listening");
    return Number(/:(\d+)/.exec(line ?? "")?.[1]);
  }

  it("is served by an entry file of one's own under net alone", async () => {
    await using scheduler = await FakeScheduler.start();
    const { address, token } = scheduler;
    const source = `
      import { createWorkerApp } from "${WORKER_DOOR}";
      const app = createWorkerApp({ scheduler: "${address}", token: "${token}" });
      const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log("Listening on :" + port) }, app.fetch);
    `;
    await withEntry(source, async (path) => {
      await withDeno(["run", "--allow-net", "--no-prompt", path], {}, async ({ output }) => {
        const port = await portOf(output);
        const host = await scheduler.hosts.next();
        const actor = await host.create({ target: { module: COUNTER, export: "Counter" } });
        assertEquals(await host.relayed("inline").call(actor, "increment"), 1);
        const response = await fetch(`http://127.0.0.1:${port}/healthz`);
        assertEquals(response.status, 200);
        assertStringIncludes(await response.text(), "ok");
      });
    });
  });

  it("starts under deno serve with what the environment says, where it may be read", async () => {
    await using scheduler = await FakeScheduler.start();
    const environment = { TROUPE_SCHEDULER: scheduler.address, TROUPE_TOKEN: scheduler.token, TROUPE_NAME: "served" };
    const args = ["serve", "--host", "127.0.0.1", "--port", "0", "--allow-net", "--allow-env", "--no-prompt", APP];
    await withDeno(args, environment, async () => {
      assertEquals((await scheduler.nannies.next()).hello.name, "served");
      assert(await scheduler.hosts.next());
    });
  });
});
