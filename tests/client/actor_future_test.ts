import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type ActorFutureOptions, createActorFuture, rejectedActorFuture } from "../../client/actor_future.ts";
import { UnobservedErrors } from "../../client/unobserved.ts";
import { CallCancelledError, CallTimeoutError } from "../../protocol/errors.ts";
import { ManualTimer, unhandledRejections } from "./manual_timer.ts";

function setUp(options: Partial<ActorFutureOptions> = {}) {
  const timer = new ManualTimer();
  const reports: [error: Error, future: string][] = [];
  const unobserved = new UnobservedErrors({
    report: (error, future) => reports.push([error, future]),
    setTimer: timer.setTimer,
  });
  const made = createActorFuture<number>({ repr: "<ActorFuture: Counter.increment>", unobserved, ...options });
  return {
    future: made.future,
    resolve: (value: number) => made.resolve(value),
    reject: (error: unknown) => made.reject(error),
    timer,
    reports,
    unobserved,
  };
}

describe("ActorFuture", () => {
  it("is a promise that every consumer of promises gets the value of", async () => {
    const { future, resolve } = setUp();
    resolve(7);
    assertInstanceOf(future, Promise);
    assertEquals(await future, 7);
    assertEquals(await Promise.all([future]), [7]);
    assertEquals(await Promise.race([future]), 7);
    assertEquals(await Promise.any([future]), 7);
    assertEquals(await Promise.allSettled([future]), [{ status: "fulfilled", value: 7 }]);
    assertEquals(await Promise.resolve(future), 7);
    assertEquals(await (async () => await future)(), 7);
    // deno-lint-ignore require-await -- the return is what is tested
    assertEquals(await (async () => future)(), 7);
    assertEquals(await new Promise((resolve) => resolve(future)), 7);
    assertEquals(await Array.fromAsync([future]), [7]);
    assertEquals(await future.finally(() => {}), 7);
    assertEquals(await future.catch(() => 0), 7);
  });

  it("derives plain promises", () => {
    const { future } = setUp();
    assertStrictEquals(future.then(() => 1).constructor, Promise);
    assertStrictEquals(future.finally(() => {}).constructor, Promise);
  });

  it("gives the same value on every call of result()", async () => {
    const { future, resolve } = setUp();
    const value = { n: 1 };
    resolve(value as never);
    assertStrictEquals(await future.result(), value as never);
    assertStrictEquals(await future.result({ timeout: 1000 }), value as never);
    assertStrictEquals(await future, value as never);
  });

  it("says with done() whether it has settled, either way", () => {
    const first = setUp();
    assertFalse(first.future.done());
    first.resolve(1);
    assert(first.future.done());
    const second = setUp();
    second.reject(new Error("boom"));
    assert(second.future.done());
    second.unobserved.flush();
  });

  it("settles once: what comes later changes nothing", async () => {
    const { future, resolve, reject } = setUp();
    resolve(1);
    resolve(2);
    reject(new Error("late"));
    assertEquals(await future, 1);
  });

  it("shows its text in templates, in JSON and on consoles", () => {
    const { future } = setUp();
    assertEquals(`${future}`, "<ActorFuture: Counter.increment>");
    assertEquals(JSON.stringify({ n: future }), '{"n":"<ActorFuture: Counter.increment>"}');
    assertEquals(Deno.inspect(future), "<ActorFuture: Counter.increment>");
    assertEquals(Deno.inspect({ n: future }), "{ n: <ActorFuture: Counter.increment> }");
    const inspect = Reflect.get(future, Symbol.for("nodejs.util.inspect.custom")) as () => string;
    assertEquals(inspect.call(future), "<ActorFuture: Counter.increment>");
  });

  it("tells, when it fails, which code awaits it, and nothing where none does", async () => {
    const awaited = createActorFuture<number>({ repr: "awaited" });
    const ignored = createActorFuture<number>({ repr: "ignored", unobserved: setUp().unobserved });
    const told: string[] = [];
    const awaitsIt = async () => await assertRejects(async () => await awaited.future, RangeError);
    const awaiting = awaitsIt();
    for (const made of [awaited, ignored]) made.reject(new RangeError("no"), (stack) => told.push(stack));
    await awaiting;
    assertStringIncludes(told[0]!, "awaitsIt");
    assertFalse(told[1]!.includes("actor_future_test.ts"));
  });

  describe("result({ timeout })", () => {
    it("rejects with a TimeoutError and leaves the call alone", async () => {
      const { future, resolve } = setUp();
      const error = await assertRejects(() => future.result({ timeout: 1 }), CallTimeoutError);
      assertEquals(error.name, "TimeoutError");
      assertStringIncludes(error.message, "1 ms for <ActorFuture: Counter.increment>");
      assertFalse(future.done());
      resolve(3);
      assertEquals(await future.result(), 3);
    });

    it("lets a value that is there win over a timeout of 0", async () => {
      const { future, resolve } = setUp();
      resolve(3);
      assertEquals(await future.result({ timeout: 0 }), 3);
    });

    it("waits without end for Infinity and for more than a timer can count", async () => {
      const { future, resolve } = setUp();
      const waits = [future.result({ timeout: Infinity }), future.result({ timeout: 2 ** 40 })];
      await new Promise((done) => setTimeout(done, 2));
      resolve(4);
      assertEquals(await Promise.all(waits), [4, 4]);
    });

    it("rejects wrong options instead of throwing", async () => {
      const { future } = setUp();
      await assertRejects(() => future.result(5 as never), TypeError, "options are an object, got a number");
      await assertRejects(() => future.result({ timeout: "5" as never }), TypeError, "timeout has to be a number");
      await assertRejects(() => future.result({ timout: 5 } as never), TypeError, "(did you mean timeout?)");
      await assertRejects(() => future.result({ timeout: NaN }), TypeError, "got NaN");
      await assertRejects(() => future.result({ signal: {} as never }), TypeError, "signal has to be an AbortSignal");
    });
  });

  describe("result({ signal })", () => {
    it("rejects with the signal's reason and leaves the call alone", async () => {
      const { future, resolve } = setUp();
      const controller = new AbortController();
      const wait = future.result({ signal: controller.signal });
      const reason = new Error("enough");
      controller.abort(reason);
      assertStrictEquals(await wait.catch((error) => error), reason);
      resolve(1);
      assertEquals(await future, 1);
    });

    it("rejects at once where the signal has aborted", async () => {
      const { future } = setUp();
      const reason = new Error("enough");
      const wait = future.result({ signal: AbortSignal.abort(reason) });
      assertStrictEquals(await wait.catch((error) => error), reason);
    });

    it("leaves no listener on the signal", async () => {
      const { future, resolve } = setUp();
      const { signal } = new AbortController();
      let listeners = 0;
      const add = signal.addEventListener.bind(signal);
      const remove = signal.removeEventListener.bind(signal);
      signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
      signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
      const wait = future.result({ signal });
      assertEquals(listeners, 1);
      resolve(1);
      await wait;
      assertEquals(listeners, 0);
    });
  });

  describe("cancel()", () => {
    it("rejects at once where nobody knows better", async () => {
      const { future, resolve } = setUp({ onCancel: undefined });
      future.cancel("changed my mind");
      future.cancel("again");
      assert(future.done());
      resolve(1);
      const error = await assertRejects(
        () => future,
        CallCancelledError,
        "<ActorFuture: Counter.increment> was cancelled",
      );
      assertEquals(error.name, "AbortError");
      assertEquals(error.cause, "changed my mind");
      assertEquals(error.executed, "unknown");
    });

    it("tells its owner the reason, once, and counts as done before the owner has said what became of the call", () => {
      const reasons: unknown[] = [];
      const { future } = setUp({ onCancel: (reason) => reasons.push(reason) });
      future.cancel("changed my mind");
      future.cancel("again");
      assert(future.done());
      assertEquals(reasons, ["changed my mind"]);
    });

    it("lets its owner reject with what it knows of the call", async () => {
      const known = new CallCancelledError("it was queued", { executed: "no" });
      const made = setUp({ onCancel: () => made.reject(known) });
      made.future.cancel();
      assertStrictEquals(await made.future.catch((error) => error), known);
    });

    it("does nothing to a settled future", async () => {
      let told = 0;
      const { future, resolve } = setUp({ onCancel: () => told++ });
      resolve(1);
      future.cancel();
      assertEquals(await future, 1);
      assertEquals(told, 0);
    });

    it("is reported to nobody: whoever cancels knows", async () => {
      const { future, timer, unobserved, reports } = setUp();
      assertEquals(await unhandledRejections(() => future.cancel()), []);
      unobserved.flush();
      assertEquals(timer.running, []);
      assertEquals(reports, []);
    });
  });

  describe("with an error that nobody looks at", () => {
    it("is no unhandled rejection, and is reported after a second", async () => {
      const { reject, timer, reports } = setUp();
      const boom = new Error("boom");
      assertEquals(await unhandledRejections(() => reject(boom)), []);
      assertEquals(reports, []);
      assertEquals(timer.running[0]?.delay, 1000);
      timer.fire();
      assertEquals(reports, [[boom, "<ActorFuture: Counter.increment>"]]);
      assertEquals(timer.running, []);
    });

    it("is the same for result() that nobody awaits", async () => {
      const { future, reject, timer, reports } = setUp();
      const reasons = await unhandledRejections(() => {
        future.result();
        reject(new Error("boom"));
      });
      assertEquals(reasons, []);
      timer.fire();
      assertEquals(reports.length, 1);
    });

    it("is not reported where somebody subscribed before or within the second", async () => {
      const { unobserved, timer, reports } = setUp();
      const early = createActorFuture<number>({ repr: "early", unobserved });
      const late = createActorFuture<number>({ repr: "late", unobserved });
      const awaited = assertRejects(() => early.future, Error, "boom");
      early.reject(new Error("boom"));
      late.reject(new Error("boom"));
      await awaited;
      assertEquals(timer.running.length, 1);
      await assertRejects(() => late.future, Error, "boom");
      assertEquals(timer.running, [], "no timer runs for what was looked at");
      assertEquals(reports, []);
    });

    it("is reported where the only wait was given up before", async () => {
      const { future, reject, timer, reports } = setUp();
      await assertRejects(() => future.result({ timeout: 0 }), CallTimeoutError);
      assertEquals(await unhandledRejections(() => reject(new Error("boom"))), []);
      timer.fire();
      assertEquals(reports.length, 1);
    });

    it("is not reported where a bounded wait got the error", async () => {
      const { future, reject, timer, reports } = setUp();
      const wait = assertRejects(() => future.result({ timeout: 1000 }), Error, "boom");
      reject(new Error("boom"));
      await wait;
      assertEquals(timer.running, []);
      assertEquals(reports, []);
    });

    it("leaves the promises that then() returns as ordinary ones", async () => {
      const { future, reject } = setUp();
      const boom = new Error("boom");
      const reasons = await unhandledRejections(() => {
        future.then(() => {});
        reject(boom);
      });
      assertEquals(reasons, [boom]);
    });
  });

  it("can be made as a failure, for what was never sent", async () => {
    const { unobserved } = setUp();
    const future = rejectedActorFuture(new TypeError("no"), { repr: "<ActorFuture: Counter.add>", unobserved });
    assert(future.done());
    await assertRejects(() => future, TypeError, "no");
  });
});

describe("UnobservedErrors", () => {
  it("uses one timer for many rejections, and gives each its full delay", async () => {
    const { unobserved, timer, reports } = setUp();
    for (let i = 0; i < 100; i++) rejectedActorFuture(new Error("boom"), { repr: "of one turn", unobserved });
    await Promise.resolve();
    rejectedActorFuture(new Error("boom"), { repr: "of a later turn", unobserved });
    assertEquals(timer.running.length, 1);
    timer.fire();
    assertEquals(reports.length, 100);
    assertEquals(timer.running.length, 1);
    timer.fire();
    assertEquals(reports.length, 101);
    assertEquals(reports.at(-1)?.[1], "of a later turn");
    assertEquals(timer.running, []);
  });

  it("flush() reports at once, all or those of one owner, and each only once", () => {
    const { unobserved, timer, reports } = setUp();
    const owner = {};
    rejectedActorFuture(new Error("boom"), { repr: "of owner", unobserved, owner });
    rejectedActorFuture(new Error("boom"), { repr: "other", unobserved });
    unobserved.flush((rejection) => rejection.owner === owner);
    assertEquals(reports.map(([, future]) => future), ["of owner"]);
    assertEquals(timer.running.length, 1);
    unobserved.flush();
    assertEquals(reports.map(([, future]) => future), ["of owner", "other"]);
    assertEquals(timer.running, [], "no timer is left when nothing waits");
  });

  it("hands over an Error whatever was thrown", () => {
    const { unobserved, reports } = setUp();
    rejectedActorFuture("text", { repr: "x", unobserved });
    unobserved.flush();
    assertEquals(reports[0]?.[0].message, "Thrown: text");
    assertEquals(reports[0]?.[0].cause, "text");
  });

  it("survives a report that throws", () => {
    const lines: unknown[][] = [];
    const original = console.error;
    console.error = (...line: unknown[]) => lines.push(line);
    try {
      let reported = 0;
      const unobserved = new UnobservedErrors({
        report() {
          reported++;
          throw new Error("bad reporter");
        },
      });
      rejectedActorFuture(new Error("one"), { repr: "x", unobserved });
      rejectedActorFuture(new Error("two"), { repr: "x", unobserved });
      unobserved.flush();
      assertEquals(reported, 2);
      assertEquals(lines.length, 2);
    } finally {
      console.error = original;
    }
  });

  it("writes one line to console.error by default", () => {
    const lines: unknown[][] = [];
    const original = console.error;
    console.error = (...line: unknown[]) => lines.push(line);
    try {
      const unobserved = new UnobservedErrors();
      rejectedActorFuture(new RangeError("boom"), { repr: "<ActorFuture: Counter.add>", unobserved });
      unobserved.flush();
      assertEquals(lines, [["Nobody awaited <ActorFuture: Counter.add>, and it failed: RangeError: boom"]]);
    } finally {
      console.error = original;
    }
  });

  it("does not keep the process alive", () => {
    const original = globalThis.setTimeout;
    let unreferenced = 0;
    globalThis.setTimeout = (() => ({ unref: () => unreferenced++ })) as never;
    try {
      const unobserved = new UnobservedErrors({ report() {} });
      rejectedActorFuture(new Error("boom"), { repr: "x", unobserved });
      assertEquals(unreferenced, 1);
    } finally {
      globalThis.setTimeout = original;
    }
  });
});
