import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { countOf, fromSparse } from "../../protocol/histogram.ts";
import { CallCounters, type CountedCall, type CounterNews } from "../../worker/call_counters.ts";
import { CallRecorder, type RecorderNews } from "../../worker/call_recorder.ts";
import { CounterTable } from "../../worker/counter_table.ts";
import { HostCounters } from "../../worker/host_counters.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

/** Counters of an isolate, and what a host sees of them. */
function createCounting() {
  const clock = new FakeClock();
  const table = new CounterTable();
  const news: CounterNews[] = [];
  const told: RecorderNews[] = [];
  const recorder = new CallRecorder(clock, (said) => told.push(said));
  const counters = new CallCounters(clock, recorder, (said) => {
    news.push(said);
    table.apply(said);
  });
  return { clock, table, news, counters, recorder, told };
}

function callOf(name: string, waited = 0): CountedCall {
  return { id: 1, name, waited, startedAt: 0, counts: undefined };
}

describe("the counters of an isolate", () => {
  it("count calls, errors, bytes and times by method", () => {
    const { clock, table, counters } = createCounting();
    const actor = counters.ofActor("Cell", "Cell-1", "i1", { slow: "sync", quick: "async" });
    for (const [name, time, failed] of [["slow", 20, false], ["quick", 1, false], ["slow", 40, true]] as const) {
      const call = callOf(name);
      actor.started(call, 10);
      clock.advance(time);
      actor.finished(call, failed, failed ? 0 : 100);
    }
    const [cell] = table.read().classes;
    assertEquals([cell?.className, cell?.actors, cell?.calls, cell?.errors], ["Cell", 1, 3, 1]);
    const [slow, quick] = cell!.methods!;
    assertEquals(
      [slow?.name, slow?.calls, slow?.errors, slow?.inFlight, slow?.bytesIn, slow?.bytesOut, slow?.runningTime],
      ["slow", 2, 1, 0, 20, 100, 60],
    );
    assertEquals([quick?.calls, quick?.runningTime], [1, 1]);
    assertEquals([countOf(fromSparse(slow!.running)), countOf(fromSparse(slow!.queueing))], [2, 2]);
  });

  it("tell what is under way, since when, and what waits", () => {
    const { clock, table, counters } = createCounting();
    const actor = counters.ofActor("Cell", "Cell-1", "i1", { slow: "sync" });
    const first = callOf("slow");
    actor.started(first, 0);
    actor.queued("slow");
    clock.advance(5000);
    const [busy] = table.actors();
    assertEquals(
      [busy?.key, busy?.method, busy?.sync, busy?.inFlight, busy?.queued],
      ["Cell-1", "slow", true, 1, 1],
    );
    assert(Math.abs(performance.timeOrigin + clock.now() - 5000 - busy!.busySince) < 0.01);
    actor.finished(first, false, 0);
    actor.unqueued("slow");
    const second = callOf("slow", 5000);
    actor.started(second, 0);
    actor.finished(second, false, 0);
    const [idle] = table.actors();
    assertEquals([idle?.inFlight, idle?.queued, idle?.busySince, idle?.queueingTime], [0, 0, 0, 5000]);
    const [method] = table.read().classes[0]!.methods!;
    assertEquals([method?.queued, method?.queueingTime], [0, 5000]);
    // One started at once, one after 5 s.
    assertEquals(method?.queueing.filter((_, index) => index % 2 === 1), [1, 1]);
  });

  it("count a call that was given up as under way until its method has ended", () => {
    const { clock, table, counters } = createCounting();
    const actor = counters.ofActor("Cell", "Cell-1", "i1", { slow: "async" });
    const [late, endless] = [callOf("slow"), callOf("slow")];
    actor.started(late, 0);
    actor.started(endless, 0);
    clock.advance(1000);
    actor.gaveUp(late, true, 0);
    actor.gaveUp(endless, false, 0);
    const figures = () => {
      const method = table.read().classes[0]!.methods![0]!;
      return [method.errors, method.inFlight, countOf(fromSparse(method.running)), method.runningTime];
    };
    assertEquals(figures(), [1, 2, 0, 0]);
    const [running] = table.actors();
    assert(running!.busySince > 0);
    clock.advance(1000);
    actor.returned(late);
    actor.returned(late);
    assertEquals(figures(), [1, 1, 1, 2000]);
    actor.end();
    actor.returned(endless);
    assertEquals(figures(), [1, 0, 2, 4000]);
  });

  it("keep what actors counted that are gone, and use their places again", () => {
    const { table, news, counters } = createCounting();
    for (let round = 0; round < 1000; round++) {
      const actor = counters.ofActor("Cell", `Cell-${round}`, `i${round}`, { f: "async" });
      const call = callOf("f");
      actor.started(call, 0);
      if (round % 2) actor.finished(call, false, 0);
      actor.end();
      actor.end();
      // An answer may come after the end.
      if (!(round % 2)) actor.finished(call, false, 0);
    }
    const [cell] = table.read().classes;
    assertEquals([cell?.actors, cell?.calls, cell?.methods?.[0]?.inFlight, [...table.actors()].length], [
      0,
      1000,
      0,
      0,
    ]);
    assertEquals(news.filter((said) => said.type === "actor" && said.memory).length, 1);
    const fresh = counters.ofActor("Cell", "Cell-x", "ix", {});
    assertEquals([...table.actors()].map(({ calls, inFlight }) => [calls, inFlight]), [[0, 0]]);
    fresh.end();
  });

  it("count apart no more methods than a program could want to tell apart", () => {
    const { table, counters } = createCounting();
    for (let n = 0; n < 3000; n++) {
      const actor = counters.ofActor(`Class${n}`, `key-${n}`, `i${n}`, { f: "sync" });
      const call = callOf("f");
      actor.started(call, 0);
      actor.finished(call, false, 0);
      actor.end();
    }
    const { classes } = table.read();
    const counted = classes.filter(({ calls }) => calls > 0);
    assertEquals([counted.length, counted.reduce((sum, { calls }) => sum + calls, 0)], [2001, 3000]);
    assertEquals(counted.find(({ className }) => className === "(others)")?.calls, 1000);
  });

  it("count tasks by function", () => {
    const { clock, table, counters } = createCounting();
    const task = callOf("square");
    counters.taskStarted(task, 3);
    clock.advance(7);
    counters.taskFinished("square-1", task, 9);
    const { tasks, classes } = table.read();
    assertEquals(tasks.map(({ name, calls, runningTime }) => [name, calls, runningTime]), [["square", 1, 7]]);
    assertEquals(classes, []);
  });
});

describe("the counters of a host", () => {
  it("are sums over its isolates, those that have ended among them", async () => {
    const [one, other] = [createCounting(), createCounting()];
    const ended = Promise.withResolvers<void>();
    const host = new HostCounters();
    host.add({ home: "shared-1", counters: one.table, ended: ended.promise });
    host.add({ home: "shared-2", counters: other.table, ended: new Promise(() => {}) });
    for (const [index, { counters }] of [one, other].entries()) {
      const actor = counters.ofActor("Cell", `Cell-${index}`, `i${index}`, { f: "async" });
      const calls = [callOf("f"), callOf("f")];
      for (const call of calls) actor.started(call, 1);
      actor.finished(calls[0]!, index === 0, 1);
      counters.unhandled();
    }
    const look = () => {
      const { classes, unhandled } = host.read();
      const { actors, calls, errors, methods } = classes[0]!;
      return { actors, calls, errors, unhandled, inFlight: methods?.[0]?.inFlight };
    };
    assertEquals(look(), { actors: 2, calls: 4, errors: 1, unhandled: 2, inFlight: 2 });
    ended.resolve();
    await ended.promise;
    assertEquals(look(), { actors: 1, calls: 4, errors: 1, unhandled: 2, inFlight: 1 });
    assertEquals([...host.actors()].map(({ key, home }) => [key, home]), [["Cell-1", "shared-2"]]);
  });

  it("report what has changed, and nothing else", () => {
    const { counters, table } = createCounting();
    const host = new HostCounters();
    host.add({ home: "shared-1", counters: table, ended: new Promise(() => {}) });
    const cell = counters.ofActor("Cell", "Cell-1", "i1", { f: "async", g: "async" });
    counters.ofActor("Idle", "Idle-1", "i2", { f: "async" });
    const look = () =>
      host.changes().classes.map(({ className, methods }) => [className, methods?.map(({ name }) => name)]);
    assertEquals(look(), [["Cell", []], ["Idle", []]]);
    assertEquals(look(), []);
    const call = callOf("g");
    cell.started(call, 0);
    assertEquals(look(), [["Cell", ["g"]]]);
    cell.finished(call, false, 0);
    assertEquals(look(), [["Cell", ["g"]]]);
    assertEquals(look(), []);
  });
});
