import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Connection, createMemoryTransports, STREAM_CREDIT } from "../../connection/mod.ts";
import {
  CallKind,
  ConnectionLostError,
  decodeValue,
  encodeError,
  encodeValue,
  type Message,
  type MessageOf,
} from "../../protocol/mod.ts";
import { CallerStream } from "../../worker/caller_stream.ts";
import { CallerValues } from "../../worker/caller_values.ts";
import { delivered } from "../helpers/linked_home.ts";

/** What stands for the values of a caller, who is the test. */
function open() {
  const [here, there] = createMemoryTransports();
  const arrived: Message[] = [];
  const held: string[] = [];
  const values = new CallerValues(new Connection(here, { onMessage() {}, onClose() {} }), {
    encode: (args) => encodeValue(args, { root: "args" }),
    decode: (value) => decodeValue(value),
    hold: (keys) => {
      held.push(...keys);
      return () => held.splice(0, keys.length);
    },
    confirmHeld: () => undefined,
  });
  const caller = new Connection(there, {
    onMessage: (message) => arrived.push(structuredClone(message)),
    onClose() {},
  });
  return {
    values,
    arrived,
    get ops() {
      return arrived.map(({ op }) => op);
    },
    result: (id: number, value: unknown, refs: string[] = []) =>
      values.receive({ op: "result", id, value: encodeValue(value).bytes.slice(), refs }),
    failure: (id: number, error: Error) =>
      values.receive({ op: "failure", id, executed: 1, error: encodeError(error) }),
    close: () => caller.close(),
  };
}

describe("a function of a caller", () => {
  it("calls it there, and gives its value or its error", async () => {
    const { values, arrived, result, failure, close } = open();
    const add = values.createFunction(7, "Actor-1");
    const [sum, none] = [add(1, 2), add()];
    await delivered();
    const calls = arrived as MessageOf<"call">[];
    assertEquals(calls.map(({ slot, kind, args }) => [slot, kind, decodeValue(args)]), [
      [7, CallKind.callback, [1, 2]],
      [7, CallKind.callback, []],
    ]);
    // In any order.
    failure(calls[1]!.id, new RangeError("nothing to add"));
    result(calls[0]!.id, 3);
    assertEquals(await sum, 3);
    await assertRejects(() => none, RangeError, "nothing to add");
    close();
  });

  it("sends nothing of what cannot be sent", async () => {
    const { values, ops, close } = open();
    await assertRejects(() => values.createFunction(7, "Actor-1")(Symbol("no")), Error, "args[0]");
    await delivered();
    assertEquals(ops, []);
    close();
  });

  it("is given back once: where it is released, or with the actor that has it", async () => {
    const stage = open();
    const [released, kept] = [stage.values.createFunction(1, "Actor-1"), stage.values.createFunction(2, "Actor-1")];
    stage.values.createFunction(3, "Actor-2");
    (released as unknown as Disposable)[Symbol.dispose]();
    (released as unknown as Disposable)[Symbol.dispose]();
    const error = await assertRejects(() => released(), ConnectionLostError, "was released");
    assertEquals((error as ConnectionLostError).executed, "no");
    stage.values.endHolder("Actor-1");
    await delivered();
    assertEquals(stage.arrived.map((message) => message.op === "detach" && message.slot), [1, 2]);
    void kept;
    stage.close();
  });

  it("fails when its caller goes: with what may have run, and later at once", async () => {
    const { values, close } = open();
    const add = values.createFunction(7, "Actor-1");
    const pending = add(1);
    values.close();
    const before = await assertRejects(() => pending, ConnectionLostError) as ConnectionLostError;
    const after = await assertRejects(() => add(1), ConnectionLostError) as ConnectionLostError;
    assertEquals([before.executed, after.executed], ["unknown", "no"]);
    close();
  });

  it("gives back what is in a value, also in one that nobody waits for", async () => {
    const { values, arrived, result, close } = open();
    const add = values.createFunction(7, "Actor-1");
    const sum = add(1);
    await delivered();
    const [{ id }] = arrived as [MessageOf<"call">];
    result(id, 1, ["key-1"]);
    await sum;
    result(id, 2, ["key-2"]);
    await delivered();
    // The second answers nothing.
    assertEquals(arrived.slice(1), [{ op: "taken", id: 7 }]);
    close();
  });
});

describe("a stream of a caller", () => {
  function openStream() {
    const log: unknown[] = [];
    const stream = new CallerStream({
      decode: (value) => decodeValue(value),
      sendCredit: (count) => log.push(["credit", count]),
      sendStop: () => log.push("stop"),
      onTaken: (refs) => {
        if (refs.length > 0) log.push(["taken", ...refs]);
      },
      onEnded: () => log.push("ended"),
    });
    const add = (value: unknown, ...refs: string[]) => stream.add(encodeValue(value).bytes.slice(), refs);
    return { stream, log, add };
  }

  it("asks for nothing before somebody reads, and then for what may be on its way", async () => {
    const { stream, log, add } = openStream();
    assertEquals(log, []);
    const first = stream.next();
    assertEquals(log, [["credit", STREAM_CREDIT]]);
    add("a");
    add("b");
    stream.end(undefined);
    assertEquals(await first, { done: false, value: "a" });
    assertEquals(await stream.next(), { done: false, value: "b" });
    assertEquals(await stream.next(), { done: true, value: undefined });
  });

  it("asks for more when half of it was read", async () => {
    const { stream, log, add } = openStream();
    const first = stream.next();
    for (let n = 0; n < STREAM_CREDIT; n++) add(n);
    await first;
    for (let n = 1; n < STREAM_CREDIT / 2; n++) await stream.next();
    assertEquals(log.slice(1), [["credit", STREAM_CREDIT / 2]]);
    await stream.return();
  });

  it("tells its error after its items, once", async () => {
    const { stream, add } = openStream();
    const first = stream.next();
    add("a");
    stream.end(new RangeError("broken"));
    await first;
    await assertRejects(() => stream.next(), RangeError, "broken");
    assertEquals(await stream.next(), { done: true, value: undefined });
  });

  it("is stopped where its reader leaves, and gives back what was not read", async () => {
    const { stream, log, add } = openStream();
    const first = stream.next();
    add("a", "key-1");
    add("b", "key-2");
    await first;
    assertEquals(await stream.return(), { done: true, value: undefined });
    add("c", "key-3");
    await stream.return();
    assertEquals(log.slice(1), [["taken", "key-1"], "stop", ["taken", "key-2"], "ended", ["taken", "key-3"]]);
    await assertRejects(() => stream.throw(new Error("mine")), Error, "mine");
  });

  it("is given up with its call where nobody has begun to read it, and goes on where somebody has", async () => {
    const unread = openStream();
    unread.stream.callEnded();
    assertEquals(unread.log, ["stop", "ended"]);
    const error = await assertRejects(() => unread.stream.next(), ConnectionLostError, "nobody had begun to read it");
    assertEquals((error as ConnectionLostError).executed, "no");

    const read = openStream();
    const first = read.stream.next();
    read.stream.callEnded();
    read.add("a");
    assertEquals((await first).value, "a");
    await read.stream.return();
  });

  it("is stopped at an item that cannot be read", async () => {
    const { stream, log } = openStream();
    const first = stream.next();
    stream.add(Uint8Array.of(0xc1), []);
    await assertRejects(() => first);
    assertEquals(log.slice(1), ["stop", "ended"]);
  });

  it("is a `ReadableStream`, too, which reads no further ahead than it is read", async () => {
    const { stream, log, add } = openStream();
    const reader = stream.toReadable().getReader();
    assertEquals(log, []);
    const first = reader.read();
    await delivered();
    add("a");
    assertEquals((await first).value, "a");
    await reader.cancel();
    assertMatch(log.join(), /stop,ended$/);
  });
});
