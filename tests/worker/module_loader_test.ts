import { assertEquals, assertInstanceOf, assertMatch, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  ActorStartError,
  MainModuleError,
  ModuleLoadError,
  ModuleNotAllowedError,
  type SubmittedTarget,
} from "../../protocol/mod.ts";
import { isImportFailure, loadExport } from "../../worker/module_loader.ts";
import { ModulePolicy } from "../../worker/module_policy.ts";
import { fixture } from "../helpers/isolates.ts";

const settings = { policy: new ModulePolicy(["file:", "data:", "http:", "npm:"]), moduleTimeout: 5000 };
const REMOTE = Symbol.for("troupe.remote");

function target(module: string, name: string): SubmittedTarget {
  return { module, export: name, name, byValue: false, version: undefined };
}

/** A module of which no test before has heard. */
function source(text: string): string {
  return `data:text/javascript,${encodeURIComponent(`${text}\n// ${crypto.randomUUID()}`)}`;
}

async function failureOf(module: string, name = "Counter"): Promise<Error> {
  return await assertRejects(() => loadExport(target(module, name), settings), Error);
}

describe("loading what a target names", () => {
  it("gives the export, the same for every order", async () => {
    const one = await loadExport(target(fixture("counter.ts"), "Counter"), settings);
    assertEquals(one.name, "Counter");
    assertStrictEquals(await loadExport(target(fixture("counter.ts"), "Counter"), settings), one);
  });

  it("marks every class and function of the module, so that actors can submit their siblings", async () => {
    const module = source(
      `export class One {} export function two() {} export const three = 3; export class Frozen {} Object.freeze(Frozen);
       export class Marked {} Marked[Symbol.for("troupe.remote")] = "by itself";`,
    );
    await loadExport(target(module, "One"), settings);
    const exports = await import(module) as Record<string, Record<symbol, unknown>>;
    assertEquals(exports.One![REMOTE], { module, export: "One" });
    assertEquals(exports.two![REMOTE], { module, export: "two" });
    assertEquals(Object.getOwnPropertyDescriptor(exports.One!, REMOTE)?.enumerable, false);
    assertEquals([exports.Frozen![REMOTE], exports.Marked![REMOTE]], [undefined, "by itself"]);
  });

  it("says that a module, or one that it imports, was not found", async () => {
    for (const module of ["file:///not/there.ts", source(`import "file:///not/there.ts"; export class Counter {}`)]) {
      const error = await failureOf(module);
      assertInstanceOf(error, ModuleLoadError);
      assertMatch(error.message, /not\/there\.ts/);
      assertEquals([error.executed, error.retryable, isImportFailure(error)], ["no", true, true]);
    }
  });

  it("says where a module does not parse", async () => {
    const error = await failureOf(source("export class {"));
    assertInstanceOf(error, ModuleLoadError);
    assertMatch(error.message, /the source of Counter.*Expected ident/s);
  });

  it("names a bare specifier that no import map has, and the flag that gives one", async () => {
    const error = await failureOf(source(`import codec from "a-codec"; export class Counter { codec = codec }`));
    assertInstanceOf(error, ModuleLoadError);
    assertMatch(error.message, /imports "a-codec", which no import map.*--config=PATH/);
  });

  it("keeps the error that a module's top level threw, as the cause", async () => {
    const error = await failureOf(source(`export class Counter {} throw new RangeError("at the top");`));
    assertInstanceOf(error, ModuleLoadError);
    assertMatch(error.message, /at the top/);
    assertInstanceOf(error.cause, RangeError);
  });

  it("passes on the error of a module that connects while it is loaded", async () => {
    const errors = import.meta.resolve("../../protocol/mod.ts");
    const error = await failureOf(source(`import { MainModuleError } from ${JSON.stringify(errors)};
      export class Counter {} throw new MainModuleError("guard it");`));
    assertInstanceOf(error, MainModuleError);
    assertEquals(isImportFailure(error), true);
  });

  it("names the exports that there are, and remembers no failed import", async () => {
    const error = await failureOf(source("export class Countr {} export const step = 1;"));
    assertInstanceOf(error, ActorStartError);
    assertMatch(error.message, /no export Counter.*Countr, step/);
    assertEquals(isImportFailure(error), false);
    assertMatch(
      (await failureOf(source("export const Counter = 1;"))).message,
      /of type number, not a class or function/,
    );
    assertMatch((await failureOf(source("export const Counter = null;"))).message, /is null, not a class or function/);
    assertMatch((await failureOf(source(""))).message, /It exports nothing/);
  });

  it("looks an export up by its own name only", async () => {
    for (const name of ["toString", "__proto__", "constructor", "then"]) {
      assertInstanceOf(await failureOf(fixture("counter.ts"), name), ActorStartError);
    }
  });

  it("names the importing module, the host and the flag where an import is refused by the runtime", async () => {
    const worker = `import { loadExport } from ${JSON.stringify(import.meta.resolve("../../worker/module_loader.ts"))};
      import { ModulePolicy } from ${JSON.stringify(import.meta.resolve("../../worker/module_policy.ts"))};
      const settings = { policy: new ModulePolicy(["file:"]), moduleTimeout: 5000 };
      const target = { module: Deno.args[0], export: "Counter", name: "Counter", byValue: false };
      await loadExport(target, settings).catch((error) => console.log(JSON.stringify([error.name, error.message])));`;
    const folder = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(`${folder}/load.ts`, worker);
      await Deno.writeTextFile(`${folder}/counter.ts`, `import "http://127.0.0.1:9/x.ts"; export class Counter {}`);
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: [
          ...["run", "--no-config", "--no-lock", "--no-check", "--allow-read", "--allow-import=example.com"],
          ...[`${folder}/load.ts`, `file://${folder}/counter.ts`],
        ],
      }).output();
      const text = new TextDecoder().decode(stdout);
      if (text === "") throw new Error(new TextDecoder().decode(stderr));
      const [name, message] = JSON.parse(text) as [string, string];
      assertEquals(name, ModuleNotAllowedError.prototype.name);
      assertMatch(message, /counter\.ts imports from 127\.0\.0\.1:9, .*--allow-modules/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
});
