/**
 * Chains of calls: who waits for a call, as far as it holds up others. A chain travels with each call, so that an actor
 * which runs a bounded number of calls at a time knows when it would wait for itself, and with each submission, so that
 * the scheduler knows which tasks wait for it: those give their slots back.
 *
 * @module
 */

/** A call of an actor in a chain, or an attempt at a task: its number tells it from others of the same. */
export function linkOf(key: string, call: number): string {
  return `${key}#${call}`;
}

/** The actor or task of a link. */
export function keyOfLink(link: string): string {
  return link.slice(0, link.lastIndexOf("#"));
}
