import { assertEquals } from "@std/assert";
import { decode, encode } from "@std/msgpack";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { decodeValue, encodeValue } from "../../protocol/values.ts";
import { skipWithoutStd } from "../helpers/real_std.ts";

/** What `@std/msgpack` can encode. -0 is left out: it turns it into 0. */
const plain: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<unknown>(null, true, false, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 31) - 1),
    fc.integer(),
    fc.double().filter((number) => !Object.is(number, -0)),
    fc.string({ unit: "grapheme", maxLength: 400 }).filter((text) => !text.startsWith("\ufeff")),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(fc.string().filter((key) => key !== "__proto__"), tie("value"), { noNullPrototype: true }),
  ),
})).value;

type StdValue = Parameters<typeof encode>[0];

describe(
  "plain values and @std/msgpack",
  { ignore: skipWithoutStd("comparison with the bytes of @std/msgpack") },
  () => {
    it("have the same bytes", () => {
      fc.assert(
        fc.property(plain, (value) => assertEquals([...encodeValue(value).bytes], [...encode(value as StdValue)])),
        { numRuns: 300 },
      );
    });

    it("read each other's bytes", () => {
      fc.assert(
        fc.property(plain, (value) => {
          assertEquals(decode(encodeValue(value).bytes.slice()), value as StdValue);
          assertEquals(decodeValue(encode(value as StdValue)), value);
        }),
        { numRuns: 300 },
      );
    });

    it("differ in -0 alone: @std/msgpack turns it into 0", () => {
      assertEquals([...encode(-0)], [0]);
      assertEquals([...encodeValue(-0).bytes], [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    });
  },
);
