import { assert, assertEquals, assertInstanceOf, assertLess, assertLessOrEqual, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ActorLostError, ActorNotFoundError, CallCancelledError, CallTimeoutError, withOptions } from "../../mod.ts";
import { Middle, Source } from "../fixtures/control_actors.ts";
import { errorOf, eventually, onBothRoutes, openStage } from "../semantics/stage.ts";

/** All that a stream gives. */
async function all<T>(stream: AsyncGenerator<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe("streams", () => {
  const stage = openStage();

  onBothRoutes(stage, "a generator method is an async generator, of items and of what it returns", async (client) => {
    const source = await client.submit(Source, { actor: true });
    for (const stream of [source.count(3), source.countLater(3)]) {
      assertEquals(await stream.next(), { done: false, value: 0 });
      assertEquals(await stream.next(), { done: false, value: 1 });
      assertEquals(await stream.next(), { done: false, value: 2 });
      assertEquals(await stream.next(), { done: true, value: "all" });
      assertEquals(await stream.next() as unknown, { done: true, value: undefined });
    }
    assertEquals(await all(source.count(10_000)), Array.from({ length: 10_000 }, (_, n) => n));
    assertEquals(await all(source.countLater(10_000)), Array.from({ length: 10_000 }, (_, n) => n));
    assertEquals(await source.ended, 4);
  });

  onBothRoutes(stage, "nothing of a stream happens before its first step", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const stream = source.count(10);
    assertEquals([await source.made, await source.ended], [0, 0]);
    assertEquals(await stream.return("unread"), { done: true, value: "unread" });
    assertEquals([await source.made, await source.ended], [0, 0]);
  });

  onBothRoutes(stage, "`break` runs `finally` on the worker before the loop is over here", async (client) => {
    const source = await client.submit(Source, { actor: true });
    for (const name of ["count", "countLater"] as const) {
      const before = await source.ended;
      for await (const n of source[name](1_000_000)) if (n === 10) break;
      assertEquals(await source.ended, before + 1);
    }
    assertLess(await source.made, 2000);
  });

  onBothRoutes(stage, "a reader that waits reads ahead no more than its credit", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const stream = source.count(1_000_000);
    await stream.next();
    await eventually(256, async () => await source.made);
    // It stays so while others call.
    for (let call = 0; call < 100; call++) await source.ping();
    assertEquals(await source.made, 256);
    await stream.return("");
    const large = source.chunks(100, 300_000);
    await large.next();
    await eventually(256 + 4, async () => await source.made);
    await large.return(undefined);
  });

  onBothRoutes(stage, "large streams flow, and leave memory flat", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const before = Deno.memoryUsage().rss;
    let bytes = 0;
    let most = 0;
    for await (const chunk of source.chunks(1024, 1024 * 1024)) {
      bytes += chunk.length;
      most = Math.max(most, Deno.memoryUsage().rss - before);
    }
    assertEquals(bytes, 1024 * 1024 * 1024);
    // The rest is what the garbage collector has not looked at yet.
    assertLess(most, 384 * 1024 * 1024);
  });

  onBothRoutes(stage, "a reader that is slow holds up no other call", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const stream = source.chunks(50, 1024 * 1024);
    await stream.next();
    const times: number[] = [];
    for (let call = 0; call < 50; call++) {
      const start = performance.now();
      await source.ping();
      times.push(performance.now() - start);
    }
    assertLess(times.sort((one, other) => one - other)[25]!, 20);
    await stream.return(undefined);
  });

  onBothRoutes(stage, "an error of the generator comes after its items, and ends the stream", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const stream = source.failing();
    assertEquals(await stream.next(), { done: false, value: 1 });
    const error = await assertRejects(() => stream.next(), RangeError, "after the first");
    assert(error.stack?.includes("control_actors.ts"), error.stack);
    assertEquals(await stream.next(), { done: true, value: undefined });
    assertEquals(await source.ping(), "pong");
  });

  onBothRoutes(stage, "without `prefetch` the generator gets what `next` and `throw` are given", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const talk = withOptions(source, { prefetch: false }).talk();
    assertEquals((await talk.next()).value, "hello");
    assertEquals((await talk.next("a")).value, "a");
    assertEquals((await talk.throw(new Error("b"))).value, "caught b");
    assertEquals(await talk.return(), { done: true, value: undefined });
    const ahead = source.talk();
    await ahead.next();
    await assertRejects(() => ahead.next("a"), TypeError, "{ prefetch: false }");
    await ahead.return();
  });

  onBothRoutes(stage, "a signal and a deadline end a stream, and run `finally`", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const abort = new AbortController();
    const aborted = withOptions(source, { signal: abort.signal }).silence();
    const next = aborted.next();
    await source.ping();
    abort.abort(new Error("enough"));
    const error = await errorOf(next);
    assertInstanceOf(error, CallCancelledError);
    assertEquals((error.cause as Error).message, "enough");
    await eventually(1, async () => await source.ended);
    const late = await errorOf(withOptions(source, { timeout: 30 }).silence().next());
    assertInstanceOf(late, CallTimeoutError);
    await eventually(2, async () => await source.ended);
  });

  onBothRoutes(stage, "`return` of a generator that is waiting answers at once", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const stream = source.silence();
    const next = stream.next();
    await source.ping();
    assertEquals(await stream.return(undefined), { done: true, value: undefined });
    assertEquals(await next, { done: true, value: undefined });
    // It heard so by its signal.
    await eventually(1, async () => await source.ended);
  });

  onBothRoutes(stage, "items may hold handles", async (client) => {
    const source = await client.submit(Source, { actor: true });
    for await (const handle of source.handles()) assertEquals(await handle.ping(), "pong");
  });

  onBothRoutes(stage, "the loss of the reader runs `finally` on the worker", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const reader = await stage.connect();
    const theirs = await reader.getActor<Source>(String(source).match(/key=(.*)>/)![1]!);
    const stream = theirs.count(1_000_000);
    await stream.next();
    await reader.close();
    await eventually(1, async () => await source.ended);
    await assertRejects(async () => {
      while (!(await stream.next()).done);
    });
  });

  it("a stream that nobody has any more is given up", async () => {
    const source = await stage.direct.submit(Source, { actor: true });
    async function readOne(): Promise<void> {
      await source.count(1_000_000).next();
    }
    await readOne();
    // The engine finds out when it likes: it is given reasons to look.
    await eventually(1, async () => {
      for (let round = 0; round < 100; round++) new Array(10_000).fill(round);
      return await source.ended;
    }, 20_000);
  });

  onBothRoutes(stage, "a stream fails when its actor ends", async (client) => {
    const future = client.submit(Source, { actor: true, key: `doomed-${crypto.randomUUID()}` });
    const source = await future;
    const stream = source.silence();
    const next = stream.next();
    await source.ping();
    await future.cancel();
    const error = await errorOf(next);
    assert(error instanceof ActorLostError || error instanceof ActorNotFoundError, String(error));
    assertEquals(await stream.next(), { done: true, value: undefined });
  });

  onBothRoutes(stage, "an actor reads streams of another one", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const middle = await client.submit(Middle, { actor: true });
    assertEquals(await middle.readFrom(source), 4950);
  });

  onBothRoutes(stage, "a released handle has no streams, and what is under way goes on", async (client) => {
    const source = await client.submit(Source, { actor: true });
    const keeper = await client.getActor<Source>(String(source).match(/key=(.*)>/)![1]!);
    const stream = source.countLater(1000);
    await stream.next();
    await source[Symbol.asyncDispose]();
    assertEquals((await all(stream)).length, 999);
    assertLessOrEqual(await keeper.ended, 1);
  });
});
