import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FakeScheduler } from "../helpers/fake_scheduler.ts";
import { Lines } from "../helpers/lines.ts";

const GUEST = {
  target: { module: import.meta.resolve("../fixtures/actors/host_faults.ts"), export: "Guest" },
  home: "inline",
} as const;

/** The command, as `deno task worker` runs it, in a process group of its own. */
class Command implements AsyncDisposable {
  readonly child: Deno.ChildProcess;
  readonly output: Lines;
  readonly errors: Lines;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;

  constructor(args: string[], token?: string) {
    this.child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-prompt", new URL("../../worker/main.ts", import.meta.url).href, ...args],
      env: token === undefined ? {} : { TROUPE_TOKEN: token },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      detached: true,
    }).spawn();
    this.output = new Lines(this.child.stdout);
    this.errors = new Lines(this.child.stderr);
    this.#input = this.child.stdin.getWriter();
  }

  write(text: string): Promise<void> {
    return this.#input.write(new TextEncoder().encode(text));
  }

  closeInput(): Promise<void> {
    return this.#input.close();
  }

  /** What Ctrl-C on a terminal does: a signal to everyone in the group. */
  interrupt(): void {
    Deno.kill(-this.child.pid, "SIGINT");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.child.kill("SIGKILL");
    } catch {
      // It has ended, as its test wanted.
    }
    await this.#input.close().catch(() => {});
    await this.child.status;
    await Promise.all([this.output.rest(), this.errors.rest()]);
  }
}

async function outcomeOf(args: string[], token?: string): Promise<{ code: number; errors: string }> {
  await using command = new Command(args, token);
  const [errors] = await Promise.all([command.errors.rest(), command.output.rest()]);
  return { code: (await command.child.status).code, errors };
}

describe("the command that starts a worker", () => {
  it("explains in one line what it cannot do, and exits as such commands do", async () => {
    await using scheduler = await FakeScheduler.start();
    const [unknownFlag, openToAll, badToken, nobodyThere] = await Promise.all([
      outcomeOf(["--colour", "red"]),
      outcomeOf(["--host", "0.0.0.0"], "t"),
      outcomeOf([scheduler.address], "wrong"),
      outcomeOf(["ws://127.0.0.1:1", "--death-timeout", "100ms"], "t"),
    ]);
    assertEquals([unknownFlag.code, openToAll.code, badToken.code, nobodyThere.code], [64, 78, 77, 69]);
    assertStringIncludes(unknownFlag.errors, "--colour");
    assertEquals(unknownFlag.errors.trim().split("\n").length, 1);
    assertStringIncludes(openToAll.errors, "--insecure-plaintext");
    assertStringIncludes(badToken.errors, "TROUPE_TOKEN_FILE");
    assertEquals(badToken.errors.includes("wrong"), false);
    assertStringIncludes(nobodyThere.errors, "No scheduler at");
  });

  it("says who it is and what its user code may do, and drains on Ctrl-C before its host ends", async () => {
    await using scheduler = await FakeScheduler.start();
    await using command = new Command([scheduler.address, "--name", "east", "--resources", "GPU=1"], scheduler.token);
    const line = await command.output.find("Worker east");
    assert(line);
    assertStringIncludes(line, "worker-1");
    assertStringIncludes(line, "net, read");
    const nanny = await scheduler.nannies.next();
    const host = await scheduler.hosts.next();
    assertStringIncludes(line, host.hello.address);
    await host.create(GUEST);
    command.interrupt();
    await nanny.next("drain");
    assertEquals((await host.next("ended")).reason, "drained");
    assertEquals((await nanny.next("hostEnded")).reason, "drained");
    assertEquals((await command.child.status).code, 0);
  });

  it("kills on a second Ctrl-C", async () => {
    await using scheduler = await FakeScheduler.start();
    await using command = new Command([scheduler.address], scheduler.token);
    await command.output.find("Worker");
    const nanny = await scheduler.nannies.next();
    const host = await scheduler.hosts.next();
    const actor = await host.create(GUEST);
    host.relayed("inline").call(actor, "spin", 60_000);
    await nanny.next("heartbeat", () => (nanny.heartbeat?.lag ?? 0) > 500);
    command.interrupt();
    await nanny.next("drain");
    command.interrupt();
    assertEquals((await nanny.next("hostEnded")).reason, "killed");
    assertEquals((await command.child.status).code, 130);
    await host.closed;
  });

  it("takes its host along when it is killed, even one that is busy", async () => {
    await using scheduler = await FakeScheduler.start();
    await using command = new Command([scheduler.address], scheduler.token);
    const nanny = await scheduler.nannies.next();
    const host = await scheduler.hosts.next();
    const actor = await host.create(GUEST);
    host.relayed("inline").call(actor, "spin", 60_000);
    await nanny.next("heartbeat", () => (nanny.heartbeat?.lag ?? 0) > 500);
    const killed = performance.now();
    command.child.kill("SIGKILL");
    await host.closed;
    assert(performance.now() - killed < 1000);
  });

  it("starts several workers", async () => {
    await using scheduler = await FakeScheduler.start();
    await using command = new Command([scheduler.address, "--nworkers", "2", "--name", "w"], scheduler.token);
    const lines = [await command.output.find("Worker w-"), await command.output.find("Worker w-")];
    assertEquals(lines.map((line) => line?.slice(0, 10)), ["Worker w-1", "Worker w-2"]);
    command.interrupt();
    assertEquals((await command.child.status).code, 0);
  });

  it("run by a program, takes the token from it, tells it who it is, and ends with it", async () => {
    await using scheduler = await FakeScheduler.start();
    await using command = new Command([scheduler.address, "--child"]);
    await command.write(`${scheduler.token}\n`);
    const host = await scheduler.hosts.next();
    assertEquals(JSON.parse((await command.output.next())!), { worker: "worker-1", address: host.hello.address });
    await command.closeInput();
    await host.closed;
    assertEquals((await command.child.status).code, 0);
  });
});
