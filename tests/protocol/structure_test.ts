import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Decoder, encode } from "npm:@msgpack/msgpack@^3.1.3";
import fc from "npm:fast-check@^4.10.0";
import { ProtocolError, SerializationError } from "../../protocol/errors.ts";
import { DEFAULT_LIMITS, type Limits } from "../../protocol/limits.ts";
import { checkStructure } from "../../protocol/structure.ts";
import { ValueDecoder } from "../../protocol/value_decoder.ts";
import { encodeValue } from "../../protocol/values.ts";

function refusalOf(bytes: Uint8Array | number[], limits?: Limits): ProtocolError {
  return assertThrows(() => checkStructure(Uint8Array.from(bytes), limits), ProtocolError) as ProtocolError;
}

function accepts(bytes: Uint8Array): boolean {
  try {
    checkStructure(bytes);
    return true;
  } catch (error) {
    assert(error instanceof ProtocolError, String(error));
    assertEquals(error.code, "BAD_FRAME");
    return false;
  }
}

function repeated(part: readonly number[], times: number, ...tail: number[]): Uint8Array {
  return Uint8Array.from([...Array.from({ length: times }, () => part).flat(), ...tail]);
}

/** Frames that an encoder of ours or of others makes, to be mutated. */
const SEEDS: readonly Uint8Array[] = [
  encodeValue([1, "two", { three: [3.5, null, true, undefined] }]).bytes.slice(),
  encodeValue([new Map<unknown, unknown>([[1, { a: [new Set(["x"])] }], ["k", -1n]]), new Date(1), 2n ** 70n]).bytes
    .slice(),
  encodeValue({ error: new TypeError("no", { cause: new Error("why") }), u: new URL("http://a/b"), r: /x/g }).bytes
    .slice(),
  encodeValue([Float64Array.of(1, 2), new Uint8Array(40), Int16Array.of(1, 2, 3).buffer, "ü".repeat(300)]).bytes
    .slice(),
  encode(Array.from({ length: 20 }, (_, index) => ({ id: index, name: `name ${index}`, tags: ["a", "b"] }))).slice(),
];

describe("checkStructure()", () => {
  it("accepts every value that the encoder writes", () => {
    for (const seed of SEEDS) assertEquals(accepts(seed), true);
  });

  it("accepts each format of MessagePack, at its smallest and at its largest length", () => {
    const bodies: number[][] = [
      [0x00],
      [0x7f],
      [0xe0],
      [0x80],
      [0x90],
      [0xa0],
      [0xc0],
      [0xc2],
      [0xc3],
      [0xc4, 0],
      [0xc5, 0, 1, 7],
      [0xc6, 0, 0, 0, 1, 7],
      [0xc7, 1, 6, 7],
      [0xc8, 0, 1, 6, 7],
      [0xc9, 0, 0, 0, 1, 6, 7],
      [0xca, 0, 0, 0, 0],
      [0xcb, 0, 0, 0, 0, 0, 0, 0, 0],
      [0xcc, 1],
      [0xcd, 1, 1],
      [0xce, 1, 1, 1, 1],
      [0xcf, 1, 1, 1, 1, 1, 1, 1, 1],
      [0xd0, 1],
      [0xd1, 1, 1],
      [0xd2, 1, 1, 1, 1],
      [0xd3, 1, 1, 1, 1, 1, 1, 1, 1],
      [0xd4, 6, 1],
      [0xd5, 6, 1, 1],
      [0xd6, 6, 1, 1, 1, 1],
      [0xd7, 6, ...new Array(8).fill(1)],
      [0xd8, 6, ...new Array(16).fill(1)],
      [0xd9, 1, 0x61],
      [0xda, 0, 1, 0x61],
      [0xdb, 0, 0, 0, 1, 0x61],
      [0xdc, 0, 1, 5],
      [0xdd, 0, 0, 0, 1, 5],
      [0xde, 0, 1, 0xa1, 0x61, 5],
      [0xdf, 0, 0, 0, 1, 0xa1, 0x61, 5],
    ];
    for (const body of bodies) {
      checkStructure(Uint8Array.from(body));
      for (let length = 0; length < body.length; length++) refusalOf(body.slice(0, length));
      assertMatch(refusalOf([...body, 0]).message, /1 bytes follow the value/);
    }
  });

  it("says what is wrong and where", () => {
    const error = refusalOf([0x92, 0x01, 0xc1]);
    assertEquals(error.message, "Cannot read a value: the byte 0xc1 is never used (at byte 2)");
    assertEquals([error.offset, error.code], [2, "BAD_FRAME"]);
  });

  it("refuses a map key that is no string, and the key __proto__ in every format", () => {
    const proto = [...new TextEncoder().encode("__proto__")];
    for (const key of [[1], [0xc0], [0x90], [0xc4, 1, 0x61], [0xd4, 6, 1], [0xcb, 0, 0, 0, 0, 0, 0, 0, 0]]) {
      assertMatch(refusalOf([0x81, ...key, 1]).message, /key of a map is not a string/);
    }
    for (const head of [[0xa9], [0xd9, 9], [0xda, 0, 9], [0xdb, 0, 0, 0, 9]]) {
      assertMatch(refusalOf([0x81, ...head, ...proto, 1]).message, /the key __proto__/);
      assertMatch(refusalOf([0x82, 0xa1, 0x61, 1, ...head, ...proto, 1]).message, /the key __proto__/);
      checkStructure(Uint8Array.from([...head, ...proto]));
    }
  });

  it("refuses extensions that it does not know, the timestamp among them", () => {
    for (const type of [0, 15, 127, 0x80]) assertMatch(refusalOf([0xd4, type, 0]).message, /no extension has the type/);
    assertMatch(refusalOf([0xd6, 0xff, 0, 0, 0, 0]).message, /no extension has the type -1/);
  });

  it("refuses extensions whose payload has the wrong size or form", () => {
    const wrong: number[][] = [
      [0xd5, 1, 0, 0], // undefined of two bytes
      [0xc7, 0, 2], // a bigint of none
      [0xd6, 3, 0, 0, 0, 0], // a date of four bytes
      [0xc7, 1, 4, 0x80], // a Map that is a map
      [0xc7, 2, 4, 0x91, 1], // a Map with a key and no value
      [0xc7, 1, 5, 0x05], // a Set that is a number
      [0xc7, 0, 7], // a typed array of no kind
      [0xd4, 7, 12], // of an unknown kind
      [0xc7, 4, 7, 8, 0, 0, 0], // a Float64Array of three bytes
      [0xc7, 1, 8, 0x90], // an error that is an array
      [0xc7, 1, 5, 0x91], // a Set that ends too early
      [0xc7, 3, 5, 0x91, 1, 1], // a Set with a byte too many
      [0xc7, 3, 4, 0xd4, 6, 1], // a Map that is an ArrayBuffer
    ];
    for (const body of wrong) refusalOf(body);
    checkStructure(Uint8Array.from([0xc7, 3, 4, 0x92, 1, 1]));
  });

  it("does not let the payload of an extension reach beyond its end", () => {
    // The Set says 2 bytes, and its array 2 elements: one of them would lie outside.
    assertMatch(refusalOf([0x92, 0xc7, 2, 5, 0x92, 1, 1]).message, /declares 2 elements where 1 bytes are left/);
    assertMatch(refusalOf([0x92, 0xc7, 2, 5, 0x91, 0xa5, 1, 1, 1, 1, 1]).message, /longer than what is left/);
  });

  it("holds strings, extensions, structures, elements, depth and the whole against the limits", () => {
    const limits: Limits = {
      ...DEFAULT_LIMITS,
      valueBytes: 100,
      stringBytes: 10,
      extensionBytes: 5,
      nodes: 5,
      elements: 12,
      depth: 2,
    };
    checkStructure(encodeValue("x".repeat(10)).bytes, limits);
    assertMatch(refusalOf(encodeValue("x".repeat(11)).bytes, limits).message, /string of 11 bytes/);
    assertMatch(refusalOf(encodeValue(new Float32Array(2)).bytes, limits).message, /extension of 9 bytes/);
    assertMatch(refusalOf(encodeValue([[], [], [], [], []]).bytes, limits).message, /more than 5 arrays/);
    assertMatch(refusalOf(encodeValue(new Array(5).fill(undefined)).bytes, limits).message, /more than 5 arrays/);
    assertMatch(refusalOf(encodeValue(new Array(13).fill(1)).bytes, limits).message, /more than 12 elements/);
    assertMatch(
      refusalOf(encodeValue({ a: 1, b: 1, c: 1, d: [1, 2, 3, 4, 5] }).bytes, limits).message,
      /more than 12 elements/,
    );
    assertMatch(refusalOf(encodeValue([[[]]]).bytes, limits).message, /deeper than 2 levels/);
    assertMatch(refusalOf(encodeValue(new Uint8Array(100)).bytes, limits).message, /102 bytes, and at most 100/);
  });

  it("counts depth through extensions, and again from the start for the next body", () => {
    let value: unknown = 1;
    for (let level = 0; level < 64; level++) value = new Set([value]);
    for (let times = 0; times < 3; times++) {
      checkStructure(encodeValue(value).bytes);
      const deeper = [0x91, ...encodeValue(value).bytes];
      assertMatch(refusalOf(deeper).message, /deeper than 64 levels/);
    }
    const limits = { ...DEFAULT_LIMITS, depth: 300 };
    checkStructure(repeated([0x91], 300, 1), limits);
    assertMatch(refusalOf(repeated([0x91], 301, 1), limits).message, /deeper than 300/);
  });

  const bombs: [string, Uint8Array][] = [
    ["600 nested arrays of a million elements", repeated([0xdd, 0, 0x0f, 0x42, 0x40], 600)],
    ["600 nested arrays of 4 billion elements", repeated([0xdd, 0xff, 0xff, 0xff, 0xff], 600)],
    ["nested maps of 4 billion keys", repeated([0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61], 400)],
    ["a million nested arrays", new Uint8Array(1_000_000).fill(0x91)],
    ["8 MiB of empty arrays", Uint8Array.from([0xdd, 0x00, 0x7f, 0xff, 0xfa, ...new Uint8Array(0x7ffffa).fill(0x90)])],
    ["8 MiB of empty maps", Uint8Array.from([0xdd, 0x00, 0x7f, 0xff, 0xfa, ...new Uint8Array(0x7ffffa).fill(0x80)])],
    ["a string of 4 GiB", Uint8Array.from([0xdb, 0xff, 0xff, 0xff, 0xff, 0x61])],
    ["a binary of 4 GiB", Uint8Array.from([0xc6, 0xff, 0xff, 0xff, 0xff, 0x61])],
    ["an extension of 4 GiB", Uint8Array.from([0xc9, 0xff, 0xff, 0xff, 0xff, 4, 0x90])],
    ["a bomb in a Map", Uint8Array.from([0xc7, 6, 4, 0xdd, 0, 0x0f, 0x42, 0x40, 1])],
    ["a bomb in an actor handle", Uint8Array.from([0xc7, 6, 11, 0xdd, 0, 0x0f, 0x42, 0x40, 1])],
    ["a bomb in an error", Uint8Array.from([0xc7, 6, 8, 0xdf, 0, 0x0f, 0x42, 0x40, 1])],
    ["Sets inside of Sets", nestedSets(5000)],
  ];
  for (const [name, bytes] of bombs) {
    it(`refuses within 10 ms, and without memory: ${name}`, () => {
      refusalOf(bytes);
      let least = Infinity;
      // A machine that does other things meanwhile slows it down; nothing makes it faster than it is.
      for (let times = 0; times < 50 && least > 10; times++) {
        const start = performance.now();
        assertThrows(() => checkStructure(bytes), ProtocolError);
        least = Math.min(least, performance.now() - start);
      }
      assert(least <= 10, `it took ${least} ms`);
    });
  }
});

/** Each level is an extension of 16-bit length around an array of one element. */
function nestedSets(levels: number): Uint8Array {
  const body: number[] = [];
  for (let level = 0; level < levels; level++) {
    const length = (levels - level) * 5 - 4 + 1;
    body.push(0xc8, length >> 8, length & 0xff, 5, 0x91);
  }
  return Uint8Array.from([...body, 1]);
}

describe("what checkStructure() accepts", () => {
  // The other implementation reads extensions as opaque bytes, so it must find the same end of the value.
  const other = new Decoder({ useBigInt64: true });

  function assertDecodes(bytes: Uint8Array): boolean {
    if (!accepts(bytes)) return false;
    other.decode(bytes);
    const context = { actor: () => null, future: () => null };
    try {
      new ValueDecoder().decode(bytes, context);
    } catch (error) {
      // Content, not structure: malformed UTF-8, an invalid URL.
      assert(error instanceof SerializationError, String(error));
    }
    return true;
  }

  it("can be decoded: random bytes", () => {
    const accepted = { count: 0 };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        if (assertDecodes(bytes)) accepted.count++;
      }),
      { numRuns: 20_000 },
    );
    assert(accepted.count > 50, `only ${accepted.count} were accepted`);
  });

  it("can be decoded: valid values with some bytes changed, added or removed", () => {
    const random = generator(20260801);
    let accepted = 0;
    for (let round = 0; round < 60_000; round++) {
      const seed = [...SEEDS[round % SEEDS.length]!];
      for (let change = 0; change <= random() % 3; change++) {
        const place = random() % seed.length;
        const byte = random() & 0xff;
        seed.splice(place, random() % 2, ...(random() % 3 === 0 ? [] : [byte]));
      }
      if (assertDecodes(Uint8Array.from(seed))) accepted++;
    }
    assert(accepted > 5000, `only ${accepted} were accepted`);
  });
});

/** A small generator with a seed (mulberry32), so that a failure can be repeated. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}
