/**
 * Runs the tests and the examples in the documentation, and ends with a line `N passed, N failed` (and `, N skipped`
 * where some were). Arguments are passed on: `deno task test tests/protocol --filter=frame`; write the values of flags
 * after `=`.
 *
 * Without paths everything runs, in two processes side by side: tests of clusters mostly wait, and leave a processor to
 * the others.
 *
 * @module
 */

import { addCounts, type Counts, countTests, formatCounts } from "./count_tests.ts";
import { denoCommand, type DenoCommandOptions, findStdSource, ROOT } from "./with_std.ts";

/** What runs by default, as far as it exists: the tests, and the examples in the README and in doc comments. */
const PATHS: readonly string[] = [
  "tests",
  "README.md",
  "mod.ts",
  "protocol",
  "connection",
  "client",
  "dashboard",
  "scheduler",
  "worker",
  "cluster",
  "cli",
];

/** What runs in a process of its own meanwhile: the tests of whole clusters. */
const CLUSTER_TESTS: readonly string[] = [
  "tests/browser",
  "tests/control",
  "tests/end_to_end",
  "tests/faults",
  "tests/semantics",
];

/** Tests start processes and servers, use temporary files, read and set variables; a browser asks for the system. */
const PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--unstable-worker-options",
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-run",
  "--allow-sys",
  "--allow-import=127.0.0.1,localhost,jsr.io",
];

async function defaultPaths(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(ROOT), ({ name }) => name);
  return PATHS.filter((path) => entries.includes(path));
}

/** What came of one process, and what it printed where that was to be kept. */
interface TestRun {
  counts: Counts;
  code: number;
  printed: Uint8Array<ArrayBuffer>[];
}

/** Runs `deno test`, and counts by the report that it writes. */
async function runTests(testArguments: readonly string[], output: DenoCommandOptions["output"]): Promise<TestRun> {
  const report = await Deno.makeTempFile({ prefix: "troupe_tests_", suffix: ".xml" });
  try {
    const command = await denoCommand(["test", "--doc", ...PERMISSIONS, `--junit-path=${report}`, ...testArguments], {
      output,
    });
    const child = command.spawn();
    const printed = output === "piped" ? await Promise.all([child.stdout.bytes(), child.stderr.bytes()]) : [];
    const { code } = await child.status;
    return { counts: countTests(await Deno.readTextFile(report), code === 0), code, printed };
  } finally {
    await Deno.remove(report);
  }
}

/** Runs everything in two processes; the output of one is shown as it comes, that of the other when that has ended. */
async function runAll(flags: readonly string[]): Promise<TestRun[]> {
  // Asked once, for both.
  await findStdSource();
  return await Promise.all([
    runTests([...flags, ...CLUSTER_TESTS], "inherit"),
    runTests([...flags, `--ignore=${CLUSTER_TESTS.join(",")}`, ...await defaultPaths()], "piped"),
  ]);
}

if (import.meta.main) {
  const flags = Deno.args.filter((argument) => argument.startsWith("-"));
  const paths = Deno.args.filter((argument) => !argument.startsWith("-"));
  const runs = paths.length > 0 ? [await runTests([...flags, ...paths], "inherit")] : await runAll(flags);
  const printed = runs.flatMap((run) => run.printed);
  await new Blob(printed).stream().pipeTo(Deno.stdout.writable, { preventClose: true });
  console.log(formatCounts(addCounts(runs.map(({ counts }) => counts))));
  Deno.exit(runs.find(({ code }) => code !== 0)?.code ?? (runs.some(({ counts }) => counts.failed > 0) ? 1 : 0));
}
