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
