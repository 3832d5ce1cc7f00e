/**
 * Dask, where Python has it: `apt-get install python3-distributed`. Python takes its own times.
 *
 * @module
 */

import { type Child, startChild } from "./child.ts";

/** A cluster of Dask with two workers, and a counter on it. */
export interface Dask extends AsyncDisposable {
  /** Takes `count` values of what `dask_peer.py` knows by this name. */
  measure(what: "call" | "pipelined" | "create" | "tasks", count: number): Promise<number[]>;
}

/**
 * Starts a cluster.
 *
 * @throws {Error} Where no Python has Dask.
 */
export async function startDask(): Promise<Dask> {
  const child = await startPython();
  return {
    measure: async (what, count) => (await child.ask(`${what} ${count}`)).split(" ").map(Number),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}

async function startPython(): Promise<Child> {
  const script = new URL("./dask_peer.py", import.meta.url).pathname;
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      return await startChild(python, [script]);
    } catch {
      // Another one may have it.
    }
  }
  throw new Error("no Python has the package distributed (Debian: python3-distributed)");
}
