/**
 * The benches: `deno task bench` runs all of them and writes `docs/performance.md` and `bench/results`.
 *
 * `deno task bench latency sizes` runs some of them. `--compare=REV` puts another revision beside the work tree, in the
 * same run, and writes nothing; `--quick` shows only that everything runs; `--no-write` prints only.
 *
 * @module
 */

import { cpus, release, type } from "node:os";
import { parseArgs } from "node:util";
import { interleave } from "./harness.ts";
import { pin } from "./processors.ts";
import { type Circumstances, circumstancesText, replaceSection, type Result, resultFile, section } from "./report.ts";
import { Stage, type Subject } from "./stage.ts";
import { SUBJECTS } from "./subjects.ts";
import { checkOut, describeWorkTree, loadTree, type Tree, WORK_TREE } from "./tree.ts";

const PAGE = new URL("docs/performance.md", WORK_TREE);
const RESULTS = new URL("bench/results/", WORK_TREE);

/** What a run is like. */
interface Run {
  readonly trees: readonly Tree[];
  readonly quick: boolean;
}

const { values: flags, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    compare: { type: "string" },
    "no-write": { type: "boolean", default: false },
    rounds: { type: "string" },
  },
});
const wanted = SUBJECTS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const unknown = positionals.filter((name) => !SUBJECTS.some((subject) => subject.name === name));
if (unknown.length > 0) {
  console.error(`No bench is called ${unknown.join(", ")}: there are ${SUBJECTS.map(({ name }) => name).join(", ")}`);
  Deno.exit(2);
}

await using stack = new AsyncDisposableStack();
const trees = [await loadTree(WORK_TREE, false)];
let base: string | undefined;
if (flags.compare !== undefined) {
  const checkedOut = stack.use(await checkOut(flags.compare));
  base = checkedOut.commit.slice(0, 12);
  trees.push(await loadTree(checkedOut.root, true));
}

const circumstances: Circumstances = {
  date: new Date().toISOString(),
  revision: await describeWorkTree(),
  ...(base === undefined ? {} : { base }),
  command: ["deno task bench", ...Deno.args].join(" "),
  machine: `${cpus().length} processors, ${cpus()[0]?.model.trim() ?? "unknown"}`,
  runtime: `Deno ${Deno.version.deno} on ${type()} ${release()}`,
};
console.log(circumstancesText(circumstances));
const results: Result[] = [];
for (const subject of wanted) {
  console.log(`\n## ${subject.title}\n`);
  const result = await measure(subject, { trees, quick: flags.quick });
  console.log(section(result));
  results.push(result);
}
if (!flags.quick && !flags["no-write"] && base === undefined) await write(results);
await stack.disposeAsync();
Deno.exit(0);

async function measure(subject: Subject, run: Run): Promise<Result> {
  const { figures, absent } = await measureOnce(subject, run, true);
  const { name, title } = subject;
  if (!subject.unpinned || run.quick) return { subject: name, title, figures, absent };
  const { figures: unpinned } = await measureOnce(subject, run, false);
  return { subject: name, title, figures, unpinned, absent };
}

async function measureOnce(subject: Subject, { trees, quick }: Run, pinned: boolean) {
  const stage = new Stage({ trees, quick, pinned });
  try {
    const cases = await subject.prepare(stage);
    const { rounds, warmUp } = subject.repetition;
    const repetition = quick ? { rounds: 1, warmUp: 0 } : { rounds: Number(flags.rounds ?? rounds), warmUp };
    const figures = await interleave(quick ? cases.map((one) => ({ ...one, count: 1 })) : cases, repetition);
    return { figures, absent: stage.absent };
  } finally {
    await stage.stack.disposeAsync();
    await pin(Deno.pid, undefined);
  }
}

async function write(results: readonly Result[]): Promise<void> {
  await Deno.mkdir(RESULTS, { recursive: true });
  let page = replaceSection(await Deno.readTextFile(PAGE), "circumstances", circumstancesText(circumstances));
  for (const result of results) {
    page = replaceSection(page, result.subject, section(result));
    await Deno.writeTextFile(new URL(`${result.subject}.json`, RESULTS), resultFile(result, circumstances));
  }
  await Deno.writeTextFile(PAGE, page);
  await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", PAGE.pathname, RESULTS.pathname] }).output();
}
