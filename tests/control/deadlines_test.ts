import { assert, assertEquals, assertInstanceOf, assertLess, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CallCancelledError, CallTimeoutError, type TroupeError, withOptions } from "../../mod.ts";
import { Cruncher, Middle, OneByOne, Pace } from "../fixtures/control_actors.ts";
import { errorOf, eventually, everywhere, onBothRoutes, openStage } from "../semantics/stage.ts";

/** What became of a call that was given up, and how soon its caller heard of it. */
async function outcomeOf(call: PromiseLike<unknown>): Promise<{ error: TroupeError; after: number }> {
  const start = performance.now();
  const error = await errorOf(call) as TroupeError;
  return { error, after: performance.now() - start };
}

/**
 * What comes of calls that a home gives up. It has 25 or 50 ms to say that they never started, else the caller says
 * "unknown": on a machine that does other things meanwhile it may take several calls until one is told in time.
 */
async function toldInTime(attempt: () => Promise<TroupeError>): Promise<TroupeError> {
  let error = await attempt();
  for (let again = 0; again < 20 && error.executed === "unknown"; again++) error = await attempt();
  return error;
}

describe("deadlines and cancellation", () => {
  const stage = openStage();

  everywhere(stage, "a deadline ends a call that runs, and tells the method", async ({ client, actor }) => {
    const pace = await client.submit(Pace, actor);
    const { error, after } = await outcomeOf(withOptions(pace, { timeout: 100 }).take(2000, "slow"));
    assertInstanceOf(error, CallTimeoutError);
    assertEquals([error.name, error.executed], ["TimeoutError", "unknown"]);
    assertMatch(error.message, /take of .* did not finish within (the )?100 ms/);
    assertLess(after, 500);
    assertEquals(await pace.aborted, ["slow TimeoutError"]);
  });

  everywhere(stage, "a call that waits for longer than its deadline never starts", async ({ client, actor }) => {
    const error = await toldInTime(async () => {
      const pace = await client.submit(OneByOne, actor);
      const first = pace.take(300, "first");
      const { error } = await outcomeOf(withOptions(pace, { timeout: 50 }).take(0, "late"));
      await first;
      assertEquals(await pace.started, ["first"]);
      return error;
    });
    assertInstanceOf(error, CallTimeoutError);
    assertEquals(error.executed, "no");
  });

  it("nor does one that came together with what it waited for", async () => {
    const cruncher = await stage.direct.submit(Cruncher, { actor: true });
    await cruncher.done;
    const long = cruncher.crunch(150, 1);
    const late = outcomeOf(withOptions(cruncher, { timeout: 30 }).crunch(0, 2));
    await long;
    assertEquals((await late).error.name, "TimeoutError");
    assertEquals(await cruncher.done, [1]);
  });

  onBothRoutes(stage, "the deadline of a sync call ends the wait; the method runs on", async (client) => {
    const cruncher = await client.submit(Cruncher, { actor: true });
    const { error, after } = await outcomeOf(withOptions(cruncher, { timeout: 50 }).crunch(200, 1));
    assertEquals([error.name, error.executed], ["TimeoutError", "unknown"]);
    assertLess(after, 190);
    assertEquals(await cruncher.done, [1]);
  });

  onBothRoutes(stage, "deadlines of client and handle: the handle's counts, and `Infinity` is none", async (client) => {
    const pace = await client.submit(Pace, { actor: true });
    assertEquals(await pace.timeLeft(), -1);
    const left = await withOptions(pace, { timeout: 5000 }).timeLeft();
    assert(left > 3000 && left <= 5000, `${left} ms are left`);
    await using impatient = await stage.connect({ calls: { timeout: 60 } });
    const theirs = await impatient.getActor<Pace>(String(pace).match(/key=(.*)>/)![1]!);
    assertEquals((await outcomeOf(theirs.take(2000))).error.name, "TimeoutError");
    assertEquals(await withOptions(theirs, { timeout: Infinity }).take(100, "in time"), "in time");
  });

  onBothRoutes(stage, "a deadline travels through actors that call actors", async (client) => {
    const pace = await client.submit(Pace, { actor: true });
    const middle = await client.submit(Middle, { actor: true });
    assertEquals(await middle.timeLeftOf(pace), -1);
    const left = await withOptions(middle, { timeout: 5000 }).timeLeftOf(pace);
    assert(left > 3000 && left <= 5000, `${left} ms are left`);
    const { error } = await outcomeOf(withOptions(middle, { timeout: 100 }).wait(pace, 2000));
    assertEquals(error.name, "TimeoutError");
    await eventually(["through the middle TimeoutError"], async () => await pace.aborted);
    // What it calls to clean up is not ended.
    await eventually(["TimeoutError", "clean up"], async () => await middle.ended);
  });

  onBothRoutes(stage, "cancelling a call cancels what it has called", async (client) => {
    const pace = await client.submit(Pace, { actor: true });
    const middle = await client.submit(Middle, { actor: true });
    const call = middle.wait(pace, 2000);
    await eventually(["through the middle"], async () => await pace.started);
    call.cancel("changed my mind");
    assertInstanceOf((await outcomeOf(call)).error, CallCancelledError);
    await eventually(["through the middle AbortError"], async () => await pace.aborted);
    await eventually(["AbortError", "clean up"], async () => await middle.ended);
  });

  everywhere(
    stage,
    "cancelling a call that runs rejects at once, and the method sees it",
    async ({ client, actor }) => {
      const pace = await client.submit(Pace, actor);
      const call = pace.take(1000, "running");
      await eventually(["running"], async () => await pace.started);
      call.cancel(new Error("not needed"));
      assert(call.done());
      const { error, after } = await outcomeOf(call);
      assertInstanceOf(error, CallCancelledError);
      assertEquals([error.name, error.executed, (error.cause as Error).message], [
        "AbortError",
        "unknown",
        "not needed",
      ]);
      assertLess(after, 200);
      assertEquals(await pace.aborted, ["running AbortError"]);
    },
  );

  everywhere(stage, "a call that waits is removed when it is cancelled, and says so", async ({ client, actor }) => {
    const error = await toldInTime(async () => {
      const pace = await client.submit(OneByOne, actor);
      const first = pace.take(200, "first");
      const abort = new AbortController();
      const waiting = withOptions(pace, { signal: abort.signal }).take(0, "waiting");
      const last = pace.take(0, "last");
      await eventually(1, () => Promise.resolve(1));
      abort.abort("not needed");
      const { error } = await outcomeOf(waiting);
      await Promise.all([first, last]);
      assertEquals(await pace.started, ["first", "last"]);
      return error;
    });
    assertInstanceOf(error, CallCancelledError);
    assertEquals([error.executed, error.cause], ["no", "not needed"]);
  });

  onBothRoutes(stage, "sync calls that wait are removed as well, and the one that runs finishes", async (client) => {
    const cruncher = await client.submit(Cruncher, { actor: true });
    await cruncher.crunch(0, 0);
    const calls = [1, 2, 3, 4].map((id) => cruncher.crunch(60, id));
    calls[3]!.cancel();
    const { error, after } = await outcomeOf(calls[3]!);
    assertInstanceOf(error, CallCancelledError);
    // A loop that is held up cannot say whether the call had started: nobody waits for that.
    assertLess(after, 300);
    assertEquals(await Promise.all(calls.slice(0, 3)), [1, 2, 3]);
    assertEquals(await cruncher.done, [0, 1, 2, 3]);
  });

  onBothRoutes(stage, "a signal that has aborted sends nothing", async (client) => {
    const pace = await client.submit(Pace, { actor: true });
    const { error } = await outcomeOf(withOptions(pace, { signal: AbortSignal.abort("before") }).take(0, "never"));
    assertInstanceOf(error, CallCancelledError);
    assertEquals([error.executed, error.cause], ["no", "before"]);
    assertEquals(await pace.started, []);
  });

  it("a call that has not left when it is given up never ran", async () => {
    await using client = await stage.connect({ directToWorkers: true });
    const pace = await client.submit(Pace, { actor: true });
    // The first call dials its home: it is not sent before that stands.
    const call = pace.take(0, "never");
    call.cancel();
    assertEquals((await outcomeOf(call)).error.executed, "no");
    assertEquals(await pace.started, []);
  });
});
