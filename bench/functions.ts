/**
 * Functions for benches of tasks. Workers of any revision load them.
 *
 * @module
 */

/** Where workers find them. */
export const FUNCTIONS_MODULE: string = import.meta.url;

/** Next to nothing, in an isolate for tasks. */
export function increment(n: number): number {
  return n + 1;
}

/** The same on the event loop of the host. */
export async function incrementAsync(n: number): Promise<number> {
  return await n + 1;
}
