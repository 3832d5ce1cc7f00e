import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { addCounts, countTests, formatCounts } from "../../tools/count_tests.ts";

const FAILURE = `<failure message="1 test step failed">1 test step failed.</failure>`;

/** A report as `deno test` writes it; an outcome is the content of the case. */
function report(cases: Record<string, string>, module = "./tests/a_test.ts"): string {
  const lines = Object.entries(cases).map(([name, outcome]) =>
    `<testcase name="${name}" classname="${module}" time="0.001" line="1" col="6">\n${outcome}</testcase>`
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites><testsuite>\n${
    lines.join("\n")
  }\n</testsuite></testsuites>`;
}

describe("countTests()", () => {
  it("counts tests that passed, failed and were skipped", () => {
    const text = report({ one: "", two: FAILURE, three: "<skipped/>", four: "" });
    assertEquals(countTests(text, false), { passed: 2, failed: 1, skipped: 1 });
  });

  it("counts the steps of a suite and not the suite, however deep", () => {
    const text = report({
      "a": "",
      "a &gt; b": "",
      "a &gt; b &gt; c": "",
      "a &gt; b &gt; d": "",
      "a &gt; e": "<skipped/>",
    });
    assertEquals(countTests(text, true), { passed: 2, failed: 0, skipped: 1 });
  });

  it("counts a failed step once, not again for each suite around it", () => {
    const text = report({ "a": FAILURE, "a &gt; b": FAILURE, "a &gt; b &gt; c": FAILURE, "a &gt; d": "" });
    assertEquals(countTests(text, false), { passed: 1, failed: 1, skipped: 0 });
  });

  it("counts a suite that failed by itself, such as by a leak", () => {
    assertEquals(countTests(report({ "a": FAILURE, "a &gt; b": "" }), false), { passed: 1, failed: 1, skipped: 0 });
  });

  it("keeps modules apart that have suites of the same name", () => {
    const text = report({ "a": "", "a &gt; b": "" }, "./x_test.ts") + report({ "a": "" }, "./y_test.ts");
    assertEquals(countTests(text, true), { passed: 2, failed: 0, skipped: 0 });
  });

  it("reads a case that is closed at once", () => {
    assertEquals(countTests(`<testcase name="a" classname="b"/><testcase name="c" classname="b"/>`, true).passed, 2);
  });

  it("adds up what several runs counted", () => {
    const counts = [{ passed: 1, failed: 0, skipped: 2 }, { passed: 10, failed: 20, skipped: 0 }];
    assertEquals(addCounts(counts), { passed: 11, failed: 20, skipped: 2 });
  });

  it("counts one failure where the run failed before it could report", () => {
    assertEquals(countTests("", false), { passed: 0, failed: 1, skipped: 0 });
    assertEquals(countTests(report({ one: "" }), false), { passed: 1, failed: 1, skipped: 0 });
  });

  it("reads what this Deno writes", async () => {
    const directory = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${directory}/a_test.ts`,
        `Deno.test("suite", async (t) => {
           await t.step("passes", () => {});
           await t.step("fails", () => { throw new Error("no"); });
           await t.step({ name: "waits", ignore: true, fn() {} });
         });
         Deno.test("passes", () => {});`,
      );
      const { code } = await new Deno.Command(Deno.execPath(), {
        args: ["test", "--no-config", "--no-check", `--junit-path=${directory}/report.xml`, `${directory}/a_test.ts`],
        stdout: "null",
        stderr: "null",
      }).output();
      const counts = countTests(await Deno.readTextFile(`${directory}/report.xml`), code === 0);
      assertEquals(counts, { passed: 2, failed: 1, skipped: 1 });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
});

describe("formatCounts()", () => {
  it("names the skipped only where there are some", () => {
    assertEquals(formatCounts({ passed: 12, failed: 0, skipped: 0 }), "12 passed, 0 failed");
    assertEquals(formatCounts({ passed: 12, failed: 1, skipped: 3 }), "12 passed, 1 failed, 3 skipped");
  });
});
