import { assert, assertEquals, assertFalse, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { createActorFuture } from "../../client/actor_future.ts";
import { futureLink } from "../../client/brands.ts";
import { createFuture } from "../../client/future.ts";
import { createHandle } from "../../client/handle.ts";
import type { ActorFuture } from "../../client/types.ts";
import { asCompleted, gather, wait } from "../../client/waiting.ts";
import { CallTimeoutError } from "../../protocol/errors.ts";
import { ScriptedTarget } from "./scripted_target.ts";

function call<T = number>() {
  const made = createActorFuture<T>({ repr: "<ActorFuture: Counter.increment>" });
  return {
    future: made.future,
    resolve: (value: T) => made.resolve(value),
    reject: (error: unknown) => made.reject(error),
  };
}

function resolved<T>(value: T): ActorFuture<T> {
  const { future, resolve } = call<T>();
  resolve(value);
  return future;
}

function submitted<T>(value: T) {
  const asked: string[] = [];
  const source = {
    fetch: () => (asked.push("fetch"), Promise.resolve(value)),
    cancel: () => Promise.resolve(),
    release: () => Promise.resolve(),
  };
  return { asked, ...createFuture<T>({ key: "inc-1", source }) };
}

/** A call that fails, with its error seen to. */
function rejected(message: string): ActorFuture<never> {
  const { future, reject } = call<never>();
  future.catch(() => {});
  reject(new Error(message));
  return future;
}

/** Futures, and how many listeners each of them has. */
function spied(count: number) {
  const calls = Array.from({ length: count }, () => call());
  const listeners = calls.map(({ future }) => {
    const link = futureLink(future)!;
    const held = { count: 0 };
    const subscribe = link.onSettled.bind(link);
    Object.assign(link, {
      onSettled(listener: () => void) {
        held.count++;
        const unsubscribe = subscribe(listener);
        return () => {
          held.count--;
          unsubscribe();
        };
      },
    });
    return held;
  });
  return { calls, futures: calls.map(({ future }) => future), held: () => listeners.map((held) => held.count) };
}

describe("gather", () => {
  it("gives values in the place of futures, in the same shape", async () => {
    const { future } = submitted("b");
    assertEquals(await gather([resolved(1), future, 3]), [1, "b", 3]);
    assertEquals(await gather({ a: resolved(1), b: [[resolved(2)], { c: future }] }), { a: 1, b: [[2], { c: "b" }] });
    assertEquals(await gather(resolved(5)), 5);
    assertEquals(await gather([]), []);
    assertEquals(await gather([Promise.resolve(1)]), [1]);
  });

  it("has one value for a future that is there twice, and fetches it once", async () => {
    const { future, asked } = submitted({ n: 1 });
    const [first, second] = await gather([future, future]);
    assertStrictEquals(first, second);
    assertEquals(asked, ["fetch"]);
  });

  it("leaves everything else as it is", async () => {
    const handle = createHandle({ className: "C", methods: {}, attributes: ["n"] }, new ScriptedTarget());
    const map = new Map([["a", resolved(1)]]);
    const date = new Date(0);
    const values = await gather([handle, map, date, null, undefined, "x"] as const);
    assertStrictEquals(values[0], handle);
    assertStrictEquals(values[1], map);
    assertStrictEquals(values[2], date);
    assertEquals(values.slice(3), [null, undefined, "x"]);
  });

  it("gives handles as they are, without a round trip for their names", async () => {
    const target = new ScriptedTarget();
    const handle = createHandle({ className: "C", methods: { add: "sync" }, attributes: ["n"] }, target);
    const { future } = submitted(handle);
    assertStrictEquals((await gather([future]))[0], handle);
    assertEquals(target.asked, []);
  });

  it("keeps the shape of any nest", async () => {
    const leaf = fc.oneof(fc.integer(), fc.string(), fc.boolean(), fc.constant(null));
    const { nest } = fc.letrec((tie) => ({
      nest: fc.oneof(
        { depthSize: "small" },
        leaf,
        fc.array(tie("nest"), { maxLength: 4 }),
        fc.dictionary(fc.string().filter((name) => name !== "__proto__"), tie("nest"), {
          maxKeys: 4,
          noNullPrototype: true,
        }),
      ),
    }));
    function wrap(value: unknown): unknown {
      if (Array.isArray(value)) return value.map(wrap);
      if (typeof value !== "object" || value === null) return resolved(value);
      return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, wrap(member)]));
    }
    await fc.assert(
      fc.asyncProperty(nest, async (value) => {
        assertEquals(await gather([wrap(value)]), [value]);
      }),
      { numRuns: 50 },
    );
  });

  it("rejects with the first error", async () => {
    await assertRejects(() => gather([resolved(1), rejected("boom"), { a: rejected("later") }]), Error, "boom");
  });

  it("leaves failed futures out where it is told to skip errors", async () => {
    const skipped = await gather([resolved(1), rejected("boom"), resolved(3)], { errors: "skip" });
    assertEquals(skipped, [1, 3]);
    assertEquals(await gather({ a: rejected("boom"), b: [rejected("boom")] }, { errors: "skip" }), { b: [] } as never);
    assertEquals(await gather(rejected("boom"), { errors: "skip" }), undefined);
    assertEquals(await gather([undefined, resolved(undefined)], { errors: "skip" }), [undefined, undefined]);
  });

  it("refuses other containers, and values that hold themselves", async () => {
    await assertRejects(() => gather(new Set([resolved(1)])), TypeError, "got a Set: spread it, [...values]");
    await assertRejects(() => gather(5 as never), TypeError, "got a number");
    const loop: unknown[] = [];
    loop.push({ loop });
    await assertRejects(() => gather(loop), TypeError, "a value that holds itself");
    await assertRejects(() => gather([], { errors: "ignore" as never }), TypeError, 'has to be "raise" or "skip"');
    await assertRejects(() => gather([], { error: "skip" } as never), TypeError, "(did you mean errors?)");
    const shared = [resolved(1)];
    assertEquals(await gather([shared, shared]), [[1], [1]]);
  });
});

describe("wait", () => {
  it("resolves when all have settled, either way, and fetches nothing", async () => {
    const first = call();
    const { future, update, asked } = submitted(1);
    const waiting = wait([first.future, future, rejected("boom")]);
    first.resolve(1);
    update("finished");
    const { done, notDone } = await waiting;
    assertEquals(done.length, 3);
    assertStrictEquals(done[0], first.future);
    assertStrictEquals(done[1], future);
    assertEquals(notDone, []);
    assertEquals(asked, []);
  });

  it("gives the futures themselves, in the order in which they were given", async () => {
    const calls = [call(), call(), call()];
    const waiting = wait(new Set(calls.map(({ future }) => future)), { returnWhen: "first" });
    calls[2]!.resolve(1);
    const { done, notDone } = await waiting;
    assertStrictEquals(done[0], calls[2]!.future);
    assertStrictEquals(notDone[0], calls[0]!.future);
    assertStrictEquals(notDone[1], calls[1]!.future);
    assertEquals([done.length, notDone.length], [1, 2]);
  });

  it("can return with the first error", async () => {
    const [good, bad, open] = [call(), call(), call()];
    bad.future.catch(() => {});
    const waiting = wait([good.future, bad.future, open.future], { returnWhen: "error" });
    good.resolve(1);
    bad.reject(new Error("boom"));
    const { done, notDone } = await waiting;
    assertEquals([done.length, notDone.length], [2, 1]);
    const calm = await wait([good.future], { returnWhen: "error" });
    assertEquals(calm.done.length, 1);
  });

  it("is over at once where there is nothing to wait for", async () => {
    assertEquals(await wait([]), { done: [], notDone: [] });
    assertEquals((await wait([resolved(1)])).done.length, 1);
  });

  it("rejects with a TimeoutError, or with the signal's reason, and leaves nothing behind", async () => {
    const { futures, held } = spied(3);
    const controller = new AbortController();
    const aborted = wait(futures, { signal: controller.signal });
    assertEquals(held(), [1, 1, 1]);
    controller.abort(new Error("enough"));
    await assertRejects(() => aborted, Error, "enough");
    await assertRejects(() => wait(futures, { timeout: 1 }), CallTimeoutError, "Waited 1 ms for futures");
    assertEquals(held(), [0, 0, 0]);
    assertFalse(futures[0]!.done());
  });

  it("leaves nothing behind on futures that go on", async () => {
    const { calls, futures, held } = spied(2);
    const waiting = wait(futures, { returnWhen: "first" });
    calls[0]!.resolve(1);
    await waiting;
    assertEquals(held(), [0, 0]);
  });

  it("does not count as looking at an error", async () => {
    const { future, reject } = call();
    const waiting = wait([future]);
    reject(new Error("boom"));
    assertEquals((await waiting).done.length, 1);
    await assertRejects(() => future, Error, "boom");
  });

  it("refuses what is no future of ours", async () => {
    await assertRejects(() => wait([Promise.resolve(1)] as never), TypeError, "got a Promise at 0: use Promise.all");
    await assertRejects(() => wait([resolved(1), 2] as never), TypeError, "got a number at 1");
    await assertRejects(() => wait(resolved(1) as never), TypeError, "takes an array of futures, got an ActorFuture");
    await assertRejects(() => wait([], { returnWhen: "never" as never }), TypeError, "returnWhen");
    await assertRejects(() => wait([], { timout: 5 } as never), TypeError, "(did you mean timeout?)");
  });
});

describe("asCompleted", () => {
  it("gives the futures themselves, in the order in which they settle", async () => {
    const calls = [call(), call(), call()];
    const { future, update, asked } = submitted(7);
    const completions = asCompleted([...calls.map(({ future }) => future), future]);
    const seen: ActorFuture<number>[] = [];
    calls[2]!.resolve(1);
    update("finished");
    const reading = (async () => {
      for await (const completed of completions) seen.push(completed);
    })();
    calls[0]!.resolve(1);
    calls[1]!.future.catch(() => {});
    calls[1]!.reject(new Error("boom"));
    await reading;
    assertEquals(seen.length, 4);
    const expected = [calls[2]!.future, future, calls[0]!.future, calls[1]!.future];
    expected.forEach((one, index) => assertStrictEquals(seen[index], one));
    assertEquals(asked, []);
  });

  it("keeps the order also of what had settled before", async () => {
    const calls = [call(), call(), call()];
    for (const index of [1, 2, 0]) calls[index]!.resolve(index);
    const values: number[] = [];
    for await (const future of asCompleted(calls.map(({ future }) => future))) values.push(await future);
    assertEquals(values, [1, 2, 0]);
  });

  it("gives them to several readers, each once", async () => {
    const calls = [call(), call()];
    const completions = asCompleted(calls.map(({ future }) => future));
    const reads = [completions.next(), completions.next(), completions.next()];
    calls[1]!.resolve(1);
    calls[0]!.resolve(0);
    const [first, second, third] = await Promise.all(reads);
    assertStrictEquals(first?.value, calls[1]!.future);
    assertStrictEquals(second?.value, calls[0]!.future);
    assertEquals(third, { done: true, value: undefined });
    assertEquals(await completions.next(), { done: true, value: undefined });
  });

  it("leaves nothing behind when a loop is left early", async () => {
    const { calls, futures, held } = spied(3);
    const completions = asCompleted(futures);
    assertEquals(held(), [1, 1, 1]);
    calls[0]!.resolve(1);
    for await (const future of completions) {
      assert(future.done());
      break;
    }
    assertEquals(held(), [0, 0, 0]);
    calls[1]!.resolve(1);
    assertEquals(await completions.next(), { done: true, value: undefined });
  });

  it("ends the reads that wait when it is stopped", async () => {
    const completions = asCompleted([call().future]);
    const read = completions.next();
    await completions.return();
    assertEquals(await read, { done: true, value: undefined });
  });

  it("ends at once where nothing was given, and gives a future as often as it was given", async () => {
    assertEquals(await asCompleted([]).next(), { done: true, value: undefined });
    const { future, resolve } = call();
    const completions = asCompleted([future, future]);
    resolve(1);
    let count = 0;
    for await (const _ of completions) count++;
    assertEquals(count, 2);
  });

  it("knows the futures and handles of another copy of the library", async () => {
    const copy = await import("../../client/waiting.ts?copy");
    const { withOptions } = await import("../../client/handle.ts?copy");
    const { future, resolve } = call();
    const completions = copy.asCompleted([future]);
    resolve(1);
    assertStrictEquals((await completions.next()).value, future);
    const target = new ScriptedTarget();
    const handle = createHandle<{ add(x: number): number }>(
      { className: "C", methods: { add: "sync" }, attributes: [] },
      target,
    );
    await withOptions(handle, { timeout: 1 }).add(3);
    assertEquals(target.asked, [["call", "add", "sync", [3], { timeout: 1 }]]);
  });

  it("refuses what is no future of ours", () => {
    assertThrows(
      () => asCompleted([Promise.resolve(1)] as never),
      TypeError,
      "asCompleted takes futures of submit, map and",
    );
    assertThrows(() => asCompleted({} as never), TypeError, "takes an array of futures, got an object");
  });
});
