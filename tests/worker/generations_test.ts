import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LoadedModules, type ModuleGraph } from "../../worker/generations.ts";
import { afterThisTurn } from "../../connection/mod.ts";
import { createModuleSource, fileState, ModuleGraphs, type ModuleSource } from "../../worker/module_graph.ts";

function graph(url: string, states: Record<string, string | undefined>, generation = 0): ModuleGraph {
  return { url, generation, states: new Map(Object.entries(states)) };
}

/** A source that counts how often it was asked. */
class Source implements ModuleSource {
  asked = 0;
  readonly #answer: () => Promise<string[]>;

  constructor(answer: () => Promise<string[]> = () => Promise.reject(new Error("not to be asked"))) {
    this.#answer = answer;
  }

  list(): Promise<string[]> {
    this.asked++;
    return this.#answer();
  }

  async reload(): Promise<void> {
    this.asked++;
    await this.#answer();
  }
}

function target(module: string, version?: string) {
  return { module, export: "Counter", name: "Counter", byValue: false, version };
}

describe("what an isolate has loaded", () => {
  it("fits code that it has not seen, and code that is as it was", () => {
    const loaded = new LoadedModules();
    const counter = graph("file:///counter.ts", { "file:///counter.ts": "1", "file:///shared.ts": "1" });
    assertEquals(loaded.fit(counter), "fits");
    loaded.add(counter);
    assertEquals(loaded.fit(counter), "fits");
    assertEquals(loaded.fit(graph("file:///other.ts", { "file:///other.ts": "7" })), "fits");
  });

  it("does not fit a target of which any file has changed since", () => {
    const loaded = new LoadedModules();
    loaded.add(graph("file:///counter.ts", { "file:///counter.ts": "1", "file:///shared.ts": "1" }));
    assertEquals(
      loaded.fit(graph("file:///other.ts", { "file:///other.ts": "1", "file:///shared.ts": "2" })),
      "changed",
    );
  });

  it("does not fit a target that failed to load", () => {
    const loaded = new LoadedModules();
    const counter = graph("file:///counter.ts", { "file:///counter.ts": "1" });
    loaded.add(counter);
    loaded.addFailure(counter.url);
    assertEquals(loaded.fit(counter), "failed");
  });

  it("goes by the version of a remote module where its user gives one", () => {
    const loaded = new LoadedModules();
    loaded.add(graph("http://host/a.ts", { "http://host/a.ts": "v1" }));
    assertEquals(loaded.fit(graph("http://host/a.ts", { "http://host/a.ts": undefined })), "fits");
    assertEquals(loaded.fit(graph("http://host/a.ts", { "http://host/a.ts": "v1" })), "fits");
    assertEquals(loaded.fit(graph("http://host/a.ts", { "http://host/a.ts": "v2" })), "changed");
  });
});

describe("what an isolate has loaded before everything was to be loaded anew", () => {
  it("fits nothing any more, also not what it has not seen", () => {
    const loaded = new LoadedModules();
    const counter = { "file:///counter.ts": "1" };
    loaded.add(graph("file:///counter.ts", counter));
    assertEquals(loaded.fit(graph("file:///counter.ts", counter, 1)), "changed");
    assertEquals(loaded.fit(graph("http://host/other.ts", { "http://host/other.ts": undefined }, 1)), "changed");
    assertEquals(new LoadedModules().fit(graph("file:///counter.ts", counter, 1)), "fits");
  });
});

function nextTurn(): Promise<void> {
  return new Promise((resolve) => afterThisTurn(resolve));
}

describe("the graphs of targets", () => {
  it("are all others from the moment on that they are renewed, and remote ones are fetched anew, once", async () => {
    const source = new Source(() => Promise.resolve([]));
    const graphs = new ModuleGraphs(source, () => "1");
    const urls = ["file:///a.ts", "http://host/a.ts", "data:,x"];
    const generations = async () => {
      const found = await Promise.all(urls.map((url) => graphs.of(target(url))));
      return found.map(({ generation }) => generation);
    };
    assertEquals([await generations(), source.asked], [[0, 0, 0], 1]);
    const late = graphs.of(target("file:///late.ts"));
    graphs.renew();
    assertEquals([await generations(), source.asked], [[1, 1, 1], 4]);
    assertEquals([await generations(), source.asked], [[1, 1, 1], 4]);
    assertEquals((await late).generation, 0, "of one that was asked for before");
    assertEquals((await graphs.of(target("file:///late.ts"))).generation, 1);
  });

  it("are asked for once, and again when a file has changed", async () => {
    const states: Record<string, string> = { "file:///a.ts": "1", "file:///b.ts": "1" };
    const source = new Source(() => Promise.resolve(["file:///a.ts", "file:///b.ts"]));
    const graphs = new ModuleGraphs(source, (url) => states[url]!);
    const first = await graphs.of(target("file:///a.ts"));
    assertEquals(first.states, new Map(Object.entries(states)));
    assertStrictEquals(await graphs.of(target("file:///a.ts")), first);
    assertEquals(source.asked, 1);
    await nextTurn();
    states["file:///b.ts"] = "2";
    assertEquals((await graphs.of(target("file:///a.ts"))).states.get("file:///b.ts"), "2");
    assertEquals(source.asked, 2);
  });

  it("are looked at once for all creations of one turn", async () => {
    let looks = 0;
    const graphs = new ModuleGraphs(new Source(), () => `${Math.sign(++looks)}`);
    await graphs.of(target("file:///a.ts"));
    for (const turn of [1, 2]) {
      for (let creation = 0; creation < 100; creation++) graphs.of(target("file:///a.ts"));
      assertEquals(looks, 1 + turn);
      await nextTurn();
    }
  });

  it("are asked for once by creations that come together", async () => {
    const listing = Promise.withResolvers<string[]>();
    const source = new Source(() => listing.promise);
    const graphs = new ModuleGraphs(source, () => "1");
    const both = [graphs.of(target("file:///a.ts")), graphs.of(target("file:///a.ts"))];
    listing.resolve(["file:///a.ts"]);
    await Promise.all(both);
    assertEquals(source.asked, 1);
  });

  it("hold the module's own file where nobody can list them", async () => {
    const graphs = new ModuleGraphs(new Source(), () => "1");
    assertEquals((await graphs.of(target("file:///a.ts"))).states, new Map([["file:///a.ts", "1"]]));
  });

  it("of remote and by-value modules need no look at files", () => {
    const graphs = new ModuleGraphs(new Source(), () => "never");
    assertEquals(graphs.of(target("http://host/a.ts")), graph("http://host/a.ts", { "http://host/a.ts": undefined }));
    assertEquals(graphs.of(target("data:,x")), graph("data:,x", { "data:,x": "" }));
  });

  it("of remote modules with a version are fetched anew once for each", async () => {
    const source = new Source(() => Promise.resolve([]));
    const graphs = new ModuleGraphs(source);
    const first = graph("http://host/a.ts", { "http://host/a.ts": "v1" });
    assertEquals(await Promise.all([1, 2].map(() => graphs.of(target("http://host/a.ts", "v1")))), [first, first]);
    assertEquals(await graphs.of(target("http://host/a.ts", "v1")), first);
    assertEquals(source.asked, 1);
    assertEquals((await graphs.of(target("http://host/a.ts", "v2"))).states.get("http://host/a.ts"), "v2");
    assertEquals(source.asked, 2);
  });
});

describe("a module's files", () => {
  it("are found by Deno, with those that it imports, but not those that it imports for their types", async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(
        `${folder}/a.ts`,
        'import "./b.ts"; import "./missing.ts"; import type {} from "./types.ts"; import("./later.ts");',
      );
      for (const name of ["b", "types", "later"]) await Deno.writeTextFile(`${folder}/${name}.ts`, "export {};");
      const url = (name: string) => new URL(`file://${folder}/${name}`).href;
      const source = createModuleSource({ flags: ["--no-config", "--no-lock"], environment: Deno.env.toObject() });
      const files = await source.list(url("a.ts"));
      assertEquals(new Set(files), new Set(["a.ts", "b.ts", "later.ts", "missing.ts"].map(url)));
      const before = fileState(url("missing.ts"));
      await Deno.writeTextFile(`${folder}/missing.ts`, "export {};");
      assertEquals([before, fileState(url("missing.ts")) === before], ["missing", false]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  it("are never a flag of the command", async () => {
    assertEquals(await createModuleSource({ flags: [], environment: {} }).list("--help"), undefined);
  });
});
