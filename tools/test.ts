/**
 * Runs the tests and the examples in the documentation, and ends with a line `N passed, N failed` (and `, N skipped`
 * where some were). Arguments are passed on: `deno task test tests/protocol --filter=frame`; write the values of flags
 * after `=`.
 *
 * @module
 */

import { type Counts, countTests, formatCounts } from "./count_tests.ts";
import { denoCommand, ROOT } from "./with_std.ts";

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

/** Runs `deno test` with its output passed through, and counts by the report that it writes. */
async function runTests(testArguments: readonly string[]): Promise<{ counts: Counts; code: number }> {
  const report = await Deno.makeTempFile({ prefix: "troupe_tests_", suffix: ".xml" });
  try {
    const flags = testArguments.filter((argument) => argument.startsWith("-"));
    const paths = testArguments.filter((argument) => !argument.startsWith("-"));
    const command = await denoCommand([
      "test",
      "--doc",
      ...PERMISSIONS,
      `--junit-path=${report}`,
      ...flags,
      ...(paths.length > 0 ? paths : await defaultPaths()),
    ]);
    const { code } = await command.spawn().status;
    return { counts: countTests(await Deno.readTextFile(report), code === 0), code };
  } finally {
    await Deno.remove(report);
  }
}

if (import.meta.main) {
  const { counts, code } = await runTests(Deno.args);
  console.log(formatCounts(counts));
  Deno.exit(code === 0 && counts.failed > 0 ? 1 : code);
}
