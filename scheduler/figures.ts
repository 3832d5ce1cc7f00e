/**
 * What hosts have counted of calls and tasks, as far as they have reported it.
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

/** Counts of one host, or of those that are gone. */
export interface Figures {
  /** By class. */
  readonly classes: Map<string, { actors: number; readonly methods: Map<string, MethodCounters> }>;
  /** Functions that ran as tasks. */
  readonly tasks: Map<string, MethodCounters>;
  /** Errors outside of any call. */
  unhandled: number;
}

/** Counts of nothing. */
export function createFigures(): Figures {
  return { classes: new Map(), tasks: new Map(), unhandled: 0 };
}

/** Takes in what a host says: it names what has changed, and all counts of that. */
export function takeReport(figures: Figures, { classes, tasks = [], unhandled = 0 }: HostReport): void {
  for (const { className, actors, methods = [] } of classes) {
    const known = classOf(figures, className);
    known.actors = actors;
    for (const method of methods) known.methods.set(method.name, method);
  }
  for (const task of tasks) figures.tasks.set(task.name, task);
  figures.unhandled = unhandled;
}

/** Keeps what a host counted that is gone: sums of a cluster never go down. */
export function keepFigures(past: Figures, ended: Figures): void {
  for (const [className, { methods }] of ended.classes) {
    addByName(classOf(past, className).methods, [...methods.values()].map(endedCounters));
  }
  addByName(past.tasks, [...ended.tasks.values()].map(endedCounters));
  past.unhandled += ended.unhandled;
}

/** The sums of several. */
export function sumFigures(all: Iterable<Figures>): Figures {
  const sum = createFigures();
  for (const { classes, tasks, unhandled } of all) {
    for (const [className, { actors, methods }] of classes) {
      const known = classOf(sum, className);
      known.actors += actors;
      addByName(known.methods, methods.values());
    }
    addByName(sum.tasks, tasks.values());
    sum.unhandled += unhandled;
  }
  return sum;
}

/** The classes of figures, with their methods in the order of their names. */
export function listClasses({ classes }: Figures): (ClassCounters & { methods: MethodCounters[] })[] {
  return [...classes].map(([className, { actors, methods }]) => {
    const list = [...methods.values()].sort(byName);
    const total = (field: "calls" | "errors") => list.reduce((sum, method) => sum + method[field], 0);
    return { className, actors, calls: total("calls"), errors: total("errors"), methods: list };
  }).sort((one, other) => one.className < other.className ? -1 : 1);
}

/** The functions of figures, in the order of their names. */
export function listTasks({ tasks }: Figures): MethodCounters[] {
  return [...tasks.values()].sort(byName);
}

function byName(one: MethodCounters, other: MethodCounters): number {
  return one.name < other.name ? -1 : 1;
}

function classOf({ classes }: Figures, className: string): { actors: number; methods: Map<string, MethodCounters> } {
  let known = classes.get(className);
  if (known === undefined) classes.set(className, known = { actors: 0, methods: new Map() });
  return known;
}
