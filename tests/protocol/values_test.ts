import { assert, assertEquals, assertInstanceOf, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Decoder, Encoder } from "npm:@msgpack/msgpack@^3.1.3";
import fc from "npm:fast-check@^4.10.0";
import { isDeepStrictEqual } from "node:util";
import { ProtocolError, SerializationError } from "../../protocol/errors.ts";
import { DEFAULT_LIMITS } from "../../protocol/limits.ts";
import { decodeValue, type EncodeContext, encodeValue, REFERENCE } from "../../protocol/values.ts";

function roundTrip(value: unknown): unknown {
  return decodeValue(encodeValue(value).bytes);
}

/** As strict as it can be: -0 is not 0, and prototypes count. */
function assertArrivesAs(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) assertEquals(actual, expected, "the values differ");
  assertEquals(isDeepStrictEqual(actual, expected), true, "the values differ in a prototype or the sign of a zero");
}

function assertSurvives(value: unknown): void {
  assertArrivesAs(roundTrip(value), value);
}

function refusalOf(value: unknown, context: EncodeContext = { root: "args" }): SerializationError {
  return assertThrows(() => encodeValue(value, context), SerializationError) as SerializationError;
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

const TYPED_ARRAYS = [
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
] as const;

const key = fc.string({ unit: "grapheme" }).filter((text) => text !== "__proto__");

/** Any value that can be sent, errors aside. */
const sendable: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<unknown>(null, undefined, true, false, -0, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 60), 1e300),
    fc.integer(),
    fc.double(),
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "grapheme", minLength: 30, maxLength: 400 }),
    fc.bigInt(),
    fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }),
    fc.date({ noInvalidDate: false }),
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.constantFrom(...TYPED_ARRAYS), fc.array(fc.integer())).map(([type, items]) => new type(items)),
    fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map((items) => BigInt64Array.from(items)),
    fc.uint8Array().map((bytes) => new DataView(bytes.slice().buffer)),
    fc.uint8Array().map((bytes) => bytes.slice().buffer),
    fc.webUrl().map((url) => new URL(url)),
    fc.constantFrom(/a\/b/giu, /^$/, new RegExp("")).map((regExp) => new RegExp(regExp)),
    { weight: 4, arbitrary: fc.array(tie("value"), { maxLength: 6 }) },
    { weight: 2, arbitrary: fc.array(tie("value"), { maxLength: 6 }).map((items) => new Set(items)) },
    {
      weight: 2,
      arbitrary: fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 6 }).map((entries) => new Map(entries)),
    },
    { weight: 4, arbitrary: fc.dictionary(key, tie("value"), { noNullPrototype: true, maxKeys: 6 }) },
  ),
})).value;

/** What `@std/msgpack` and MessagePack itself know, without -0. */
const plain: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<unknown>(null, true, false, NaN, Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31) - 1),
    fc.integer(),
    fc.double().filter((number) => !Object.is(number, -0)),
    fc.string({ unit: "grapheme", maxLength: 60 }),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(fc.string().filter((key) => key !== "__proto__"), tie("value"), { noNullPrototype: true }),
  ),
})).value;

describe("a value that is sent", () => {
  it("arrives as what it was, whatever it is made of", () => {
    fc.assert(fc.property(fc.array(sendable), (values) => assertSurvives(values)), { numRuns: 400 });
  });

  it("keeps -0, NaN, the infinities, and numbers beyond 2^53", () => {
    for (
      const number of [-0, 0, NaN, Infinity, -Infinity, 2 ** 53, 2 ** 53 + 2, 2 ** 63, 2 ** 64, -(2 ** 63), 5e-324]
    ) {
      assertStrictEquals(roundTrip(number), number);
      assertStrictEquals((roundTrip({ deep: [number] }) as { deep: number[] }).deep[0], number);
    }
  });

  it("keeps every integer at the edges of its formats", () => {
    for (const edge of [0, 0x20, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 2 ** 31, 2 ** 32, 2 ** 53]) {
      for (const number of [edge - 1, edge, edge + 1, -edge - 1, -edge + 1]) {
        assertStrictEquals(roundTrip(number), number);
      }
    }
  });

  it("keeps bigints of any size apart from numbers", () => {
    for (const bits of [0n, 1n, 7n, 8n, 31n, 53n, 62n, 63n, 64n, 65n, 71n, 72n, 1000n, 100_000n]) {
      for (const bigint of [2n ** bits - 1n, 2n ** bits, -(2n ** bits), -(2n ** bits) - 1n]) {
        assertStrictEquals(roundTrip(bigint), bigint);
      }
    }
  });

  it("keeps strings of every length and script, and a leading byte order mark", () => {
    for (const length of [0, 1, 30, 31, 32, 33, 47, 48, 85, 86, 159, 160, 161, 255, 256, 65535, 65536, 200_000]) {
      for (const character of ["a", "ü", "€", "😀", "\ufeff", "\0"]) {
        assertStrictEquals(roundTrip(character.repeat(length)), character.repeat(length));
      }
      assertStrictEquals(roundTrip("a".repeat(length) + "😀"), "a".repeat(length) + "😀");
    }
  });

  it("keeps undefined wherever it is, and null beside it", () => {
    assertSurvives([undefined, null, { a: undefined, b: null }, new Map([[undefined, undefined]])]);
    assertEquals(Object.keys(roundTrip({ a: undefined }) as object), ["a"]);
  });

  it("keeps dates, the invalid one too", () => {
    assertSurvives([new Date(0), new Date(-1), new Date(8.64e15), new Date("2026-02-03T04:05:06.789Z")]);
    assertEquals(Number.isNaN((roundTrip(new Date(NaN)) as Date).getTime()), true);
  });

  it("keeps the order of Map and Set, and keys that are no strings", () => {
    const map = new Map<unknown, unknown>([[2, "b"], [1, "a"], [null, [new Set([3, 1, 2])]], [{ key: true }, NaN]]);
    assertSurvives(map);
    assertEquals([...(roundTrip(new Set([3, 1, 2])) as Set<number>)], [3, 1, 2]);
  });

  it("keeps source, flags and lastIndex of a regular expression", () => {
    const regExp = /a\/(?<b>[b-d])/gimsuy;
    regExp.lastIndex = 7;
    const arrived = roundTrip(regExp) as RegExp;
    assertEquals([arrived.source, arrived.flags, arrived.lastIndex], [regExp.source, regExp.flags, 7]);
  });

  it("keeps every kind of typed array, aligned, from any place in its buffer", () => {
    for (const type of [...TYPED_ARRAYS, Float16Array, BigInt64Array, BigUint64Array]) {
      const buffer = crypto.getRandomValues(new Uint8Array(128)).buffer;
      const part = new type(buffer, 16, 4);
      const arrived = roundTrip([1, part]) as [number, typeof part];
      assertStrictEquals<unknown>(arrived[1].constructor, type);
      assertEquals(new Uint8Array(arrived[1].buffer), new Uint8Array(buffer.slice(16, 16 + part.byteLength)));
    }
  });

  it("gives bytes a buffer of their own, so that neither side sees the other's writes", () => {
    const sent = Uint8Array.of(1, 2, 3);
    const { bytes } = encodeValue(["before", sent, "after"]);
    sent[0] = 9;
    const [, first] = decodeValue(bytes) as [string, Uint8Array];
    assertEquals(first.buffer.byteLength, 3);
    first[1] = 9;
    assertEquals(decodeValue(bytes), ["before", Uint8Array.of(1, 2, 3), "after"]);
  });

  it("keeps keys that other code gives a meaning, as plain data", () => {
    const value = { constructor: 1, toJSON: "x", then: null, toString: 2, hasOwnProperty: [], prototype: {} };
    assertSurvives(value);
    assertSurvives({ then: { then: 1 } });
  });

  it("keeps the order of keys and the words that are no identifiers", () => {
    assertEquals(Object.keys(roundTrip({ z: 1, "": 2, "a b": 3, ü: 4 }) as object), ["z", "", "a b", "ü"]);
  });

  it("keeps thousands of different keys of one length apart", () => {
    const value = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`key ${1000 + index}`, index]));
    assertSurvives(value);
    assertSurvives([value, { "key 1000": 1 }]);
  });

  it("arrives as two where it is there twice", () => {
    const shared = { n: 1 };
    const [first, second] = roundTrip([shared, shared]) as [{ n: number }, { n: number }];
    assertEquals([first, second], [shared, shared]);
    assertEquals(first === second, false);
  });

  it("keeps an error with its class, its message, its cause and its fields", () => {
    const error = Object.assign(new RangeError("too far", { cause: new TypeError("inner") }), { limit: 3 });
    const arrived = roundTrip({ error }) as { error: RangeError & { limit: number; cause: Error } };
    assertInstanceOf(arrived.error, RangeError);
    assertEquals([arrived.error.message, arrived.error.limit], ["too far", 3]);
    assertInstanceOf(arrived.error.cause, TypeError);
    assertEquals(Object.keys(arrived.error), ["limit"]);
  });

  it("reads a getter once", () => {
    let reads = 0;
    const value = {
      get n() {
        return ++reads;
      },
    };
    assertEquals(roundTrip(value), { n: 1 });
    assertEquals(reads, 1);
  });

  it("may hold a getter that encodes another value meanwhile", () => {
    const value = {
      before: "b",
      get nested() {
        return encodeValue(["inner", 2]).bytes;
      },
      after: "a",
    };
    const arrived = roundTrip(value) as { before: string; nested: Uint8Array; after: string };
    assertEquals([arrived.before, arrived.after], ["b", "a"]);
    assertEquals(decodeValue(arrived.nested), ["inner", 2]);
  });

  it("is not touched by the values that are encoded after it", () => {
    const encoded = Array.from({ length: 2000 }, (_, index) => encodeValue([index, "x".repeat(index % 50)]).bytes);
    encoded.forEach((bytes, index) => assertEquals(decodeValue(bytes), [index, "x".repeat(index % 50)]));
  });

  it("is copied once where it is a large typed array", () => {
    const numbers = Float64Array.from({ length: 1_000_000 }, (_, index) => index / 3);
    const { bytes } = encodeValue([numbers, "after"]);
    assertEquals(bytes.buffer.byteLength < numbers.byteLength + 20_000, true);
    const [arrived] = decodeValue(bytes) as [Float64Array];
    assertEquals(
      new Uint8Array(arrived.buffer).every((byte, index) => byte === new Uint8Array(numbers.buffer)[index]),
      true,
    );
  });
});

describe("the bytes of a plain value", () => {
  const encoder = new Encoder({ useBigInt64: true, maxDepth: 100 });
  const decoder = new Decoder({ useBigInt64: true });

  it("are those of @msgpack/msgpack, and it reads them", () => {
    fc.assert(
      fc.property(plain, (value) => {
        const { bytes } = encodeValue(value);
        assertEquals(hex(bytes), hex(encoder.encode(value)));
        assertArrivesAs(decoder.decode(bytes), value);
      }),
      { numRuns: 300 },
    );
  });

  it("are those of the formats and extensions, one by one", () => {
    const table: [unknown, string][] = [
      [null, "c0"],
      [false, "c2"],
      [true, "c3"],
      [5, "05"],
      [-1, "ff"],
      [-33, "d0 df"],
      [200, "cc c8"],
      [300, "cd 01 2c"],
      [70000, "ce 00 01 11 70"],
      [2 ** 32, "cb 41 f0 00 00 00 00 00 00"],
      [-0, "cb 80 00 00 00 00 00 00 00"],
      [1.5, "cb 3f f8 00 00 00 00 00 00"],
      [1n, "cf 00 00 00 00 00 00 00 01"],
      [-1n, "d3 ff ff ff ff ff ff ff ff"],
      [2n ** 64n, "c7 09 02 01 00 00 00 00 00 00 00 00"],
      ["ab", "a2 61 62"],
      [[1, [2]], "92 01 91 02"],
      [{ a: 1 }, "81 a1 61 01"],
      [Uint8Array.of(1, 2), "c4 02 01 02"],
      [undefined, "d4 01 00"],
      [new Date(1), "d7 03 3f f0 00 00 00 00 00 00"],
      [new Map([["a", 1]]), "c7 04 04 92 a1 61 01"],
      [new Set([1]), "c7 02 05 91 01"],
      [Uint8Array.of(7).buffer, "d4 06 07"],
      [Uint16Array.of(1), "c7 03 07 03 01 00"],
      [new URL("http://a/"), "c7 09 09 68 74 74 70 3a 2f 2f 61 2f"],
      [/a/g, "c7 06 0a 93 a1 61 a1 67 00"],
    ];
    for (const [value, bytes] of table) assertEquals(hex(encodeValue(value).bytes), bytes);
  });
});

describe("a value that cannot be sent", () => {
  class User {
    name = "Ada";
  }
  class Stack extends Array<number> {}

  it("is refused with the path to it, what it is, and what to do", () => {
    const socket = new EventTarget();
    const error = refusalOf([{ user: { socket } }]);
    assertEquals(error.path, "args[0].user.socket");
    assertEquals(error.message, "Cannot encode args[0].user.socket: cannot send an EventTarget; send its data instead");
    assertEquals([error.code, error.executed, error.retryable], ["ARGUMENT_NOT_SERIALIZABLE", "no", false]);
  });

  it("is refused as a result with executed: yes", () => {
    const error = refusalOf({ items: [1, 2, 3, () => 1] }, { root: "result", role: "result" });
    assertEquals(error.path, "result.items[3]");
    assertEquals([error.code, error.executed], ["RESULT_NOT_SERIALIZABLE", "yes"]);
  });

  const refused: [string, unknown, RegExp][] = [
    ["a Promise", Promise.resolve(1), /a Promise; await it first/],
    ["a function", function add() {}, /the function add; send the handle of an actor/],
    ["a class", User, /the class User; submit it/],
    ["an instance of a class", new User(), /an instance of User; send plain data/],
    ["a symbol", Symbol("x"), /a symbol/],
    ["a generator", (function* () {})(), /a generator; send its values as an array/],
    ["an async generator", (async function* () {})(), /a generator/],
    ["a boxed number", Object(1), /a Number object; send the primitive value/],
    ["a boxed bigint", Object(1n), /a BigInt object/],
    ["a WeakMap", new WeakMap(), /a WeakMap/],
    ["a WeakRef", new WeakRef({}), /a WeakRef/],
    ["a subclass of Array", Stack.of(1), /a Stack, which extends Array; send a plain Array/],
    ["a subclass of Map", new (class Cache extends Map {})(), /a Cache, which extends Map/],
    ["an object that pretends to be a Map", Object.create(Map.prototype), /cannot send what throws when it is read/],
    ["a Proxy of a function", new Proxy(() => 1, {}), /the function/],
    ["a Proxy of a Map", new Proxy(new Map(), {}), /throws when it is read/],
    ["a hole in an array", [1, , 3][1] === undefined ? [1, , 3] : 0, /a hole in an array; fill it/],
    [
      "arguments",
      (function (..._: number[]) {
        return arguments;
      })(1),
      /an arguments object; send \[\.\.\.arguments\]/,
    ],
    ["half of a surrogate pair", "a\ud800", /half of a surrogate pair/],
    ["half of a surrogate pair in a long string", "a".repeat(100) + "\udc00", /half of a surrogate pair/],
    ["half of a surrogate pair in a key", { "\ud800": 1 }, /half of a surrogate pair/],
    ["a key __proto__", JSON.parse('{"__proto__": {"polluted": 1}}'), /a key __proto__/],
    ["a key that is a symbol", { [Symbol.for("x")]: 1 }, /the key Symbol\(x\)/],
    ["a SharedArrayBuffer", new SharedArrayBuffer(1), /a SharedArrayBuffer/],
    [
      "a view of a SharedArrayBuffer",
      new Uint8Array(new SharedArrayBuffer(1)),
      /over a SharedArrayBuffer; send a copy/,
    ],
    ["a Date with fields", Object.assign(new Date(), { zone: "UTC" }), /a Date with a field of its own, zone/],
    ["a getter that throws", {
      get x() {
        throw new Error("closed");
      },
    }, /throws when it is read: closed/],
    ["a sparse array of a billion", new Array(1e9), /elements|hole/],
  ];
  for (const [name, value, reason] of refused) {
    it(`is refused: ${name}`, () => {
      assertMatch(refusalOf([value]).message, reason);
      assertMatch(refusalOf({ deep: new Map([["key", new Set([value])]]) }).message, reason);
    });
  }

  it("is refused: a buffer that was transferred away", () => {
    const array = new Uint8Array(8);
    structuredClone(array, { transfer: [array.buffer] });
    assertMatch(refusalOf([array]).message, /transferred away/);
  });

  it("is refused: a value that contains itself, with both places", () => {
    const cycle: { list: unknown[] } = { list: [] };
    cycle.list.push({ back: cycle.list });
    assertMatch(
      refusalOf([cycle]).message,
      /^Cannot encode args\[0\]\.list\[0\]\.back: .* contains itself; it is args\[0\]\.list again$/,
    );
    const map = new Map<string, unknown>();
    map.set("me", map);
    assertMatch(refusalOf(map).message, /args\.get\("me"\)/);
  });

  it("has a path that says how to get there", () => {
    const bad = () => 1;
    assertEquals(refusalOf([{ "a b": [{ é: bad }] }]).path, 'args[0]["a b"][0].é');
    assertEquals(refusalOf(new Map([["x", 1], ["k", bad as unknown]])).path, 'args.get("k")');
    assertEquals(refusalOf(new Map([[bad, 1]])).path, "args.keys()[0]");
    assertEquals(refusalOf(new Set([1, bad])).path, "args.values()[1]");
  });

  it("leaves the encoder as good as new", () => {
    refusalOf(["x".repeat(100_000), { a: [new User()] }]);
    assertSurvives(["after", { a: [1] }]);
  });
});

describe("a handle or a future in a value", () => {
  class Handle {
    constructor(readonly key: string, readonly kind: "actor" | "future" = "actor") {}
    get [REFERENCE]() {
      return true;
    }
  }
  const context: EncodeContext = {
    reference: (value) => {
      const { key, kind } = value as Handle;
      return { key, kind, bytes: encodeValue([key, kind]).bytes };
    },
  };

  it("travels as what the context makes of it, and its key is listed once", () => {
    const handle = new Handle("Counter-1");
    const value = [handle, { deep: new Map([["f", new Handle("sum-2", "future")]]) }, handle];
    const { bytes, refs } = encodeValue(value, context);
    assertEquals(refs, ["Counter-1", "sum-2"]);
    const arrived = decodeValue(bytes, {
      actor: (reference) => `actor ${(decodeValue(reference) as string[])[0]}`,
      future: (reference) => `future ${(decodeValue(reference) as string[])[0]}`,
    });
    assertEquals(arrived, ["actor Counter-1", { deep: new Map([["f", "future sum-2"]]) }, "actor Counter-1"]);
  });

  it("is known by its symbol even where it is a plain, frozen object or a promise", () => {
    const plainHandle = Object.freeze({ increment: () => 1, [REFERENCE]: true, key: "a", kind: "actor" });
    const future = Object.assign(Promise.resolve(), { [REFERENCE]: true, key: "b", kind: "future" });
    assertEquals(encodeValue([plainHandle, future], context).refs, ["a", "b"]);
  });

  it("is refused where there is no context, or none for it", () => {
    assertMatch(refusalOf([new Handle("a")]).message, /args\[0\]: cannot send an actor handle or a future here/);
    refusalOf([new Handle("a")], { root: "args", reference: () => undefined });
    const { bytes } = encodeValue(new Handle("a"), context);
    assertThrows(() => decodeValue(bytes), SerializationError, "holds an actor");
  });

  it("costs values without any nothing: their list of keys is empty", () => {
    assertEquals(encodeValue([1, { a: 2 }], context).refs, []);
  });
});

describe("the limits of a value", () => {
  function nested(levels: number): unknown {
    let value: unknown = 1;
    for (let level = 0; level < levels; level++) {
      value = level % 3 === 0 ? [value] : level % 3 === 1 ? { v: value } : new Map([[1, value]]);
    }
    return value;
  }

  it("allow 64 levels, both ways, and no more", () => {
    assertSurvives(nested(64));
    assertMatch(refusalOf([nested(64)]).message, /nests deeper than 64 levels/);
  });

  it("refuse a value of too many bytes before it is sent", () => {
    const limits = { ...DEFAULT_LIMITS, valueBytes: 1000 };
    for (
      const value of [new Uint8Array(1001), "x".repeat(1200), "ü".repeat(70_000), new Array(1001).fill(1), [
        new Float64Array(200),
      ]]
    ) {
      const error = refusalOf(value, { root: "args", limits });
      assertEquals([error.code, error.executed], ["PAYLOAD_TOO_LARGE", "no"]);
      assertMatch(error.message, /1000 bytes/);
    }
    assertEquals(refusalOf("x".repeat(2000), { limits, role: "result" }).code, "RESULT_TOO_LARGE");
    assertEquals(encodeValue("x".repeat(990), { limits }).bytes.length, 993);
  });

  it("refuse too many structures and too many elements", () => {
    const limits = { ...DEFAULT_LIMITS, nodes: 100, elements: 1000 };
    assertMatch(refusalOf(Array.from({ length: 100 }, () => []), { limits }).message, /more than 100 arrays/);
    assertMatch(refusalOf([new Array(999).fill(0), [1, 2]], { limits }).message, /more than 1000 elements/);
    assertEquals(encodeValue([new Array(999).fill(0)], { limits }).bytes.length > 0, true);
  });

  it("let an ordinary large array pass", () => {
    const numbers = Array.from({ length: 300_000 }, (_, index) => index);
    assertEquals((roundTrip(numbers) as number[]).length, 300_000);
  });

  it("are the same for the writer and for the reader", () => {
    const limits = { ...DEFAULT_LIMITS, nodes: 12, elements: 20, depth: 4, valueBytes: 120 };
    let sent = 0;
    fc.assert(
      fc.property(sendable, (value) => {
        let bytes: Uint8Array;
        try {
          bytes = encodeValue(value, { limits }).bytes;
        } catch {
          return;
        }
        sent++;
        assertArrivesAs(decodeValue(bytes, { limits }), value);
      }),
      { numRuns: 500 },
    );
    assertEquals(sent > 50, true);
  });
});

describe("bytes that are the reader's own", () => {
  const large = Uint8Array.from({ length: 65_536 }, (_, index) => index);

  it("are where a long Uint8Array stays", () => {
    const { bytes } = encodeValue([large]);
    const [value] = decodeValue(bytes, { owned: true }) as [Uint8Array];
    assertEquals(value, large);
    assert(value.buffer === bytes.buffer);
  });

  it("are left by what is short, is a small part of them, or has another type", () => {
    for (const value of [large.subarray(1), new Uint16Array(large.buffer), large.buffer]) {
      const { bytes } = encodeValue([value]);
      const [copy] = decodeValue(bytes, { owned: true }) as [Uint8Array | ArrayBuffer];
      assert((ArrayBuffer.isView(copy) ? copy.buffer : copy) !== bytes.buffer);
    }
    const { bytes } = encodeValue([large, large, large]);
    for (const value of decodeValue(bytes, { owned: true }) as Uint8Array[]) assert(value.buffer !== bytes.buffer);
  });

  it("are copied where somebody else may use them", () => {
    const { bytes } = encodeValue([large]);
    const [value] = decodeValue(bytes) as [Uint8Array];
    assertEquals(value.buffer.byteLength, large.length);
  });
});

describe("bytes whose content is wrong", () => {
  const bytes = (...parts: number[]) => Uint8Array.from(parts);

  it("are refused: malformed UTF-8", () => {
    for (const text of [[0xa1, 0xff], [0xa2, 0xc0, 0x80], [0xa3, 0xed, 0xa0, 0x80], [0xa2, 0xe2, 0x82]]) {
      assertThrows(() => decodeValue(bytes(...text)), SerializationError, "no valid UTF-8");
    }
  });

  it("are refused: a URL or a regular expression that is none", () => {
    assertThrows(() => decodeValue(bytes(0xc7, 1, 9, 0x78)), SerializationError, "URL");
    assertThrows(
      () => decodeValue(bytes(0xc7, 6, 10, 0x93, 0xa1, 0x28, 0xa1, 0x67, 0x00)),
      SerializationError,
      "regular expression",
    );
    assertThrows(() => decodeValue(bytes(0xc7, 2, 10, 0x91, 0x01)), SerializationError, "regular expression");
  });

  it("say of a result that the call ran", () => {
    const error = assertThrows(
      () => decodeValue(bytes(0xa1, 0xff), { root: "result", role: "result" }),
      SerializationError,
    ) as SerializationError;
    assertEquals([error.executed, error.path], ["yes", "result"]);
  });

  it("never change Object.prototype", () => {
    const before = Object.getOwnPropertyNames(Object.prototype);
    const key = [...new TextEncoder().encode("__proto__")];
    assertThrows(() => decodeValue(bytes(0x81, 0xa9, ...key, 0x81, 0xa1, 0x61, 1)), ProtocolError, "__proto__");
    assertEquals(Object.getOwnPropertyNames(Object.prototype), before);
  });

  it("are exact where another client sends an integer beyond 2^53", () => {
    assertStrictEquals(decodeValue(bytes(0xcf, 0, 0x20, 0, 0, 0, 0, 0, 1)), 2n ** 53n + 1n);
  });
});
