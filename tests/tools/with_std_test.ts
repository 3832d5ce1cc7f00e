import { assertEquals } from "@std/assert";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import config from "../../deno.json" with { type: "json" };
import { findStdSource, withStd } from "../../tools/with_std.ts";
import importMap from "../npm_only/import_map.json" with { type: "json" };

describe("withStd()", () => {
  it("leaves the arguments alone where JSR answers", () => {
    assertEquals(withStd(["check", "mod.ts"], "jsr"), ["check", "mod.ts"]);
  });

  it("puts the import map after the subcommand where it does not", () => {
    assertEquals(withStd(["test", "--doc", "tests"], "npm_only"), [
      "test",
      "--import-map=tests/npm_only/import_map.json",
      "--doc",
      "tests",
    ]);
  });
});

describe("findStdSource()", () => {
  let before: string | undefined;
  let probes = 0;

  function probe(answer: boolean): () => Promise<boolean> {
    return () => {
      probes++;
      return Promise.resolve(answer);
    };
  }

  beforeEach(() => {
    probes = 0;
    before = Deno.env.get("TROUPE_STD");
    Deno.env.delete("TROUPE_STD");
  });

  afterEach(() => {
    if (before === undefined) Deno.env.delete("TROUPE_STD");
    else Deno.env.set("TROUPE_STD", before);
  });

  it("says where the packages come from", async () => {
    assertEquals(await findStdSource(probe(true)), "jsr");
    Deno.env.delete("TROUPE_STD");
    assertEquals(await findStdSource(probe(false)), "npm_only");
  });

  it("asks JSR once and tells child processes the answer", async () => {
    await findStdSource(probe(false));
    assertEquals(Deno.env.get("TROUPE_STD"), "npm_only");
    assertEquals(await findStdSource(probe(true)), "npm_only");
    assertEquals(probes, 1);
  });

  it("believes the variable without asking, and no other value of it", async () => {
    Deno.env.set("TROUPE_STD", "jsr");
    assertEquals(await findStdSource(probe(false)), "jsr");
    assertEquals(probes, 0);
    Deno.env.set("TROUPE_STD", "maybe");
    assertEquals(await findStdSource(probe(false)), "npm_only");
  });
});

describe("the two import maps", () => {
  it("list the same names, since one replaces the other", () => {
    assertEquals(Object.keys(importMap.imports).sort(), Object.keys(config.imports).sort());
  });
});
