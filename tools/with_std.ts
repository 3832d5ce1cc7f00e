/**
 * Runs `deno <arguments>` so that `@std/*` resolves on every network: from JSR where it answers, else from
 * `tests/npm_only`, which gives the same names from what Deno and npm have. As in
 * `deno run … tools/with_std.ts check tests`.
 *
 * `TROUPE_STD=jsr` or `TROUPE_STD=npm_only` states the answer instead of asking, which is also how nested commands
 * inherit it.
 *
 * @module
 */

import "./check_version.ts";

/** Where `@std/*` comes from. */
export type StdSource = "jsr" | "npm_only";

const PROBE_URL = "https://jsr.io/@std/assert/meta.json";
const PROBE_TIMEOUT_MS = 2_000;
const VARIABLE = "TROUPE_STD";
const IMPORT_MAP = "tests/npm_only/import_map.json";

/** The project's root, as a `file:` URL; commands run there. */
export const ROOT = new URL("../", import.meta.url);

/** Says where `@std/*` can be had: by `TROUPE_STD`, else by asking JSR, which is given 2 seconds. */
export async function findStdSource(probe: () => Promise<boolean> = probeJsr): Promise<StdSource> {
  const stated = Deno.env.get(VARIABLE);
  if (stated === "jsr" || stated === "npm_only") return stated;
  const source = await probe() ? "jsr" : "npm_only";
  Deno.env.set(VARIABLE, source);
  return source;
}

async function probeJsr(): Promise<boolean> {
  try {
    const response = await fetch(PROBE_URL, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.body?.cancel();
    if (response.ok) return true;
  } catch {
    // No answer is the answer.
  }
  console.error("JSR does not answer: @std/* comes from tests/npm_only");
  return false;
}

/** The arguments of `deno` with the import map that `source` calls for, put right after the subcommand. */
export function withStd(denoArguments: readonly string[], source: StdSource): string[] {
  const [subcommand, ...rest] = denoArguments;
  if (subcommand === undefined || source === "jsr") return [...denoArguments];
  return [subcommand, `--import-map=${IMPORT_MAP}`, ...rest];
}

/** Options of {@linkcode denoCommand}. */
export interface DenoCommandOptions {
  /** Where the output goes: to this process's own, or into the result of `output()`. */
  output: "inherit" | "piped";
}

/** A command that runs this same Deno in the project's root, with `@std/*` in reach. */
export async function denoCommand(
  denoArguments: readonly string[],
  options: DenoCommandOptions = { output: "inherit" },
): Promise<Deno.Command> {
  return new Deno.Command(Deno.execPath(), {
    args: withStd(denoArguments, await findStdSource()),
    cwd: ROOT,
    stdin: "null",
    stdout: options.output,
    stderr: options.output,
  });
}

if (import.meta.main) {
  const command = await denoCommand(Deno.args);
  const { code } = await command.spawn().status;
  Deno.exit(code);
}
