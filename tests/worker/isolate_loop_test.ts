import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { afterThisTurn, platformClock } from "../../connection/mod.ts";
import type { Context } from "../../worker/context.ts";
import { IsolateLoop } from "../../worker/isolate_loop.ts";
import { LoopState, readLoopState } from "../../worker/loop_state.ts";
import { Turns, type TurnTaker } from "../../worker/turns.ts";

const CONTEXT = {} as Context;

describe("what others see of an isolate's loop", () => {
  it("is the deadline of the call on its stack, while there is one, and else the earliest that waits", () => {
    const state = new LoopState();
    const { memory } = state;
    assertEquals(readLoopState(memory), { at: Infinity, onStuck: "abandon", running: false });
    state.wait(100, "kill-host");
    assertEquals(readLoopState(memory), { at: 100, onStuck: "kill-host", running: false });
    state.enter(500, "abandon");
    assertEquals(readLoopState(memory), { at: 500, onStuck: "abandon", running: true });
    state.enter(Infinity, "abandon");
    assertEquals(readLoopState(memory).at, Infinity);
    state.leave();
    assertEquals(readLoopState(memory).at, 100);
  });

  it("follows deadlines that are set and stopped, and code that runs", () => {
    const loop = new IsolateLoop(platformClock);
    const { memory } = loop.state;
    const far = loop.clock.now() + 60_000;
    const stops = [
      loop.setDeadline({ deadline: far + 2, onStuck: "abandon" }, () => {}),
      loop.setDeadline({ deadline: far + 1, onStuck: "kill-host" }, () => {}),
      loop.setDeadline({ deadline: far, onStuck: "abandon" }, () => {}),
    ];
    assertEquals(readLoopState(memory), { at: far, onStuck: "abandon", running: false });
    stops[2]!();
    assertEquals(readLoopState(memory), { at: far + 1, onStuck: "kill-host", running: false });
    const seen = loop.apply(CONTEXT, { deadline: 7, onStuck: "kill-host" }, () => readLoopState(memory), undefined, []);
    assertEquals(seen, { at: 7, onStuck: "kill-host", running: true });
    assertThrows(() =>
      loop.apply(
        CONTEXT,
        { deadline: 7, onStuck: "abandon" },
        () => {
          throw new RangeError("out of code");
        },
        undefined,
        [],
      ), RangeError);
    for (const stop of stops) stop();
    assertEquals(readLoopState(memory), { at: Infinity, onStuck: "kill-host", running: false });
  });
});

describe("turns", () => {
  /** Takes one of its items a turn, each of which takes so many milliseconds. */
  class Taker implements TurnTaker {
    constructor(
      readonly turns: Turns,
      readonly log: string[],
      readonly items: string[],
      readonly milliseconds: number,
    ) {}

    takeTurn(): boolean {
      this.log.push(this.items.shift()!);
      this.turns.spend(this.milliseconds);
      return this.items.length > 0;
    }
  }

  const nextTurn = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

  it("are free until calls have taken their share, and again after the loop has had its own", async () => {
    const turns = new Turns();
    assertEquals(turns.free, true);
    turns.spend(100);
    assertEquals(turns.free, false);
    turns.ask({ takeTurn: () => false });
    await nextTurn();
    assertEquals(turns.free, true);
  });

  it("go round among those who ask", async () => {
    const turns = new Turns();
    const log: string[] = [];
    turns.ask(new Taker(turns, log, ["a1", "a2", "a3"], 0));
    turns.ask(new Taker(turns, log, ["b1", "b2"], 0));
    await nextTurn();
    assertEquals(log, ["a1", "b1", "a2", "b2", "a3"]);
  });

  it("let the loop have its turn between things that take long", async () => {
    const turns = new Turns();
    const log: string[] = [];
    turns.ask(new Taker(turns, log, ["long 1", "long 2", "long 3"], 100));
    while (!log.includes("long 3")) {
      await new Promise<void>((resolve) => afterThisTurn(resolve));
      log.push("loop");
    }
    assertEquals(log.filter((entry) => entry !== "loop"), ["long 1", "long 2", "long 3"]);
    assertEquals(log.join().includes("long 1,long 2") || log.join().includes("long 2,long 3"), false);
  });
});
