import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { decodeManifest } from "../../protocol/mod.ts";
import { buildMethodTable, hasSyncMethod, isClass, manifestOf, membersOf } from "../../worker/actor_class.ts";

function namesOf(instance: object): { methods: string[]; attributes: readonly string[] } {
  const { methods, attributes } = manifestOf("Test", buildMethodTable(instance));
  return { methods: Object.keys(methods), attributes };
}

describe("the members of an actor", () => {
  it("are methods by kind, told by what they are and not by what they return", () => {
    class Kinds {
      plain() {}
      promising() {
        return Promise.resolve();
      }
      async later() {}
      *stream() {}
      async *laterStream() {}
      arrow = () => {};
      laterArrow = async () => {};
    }
    assertEquals(manifestOf("Kinds", buildMethodTable(new Kinds())).methods, {
      arrow: "sync",
      later: "async",
      laterArrow: "async",
      laterStream: "asyncGenerator",
      plain: "sync",
      promising: "sync",
      stream: "generator",
    });
  });

  it("are sorted, so that equal classes have equal manifests", () => {
    const one = { b: 1, a() {}, d: 2, c() {} };
    const other = { c() {}, d: 2, a() {}, b: 1 };
    const [first, second] = [one, other].map((object) => JSON.stringify(manifestOf("X", buildMethodTable(object))));
    assertEquals(first, second);
  });

  it("are found up to Object.prototype, and the nearest of a name counts", () => {
    class Base {
      both() {}
      base() {}
      get shadowed() {
        return 1;
      }
      get hidden() {
        return 1;
      }
    }
    class Derived extends Base {
      override async both() {}
      override get shadowed() {
        return 2;
      }
      // A setter alone hides the getter below it, as it does for anyone who reads the property.
      override set hidden(_value: number) {}
    }
    assertEquals(manifestOf("D", buildMethodTable(new Derived())), {
      className: "D",
      methods: { base: "sync", both: "async" },
      attributes: ["shadowed"],
    });
  });

  it("leave out symbols, underscores, reserved names, statics, array elements and what Object.prototype has", () => {
    class Odd {
      static stat() {}
      [Symbol.iterator]() {}
      _private() {}
      __proto() {}
      then() {}
      toJSON() {}
      toString() {
        return "";
      }
      valueOf() {
        return 0;
      }
      hasOwnProperty() {
        return true;
      }
      seen() {}
    }
    assertEquals(namesOf(new Odd()), { methods: ["seen"], attributes: [] });
    assertEquals(namesOf([1, 2, 3]).attributes, ["length"]);
  });

  it("may have the names that are ordinary words of promises, functions and ourselves", () => {
    const names = ["result", "key", "call", "name", "length", "done", "release", "cancel", "apply", "bind", "catch"];
    assertEquals(namesOf(Object.fromEntries(names.map((name) => [name, 1]))).attributes, [...names].sort());
  });

  it("are found without running a getter or a Proxy's traps for reading", () => {
    let reads = 0;
    class Watched {
      get value() {
        return ++reads;
      }
    }
    const watched = new Proxy(new Watched(), {
      get() {
        throw new Error("read");
      },
    });
    assertEquals(namesOf(watched), { methods: [], attributes: ["value"] });
    assertEquals(reads, 0);
  });

  it("include those of platform classes", () => {
    const { methods, attributes } = namesOf(new Map());
    assertEquals(methods.includes("get") && methods.includes("set"), true);
    assertEquals(attributes, ["size"]);
    assertEquals(namesOf(Object.create(null, { x: { value: 1 } })).attributes, ["x"]);
  });

  it("are those of a factory's closures", () => {
    let n = 0;
    const made = {
      increment: () => ++n,
      get n() {
        return n;
      },
      set only(value: number) {
        n = value;
      },
    };
    assertEquals(namesOf(made), { methods: ["increment"], attributes: ["n"] });
  });
});

describe("telling classes apart", () => {
  it("knows a sync method anywhere on the chain, generators among them, getters not", () => {
    class Async {
      async wait() {}
      async *items() {}
      get now() {
        return 1;
      }
      _hidden() {}
    }
    class Below extends Async {
      async more() {}
    }
    class Sync extends Async {
      count() {}
    }
    class Generator {
      *items() {}
    }
    class BelowSync extends Sync {}
    class Overridden extends Sync {
      override async count() {}
    }
    const found = [Async, Below, Sync, Generator, BelowSync, Overridden, class {}].map(hasSyncMethod);
    assertEquals(found, [false, false, true, true, true, false, false]);
  });

  it("knows classes from factories", () => {
    const classes = [class {}, class A extends Array {}, Map, Date];
    const factories = [() => ({}), function factory() {}, async () => {}, function* generator() {}, Math.max];
    assertEquals(classes.map((one) => isClass(one as never)), [true, true, true, true]);
    assertEquals(factories.map((one) => isClass(one as never)), [false, false, false, false, false]);
  });
});

describe("membersOf()", () => {
  class Door {
    open = false;
    async push(): Promise<void> {}
  }

  it("gives all instances of a class the same table and manifest", () => {
    const first = membersOf("Door", new Door());
    assertStrictEquals(membersOf("Door", new Door()), first);
    assertEquals(first.manifest, { className: "Door", methods: { push: "async" }, attributes: ["open"] });
    assertEquals(decodeManifest(first.encoded), first.manifest);
  });

  it("tells instances apart that differ in a member, or in the name of their class", () => {
    const first = membersOf("Door", new Door());
    const others = [
      membersOf("Door", Object.assign(new Door(), { colour: "red" })),
      membersOf("Door", Object.assign(new Door(), { push: () => {} })),
      membersOf("Gate", new Door()),
    ];
    for (const other of others) assertNotStrictEquals(other, first);
    assertEquals(others.map(({ manifest }) => manifest.attributes), [["colour", "open"], ["open"], ["open"]]);
  });

  it("never gives what a factory made the functions of another", () => {
    const make = (n: number) => ({ get: () => n });
    const [one, two] = [membersOf("make", make(1)), membersOf("make", make(2))];
    const get = ({ table }: typeof one) => (table.get("get") as { method: () => number }).method();
    assertEquals([get(one), get(two)], [1, 2]);
    assertEquals(membersOf("make", Object.create(null) as object).manifest.methods, {});
  });
});
