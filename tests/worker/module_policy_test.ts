import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ModuleNotAllowedError } from "../../protocol/mod.ts";
import { ModulePolicy } from "../../worker/module_policy.ts";

const policy = new ModulePolicy([
  "https://allowed.example/actors/",
  "https://whole.example",
  "http://127.0.0.1:8786/modules/",
  "https://one.example/counter.ts",
  "npm:lodash",
]);

function refuses(module: string, found?: RegExp, by: ModulePolicy = policy): void {
  const error = assertThrows(() => by.check(module), ModuleNotAllowedError);
  assertEquals([error.code, error.executed], ["MODULE_NOT_ALLOWED", "no"]);
  assertMatch(error.message, /Allowed on this worker: .*--allow-modules=PREFIX/s);
  if (found !== undefined) assertMatch(error.message, found);
}

describe("the list of modules that a worker may load", () => {
  it("allows what begins with one of its prefixes", () => {
    policy.check("https://allowed.example/actors/counter.ts");
    policy.check("https://allowed.example/actors/deep/counter.ts?v=2#Counter");
    policy.check("https://whole.example/anything.ts");
    policy.check("http://127.0.0.1:8786/modules/0123/counter.ts");
    policy.check("https://one.example/counter.ts");
    policy.check("npm:lodash@4.17.21");
  });

  it("ends a prefix where a folder ends, and not inside a name", () => {
    refuses("https://allowed.example/actors2/counter.ts", /no allowed prefix fits it/);
    refuses("https://allowed.example/actors", /no allowed prefix/);
    refuses("https://one.example/counter.tsx");
    refuses("npm:lodash-evil");
  });

  for (
    const [what, module] of [
      ["another scheme", "http://allowed.example/actors/counter.ts"],
      ["another host", "https://evil.example/actors/counter.ts"],
      ["a host that begins alike", "https://allowed.example.evil.test/actors/counter.ts"],
      ["another port", "https://allowed.example:8443/actors/counter.ts"],
      ["another port of loopback", "http://127.0.0.1:9999/modules/x.ts"],
      ["IPv6 loopback", "http://[::1]:8786/modules/x.ts"],
      ["a file", "file:///etc/counter.ts"],
      ["npm", "npm:evil"],
      ["jsr", "jsr:@evil/counter"],
      ["data", "data:text/javascript,export class Counter {}"],
      ["blob", "blob:null/0f6e4c5a-0000-4000-8000-000000000000"],
      ["a trailing dot", "https://allowed.example./actors/counter.ts"],
    ] as const
  ) {
    it(`refuses ${what}: ${module}`, () => refuses(module));
  }

  for (
    const [what, module] of [
      ["a way out", "https://allowed.example/actors/../secrets/counter.ts"],
      ["an encoded way out", "https://allowed.example/actors/%2e%2e/secrets/counter.ts"],
      ["a backslash", "https://allowed.example\\actors\\counter.ts"],
      ["an upper-case host", "https://ALLOWED.example/actors/counter.ts"],
      ["a default port", "https://allowed.example:443/actors/counter.ts"],
      ["a number for an address", "http://2130706433:8786/modules/x.ts"],
      ["an octal address", "http://0177.0.0.1:8786/modules/x.ts"],
      ["a hexadecimal address", "http://0x7f000001:8786/modules/x.ts"],
      ["a short address", "http://127.1:8786/modules/x.ts"],
      ["white space", " https://allowed.example/actors/counter.ts"],
      ["a tab", "https://allowed.example/act\tors/counter.ts"],
    ] as const
  ) {
    it(`refuses another spelling of what it allows, ${what}`, () => refuses(module, /not in its normal form/));
  }

  it("refuses user info, whichever side of it looks allowed", () => {
    refuses("https://allowed.example@evil.test/actors/counter.ts", /user info/);
    refuses("https://user@allowed.example/actors/counter.ts", /user info/);
    refuses("https://:secret@allowed.example/actors/counter.ts", /user info/);
  });

  it("refuses what is no absolute URL", () => {
    for (const module of ["", "./counter.ts", "/counter.ts", "counter", "//allowed.example/actors/x.ts"]) {
      refuses(module, /no absolute URL/);
    }
  });

  it("refuses an encoded slash, which the loader would take for a real one", () => {
    const files = new ModulePolicy(["file:///srv/actors/"]);
    files.check("file:///srv/actors/counter.ts");
    refuses("file:///srv/actors/..%2f..%2fetc/counter.ts", /encoded slash/, files);
    refuses("file:///srv/actors/..%5Csecrets.ts", /encoded slash/, files);
    refuses("file://host/srv/actors/counter.ts", /has no host/, files);
    refuses("file:///srv/actors/../counter.ts", /normal form/, files);
  });

  it("refuses a link that leads out of the folder, and allows one that does not", async () => {
    const root = await Deno.makeTempDir();
    try {
      await Deno.mkdir(`${root}/@actors and more/`);
      await Deno.writeTextFile(`${root}/outside.ts`, "");
      await Deno.writeTextFile(`${root}/@actors and more/inside.ts`, "");
      await Deno.symlink(`${root}/outside.ts`, `${root}/@actors and more/out.ts`);
      await Deno.symlink(`${root}/@actors and more/inside.ts`, `${root}/@actors and more/in.ts`);
      await Deno.symlink(`${root}/@actors and more`, `${root}/link`);
      const folder = new URL(`file://${root}/@actors and more/`).href;
      const files = new ModulePolicy([folder]);
      files.check(`${folder}inside.ts`);
      files.check(`${folder}in.ts`);
      files.check(`${folder}not_there.ts`);
      refuses(`${folder}out.ts`, /it is a link to .*outside\.ts/, files);
      // The folder itself may be named by a link.
      new ModulePolicy([`file://${root}/link/`]).check(`file://${root}/link/inside.ts`);
    } finally {
      await Deno.remove(root, { recursive: true });
    }
  });

  it("takes a scheme alone for all of it, except its tricks", () => {
    const schemes = new ModulePolicy(["file:", "data:", "https:"]);
    schemes.check("file:///anywhere/counter.ts");
    schemes.check("data:text/javascript,export class Counter { n = 0 }");
    schemes.check("https://any.example/counter.ts");
    refuses("http://any.example/counter.ts", /./, schemes);
    refuses("https://user@any.example/counter.ts", /user info/, schemes);
  });

  it("allows nothing where it is empty", () => {
    refuses("file:///counter.ts", /Allowed on this worker: nothing/, new ModulePolicy([]));
  });

  it("refuses prefixes that say more than a beginning, or nothing", () => {
    for (const prefix of ["allowed.example", "https://user@host/", "https://host/?v=1", "https://host/#x", ""]) {
      assertThrows(() => new ModulePolicy([prefix]), TypeError, "Cannot allow modules that begin with");
    }
  });
});
