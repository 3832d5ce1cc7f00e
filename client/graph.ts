/**
 * Graphs: from nodes to submissions, each after what it depends on.
 *
 * @module
 */

import { nodeLink } from "./brands.ts";
import type { ClientSession } from "./client_session.ts";
import type { Delayed, GraphNode } from "./delayed.ts";
import { describeValue, isPlainObject, targetName } from "./describe_value.ts";
import type { FutureControl } from "./future.ts";
import type { HeldKey } from "./held_key.ts";
import type { Reference } from "./held_keys.ts";
import { createPureKey, createSubmitBody, type SubmissionOptions } from "./submission.ts";
import { isClass, type ResolvedTarget } from "./targets.ts";
import type { ComputeOptions } from "./types.ts";

/** What {@linkcode computeGraph} needs. */
export interface GraphOptions {
  /** Names in errors what was called. */
  readonly what: string;
  /** Who submits. */
  readonly session: ClientSession;
  /** Finds out where workers find a target. */
  readonly resolve: (target: unknown, options: SubmissionOptions) => ResolvedTarget;
}

/**
 * Submits a graph and gives a future for each of `nodes`.
 *
 * What this client holds already is not submitted again. All targets are looked at before the first is submitted.
 *
 * @throws {TypeError} Where something is no node, a class is not marked as an actor, or arguments hold themselves.
 */
export function computeGraph(
  nodes: readonly Delayed<unknown>[],
  options: ComputeOptions,
  { what, session, resolve }: GraphOptions,
): FutureControl<unknown>[] {
  const outputs = new Set(nodes.map((node) => nodeOf(node, what)));
  const marked = findMarked(options.actors, outputs, what);
  const order = sortGraph(outputs, (node) => findHeld(session, node, asOf(session, node, marked)) !== undefined, what);
  for (const node of marked) {
    if (!order.has(node)) throw new TypeError(`${what}: actors has ${node.name}, which is no part of the graph`);
  }

  const { actors: _actors, detached, signal: _signal, ...shared } = options;
  const plans = [...order].map(([node, inputs]): Plan => {
    const as = asOf(session, node, marked);
    const held = findHeld(session, node, as);
    if (held) {
      node.useKey(held.key, as);
      return { node, inputs, submit: () => session.hold(held) };
    }
    const own: SubmissionOptions = {
      ...shared,
      ...node.options,
      actor: as === "actor",
      repeatable: node.options.pure ?? true,
      detached: outputs.has(node) ? detached : undefined,
    };
    if (as === "task" && isClass(node.target)) {
      const name = targetName(node.target);
      throw new TypeError(
        `${what}: ${name} is a class: mark its node as an actor, delayed(${name}, { actor: true }), or give it in actors`,
      );
    }
    const target = resolve(node.target, own);
    return { node, inputs, submit: () => submitNode(session, node, as, target, own) };
  });

  const references = new Map<GraphNode, Reference>();
  const failures = new Map<GraphNode, Error>();
  for (const { node, inputs, submit } of plans) {
    try {
      for (const input of inputs) if (failures.has(input)) throw failures.get(input);
      references.set(node, submit());
    } catch (error) {
      failures.set(node, error instanceof Error ? error : new Error(String(error)));
    }
  }
  const futures = nodes.map((output) => {
    const node = nodeOf(output, what);
    const reference = references.get(node);
    if (reference) return session.createFuture(session.hold(reference.held));
    return session.createFailedFuture(node.keys[0] ?? session.createKey("delayed"), failures.get(node)!);
  });
  // What is only on the way to others lives as long as they need it.
  for (const { release } of references.values()) release();
  return futures;
}

/** The node behind its public face. */
export function nodeOf(value: unknown, what: string): GraphNode {
  const link = nodeLink(value);
  if (link === undefined) throw new TypeError(`${what} takes nodes that delayed() made, got ${describeValue(value)}`);
  return link as GraphNode;
}

interface Plan {
  readonly node: GraphNode;
  readonly inputs: readonly GraphNode[];
  readonly submit: () => Reference;
}

/** A node of a class that was persisted as an actor is one without being marked again. */
function asOf(session: ClientSession, node: GraphNode, marked: ReadonlySet<GraphNode>): "task" | "actor" {
  if (node.options.actor || marked.has(node)) return "actor";
  return isClass(node.target) && findHeld(session, node, "actor") ? "actor" : "task";
}

function findHeld(session: ClientSession, node: GraphNode, as: "task" | "actor"): HeldKey | undefined {
  const key = node.keyAs[as];
  const held = key === undefined ? undefined : session.find(key);
  return held?.over ? undefined : held;
}

function submitNode(
  session: ClientSession,
  node: GraphNode,
  as: "task" | "actor",
  target: ResolvedTarget,
  options: SubmissionOptions,
): Reference {
  const args = session.encode(node.args, "args");
  const body = createSubmitBody(target, options);
  const name = node.options.key ?? target.name;
  const key = node.options.pure ? createPureKey(name, body, args) : node.keyAs[as] ?? session.createKey(name);
  const reference = session.submit(key, body, args);
  node.useKey(key, as);
  return reference;
}

function findMarked(
  actors: ComputeOptions["actors"],
  outputs: ReadonlySet<GraphNode>,
  what: string,
): ReadonlySet<GraphNode> {
  if (actors === undefined) return new Set();
  if (actors === true) return outputs;
  if (nodeLink(actors)) return new Set([nodeOf(actors, what)]);
  if (actors === null || !(Symbol.iterator in actors)) {
    throw new TypeError(`${what}: actors has to be true, a node or an iterable of nodes, got ${describeValue(actors)}`);
  }
  return new Set(Array.from(actors, (node) => nodeOf(node, `${what}: actors`)));
}

/** All nodes with their inputs, each after those. What is before a node that is there already is not looked at. */
function sortGraph(
  outputs: ReadonlySet<GraphNode>,
  isThere: (node: GraphNode) => boolean,
  what: string,
): ReadonlyMap<GraphNode, readonly GraphNode[]> {
  const order = new Map<GraphNode, readonly GraphNode[]>();
  /** Those whose inputs are being looked at. */
  const open = new Map<GraphNode, readonly GraphNode[]>();
  // A graph may be deeper than the stack of calls.
  const stack = [...outputs].reverse();
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    const known = open.get(node);
    if (known || order.has(node)) {
      stack.pop();
      open.delete(node);
      if (known) order.set(node, known);
      continue;
    }
    const inputs = isThere(node) ? [] : findNodes(node.args, what);
    // The last that is pushed is looked at first.
    for (const input of inputs.toReversed()) {
      if (input === node || open.has(input)) throw new TypeError(`${what}: ${node.name} depends on itself`);
      if (!order.has(input)) stack.push(input);
    }
    open.set(node, inputs);
  }
  return order;
}

/** The nodes among arguments, wherever the codec would look. */
function findNodes(args: readonly unknown[], what: string): GraphNode[] {
  const found = new Set<GraphNode>();
  const ancestors = new Set<unknown>();

  function look(value: unknown): void {
    if (typeof value !== "object" || value === null) return;
    if (nodeLink(value)) {
      found.add(nodeOf(value, what));
      return;
    }
    const members = membersOf(value);
    if (members === undefined) return;
    if (ancestors.has(value)) throw new TypeError(`${what}: cannot follow arguments that hold themselves`);
    ancestors.add(value);
    for (const member of members) look(member);
    ancestors.delete(value);
  }

  look(args);
  return [...found];
}

function membersOf(value: object): Iterable<unknown> | undefined {
  if (Array.isArray(value) || value instanceof Set) return value;
  if (value instanceof Map) return [...value].flat(1);
  return isPlainObject(value) ? Object.values(value) : undefined;
}
