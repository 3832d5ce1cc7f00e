import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { type Lane, type Letter, Mailbox } from "../../worker/mailbox.ts";

class TestLetter implements Letter<TestLetter> {
  previous: TestLetter | undefined;
  next: TestLetter | undefined;
  lane: Lane<TestLetter> | undefined;

  constructor(readonly priority: number, readonly serial: number) {}
}

describe("a mailbox", () => {
  it("gives out by priority, and within one in the order of arrival, as a sorted list would", () => {
    const command = fc.oneof(
      fc.record({ type: fc.constant("push" as const), value: fc.nat(4) }),
      fc.record({ type: fc.constant("shift" as const), value: fc.constant(0) }),
      fc.record({ type: fc.constant("remove" as const), value: fc.nat(20) }),
    );
    fc.assert(fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      const mailbox = new Mailbox<TestLetter>();
      let model: TestLetter[] = [];
      let serial = 0;
      for (const { type, value } of commands) {
        if (type === "push") {
          const letter = new TestLetter(value, serial++);
          mailbox.push(letter);
          model.push(letter);
          model.sort((one, other) => other.priority - one.priority || one.serial - other.serial);
        } else if (type === "shift") {
          assertEquals(mailbox.shift(), model.shift());
        } else {
          const letter = model[value];
          if (letter === undefined) continue;
          assertEquals(mailbox.remove(letter), true);
          assertEquals(mailbox.remove(letter), false);
          model = model.filter((other) => other !== letter);
        }
        assertEquals(mailbox.size, model.length);
      }
    }));
  });

  it("tells a bounded number of priorities apart, and loses nothing", () => {
    const mailbox = new Mailbox<TestLetter>();
    for (let serial = 0; serial < 1000; serial++) mailbox.push(new TestLetter(serial, serial));
    const serials = new Set<number>();
    for (let letter = mailbox.shift(); letter; letter = mailbox.shift()) serials.add(letter.serial);
    assertEquals(serials.size, 1000);
  });

  it("does not remove what waits in another", () => {
    const [one, other] = [new Mailbox<TestLetter>(), new Mailbox<TestLetter>()];
    const letter = new TestLetter(0, 0);
    one.push(letter);
    assertEquals(other.remove(letter), false);
    assertEquals(one.shift(), letter);
  });
});
