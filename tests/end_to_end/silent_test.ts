import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

/** Uses the servers as libraries, and does what they would log. */
const PROGRAM = `
  import { serveScheduler } from "${import.meta.resolve("../../scheduler/mod.ts")}";
  import { startWorker } from "${import.meta.resolve("../../worker/mod.ts")}";
  import { Client } from "${import.meta.resolve("../../mod.ts")}";
  const scheduler = await serveScheduler({ port: 0, token: "a-token" });
  const worker = await startWorker({ scheduler: scheduler.address, token: "a-token", nanny: false });
  const client = await Client.connect(scheduler.address, { token: "a-token" });
  const counter = await client.submit(class { n = 0; async add() { return ++this.n; } }, { actor: true });
  console.log(await counter.add());
  await client.close();
  await scheduler.close();
  await worker.close(0);
`;

describe("logs", () => {
  it("are silent where a program uses Troupe as a library and has set up none", async () => {
    const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        "--no-lock",
        "--unstable-worker-options",
        `data:application/typescript,${encodeURIComponent(PROGRAM)}`,
      ],
      stdout: "piped",
      stderr: "piped",
    }).output();
    const decoder = new TextDecoder();
    assertEquals([code, decoder.decode(stdout), decoder.decode(stderr)], [0, "1\n", ""]);
  });
});
