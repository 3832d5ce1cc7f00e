/**
 * Giving references back.
 *
 * @module
 */

import { functionLink, futureLink, handleLink, nodeLink } from "./brands.ts";
import type { Delayed, GraphNode } from "./delayed.ts";
import { releaseTarget } from "./handle.ts";
import type { Future, Handle } from "./types.ts";

type Releasable = Handle | Future<unknown> | Delayed<unknown> | ((...args: never[]) => unknown);

/**
 * Gives back handles and futures; an actor that nobody holds any more is disposed of. A future and its own handle are
 * one reference: releasing either releases both, and doing it again changes nothing. A node of a graph gives back what
 * `client.persist` keeps for it. Inside a method, a function that was among the arguments is given back to its caller:
 * it cannot be called any more.
 *
 * @example
 * ```ts ignore
 * await release([counter, future]);
 * ```
 *
 * @returns Resolves when the references are given back. Never rejects, so it need not be awaited.
 */
export async function release(
  x:
    | Handle
    | Future<unknown>
    | Delayed<unknown>
    | ((...args: never[]) => unknown)
    | Iterable<Handle | Future<unknown> | Delayed<unknown> | ((...args: never[]) => unknown)>,
): Promise<void> {
  await Promise.all(Array.from(flat(x), releaseOne));
}

function flat(x: Releasable | Iterable<Releasable>): Iterable<unknown> {
  if (typeof x !== "object" || x === null) return [x];
  if (handleLink(x) !== undefined || futureLink(x) !== undefined || nodeLink(x) !== undefined) return [x];
  return Symbol.iterator in x ? x as Iterable<unknown> : [x];
}

async function releaseOne(item: unknown): Promise<void> {
  const handle = handleLink(item);
  const node = nodeLink(item) as GraphNode | undefined;
  if (handle !== undefined) await releaseTarget(handle.target);
  else if (node !== undefined) await Promise.all([...node.persisted.values()].map((future) => future.release()));
  else if (typeof item === "function") functionLink(item)?.release();
  else if (futureLink(item)?.kind === "key") await (item as Future<unknown>).release();
}
