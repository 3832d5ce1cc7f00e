/**
 * Whether processes run.
 *
 * @module
 */

/**
 * Whether a process is there, and more than a corpse that its parent has not looked at. Another program reads `/proc`,
 * as Deno gives that to programs with all permissions only.
 */
export function isAlive(pid: number): boolean {
  const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/stat`], stderr: "null" }).outputSync();
  const state = new TextDecoder().decode(stdout).split(") ")[1]?.[0];
  return state !== undefined && state !== "Z";
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/status`], stderr: "null" }).outputSync();
  const [, kilobytes] = new TextDecoder().decode(stdout).match(/^VmRSS:\s+(\d+) kB$/m) ?? [];
  if (kilobytes === undefined) throw new Error(`There is no process ${pid}`);
  return Number(kilobytes) * 1024;
}

/** Ids of the children of this process whose command line holds a text. */
export function childrenOf(text: string): number[] {
  const script = `cat /proc/${Deno.pid}/task/*/children`;
  const pids = new TextDecoder().decode(new Deno.Command("sh", { args: ["-c", script] }).outputSync().stdout);
  return pids.trim().split(/\s+/).filter(Boolean).map(Number).filter((pid) => {
    const { stdout } = new Deno.Command("cat", { args: [`/proc/${pid}/cmdline`], stderr: "null" }).outputSync();
    return new TextDecoder().decode(stdout).includes(text);
  });
}
