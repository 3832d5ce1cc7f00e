/**
 * How long calls take that are made one after another, with pauses.
 *
 * @module
 */

/** Options of {@linkcode spacedCalls}. */
export interface SpacedOptions {
  /** For how long calls are made. */
  readonly milliseconds: number;
  /** The pause between them, in milliseconds. */
  readonly every: number;
}

/** Makes calls, and gives their times in milliseconds. */
export async function spacedCalls(call: () => PromiseLike<unknown>, options: SpacedOptions): Promise<number[]> {
  const times: number[] = [];
  const end = performance.now() + options.milliseconds;
  while (performance.now() < end) {
    const start = performance.now();
    await call();
    times.push(performance.now() - start);
    await new Promise((resolve) => setTimeout(resolve, options.every));
  }
  return times;
}

/** The value below which a share of them lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
