/**
 * Nodes of graphs: calls that are written down now and run by `client.compute` or `client.persist`.
 *
 * @module
 */

import { checkDelayedOptions } from "./arguments.ts";
import { DENO_INSPECT, NODE_INSPECT, type NodeLink, REFERENCE } from "./brands.ts";
import { describeValue, targetName } from "./describe_value.ts";
import type { Actor, ActorTarget, DelayedOptions, Future, NodeArgs, TaskTarget } from "./types.ts";

/** A node behind its public face. */
export class GraphNode implements NodeLink {
  readonly kind = "node";
  /** What runs. */
  readonly target: unknown;
  /** What it runs with. */
  readonly args: readonly unknown[];
  /** Checked. */
  readonly options: DelayedOptions & { actor?: boolean };
  /** Keys that it was computed under, the latest first: as a task and as an actor it has different ones. */
  readonly keys: string[] = [];
  /** The key of each of the two. */
  readonly keyAs: { task?: string; actor?: string } = {};
  /** Futures that `persist` holds. */
  readonly persisted = new Map<object, Future<unknown>>();

  constructor(target: unknown, args: readonly unknown[], options: DelayedOptions & { actor?: boolean }) {
    this.target = target;
    this.args = args;
    this.options = options;
  }

  get name(): string {
    return `<Delayed: ${targetName(this.target)}${this.keys[0] === undefined ? "" : `, key=${this.keys[0]}`}>`;
  }

  /** It runs under this key, from now on. */
  useKey(key: string, as: "task" | "actor"): void {
    this.keyAs[as] = key;
    const index = this.keys.indexOf(key);
    if (index >= 0) this.keys.splice(index, 1);
    this.keys.unshift(key);
  }
}

let createDelayed: (node: GraphNode) => Delayed<never>;

/**
 * A node of a graph. Nothing runs before `client.compute` or `client.persist`. A node is no promise, and has none of the
 * methods of what it stands for: give it to other nodes.
 */
export class Delayed<out T> {
  static {
    createDelayed = (node) => new Delayed(node);
    for (const inspect of [DENO_INSPECT, NODE_INSPECT]) {
      Object.defineProperty(this.prototype, inspect, { value: this.prototype.toString });
    }
  }

  /** Makes nodes of different values different types. */
  readonly #value?: T;
  readonly #node: GraphNode;

  private constructor(node: GraphNode) {
    this.#node = node;
    // For other parts of the library, also other copies.
    Object.defineProperty(this, REFERENCE, { value: node });
  }

  /** The key under which it was computed last; empty before. */
  get key(): string {
    return this.#node.keys[0] ?? "";
  }

  /** A text for people. */
  toString(): string {
    return this.#node.name;
  }

  /** The text. */
  toJSON(): string {
    return this.toString();
  }
}

/**
 * Makes nodes of graphs: `delayed(target)(…args)` is a node whose arguments may be nodes, alone or in arrays and
 * objects, and futures.
 *
 * A class becomes an actor: mark it where it is made, with `{ actor: true }`, or where it is computed, with the option
 * `actors`. Tasks that take its node get its handle; in which order tasks of one graph call it is not defined.
 *
 * @example
 * ```ts ignore
 * import { Client, delayed } from "@troupe/troupe";
 *
 * const parts = [1, 2, 3].map((n) => delayed((n: number) => n * n)(n));
 * const total = delayed((numbers: number[]) => numbers.reduce((sum, n) => sum + n))(parts);
 *
 * await using client = await Client.connect();
 * console.log(await client.compute(total)); // 14
 * ```
 *
 * @throws {TypeError} Where the target or an option is none.
 */
export function delayed<A extends unknown[], T extends object>(
  target: new (...args: A) => T,
  options?: DelayedOptions & { actor?: true },
): (...args: NodeArgs<A>) => Delayed<Actor<T>>;
/** As above, for a function that makes the object that becomes the actor. */
export function delayed<A extends unknown[], T extends object>(
  target: ActorTarget<A, T>,
  options: DelayedOptions & { actor: true },
): (...args: NodeArgs<A>) => Delayed<Actor<T>>;
/** As above, for a task. */
export function delayed<A extends unknown[], R>(
  target: TaskTarget<A, R>,
  options?: DelayedOptions & { actor?: false },
): (...args: NodeArgs<A>) => Delayed<Awaited<R>>;
export function delayed(target: unknown, options?: unknown): unknown {
  if (typeof target !== "function" && typeof target !== "string" && !(target instanceof URL)) {
    throw new TypeError(`delayed: a target is a class, a function or the URL of one, got ${describeValue(target)}`);
  }
  const checked = checkDelayedOptions(`delayed(${targetName(target)})`, options);
  return (...args: unknown[]) => createDelayed(new GraphNode(target, args, checked));
}
