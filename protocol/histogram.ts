/**
 * Histograms of times: counts in buckets whose bounds grow by a fourth of an octave, so that a quantile is known to a
 * tenth of itself, whether it is microseconds or minutes.
 *
 * Bucket 0 holds what took less than a microsecond, bucket `i` what took from 2^((i-1)/4) up to 2^(i/4) microseconds,
 * and the last one everything longer.
 *
 * @module
 */

/** How many buckets a histogram has. The last one begins at about 50 minutes. */
export const BUCKETS = 128;

/** A fourth of an octave. */
const STEPS_PER_OCTAVE = 4;

/** Counts by bucket, of {@linkcode BUCKETS} entries. */
export type Histogram = Float64Array | number[];

/** The buckets that are not empty, as `[bucket, count, bucket, count, …]` in ascending order. */
export type SparseHistogram = readonly number[];

/** The bucket of a time in milliseconds. */
export function bucketOf(milliseconds: number): number {
  if (!(milliseconds >= 0.001)) return 0;
  const bucket = 1 + Math.floor(Math.log2(milliseconds * 1000) * STEPS_PER_OCTAVE);
  return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/** Where a bucket begins, in milliseconds. */
export function lowerBound(bucket: number): number {
  return bucket <= 0 ? 0 : 2 ** ((bucket - 1) / STEPS_PER_OCTAVE) / 1000;
}

/** Where a bucket ends, in milliseconds; the last one never does. */
export function upperBound(bucket: number): number {
  return bucket >= BUCKETS - 1 ? Infinity : lowerBound(bucket + 1);
}

/** A histogram of nothing. */
export function createHistogram(): Float64Array {
  return new Float64Array(BUCKETS);
}

/** How many times it holds. */
export function countOf(histogram: Histogram): number {
  let count = 0;
  for (let bucket = 0; bucket < histogram.length; bucket++) count += histogram[bucket]!;
  return count;
}

/** Adds the counts of another. */
export function addHistogram(to: Histogram, other: Histogram): void {
  for (let bucket = 0; bucket < BUCKETS; bucket++) to[bucket]! += other[bucket] ?? 0;
}

/** What was counted since an earlier state of the same histogram. */
export function differenceOf(now: Histogram, earlier: Histogram): Float64Array {
  const difference = createHistogram();
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    difference[bucket] = Math.max(0, (now[bucket] ?? 0) - (earlier[bucket] ?? 0));
  }
  return difference;
}

/**
 * The time below which a share of all times lies, in milliseconds; `undefined` where there are none. It is off by less
 * than a tenth: within a bucket, times count as spread evenly on a logarithmic scale.
 *
 * @param share From 0 to 1: 0.5 for the median.
 */
export function quantileOf(histogram: Histogram, share: number): number | undefined {
  const count = countOf(histogram);
  if (count === 0) return undefined;
  const wanted = Math.min(1, Math.max(0, share)) * count;
  let passed = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const here = histogram[bucket] ?? 0;
    if (here === 0 || passed + here < wanted) {
      passed += here;
      continue;
    }
    return between(bucket, (wanted - passed) / here);
  }
  return lowerBound(BUCKETS - 1);
}

/** The form that travels. */
export function toSparse(histogram: Histogram): number[] {
  const sparse: number[] = [];
  for (let bucket = 0; bucket < histogram.length; bucket++) {
    if (histogram[bucket]! > 0) sparse.push(bucket, histogram[bucket]!);
  }
  return sparse;
}

/** The histogram of a form that travelled. What is no bucket is passed over: a peer may say anything. */
export function fromSparse(sparse: SparseHistogram): Float64Array {
  const histogram = createHistogram();
  for (let index = 0; index + 1 < sparse.length; index += 2) {
    const bucket = sparse[index]!;
    if (Number.isInteger(bucket) && bucket >= 0 && bucket < BUCKETS) histogram[bucket]! += sparse[index + 1]!;
  }
  return histogram;
}

function between(bucket: number, share: number): number {
  if (bucket === 0) return upperBound(0) * share;
  const from = lowerBound(bucket);
  return bucket === BUCKETS - 1 ? from : from * 2 ** (share / STEPS_PER_OCTAVE);
}
