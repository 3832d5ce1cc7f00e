import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Client, ModuleLoadError, remote } from "../../mod.ts";
import { type Scheduler, serveScheduler } from "../../scheduler/mod.ts";
import { Folder } from "../portable/folder.ts";
import { Program, ROOT } from "../portable/program.ts";

const TOKEN = "e".repeat(64);
const COUNTER = `${import.meta.resolve("../../examples/counter.ts")}#Counter`;

/** Sent by value: where no file may be read, code comes over the network or in its URL. */
class Counter {
  n = 0;
  increment() {
    return ++this.n;
  }
  async later(n: number) {
    await Promise.resolve();
    return this.n += n;
  }
}

/** Where it says that it listens. */
async function originOf(program: Program): Promise<string> {
  const line = await program.logs(" at 127.0.0.1:");
  return `http://${/127\.0\.0\.1:\d+/.exec(line)![0]}`;
}

function serve(module: string, permissions: readonly string[], env: Record<string, string> = {}): Program {
  // Their own cache would be an empty one, as the environment is.
  const { HOME = "", DENO_DIR } = Deno.env.toObject();
  return Program.start(["serve", "--no-prompt", "--host=127.0.0.1", "--port=0", ...permissions, module], {
    cwd: ROOT,
    env: { HOME, ...DENO_DIR && { DENO_DIR }, ...env },
  });
}

/** Waits until an app says that it is healthy. It goes on asking, as whoever runs it would. */
async function becomesHealthy(origin: string): Promise<void> {
  for (const start = performance.now(); performance.now() - start < 10_000;) {
    const response = await fetch(`${origin}/healthz`);
    await response.body?.cancel();
    if (response.ok) return;
  }
  throw new Error(`${origin} did not become healthy`);
}

/** Actors on the one worker there is, of every class in its process's own event loop, over the one route there is. */
async function useActors(scheduler: string): Promise<void> {
  await using client = await Client.connect(scheduler, { token: TOKEN });
  await using counter = await client.submit(Counter, { actor: true });
  assertEquals(await counter.increment(), 1);
  assertEquals(await counter.later(10), 11);
  const calls = Array.from({ length: 1000 }, () => counter.increment());
  assertEquals((await Promise.all(calls)).at(-1), 1011);
  const { workers } = await client.schedulerInfo();
  assertEquals(workers.map(({ address, actors }) => [address, actors.map(({ home }) => home)]), [["", ["inline"]]]);
}

describe("a worker on the edge", () => {
  it("runs from an entry file under --allow-net alone, dials out, and is called through the scheduler", async () => {
    await using scheduler: Scheduler = await serveScheduler({ port: 0, token: TOKEN });
    await using folder = await Folder.make({
      "entry.ts": `
        import { createWorkerApp } from "${import.meta.resolve("../../worker/mod.ts")}";
        export default createWorkerApp({ scheduler: "${scheduler.address}", token: "${TOKEN}", name: "edge" });
      `,
    });
    await using worker = serve(`${folder.path}/entry.ts`, ["--allow-net"]);
    await becomesHealthy(await originOf(worker));
    await useActors(scheduler.address);
    await using client = await Client.connect(scheduler.address, { token: TOKEN });
    // It may read no file, so a class in one is refused, and the worker lives on.
    const error = await assertRejects(
      async () => await client.submit(remote<typeof Counter>(COUNTER), { actor: true }),
      ModuleLoadError,
    );
    assertStringIncludes(error.message, "--allow-read");
    await useActors(scheduler.address);
    // Told to end, it leaves in order: the scheduler need not find out.
    assertEquals((await worker.end()).code, 0);
    assertEquals((await client.schedulerInfo()).workers, []);
  });

  it("runs under deno serve by itself, beside a scheduler that does", async () => {
    await using scheduler = serve("scheduler/app.ts", ["--allow-net", "--allow-env=TROUPE_TOKEN"], {
      TROUPE_TOKEN: TOKEN,
    });
    const origin = await originOf(scheduler);
    await using worker = serve("worker/app.ts", ["--allow-net", "--allow-env=TROUPE_TOKEN,TROUPE_SCHEDULER"], {
      TROUPE_TOKEN: TOKEN,
      TROUPE_SCHEDULER: origin,
    });
    await becomesHealthy(await originOf(worker));
    await useActors(origin);
    const ready = await fetch(`${origin}/readyz`);
    assertEquals([ready.status, await ready.json()], [200, { ready: true }]);
    // The worker's links and a client's do not keep it from ending.
    await using _client = await Client.connect(origin, { token: TOKEN });
    assertEquals((await scheduler.end()).code, 0);
  });
});
