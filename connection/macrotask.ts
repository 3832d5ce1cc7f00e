/**
 * The next turn of the event loop, without the millisecond that a timer costs.
 *
 * @module
 */

type Immediate = (run: () => void) => unknown;

const immediate: Immediate = (globalThis as { setImmediate?: Immediate }).setImmediate ?? throughChannel();

/** Runs `run` after the events that are at hand now, and after all of their microtasks. */
export function afterThisTurn(run: () => void): void {
  immediate(run);
}

/** Browsers have no `setImmediate`; a message to oneself comes as soon. */
function throughChannel(): Immediate {
  const runs: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => runs.shift()?.();
  return (run) => {
    runs.push(run);
    port2.postMessage(undefined);
  };
}
