import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ASSETS, contentPolicy, PAGE } from "../../dashboard/mod.ts";
import { bytes, count, rate, show, time } from "../../dashboard/page/format.js";
import { layOut, toChromeTrace } from "../../dashboard/page/timeline_model.js";

const call = (key: string, arrived: number, started: number, ended: number | undefined, more = {}) => ({
  key,
  className: "Cell",
  method: "add",
  call: 1,
  worker: "w1",
  arrived,
  started,
  ended,
  failed: false,
  ...more,
});

describe("the page of the dashboard", () => {
  it("loads nothing from elsewhere, and nothing that is written into it", () => {
    const policy = contentPolicy("127.0.0.1:8786");
    assertMatch(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
    assertEquals(policy.includes("unsafe"), false);
    assertEquals(PAGE.text.match(/<script(?![^>]* src=)|<style|\son\w+=|\sstyle=/g), null);
    for (const [, address] of PAGE.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const name = /^\/assets\/([\w.]+)$/.exec(address!)?.[1];
      assert(name !== undefined && name in ASSETS, address);
    }
  });

  it("has every module that its modules import", () => {
    for (const [name, { type, text }] of Object.entries(ASSETS)) {
      if (!type.startsWith("text/javascript")) continue;
      for (const [, imported] of text.matchAll(/from "\.\/([\w.]+)"/g)) {
        assert(imported! in ASSETS, `${name}: ${imported}`);
      }
      assertEquals(text.match(/\beval\(|new Function\(/g), null, name);
    }
  });
});

describe("figures as text", () => {
  it("keep about the same width", () => {
    assertEquals([0, 7, 9999, 12_345, 123_456, 7_654_321].map(count), ["0", "7", "9999", "12.3k", "123k", "7.65M"]);
    assertEquals([0, 0.01, 0.42, 9.5, 1234].map(rate), ["0", "<0.1", "0.4", "9.5", "1234"]);
    assertEquals([0, 0.0005, 0.085, 0.42, 12, 1300, 61_000, 3_700_000, null].map((ms) => time(ms)), [
      "0 ms",
      "0 ms",
      "85 µs",
      "0.42 ms",
      "12 ms",
      "1.3 s",
      "1 min 1 s",
      "1 h 1 min",
      "–",
    ]);
    assertEquals([0, 1023, 2048, 340 * 2 ** 20].map(bytes), ["0 B", "1023 B", "2.0 KiB", "340 MiB"]);
  });

  it("show values of every kind as code would write them", () => {
    assertEquals(show("text"), "text");
    assertEquals(show([1, "two", null, undefined, 3n]), '[1, "two", null, undefined, 3n]');
    assertEquals(show(new Map([["a", new Set([1])]])), 'Map(1) { "a" => Set(1) { 1 } }');
    assertEquals(
      show({ at: new Date(0), error: new RangeError("far") }),
      "{ at: 1970-01-01T00:00:00.000Z, error: RangeError: far }",
    );
    assertEquals(show(new Float32Array(3)), "Float32Array(3) [0, 0, 0]");
    assertMatch(show(Array.from({ length: 500 }, (_, n) => n)), /… 400 more/);
  });
});

describe("the timeline", () => {
  it("has a row for each actor and one for each function of tasks, in the order in which they came", () => {
    const order = new Map();
    const task = { className: "", method: "square" };
    const calls = [
      call("Cell-2", 5, 5, 6),
      call("Cell-1", 6, 7, 8),
      call("square-1", 6, 6, 9, task),
      call("square-2", 7, 7, 9, task),
    ];
    const rows = layOut(calls, 0, 100, order);
    assertEquals(rows.map(({ name, lanes, calls }) => [name, lanes, calls.length]), [
      ["Cell-2", 1, 1],
      ["Cell-1", 1, 1],
      ["tasks of square", 2, 2],
    ]);
    assertEquals(layOut(calls.toReversed(), 0, 100, order).map(({ name }) => name), [
      "Cell-2",
      "Cell-1",
      "tasks of square",
    ]);
  });

  it("puts calls that overlap into lanes, leaves out what is not in the window, and ends what runs at its edge", () => {
    const calls = [
      call("a", 0, 0, 10),
      call("a", 5, 10, 12),
      call("a", 12, 12, 13),
      call("a", 90, 90, undefined),
      call("a", -9, -9, -1),
    ];
    const [row] = layOut(calls, 0, 100, new Map());
    assertEquals(row!.calls.map(({ lane, ended }: { lane: number; ended: number }) => [lane, ended]), [
      [0, 10],
      [1, 12],
      [0, 13],
      [0, 100],
    ]);
  });

  it("is exported as a file that trace viewers open: who waits, who runs, what failed", () => {
    const { traceEvents } = JSON.parse(
      toChromeTrace([call("Cell-1", 1, 3, 6), call("Cell-2", 4, 4, 5, { failed: true })], [{
        id: "w1",
        name: "alice",
      }]),
    );
    const spans = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    assertEquals(spans.map(({ name, ts, dur }: { name: string; ts: number; dur: number }) => [name, ts, dur]), [
      ["waits", 1000, 2000],
      ["Cell.add", 3000, 3000],
      ["Cell.add", 4000, 1000],
    ]);
    const names = traceEvents.filter(({ ph }: { ph: string }) => ph === "M").map((
      { args }: { args: { name: string } },
    ) => args.name);
    assertEquals(names, ["alice", "Cell-1", "Cell-2"]);
  });
});
