/**
 * Every bench runs, and has its place on the page.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { SUBJECTS } from "../../bench/subjects.ts";

const ROOT = new URL("../../", import.meta.url);

describe("deno task bench", () => {
  it("runs every subject, shows a table of each and writes nothing with --quick", async () => {
    const page = await Deno.readTextFile(new URL("docs/performance.md", ROOT));
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--unstable-worker-options", "bench/main.ts", "--quick"],
      cwd: ROOT,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
    const { code, stdout, stderr } = await command.output();
    const text = new TextDecoder().decode(stdout);
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    const sections = text.split("\n## ").slice(1);
    assertEquals(sections.map((section) => section.split("\n", 1)[0]), SUBJECTS.map(({ title }) => title));
    for (const section of sections) {
      const rows = section.split("\n").filter((line) => line.startsWith("| "));
      assertEquals(rows.length > 2, true, `no figures: ${section}`);
      assertEquals(rows.filter((row) => row.includes("–")), []);
    }
    assertEquals(await Deno.readTextFile(new URL("docs/performance.md", ROOT)), page);
  });

  it("names what there is where a subject is unknown", async () => {
    const command = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-lock", "--unstable-worker-options", "bench/main.ts", "speed"],
      cwd: ROOT,
      stderr: "piped",
    });
    const { code, stderr } = await command.output();
    assertEquals(code, 2);
    assertStringIncludes(new TextDecoder().decode(stderr), "No bench is called speed: there are latency, ");
  });

  it("has a place on the page for each subject", async () => {
    const page = await Deno.readTextFile(new URL("docs/performance.md", ROOT));
    for (const { name, title } of SUBJECTS) {
      assertStringIncludes(page, `## ${title}\n`);
      assertStringIncludes(page, `<!-- bench:${name} -->`);
      assertStringIncludes(page, `<!-- /bench:${name} -->`);
    }
  });
});
