import { assert, assertEquals, assertFalse, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { remote } from "../../client/remote.ts";
import { isClass, resolveTarget } from "../../client/targets.ts";
import { SerializationError } from "../../protocol/errors.ts";

const MODULE = "https://example.com/counter.ts";

class Counter {
  n = 0;
  increment() {
    return ++this.n;
  }
}

function add(a: number, b: number) {
  return a + b;
}

/** What the worker will get for a target that is sent by value. */
async function load(target: unknown, actor = false): Promise<{ name: string } & ((...args: unknown[]) => unknown)> {
  const { module, export: name } = resolveTarget(target, { actor });
  return (await import(module))[name];
}

describe("resolveTarget", () => {
  it("finds a marked target by its mark", () => {
    class Marked {
      n = 0;
      increment() {}
    }
    remote(MODULE, { Marked });
    assertEquals(resolveTarget(Marked, { actor: true }), {
      module: MODULE,
      export: "Marked",
      name: "Marked",
      home: "shared",
      kind: "class",
    });
  });

  it("lets the options overrule the mark", () => {
    class Marked {}
    remote("https://nowhere.example/main.ts", { Marked });
    const { module, export: exported } = resolveTarget(Marked, { actor: true, module: MODULE });
    assertEquals([module, exported], [MODULE, "Marked"]);
    assertEquals(resolveTarget(Marked, { actor: true, export: "Other" }).export, "Other");
  });

  it("finds an exported target by the option module, under its own name or the one given", () => {
    assertEquals(resolveTarget(add, { actor: false, module: MODULE }), {
      module: MODULE,
      export: "add",
      name: "add",
      home: "shared",
      kind: "function",
    });
    assertEquals(resolveTarget(add, { actor: false, module: new URL(MODULE), export: "plus" }).export, "plus");
    assertEquals(resolveTarget(() => 1, { actor: false, module: MODULE }).export, "default");
    assertThrows(() => resolveTarget(add, { actor: false, module: "./counter.ts" }), TypeError, "no absolute URL");
  });

  it("takes references: strings, URLs and what remote() made of them", () => {
    const expected = { module: MODULE, export: "Counter", name: "Counter", home: "shared", kind: "unknown" } as const;
    assertEquals(resolveTarget(`${MODULE}#Counter`, { actor: true }), expected);
    assertEquals(resolveTarget(new URL(`${MODULE}#Counter`), { actor: true }), expected);
    assertEquals(resolveTarget(remote(`${MODULE}#Counter`), { actor: true }), expected);
    assertEquals(resolveTarget(MODULE, { actor: false }), { ...expected, export: "default", name: "counter" });
    assertThrows(() => resolveTarget("counter.ts#Counter", { actor: true }), TypeError, "import.meta.resolve");
  });

  it("refuses a class as a task, and a generator", () => {
    assertThrows(() => resolveTarget(Counter, { actor: false }), TypeError, "Counter is a class: add { actor: true }");
    const message = "a generator cannot be a task: make it a method of an actor";
    assertThrows(() => resolveTarget(function* count() {}, { actor: false }), TypeError, message);
    assertThrows(() => resolveTarget(async function* count() {}, { actor: false, module: MODULE }), TypeError, message);
  });

  it("refuses what is no target", () => {
    assertThrows(() => resolveTarget(5, { actor: false }), TypeError, "Cannot submit a number: a target is a class");
    assertThrows(() => resolveTarget({}, { actor: true }), TypeError, "Cannot submit an object");
    assertThrows(() => resolveTarget(Promise.resolve(), { actor: false }), TypeError, "Cannot submit a Promise");
  });

  describe("home", () => {
    function home(target: unknown, actor = true) {
      return resolveTarget(target, { actor, module: MODULE }).home;
    }

    it("is inline for a class whose public methods are all async, shared for one with any sync one", () => {
      class Waiter {
        n = 0;
        async set() {}
        async *stream() {}
        get done() {
          return true;
        }
        set done(_: boolean) {}
        static make() {}
        _hidden() {}
        #secret() {}
        [Symbol.iterator]() {
          this.#secret();
        }
      }
      assertEquals(home(Waiter), "inline");
      assertEquals(home(class Empty {}), "inline");
      assertEquals(home(Counter), "shared");
      assertEquals(
        home(
          class {
            async a() {}
            *b() {}
          },
        ),
        "shared",
      );
    });

    it("counts a method that returns a promise as sync: it may block before", () => {
      class Plain {
        later() {
          return Promise.resolve(1);
        }
      }
      assertEquals(home(Plain), "shared");
    });

    it("looks at inherited methods, without running getters", () => {
      class Derived extends Counter {
        async later() {}
      }
      class Trap {
        get bad(): never {
          throw new Error("a getter ran");
        }
        async later() {}
      }
      assertEquals(home(Derived), "shared");
      assertEquals(home(class extends Map {}), "shared");
      assertEquals(home(class extends Trap {}), "inline");
    });

    it("is inline for async tasks, shared for other tasks and for factories", () => {
      assertEquals(home(async () => {}, false), "inline");
      assertEquals(home(() => {}, false), "shared");
      assertEquals(home(async () => await ({}), true), "shared");
    });
  });

  describe("by value", () => {
    it("sends what stands alone as a data: module that works", async () => {
      assertEquals(resolveTarget((x: number) => x + 1, { actor: false }).name, "anonymous");
      assertEquals(await (await load((x: number) => x + 1))(10), 11);
      assertEquals(await (await load(add))(1, 2), 3);
      assertEquals(await (await load(async (x: number) => await x))(4), 4);
      assertEquals(
        await (await load(async function later(x: number) {
          return await x;
        }))(4),
        4,
      );
      assertEquals(await (await load((text: string) => `${text} "q" 'q' ü 😀 % # \n`))("x"), `x "q" 'q' ü 😀 % # \n`);
      // deno-fmt-ignore -- a parameter without parentheses is what is tested
      assertEquals(await (await load(new Function("return x => x * 2")()))(4), 8);
      assertEquals(await (await load(new Function("return async /* c */ x => x * 2")()))(4), 8);
    });

    it("sends classes, also those that extend a global", async () => {
      const Sent = await load(Counter, true) as unknown as typeof Counter;
      assertEquals(new Sent().increment(), 1);
      assertEquals(Sent.name, "Counter");
      class Bag extends Map<string, number> {}
      const SentBag = await load(Bag, true) as unknown as typeof Bag;
      assert(new SentBag([["a", 1]]) instanceof Map);
      await load(class Qualified extends globalThis.Array {}, true);
      await load(new Function("return class Bare extends null {}")(), true);
    });

    it("keeps the name that a function has without writing it", async () => {
      const double = (x: number) => x * 2;
      const Named = class {};
      const odd = { "my task": () => 1 }["my task"];
      for (const target of [double, Named, odd]) {
        assertEquals((await load(target, true)).name, target.name);
      }
    });

    it("adds no name that a free variable could find by mistake", async () => {
      // @ts-expect-error: there is no such variable
      const sent = await load(() => source);
      await assertRejects(async () => await sent(), ReferenceError, "source is not defined");
    });

    it("gives the source beside the module", () => {
      const { source, export: exported } = resolveTarget(add, { actor: false });
      assertEquals(source, String(add));
      assertEquals(exported, "default");
    });

    function refuses(target: unknown, reason: string, actor = false): void {
      const error = assertThrows(() => resolveTarget(target, { actor }), SerializationError, reason);
      assertEquals(error.executed, "no");
      assertEquals(error.path, "target");
    }

    it("refuses native and bound functions", () => {
      refuses(Math.max, "Cannot send max by value: it is native and has no source. Wrap it in a function of your own");
      refuses(Map, "Cannot send Map by value: it is native", true);
      refuses(add.bind(null, 1), "Cannot send bound add by value: a bound function has no source");
    });

    it("refuses methods, accessors and static members", () => {
      const holder = {
        add(a: number) {
          return a;
        },
        async later() {},
        async(a: number) {
          return a;
        },
        ["computed"]() {},
        "quoted name"() {},
        get value() {
          return 1;
        },
      };
      class Static {
        static make() {}
      }
      const { add, later, async, computed } = holder;
      const getter = Object.getOwnPropertyDescriptor(holder, "value")?.get;
      for (const method of [add, later, async, computed, holder["quoted name"], getter, Static.make]) {
        refuses(method, "does not stand alone");
      }
    });

    it("refuses decorated classes", () => {
      function plain<T>(target: T, _context: unknown): T {
        return target;
      }
      @plain
      class Decorated {}
      class Member {
        @plain
        method() {}
      }
      refuses(Decorated, "its decorators were compiled into its source", true);
      refuses(Member, "remote(import.meta, { Member })", true);
    });

    it("refuses classes that extend what is no global", () => {
      class Derived extends Counter {}
      refuses(Derived, "Cannot send Derived by value: it extends Counter, which is no global", true);
      function mixin() {
        return Counter;
      }
      refuses(class Mixed extends mixin() {}, "it extends Counter", true);
      const Array = class Array {};
      refuses(class Shadow extends Array {}, "which is no global", true);
    });
  });
});

describe("isClass", () => {
  it("holds for classes, written and native ones, and for nothing else", () => {
    for (const target of [Counter, class {}, class extends Counter {}, Map, Date, Promise, Uint8Array, URL]) {
      assert(isClass(target), String(target));
    }
    const holder = { method() {} };
    const others = [add, () => {}, async () => {}, function* () {}, async function* () {}, holder.method, Math.max];
    for (const target of [...others, {}, null, undefined, "class A {}"]) {
      assertFalse(isClass(target), String(target));
    }
    assertStrictEquals(isClass(function classify() {}), false);
  });
});
