/**
 * Who holds what, as edges from a holder to a key.
 *
 * Edges are not counted: a holder has one or none, however often it says so, so that a repeated `held` or `release`
 * does no harm.
 *
 * @module
 */

/**
 * What can hold a key: a client session; an actor, a running task or a stored result, by its own key; or nobody in
 * particular where something was made `detached`.
 */
export type Holder = `client:${string}` | `key:${string}` | "detached";

/** The edges, by both of their ends. */
export interface References {
  /** Keys by holder. */
  readonly targets: Map<Holder, Set<string>>;
  /** Keys that hold others. */
  readonly holding: Set<string>;
  /** Holders by key, each with the client session that is told of the key for it. */
  readonly holders: Map<string, Map<Holder, string | undefined>>;
}

/** No edges. */
export function createReferences(): References {
  return { targets: new Map(), holding: new Set(), holders: new Map() };
}

/** The holder that a client session is. */
export function clientHolder(client: string): Holder {
  return `client:${client}`;
}

/** The holder that an actor, task or result is. */
export function keyHolder(key: string): Holder {
  return `key:${key}`;
}

/** The client's id where the holder is a client session. */
export function heldByClient(holder: Holder): string | undefined {
  return holder.startsWith("client:") ? holder.slice("client:".length) : undefined;
}

/** The key where the holder is an actor, task or result. */
export function heldByKey(holder: Holder): string | undefined {
  return holder.startsWith("key:") ? holder.slice("key:".length) : undefined;
}

/** Whether there is this edge. */
export function holds(references: References, holder: Holder, key: string): boolean {
  return references.targets.get(holder)?.has(key) ?? false;
}

/**
 * Adds an edge.
 *
 * @param told The client session that is told of the key: the holder itself where it is one, else the isolate's own.
 */
export function addEdge(references: References, holder: Holder, key: string, told = heldByClient(holder)): void {
  const keys = references.targets.get(holder);
  if (keys) {
    keys.add(key);
  } else {
    references.targets.set(holder, new Set([key]));
    const held = heldByKey(holder);
    if (held !== undefined) references.holding.add(held);
  }
  const holders = references.holders.get(key);
  if (holders) holders.set(holder, told ?? holders.get(holder));
  else references.holders.set(key, new Map([[holder, told]]));
}

/** Takes an edge away. Returns whether there was one. */
export function removeEdge(references: References, holder: Holder, key: string): boolean {
  const keys = references.targets.get(holder);
  if (!keys?.delete(key)) return false;
  if (keys.size === 0) {
    references.targets.delete(holder);
    const held = heldByKey(holder);
    if (held !== undefined) references.holding.delete(held);
  }
  const holders = references.holders.get(key)!;
  holders.delete(holder);
  if (holders.size === 0) references.holders.delete(key);
  return true;
}

/** Takes away all edges to a key. */
export function removeEdgesTo(references: References, key: string): void {
  for (const holder of holdersOf(references, key)) removeEdge(references, holder, key);
}

/** Who holds a key. */
export function holdersOf(references: References, key: string): Holder[] {
  return [...references.holders.get(key)?.keys() ?? []];
}

/** The client sessions that are told of a key, each once. */
export function listenersOf(references: References, key: string): Iterable<string> {
  const holders = references.holders.get(key);
  if (holders === undefined) return NOBODY;
  if (holders.size === 1) {
    for (const told of holders.values()) return told === undefined ? NOBODY : [told];
  }
  const listeners = [...holders.values()].filter((told) => told !== undefined);
  return listeners.length > 1 ? new Set(listeners) : listeners;
}

/** What a holder holds. */
export function targetsOf(references: References, holder: Holder): string[] {
  return [...references.targets.get(holder) ?? []];
}

/** Whether anyone holds a key. Whether it must live, `liveness.ts` finds out. */
export function isHeld(references: References, key: string): boolean {
  return references.holders.has(key);
}

const NOBODY: readonly string[] = Object.freeze([]);
