/**
 * Checkouts of Troupe that are measured: the work tree and, to compare with, one of another revision. Both are loaded
 * into this process side by side, each with clusters of its own, so that they can be measured in turn.
 *
 * @module
 */

import type { LocalClusterOptions } from "../cluster/mod.ts";

/** A checkout, with the library that is in it. */
export interface Tree {
  /** Whether it is what the work tree is compared with. */
  readonly base: boolean;
  /** Its root. */
  readonly root: URL;
  /** Its `mod.ts`. */
  readonly library: typeof import("../mod.ts");
  /** Starts a cluster of it. */
  startCluster(options?: LocalClusterOptions): ReturnType<typeof import("../cluster/mod.ts").LocalCluster.start>;
}

/** The tree that this file is in. */
export const WORK_TREE = new URL("../", import.meta.url);

/** Loads the library of a checkout. */
export async function loadTree(root: URL, base: boolean): Promise<Tree> {
  const library = await import(new URL("mod.ts", root).href) as typeof import("../mod.ts");
  const { LocalCluster } = await import(new URL("cluster/mod.ts", root).href) as typeof import("../cluster/mod.ts");
  return { base, root, library, startCluster: (options) => LocalCluster.start(options) };
}

/** A revision in a folder of its own, until it is disposed of. */
export interface CheckedOut extends AsyncDisposable {
  /** The folder. */
  readonly root: URL;
  /** The commit. */
  readonly commit: string;
}

/**
 * Checks a revision out, beside the work tree.
 *
 * @throws {Error} Where git does not know it.
 */
export async function checkOut(revision: string): Promise<CheckedOut> {
  const commit = await git("rev-parse", "--verify", `${revision}^{commit}`);
  const folder = await Deno.makeTempDir({ prefix: "troupe_base_" });
  await git("worktree", "add", "--detach", folder, commit);
  return {
    root: new URL(`file://${folder}/`),
    commit,
    async [Symbol.asyncDispose]() {
      await git("worktree", "remove", "--force", folder);
    },
  };
}

/** The commit of the work tree, with a `+` where something has changed since. */
export async function describeWorkTree(): Promise<string> {
  try {
    const changed = await git("status", "--porcelain", "--", ".", ":!bench/results", ":!docs/performance.md");
    return await git("rev-parse", "--short=12", "HEAD") + (changed === "" ? "" : "+");
  } catch {
    return "unknown";
  }
}

async function git(...args: string[]): Promise<string> {
  const command = new Deno.Command("git", { args, cwd: WORK_TREE, stdout: "piped", stderr: "piped" });
  const { success, stdout, stderr } = await command.output();
  if (!success) throw new Error(`git ${args.join(" ")}: ${new TextDecoder().decode(stderr).trim()}`);
  return new TextDecoder().decode(stdout).trim();
}
