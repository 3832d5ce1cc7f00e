import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { Client, ModuleLoadError, remote } from "../../mod.ts";
import { Folder } from "./folder.ts";
import { makeCache, Program, ROOT, run } from "./program.ts";

/** Where the README's scheduler listens. */
const DEFAULT_PORT = "8786";

/** A port that is free: the system gave it to somebody who has just left. */
function freePort(): string {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return String(listener.addr.port);
}

/** The README's block that begins with these words, for another port. */
async function readme(beginning: string, port: string): Promise<string> {
  const text = await Deno.readTextFile(`${ROOT}README.md`);
  const block = [...text.matchAll(/^```(?:ts ignore|sh)\n([^]*?)^```$/gm)].find(([, block]) =>
    block!.startsWith(beginning)
  );
  assert(block, `the README has no block that begins with ${beginning}`);
  return block[1]!.replaceAll(DEFAULT_PORT, port);
}

/** The arguments of the README's command for the script. */
async function scriptCommand(port: string, home: string): Promise<string[]> {
  const command = (await readme("deno run --allow-net=127.0.0.1", port)).replaceAll("$HOME", home);
  const [deno, verb, ...rest] = command.replaceAll("\\\n", " ").trim().split(/\s+/);
  assertEquals([deno, verb], ["deno", "run"]);
  return ["run", ...rest];
}

/** A script that holds its class, and what it does after its declarations. */
function mainScript(port: string, rest: string): string {
  return `
import { Client, remote } from "http://127.0.0.1:${port}/troupe/mod.ts";

export class Counter {
  n = 0;
  increment() {
    return ++this.n;
  }
}
remote(import.meta, { Counter });

${rest}
`;
}

const CONNECT_AND_COUNT = `
  await using client = await Client.connect("ws://127.0.0.1:PORT");
  await using counter = await client.submit(Counter, { actor: true });
  console.log(await counter.increment());
`;

const isTerminalOffered = await hasTerminal();

describe("three terminals", () => {
  let home: Folder;
  let project: Folder;
  let scheduler: Program;
  let worker: Program;
  let port: string;

  const inProject = () => ({ cwd: project.path, env: { HOME: home.path } });

  beforeAll(async () => {
    port = freePort();
    home = await Folder.make();
    await makeCache(`${home.path}/.cache/deno`);
    project = await Folder.make({
      "counter.ts": await readme("// counter.ts", port),
      "main.ts": await readme("// main.ts", port),
    });
    const env = { HOME: home.path, TROUPE_PORT: port, TROUPE_SCHEDULER: `ws://127.0.0.1:${port}` };
    scheduler = Program.start(["task", "--quiet", "scheduler"], { cwd: ROOT, env });
    await scheduler.says(`ws://127.0.0.1:${port}`);
    worker = Program.start(["task", "--quiet", "worker"], { cwd: ROOT, env: { ...env, TROUPE_PORT: "0" } });
    await worker.says("Worker ");
  });
  afterAll(async () => {
    await worker?.end();
    await scheduler?.end();
    await project?.[Symbol.asyncDispose]();
    await home?.[Symbol.asyncDispose]();
  });

  /** A client of this process. */
  async function connect(): Promise<Client> {
    const token = await Deno.readTextFile(`${home.path}/.config/troupe/token`);
    return await Client.connect(`ws://127.0.0.1:${port}`, { token: token.trim() });
  }

  it("are all that the README says: its script runs from any folder, with its permissions and no token typed", async () => {
    const { code, output, errors } = await run(await scriptCommand(port, home.path), inProject());
    assertEquals({ code, output }, { code: 0, output: "1\n" }, errors);
  });

  it("need each of these permissions", async () => {
    const command = await scriptCommand(port, home.path);
    for (const name of ["net", "import", "env", "read"]) {
      const less = command.filter((argument) => !argument.startsWith(`--allow-${name}`));
      assertEquals(less.length, command.length - 1, `the README's command has --allow-${name}`);
      const { code, errors } = await run(["run", "--no-prompt", ...less.slice(1)], inProject());
      assertEquals(code, 1, `without --allow-${name}`);
      // A missing token says how to give it, both ways.
      if (name === "env" || name === "read") {
        assertStringIncludes(errors, "UnauthorizedError");
        assertStringIncludes(errors, "TROUPE_TOKEN");
        assertStringIncludes(errors, "--allow-read");
      } else assertStringIncludes(errors, `--allow-${name}`);
    }
  });

  it("ask nobody for a permission, on a terminal", { ignore: !isTerminalOffered }, async () => {
    const [, ...command] = (await scriptCommand(port, home.path)).filter((argument) => !/-(env|read)=/.test(argument));
    // All of it runs on a pseudo-terminal, where Deno would ask.
    const line = [Deno.execPath(), "run", ...command].join(" ");
    const { output } = await run(["-qec", line, "/dev/null"], { ...inProject(), command: "script" });
    assertStringIncludes(output, "UnauthorizedError");
    assert(!output.includes("requests"), output);
  });

  it("run a class of the main script that is guarded", async () => {
    const guarded = `if (import.meta.main) {${CONNECT_AND_COUNT.replace("PORT", port)}}`;
    await project.write("guarded.ts", mainScript(port, guarded));
    const command = [...(await scriptCommand(port, home.path)).slice(0, -1), "guarded.ts"];
    const { code, output, errors } = await run(command, inProject());
    assertEquals({ code, output }, { code: 0, output: "1\n" }, errors);
  });

  it("refuse a main script without a guard, once, and say what to write", async () => {
    await project.write("unguarded.ts", mainScript(port, CONNECT_AND_COUNT.replace("PORT", port)));
    await using client = await connect();
    const before = (await client.schedulerInfo()).messages["hello"]!;
    const command = [...(await scriptCommand(port, home.path)).slice(0, -1), "unguarded.ts"];
    const { code, output, errors } = await run(command, inProject());
    assertEquals({ code, output }, { code: 1, output: "" });
    assertStringIncludes(errors, "MainModuleError");
    assertStringIncludes(errors, "if (import.meta.main)");
    const { messages, waiting, workers } = await client.schedulerInfo();
    assertEquals(messages["hello"]! - before, 1, "nobody but the script connected");
    assertEquals([...waiting, ...workers.flatMap(({ actors }) => actors)], []);
  });

  it("give a module the imports of a deno.json where the worker was started with it", async () => {
    await project.write("deno.json", JSON.stringify({ imports: { "greeting": "./hidden/greeting.ts" } }));
    await project.write("hidden/greeting.ts", `export const greeting = "good morning";`);
    await project.write(
      "greeter.ts",
      `import { greeting } from "greeting"; export class Greeter { greet() { return greeting; } }`,
    );
    const Greeter = remote<new () => { greet(): string }>(`${project.url("greeter.ts")}#Greeter`);
    await using client = await connect();
    const error = await assertRejects(async () => await client.submit(Greeter, { actor: true }), ModuleLoadError);
    assertStringIncludes(error.message, '"greeting"');
    assertStringIncludes(error.message, "greeter.ts");
    assertStringIncludes(error.message, "--config");
    await using configured = Program.start(
      ["task", "--quiet", "worker", "--name", "configured", "--config", `${project.path}/deno.json`],
      { cwd: ROOT, env: { HOME: home.path, TROUPE_SCHEDULER: `ws://127.0.0.1:${port}` } },
    );
    await configured.says("Worker configured");
    await using greeter = await client.submit(Greeter, { actor: true, workers: "configured" });
    assertEquals(await greeter.greet(), "good morning");
  });
});

/** Whether a program can be run on a pseudo-terminal here; says so where it cannot. */
async function hasTerminal(): Promise<boolean> {
  try {
    return (await new Deno.Command("script", { args: ["--version"], stdout: "null" }).output()).success;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.warn("skipped: a program on a terminal (there is no `script` on PATH)");
    return false;
  }
}
