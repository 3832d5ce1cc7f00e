import { assert, assertEquals, assertGreater, assertInstanceOf, assertLess, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { MailboxFullError, release, type TroupeError, withOptions } from "../../mod.ts";
import { Cruncher, OneByOne, Pace } from "../fixtures/control_actors.ts";
import { errorOf, eventually, everywhere, onBothRoutes, openStage, workerOf } from "../semantics/stage.ts";

/** What keeps a method busy: it says when it begins, and ends when it is let go. */
function openHold() {
  const started = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const hold = async () => {
    started.resolve();
    await held.promise;
  };
  return { hold, started: started.promise, letGo: () => held.resolve() };
}

describe("mailboxes", () => {
  const stage = openStage();

  everywhere(stage, "an actor takes as many calls as `maxPending` says, and refuses others", async (way) => {
    const { client, actor } = way;
    const pace = await client.submit(OneByOne, { ...actor, maxPending: 10 });
    const calls = Array.from({ length: 25 }, (_, index) => pace.take(5, `${index}`));
    const settled = await Promise.allSettled(calls);
    const taken = settled.filter(({ status }) => status === "fulfilled").length;
    assertEquals(taken, 10);
    for (const result of settled.slice(10)) {
      if (result.status === "fulfilled") throw new Error("It was taken");
      assertInstanceOf(result.reason, MailboxFullError);
      assertEquals([result.reason.executed, result.reason.retryable], ["no", true]);
      assertGreater(result.reason.retryAfterMs ?? 0, 0);
    }
    // None was lost, none ran twice, and there is room again.
    assertEquals(await pace.finished, Array.from({ length: 10 }, (_, index) => `${index}`));
    assertEquals(await pace.take(0, "later"), "later");
  });

  everywhere(stage, "the bound is one for all callers", async ({ client, actor }) => {
    const key = `shared-${crypto.randomUUID()}`;
    const pace = await client.submit(OneByOne, { ...actor, key, maxPending: 3 });
    await using other = await stage.connect();
    const theirs = await other.getActor<OneByOne>(key);
    const { hold, started, letGo } = openHold();
    const first = pace.holdUntil("", hold);
    await started;
    // Nobody says whose calls arrive first.
    const calls = Array.from({ length: 22 }, (_, index) => (index % 2 === 0 ? pace : theirs).take(0));
    let refused = 0;
    const allRefused = Promise.withResolvers<void>();
    for (const call of calls) call.catch(() => ++refused === 20 && allRefused.resolve());
    await allRefused.promise;
    letGo();
    await first;
    const taken = (await Promise.allSettled(calls)).filter(({ status }) => status === "fulfilled");
    assertEquals(taken.length, 2);
  });

  onBothRoutes(
    stage,
    "20 000 calls of 10 ms: those that have room run, once, and the others say no",
    async (client) => {
      const pace = await client.submit(Pace, { actor: true, maxPending: 10_000, isolation: "shared" });
      const calls = Array.from({ length: 20_000 }, () => pace.take(10));
      const settled = await Promise.allSettled(calls);
      const refused = settled.filter((result) => {
        return result.status === "rejected" && (result.reason as TroupeError).executed === "no";
      }).length;
      const ran = settled.filter(({ status }) => status === "fulfilled").length;
      assertEquals(ran + refused, 20_000);
      assertEquals((await pace.finished).length, ran);
      assert(ran >= 10_000, `${ran} ran`);
    },
  );

  everywhere(stage, "calls of a higher priority start before those that wait", async ({ client, actor }) => {
    const pace = await client.submit(OneByOne, actor);
    const { hold, started, letGo } = openHold();
    const first = pace.holdUntil("first", hold);
    await started;
    const normal = [1, 2].map((n) => pace.take(0, `normal ${n}`));
    const low = withOptions(pace, { priority: -1 }).take(0, "low");
    const high = [1, 2].map((n) => withOptions(pace, { priority: 1 }).take(0, `high ${n}`));
    letGo();
    await Promise.all([first, low, ...normal, ...high]);
    assertEquals(await pace.started, ["first", "high 1", "high 2", "normal 1", "normal 2", "low"]);
  });

  onBothRoutes(stage, "sync calls have priorities, too", async (client) => {
    const cruncher = await client.submit(Cruncher, { actor: true });
    await cruncher.crunch(0, 0);
    const calls = [1, 2, 3].map((id) => cruncher.crunch(30, id));
    const high = withOptions(cruncher, { priority: 1 }).crunch(0, 9);
    await Promise.all([...calls, high]);
    const done = await cruncher.done;
    assertLess(done.indexOf(9), 4);
    assertEquals(done.filter((id) => id !== 9), [0, 1, 2, 3]);
  });

  everywhere(stage, "one-way calls give nothing back, in order, and are not waited for", async ({ client, actor }) => {
    const pace = await client.submit(Pace, actor);
    const { take } = withOptions(pace, { oneWay: true });
    const names = Array.from({ length: 100 }, (_, index) => `${index}`);
    for (const name of names) assertEquals(take(0, name), undefined);
    assertEquals(await pace.started, names);
  });

  onBothRoutes(stage, "one-way calls reach their actor though their client closes at once", async (client) => {
    const key = `left-${crypto.randomUUID()}`;
    const pace = await stage.observer.submit(Pace, { actor: true, key });
    const far = await client.getActor<Pace>(key);
    const { take } = withOptions(far, { oneWay: true });
    for (let index = 0; index < 200; index++) take(1, `${index}`);
    await client.close();
    await eventually(200, async () => (await pace.finished).length);
    release(pace);
  });

  onBothRoutes(stage, "what fails of a one-way call is reported", async () => {
    const reported: Error[] = [];
    await using client = await stage.connect({ onUnobservedError: (error) => reported.push(error) });
    const pace = await client.submit(Pace, { actor: true });
    const oneWay = withOptions(pace, { oneWay: true });
    oneWay.take(Symbol("no number") as unknown as number);
    await client.submit(Pace, { actor: true });
    await eventually(1, () => Promise.resolve(reported.length));
    assertMatch(reported[0]!.message, /args\[0\].*a symbol/);
  });

  it("a producer that is ten times faster than its actor keeps memory flat on all sides", async () => {
    await using client = await stage.connect({ directToWorkers: true, onUnobservedError: () => {} });
    const future = client.submit(OneByOne, { actor: true, maxPending: 1000, isolation: "shared" });
    const pace = await future;
    const worker = await workerOf(stage.observer, future.key);
    const before = Deno.memoryUsage().rss;
    const hostBefore = worker.memory;
    const payload = "x".repeat(2000);
    let refused = 0;
    let sent = 0;
    const end = performance.now() + 3000;
    while (performance.now() < end) {
      for (let count = 0; count < 100; count++, sent++) {
        // Others end with the client.
        pace.take(0, payload).catch((error) => error instanceof MailboxFullError && refused++);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    assertGreater(sent, 10_000);
    assertGreater(refused, 0);
    // When there is room again it takes calls again.
    await eventually("taken", async () => await pace.take(0, "taken").catch(String));
    assertLess(Deno.memoryUsage().rss - before, 320 * 2 ** 20);
    assertLess((await workerOf(stage.observer, future.key)).memory - hostBefore, 200 * 2 ** 20);
  });

  onBothRoutes(stage, "one client has at most 100 000 calls pending with one actor", async (client) => {
    const pace = await client.submit(Pace, { actor: true });
    const calls: PromiseLike<unknown>[] = [];
    for (let count = 0; count < 100_000; count++) calls.push(pace.take(2000));
    const settled = Promise.allSettled(calls);
    const error = await errorOf(pace.take(0));
    assertInstanceOf(error, MailboxFullError);
    assertMatch(error.message, /100000 calls with \d+ bytes of arguments are pending with it/);
    assertEquals(error.executed, "no");
    await client.close();
    await settled;
  });
});
