import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { FreeVariableError } from "../../protocol/mod.ts";
import { checkByValue, findFreeVariables } from "../../worker/by_value.ts";

describe("the free variables of a target sent by value", () => {
  for (
    const [source, ...variables] of [
      ["(x) => x + 1"],
      ["(x) => x + y", "y"],
      ["function f(a, { b, c: [d = e] }, ...g) { return a + b + d + g + h }", "e", "h"],
      ["class Counter { n = 0; #m = 1; add(x) { return this.n += x + this.#m; } static zero = 0 }"],
      ["class Counter { n = start; [label]() {} static { var inside = 1; use(inside); } }", "label", "start", "use"],
      ["class A extends Base {}", "Base"],
      ["class A extends Array { static of() { return new A() } }"],
      ["function f() { return g(); function g() { return hoisted } var hoisted = 1 }"],
      ["() => { { let inner = 1; inner } return inner }", "inner"],
      ["() => { if (true) { var outer = 1 } return outer }"],
      ["() => { for (const [key, value] of Object.entries({})) console.log(key, value); return key }", "key"],
      ["() => { for (let i = 0; i < 3; i++) i; for (const x in y) x }", "y"],
      ["() => { try { risky() } catch ({ message }) { return message } }", "risky"],
      ["() => { try {} catch { return message } }", "message"],
      ["() => { label: for (;;) { break label } }"],
      ["() => ({ a: b, c, [d]: 1, e() { return f }, get g() { return h } })", "b", "c", "d", "f", "h"],
      ["(o) => o.anything.else + o[key]", "key"],
      ["() => typeof Missing === 'undefined' ? 1 : typeof Missing.part", "Missing"],
      ["() => { ({ a, b: [c] } = source); }", "a", "c", "source"],
      ["function f() { return arguments.length + new.target }"],
      ["() => arguments", "arguments"],
      ["async () => { for await (const x of later()) await x; }", "later"],
      ["() => [undefined, NaN, Infinity, globalThis, Deno, Math, structuredClone, URL, WebSocket]"],
      ["() => window", "window"],
      ["function named() { return named }"],
      ["() => class Inner { self = Inner }"],
      ["() => { switch (x) { case y: let z = 1; return z } }", "x", "y"],
      ["() => `a${b}` + tag`c`", "b", "tag"],
      ["() => import('npm:x')"],
      ["() => import.meta.url"],
      ["(a = b, b) => a"],
      ["async function* f() { yield* other; }", "other"],
      ["() => { counter = 1; other++ }", "counter", "other"],
    ] as const
  ) {
    it(`are ${variables.length === 0 ? "none" : variables.join(", ")} in ${source}`, async () => {
      assertEquals(await findFreeVariables(`export default (${source});`), [...variables]);
    });
  }

  it("are looked for in the module that the client makes", async () => {
    const source = `export default ({ ["Counter"]: (class Counter { n = start; }) })["Counter"];`;
    assertEquals(await findFreeVariables(source), ["start"]);
  });

  it("are none in what does not parse: loading it says what is wrong", async () => {
    assertEquals(await findFreeVariables("export default (class {"), []);
  });

  it("are read from percent-encoded and base64 data alike", async () => {
    const text = "export default (() => naïve);";
    const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(text)));
    for (
      const module of [`data:text/javascript,${encodeURIComponent(text)}`, `data:text/javascript;base64,${base64}`]
    ) {
      const target = { module, export: "default", name: "anonymous", byValue: true, version: undefined };
      const error = await assertRejects(() => checkByValue(target), FreeVariableError);
      assertEquals([error.variables, error.executed], [["naïve"], "no"]);
      assertMatch(error.message, /uses naïve, which is not part of it.*\{ module: import\.meta\.resolve/);
    }
  });
});
