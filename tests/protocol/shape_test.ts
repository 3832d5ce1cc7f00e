import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { ProtocolError } from "../../protocol/mod.ts";
import {
  bytes,
  flag,
  list,
  longText,
  number,
  object,
  oneOf,
  optional,
  record,
  text,
  uint,
} from "../../protocol/shape.ts";

const all = { text, longText, uint, number, flag, bytes };
const samples: Record<string, unknown> = {
  "a string": "x",
  "a whole number": 5,
  "a fraction": 1.5,
  "a negative number": -1,
  "NaN": NaN,
  "true": true,
  "bytes": Uint8Array.of(1),
  "null": null,
  "nothing": undefined,
  "a big number": 2n ** 60n,
  "an array": [],
  "an object": {},
};
const taken: Record<keyof typeof all, string[]> = {
  text: ["a string"],
  longText: ["a string"],
  uint: ["a whole number"],
  number: ["a whole number", "a fraction", "a negative number"],
  flag: ["true"],
  bytes: ["bytes"],
};

describe("a shape", () => {
  for (const name of Object.keys(all) as (keyof typeof all)[]) {
    it(`of ${name} takes ${taken[name].join(", ")} and nothing else`, () => {
      for (const [what, value] of Object.entries(samples)) {
        if (taken[name].includes(what)) assertEquals<unknown>(all[name](value, "it"), value);
        else assertThrows(() => all[name](value, "it"), ProtocolError, "Cannot read it: expected ");
      }
    });
  }

  it("of a text that is kept bounds its length; of a long text does not", () => {
    assertThrows(() => text("x".repeat(65537), "name"), ProtocolError, "Cannot read name");
    assertEquals(longText("x".repeat(65537), "name").length, 65537);
  });

  it("of a number takes no infinite one, of a whole one none beyond 2^53", () => {
    assertThrows(() => number(Infinity, "n"), ProtocolError, "found Infinity");
    assertThrows(() => uint(2 ** 53, "n"), ProtocolError, "found 9007199254740992");
  });

  it("of words takes these words", () => {
    const shape = oneOf(["yes", "no"]);
    assertEquals(shape("no", "answer"), "no");
    assertThrows(
      () => shape("maybe", "answer"),
      ProtocolError,
      'Cannot read answer: expected "yes" or "no", found "maybe"',
    );
    assertThrows(() => shape("constructor", "answer"), ProtocolError);
  });

  it("that is optional takes nothing and null for nothing", () => {
    const shape = optional(uint);
    assertEquals([shape(undefined, ""), shape(null, ""), shape(0, "")], [undefined, undefined, 0]);
    assertThrows(() => shape("0", "n"), ProtocolError, 'expected a whole number, found "0"');
  });

  it("of an object leaves out what it does not know", () => {
    assertEquals(object({ a: uint })({ a: 1, b: 2 }, "it"), { a: 1 });
  });

  it("of an object or a record takes no other kind of object", () => {
    for (const shape of [object({}), record(uint)]) {
      for (const value of [[], new Map(), new Set(), new Date(0), Uint8Array.of(1), new Error("x"), null, "x", 1]) {
        assertThrows(() => shape(value, "it"), ProtocolError, "expected an object");
      }
      assertEquals(Object.keys(shape(Object.create(null), "it")), []);
    }
  });

  it("takes no inherited property for a field", () => {
    assertEquals(object({ valueOf: optional(uint) })({}, "it"), { valueOf: undefined } as object);
  });

  it("of a record keeps any name, and reaches no prototype by it", () => {
    const found = record(uint)(JSON.parse('{ "__proto__": 1, "constructor": 2 }'), "it");
    assertEquals(Object.keys(found), ["__proto__", "constructor"]);
    assertEquals(({} as Record<string, unknown>)["1"], undefined);
  });

  it("names the place at which it found something else", () => {
    const shape = object({ workers: list(object({ resources: record(number) })) });
    const value = { workers: [{ resources: { GPU: 1 } }, { resources: { GPU: "two" } }] };
    assertThrows(
      () => shape(value, "hello"),
      ProtocolError,
      'Cannot read hello.workers[1].resources.GPU: expected a number, found "two"',
    );
    assertThrows(
      () => shape({ workers: {} }, "hello"),
      ProtocolError,
      "Cannot read hello.workers: expected an array, found Object",
    );
  });

  it("gives a value or a ProtocolError, whatever it looks at", () => {
    const shape = object({ a: list(record(uint)), b: optional(oneOf(["x"])), c: bytes });
    fc.assert(fc.property(fc.anything({ withNullPrototype: true, withMap: true, withBigInt: true }), (value) => {
      try {
        shape(value, "it");
      } catch (error) {
        assertInstanceOf(error, ProtocolError);
      }
    }));
  });
});
