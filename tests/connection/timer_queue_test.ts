import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { type Clock, TimerQueue } from "../../connection/mod.ts";

/** A clock that stands still until it is told to go on. */
class ManualClock implements Clock {
  time = 0;
  /** Timers of the platform that run now. */
  readonly timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.time;
  }
  setTimer(delay: number, run: () => void): () => void {
    const timer = { at: this.time + delay, run };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }
  goTo(time: number): void {
    this.time = time;
    for (const timer of [...this.timers]) {
      if (timer.at > time) continue;
      this.timers.delete(timer);
      timer.run();
    }
  }
}

describe("TimerQueue", () => {
  it("runs what is due, in the order of time, whatever was set and stopped before", () => {
    const step = fc.record({ at: fc.nat(50), stop: fc.boolean() });
    fc.assert(fc.property(fc.array(step, { maxLength: 40 }), fc.nat(60), (steps, until) => {
      const clock = new ManualClock();
      const queue = new TimerQueue(clock);
      const ran: number[] = [];
      const timers = steps.map(({ at }) => queue.set(at, () => ran.push(at)));
      steps.forEach(({ stop }, index) => stop && timers[index]!.stop());
      for (let time = 0; time <= until; time++) clock.goTo(time);
      const due = steps.filter(({ at, stop }) => !stop && at <= until).map(({ at }) => at);
      assertEquals(ran, due.toSorted((one, other) => one - other));
    }));
  });

  it("has one timer of the platform, and none when nothing is waited for", () => {
    const clock = new ManualClock();
    const earliest: number[] = [];
    const queue = new TimerQueue(clock, (at) => earliest.push(at));
    const timers = [30, 10, 20].map((at) => queue.set(at, () => {}));
    assertEquals([...clock.timers].map(({ at }) => at), [10]);
    for (const timer of timers) timer.stop();
    assertEquals(clock.timers.size, 0);
    assertEquals(earliest, [30, 10, 20, Infinity]);
  });

  it("may be told more while it runs what is due", () => {
    const clock = new ManualClock();
    const queue = new TimerQueue(clock);
    const ran: string[] = [];
    const stopped = queue.set(6, () => ran.push("stopped"));
    queue.set(5, () => {
      ran.push("first");
      stopped.stop();
      queue.set(5, () => ran.push("at once"));
      queue.set(8, () => ran.push("later"));
    });
    clock.goTo(7);
    assertEquals(ran, ["first", "at once"]);
    clock.goTo(8);
    assertEquals(ran, ["first", "at once", "later"]);
  });

  it("stops a timer once, and one that has run not at all", () => {
    const clock = new ManualClock();
    const queue = new TimerQueue(clock);
    const ran: number[] = [];
    const first = queue.set(1, () => ran.push(1));
    queue.set(2, () => ran.push(2));
    clock.goTo(1);
    first.stop();
    first.stop();
    clock.goTo(2);
    assertEquals(ran, [1, 2]);
  });
});
