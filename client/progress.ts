/**
 * A bar in the terminal for futures that somebody waits for.
 *
 * @module
 */

import { type Clock, platformClock } from "../connection/mod.ts";
import { futureLink } from "./brands.ts";
import { type Terminal, terminal } from "./platform.ts";
import type { ActorFuture } from "./types.ts";
import { asCompleted } from "./waiting.ts";

/** Milliseconds between two drawings. */
const INTERVAL = 100;

/** Characters of a bar, where there is room. */
const LONGEST = 40;

/**
 * Shows how far futures have got, as a bar on the terminal, until all of them have settled; prints nothing where
 * standard error is no terminal. It fetches no values, and does not fail because one of them did.
 *
 * @example
 * ```ts ignore
 * const futures = client.map(render, frames);
 * await progress(futures); // [##########          ] 51 % | 512 of 1000 | 3.2 s
 * const images = await client.gather(futures);
 * ```
 *
 * @throws {TypeError} As a rejection: where something is no future of ours; plain promises are not.
 */
export function progress(futures: ActorFuture<unknown> | Iterable<ActorFuture<unknown>>): Promise<void> {
  return showProgress(futures, terminal(), platformClock);
}

/** As {@linkcode progress}, on a terminal and by a clock of somebody's choice. */
export async function showProgress(
  futures: ActorFuture<unknown> | Iterable<ActorFuture<unknown>>,
  screen: Terminal | undefined,
  clock: Clock,
): Promise<void> {
  const all = futureLink(futures) === undefined
    ? [...futures as Iterable<ActorFuture<unknown>>]
    : [futures as ActorFuture<unknown>];
  const completions = asCompleted(all);
  const start = clock.now();
  let [done, failed] = [0, 0];
  let stop: () => void = () => {};
  const draw = () =>
    screen?.write(`\r${formatBar(done, failed, all.length, clock.now() - start, screen.columns())}\x1b[K`);
  const again = () => {
    draw();
    stop = clock.setTimer(INTERVAL, again);
  };
  if (screen && all.length > 0) again();
  try {
    for await (const future of completions) {
      done++;
      if (futureLink(future)?.failed) failed++;
    }
  } finally {
    stop();
  }
  if (all.length === 0) return;
  draw();
  screen?.write("\n");
}

/** One line that says how far it is: no longer than `columns`. */
export function formatBar(done: number, failed: number, total: number, time: number, columns: number): string {
  const share = done / total;
  const text = ` ${Math.floor(share * 100)} % | ${done} of ${total}${failed > 0 ? ` | ${failed} failed` : ""} | ${
    (time / 1000).toFixed(1)
  } s`;
  const length = Math.min(LONGEST, columns - text.length - 3);
  if (length < 4) return text.trim().slice(0, Math.max(0, columns - 1));
  return `[${"#".repeat(Math.floor(share * length)).padEnd(length)}]${text}`;
}
