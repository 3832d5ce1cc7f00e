/**
 * Questions of isolates about keys that nobody has told of yet.
 *
 * A call goes straight to the worker; what its arguments were submitted by goes to the scheduler, over another socket. So
 * an isolate may ask for a future's value before the scheduler has heard of the future. The caller holds it until the
 * call has settled: an unknown key means nearly always that it is not here yet.
 *
 * @module
 */

import type { EventOf } from "./events.ts";
import type { Asker } from "./state.ts";
import { notThere } from "./task_endings.ts";
import type { Turn } from "./turn.ts";

/** Milliseconds until a key counts as unknown. */
const EXPECTED_WITHIN = 10_000;

/** Keeps a question until the key comes, or does not. */
export function expectKey(turn: Turn, asker: Asker, key: string): void {
  const { expected } = turn.state;
  const askers = expected.get(key);
  if (askers) return void askers.push(asker);
  expected.set(key, [asker]);
  turn.instructions.push({ type: "setTimer", timer: `expected ${key}`, delay: EXPECTED_WITHIN });
}

/** Asks again, by `ask`, about the keys that came with this event. */
export function meetExpectations(turn: Turn, ask: (turn: Turn, event: EventOf<"located">) => void): void {
  const { expected, keys } = turn.state;
  for (const [key, askers] of [...expected]) {
    if (!keys.has(key)) continue;
    expected.delete(key);
    turn.instructions.push({ type: "clearTimer", timer: `expected ${key}` });
    for (const asker of askers) ask(turn, { type: "located", asker, key, at: turn.at });
  }
}

/** A key has not come. */
export function onExpectedOver(turn: Turn, key: string): void {
  const askers = turn.state.expected.get(key) ?? [];
  turn.state.expected.delete(key);
  for (const asker of askers) turn.instructions.push({ type: "answer", asker, name: "locate", error: notThere(key) });
}

/** The connection of one who asked has ended: nobody hears the answers. */
export function forgetExpectations(turn: Turn, role: Asker["role"], id: string): void {
  for (const [key, askers] of [...turn.state.expected]) {
    const left = askers.filter((asker) => asker.role !== role || asker.id !== id);
    if (left.length > 0) {
      turn.state.expected.set(key, left);
    } else {
      turn.state.expected.delete(key);
      turn.instructions.push({ type: "clearTimer", timer: `expected ${key}` });
    }
  }
}
