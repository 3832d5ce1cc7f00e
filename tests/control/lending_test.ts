import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { type Actor, SerializationError } from "../../mod.ts";
import { Middle, Sink } from "../fixtures/control_actors.ts";
import { errorOf, eventually, onBothRoutes, openStage } from "../semantics/stage.ts";

/** Numbers from 0, and whether the source was closed. */
function numbers(to: number) {
  const state = { made: 0, closed: false };
  async function* generate(): AsyncGenerator<number> {
    try {
      for (; state.made < to; state.made++) yield await Promise.resolve(state.made);
    } finally {
      state.closed = true;
    }
  }
  return { state, stream: generate() };
}

describe("functions and streams as arguments", () => {
  const stage = openStage();

  onBothRoutes(stage, "a function runs at its caller, with values that arrive and leave exactly", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    let calls = 0;
    const squares = await sink.map([1, 2, 3], (x) => {
      calls++;
      return x * x;
    });
    assertEquals([squares, calls], [[1, 4, 9], 3]);
  });

  onBothRoutes(stage, "an error of a function arrives in the actor, and from there at its caller", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    const error = await errorOf(sink.map([1], () => {
      throw new RangeError("not that one");
    }));
    assertInstanceOf(error, RangeError);
    assertEquals(error.message, "not that one");
  });

  onBothRoutes(stage, "a function that is kept can be called until it is released", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    const told: unknown[] = [];
    await sink.keep((value) => told.push(value));
    assertEquals(await sink.tell({ a: new Map([[1, 2n]]) }), 1);
    await sink.tell("again");
    assertEquals(told, [{ a: new Map([[1, 2n]]) }, "again"]);
    await sink.letGo();
    await assertRejects(async () => await sink.tell("too late"), Error, "it was released");
    assertEquals(told.length, 2);
  });

  it("a function of a client that has closed cannot be called", async () => {
    const client = await stage.connect({ directToWorkers: true });
    const sink = await client.submit(Sink, { actor: true, detached: true, key: "sink of one that leaves" });
    await sink.keep(() => "here");
    assertEquals(await sink.tell(1), "here");
    await client.close();
    const other = await stage.direct.getActor<Sink>("sink of one that leaves");
    const error = await errorOf(other.tell(1));
    assertMatch(error.message, /the caller is gone/);
    await stage.direct.cancel(stage.direct.submit(Sink, { actor: true, key: "sink of one that leaves" }));
  });

  onBothRoutes(stage, "functions get handles, and call the actor back while it waits for them", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    assertEquals(await sink.callCounter(async (handle: Actor<Sink>) => await handle.double(21)), 42);
  });

  onBothRoutes(stage, "an actor lends functions to others, which run in its name", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    const middle = await client.submit(Middle, { actor: true });
    assertEquals(await middle.lend(sink), `${String(middle)} got 1`);
  });

  onBothRoutes(stage, "an async iterable is read as far as the method reads", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    const short = numbers(1000);
    assertEquals(await sink.sum(short.stream), 499_500);
    assertEquals(short.state, { made: 1000, closed: true });
    const long = numbers(1_000_000);
    assertEquals(await sink.first(long.stream), 0);
    await eventually(true, () => Promise.resolve(long.state.closed));
    assert(long.state.made < 1000, `${long.state.made} were made`);
  });

  onBothRoutes(stage, "a plain object with an iterator of its own is a stream as well", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    const iterable = {
      async *[Symbol.asyncIterator]() {
        yield await Promise.resolve(1);
        yield 2;
      },
    };
    assertEquals(await sink.sum(iterable), 3);
  });

  onBothRoutes(stage, "a `ReadableStream` flows, however large, through flat memory", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    let left = 64;
    let ahead = 0;
    const stream = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (left-- === 0) return controller.close();
        controller.enqueue(new Uint8Array(1024 * 1024));
        if (left % 16 === 0) ahead = Math.max(ahead, 64 - left - await sink.read);
      },
    }, { highWaterMark: 0 });
    assertEquals(await sink.bytesOf(stream), 64 * 1024 * 1024);
    assert(ahead <= 4, `${ahead} MiB were ahead`);
  });

  onBothRoutes(stage, "an error of a stream arrives in the method that reads it", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    async function* torn(): AsyncGenerator<number> {
      yield await Promise.resolve(1);
      throw new RangeError("torn");
    }
    const error = await errorOf(sink.sum(torn()));
    assertInstanceOf(error, RangeError);
    assertEquals(error.message, "torn");
  });

  onBothRoutes(stage, "a stream that the method does not read is closed when the call ends", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    let cancelled = false;
    const stream = new ReadableStream({ cancel: () => void (cancelled = true) });
    assertEquals(await sink.ignore(stream as unknown as AsyncIterable<unknown>), "ignored");
    await eventually(true, () => Promise.resolve(cancelled));
  });

  onBothRoutes(stage, "tasks and constructors take neither, and say so", async (client) => {
    const error = await errorOf(client.submit((x: unknown) => x, [() => 1]));
    assertInstanceOf(error, SerializationError);
    assertMatch(error.message, /args\[0\].*cannot send the function/);
  });

  onBothRoutes(stage, "a class is no function that can be lent", async (client) => {
    const sink = await client.submit(Sink, { actor: true });
    const error = await errorOf(sink.keep(Sink as never));
    assertInstanceOf(error, SerializationError);
    assertMatch(error.message, /the class Sink; submit it/);
  });
});
