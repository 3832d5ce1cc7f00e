import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import plugin from "../../tools/layers.ts";

/** What the plugin says about a file of the project. */
function lint(path: string, source: string): string[] {
  const file = decodeURIComponent(new URL(`../../${path}`, import.meta.url).pathname);
  return Deno.lint.runPlugin(plugin, file, source).map(({ id, message }) => `${id}: ${message}`);
}

describe("troupe/layers", () => {
  it("lets a layer import itself and the layers below it", () => {
    assertEquals(lint("protocol/a.ts", `import { b } from "./b.ts";`), []);
    assertEquals(lint("connection/a.ts", `import { b } from "../protocol/b.ts";`), []);
    assertEquals(lint("client/a.ts", `import { b } from "../connection/b.ts";`), []);
    assertEquals(lint("worker/inner/a.ts", `import { b } from "../../client/b.ts";`), []);
    assertEquals(
      lint("scheduler/a.ts", `import { b } from "../dashboard/b.ts"; import { Hono } from "npm:hono@^4.13.0";`),
      [],
    );
    assertEquals(
      lint("cluster/a.ts", `import "../worker/b.ts"; import "../scheduler/b.ts"; import "../client/b.ts";`),
      [],
    );
    assertEquals(lint("mod.ts", `export * from "./client/mod.ts"; export * from "./protocol/errors.ts";`), []);
  });

  it("refuses an import that runs the other way and names both sides", () => {
    assertEquals(lint("client/a.ts", `import { b } from "../worker/b.ts";`), [
      "troupe/layers: client may not import worker/b.ts: client imports protocol, connection",
    ]);
    assertEquals(lint("protocol/a.ts", `import type { B } from "../connection/b.ts";`), [
      "troupe/layers: protocol may not import connection/b.ts: protocol imports none of our layers",
    ]);
  });

  it("refuses the forbidden pairs of the design", () => {
    for (
      const [layer, target] of [
        ["connection", "client"],
        ["dashboard", "connection"],
        ["client", "scheduler"],
        ["client", "cluster"],
        ["scheduler", "worker"],
        ["scheduler", "client"],
        ["worker", "scheduler"],
        ["worker", "cluster"],
        ["cluster", "dashboard"],
        ["cluster", "tests"],
      ]
    ) {
      assertEquals(lint(`${layer}/a.ts`, `import { b } from "../${target}/b.ts";`).length, 1, `${layer} -> ${target}`);
    }
  });

  it("looks at re-exports, literal dynamic imports and import types", () => {
    assertEquals(lint("client/a.ts", `export * from "../worker/b.ts";`).length, 1);
    assertEquals(lint("client/a.ts", `export { b } from "../worker/b.ts";`).length, 1);
    assertEquals(lint("client/a.ts", `export const b = import("../worker/b.ts");`).length, 1);
    assertEquals(lint("client/a.ts", "export const b = import(`../worker/b.ts`);").length, 1);
    assertEquals(lint("client/a.ts", `export type B = import("../worker/b.ts").B;`).length, 1);
  });

  it("cannot see a computed import, which is how the client reaches the cluster", () => {
    assertEquals(
      lint("client/a.ts", `export const b = import(new URL("../cluster/mod.ts", import.meta.url).href);`),
      [],
    );
  });

  it("refuses the door, the own name and files outside the project", () => {
    assertEquals(lint("client/a.ts", `import { Client } from "../mod.ts";`).length, 1);
    assertMatch(lint("worker/a.ts", `import { Client } from "@troupe/troupe";`).join(), /by its relative path/);
    assertMatch(lint("worker/a.ts", `import "../../elsewhere.ts";`).join(), /outside the project/);
  });

  it("lets only the servers load Hono", () => {
    assertMatch(lint("client/a.ts", `import { Hono } from "npm:hono@^4.13.0";`).join(), /may not import Hono/);
    assertMatch(lint("dashboard/a.ts", `import { html } from "npm:hono/html";`).join(), /may not import Hono/);
    assertEquals(lint("client/a.ts", `import "npm:honolulu@1";`), []);
  });

  it("takes text, bytes and JSON for data, not for code", () => {
    assertEquals(lint("scheduler/a.ts", `import text from "../client/troupe.js" with { type: "text" };`), []);
    assertEquals(lint("worker/a.ts", `import config from "../deno.json" with { type: "json" };`), []);
    assertEquals(
      lint("worker/a.ts", `export const config = import("../deno.json", { with: { type: "json" } });`),
      [],
    );
    assertEquals(lint("scheduler/a.ts", `import text from "../client/troupe.js";`).length, 1);
  });

  it("leaves tests, examples, tools and files outside the project alone", () => {
    assertEquals(lint("tests/a.ts", `import "../mod.ts"; import "../worker/b.ts"; Deno.cwd();`), []);
    assertEquals(lint("examples/a.ts", `import "../mod.ts";`), []);
    assertEquals(Deno.lint.runPlugin(plugin, "/elsewhere/client/a.ts", `import "../worker/b.ts"; Deno.cwd();`), []);
  });
});

describe("troupe/platform", () => {
  it("refuses Deno in portable code, as a value, a type and a member of the global object", () => {
    for (const layer of ["protocol", "connection", "client"]) {
      assertEquals(lint(`${layer}/a.ts`, "export const pid = Deno.pid;"), [
        `troupe/platform: ${layer} may not use Deno: only client/platform.ts looks for it`,
      ]);
    }
    assertEquals(lint("client/a.ts", "export type A = Deno.Conn;").length, 1);
    assertEquals(lint("client/a.ts", "export const d = globalThis.Deno;").length, 1);
    assertEquals(lint("client/a.ts", "export const d = { Deno };").length > 0, true);
    assertEquals(lint("client/a.ts", `export const has = typeof Deno === "object";`).length, 1);
    assertEquals(lint("mod.ts", "Deno.cwd();").length, 1);
  });

  it("allows it in client/platform.ts and in the servers", () => {
    for (const file of ["client/platform.ts", "scheduler/a.ts", "worker/a.ts", "cluster/a.ts"]) {
      assertEquals(lint(file, "export const pid = Deno.pid;"), []);
    }
  });

  it("does not take a member or a key of that name for the global", () => {
    assertEquals(lint("client/a.ts", "export const x = { Deno: 1 }; export const y = x.Deno;"), []);
    assertEquals(lint("client/a.ts", "export interface Versions { Deno: string }"), []);
    assertEquals(lint("client/a.ts", `export const text = "Deno"; // Deno`), []);
  });

  it("refuses node: modules in portable code", () => {
    assertEquals(lint("client/a.ts", `import { AsyncLocalStorage } from "node:async_hooks";`), [
      "troupe/platform: client may not import node:async_hooks: it has to run in a browser as well",
    ]);
    assertEquals(lint("worker/a.ts", `import { AsyncLocalStorage } from "node:async_hooks";`), []);
  });
});
