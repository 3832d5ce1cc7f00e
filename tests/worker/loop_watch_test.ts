import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LoopState } from "../../worker/loop_state.ts";
import { LoopWatch } from "../../worker/loop_watch.ts";

function setUp() {
  const state = new LoopState();
  const watch = new LoopWatch();
  watch.add({ home: "shared-1", memory: state.memory, offset: 1000 });
  /** Looks every 100 ms, and says when something was found. */
  const lookUntil = (from: number, to: number) => {
    const found: string[] = [];
    for (let now = from; now <= to; now += 100) {
      for (const { home, onStuck } of watch.look(now)) found.push(`${now} ${home} ${onStuck}`);
    }
    return found;
  };
  return { state, watch, lookUntil };
}

describe("a watch over event loops", () => {
  it("finds a call that runs on beyond its deadline, once, in less than a second", () => {
    const { state, lookUntil } = setUp();
    state.enter(500, "abandon");
    assertEquals(lookUntil(1000, 1700), []);
    assertEquals(lookUntil(1800, 9000), ["2000 shared-1 abandon"]);
  });

  it("lets a call run that has all the time in the world, whoever waits for it", () => {
    const { state, lookUntil } = setUp();
    state.wait(10, "kill-host");
    state.enter(Infinity, "abandon");
    assertEquals(lookUntil(1000, 100_000), []);
  });

  it("finds a loop whose timers do not fire though no call is on its stack, later", () => {
    const { state, lookUntil } = setUp();
    state.wait(500, "kill-host");
    assertEquals(lookUntil(1000, 6400), []);
    assertEquals(lookUntil(6500, 9000), ["6700 shared-1 kill-host"]);
  });

  it("forgives a loop that catches up: its process was stopped, or had no processor", () => {
    const { state, watch } = setUp();
    state.enter(500, "abandon");
    assertEquals(watch.look(60_000), []);
    state.leave();
    assertEquals(watch.look(60_100), []);
    state.enter(700, "abandon");
    assertEquals([watch.look(60_200), watch.look(60_300)], [[], []]);
    state.enter(59_000 + 900, "abandon");
    assertEquals(watch.look(60_400), []);
  });

  it("does what the home says, whatever its calls say, and watches no home that was taken out", () => {
    const { state, watch, lookUntil } = setUp();
    watch.add({ home: "process-1", memory: state.memory, offset: 0, onStuck: "kill-host" });
    watch.remove("shared-1");
    state.enter(500, "abandon");
    assertEquals(lookUntil(0, 9000), ["1000 process-1 kill-host"]);
  });
});
