import * as std from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { hasRealStd } from "../helpers/real_std.ts";
import * as npmOnly from "../npm_only/assert.ts";

type Assertions = typeof npmOnly;

/** Whether an assertion holds; any other error than a failed assertion is passed on. */
function holds(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if ((error as Error).name === "AssertionError") return false;
    throw error;
  }
}

async function holdsLater(run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if ((error as Error).name === "AssertionError") return false;
    throw error;
  }
}

/** Compares with `===` alone, so that the subject is not what judges it. */
function expect(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: expected ${expected} but was ${actual}`);
}

function cycle(): unknown {
  const value: Record<string, unknown> = { list: [1] };
  value.self = value;
  return value;
}

class Point {
  constructor(public x: number) {}
}

class Pixel extends Point {}

const EQUAL: [a: unknown, b: unknown][] = [
  [1, 1],
  [NaN, NaN],
  [0, -0],
  [10n, 10n],
  [[1, [2]], [1, [2]]],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }],
  [Object.create(null), {}],
  [new Date(5), new Date(5)],
  [new Date(NaN), new Date(NaN)],
  [/a/g, /a/g],
  [new URL("http://a/b"), new URL("http://a/b")],
  [new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]])],
  [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 1]])],
  [new Set([1, 2]), new Set([2, 1])],
  [new Set([{ a: 1 }, { b: 1 }]), new Set([{ b: 1 }, { a: 1 }])],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
  [new Float64Array([NaN]), new Float64Array([NaN])],
  [new Uint8Array([1]).buffer, new Uint8Array([1]).buffer],
  [new Point(1), new Point(1)],
  [cycle(), cycle()],
];

const UNEQUAL: [a: unknown, b: unknown][] = [
  [1, 2],
  [1, "1"],
  [1, 1n],
  [null, undefined],
  [null, {}],
  [[1, 2], [2, 1]],
  [[1], { 0: 1 }],
  [{ a: undefined }, {}],
  [{ a: undefined }, { b: undefined }],
  [{ a: 1 }, { a: 1, [Symbol.for("s")]: 1 }],
  [new Date(5), new Date(6)],
  [/a/g, /a/i],
  [new URL("http://a/b"), new URL("http://a/c")],
  [new Map([["a", 1]]), new Map([["a", 2]])],
  [new Map([["a", 1]]), new Map([["b", 1]])],
  [new Set([1]), new Set([2])],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Uint8Array([1]), new Uint8Array([1, 2])],
  [new Uint8Array([1]).buffer, new Uint8Array([2]).buffer],
  [new Point(1), new Point(2)],
  [new Point(1), new Pixel(1)],
  [new Point(1), { x: 1 }],
  [() => 1, () => 1],
  [new Error("a"), new Error("b")],
];

/** What the assertions have to do, whoever provides them. */
function assertionsContract(name: string, subject: Assertions): void {
  describe(`assertions of ${name}`, () => {
    it("tell equal values from others", () => {
      EQUAL.forEach(([a, b], index) => {
        expect(subject.equal(a, b), true, `pair ${index}`);
        expect(holds(() => subject.assertEquals(a, b)), true, `pair ${index}`);
        expect(holds(() => subject.assertNotEquals(a, b)), false, `pair ${index}`);
      });
      UNEQUAL.forEach(([a, b], index) => {
        expect(subject.equal(a, b), false, `pair ${index}`);
        expect(subject.equal(b, a), false, `pair ${index} reversed`);
        expect(holds(() => subject.assertEquals(a, b)), false, `pair ${index}`);
        expect(holds(() => subject.assertNotEquals(a, b)), true, `pair ${index}`);
      });
    });

    it("tell the same value from an equal one", () => {
      const value = {};
      expect(holds(() => subject.assertStrictEquals(value, value)), true, "same object");
      expect(holds(() => subject.assertStrictEquals(value, {})), false, "equal object");
      expect(holds(() => subject.assertStrictEquals(0, -0)), false, "0 and -0");
      expect(holds(() => subject.assertStrictEquals(NaN, NaN)), true, "NaN");
      expect(holds(() => subject.assertNotStrictEquals(value, {})), true, "equal object");
      expect(holds(() => subject.assertNotStrictEquals(value, value)), false, "same object");
    });

    it("judge conditions", () => {
      expect(holds(() => subject.assert(1)), true, "assert");
      expect(holds(() => subject.assert("")), false, "assert");
      expect(holds(() => subject.assertFalse(0)), true, "assertFalse");
      expect(holds(() => subject.assertFalse("a")), false, "assertFalse");
      expect(holds(() => subject.assertExists(0)), true, "assertExists");
      expect(holds(() => subject.assertExists(null)), false, "assertExists");
      expect(holds(() => subject.fail()), false, "fail");
      expect(holds(() => subject.unreachable()), false, "unreachable");
      expect(holds(() => subject.unimplemented()), false, "unimplemented");
    });

    it("compare numbers", () => {
      expect(holds(() => subject.assertAlmostEquals(0.1 + 0.2, 0.3)), true, "almost");
      expect(holds(() => subject.assertAlmostEquals(1, 2)), false, "almost");
      expect(holds(() => subject.assertAlmostEquals(1, 2, 1)), true, "almost with tolerance");
      expect(holds(() => subject.assertAlmostEquals(NaN, 2, 1)), false, "almost NaN");
      expect(holds(() => subject.assertGreater(2, 1)), true, ">");
      expect(holds(() => subject.assertGreater(1, 1)), false, ">");
      expect(holds(() => subject.assertGreaterOrEqual(1, 1)), true, ">=");
      expect(holds(() => subject.assertGreaterOrEqual(0, 1)), false, ">=");
      expect(holds(() => subject.assertLess(1, 2)), true, "<");
      expect(holds(() => subject.assertLess(1, 1)), false, "<");
      expect(holds(() => subject.assertLessOrEqual(1, 1)), true, "<=");
      expect(holds(() => subject.assertLessOrEqual(2, 1)), false, "<=");
    });

    it("judge classes and texts", () => {
      expect(holds(() => subject.assertInstanceOf(new Pixel(1), Point)), true, "instance");
      expect(holds(() => subject.assertInstanceOf(new Point(1), Pixel)), false, "instance");
      expect(holds(() => subject.assertInstanceOf(null, Point)), false, "instance");
      expect(holds(() => subject.assertNotInstanceOf(new Point(1), Pixel)), true, "not instance");
      expect(holds(() => subject.assertNotInstanceOf(new Pixel(1), Point)), false, "not instance");
      expect(holds(() => subject.assertMatch("abc", /b/)), true, "match");
      expect(holds(() => subject.assertMatch("abc", /d/)), false, "match");
      expect(holds(() => subject.assertNotMatch("abc", /d/)), true, "not match");
      expect(holds(() => subject.assertNotMatch("abc", /b/)), false, "not match");
      expect(holds(() => subject.assertStringIncludes("abc", "bc")), true, "includes");
      expect(holds(() => subject.assertStringIncludes("abc", "cb")), false, "includes");
      expect(holds(() => subject.assertArrayIncludes([1, { a: 1 }, 3], [{ a: 1 }, 1])), true, "array includes");
      expect(holds(() => subject.assertArrayIncludes([1, 2], [3])), false, "array includes");
    });

    it("match a part of an object", () => {
      const user = { name: "Ada", tags: ["a", "b"], address: { city: "London", zip: 1 }, born: new Date(0) };
      const date = new Date(0);
      for (
        const part of [{}, { name: "Ada" }, { address: { city: "London" } }, { tags: ["a", "b"] }, { born: date }]
      ) {
        expect(holds(() => subject.assertObjectMatch(user, part)), true, JSON.stringify(part));
      }
      const others = [{ name: "Bob" }, { age: 1 }, { address: { city: "Paris" } }, { tags: ["b"] }, {
        born: new Date(1),
      }];
      for (const part of others) {
        expect(holds(() => subject.assertObjectMatch(user, part)), false, JSON.stringify(part));
      }
      const looped = cycle() as Record<string, unknown>;
      expect(holds(() => subject.assertObjectMatch(looped, looped)), true, "cycle");
    });

    it("return what a function throws, of the right class and text", () => {
      const error = new RangeError("too large");
      function throwIt(): never {
        throw error;
      }
      function throwText(): never {
        const text: unknown = "text";
        throw text;
      }
      expect(subject.assertThrows(throwIt), error, "error");
      expect(subject.assertThrows(throwIt, RangeError), error, "error");
      expect(subject.assertThrows(throwIt, Error, "large"), error, "error");
      expect(holds(() => subject.assertThrows(throwIt, TypeError)), false, "other class");
      expect(holds(() => subject.assertThrows(throwIt, RangeError, "small")), false, "other text");
      expect(holds(() => subject.assertThrows(() => 1)), false, "no throw");
      expect(holds(() => subject.assertThrows(throwText, Error)), false, "no error");
    });

    it("resolve to what a promise rejects with", async () => {
      const error = new RangeError("too large");
      const reject = () => Promise.reject(error);
      expect(await subject.assertRejects(reject), error, "error");
      expect(await subject.assertRejects(reject, RangeError, "large"), error, "error");
      expect(await holdsLater(() => subject.assertRejects(reject, TypeError)), false, "other class");
      expect(await holdsLater(() => subject.assertRejects(reject, RangeError, "small")), false, "other text");
      expect(await holdsLater(() => subject.assertRejects(() => Promise.resolve(1))), false, "resolves");
      function throwAtOnce(): Promise<void> {
        throw error;
      }
      expect(await holdsLater(() => subject.assertRejects(throwAtOnce)), false, "throws");
    });

    it("judge errors", () => {
      expect(holds(() => subject.assertIsError(new TypeError("abc"), TypeError, "b")), true, "error");
      expect(holds(() => subject.assertIsError(new TypeError("abc"), TypeError, /^a/)), true, "error");
      expect(holds(() => subject.assertIsError(new TypeError("abc"), RangeError)), false, "class");
      expect(holds(() => subject.assertIsError(new TypeError("abc"), TypeError, "d")), false, "text");
      expect(holds(() => subject.assertIsError({ message: "abc" })), false, "no error");
    });

    it("say what was compared, and the message that they were given", () => {
      try {
        subject.assertEquals({ count: 1 }, { count: 2 }, "after two calls");
      } catch (error) {
        const { name, message } = error as Error;
        expect(name, "AssertionError", "name");
        expect(error instanceof subject.AssertionError, true, "class");
        expect(/count: 1/.test(message) && /count: 2/.test(message), true, message);
        expect(message.includes("after two calls"), true, message);
        return;
      }
      throw new Error("assertEquals did not throw");
    });
  });
}

assertionsContract("npm_only", npmOnly);
// The same judge over the real package shows that the two agree. Its signatures use `any` where ours use `never`.
if (hasRealStd) assertionsContract("@std/assert", std as unknown as Assertions);
