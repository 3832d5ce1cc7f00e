import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { createKeySuffixes, fromBase64Url, randomHex, toBase64Url, toHex } from "../../protocol/mod.ts";

describe("the endings of keys", () => {
  it("have 8 hexadecimal digits and are all different for 65 536 keys of one session", () => {
    const next = createKeySuffixes(7);
    const seen = new Set<string>();
    for (let count = 0; count < 65536; count++) seen.add(next());
    assertEquals(seen.size, 65536);
    for (const suffix of seen) assertMatch(suffix, /^[0-9a-f]{8}$/);
  });

  it("have 8 hexadecimal digits and are all different for the first keys of 65 536 sessions", () => {
    const seen = new Set<string>();
    for (let session = 0; session < 65536; session++) seen.add(createKeySuffixes(session)());
    assertEquals(seen.size, 65536);
    for (const suffix of seen) assertMatch(suffix, /^[0-9a-f]{8}$/);
  });

  it("go on after 65 536 keys, longer and still different", () => {
    const next = createKeySuffixes(7);
    const seen = new Set<string>();
    for (let count = 0; count < 70000; count++) seen.add(next());
    assertEquals(seen.size, 70000);
  });

  it("are never the same for two keys, whatever their sessions and counts", () => {
    const session = fc.oneof(
      fc.nat(3),
      fc.nat(2 ** 32 - 1),
      fc.constantFrom(65535, 65536, 69632, 2 ** 28, 2 ** 32 - 1),
    );
    const count = fc.oneof(
      fc.nat(3),
      fc.nat(2 ** 31 - 1),
      fc.constantFrom(65535, 65536, 2 ** 20, 2 ** 24 - 1, 2 ** 24, 2 ** 28, 2 ** 32, 2 ** 53 - 2),
    );
    const pair = fc.tuple(session, count);
    fc.assert(
      fc.property(fc.uniqueArray(pair, { maxLength: 200, selector: String }), (pairs) => {
        const suffixes = pairs.map(([session, count]) => createKeySuffixes(session, count)());
        assertEquals(new Set(suffixes).size, pairs.length);
      }),
      { numRuns: 300 },
    );
  });

  it("cannot be read in two ways: no two pairs of lengths give one sum", () => {
    const heads = [0, 65536].map((session) => createKeySuffixes(session)().length - 4);
    const tails = [0, 65536, 2 ** 24].map((count) => createKeySuffixes(0, count)().length - 4);
    assertEquals(createKeySuffixes(2 ** 32 - 1)().length, heads[1]! + 4);
    assertEquals(createKeySuffixes(0, 2 ** 53 - 2)().length, tails[2]! + 4);
    assertEquals(new Set(heads.flatMap((head) => tails.map((tail) => head + tail))).size, 6);
  });
});

describe("bytes as text", () => {
  it("come back from base64url, which holds nothing that a subprotocol may not", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = toBase64Url(bytes);
      assertMatch(text, /^[A-Za-z0-9_-]*$/);
      assertEquals(fromBase64Url(text), bytes);
    }));
  });

  it("do not come of texts that are no base64url", () => {
    for (const text of ["a", "a+b/", "ab==", "a b", "ä", "abcde"]) assertEquals(fromBase64Url(text), undefined, text);
  });

  it("are hexadecimal digits, two for each", () => {
    assertEquals(toHex(Uint8Array.of(0, 15, 255)), "000fff");
    assertEquals(randomHex(3, (bytes) => bytes.fill(9)), "090909");
    assertMatch(randomHex(16), /^[0-9a-f]{32}$/);
  });
});
