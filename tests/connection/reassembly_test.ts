import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { Reassembly } from "../../connection/mod.ts";
import { DEFAULT_LIMITS, type MessageOf, ProtocolError, SerializationError } from "../../protocol/mod.ts";

function piece(transfer: number, remaining: number, part: Uint8Array | number): MessageOf<"piece"> {
  return { op: "piece", transfer, remaining, part: typeof part === "number" ? new Uint8Array(part) : part };
}

const small = { ...DEFAULT_LIMITS, valueBytes: 1000 };
/** What `small` allows: the header of a message does not count. */
const MOST = 1000 + 65536;

describe("putting pieces together", () => {
  it("gives the message with its last piece, however it was cut and mixed with others", () => {
    const message = fc.uint8Array({ minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 5 }),
        fc.infiniteStream(fc.nat(40)),
        (messages, numbers) => {
          const reassembly = new Reassembly(DEFAULT_LIMITS);
          const sent = messages.map(() => 0);
          const whole = new Map<number, Uint8Array>();
          while (whole.size < messages.length) {
            const index = numbers.next().value! % messages.length;
            const bytes = messages[index]!;
            if (whole.has(index)) continue;
            const end = Math.min(bytes.length, sent[index]! + 1 + numbers.next().value!);
            const found = reassembly.accept(piece(index + 7, bytes.length - end, bytes.slice(sent[index], end)));
            sent[index] = end;
            assertEquals(found !== undefined, end === bytes.length);
            if (found) whole.set(index, found);
          }
          for (const [index, bytes] of messages.entries()) assertEquals(whole.get(index), bytes);
        },
      ),
    );
  });

  it("copies nothing of a message that comes in one piece", () => {
    const part = Uint8Array.of(1, 2);
    assertStrictEquals(new Reassembly(DEFAULT_LIMITS).accept(piece(1, 0, part)), part);
  });

  it("keeps no frame alive by its small pieces", () => {
    const reassembly = new Reassembly(DEFAULT_LIMITS);
    const frame = new Uint8Array(1000);
    reassembly.accept(piece(1, 2, frame.subarray(0, 1)));
    reassembly.accept(piece(1, 1, frame.subarray(1, 2)));
    const whole = reassembly.accept(piece(1, 0, frame.subarray(2, 3)))!;
    assertEquals(whole.buffer.byteLength, 3);
  });

  it("may use a number again once its transfer has ended", () => {
    const reassembly = new Reassembly(DEFAULT_LIMITS);
    assertEquals(reassembly.accept(piece(1, 0, Uint8Array.of(1))), Uint8Array.of(1));
    assertEquals(reassembly.accept(piece(1, 0, Uint8Array.of(2))), Uint8Array.of(2));
  });

  it("spends no memory on what is only announced", () => {
    const reassembly = new Reassembly(DEFAULT_LIMITS);
    const before = Deno.memoryUsage().external;
    for (let transfer = 0; transfer < 4096; transfer++) {
      reassembly.accept(piece(transfer, DEFAULT_LIMITS.valueBytes - 1, 1));
    }
    assert(Deno.memoryUsage().external - before < 1 << 20);
  });

  it("refuses a message that is too large with its first piece, whatever it announces", () => {
    for (const remaining of [MOST, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
      const error = assertThrows(
        () => new Reassembly(small).accept(piece(1, remaining, 1)),
        SerializationError,
        "the limit is 66536",
      );
      assertEquals(error.code, "PAYLOAD_TOO_LARGE");
    }
    assertEquals(new Reassembly(small).accept(piece(1, 0, MOST))?.length, MOST);
  });

  it("refuses to hold more than two of the largest messages", () => {
    const reassembly = new Reassembly(small);
    reassembly.accept(piece(1, 1, MOST - 1));
    reassembly.accept(piece(2, 1, MOST - 1));
    reassembly.accept(piece(3, 1, 2));
    const error = assertThrows(() => reassembly.accept(piece(4, 1, 1)), SerializationError);
    assertEquals(error.code, "PAYLOAD_TOO_LARGE");
  });

  it("forgets what a finished message held", () => {
    const reassembly = new Reassembly(small);
    for (let transfer = 0; transfer < 10; transfer++) {
      reassembly.accept(piece(transfer, 1, MOST - 1));
      assertEquals(reassembly.accept(piece(transfer, 0, 1))?.length, MOST);
    }
  });

  it("refuses pieces that do not fit together", () => {
    for (const remaining of [0, 4, 6, 100]) {
      const reassembly = new Reassembly(DEFAULT_LIMITS);
      reassembly.accept(piece(1, 10, 5));
      assertThrows(
        () => reassembly.accept(piece(1, remaining, 5)),
        ProtocolError,
        `pieces leave 5 bytes, but its sender says ${remaining}`,
      );
    }
    const reassembly = new Reassembly(DEFAULT_LIMITS);
    reassembly.accept(piece(1, 1, 1));
    assertThrows(() => reassembly.accept(piece(1, 0, 5)), ProtocolError, "pieces leave -4 bytes");
  });

  it("refuses pieces without bytes, the first or a later one, which would cost memory for nothing", () => {
    const reassembly = new Reassembly(DEFAULT_LIMITS);
    assertThrows(() => reassembly.accept(piece(1, 0, 0)), ProtocolError, "a piece of it is empty");
    reassembly.accept(piece(1, 5, 5));
    assertThrows(() => reassembly.accept(piece(1, 5, 0)), ProtocolError, "a piece of it is empty");
  });

  it("refuses more than 4096 messages at once", () => {
    const reassembly = new Reassembly(DEFAULT_LIMITS);
    for (let transfer = 0; transfer < 4096; transfer++) reassembly.accept(piece(transfer, 1, 1));
    assertThrows(() => reassembly.accept(piece(5000, 1, 1)), ProtocolError, "4096 others are unfinished");
    reassembly.accept(piece(0, 0, 1));
    reassembly.accept(piece(5000, 1, 1));
    reassembly.clear();
    reassembly.accept(piece(1, 1, 1));
  });
});
