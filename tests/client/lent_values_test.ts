import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LentValues } from "../../client/lent_values.ts";
import {
  CallKind,
  decodeError,
  decodeValue,
  encodeValue,
  type Message,
  type MessageOf,
  SerializationError,
} from "../../protocol/mod.ts";

/** What lends, and what it sends. */
function open(refs: readonly string[] = []) {
  const sent: Message[] = [];
  const held: string[] = [];
  let confirm: Promise<void> | undefined;
  const lent = new LentValues((message) => sent.push(message), {
    encode: (value, root) => ({ bytes: encodeValue(value, { root }).bytes.slice(), refs }),
    decode: (value) => decodeValue(value),
    hold: (keys) => {
      held.push(...keys);
      return () => held.splice(0, keys.length);
    },
    confirmHeld: () => confirm,
    bind: (run) => run,
  });
  const lend = (value: object) => {
    const ids: number[] = [];
    return { ...lent.lend(value, ids)!, ids };
  };
  return {
    sent,
    held,
    lent,
    lend,
    set confirm(promise: Promise<void>) {
      confirm = promise;
    },
  };
}

function callOf(slot: number, args: readonly unknown[], refs: readonly string[] = []): MessageOf<"call"> {
  const nothing = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined };
  const bytes = encodeValue(args).bytes.slice();
  return { op: "call", id: 9, slot, kind: CallKind.callback, name: "", args: bytes, refs, ...nothing, chain: [] };
}

/** Lets everything run that waits for nothing. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 0));

function itemsOf(sent: readonly Message[]): unknown[] {
  return sent.flatMap((message) => message.op === "item" ? [decodeValue(message.value)] : []);
}

function endOf(sent: readonly Message[]): unknown {
  const end = sent.find((message) => message.op === "streamEnd");
  return end && (end.ok === 1 ? "ended" : decodeError(end.error));
}

describe("a function that is lent", () => {
  it("runs here, and its value goes back", async () => {
    const { sent, lent, lend } = open();
    const { id, kind, ids } = lend((a: number, b: number) => Promise.resolve(a + b));
    assertEquals([kind, ids], ["function", [id]]);
    await lent.call(callOf(id, [1, 2]));
    const [result] = sent as MessageOf<"result">[];
    assertEquals([result!.op, result!.id, decodeValue(result!.value)], ["result", 9, 3]);
  });

  it("says of what it throws, or cannot send, that it ran", async () => {
    const { sent, lent, lend } = open();
    const thrown = lend(() => {
      throw new RangeError("not that one");
    });
    await lent.call(callOf(thrown.id, []));
    await lent.call(callOf(lend(() => Symbol("no")).id, []));
    const failures = (sent as MessageOf<"failure">[]).map(({ executed, error }) => [executed, decodeError(error)]);
    assertEquals(failures.map(([executed]) => executed), [1, 1]);
    assert(failures[0]![1] instanceof RangeError);
    assertMatch(String(failures[1]![1]), /result/);
  });

  it("did not run where it has been taken back", async () => {
    const { sent, lent, lend } = open();
    const { id } = lend(() => 1);
    lent.takeBack([id]);
    await lent.call(callOf(id, []));
    const [{ executed, error }] = sent as [MessageOf<"failure">];
    assertEquals(executed, 0);
    assertMatch(String(decodeError(error)), /has taken it back/);
  });

  it("is not answered before the scheduler knows who holds what came with the call", async () => {
    const stage = open();
    const known = Promise.withResolvers<void>();
    stage.confirm = known.promise;
    const call = stage.lent.call(callOf(stage.lend(() => 1).id, [], ["key-1"]));
    await settle();
    assertEquals(stage.sent, []);
    known.resolve();
    await call;
    assertEquals(stage.sent.length, 1);
  });

  it("holds what is in its values until that was taken", async () => {
    const { held, lent, lend } = open(["key-1"]);
    const { id } = lend(() => 1);
    await lent.call(callOf(id, []));
    await lent.call(callOf(id, []));
    assertEquals(held.length, 2);
    lent.taken(id);
    assertEquals(held.length, 1);
    lent.close();
    assertEquals(held.length, 0);
  });

  it("is no class, and one of a bounded number", () => {
    const { lent, lend } = open();
    assertEquals(lent.lend(class {}, []), undefined);
    for (let n = 0; n < 100_000; n++) lend(() => n);
    assertThrows(() => lend(() => 1), Error, "100000 are in use by actors already");
  });
});

describe("a stream that is lent", () => {
  /** Counts what was read of it, and whether it was closed. */
  class Source {
    read = 0;
    closed = 0;
    async *items(to: number): AsyncGenerator<number> {
      try {
        while (this.read < to) yield await Promise.resolve(this.read++);
      } finally {
        this.closed++;
      }
    }
  }

  it("is refused, and not lent, where it has a reader already", () => {
    const { lent } = open();
    const stream = new ReadableStream();
    stream.getReader();
    const ids: number[] = [];
    assertThrows(() => lent.lend(stream, ids), SerializationError, "locked");
    assertEquals(ids, []);
  });

  it("is read as far as there is credit, to its end", async () => {
    const { sent, lent, lend } = open();
    const source = new Source();
    const { id, kind } = lend(source.items(5));
    await settle();
    assertEquals([kind, source.read], ["iterable", 0]);
    lent.addCredit(id, 2);
    await settle();
    assertEquals([itemsOf(sent), endOf(sent)], [[0, 1], undefined]);
    lent.addCredit(id, 10);
    await settle();
    assertEquals([itemsOf(sent), endOf(sent), source.closed], [[0, 1, 2, 3, 4], "ended", 1]);
  });

  it("is not read beyond a megabyte that nobody has taken", async () => {
    const { sent, lent, lend } = open();
    const large = async function* () {
      for (let n = 0; n < 10; n++) yield await Promise.resolve(new Uint8Array(400_000));
    };
    const { id } = lend(large());
    lent.addCredit(id, 10);
    await settle();
    assertEquals(sent.length, 3);
    lent.addCredit(id, 2);
    await settle();
    assertEquals(sent.length, 5);
    lent.stop(id);
  });

  it("ends with its error", async () => {
    const { sent, lent, lend } = open();
    const { id } = lend((async function* () {
      yield await Promise.resolve(1);
      throw new RangeError("broken");
    })());
    lent.addCredit(id, 10);
    await settle();
    assertEquals([itemsOf(sent), String(endOf(sent))], [[1], "RangeError: broken"]);
  });

  it("ends with an error at what cannot be sent, and is closed", async () => {
    const { sent, lent, lend } = open();
    let closed = false;
    const { id } = lend((async function* () {
      try {
        yield await Promise.resolve(() => 1);
      } finally {
        closed = true;
      }
    })());
    lent.addCredit(id, 10);
    await settle();
    assertMatch(String(endOf(sent)), /item/);
    assert(closed);
  });

  it("is closed where nobody wants more of it, whether it was begun or not, and says nothing then", async () => {
    for (const credit of [0, 2]) {
      const { sent, lent, lend } = open();
      const source = new Source();
      const { id } = lend(source.items(100));
      if (credit > 0) lent.addCredit(id, credit);
      await settle();
      lent.stop(id);
      lent.addCredit(id, 10);
      await settle();
      assertEquals([source.read, source.closed, endOf(sent)], [credit, credit > 0 ? 1 : 0, undefined]);
    }
  });

  it("may be a `ReadableStream`, which is cancelled", async () => {
    const { sent, lent, lend } = open();
    let cancelled = 0;
    const create = () =>
      new ReadableStream({
        start: (controller) => controller.enqueue("first"),
        cancel: () => void cancelled++,
      });
    const begun = lend(create());
    const untouched = lend(create());
    assertEquals(begun.kind, "readable");
    lent.addCredit(begun.id, 1);
    await settle();
    assertEquals(itemsOf(sent), ["first"]);
    lent.takeBack([begun.id, untouched.id]);
    await settle();
    assertEquals(cancelled, 2);
  });

  it("is closed with its connection", async () => {
    const { lent, lend } = open();
    const source = new Source();
    lent.addCredit(lend(source.items(100)).id, 1);
    await settle();
    lent.close();
    await settle();
    assertEquals(source.closed, 1);
  });
});
