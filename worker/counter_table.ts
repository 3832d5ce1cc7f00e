/**
 * The host's view of what one isolate counts: reads the memory that the isolate shares with it.
 *
 * @module
 */

import { BUCKETS, countOf, toSparse } from "../protocol/histogram.ts";
import type { ClassCounters, MethodCounters } from "../protocol/report.ts";
import {
  ACTOR_FIELDS,
  ACTOR_SIZE,
  type CounterNews,
  METHOD_FIELDS,
  QUEUEING_AT,
  RUNNING_AT,
  TASKS,
} from "./call_counters.ts";

/** What an isolate has counted since it started. */
export interface IsolateCounters {
  /** By class, with all of its methods. */
  readonly classes: readonly ClassCounters[];
  /** Functions that ran as tasks. */
  readonly tasks: readonly MethodCounters[];
  /** Errors outside of any call: floating rejections, errors in timers. */
  readonly unhandled: number;
}

/** What is counted of one actor, and what it does now. */
export interface ActorCounts extends Readonly<Record<Exclude<(typeof ACTOR_FIELDS)[number], "lastMethod">, number>> {
  readonly key: string;
  readonly className: string;
  /** The method that started last; `undefined` before the first. */
  readonly method: string | undefined;
  /** Whether that is a sync method. */
  readonly sync: boolean;
}

interface Method {
  readonly name: string;
  readonly sync: boolean;
  readonly counts: Float64Array;
}

interface CountedActor {
  readonly key: string;
  readonly className: string;
  readonly block: number;
  readonly slot: number;
}

/** The counts of one isolate. */
export class CounterTable {
  readonly #classes = new Map<string, Method[]>();
  readonly #methods: Method[] = [];
  readonly #blocks: Float64Array[] = [];
  /** By incarnation. */
  readonly #actors = new Map<string, CountedActor>();
  #unhandled: Float64Array | undefined;

  /** Takes note of what the isolate says. */
  apply(news: CounterNews): void {
    switch (news.type) {
      case "method": {
        const method = { name: news.name, sync: news.sync, counts: new Float64Array(news.memory) };
        this.#methods[news.number] = method;
        this.#methodsOf(news.className).push(method);
        return;
      }
      case "actor": {
        const { key, incarnation, className, block, slot, memory } = news;
        if (memory) this.#blocks[block] = new Float64Array(memory);
        this.#actors.set(incarnation, { key, className, block, slot });
        return;
      }
      case "actorEnded":
        this.#actors.delete(news.incarnation);
        return;
      case "unhandled":
        this.#unhandled = new Float64Array(news.memory);
        return;
    }
  }

  /** All counts, as they are now. */
  read(): IsolateCounters {
    const actors = new Map<string, number>();
    for (const { className } of this.#actors.values()) actors.set(className, (actors.get(className) ?? 0) + 1);
    const classes: ClassCounters[] = [];
    // A class whose methods are counted with others has its actors here all the same.
    for (const name of actors.keys()) this.#methodsOf(name);
    for (const [className, methods] of this.#classes) {
      if (className === TASKS) continue;
      const read = methods.map(readMethod);
      const calls = read.reduce((sum, method) => sum + method.calls, 0);
      const errors = read.reduce((sum, method) => sum + method.errors, 0);
      classes.push({ className, actors: actors.get(className) ?? 0, calls, errors, methods: read });
    }
    return { classes, tasks: (this.#classes.get(TASKS) ?? []).map(readMethod), unhandled: this.#unhandled?.[0] ?? 0 };
  }

  /** What is counted of each actor. */
  *actors(): Generator<ActorCounts> {
    for (const { key, className, block, slot } of this.#actors.values()) {
      const { lastMethod, ...read } = Object.fromEntries(
        ACTOR_FIELDS.map((name, index) => [name, this.#blocks[block]![slot * ACTOR_SIZE + index]!]),
      ) as Record<(typeof ACTOR_FIELDS)[number], number>;
      const method = this.#methods[lastMethod - 1];
      yield { key, className, ...read, method: method?.name, sync: method?.sync ?? false };
    }
  }

  #methodsOf(className: string): Method[] {
    let methods = this.#classes.get(className);
    if (methods === undefined) this.#classes.set(className, methods = []);
    return methods;
  }
}

function readMethod({ name, counts }: Method): MethodCounters {
  const read = Object.fromEntries(METHOD_FIELDS.map((field, index) => [field, counts[index]!])) as Record<
    (typeof METHOD_FIELDS)[number],
    number
  >;
  const queueing = counts.slice(QUEUEING_AT, QUEUEING_AT + BUCKETS);
  // Calls that did not wait are not counted there one by one.
  queueing[0]! += Math.max(0, read.calls - countOf(queueing));
  return {
    ...read,
    name,
    running: toSparse(counts.subarray(RUNNING_AT, RUNNING_AT + BUCKETS)),
    queueing: toSparse(queueing),
  };
}
