/**
 * Which processor a process runs on, by `taskset`; where that is not there, the system decides.
 *
 * @module
 */

/** How many there are. */
export const PROCESSORS: number = navigator.hardwareConcurrency;

/** Keeps all threads of a process on one processor, or lets them run on any. */
export async function pin(pid: number, processor: number | undefined): Promise<void> {
  const list = processor === undefined ? `0-${PROCESSORS - 1}` : String(processor % PROCESSORS);
  const command = new Deno.Command("taskset", {
    args: ["-a", "-p", "-c", list, String(pid)],
    stdout: "null",
    stderr: "null",
  });
  await command.output().catch(() => {});
}

/** Ids of the processes that a process has started, by their command's arguments. */
export async function children(pid: number, part: string): Promise<number[]> {
  const command = new Deno.Command("pgrep", { args: ["-P", String(pid), "-f", part], stdout: "piped", stderr: "null" });
  try {
    const { stdout } = await command.output();
    return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "").map(Number);
  } catch {
    return [];
  }
}
