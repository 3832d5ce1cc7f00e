/**
 * The gate: every check that a change has to pass, one line each with its time. Stops at the first that fails and
 * shows its output.
 *
 * @module
 */

import { findStdSource, ROOT } from "./with_std.ts";

/** What came of a check. */
interface Outcome {
  succeeded: boolean;
  /** What it printed, or why it failed. */
  text: string;
}

const DOORS: readonly string[] = ["mod.ts", "scheduler/mod.ts", "worker/mod.ts", "cluster/mod.ts"];

const BUNDLE = "client/troupe.js";

/** Cheap ones first. */
const CHECKS: Record<string, () => Promise<Outcome>> = {
  "format": () => runDeno("fmt", "--check"),
  "lint": () => runDeno("lint"),
  "types": () => runDeno("task", "check"),
  "portable types": () => runDeno("task", "check:portable"),
  "bundle": checkBundle,
  "documentation": () => runDeno("doc", "--lint", ...DOORS),
  "tests": () => runDeno("task", "test"),
  "publish": () => runDeno("publish", "--dry-run", "--allow-dirty"),
};

async function runDeno(...denoArguments: string[]): Promise<Outcome> {
  const command = new Deno.Command(Deno.execPath(), {
    args: denoArguments,
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  const decoder = new TextDecoder();
  return { succeeded: success, text: decoder.decode(stderr) + decoder.decode(stdout) };
}

/** Builds the browser bundle again and compares it with the committed one. */
async function checkBundle(): Promise<Outcome> {
  const fresh = await Deno.makeTempFile({ prefix: "troupe_bundle_", suffix: ".js" });
  try {
    const built = await runDeno("bundle", "--platform", "browser", "--minify", "-o", fresh, "mod.ts");
    if (!built.succeeded) return built;
    const succeeded = await Deno.readTextFile(fresh) === await readIfPresent(new URL(BUNDLE, ROOT));
    return { succeeded, text: succeeded ? "" : `${BUNDLE} is not what mod.ts bundles to: run \`deno task bundle\`\n` };
  } finally {
    await Deno.remove(fresh);
  }
}

async function readIfPresent(file: URL): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Runs the checks in turn; whether all succeeded. */
async function runChecks(): Promise<boolean> {
  await findStdSource();
  for (const [name, check] of Object.entries(CHECKS)) {
    const start = performance.now();
    const { succeeded, text } = await check();
    const seconds = ((performance.now() - start) / 1_000).toFixed(1).padStart(6);
    console.log(`${succeeded ? "ok    " : "FAILED"} ${seconds} s  ${name}`);
    if (name === "tests" && succeeded) console.log(`${" ".repeat(17)}${text.trimEnd().split("\n").at(-1)}`);
    if (!succeeded) {
      console.log(`\n${text.trimEnd()}`);
      return false;
    }
  }
  return true;
}

if (import.meta.main) Deno.exit(await runChecks() ? 0 : 1);
