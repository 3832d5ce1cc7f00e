/**
 * What one host has counted, over all of its isolates: those that run, and those that have ended.
 *
 * @module
 */

import {
  addByName,
  type ClassCounters,
  endedCounters,
  type HostReport,
  type MethodCounters,
} from "../protocol/report.ts";
import { TASKS } from "./call_counters.ts";
import type { ActorCounts, CounterTable } from "./counter_table.ts";

/** An isolate that counts. */
interface Counting {
  /** Its id within the host. */
  readonly home: string;
  /** Its counts. */
  readonly counters: CounterTable;
  /** Resolves when it has ended. */
  readonly ended: Promise<unknown>;
}

/** Sums by class name; tasks under {@linkcode TASKS}. */
type Sums = Map<string, { actors: number; readonly methods: Map<string, MethodCounters> }>;

/** The counters of one host. */
export class HostCounters {
  readonly #running = new Map<CounterTable, string>();
  /** What isolates counted that have ended. */
  readonly #past: Sums = new Map();
  #pastUnhandled = 0;
  /** What was reported last, by class and method, as text: to tell what changed. */
  readonly #reported = new Map<string, string>();

  /** Counts an isolate in, for as long as it runs; what it has counted stays. */
  add({ home, counters, ended }: Counting): void {
    this.#running.set(counters, home);
    ended.then(() => {
      this.#running.delete(counters);
      this.#pastUnhandled += addTo(this.#past, counters, endedCounters);
      for (const sum of this.#past.values()) sum.actors = 0;
    });
  }

  /** All sums, as they are now. */
  read(): { readonly classes: ClassCounters[]; readonly tasks: MethodCounters[]; readonly unhandled: number } {
    const sums: Sums = new Map();
    for (const [name, { methods }] of this.#past) sums.set(name, { actors: 0, methods: new Map(methods) });
    let unhandled = this.#pastUnhandled;
    for (const counters of this.#running.keys()) unhandled += addTo(sums, counters, (method) => method);
    const tasks = [...sums.get(TASKS)?.methods.values() ?? []];
    sums.delete(TASKS);
    const classes = [...sums].map(([className, { actors, methods }]) => {
      const list = [...methods.values()];
      return { className, actors, calls: total(list, "calls"), errors: total(list, "errors"), methods: list };
    });
    return { classes, tasks, unhandled };
  }

  /** The sums that have changed since this was last asked for. */
  changes(): Pick<HostReport, "classes" | "tasks" | "unhandled"> {
    const { classes, tasks, unhandled } = this.read();
    const changed = classes.flatMap((counters) => {
      const { className, actors, methods = [] } = counters;
      const changes = methods.filter((method) => this.#isNew(`${className}\n${method.name}`, textOf(method)));
      const isOther = this.#isNew(className, String(actors));
      return isOther || changes.length > 0 ? [{ ...counters, methods: changes }] : [];
    });
    return { classes: changed, tasks: tasks.filter((task) => this.#isNew(`\n${task.name}`, textOf(task))), unhandled };
  }

  /** What is counted of each actor, with the isolate in which it lives. */
  *actors(): Generator<ActorCounts & { readonly home: string }> {
    for (const [counters, home] of this.#running) for (const actor of counters.actors()) yield { ...actor, home };
  }

  #isNew(id: string, text: string): boolean {
    if ((this.#reported.get(id) ?? NOTHING) === text) return false;
    this.#reported.set(id, text);
    return true;
  }
}

/** A method that was never called is no news. */
const NOTHING = "0 0 0 0";

/** Whatever changes changes one of these. */
function textOf({ calls, inFlight, queued, runningTime }: MethodCounters): string {
  return `${calls} ${inFlight} ${queued} ${runningTime}`;
}

/** Adds all counts of an isolate; gives its errors outside of calls. */
function addTo(sums: Sums, counters: CounterTable, change: (method: MethodCounters) => MethodCounters): number {
  const { classes, tasks, unhandled } = counters.read();
  for (const { className, actors, methods = [] } of [...classes, { className: TASKS, actors: 0, methods: tasks }]) {
    let sum = sums.get(className);
    if (sum === undefined) sums.set(className, sum = { actors: 0, methods: new Map() });
    sum.actors += actors;
    addByName(sum.methods, methods.map(change));
  }
  return unhandled;
}

function total(methods: readonly MethodCounters[], field: "calls" | "errors"): number {
  return methods.reduce((sum, method) => sum + method[field], 0);
}
