import { assertEquals, assertNotStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { BurstClock } from "../../worker/burst_clock.ts";
import { keepBytes } from "../../worker/kept_bytes.ts";

describe("a burst's clock", () => {
  it("stands still until the code that runs now has ended, unless somebody looks", async () => {
    let time = 10;
    let looks = 0;
    const clock = new BurstClock({ now: () => (looks++, time), setTimer: () => () => {} });
    assertEquals(clock.now(), 10);
    time = 20;
    assertEquals([clock.now(), clock.now(), looks], [10, 10, 1]);
    assertEquals(clock.look(), 20);
    time = 30;
    assertEquals([clock.now(), clock.began()], [20, 10]);
    await Promise.resolve();
    assertEquals([clock.now(), clock.now(), clock.began(), looks], [30, 30, 30, 3]);
  });

  it("looks again for what comes in later microtasks", async () => {
    let time = 1;
    const clock = new BurstClock({ now: () => time, setTimer: () => () => {} });
    const seen: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      seen.push(clock.now());
      time++;
      await Promise.resolve();
    }
    assertEquals(seen, [1, 2, 3]);
  });
});

describe("bytes that are kept", () => {
  it("are copies, whose buffer is never that of the frame", () => {
    for (const length of [0, 1, 100, 512, 513, 10_000]) {
      const frame = Uint8Array.from({ length: length + 2 }, (_, index) => index);
      const part = frame.subarray(1, length + 1);
      const kept = keepBytes(part);
      assertNotStrictEquals(kept.buffer, frame.buffer);
      frame.fill(255);
      assertEquals(kept, Uint8Array.from({ length }, (_, index) => index + 1));
    }
  });

  it("do not run into each other", () => {
    const kept = Array.from({ length: 100 }, (_, index) => keepBytes(new Uint8Array(200).fill(index)));
    for (const [index, bytes] of kept.entries()) assertEquals(bytes, new Uint8Array(200).fill(index));
  });
});
