import { assert, assertEquals, assertFalse, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { futureLink, isHandle, referenceOf } from "../../client/brands.ts";
import { createFuture, type FutureOptions, type FutureSource } from "../../client/future.ts";
import type { Future } from "../../client/types.ts";
import { UnobservedErrors } from "../../client/unobserved.ts";
import { ActorLostError, CallCancelledError, CallTimeoutError } from "../../protocol/errors.ts";
import { encodeValue } from "../../protocol/values.ts";
import { ManualTimer, unhandledRejections } from "./manual_timer.ts";

/** A source that notes what it is asked for. */
class ScriptedSource implements FutureSource<object> {
  readonly asked: string[] = [];
  readonly value = Promise.withResolvers<object>();
  releases: () => Promise<void> = () => Promise.resolve();
  cancels: () => Promise<void> = () => Promise.resolve();

  fetch(): Promise<object> {
    this.asked.push("fetch");
    return this.value.promise;
  }
  cancel(reason: unknown): Promise<void> {
    this.asked.push(`cancel ${reason}`);
    return this.cancels();
  }
  release(): Promise<void> {
    this.asked.push("release");
    return this.releases();
  }
}

function setUp(options: Partial<FutureOptions<object>> = {}) {
  const timer = new ManualTimer();
  const reports: Error[] = [];
  const unobserved = new UnobservedErrors({ report: (error) => reports.push(error), setTimer: timer.setTimer });
  const source = new ScriptedSource();
  const control = createFuture<object>({ key: "Counter-1234abcd", source, unobserved, ...options });
  return { ...control, source, timer, reports, unobserved };
}

describe("Future", () => {
  it("is a promise that fetches nothing until somebody wants its value", async () => {
    const { future, source, update } = setUp();
    assertInstanceOf(future, Promise);
    update("processing");
    update("finished");
    assert(future.done());
    assertEquals(await future.exception(), undefined);
    assertEquals(source.asked, []);
    const value = { n: 1 };
    source.value.resolve(value);
    assertStrictEquals(await future, value);
    assertEquals(source.asked, ["fetch"]);
  });

  it("fetches once and gives the same object every time", async () => {
    const { future, source } = setUp();
    const handle = { increment() {} };
    source.value.resolve(handle);
    assertStrictEquals(await future.result(), handle);
    assertStrictEquals(await future.result({ timeout: 1000 }), handle);
    assertEquals(await Promise.all([future, future]), [handle, handle]);
    assertEquals(source.asked, ["fetch"]);
  });

  it("starts to fetch with result(), before anybody awaits it", () => {
    const { future, source } = setUp();
    future.result();
    assertEquals(source.asked, ["fetch"]);
  });

  it("shows key and status, also in JSON and on consoles", () => {
    const { future, update } = setUp();
    assertEquals(future.key, "Counter-1234abcd");
    assertEquals(String(future), "<Future: pending, key=Counter-1234abcd>");
    update("no-worker");
    assertEquals(future.status, "no-worker");
    assertFalse(future.done());
    update("finished");
    assertEquals(JSON.stringify([future]), '["<Future: finished, key=Counter-1234abcd>"]');
    assertEquals(Deno.inspect(future), "<Future: finished, key=Counter-1234abcd>");
  });

  it("travels by reference, and is no plain promise to the codec and to other copies of the library", () => {
    const { future } = setUp();
    const [byFuture, byReference] = ["troupe.future.1", "troupe.reference.1"].map((name) => Symbol.for(name));
    assertStrictEquals(Reflect.get(future, byFuture!), futureLink(future));
    assertStrictEquals(Reflect.get(future, byReference!), futureLink(future));
    assertEquals(futureLink(future)?.kind, "key");
    assertEquals(referenceOf(future), { key: "Counter-1234abcd" });
    assertFalse(isHandle(future));
    const bytes = new Uint8Array([0xc0]);
    const reference = (value: object) => ({ kind: "future", bytes, key: (value as Future<object>).key }) as const;
    assertEquals(encodeValue([future], { reference }).refs, ["Counter-1234abcd"]);
  });

  it("begins with the status that it is given", () => {
    const { future } = setUp({ status: "finished" });
    assertEquals(future.status, "finished");
    assert(future.done());
  });

  it("is finished when its value has come, whatever was heard before", async () => {
    const { future, source } = setUp();
    source.value.resolve({});
    await future;
    assertEquals(future.status, "finished");
    assert(future.done());
  });

  it("rejects with the error that it failed with, without fetching", async () => {
    const { future, fail, source } = setUp();
    const boom = new Error("boom");
    fail(boom);
    assertEquals(future.status, "error");
    assert(future.done());
    assertStrictEquals(await future.then(() => {}, (error) => error), boom);
    assertStrictEquals(await future.exception(), boom);
    assertEquals(source.asked, []);
  });

  it("rejects those who wait already", async () => {
    const { future, fail } = setUp();
    const waits = [assertRejects(() => future, Error, "boom"), assertRejects(() => future.result(), Error, "boom")];
    fail(new Error("boom"), "lost");
    await Promise.all(waits);
    assertEquals(future.status, "lost");
  });

  it("fails when the fetch fails", async () => {
    const { future, source } = setUp();
    source.value.reject(new Error("connection lost"));
    await assertRejects(() => future, Error, "connection lost");
    assertEquals(future.status, "error");
    assertEquals((await future.exception())?.message, "connection lost");
  });

  it("keeps the value that was fetched when its actor is lost later", async () => {
    const { future, fail, source, unobserved, reports } = setUp();
    const handle = {};
    source.value.resolve(handle);
    await future;
    const lost = new ActorLostError("gone");
    fail(lost, "lost");
    assertEquals(future.status, "lost");
    assertStrictEquals(await future, handle);
    assertStrictEquals(await future.exception(), lost);
    unobserved.flush();
    assertEquals(reports, []);
  });

  it("stays failed, whatever is heard later", () => {
    const { future, fail, update, unobserved } = setUp();
    fail(new Error("boom"));
    update("processing");
    fail(new Error("other"), "lost");
    assertEquals(future.status, "error");
    unobserved.flush();
  });

  it("bounds the wait for a value and for an exception, not the work", async () => {
    const { future, source, update } = setUp();
    await assertRejects(
      () => future.result({ timeout: 1 }),
      CallTimeoutError,
      "<Future: pending, key=Counter-1234abcd>",
    );
    await assertRejects(() => future.exception({ timeout: 1 }), CallTimeoutError);
    const reason = new Error("enough");
    const wait = future.exception({ signal: AbortSignal.abort(reason) });
    assertStrictEquals(await wait.catch((error) => error), reason);
    source.value.resolve({});
    update("finished");
    assertEquals(await future.exception({ timeout: 1000 }), undefined);
  });

  describe("cancel()", () => {
    it("rejects at once and stops it for everyone", async () => {
      const { future, source, reports, unobserved } = setUp();
      const cancelled = future.cancel("enough");
      assertEquals(future.status, "cancelled");
      assert(future.done());
      await cancelled;
      assertEquals(source.asked, ["cancel enough"]);
      const error = await assertRejects(() => future, CallCancelledError, "Counter-1234abcd was cancelled");
      assertEquals(error.cause, "enough");
      unobserved.flush();
      assertEquals(reports, []);
    });

    it("need not be awaited, also where it fails", async () => {
      const { future, source } = setUp();
      source.cancels = () => Promise.reject(new Error("connection lost"));
      assertEquals(await unhandledRejections(() => void future.cancel()), []);
      await assertRejects(() => future.cancel(), Error, "connection lost");
    });
  });

  describe("release()", () => {
    it("gives the reference back once", async () => {
      const { future, source } = setUp();
      await future.release();
      await future.release();
      assertEquals(source.asked, ["release"]);
      assertEquals(future.status, "released");
      assert(future.done());
    });

    it("never rejects", async () => {
      const { future, source } = setUp();
      source.releases = () => Promise.reject(new Error("connection lost"));
      assertEquals(await future.release(), undefined);
    });

    it("happens at the end of a scope with using", () => {
      const { future, source } = setUp();
      {
        using scoped = future;
        assertEquals(scoped.status, "pending");
      }
      assertEquals(source.asked, ["release"]);
    });

    it("leaves a fetched value where it is", async () => {
      const { future, source } = setUp();
      const value = {};
      source.value.resolve(value);
      await future;
      await future.release();
      assertStrictEquals(await future, value);
    });

    it("leaves what a later await gives to the source", async () => {
      const { future, source } = setUp();
      await future.release();
      source.value.reject(new Error("released"));
      await assertRejects(() => future, Error, "released");
      assertEquals(future.status, "released");
    });

    it("reports an error that nobody has looked at", () => {
      const { future, fail, reports, timer } = setUp();
      const boom = new Error("boom");
      fail(boom);
      assertEquals(reports, []);
      future.release();
      assertEquals(reports, [boom]);
      assertEquals(timer.running, []);
    });
  });

  describe("with an error that nobody looks at", () => {
    it("is no unhandled rejection, and is reported after a second", async () => {
      const { fail, timer, reports } = setUp();
      const boom = new Error("boom");
      assertEquals(await unhandledRejections(() => fail(boom)), []);
      assertEquals(timer.running[0]?.delay, 1000);
      timer.fire();
      assertEquals(reports, [boom]);
    });

    it("is not reported where exception() gave it", async () => {
      const { future, fail, timer, reports } = setUp();
      const exception = future.exception();
      fail(new Error("boom"));
      assertEquals((await exception)?.message, "boom");
      assertEquals(timer.running, []);
      assertEquals(reports, []);
    });
  });
});
