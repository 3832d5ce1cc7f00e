import { assertEquals } from "@std/assert";

/** Asks again and again until the answer is the expected one; at the end of its patience it shows the difference. */
export async function eventually<T>(expected: T, ask: () => T | Promise<T>, milliseconds = 5000): Promise<void> {
  const end = performance.now() + milliseconds;
  let answer = await ask();
  while (Deno.inspect(answer, INSPECT) !== Deno.inspect(expected, INSPECT) && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    answer = await ask();
  }
  assertEquals(answer, expected, `after ${milliseconds} ms`);
}

const INSPECT: Deno.InspectOptions = { depth: 10, sorted: true, iterableLimit: 1000 };
