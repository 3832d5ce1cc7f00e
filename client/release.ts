/**
 * Giving references back.
 *
 * @module
 */

import { futureLink, handleLink } from "./brands.ts";
import { releaseTarget } from "./handle.ts";
import type { Future, Handle } from "./types.ts";

/**
 * Gives back handles and futures; an actor that nobody holds any more is disposed of. A future and its own handle are
 * one reference: releasing either releases both, and doing it again changes nothing.
 *
 * @example
 * ```ts ignore
 * await release([counter, future]);
 * ```
 *
 * @returns Resolves when the references are given back. Never rejects, so it need not be awaited.
 */
export async function release(x: Handle | Future<unknown> | Iterable<Handle | Future<unknown>>): Promise<void> {
  await Promise.all(Array.from(flat(x), releaseOne));
}

function flat(x: Handle | Future<unknown> | Iterable<Handle | Future<unknown>>): Iterable<unknown> {
  if (typeof x !== "object" || x === null || handleLink(x) !== undefined || futureLink(x) !== undefined) return [x];
  return Symbol.iterator in x ? x as Iterable<unknown> : [x];
}

async function releaseOne(item: unknown): Promise<void> {
  const handle = handleLink(item);
  if (handle !== undefined) await releaseTarget(handle.target);
  else if (futureLink(item)?.kind === "key") await (item as Future<unknown>).release();
}
