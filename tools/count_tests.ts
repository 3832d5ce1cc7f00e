/**
 * Counts tests by the JUnit report of `deno test`.
 *
 * @module
 */

/** How many tests passed, failed and were skipped. */
export interface Counts {
  /** Tests that passed. */
  passed: number;
  /** Tests that failed; at least 1 where the run failed. */
  failed: number;
  /** Tests that were not run. */
  skipped: number;
}

interface TestCase {
  /** The module, and the names from the outermost suite to the test. */
  path: string;
  outcome: keyof Counts;
}

const SEPARATOR = " &gt; ";

/**
 * Counts the tests of a report. A suite counts only where it has no steps, or where it failed and none of its steps
 * did (a leak, a hook that threw). A run that failed before it could report, by a type error for instance, counts as
 * one failure.
 */
export function countTests(report: string, succeeded: boolean): Counts {
  const cases = readTestCases(report);
  const suites = new Set<string>();
  const failedSuites = new Set<string>();
  for (const { path, outcome } of cases) {
    for (let end = path.lastIndexOf(SEPARATOR); end !== -1; end = path.lastIndexOf(SEPARATOR, end - 1)) {
      const suite = path.slice(0, end);
      suites.add(suite);
      if (outcome === "failed") failedSuites.add(suite);
    }
  }
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { path, outcome } of cases) {
    const failedByItself = outcome === "failed" && !failedSuites.has(path);
    if (!suites.has(path) || failedByItself) counts[outcome]++;
  }
  if (!succeeded && counts.failed === 0) counts.failed = 1;
  return counts;
}

function readTestCases(report: string): TestCase[] {
  return Array.from(report.matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g), (match) => {
    const [, attributes = "", body = ""] = match;
    const name = attributes.match(/\bname="([^"]*)"/)?.[1] ?? "";
    const module = attributes.match(/\bclassname="([^"]*)"/)?.[1] ?? "";
    const outcome = /<(failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed";
    return { path: `${module}\n${name}`, outcome };
  });
}

/** The counts of several runs together. */
export function addCounts(all: readonly Counts[]): Counts {
  const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const counts of all) {
    for (const outcome of ["passed", "failed", "skipped"] as const) sum[outcome] += counts[outcome];
  }
  return sum;
}

/** The line that ends a test run: `12 passed, 0 failed`, or `12 passed, 0 failed, 1 skipped`. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}
