/**
 * How figures are shown, and where they are put.
 *
 * @module
 */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { goalText, replaceSection, section, shortNumber, table } from "../../bench/report.ts";

describe("shortNumber()", () => {
  for (
    const [value, text] of [
      [0.12345, "0.123"],
      [0.01, "0.0100"],
      [1.005, "1.00"],
      [12.34, "12.3"],
      [123.4, "123"],
      [1234.5, "1 230"],
      [312_400, "312 000"],
      [0, "0"],
      [NaN, "–"],
    ] as const
  ) {
    it(`shows ${value} as ${text}`, () => assertEquals(shortNumber(value), text));
  }
});

describe("goalText()", () => {
  it("says which number a goal is about", () => {
    assertEquals(goalText({ atMost: 1.15 }), "≤ 1.15 ×");
    assertEquals(goalText({ of: "value", atLeast: 300_000 }), "≥ 300 000");
    assertEquals(goalText({ of: "p99Ratio", atMost: 1.5 }), "≤ 1.5 × (p99)");
  });
});

describe("table()", () => {
  const floor = { name: "echo", unit: "ms", samples: 200, value: 0.1, p99: 0.5 };
  const call = {
    name: "call",
    unit: "ms",
    samples: 200,
    value: 0.12,
    p99: 0.6,
    to: "echo",
    ratio: 1.2,
    p99Ratio: 1.2,
    goal: { atMost: 1.15 },
    met: false,
  };

  it("has the columns that are needed, each as wide as its longest cell", () => {
    assertEquals(
      table([floor, call]),
      [
        "| what | median   | p99      | ratio | p99 ratio | to   | goal              |",
        "| ---- | -------- | -------- | ----- | --------- | ---- | ----------------- |",
        "| echo | 0.100 ms | 0.500 ms |       |           |      |                   |",
        "| call | 0.120 ms | 0.600 ms | 1.20  | 1.20      | echo | ≤ 1.15 ×: not met |",
      ].join("\n"),
    );
  });

  it("shows beside it what was taken without pinned processes, and the base revision", () => {
    const compared = { name: "call", unit: "ms", samples: 1, value: 2, toBase: 0.5, toBaseRange: [0.4, 0.6] } as const;
    assertStringIncludes(table([call], [{ ...call, value: 0.3, ratio: 3 }]), "| 0.300 ms, 3.00 × |");
    assertStringIncludes(table([compared]), "| 0.50 (0.40 to 0.60) |");
  });

  it("is followed by the peers that were not there", () => {
    const text = section({ subject: "x", title: "X", figures: [floor], absent: ["Dask: no Python has it"] });
    assertStringIncludes(text, "\n\nNot there: Dask: no Python has it.");
  });
});

describe("replaceSection()", () => {
  const page = "before\n\n<!-- bench:a -->\n\nold\n\n<!-- /bench:a -->\n\nafter <!-- bench:b --> <!-- /bench:b -->";

  it("changes what is between the markers, and nothing else", () => {
    const replaced = replaceSection(page, "a", "new");
    assertEquals(replaced, page.replace("old", "new"));
    assertEquals(replaceSection(replaced, "a", "new"), replaced);
  });

  it("refuses a page without the markers", () => {
    assertThrows(() => replaceSection(page, "c", "new"), Error, "no markers <!-- bench:c -->");
  });
});
