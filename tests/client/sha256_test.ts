import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { sha256 } from "../../client/sha256.ts";
import { toHex } from "../../protocol/ids.ts";

async function expected(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

describe("sha256", () => {
  it("is what the platform computes, at every length around a block", async () => {
    for (let length = 0; length <= 130; length++) {
      const bytes = Uint8Array.from({ length }, (_, index) => index * 7);
      assertEquals(sha256(bytes), await expected(bytes), `${length} bytes`);
    }
  });

  it("takes parts as one", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), async (parts) => {
        const whole = new Uint8Array(parts.flatMap((part) => [...part]));
        assertEquals(sha256(...parts), await expected(whole));
      }),
      { numRuns: 50 },
    );
  });
});
