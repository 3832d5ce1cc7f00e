/**
 * Who holds what, as edges from a holder to a key.
 *
 * Edges are not counted: a holder has one or none, however often it says so, so that a repeated `held` or `release`
 * does no harm.
 *
 * @module
 */

/** What can hold an actor: a client session, or nobody in particular where it was made `detached`. */
export type Holder = `client:${string}` | "detached";

/** The edges, by both of their ends. */
export interface References {
  /** Keys by holder. */
  readonly targets: Map<Holder, Set<string>>;
  /** Holders by key. */
  readonly holders: Map<string, Set<Holder>>;
}

/** No edges. */
export function createReferences(): References {
  return { targets: new Map(), holders: new Map() };
}

/** The holder that a client session is. */
export function clientHolder(client: string): Holder {
  return `client:${client}`;
}

/** The client's id where the holder is a client session. */
export function heldByClient(holder: Holder): string | undefined {
  return holder === "detached" ? undefined : holder.slice("client:".length);
}

/** Whether there is this edge. */
export function holds(references: References, holder: Holder, key: string): boolean {
  return references.targets.get(holder)?.has(key) ?? false;
}

/** Adds an edge. */
export function addEdge(references: References, holder: Holder, key: string): void {
  add(references.targets, holder, key);
  add(references.holders, key, holder);
}

/** Takes an edge away. Returns whether there was one. */
export function removeEdge(references: References, holder: Holder, key: string): boolean {
  return remove(references.targets, holder, key) && remove(references.holders, key, holder);
}

/** Takes away all edges to a key. */
export function removeEdgesTo(references: References, key: string): void {
  for (const holder of holdersOf(references, key)) removeEdge(references, holder, key);
}

/** Who holds a key. */
export function holdersOf(references: References, key: string): Holder[] {
  return [...references.holders.get(key) ?? []];
}

/** What a holder holds. */
export function targetsOf(references: References, holder: Holder): string[] {
  return [...references.targets.get(holder) ?? []];
}

/** Whether a key must live. All holders are roots; where one is not, what is reachable from a root lives. */
export function isHeld(references: References, key: string): boolean {
  return references.holders.has(key);
}

function add<From, To>(edges: Map<From, Set<To>>, from: From, to: To): void {
  const ends = edges.get(from);
  if (ends) ends.add(to);
  else edges.set(from, new Set([to]));
}

function remove<From, To>(edges: Map<From, Set<To>>, from: From, to: To): boolean {
  const ends = edges.get(from);
  if (!ends?.delete(to)) return false;
  if (ends.size === 0) edges.delete(from);
  return true;
}
