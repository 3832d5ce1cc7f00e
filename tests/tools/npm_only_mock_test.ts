import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { assertSpyCall, assertSpyCalls, MockError, returnsNext, spy, stub } from "../npm_only/mock.ts";

class Account {
  balance = 0;
  add(amount: number): number {
    if (amount < 0) throw new RangeError("Cannot add a negative amount");
    return this.balance += amount;
  }
}

describe("spy() of npm_only", () => {
  it("records arguments, results and errors of a function", () => {
    const half = spy((n: number) => {
      if (n % 2 === 1) throw new RangeError(`${n} is odd`);
      return n / 2;
    });
    assertEquals(half(4), 2);
    assertThrows(() => half(3), RangeError);
    assertSpyCalls(half, 2);
    assertSpyCall(half, 0, { args: [4], returned: 2 });
    assertSpyCall(half, 1, { args: [3], error: { Class: RangeError, msgIncludes: "3 is odd" } });
  });

  it("stands in for a callback", () => {
    const callback = spy();
    assertEquals(callback("a", 1), undefined);
    assertSpyCall(callback, 0, { args: ["a", 1], returned: undefined });
  });

  it("watches a method until its block ends", () => {
    const account = new Account();
    {
      using add = spy(account, "add");
      assertEquals(account.add(5), 5);
      assertSpyCall(add, 0, { args: [5], self: account, returned: 5 });
    }
    assertEquals(Object.hasOwn(account, "add"), false);
    assertEquals(account.add(1), 6);
  });

  it("refuses what is no method", () => {
    assertThrows(() => spy(new Account(), "balance"), MockError, "not an instance method");
  });
});

describe("stub() of npm_only", () => {
  it("replaces a method until it is restored", () => {
    const account = new Account();
    const add = stub(account, "add", () => 42);
    assertEquals(account.add(1), 42);
    assertSpyCalls(add, 1);
    assertEquals(add.restored, false);
    add.restore();
    assertEquals(add.restored, true);
    assertEquals(account.add(1), 1);
    assertThrows(() => add.restore(), MockError, "already restored");
  });

  it("replays a list of results", () => {
    const account = new Account();
    using _add = stub(account, "add", returnsNext([1, new Error("full"), 3]));
    assertEquals(account.add(0), 1);
    assertThrows(() => account.add(0), Error, "full");
    assertEquals(account.add(0), 3);
    assertThrows(() => account.add(0), MockError, "more than 3 time(s)");
  });
});

describe("assertSpyCall() of npm_only", () => {
  it("fails on another number of calls, other arguments, another result and a call that threw", () => {
    const one = spy((_x: number) => 1);
    assertThrows(() => assertSpyCalls(one, 1));
    assertThrows(() => assertSpyCall(one, 0));
    one(7);
    assertThrows(() => assertSpyCall(one, 0, { args: [8] }));
    assertThrows(() => assertSpyCall(one, 0, { returned: 2 }));
    assertThrows(() => assertSpyCall(one, 0, { self: {} }));
    assertThrows(() => assertSpyCall(one, 0, { error: { Class: Error } }));
    const none = spy((): number => {
      throw new Error("x");
    });
    assertThrows(() => none());
    assertThrows(() => assertSpyCall(none, 0, { returned: 1 }));
  });
});
