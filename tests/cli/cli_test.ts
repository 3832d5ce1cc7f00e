import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { CommandError } from "../../cli/api.ts";
import { HELP, readCommandLine } from "../../cli/command_line.ts";
import { createPaint, formatTable, time } from "../../cli/text.ts";
import { Client, remote } from "../../mod.ts";
import { metricsKeyOf } from "../../protocol/metrics_key.ts";
import { Slow, Talker } from "../fixtures/dashboard_actors.ts";
import { Lines } from "../helpers/lines.ts";

remote(import.meta.resolve("../fixtures/dashboard_actors.ts"), { Slow, Talker });

const MAIN = new URL("../../cli/main.ts", import.meta.url);

describe("the command line of troupe", () => {
  it("is read with names, times and numbers", () => {
    const { command, subject, timeout } = readCommandLine(["drain", "worker-1", "--timeout", "1.5s"]);
    assertEquals([command, subject, timeout], ["drain", "worker-1", 1500]);
    assertEquals(readCommandLine(["logs", "-f", "--limit", "5"]).limit, 5);
    assertEquals([readCommandLine([]).command, readCommandLine(["top", "--help"]).command], ["help", "help"]);
  });

  it("is refused in one line where it makes no sense", () => {
    for (
      const [args, found] of [
        [["nope"], 'Cannot do "nope": the commands are list, get'],
        [["constructor"], 'Cannot do "constructor"'],
        [["kill"], "Cannot kill nothing: give a name, as in troupe kill Counter-1234abcd"],
        [["list", "things"], "Cannot list things: there are actors, workers, tasks, waiting"],
        [["get", "a", "b"], "Cannot get a b: that is 2 names, and 1 can be given"],
        [["drain", "a", "--timeout", "soon"], "Cannot use --timeout soon: expected a time"],
        [["list", "--limit", "many"], "Cannot use --limit many"],
        [["top", "--nope"], "Cannot understand the command line"],
      ] as const
    ) {
      const error = assertThrows(() => readCommandLine(args), CommandError, found);
      assertEquals([error.exitCode, error.message.includes("\n")], [64, false]);
    }
  });

  it("has all of its commands in its help", () => {
    for (const command of ["list", "get", "logs", "kill", "drain", "top", "dashboard", "metrics"]) {
      assertMatch(HELP, new RegExp(`^  troupe ${command}\\b`, "m"));
    }
  });
});

describe("tables on a terminal", () => {
  it("keep figures to the right, and never get wider than the terminal", () => {
    const rows = [{ name: "a", n: 5 }, { name: "a longer name", n: 1234 }];
    const columns = [
      { name: "NAME", cell: ({ name }: (typeof rows)[number]) => name },
      { name: "N", cell: ({ n }: (typeof rows)[number]) => String(n), numeric: true },
    ];
    assertEquals(formatTable(columns, rows, Infinity, createPaint(false)), [
      "NAME              N",
      "a                 5",
      "a longer name  1234",
    ]);
    for (const line of formatTable(columns, rows, 8, createPaint(false))) assert(line.length <= 8, line);
    assertEquals([0.0001, 0.05, 3.5, 250, 4200, 65_000].map(time), ["0", "50us", "3.50ms", "250ms", "4.2s", "1m5s"]);
  });
});

describe("deno task troupe", () => {
  let cluster: LocalCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 1 });
    client = await Client.connect(cluster.address, { token: cluster.token, onUnobservedError: () => {} });
    const talker = await client.submit(Talker, { actor: true, key: "Talker-1" });
    await talker.say("hello");
    client.submit(Slow, { actor: true, key: "Gpu-1", resources: { GPU: 1 } }).then(() => {}, () => {});
    // What it is answered it has seen after all of this.
    await client.schedulerInfo();
  });
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
  });

  function start(args: readonly string[], token: string | undefined = cluster.token): Deno.ChildProcess {
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", MAIN.href, ...args],
      clearEnv: true,
      env: {
        TROUPE_SCHEDULER: cluster.address,
        DENO_DIR: Deno.env.get("DENO_DIR") ?? `${Deno.env.get("HOME")}/.cache/deno`,
        ...token === undefined ? {} : { TROUPE_TOKEN: token },
      },
      stdout: "piped",
      stderr: "piped",
      stdin: "null",
    }).spawn();
  }

  async function troupe(args: readonly string[], token?: string) {
    const { code, stdout, stderr } = await start(args, token).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  }

  it("lists actors, workers and what waits, as tables and as JSON", async () => {
    const [actors, workers, waiting, json] = await Promise.all([
      troupe(["list"]),
      troupe(["list", "workers"]),
      troupe(["list", "waiting"]),
      troupe(["list", "--json", "--class", "Talker"]),
    ]);
    assertMatch(
      actors.out,
      /^ACTOR +STATE +WORKER .*\nGpu-1 +does not run .*needs GPU: 1.*\nTalker-1 +idle +worker-1 /,
    );
    assertMatch(workers.out, /^WORKER .*\nworker-1 +running +1 /);
    assertMatch(waiting.out, /\nGpu-1 +actor Slow .*needs GPU: 1; offered: worker-1/);
    assertEquals(JSON.parse(json.out).map(({ key }: { key: string }) => key), ["Talker-1"]);
    assertEquals([actors.code, actors.err], [0, ""]);
  });

  it("tells all about one thing, and why it does not run", async () => {
    const [talker, gpu, worker, nobody] = await Promise.all(
      ["Talker-1", "Gpu-1", "worker-1", "nobody"].map((name) => troupe(["get", name])),
    );
    assertStringIncludes(talker!.out, "It runs on worker-1");
    assertMatch(talker!.out, /calls +1\n/);
    assertStringIncludes(gpu!.out, "It waits for a worker: needs GPU: 1; offered: worker-1");
    assertMatch(worker!.out, /^Worker worker-1\n/);
    assertEquals([nobody!.code, nobody!.err], [1, "Nothing is known of nobody\n"]);
  });

  it("shows what was printed, and follows it", async () => {
    const printed = await troupe(["logs", "Talker-1"]);
    assertMatch(printed.out, /^\d\d:\d\d:\d\d log +Talker-1\.say said hello\n$/);
    const child = start(["logs", "--follow", "--class", "Talker"]);
    const lines = new Lines(child.stdout);
    assertMatch((await lines.next())!, /said hello$/);
    const talker = await client.getActor<Talker>("Talker-1");
    // The stream may open a moment after the lines before were printed.
    let stop = false;
    const saying = (async () => {
      while (!stop) {
        await talker.say("again");
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    assertMatch((await lines.next())!, /Talker-1\.say said again$/);
    stop = true;
    await saying;
    child.kill("SIGINT");
    await lines.rest();
    await child.stderr.cancel();
    assertEquals((await child.status).code, 130);
  });

  it("shows the cluster once where there is no screen for it", async () => {
    const { out, code } = await troupe(["top"]);
    assertEquals(code, 0);
    assertMatch(out, /^troupe ws:.*\n1 workers \| 1 actors \| 1 wait \| /);
    assertStringIncludes(out, "! Gpu-1 does not run: it needs GPU: 1");
    assertMatch(out, /\nTalker-1 +/);
  });

  it("gives a link to the dashboard, and the key of the metrics", async () => {
    const [link, key] = await Promise.all([troupe(["dashboard"]), troupe(["metrics"])]);
    const { status, headers, body } = await fetch(link.out.trim(), { redirect: "manual" });
    await body?.cancel();
    assertEquals([status, headers.get("location")], [303, "/"]);
    assertEquals(key.out.trim(), await metricsKeyOf(cluster.token));
  });

  it("ends actors and retires workers, and says where there are none", async () => {
    assertEquals((await troupe(["kill", "nobody"])).err, "Cannot end nobody: there is no actor or task of this key\n");
    assertEquals((await troupe(["kill", "Gpu-1"])).out, "Ended Gpu-1\n");
    assertMatch((await troupe(["drain", "nobody"])).err, /no such worker\. Workers: worker-1/);
    assertMatch((await troupe(["drain", "worker-1", "--timeout", "100ms"])).out, /^worker-1 is leaving/);
  });

  it("says in one line what to do without a scheduler or a token", async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    listener.close();
    const [refused, unreachable] = await Promise.all([
      troupe(["list"], "wrong"),
      troupe(["list", "--scheduler", `ws://127.0.0.1:${port}`]),
    ]);
    assertEquals([refused.code, unreachable.code], [77, 69]);
    assertMatch(refused.err, /^Cannot use the scheduler at .*: its token is another one\. Set TROUPE_TOKEN.*\n$/);
    assertMatch(
      unreachable.err,
      /^Cannot reach the scheduler at http:\/\/127\.0\.0\.1:\d+\/: nobody answers there\. .*\n$/,
    );
    assertEquals(refused.err.includes("wrong"), false);
  });
});
