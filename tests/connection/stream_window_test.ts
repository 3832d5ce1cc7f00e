import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { STREAM_CREDIT, STREAM_WINDOW_BYTES, StreamCredit, StreamWindow } from "../../connection/mod.ts";

describe("a stream's window", () => {
  it("is open as far as there is credit", () => {
    const window = new StreamWindow(2);
    window.use();
    window.sent(1);
    assert(window.open);
    window.use();
    window.sent(1);
    assertEquals(window.open, false);
    window.addCredit(1);
    assert(window.open);
  });

  it("is closed while a megabyte is unread, but lets one item through, however large", () => {
    const window = new StreamWindow(100);
    window.use();
    window.sent(5 * STREAM_WINDOW_BYTES);
    assertEquals(window.open, false);
    window.addCredit(1);
    assert(window.open);
  });

  it("never stalls a reader that takes everything, and never lets more than a window and an item be unread", () => {
    const sizes = fc.array(fc.oneof(fc.nat(100), fc.nat(2 * STREAM_WINDOW_BYTES)), { maxLength: 600 });
    fc.assert(
      fc.property(sizes, (sizes) => {
        const window = new StreamWindow(STREAM_CREDIT);
        const credit = new StreamCredit((count) => window.addCredit(count));
        const unread: number[] = [];
        let sent = 0;
        for (let taken = 0; taken < sizes.length; taken++) {
          while (sent < sizes.length && window.open) {
            window.use();
            window.sent(sizes[sent]!);
            unread.push(sizes[sent++]!);
          }
          const bytes = unread.reduce((sum, size) => sum + size, 0);
          assertLessOrEqual(unread.length, STREAM_CREDIT);
          assertLessOrEqual(bytes - unread.at(-1)!, STREAM_WINDOW_BYTES);
          assert(unread.length > 0, `It stalls after ${taken} items`);
          credit.take(unread.shift()!);
        }
      }),
      { numRuns: 50 },
    );
  });
});
