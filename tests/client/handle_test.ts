import {
  assert,
  assertEquals,
  assertFalse,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { handleLink, isHandle, referenceOf } from "../../client/brands.ts";
import { createHandle, withOptions } from "../../client/handle.ts";
import type { Actor } from "../../client/types.ts";
import type { ActorManifest } from "../../protocol/actor_reference.ts";
import { unhandledRejections } from "./manual_timer.ts";
import { ScriptedTarget } from "./scripted_target.ts";

interface Counter {
  readonly n: number;
  increment(): number;
  add(x: number): number;
  count(to: number): Generator<number>;
}

const MANIFEST: ActorManifest = {
  className: "Counter",
  methods: { increment: "sync", count: "generator", add: "sync" },
  attributes: ["n"],
};

function setUp(manifest = MANIFEST) {
  const target = new ScriptedTarget();
  return { target, counter: createHandle<Counter>(manifest, target) };
}

describe("a handle", () => {
  it("has the names of the manifest: methods first, then attributes, each sorted", () => {
    const { counter, target } = setUp({
      className: "C",
      methods: { zoo: "sync", add: "async" },
      attributes: ["n", "b"],
    });
    assertEquals(Object.keys(counter), ["add", "zoo", "b", "n"]);
    assertEquals(target.asked, []);
  });

  it("calls methods with their kind and arguments", async () => {
    const { counter, target } = setUp();
    assertEquals(await counter.add(10), 1);
    assertEquals(target.asked, [["call", "add", "sync", [10], {}]]);
  });

  it("streams what generators yield", async () => {
    const { counter } = setUp();
    assertEquals(await Array.fromAsync(counter.count(3)), [3]);
  });

  it("reads an attribute each time that it is accessed, and at once", async () => {
    const { counter, target } = setUp();
    const first = counter.n;
    assertEquals(target.asked, [["read", "n", {}]]);
    assertEquals(await Promise.all([first, counter.n]), [0, 0]);
    assertEquals(target.asked.length, 2);
  });

  it("has methods that can be taken off it", async () => {
    const { counter } = setUp();
    const { increment } = counter;
    assertEquals(await increment(), 0);
    assertStrictEquals(counter.increment, increment);
  });

  it("has no other names, without asking anybody", () => {
    const { counter, target } = setUp();
    assertEquals(Reflect.get(counter, "nope"), undefined);
    assertFalse("nope" in counter);
    assertFalse("then" in counter);
    assertEquals(target.asked, []);
  });

  it("comes unharmed out of promises and async functions", async () => {
    const { counter, target } = setUp();
    // deno-lint-ignore require-await -- the return is what is tested
    assertStrictEquals(await (async () => counter)(), counter);
    assertStrictEquals(await Promise.resolve(counter), counter);
    assertEquals(target.asked, []);
  });

  it("cannot be changed", () => {
    const { counter, target } = setUp();
    const loose = counter as unknown as Record<string, unknown>;
    const message = "Cannot set n of Counter through its handle: add a method that sets it";
    assertThrows(() => loose.n = 5, TypeError, message);
    assertThrows(() => loose.add = () => {}, TypeError);
    assertThrows(() => loose.x = 1, TypeError);
    assertThrows(() => delete loose.add, TypeError);
    assert(Object.isFrozen(counter));
    assertEquals(target.asked, []);
  });

  it("shows its text everywhere, without reading an attribute", () => {
    const { counter, target } = setUp();
    const text = "<Actor: Counter, key=Counter-1234abcd>";
    assertEquals(String(counter), text);
    assertEquals(`${counter}`, text);
    assertEquals(JSON.stringify({ counter }), `{"counter":"${text}"}`);
    assertEquals(Deno.inspect(counter, { getters: true }), text);
    assertEquals(Deno.inspect([counter]), `[ ${text} ]`);
    const inspect = Reflect.get(counter, Symbol.for("nodejs.util.inspect.custom")) as () => string;
    assertEquals(inspect.call(counter), text);
    assertEquals(Object.prototype.toString.call(counter), "[object Actor]");
    assertEquals(target.asked, []);
  });

  it("is unequal to another in a deep comparison, which reads no attribute", () => {
    const one = setUp();
    const other = setUp();
    assertNotEquals(one.counter, other.counter);
    assertEquals([...one.target.asked, ...other.target.asked], []);
  });

  it("cannot be cloned, and is not read by the attempt", () => {
    const { counter, target } = setUp();
    assertThrows(() => structuredClone(counter), DOMException);
    assertEquals(target.asked, []);
  });

  it("leaves out names that may not be remote, whatever a manifest says", async () => {
    const methods = JSON.parse('{ "__proto__": "sync", "add": "sync" }');
    for (const name of ["then", "constructor", "toString", "toJSON", "valueOf", "hasOwnProperty", "_hidden"]) {
      methods[name] = "sync";
    }
    const { counter } = setUp({
      className: "C",
      methods,
      attributes: ["then", "__proto__", "_secret", "toLocaleString", "n", "n", "add"],
    });
    assertEquals(Object.keys(counter), ["add", "n"]);
    assertEquals(typeof counter.add, "function");
    assertEquals(String(counter), "<Actor: C, key=Counter-1234abcd>");
    assertStrictEquals(await Promise.resolve(counter), counter);
  });

  it("has members of every other name, such as those that other libraries reserve", async () => {
    const { counter } = setUp({
      className: "C",
      methods: { call: "sync", release: "sync", catch: "async" },
      attributes: ["name", "length"],
    });
    const loose = counter as unknown as Actor<{ call(): number; catch(): number; name: string }>;
    assertEquals(await loose.call(), 0);
    assertEquals(await loose.catch(), 0);
    assertEquals(await loose.name, 0 as never);
  });

  it("always rejects, and never throws", async () => {
    const { counter, target } = setUp();
    target.failure = new TypeError("cannot be encoded");
    await assertRejects(() => counter.add(1), TypeError, "cannot be encoded");
    await assertRejects(() => counter.n, TypeError, "cannot be encoded");
    await assertRejects(() => counter.count(1).next(), TypeError, "cannot be encoded");
  });

  it("is released at the end of a scope with await using", async () => {
    const { counter, target } = setUp();
    {
      await using scoped = counter;
      assertEquals(Object.keys(scoped).length, 4);
    }
    assertEquals(target.asked, [["release"]]);
  });

  it("does not make the end of a scope throw", async () => {
    const { counter, target } = setUp();
    target.failure = new Error("connection lost");
    assertEquals(await unhandledRejections(async () => await counter[Symbol.asyncDispose]()), []);
    assertEquals(target.asked, [["release"]]);
  });

  it("is known to other copies of the library by a registered symbol", () => {
    const { counter, target } = setUp();
    const link = Reflect.get(counter, Symbol.for("troupe.reference.1"));
    assertStrictEquals(link, handleLink(counter));
    assertStrictEquals(link?.target, target);
    assertEquals(link?.target.reference(), { key: "Counter-1234abcd" });
    assertEquals(referenceOf(counter), { key: "Counter-1234abcd" });
    assert(isHandle(counter));
    for (const other of [{}, [], null, "x", () => {}, Promise.resolve()]) {
      assertFalse(isHandle(other));
      assertEquals(referenceOf(other), undefined);
    }
  });
});

describe("withOptions", () => {
  it("gives a handle of the same actor and reference whose calls carry the options", async () => {
    const { counter, target } = setUp();
    const quick = withOptions(counter, { timeout: 100 });
    await quick.increment();
    await quick.n;
    await counter.increment();
    await quick[Symbol.asyncDispose]();
    assertEquals(target.asked, [
      ["call", "increment", "sync", [], { timeout: 100 }],
      ["read", "n", { timeout: 100 }],
      ["call", "increment", "sync", [], {}],
      ["release"],
    ]);
    assertEquals(String(quick), String(counter));
  });

  it("keeps the options that it is not given", async () => {
    const { counter, target } = setUp();
    const { signal } = new AbortController();
    const view = withOptions(withOptions(counter, { timeout: 100, signal }), { timeout: undefined, priority: 2 });
    await view.increment();
    assertEquals(target.asked[0]?.[4], { timeout: 100, signal, priority: 2 });
  });

  it("refuses what is no handle, and wrong options", () => {
    const { counter } = setUp();
    assertThrows(
      () => withOptions({} as never, {}),
      TypeError,
      "withOptions takes a handle of an actor, got an object",
    );
    assertThrows(
      () => withOptions(counter, { timout: 1 } as never),
      TypeError,
      'unknown option "timout" (did you mean timeout?)',
    );
    assertThrows(() => withOptions(counter, { timeout: -1 }), TypeError, "timeout has to be a number of milliseconds");
  });
});
