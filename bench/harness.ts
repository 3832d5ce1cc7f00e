/**
 * How everything is measured: case by case in turn, in many short rounds, so that whatever the machine does meanwhile
 * hits all of them alike. Cases are compared round by round, by the median of the ratios.
 *
 * @module
 */

import type { Tree } from "./tree.ts";

/** What a figure should reach. */
export interface Goal {
  /** Which number: the value, its ratio to that of another case, or the ratio of the 99th percentiles. @default "ratio" */
  readonly of?: "value" | "ratio" | "p99Ratio";
  /** The bound from above. */
  readonly atMost?: number;
  /** The bound from below. */
  readonly atLeast?: number;
}

/** One thing that is measured. */
export interface Case {
  /** What it is, for people. Cases of different trees share their name. */
  readonly name: string;
  /** What its values are in. @default "ms" */
  readonly unit?: string;
  /** The tree whose code it runs; left out for peers and for what the machine itself can do. */
  readonly tree?: Tree;
  /** How many values are taken in each round. @default 1 */
  readonly count?: number;
  /** Takes `count` values, one after another. */
  readonly measure: (count: number) => Promise<ArrayLike<number>>;
  /** The name of the case with which it is compared: one of the same tree, or of none. Peers are compared with the work tree. */
  readonly to?: string;
  /** What it should reach. */
  readonly goal?: Goal;
}

/** What was measured. */
export interface Figure {
  /** Name of the case. */
  readonly name: string;
  /** What `value` and `p99` are in. */
  readonly unit: string;
  /** How many values were taken. */
  readonly samples: number;
  /** The median. */
  readonly value: number;
  /** The 99th percentile; left out where fewer than 100 values were taken. */
  readonly p99?: number;
  /** The case with which it was compared. */
  readonly to?: string;
  /** How many times the value of that case: the median of all rounds. */
  readonly ratio?: number;
  /** The ratio of the 99th percentiles. */
  readonly p99Ratio?: number;
  /** How many times the value of the base revision, where there is one: the median of all rounds. */
  readonly toBase?: number;
  /** The smallest and the largest third of the rounds are outside of this range of `toBase`. */
  readonly toBaseRange?: readonly [number, number];
  /** What it should reach. */
  readonly goal?: Goal;
  /** Whether it does. */
  readonly met?: boolean;
}

/** How often everything is repeated. */
export interface Repetition {
  /** How many rounds count. */
  readonly rounds: number;
  /** How many rounds are for warming up, before those. */
  readonly warmUp: number;
}

/** A case that awaits one operation after another and takes the time of each, in milliseconds. */
export function timed(run: () => PromiseLike<unknown>): Case["measure"] {
  return async (count) => {
    const times = new Float64Array(count);
    for (let index = 0; index < count; index++) {
      const start = performance.now();
      await run();
      times[index] = performance.now() - start;
    }
    return times;
  };
}

/** A case that takes operations a second: `run` does as many as it is told, all at once or however it likes. */
export function rate(operations: number, run: (operations: number) => PromiseLike<unknown>): Case["measure"] {
  return async (count) => {
    const rates = new Float64Array(count);
    for (let index = 0; index < count; index++) {
      const start = performance.now();
      await run(operations);
      rates[index] = operations / (performance.now() - start) * 1000;
    }
    return rates;
  };
}

/**
 * A case with load from outside: an operation is begun every `1000 / perSecond` milliseconds, whether or not those before
 * it have ended, and its time runs from the moment at which it was due. So what waits in a queue counts, which a caller
 * that waits for each answer never sees.
 */
export function openLoop(perSecond: number, run: () => PromiseLike<unknown>): Case["measure"] {
  return async (count) => {
    const times = new Float64Array(count);
    const ended: PromiseLike<unknown>[] = [];
    const begin = performance.now();
    for (let index = 0; index < count; index++) {
      const due = begin + index * 1000 / perSecond;
      // A timer is too coarse: turns of the event loop go by until the time has come.
      while (performance.now() < due) await nextTurn();
      ended.push(
        run().then(() => {
          times[index] = performance.now() - due;
        }),
      );
    }
    await Promise.all(ended);
    return times;
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** The value below which `share` of all values are. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}

/** The value in the middle. */
export function median(values: ArrayLike<number>): number {
  return quantile(values, 0.5);
}

/** What one case gave, round by round. */
type Rounds = ArrayLike<number>[];

/** Measures all cases, in turn. */
export async function interleave(cases: readonly Case[], { rounds, warmUp }: Repetition): Promise<Figure[]> {
  const results = new Map<Case, Rounds>(cases.map((one) => [one, []]));
  for (let round = -warmUp; round < rounds; round++) {
    // Nobody always comes after the same other one.
    const order = round % 2 === 0 ? cases : cases.toReversed();
    for (const one of order) {
      const values = await one.measure(one.count ?? 1);
      if (round >= 0) results.get(one)!.push(values);
    }
  }
  return figuresOf(results);
}

/** The figures of what was measured; those of a base revision stand with the figure of the same name. */
export function figuresOf(results: ReadonlyMap<Case, Rounds>): Figure[] {
  const figures: Figure[] = [];
  for (const [one, rounds] of results) {
    if (one.tree?.base) continue;
    const all = rounds.flatMap((values) => Array.from(values));
    const base = find(results, (other) => other.name === one.name && other.tree?.base === true);
    const to = one.to === undefined ? undefined : find(
      results,
      (other) => other.name === one.to && (one.tree ? !other.tree || other.tree === one.tree : !other.tree?.base),
    );
    if (one.to !== undefined && to === undefined) throw new Error(`There is no case ${one.to} to compare with`);
    const toBase = base && ratios(rounds, base).sort();
    const figure = {
      name: one.name,
      unit: one.unit ?? "ms",
      samples: all.length,
      value: median(all),
      ...(all.length >= 100 ? { p99: quantile(all, 0.99) } : {}),
      ...(to && to !== rounds ? { to: one.to!, ...comparison(rounds, to) } : {}),
      ...(toBase
        ? { toBase: median(toBase), toBaseRange: [quantile(toBase, 1 / 3), quantile(toBase, 2 / 3)] as const }
        : {}),
    };
    figures.push(one.goal ? { ...figure, goal: one.goal, met: isMet(figure, one.goal) } : figure);
  }
  return figures;
}

function find(results: ReadonlyMap<Case, Rounds>, wanted: (one: Case) => boolean): Rounds | undefined {
  for (const [one, rounds] of results) if (wanted(one)) return rounds;
  return undefined;
}

function comparison(rounds: Rounds, to: Rounds): Pick<Figure, "ratio" | "p99Ratio"> {
  const [all, allTo] = [rounds, to].map((values) => values.flatMap((round) => Array.from(round)));
  const p99Ratio = all!.length >= 100 && allTo!.length >= 100
    ? { p99Ratio: quantile(all!, 0.99) / quantile(allTo!, 0.99) }
    : {};
  return { ratio: median(ratios(rounds, to)), ...p99Ratio };
}

function ratios(rounds: Rounds, to: Rounds): Float64Array {
  return Float64Array.from(rounds, (values, round) => median(values) / median(to[round] ?? []));
}

function isMet(figure: Pick<Figure, "value" | "ratio" | "p99Ratio">, goal: Goal): boolean {
  const reached = figure[goal.of ?? "ratio"] ?? NaN;
  return reached <= (goal.atMost ?? Infinity) && reached >= (goal.atLeast ?? -Infinity);
}
