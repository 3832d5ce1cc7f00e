/**
 * Stacks that cross a call: the remote part first, the caller's below it, Troupe's own frames in neither.
 *
 * @module
 */

import { isRemoteError } from "./errors.ts";

/** What a frame of ours mentions: one of our layers, or the one file that all of them were bundled into. */
const OWN: readonly string[] = /\/protocol\/stack\.ts(\?|$)/.test(import.meta.url)
  ? ["protocol", "connection", "client", "scheduler", "worker", "cluster"].map((layer) =>
    new URL(`../${layer}/`, import.meta.url).href
  )
  : [import.meta.url];

/** The stack without frames of the library. */
export function withoutOwnFrames(stack: string): string {
  return stack.split("\n").filter((line) => !isFrame(line) || !OWN.some((own) => line.includes(own))).join("\n");
}

/**
 * Appends to the stack of an error that came from elsewhere the stack of the place where the call was made, without
 * Troupe's own frames.
 *
 * @param callSite An error made where the call was made, or its stack.
 */
export function joinCallSite(error: Error, callSite: Error | string): void {
  const local = typeof callSite === "string" ? callSite : callSite.stack;
  const frames = withoutOwnFrames(local ?? "").split("\n").filter(isFrame);
  if (frames.length === 0) return;
  const where = isRemoteError(error) ? ` on ${error.remote.worker}` : "";
  const stack = `${
    error.stack ?? `${error.name}: ${error.message}`
  }\n    ---- above: thrown${where}; below: called from ----\n`;
  try {
    Object.defineProperty(error, "stack", { value: stack + frames.join("\n"), writable: true, configurable: true });
  } catch {
    // A frozen error keeps the stack that it has.
  }
}

/** Whether a stack names any code but Troupe's own. */
export function hasFrames(stack: string): boolean {
  return withoutOwnFrames(stack).split("\n").some((line) =>
    isFrame(line) && !/ (<anonymous>|async Promise\.\w+)/.test(line)
  );
}

/** A line of a stack that is a frame, as V8 (`    at f (url:1:2)`) or as the other engines write it (`f@url:1:2`). */
function isFrame(line: string): boolean {
  return /^\s*at /.test(line) || /@.*:\d+:\d+$/.test(line);
}
