import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { CallSink } from "../../client/actor_call.ts";
import { createStreamReader } from "../../client/stream_reader.ts";
import { STREAM_CREDIT } from "../../connection/mod.ts";
import { ActorLostError, decodeValue, encodeValue, ResumeKind } from "../../protocol/mod.ts";

/** A reader whose home is the test. */
function open({ prefetch = true, failure }: { readonly prefetch?: boolean; readonly failure?: Error } = {}) {
  const log: unknown[] = [];
  let sink: CallSink;
  const reader = createStreamReader({
    repr: "<ActorFuture: Source.count>",
    prefetch,
    begin(given, credit) {
      if (failure) throw failure;
      log.push(["begin", credit]);
      sink = given;
      return {
        addCredit: (count) => log.push(["credit", count]),
        resume: (kind, value) => log.push(["resume", kind, value]),
        taken: (refs) => {
          if (refs.length > 0) log.push(["taken", ...refs]);
        },
      };
    },
    decode: (value) => decodeValue(value, { role: "result" }),
  });
  return {
    log,
    reader,
    item: (value: unknown, ...refs: string[]) => sink.item!(encodeValue(value).bytes.slice(), refs),
    itemOfBytes: (bytes: Uint8Array) => sink.item!(bytes, []),
    end: (value?: unknown) => sink.resolve(value),
    fail: (error: Error) => sink.reject(error, () => {}),
  };
}

/** Steps that have settled by now. */
async function settledOf(steps: readonly Promise<unknown>[]): Promise<number> {
  let settled = 0;
  for (const step of steps) step.then(() => settled++, () => settled++);
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  return settled;
}

describe("a stream's reader", () => {
  it("calls nothing before its first step, and then lets items come ahead", async () => {
    const { log, reader, item, end } = open();
    assertEquals([log.length, String(reader)], [0, "[object AsyncGenerator]"]);
    const first = reader.next();
    assertEquals(log, [["begin", STREAM_CREDIT]]);
    item("a");
    item("b");
    assertEquals(await first, { done: false, value: "a" });
    assertEquals(await reader.next(), { done: false, value: "b" });
    const [third, last, after] = [reader.next(), reader.next(), reader.next()];
    item("c");
    end("all");
    assertEquals(await third, { done: false, value: "c" });
    assertEquals(await last, { done: true, value: "all" });
    assertEquals(await after, { done: true, value: undefined });
    assertEquals(log.length, 1);
  });

  it("says what it has taken when that is half of what may be on its way", async () => {
    const { log, reader, item } = open();
    const first = reader.next();
    for (let n = 0; n < STREAM_CREDIT; n++) item(n);
    await first;
    for (let n = 1; n < STREAM_CREDIT / 2; n++) await reader.next();
    assertEquals(log.slice(1), [["credit", STREAM_CREDIT / 2]]);
  });

  it("says so earlier of large items", async () => {
    const { log, reader, item } = open();
    const first = reader.next();
    item(new Uint8Array(600_000));
    await first;
    assertEquals(log.slice(1), [["credit", 1]]);
  });

  it("gives its error after the items before it, once", async () => {
    const { reader, item, fail } = open();
    const first = reader.next();
    item("a");
    fail(new RangeError("broken"));
    assertEquals((await first).value, "a");
    await assertRejects(() => reader.next(), RangeError, "broken");
    assertEquals(await reader.next(), { done: true, value: undefined });
  });

  it("refuses to pass values on where items come ahead, and says how to", async () => {
    const { reader, item } = open();
    const first = reader.next("is ignored, as the first of every generator");
    item("a");
    await first;
    await assertRejects(() => reader.next("b"), TypeError, "withOptions(actor, { prefetch: false })");
  });

  it("asks for each item, with what `next` is given, where none comes ahead", async () => {
    const { log, reader, item } = open({ prefetch: false });
    const first = reader.next("nobody takes this");
    item("a");
    await first;
    const second = reader.next("to you");
    item("b");
    assertEquals((await second).value, "b");
    const third = reader.throw(new Error("catch this"));
    item("caught");
    assertEquals((await third).value, "caught");
    assertEquals(log.map((entry) => (entry as unknown[]).slice(0, 2)), [
      ["begin", 0],
      ["resume", ResumeKind.next],
      ["resume", ResumeKind.next],
      ["resume", ResumeKind.throw],
    ]);
    assertEquals((log[2] as unknown[])[2], "to you");
  });

  it("calls nothing where it is given up before its first step", async () => {
    for (const prefetch of [true, false]) {
      const returned = open({ prefetch });
      assertEquals(await returned.reader.return("early"), { done: true, value: "early" });
      assertEquals(await returned.reader.next(), { done: true, value: undefined });
      const thrown = open({ prefetch });
      await assertRejects(() => thrown.reader.throw(new Error("early")), Error, "early");
      assertEquals([returned.log, thrown.log], [[], []]);
    }
  });

  it("waits for its home where it is left, drops what came, and gives back what was in it", async () => {
    const { log, reader, item, end } = open();
    const first = reader.next();
    item("a", "key-1");
    item("b", "key-2");
    await first;
    const left = reader.return("done");
    assertEquals(await settledOf([left]), 0);
    item("c", "key-3");
    end("done");
    assertEquals(await left, { done: true, value: "done" });
    assertEquals(log.slice(1), [
      ["taken", "key-1"],
      ["taken", "key-2"],
      ["resume", ResumeKind.return, "done"],
      ["taken", "key-3"],
    ]);
    assertEquals(await reader.next(), { done: true, value: undefined });
  });

  it("ends those who wait when it is left", async () => {
    const { reader, end } = open();
    const [waiting, left] = [reader.next(), reader.return(undefined)];
    assertEquals(await settledOf([waiting, left]), 0);
    end(undefined);
    assertEquals([await waiting, await left], [{ done: true, value: undefined }, { done: true, value: undefined }]);
  });

  it("does not mind when the actor goes while it is left, and does where `finally` fails", async () => {
    const gone = open();
    const waiting = gone.reader.next();
    const left = gone.reader.return(undefined);
    gone.fail(new ActorLostError("gone", { worker: "w", reason: "host-exit" }));
    assertEquals([(await waiting).done, (await left).done], [true, true]);

    const failing = open();
    const first = failing.reader.next();
    failing.item("a");
    await first;
    const leaving = failing.reader.return(undefined);
    failing.fail(new RangeError("in finally"));
    await assertRejects(() => leaving, RangeError, "in finally");
  });

  it("ends with a block that has it", async () => {
    const { log, reader, item, end } = open();
    const first = reader.next();
    item("a");
    await first;
    const disposed = reader[Symbol.asyncDispose]();
    end();
    await disposed;
    assertEquals(log.at(-1), ["resume", ResumeKind.return, undefined]);
  });

  it("fails with its first step where the call cannot be made, once", async () => {
    const { reader } = open({ failure: new TypeError("not to be sent") });
    await assertRejects(() => reader.next(), TypeError, "not to be sent");
    assertEquals(await reader.next(), { done: true, value: undefined });
  });

  it("leaves the generator where an item cannot be read", async () => {
    const { log, reader, itemOfBytes, end } = open();
    const first = reader.next();
    itemOfBytes(Uint8Array.of(0xc1));
    await assertRejects(() => first);
    assertEquals(log.at(-1), ["resume", ResumeKind.return, undefined]);
    end();
    assertEquals(await reader.next(), { done: true, value: undefined });
  });
});
