import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { ObservedBody } from "../../protocol/observation.ts";
import type { CountedCall } from "../../worker/call_counters.ts";
import { CallRecorder, type RecorderNews } from "../../worker/call_recorder.ts";
import { captureConsole } from "../../worker/console_capture.ts";
import { applyInContext } from "../../worker/context.ts";
import { CounterTable } from "../../worker/counter_table.ts";
import { HostCounters } from "../../worker/host_counters.ts";
import { HostObserver } from "../../worker/host_observer.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

const CELL = { key: "Cell-1", className: "Cell" };

function createRecording() {
  const clock = new FakeClock();
  const told: RecorderNews[] = [];
  return { clock, told, recorder: new CallRecorder(clock, (news) => told.push(news)) };
}

function callOf(id: number, startedAt: number, waited = 0): CountedCall {
  return { id, name: "f", waited, startedAt, counts: undefined };
}

describe("the recorder of an isolate", () => {
  it("sets no timer and tells nothing of calls while nobody looks", () => {
    const { clock, told, recorder } = createRecording();
    assertEquals([recorder.watching, clock.timers], [false, 0]);
    recorder.watch(true);
    recorder.watch(false);
    clock.advance(1000);
    assertEquals([told, clock.timers], [[], 0]);
  });

  it("tells of calls in batches, with when they came, started and ended", () => {
    const { clock, told, recorder } = createRecording();
    recorder.watch(true);
    clock.advance(100);
    recorder.called(CELL, callOf(7, 60, 20), 40, true);
    clock.advance(300);
    const [news] = told;
    if (news?.type !== "called") throw new Error("no batch");
    const base = performance.timeOrigin;
    assertEquals(news.leftOut, 0);
    const [call] = news.calls;
    assertEquals([call?.key, call?.method, call?.call, call?.failed], ["Cell-1", "f", 7, true]);
    for (const [time, expected] of [[call!.arrived, 40], [call!.started, 60], [call!.ended, 100]] as const) {
      assert(Math.abs(time - base - expected) < 0.01);
    }
    assertEquals(clock.timers, 0);
  });

  it("tells of an even sample where there are many, and how many it left out", () => {
    const { clock, told, recorder } = createRecording();
    recorder.watch(true);
    for (let id = 0; id < 100_000; id++) recorder.called(CELL, callOf(id, id), 1, false);
    clock.advance(300);
    const [news] = told;
    if (news?.type !== "called") throw new Error("no batch");
    assert(news.calls.length <= 500 && news.calls.length >= 100, `${news.calls.length}`);
    assertEquals(news.calls.length + news.leftOut, 100_000);
    const ids = news.calls.map(({ call }) => call);
    assert(ids[0]! < 5000 && ids.at(-1)! > 95_000);
  });

  it("tells of errors with their causes, whatever was thrown, at a bounded rate", () => {
    const { clock, told, recorder } = createRecording();
    const cause = new RangeError("too far");
    recorder.threw(CELL, callOf(1, 0), new TypeError("no luck", { cause }));
    recorder.threw(CELL, callOf(2, 0), "just text");
    recorder.threw(CELL, callOf(3, 0), Object.create(null));
    const errors = told.flatMap((news) => news.type === "threw" ? [news.error] : []);
    assertEquals(errors.map(({ name, call }) => [name, call]), [["TypeError", 1], ["Thrown", 2], ["Error", 3]]);
    assertStringIncludes(errors[0]!.stack, "Caused by: RangeError: too far");
    for (let id = 0; id < 1000; id++) recorder.threw(CELL, callOf(id, 0), new Error("again"));
    assertEquals(told.length, 50);
    clock.advance(1000);
    recorder.threw(CELL, callOf(1, 0), new Error("later"));
    assertEquals(told.length, 51);
  });

  it("tells of lines at a bounded rate, and counts the others", () => {
    const { clock, told, recorder } = createRecording();
    for (let n = 0; n < 800; n++) recorder.printed({ at: 0, level: "log", text: "x".repeat(10_000) } as never);
    assertEquals(told.length, 500);
    clock.advance(10);
    recorder.printed({ at: 0, level: "log", text: "after" } as never);
    const last = told.at(-1);
    assertEquals(last?.type === "printed" && last.leftOut, 300);
    const first = told[0];
    assert(first?.type === "printed" && first.lines[0]!.text.length < 8200);
  });
});

describe("the console of an isolate", () => {
  it("prints as before, and tells whose line it is", () => {
    const printed: unknown[][] = [];
    const before = console.info;
    console.info = (...values) => void printed.push(values);
    const heard: unknown[] = [];
    const restore = captureConsole({
      worker: "w1",
      all: false,
      onLine: ({ at: _, ...line }) => heard.push(line),
    });
    try {
      const context = {
        worker: { id: "w1", name: "w1", address: "" },
        holder: "Cell-1",
        actorKey: "Cell-1",
        className: "Cell",
        method: "f",
        callId: 3,
      };
      console.info("nobody's");
      applyInContext(context as never, () => console.info("%s has", "it", { n: 1 }), undefined, []);
      applyInContext({ ...context, worker: { id: "w2" } } as never, () => console.info("another's"), undefined, []);
      const strange = {
        get [Symbol.toStringTag]() {
          throw new Error("no");
        },
      };
      applyInContext(context as never, () => console.info(strange), undefined, []);
    } finally {
      restore();
      console.info = before;
    }
    assertEquals(printed.length, 4);
    assertEquals(heard.slice(0, 1), [
      { level: "info", text: "it has { n: 1 }", key: "Cell-1", className: "Cell", method: "f", call: 3 },
    ]);
    assert(heard.length <= 2);
  });
});

describe("what a host remembers of calls", () => {
  function createObserver() {
    const clock = new FakeClock();
    const told: ObservedBody[] = [];
    const watched: boolean[] = [];
    const observer = new HostObserver({
      clock,
      counters: new HostCounters(),
      watchCalls: (on) => watched.push(on),
      tell: (body) => told.push(body),
    });
    return { clock, told, watched, observer };
  }
  const line = (text: string, key = "Cell-1") => ({ at: 1, level: "log", text, key, className: "Cell" }) as never;

  it("travels only while somebody looks, and the isolates hear of that", () => {
    const { clock, told, watched, observer } = createObserver();
    observer.observed({ type: "printed", lines: [line("before")], leftOut: 0 });
    clock.advance(1000);
    assertEquals([told, clock.timers], [[], 0]);
    observer.watch({ calls: true, lines: true });
    observer.observed({ type: "printed", lines: [line("now")], leftOut: 2 });
    clock.advance(300);
    assertEquals(told.map(({ lines, linesLeftOut }) => [lines.map(({ text }) => text), linesLeftOut]), [[["now"], 2]]);
    clock.advance(1000);
    assertEquals(told.length, 1);
    observer.watch({ calls: false, lines: false });
    assertEquals([watched, clock.timers], [[true, false], 0]);
  });

  it("is bounded, and given by actor or class, the latest first", () => {
    const { observer } = createObserver();
    for (let n = 0; n < 5000; n++) {
      observer.observed({ type: "printed", lines: [line(`${n}`, n % 2 ? "Cell-1" : "Cell-2")], leftOut: 0 });
    }
    const texts = (asked: object) => {
      return observer.answer("recentLines", { key: undefined, className: undefined, limit: 3, ...asked })
        .lines.map(({ text }) => text);
    };
    assertEquals(texts({}), ["4999", "4998", "4997"]);
    assertEquals(texts({ key: "Cell-2" }), ["4998", "4996", "4994"]);
    assertEquals(texts({ className: "Other" }), []);
    assertEquals(texts({ limit: 10_000 }).length, 2000);
  });

  it("has the figures of actors, those that need a look first", () => {
    const clock = new FakeClock();
    const counters = new HostCounters();
    const table = new CounterTable();
    counters.add({ home: "shared-1", counters: table, ended: new Promise(() => {}) });
    const memory = new SharedArrayBuffer(10 * 8 * 128);
    for (const [slot, key] of ["idle", "waiting", "busy"].entries()) {
      table.apply({
        type: "actor",
        key,
        incarnation: key,
        className: "Cell",
        block: 0,
        slot,
        memory: slot === 0 ? memory : undefined,
      });
    }
    const numbers = new Float64Array(memory);
    numbers[10 + 3] = 5; // queued
    numbers[20 + 8] = Date.now() - 2000; // busySince
    const observer = new HostObserver({ clock, counters, watchCalls() {}, tell() {} });
    const { actors, total } = observer.answer("actorFigures", { key: undefined, className: "Cell", limit: 2 });
    assertEquals([actors.map(({ key }) => key), total], [["busy", "waiting"], 3]);
    assert(actors[0]!.busyFor >= 2000 && actors[1]!.queued === 5);
  });
});
