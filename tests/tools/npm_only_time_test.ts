import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FakeTime, TimeError } from "../npm_only/time.ts";

describe("FakeTime of npm_only", () => {
  it("stands still until it is moved", () => {
    using time = new FakeTime(1_000);
    assertEquals([Date.now(), new Date().getTime(), time.now, time.start], [1_000, 1_000, 1_000, 1_000]);
    time.tick(250);
    assertEquals([Date.now(), time.now, time.start], [1_250, 1_250, 1_000]);
  });

  it("runs timers in the order in which they fall due, each at its own time", () => {
    using time = new FakeTime(0);
    const ran: string[] = [];
    setTimeout((name: string) => ran.push(`${name} at ${Date.now()}`), 30, "late");
    setTimeout(() => ran.push(`early at ${Date.now()}`), 10);
    setTimeout(() => ran.push(`second at ${Date.now()}`), 10);
    time.tick(9);
    assertEquals(ran, []);
    time.tick(100);
    assertEquals(ran, ["early at 10", "second at 10", "late at 30"]);
  });

  it("repeats an interval until it is cleared", () => {
    using time = new FakeTime(0);
    const ran: number[] = [];
    const id = setInterval(() => {
      ran.push(Date.now());
      if (ran.length === 3) clearInterval(id);
    }, 10);
    time.tick(100);
    assertEquals(ran, [10, 20, 30]);
  });

  it("does not run a timer that was cleared, and runs one that a timer set", () => {
    using time = new FakeTime(0);
    const ran: number[] = [];
    clearTimeout(setTimeout(() => ran.push(-1), 5));
    setTimeout(() => setTimeout(() => ran.push(Date.now()), 5), 5);
    time.tick(10);
    assertEquals(ran, [10]);
  });

  it("goes from timer to timer", async () => {
    using time = new FakeTime(0);
    const ran: number[] = [];
    setTimeout(() => ran.push(Date.now()), 7);
    Promise.resolve().then(() => setTimeout(() => ran.push(Date.now()), 3));
    assertEquals(await time.nextAsync(), true);
    assertEquals(time.next(), true);
    assertEquals(time.next(), false);
    assertEquals(ran, [3, 7]);
  });

  it("lets promises settle between timers", async () => {
    using time = new FakeTime(0);
    const ran: number[] = [];
    async function sleepTwice(): Promise<void> {
      for (const ms of [10, 20]) {
        await new Promise((resolve) => setTimeout(resolve, ms));
        ran.push(Date.now());
      }
    }
    const done = sleepTwice();
    await time.runAllAsync();
    await done;
    assertEquals(ran, [10, 30]);
  });

  it("lets promises settle before it moves", async () => {
    using time = new FakeTime(0);
    let ran = false;
    Promise.resolve().then(() => setTimeout(() => ran = true, 10));
    await time.tickAsync(10);
    assertEquals(ran, true);
  });

  it("moves AbortSignal.timeout too", () => {
    using time = new FakeTime(0);
    const signal = AbortSignal.timeout(50);
    time.tick(49);
    assertEquals(signal.aborted, false);
    time.tick(1);
    assertEquals(signal.aborted, true);
    assertInstanceOf(signal.reason, DOMException);
    assertEquals(signal.reason.name, "TimeoutError");
  });

  it("gives dates that are dates", () => {
    using _time = new FakeTime("2026-01-02T03:04:05Z");
    assertEquals(new Date().toISOString(), "2026-01-02T03:04:05.000Z");
    assertEquals(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
    assertInstanceOf(new Date(), Date);
    assertEquals(Date.UTC(1970, 0, 1), 0);
  });

  it("gives everything back at the end of its block", () => {
    const before = [Date, setTimeout, clearTimeout, setInterval, clearInterval, AbortSignal.timeout];
    {
      using time = new FakeTime();
      assertEquals(Date === before[0], false);
      assertThrows(() => new FakeTime(), TimeError, "already faked");
      assertThrows(() => time.now = 0, RangeError);
    }
    assertEquals([Date, setTimeout, clearTimeout, setInterval, clearInterval, AbortSignal.timeout], before);
    assertThrows(() => FakeTime.restore(), TimeError, "already restored");
  });
});
