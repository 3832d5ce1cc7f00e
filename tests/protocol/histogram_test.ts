import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import {
  addHistogram,
  bucketOf,
  BUCKETS,
  countOf,
  createHistogram,
  differenceOf,
  fromSparse,
  lowerBound,
  quantileOf,
  toSparse,
  upperBound,
} from "../../protocol/histogram.ts";

/** From 1 ns to 11 days. */
const time = fc.double({ min: 1e-6, max: 1e9, noNaN: true });
const times = fc.array(time, { maxLength: 200 });

function histogramOf(values: readonly number[]): Float64Array {
  const histogram = createHistogram();
  for (const value of values) histogram[bucketOf(value)]!++;
  return histogram;
}

describe("a histogram", () => {
  it("puts a time into the bucket whose bounds are around it", () => {
    fc.assert(fc.property(time, (value) => {
      const bucket = bucketOf(value);
      // Bounds are powers with a fraction in the exponent: the last digit may be off.
      assert(lowerBound(bucket) <= value * (1 + 1e-12));
      assert(value * (1 - 1e-12) < upperBound(bucket));
    }));
  });

  it("has buckets for everything that a clock could say", () => {
    assertEquals([0, -1, NaN, 1e-9, 0.000999].map(bucketOf), [0, 0, 0, 0, 0]);
    assertEquals([bucketOf(0.001), bucketOf(Infinity), bucketOf(1e12)], [1, BUCKETS - 1, BUCKETS - 1]);
    assertEquals(upperBound(BUCKETS - 1), Infinity);
  });

  it("gives quantiles that are off by less than a tenth, and none of nothing", () => {
    const bounded = fc.array(fc.double({ min: 0.001, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(fc.property(bounded, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
      const sorted = values.toSorted((a, b) => a - b);
      const exact = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
      const found = quantileOf(histogramOf(values), share)!;
      // A bucket is 19 % wide: what lies in it is found within it.
      assert(found >= exact / 1.2 && found <= exact * 1.2, `${found} for ${exact}`);
    }));
    assertEquals(quantileOf(createHistogram(), 0.5), undefined);
    const even = quantileOf(histogramOf(Array.from({ length: 10_000 }, (_, index) => 1 + index / 1000)), 0.5)!;
    assert(Math.abs(even - 6) < 0.6, `${even}`);
  });

  it("never gives a smaller quantile for a larger share", () => {
    fc.assert(fc.property(times, fc.double({ min: 0, max: 1, noNaN: true }), (values, share) => {
      const histogram = histogramOf(values);
      assert((quantileOf(histogram, share * 0.9) ?? 0) <= (quantileOf(histogram, share) ?? 0));
    }));
  });

  it("of two sums is the sum of two, and the difference takes one away again", () => {
    fc.assert(fc.property(times, times, (ones, others) => {
      const sum = histogramOf(ones);
      addHistogram(sum, histogramOf(others));
      assertEquals(sum, histogramOf([...ones, ...others]));
      assertEquals(differenceOf(sum, histogramOf(ones)), histogramOf(others));
      assertEquals(countOf(sum), ones.length + others.length);
    }));
  });

  it("travels without its empty buckets, and takes no nonsense", () => {
    fc.assert(fc.property(times, (values) => {
      const histogram = histogramOf(values);
      const sparse = toSparse(histogram);
      assert(sparse.length <= values.length * 2);
      assertEquals(fromSparse(sparse), histogram);
    }));
    assertEquals(countOf(fromSparse([BUCKETS, 5, -1, 5, 0.5, 5, 3])), 0);
  });
});
