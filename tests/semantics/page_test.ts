/**
 * The page `docs/actors.md`: its examples print what they say, and each of its promises has a test of that name.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";

const PAGE = new URL("../../docs/actors.md", import.meta.url);
const LIBRARY = new URL("../../mod.ts", import.meta.url);

/** A program of the page, and the lines that its comments say it prints. */
interface Example {
  readonly heading: string;
  readonly code: string;
  readonly prints: readonly string[];
}

/** Every `ts` block, with the heading above it. What `console.log` prints stands behind it, or in the lines below. */
async function readExamples(): Promise<Example[]> {
  const examples: Example[] = [];
  for (const section of (await Deno.readTextFile(PAGE)).split(/^(?=#+ )/m)) {
    const heading = /^#+ (.*)/.exec(section)?.[1] ?? "";
    for (const [, code = ""] of section.matchAll(/^```ts\n([\s\S]*?)^```$/gm)) {
      const prints = code.split("\n").flatMap((line) => {
        const printed = /console\.log\(.*\); \/\/ (.+)$/.exec(line) ?? /^\/\/ (\d+)$/.exec(line);
        return printed ? [printed[1]!] : [];
      });
      examples.push({ heading, code, prints });
    }
  }
  return examples;
}

/** Runs a program in a folder of its own, as a reader would; `env` says where a cluster is, if there is one. */
async function run(code: string, env: Record<string, string>): Promise<string[]> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, code.replaceAll(`"@troupe/troupe"`, JSON.stringify(LIBRARY.href)));
    const args = ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-run", "main.ts"];
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: folder, env }).output();
    const failed = new TextDecoder().decode(stderr).split("\n").filter((line) => /error/i.test(line));
    return [...new TextDecoder().decode(stdout).trimEnd().split("\n"), ...failed];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Promised {
  readonly number: string;
  readonly promise: string;
  readonly file: string;
}

function comparePromises(a: Promised, b: Promised): number {
  return `${a.file} ${a.promise}` < `${b.file} ${b.promise}` ? -1 : 1;
}

/** The rows of the table at the end of the page. */
async function readTable(): Promise<Promised[]> {
  const page = await Deno.readTextFile(PAGE);
  const rows = page.matchAll(/^\| (\w*) +\| (.+?) +\| \[\w+\]\(\.\.\/tests\/semantics\/(\w+\.ts)\) +\|$/gm);
  return [...rows].map(([, number = "", promise = "", file = ""]) => ({ number, promise, file })).sort(comparePromises);
}

/** The names of the tests, as they stand in the sources. */
async function readTests(): Promise<Promised[]> {
  const tests: Promised[] = [];
  for await (const { name: file } of Deno.readDir(new URL(".", import.meta.url))) {
    if (!file.endsWith("_test.ts") || file === "page_test.ts") continue;
    const source = await Deno.readTextFile(new URL(file, import.meta.url));
    for (const [, name = ""] of source.matchAll(/(?:\bit\(|(?:onBothRoutes|everywhere)\(\s*stage,)\s*"(.+?)",/g)) {
      const [, number = "", promise = name] = /^(?:([BH]\d+b?): )?(.*)$/.exec(name) ?? [];
      tests.push({ number, promise, file });
    }
  }
  return tests.sort(comparePromises);
}

describe("the page on actors", () => {
  it("shows programs that print what they say", async () => {
    const examples = await readExamples();
    assert(examples.length >= 17);
    await using cluster = await LocalCluster.start({ workers: 2 });
    const shared = { TROUPE_SCHEDULER: cluster.address, TROUPE_TOKEN: cluster.token };
    for (let i = 0; i < examples.length; i += 2) {
      await Promise.all(
        examples.slice(i, i + 2).map(async ({ heading, code, prints }, place) => {
          assert(prints.length > 0, heading);
          const digits = (line: string) => line.replace(/key=(\w+)-[0-9a-f]+>/, "key=$1-…>");
          // The first starts a cluster of its own, as the page says of all, and so does one that ends a worker.
          const env = i + place === 0 || code.includes("retireWorkers") ? {} : shared;
          assertEquals((await run(code, env)).map(digits), prints.map(digits), heading);
        }),
      );
    }
  });

  it("names in its table every test, and no other", async () => {
    assertEquals(await readTable(), await readTests());
  });

  it("covers every behaviour of Dask's actors", async () => {
    const covered = new Set((await readTests()).map(({ number }) => number));
    const numbers = [...Array.from({ length: 56 }, (_, i) => `B${i + 1}`), "B43b"];
    assertEquals(numbers.filter((number) => !covered.has(number)), []);
    const [text = ""] = (await Deno.readTextFile(PAGE)).split("## Promises and their tests");
    const named = new Set([...text.matchAll(/\b([BH]\d+b?)\b/g)].map(([, number]) => number!));
    assertEquals(numbers.filter((number) => !named.has(number)), [], "that the text speaks of");
    assertEquals([...named].filter((number) => !covered.has(number)), [], "that have a test");
  });
});
