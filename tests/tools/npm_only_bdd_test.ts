import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";

interface Run {
  succeeded: boolean;
  output: string;
  /** The lines that the tests printed with `log`. */
  logged: string[];
}

/** Runs tests that are written with `describe` and `it` of npm_only, in a Deno of their own. */
async function runTests(source: string): Promise<Run> {
  const bdd = new URL("../npm_only/bdd.ts", import.meta.url).href;
  const head = `import { afterAll, afterEach, beforeAll, beforeEach, describe, it, test } from "${bdd}";
    function log(text) { console.log("LOG " + text); }\n`;
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/a_test.ts`, head + source);
    const config = JSON.stringify({ test: { sanitizeOps: true, sanitizeResources: true } });
    await Deno.writeTextFile(`${directory}/deno.json`, config);
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--no-check",
        "--no-lock",
        "--allow-net",
        `--config=${directory}/deno.json`,
        `${directory}/a_test.ts`,
      ],
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "null",
    }).output();
    const output = new TextDecoder().decode(stdout);
    return {
      succeeded: success,
      output,
      logged: Array.from(output.matchAll(/^LOG (.*)$/gm), (match) => match[1] ?? ""),
    };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

describe("describe() and it() of npm_only", () => {
  it("run hooks around tests, from the outside in and back", async () => {
    const { succeeded, logged } = await runTests(`
      describe("outer", () => {
        beforeAll(() => log("outer beforeAll"));
        afterAll(() => log("outer afterAll"));
        beforeEach(() => log("outer beforeEach"));
        afterEach(() => log("outer afterEach"));
        it("one", () => log("one"));
        describe("inner", () => {
          beforeAll(async () => { await 0; log("inner beforeAll"); });
          afterAll(() => log("inner afterAll"));
          beforeEach(() => log("inner beforeEach"));
          afterEach(() => log("inner afterEach"));
          it("two", async () => { await 0; log("two"); });
        });
      });
      it("flat", () => log("flat"));
    `);
    assertEquals(succeeded, true);
    assertEquals(logged, [
      "outer beforeAll",
      "outer beforeEach",
      "one",
      "outer afterEach",
      "inner beforeAll",
      "outer beforeEach",
      "inner beforeEach",
      "two",
      "inner afterEach",
      "outer afterEach",
      "inner afterAll",
      "outer afterAll",
      "flat",
    ]);
  });

  it("go on after a failed test, with the hooks that clean up", async () => {
    const { succeeded, output, logged } = await runTests(`
      describe("suite", () => {
        afterAll(() => log("afterAll"));
        afterEach(() => log("afterEach"));
        it("breaks", () => { throw new Error("broken"); });
        it("works", () => log("works"));
      });
    `);
    assertEquals(succeeded, false);
    assertEquals(logged, ["afterEach", "works", "afterEach", "afterAll"]);
    assertMatch(output, /breaks \.\.\. FAILED/);
    assertMatch(output, /works \.\.\.[^]*ok/);
  });

  it("leave out what is ignored or skipped, in every form", async () => {
    const { succeeded, output, logged } = await runTests(`
      describe("suite", () => {
        it.ignore("a", () => log("a"));
        it.skip("b", () => log("b"));
        it("c", { ignore: true }, () => log("c"));
        it({ name: "d", ignore: true, fn: () => log("d") });
        describe.skip("inner", () => { it("e", () => log("e")); });
        test("f", () => log("f"));
      });
      describe.ignore("other", () => { log("not even collected"); });
      it.skip("flat", () => log("flat"));
    `);
    assertEquals(succeeded, true);
    assertEquals(logged, ["f"]);
    assertMatch(output, /1 passed \(1 step\) \| 0 failed \| 2 ignored \(5 steps\)/);
  });

  it("run only what is marked so", async () => {
    const { succeeded, logged } = await runTests(`
      describe("suite", () => {
        it("a", () => log("a"));
        describe("inner", () => {
          it.only("b", () => log("b"));
          it("c", () => log("c"));
        });
        describe.only("other", () => { it("d", () => log("d")); });
      });
      it("flat", () => log("flat"));
    `);
    assertEquals(logged, ["b", "d"]);
    assertEquals(succeeded, false, "a run with `only` fails, so that nobody commits it");
  });

  it("let the sanitizers see what tests and hooks leave behind", async () => {
    const leaks = await runTests(`
      describe("suite", () => { it("leaks", () => { Deno.listen({ port: 0 }); }); });
    `);
    assertEquals(leaks.succeeded, false);
    assertMatch(leaks.output, /A TCP listener was opened during the test, but not closed/);
    const closes = await runTests(`
      describe("suite", () => {
        let listener;
        beforeAll(() => { listener = Deno.listen({ port: 0 }); });
        afterAll(() => listener.close());
        it("a", () => {});
        it("b", () => {});
      });
    `);
    assertEquals(closes.succeeded, true);
    assertNotMatch(closes.output, /Leaks detected/);
  });

  it("refuse an asynchronous suite and a hook outside of one", async () => {
    assertEquals((await runTests(`describe("suite", async () => { await 0; });`)).succeeded, false);
    assertEquals((await runTests(`beforeEach(() => {}); it("a", () => {});`)).succeeded, false);
  });

  it("give a test its context", async () => {
    const { logged } = await runTests(`
      describe("suite", () => {
        it("has steps", async (t) => { log(t.name); await t.step("step", () => log("step")); });
      });
    `);
    assertEquals(logged, ["has steps", "step"]);
  });
});
