import { assert, assertEquals, assertFalse, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { markOf, parseReference, remote } from "../../client/remote.ts";

const MODULE = "https://example.com/actors.ts";

describe("remote(module, exports)", () => {
  it("marks classes and functions with module and export name", () => {
    class Counter {}
    function add() {}
    remote(MODULE, { Counter, plus: add });
    assertEquals(markOf(Counter), { module: MODULE, export: "Counter" });
    assertEquals(markOf(add), { module: MODULE, export: "plus" });
  });

  it("takes import.meta, and keeps whether that was the main module", () => {
    class Counter {}
    remote(import.meta, { Counter });
    assertEquals(markOf(Counter)?.module, import.meta.url);
    assertFalse("main" in markOf(Counter)!);
    remote({ url: MODULE, main: true } as ImportMeta, { Counter });
    assertEquals(markOf(Counter), { module: MODULE, export: "Counter", main: true });
  });

  it("takes a whole namespace, and passes over what is neither class nor function", async () => {
    const actors = await import("../types/counter.ts");
    remote(new URL(MODULE), actors);
    assertEquals(markOf(actors.Counter), { module: MODULE, export: "Counter" });
    assertEquals(markOf(actors.add), { module: MODULE, export: "add" });
    remote(MODULE, { VERSION: 1, nothing: null, options: {} });
  });

  it("leaves a mark that nobody trips over: own, not enumerable, under a registered symbol", () => {
    class Counter {}
    remote(MODULE, { Counter });
    assertEquals(Object.keys(Counter), []);
    const descriptor = Object.getOwnPropertyDescriptor(Counter, Symbol.for("troupe.remote"));
    assertEquals(descriptor?.value, { module: MODULE, export: "Counter" });
    assertFalse(descriptor?.enumerable);
    assertFalse(descriptor?.writable);
  });

  it("marks no subclass", () => {
    class Base {}
    class Derived extends Base {}
    remote(MODULE, { Base });
    assertEquals(markOf(Derived), undefined);
  });

  it("can mark again, and the last mark counts", () => {
    class Counter {}
    remote("https://first.example/a.ts", { Counter });
    remote(MODULE, { Counter });
    assertEquals(markOf(Counter)?.module, MODULE);
  });

  it("does not mark a reference that a module exports: its code is elsewhere", () => {
    const Counter = remote<new () => object>("https://other.example/counter.ts#Counter");
    remote(MODULE, { Counter });
    assertEquals(markOf(Counter)?.module, "https://other.example/counter.ts");
  });

  it("refuses what it cannot understand, and says what to write", () => {
    class Counter {}
    assertThrows(
      () => remote(import.meta, Counter as never),
      TypeError,
      "write { Counter }, an object by name, got a function",
    );
    assertThrows(() => remote(import.meta, null as never), TypeError, "got null");
    assertThrows(() => remote(import.meta, undefined as never), TypeError, "got undefined");
    assertThrows(() => remote("./counter.ts", { Counter }), TypeError, 'write import.meta.resolve("./counter.ts")');
    assertThrows(
      () => remote(5 as never, { Counter }),
      TypeError,
      "a module is import.meta or an absolute URL, got a number",
    );
    assertThrows(() => remote(MODULE, { Counter: Object.freeze(class Counter {}) }), TypeError, "it is frozen");
  });
});

describe("remote(import.meta)", () => {
  it("is a class decorator", () => {
    @remote(import.meta)
    class Marked {
      static n = 1;
    }
    assertEquals(markOf(Marked), { module: import.meta.url, export: "Marked" });
    assertEquals(Marked.n, 1);
  });

  it("marks a function and gives it back", () => {
    function add(a: number, b: number) {
      return a + b;
    }
    assertStrictEquals(remote(import.meta)(add), add);
    assertEquals(markOf(add), { module: import.meta.url, export: "add" });
  });

  it("refuses a class given in its place, methods, and functions without a name", () => {
    class Counter {}
    assertThrows(() => remote(Counter as never), TypeError, "write remote(import.meta, { Counter })");
    assertThrows(() => remote(import.meta)((() => {}) as never), TypeError, "a function without a name");
    assertThrows(() => remote(import.meta)({} as never), TypeError, "takes a class or a function");
    const context = { kind: "method", name: "add" } as never;
    assertThrows(() => remote(import.meta)(function add() {}, context), TypeError, "Cannot mark a method");
  });
});

describe("remote(reference)", () => {
  it("stands for an export without loading it", () => {
    const Counter = remote<new () => object>(`${MODULE}#Counter`);
    assertEquals(markOf(Counter), { module: MODULE, export: "Counter", reference: true });
    assertEquals((Counter as { name: string }).name, "Counter");
    assertEquals(markOf(remote(new URL(MODULE)))?.export, "default");
  });

  it("can be neither called nor constructed here", () => {
    const Counter = remote<new () => object>(`${MODULE}#Counter`);
    assertMatch(
      String(assertThrows(() => new Counter(), TypeError)),
      /Cannot run Counter of .* give it to client.submit/,
    );
    const add = remote<() => number>(`${MODULE}#add`);
    assertThrows(() => add(), TypeError, "Cannot run add of https://example.com/actors.ts here");
  });

  it("refuses a URL that is not absolute", () => {
    assertThrows(() => remote("./counter.ts#Counter"), TypeError, 'write import.meta.resolve("./counter.ts")');
    assertThrows(
      () => remote(undefined as never),
      TypeError,
      "a module is import.meta or an absolute URL, got undefined",
    );
  });
});

describe("parseReference", () => {
  it("splits off the export and keeps the rest of the URL", () => {
    assertEquals(parseReference("file:///a/b.ts?v=2#Über%20x"), { module: "file:///a/b.ts?v=2", export: "Über x" });
    assertEquals(parseReference("npm:pkg@1#f"), { module: "npm:pkg@1", export: "f" });
    assert(parseReference("data:text/javascript,export%20default%201#a").module.endsWith("1"));
  });
});
