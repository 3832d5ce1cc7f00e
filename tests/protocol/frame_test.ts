import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decodeMulti } from "npm:@msgpack/msgpack@^3.1.3";
import fc from "npm:fast-check@^4.10.0";
import {
  ACKNOWLEDGEMENT,
  cutPiece,
  encodeMessage,
  encodeValue,
  type FieldKind,
  FrameWriter,
  MAXIMUM_TEXTS,
  type Message,
  MESSAGES,
  type Op,
  PIECE_ROOM,
  ProtocolError,
  readFrame,
  SerializationError,
} from "../../protocol/mod.ts";

const uint = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(127, 128, 255, 256, 65535, 65536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc.constantFrom(
    "",
    "\ufeffmark",
    "x".repeat(31),
    "x".repeat(32),
    "x".repeat(255),
    "é".repeat(128),
    "x".repeat(65536),
  ),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.constantFrom(255, 256, 65535, 65536).map((length) => new Uint8Array(length).fill(7)),
);
const fields: { [K in FieldKind]: fc.Arbitrary<unknown> } = {
  "uint": uint,
  "text": text,
  "bytes": bytes,
  "texts": fc.oneof(fc.array(text, { maxLength: 5 }), fc.constantFrom(15, 16, 300).map(manyTexts)),
  "uint?": fc.option(uint, { nil: undefined }),
  "text?": fc.option(text, { nil: undefined }),
  "bytes?": fc.option(bytes, { nil: undefined }),
};
const ops = Object.keys(MESSAGES) as Op[];
const anyMessage = fc.oneof(...ops.map((op) => {
  const kinds = Object.entries(MESSAGES[op][1]).map(([name, kind]) => [name, fields[kind as FieldKind]]);
  return fc.record({ op: fc.constant(op), ...Object.fromEntries(kinds) }) as unknown as fc.Arbitrary<Message>;
}));
const anyBatch = fc.array(anyMessage, { maxLength: 5 });

function manyTexts(length: number): string[] {
  return Array.from({ length }, (_, index) => `${index}`);
}

function write(...messages: readonly Message[]): Uint8Array<ArrayBuffer> {
  const writer = new FrameWriter();
  for (const message of messages) writer.write(message);
  return writer.view().slice();
}

function read(frame: Uint8Array): Message[] {
  const messages: Message[] = [];
  readFrame(frame, (message) => messages.push(message));
  return messages;
}

/** Reads what may be anything; only a ProtocolError may come of it. */
function readAnything(frame: Uint8Array): void {
  try {
    read(frame);
  } catch (error) {
    assertInstanceOf(error, ProtocolError);
  }
}

function onTheWire(message: Message): unknown[] {
  const [number, names] = MESSAGES[message.op];
  const values = message as unknown as Record<string, unknown>;
  return [number, ...Object.keys(names).map((name) => values[name] ?? null)];
}

function refused(frame: readonly number[], words: string): void {
  assertThrows(() => read(Uint8Array.from(frame)), ProtocolError, words);
}

describe("a frame", () => {
  it("gives back every batch of messages", () => {
    fc.assert(fc.property(anyBatch, (batch) => assertEquals(read(write(...batch)), batch)), { numRuns: 300 });
  });

  it("holds every message of the table", () => {
    for (const [index, op] of ops.entries()) {
      const kinds = Object.entries(MESSAGES[op][1]).map(([name, kind]) => [name, fields[kind as FieldKind]]);
      const message = fc.record({ op: fc.constant(op), ...Object.fromEntries(kinds) }) as unknown as fc.Arbitrary<
        Message
      >;
      for (const sample of fc.sample(message, { numRuns: 5, seed: index })) assertEquals(read(write(sample)), [sample]);
    }
  });

  it("is for any MessagePack decoder a sequence of the arrays that the table describes", () => {
    fc.assert(
      fc.property(anyBatch, (batch) => assertEquals([...decodeMulti(write(...batch))], batch.map(onTheWire))),
      { numRuns: 100 },
    );
  });

  it("has the bytes that the documentation shows", () => {
    const call = encodeMessage({
      op: "call",
      id: 300,
      slot: 1,
      kind: 0,
      name: "add",
      args: Uint8Array.of(0x91, 10),
      refs: ["Counter-1234abcd"],
      deadline: 5000,
      priority: undefined,
      credit: undefined,
      trace: undefined,
      chain: [],
    });
    assertEquals(
      call.toHex(),
      "9c12cd012c0100a3616464c402910a91b0436f756e7465722d3132333461626364cd1388c0c0c090",
    );
    assertEquals(encodeMessage({ op: "ping", id: 7 }).toHex(), "920307");
  });

  it("may hold nils between messages, which only acknowledge", () => {
    const ping = encodeMessage({ op: "ping", id: 1 });
    const frame = Uint8Array.of(...ACKNOWLEDGEMENT, ...ping, ...ACKNOWLEDGEMENT, ...ping, ...ACKNOWLEDGEMENT);
    assertEquals(read(frame), [{ op: "ping", id: 1 }, { op: "ping", id: 1 }]);
    assertEquals(read(ACKNOWLEDGEMENT), []);
    assertEquals(read(new Uint8Array()), []);
  });

  it("takes longer forms of numbers and lengths than needed, as other writers may use them", () => {
    assertEquals(read(Uint8Array.of(0x92, 3, 0xcc, 7)), [{ op: "ping", id: 7 }]);
    assertEquals(read(Uint8Array.of(0x92, 3, 0xcf, 0, 0, 0, 0, 0, 0, 0, 7)), [{ op: "ping", id: 7 }]);
    assertEquals(read(Uint8Array.of(0x93, 33, 0xdd, 0, 0, 0, 1, 0xdb, 0, 0, 0, 1, 0x61, 0xc0)), [{
      op: "release",
      keys: ["a"],
      holder: undefined,
    }]);
  });

  it("takes as many keys as the limit allows", () => {
    for (const length of [15, 16, 65535, MAXIMUM_TEXTS]) {
      const release: Message = { op: "release", keys: manyTexts(length), holder: undefined };
      assertEquals(read(write(release)), [release]);
    }
  });

  it("can lie anywhere in a larger buffer", () => {
    const frame = encodeMessage({ op: "result", id: 70000, value: Uint8Array.of(1, 2), refs: ["a"] });
    const buffer = new Uint8Array(frame.length + 20).fill(0xff);
    buffer.set(frame, 13);
    assertEquals(read(buffer.subarray(13, 13 + frame.length)), read(frame));
  });

  it("lends its bytes to the messages instead of copying them", () => {
    const frame = encodeMessage({ op: "report", body: new Uint8Array(1000) });
    const [report] = read(frame);
    assert(report?.op === "report");
    assertEquals(report.body.buffer, frame.buffer);
  });
});

describe("reading a frame that is wrong", () => {
  it("refuses with a ProtocolError, and nothing else, whatever random bytes it gets", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), readAnything), { numRuns: 3000 });
  });

  it("refuses with a ProtocolError, and nothing else, any frame that was changed", () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(anyBatch, fc.array(change, { minLength: 1, maxLength: 4 }), (batch, changes) => {
        const frame = write(...batch);
        for (const [place, byte] of changes) if (frame.length > 0) frame[place % frame.length] = byte;
        readAnything(frame);
      }),
      { numRuns: 1000 },
    );
  });

  it("refuses a message that is cut off anywhere", () => {
    fc.assert(
      fc.property(anyMessage, fc.nat(), (message, place) => {
        const frame = write(message);
        const cut = frame.subarray(0, 1 + place % (frame.length - 1));
        assertThrows(() => read(cut), ProtocolError, "it ends inside a message");
      }),
      { numRuns: 500 },
    );
  });

  it("hands over the messages before the first bad byte", () => {
    const seen: Message[] = [];
    const frame = Uint8Array.of(...encodeMessage({ op: "ping", id: 1 }), 0xc1);
    assertThrows(() => readFrame(frame, (message) => seen.push(message)), ProtocolError, "found 0xc1");
    assertEquals(seen, [{ op: "ping", id: 1 }]);
  });

  it("refuses messages that the table does not have", () => {
    refused([0x92, 0, 1], "no message has the number 0");
    refused([0x92, 7, 1], "no message has the number 7");
    refused([0x92, 127, 1], "no message has the number 127");
    refused([0x92, 0xcc, 3, 1], "no message has the number 204");
  });

  it("refuses other values than arrays", () => {
    refused([0x81, 3, 1], "expected an array of up to 15 elements at byte 0, found 0x81");
    refused([0xdc, 0, 2, 3, 1], "expected an array of up to 15 elements at byte 0, found 0xdc");
    refused([3], "found 0x03");
    refused([0x90], "it ends inside a message");
  });

  it("refuses fewer or more fields than the table says", () => {
    refused([0x91, 3], "Cannot read a ping message: it has 0 fields instead of 1");
    refused([0x93, 3, 1, 1], "Cannot read a ping message: it has 2 fields instead of 1");
  });

  it("refuses fields of another kind", () => {
    refused([0x92, 3, 0xff], "expected a whole number below 2^53 at byte 2, found 0xff");
    refused([0x92, 3, 0xd0, 1], "expected a whole number");
    refused([0x92, 3, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0], "expected a whole number");
    refused([0x92, 3, 0xa1, 0x61], "expected a whole number");
    refused([0x92, 3, 0xc0], "expected a whole number");
    refused([0x92, 56, 1], "expected a string");
    refused([0x92, 56, 0xc4, 1, 0x61], "expected a string");
    refused([0x92, 56, 0xc0], "expected a string");
    refused([0x92, 53, 0xa1, 0x61], "expected bytes");
    refused([0x92, 53, 0xc7, 0, 1], "expected bytes");
    refused([0x92, 53, 0xc0], "expected bytes");
    refused([0x92, 37, 0x80], "expected an array of strings");
    refused([0x92, 37, 0xc0], "expected an array of strings");
    refused([0x92, 37, 0x91, 0x91, 0xa0], "expected a string");
  });

  it("takes 2^53 - 1 and refuses whole numbers beyond", () => {
    assertEquals(read(Uint8Array.of(0x92, 3, 0xcf, 0, 0x1f, ...Array(6).fill(0xff))), [{
      op: "ping",
      id: Number.MAX_SAFE_INTEGER,
    }]);
    refused([0x92, 3, 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], "a whole number below 2^53");
    refused([0x92, 3, 0xcf, ...Array(8).fill(0xff)], "a whole number below 2^53");
  });

  it("refuses strings that are no UTF-8, short or long", () => {
    refused([0x92, 56, 0xa2, 0xc3, 0x28], "no valid UTF-8");
    refused([0x92, 56, 0xa3, 0xed, 0xa0, 0x80], "no valid UTF-8");
    refused([0x92, 56, 0xd9, 40, ...Array(39).fill(0x61), 0xff], "no valid UTF-8");
  });

  it("refuses lengths beyond its own end before it spends memory on them", () => {
    const lies = [
      [0x92, 56, 0xdb, 0xff, 0xff, 0xff, 0xff],
      [0x92, 53, 0xc6, 0xff, 0xff, 0xff, 0xff],
      [0x92, 37, 0xdd, 0xff, 0xff, 0xff, 0xff],
      [0x92, 37, 0xdd, 0x00, 0x0f, 0xff, 0xff, 0xa0, 0xa0],
    ];
    const before = Deno.memoryUsage();
    for (let round = 0; round < 5000; round++) for (const lie of lies) refused(lie, "it ends inside a message");
    const after = Deno.memoryUsage();
    assert(after.external - before.external < 32 << 20, `${after.external - before.external} bytes more`);
  });

  it("refuses a list of more keys than the limit", () => {
    const frame = new Uint8Array(7 + MAXIMUM_TEXTS + 1).fill(0xa0);
    frame.set([0x92, 37, 0xdd, 0, 1, 0, 1]);
    assertThrows(() => read(frame), ProtocolError, "a list of 65537 keys");
  });

  it("is done with 8 MiB of any one byte in a moment", () => {
    for (let byte = 0; byte < 256; byte += 1) {
      const frame = new Uint8Array(byte === 0xc0 ? 8 << 20 : 1 << 20).fill(byte);
      const begin = performance.now();
      readAnything(frame);
      const took = performance.now() - begin;
      assert(took < 1000, `0x${byte.toString(16)}: ${took} ms`);
    }
  });
});

const UNSET = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined, chain: [] } as const;

describe("FrameWriter", () => {
  it("tells how long a message is, and where it lies", () => {
    const writer = new FrameWriter();
    assertEquals(writer.write({ op: "ping", id: 1 }), 3);
    const start = writer.length;
    assertEquals(writer.write({ op: "pong", id: 300 }), 5);
    assertEquals(read(writer.view(start)), [{ op: "pong", id: 300 }]);
    assertEquals(read(writer.view()).length, 2);
  });

  it("forgets, drops and takes out what was written", () => {
    const [one, two, three] = [1, 2, 3].map((id) => ({ op: "ping", id }) as const);
    const writer = new FrameWriter();
    for (const message of [one!, two!, three!]) writer.write(message);
    assertEquals(read(writer.take(6)), [three!]);
    writer.drop(3);
    assertEquals(read(writer.view()), [two!]);
    writer.append(encodeMessage(one!));
    assertEquals(read(writer.view()), [two!, one!]);
    writer.reset(3);
    assertEquals(read(writer.view()), [two!]);
    writer.reset();
    assertEquals(writer.length, 0);
  });

  it("takes out bytes that later writes leave alone, few or many", () => {
    for (const length of [10, 100_000]) {
      const writer = new FrameWriter();
      writer.write({ op: "report", body: new Uint8Array(length).fill(1) });
      const taken = writer.take(0);
      writer.write({ op: "report", body: new Uint8Array(length).fill(2) });
      const [report] = read(taken);
      assert(report?.op === "report");
      assertEquals(report.body, new Uint8Array(length).fill(1));
    }
  });

  it("writes a message around its long value, in the value's own buffer", () => {
    const writer = new FrameWriter();
    const data = Uint8Array.from({ length: 20_000 }, (_, index) => index);
    for (const refs of [[], ["Counter-1234abcd"]]) {
      const { bytes } = encodeValue(data);
      const message = { op: "result", id: 70000, value: bytes, refs } as const;
      const expected = encodeMessage({ ...message, value: bytes.slice() });
      const wrapped = writer.wrap(message)!;
      assertEquals(wrapped, expected);
      assert(wrapped.buffer === bytes.buffer);
      assert(wrapped.byteOffset >= PIECE_ROOM);
      assertEquals(writer.length, 0);
    }
  });

  it("does not write around what shares its buffer, has no room around it, or is shorter than is asked for", () => {
    const writer = new FrameWriter();
    const { bytes } = encodeValue(new Uint8Array(20_000));
    const call = (args: Uint8Array, name = "f") =>
      ({ op: "call", id: 1, slot: 1, kind: 0, name, args, refs: [], ...UNSET }) as const;
    assertEquals(writer.wrap(call(encodeValue([1]).bytes)), undefined);
    assertEquals(writer.wrap(call(bytes.slice())), undefined);
    assertEquals(writer.wrap(call(bytes), 30_000), undefined);
    assertEquals(writer.wrap(call(bytes, "f".repeat(300))), undefined);
    assertEquals(writer.wrap({ op: "ping", id: 1 }), undefined);
    assertEquals(writer.length, 0);
  });

  it("leaves room for the heads of pieces, which are cut in place", () => {
    const writer = new FrameWriter();
    writer.write({ op: "ping", id: 1 });
    const start = writer.length;
    const body = Uint8Array.from({ length: 1000 }, (_, index) => index);
    writer.write({ op: "report", body });
    const taken = writer.take(start);
    const whole = taken.slice();
    const sizes = [1, 300, taken.length - 301];
    let sent = 0;
    for (const size of sizes) {
      const frame = cutPiece(taken, { transfer: 2 ** 40, start: sent, size });
      sent += size;
      const part = whole.slice(sent - size, sent);
      assertEquals(frame, encodeMessage({ op: "piece", transfer: 2 ** 40, remaining: whole.length - sent, part }));
      assert(frame.length <= size + PIECE_ROOM);
    }
  });

  it("refuses what the table does not allow, names the field, and has written nothing of it", () => {
    const writer = new FrameWriter();
    writer.write({ op: "ping", id: 1 });
    const wrong: [unknown, string][] = [
      [{ op: "pong", id: -1 }, "Cannot write id of a pong message: -1 is no whole number"],
      [{ op: "pong", id: 1.5 }, "1.5 is no whole number"],
      [{ op: "pong", id: NaN }, "NaN is no whole number"],
      [{ op: "pong", id: 2 ** 53 }, "9007199254740992 is no whole number"],
      [{ op: "pong" }, "Cannot write id of a pong message: it is missing"],
      [{ op: "hostStarting", incarnation: 5 }, "it is no string, but number"],
      [{ op: "report", body: [1] }, "it is no Uint8Array, but object"],
      [{ op: "release", keys: Array(MAXIMUM_TEXTS + 1).fill(""), holder: undefined }, "65537 are more than 65536"],
      [
        { op: "release", keys: ["a", null], holder: undefined },
        "Cannot write keys of a release message: it is no string",
      ],
    ];
    for (const [message, words] of wrong) {
      assertThrows(() => writer.write(message as Message), SerializationError, words);
    }
    assertEquals(read(writer.view()), [{ op: "ping", id: 1 }]);
  });
});
