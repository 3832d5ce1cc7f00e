/**
 * Chains of calls: who waits for a call, as far as it holds up others. A chain travels with each call, so that an actor
 * which runs a bounded number of calls at a time knows when it would wait for itself.
 *
 * @module
 */

/** A call of an actor in a chain: its number tells it from others of the same actor. */
export function linkOf(key: string, call: number): string {
  return `${key}#${call}`;
}

/** The actor of a link. */
export function keyOfLink(link: string): string {
  return link.slice(0, link.lastIndexOf("#"));
}
