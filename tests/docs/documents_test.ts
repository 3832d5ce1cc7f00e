/**
 * The documents against the tree: what they name has to be there.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { HELP } from "../../scheduler/flags.ts";
import { helpText } from "../../worker/options.ts";

const ROOT = new URL("../../", import.meta.url);
const DOCUMENTS = [
  "README.md",
  "docs/actors.md",
  "docs/architecture.md",
  "docs/dependencies.md",
  "docs/deploy.md",
  "docs/protocol.md",
  "tests/faults/README.md",
] as const;
const FOLDERS = [
  "protocol",
  "connection",
  "client",
  "dashboard",
  "scheduler",
  "worker",
  "cluster",
  "cli",
  "examples",
  "tests",
  "bench",
  "tools",
];

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, ROOT));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.stat(new URL(path, ROOT));
    return true;
  } catch {
    return false;
  }
}

/** The id that a heading has on a page. */
function anchorOf(heading: string): string {
  return heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(/\s/g, "-");
}

/** Every file of ours that ends with `.ts`, below a folder. */
async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(`${folder}/`, ROOT))) {
    if (entry.isDirectory) yield* sources(`${folder}/${entry.name}`);
    else if (entry.name.endsWith(".ts")) yield `${folder}/${entry.name}`;
  }
}

describe("the documents", () => {
  for (const document of DOCUMENTS) {
    it(`link to what is there (${document})`, async () => {
      const missing: string[] = [];
      for (const [, target = ""] of (await read(document)).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(target)) continue;
        const [path = "", anchor] = target.split("#");
        const page = path === "" ? document : new URL(path, new URL(document, ROOT)).href.slice(ROOT.href.length);
        if (!await isThere(page)) missing.push(target);
        else if (anchor !== undefined) {
          const headings = [...(await read(page)).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));
          if (!headings.includes(anchor)) missing.push(target);
        }
      }
      assertEquals(missing, []);
    });

    it(`name files that are there (${document})`, async () => {
      const missing: string[] = [];
      for (const [, path = ""] of (await read(document)).matchAll(/`((?:[a-z_]+\/)+[a-z_]+\.(?:ts|json|js))`/g)) {
        if (FOLDERS.includes(path.split("/")[0]!) && !await isThere(path)) missing.push(path);
      }
      assertEquals(missing, []);
    });
  }

  for (const [command, help] of Object.entries({ scheduler: HELP, worker: helpText() })) {
    it(`list every flag of deno task ${command}, and no other`, async () => {
      const flags = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, flag]) => flag!);
      const readme = await read("README.md");
      const start = readme.indexOf(`\`deno task ${command} [`);
      const section = readme.slice(start, readme.indexOf("\n\n", readme.indexOf("\n| ---", start)));
      const listed = [...section.matchAll(/^\| `(--[a-z-]+)/gm)].map(([, flag]) => flag!);
      assert(flags.length > 5);
      assertEquals(listed.toSorted(), flags.toSorted());
    });
  }

  it("name every package that the code imports, and no other", async () => {
    const imported = new Set<string>();
    for (const folder of FOLDERS) {
      for await (const path of sources(folder)) {
        // Examples of specifiers stand in the tests of the tools.
        if (path.startsWith("tests/tools/") || path.startsWith("tests/docs/")) continue;
        for (const [, name = ""] of (await read(path)).matchAll(/(?:from |import\()"npm:((?:@[\w-]+\/)?[\w-]+)/g)) {
          imported.add(name);
        }
      }
    }
    const { imports } = JSON.parse(await read("deno.json")) as { imports: Record<string, string> };
    for (const specifier of Object.values(imports)) {
      const name = /^jsr:(@[\w-]+\/[\w-]+)/.exec(specifier)?.[1];
      if (name !== undefined) imported.add(name);
    }
    assert(imported.size > 0);
    const named = [...(await read("docs/dependencies.md")).matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name!);
    assertEquals(named.toSorted(), [...imported].sort());
  });
});
