import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { CloseCode, truncateReason } from "../../protocol/mod.ts";

const encoder = new TextEncoder();

describe("close codes", () => {
  it("are different, and such as a program may give to a WebSocket", () => {
    const codes = Object.values(CloseCode);
    assertEquals(new Set<number>(codes).size, codes.length);
    for (const code of codes) assert(code === 1000 || code >= 4000 && code <= 4999, `${code}`);
  });
});

describe("a close reason", () => {
  it("stays as it is up to 123 bytes of UTF-8", () => {
    for (const reason of ["", "done", "x".repeat(123), "é".repeat(61)]) assertEquals(truncateReason(reason), reason);
  });

  it("is cut to 123 bytes with an ellipsis where it is longer", () => {
    assertEquals(truncateReason("x".repeat(124)), `${"x".repeat(120)}…`);
  });

  it("is never cut inside a character", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme", minLength: 30, maxLength: 200 }), (reason) => {
      const cut = truncateReason(reason);
      assert(encoder.encode(cut).length <= 123);
      assert(!cut.includes("\ufffd") || reason.includes("\ufffd"));
      assert(cut === reason || reason.startsWith(cut.slice(0, -1)) && cut.endsWith("…"));
    }));
  });
});
