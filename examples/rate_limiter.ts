/**
 * A rate limiter that many clients share: a token bucket. It fills up by so many tokens a second, and every request
 * takes one out or waits for it. The clients know nothing of each other but the bucket's key.
 *
 *     deno run --allow-net --allow-read --allow-env --allow-run examples/rate_limiter.ts
 *
 * prints
 *
 *     3 clients make 10 requests each; 10 at once and 20 a second are allowed
 *     after 0.0 s: 10 requests
 *     after 0.5 s: 20 requests
 *     after 1.0 s: 30 requests
 *
 * @module
 */

import { LocalCluster } from "../cluster/mod.ts";
import { Client, remote } from "../mod.ts";

/** A bucket of tokens. All of its methods are `async`: those who wait hold no thread. */
export class TokenBucket {
  readonly #capacity: number;
  readonly #perSecond: number;
  #tokens: number;
  #filledAt = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #queue: (() => void)[] = [];

  /** A full bucket. */
  constructor(capacity: number, perSecond: number) {
    this.#capacity = capacity;
    this.#perSecond = perSecond;
    this.#tokens = capacity;
  }

  /** Takes a token if there is one, and nobody waits for it. */
  // deno-lint-ignore require-await
  async tryTake(): Promise<boolean> {
    this.#fill();
    if (this.#queue.length > 0 || this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Takes a token as soon as there is one: who comes first is served first. */
  async take(): Promise<void> {
    if (await this.tryTake()) return;
    await new Promise<void>((resolve) => {
      this.#queue.push(resolve);
      this.#wait();
    });
  }

  /** When the actor ends, no timer is left. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #fill(): void {
    const now = performance.now();
    this.#tokens = Math.min(this.#capacity, this.#tokens + (now - this.#filledAt) / 1000 * this.#perSecond);
    this.#filledAt = now;
  }

  #wait(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#fill();
      while (this.#queue.length > 0 && this.#tokens >= 1) {
        this.#tokens--;
        this.#queue.shift()!();
      }
      if (this.#queue.length > 0) this.#wait();
    }, (1 - this.#tokens) / this.#perSecond * 1000);
  }
}

/** A client of its own makes requests, as fast as it may. */
async function makeRequests({ address, token }: LocalCluster, count: number, onAllowed: () => void): Promise<void> {
  await using client = await Client.connect(address, { token });
  // The first client creates the bucket; the others get the same one.
  const bucket = await client.submit(TokenBucket, [10, 20], { actor: true, key: "requests to the shop" });
  await Promise.all(Array.from({ length: count }, () => bucket.take().then(onAllowed)));
}

remote(import.meta, { TokenBucket });

if (import.meta.main) {
  await using cluster = await LocalCluster.start({ workers: 1 });
  console.log("3 clients make 10 requests each; 10 at once and 20 a second are allowed");
  let allowed = 0;
  let start: number | undefined;

  const onAllowed = () => {
    start ??= performance.now();
    if (++allowed % 10 > 0) return;
    console.log(`after ${((performance.now() - start) / 1000).toFixed(1)} s: ${allowed} requests`);
  };

  await Promise.all([1, 2, 3].map(() => makeRequests(cluster, 10, onAllowed)));
}
