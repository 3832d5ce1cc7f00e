/**
 * Memory that nobody uses any more, and the engine has not freed yet: an isolate that is idle keeps hundreds of MiB of it
 * for as long as it is idle.
 *
 * @module
 */

const scope = globalThis as { gc?: (() => void) | undefined };

/** There where the process was started with it. User code is not to have it; its name cannot be taken away. */
const collect = scope.gc;
if (collect !== undefined) scope.gc = undefined;

/** Flag of V8 with which a process has to be started, so that garbage can be collected when memory is short. */
export const GARBAGE_FLAG = "--expose-gc";

/** Frees what this isolate does not use any more. It takes some milliseconds, and more in a large heap. */
export function collectGarbage(): void {
  collect?.();
}
