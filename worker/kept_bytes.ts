/**
 * Bytes that are kept for a while, out of a frame that is not.
 *
 * @module
 */

/** Short ones share a buffer of this size: a fresh one costs more than all else that is done for a call that waits. */
const SHARED_BYTES = 8192;

/** Longer ones get their own. */
const SHORT = 512;

let shared = new Uint8Array(SHARED_BYTES);
let used = 0;

/** A copy, which keeps the frame from being kept. It is not to be changed. */
export function keepBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length > SHORT) return bytes.slice();
  if (used + bytes.length > SHARED_BYTES) {
    shared = new Uint8Array(SHARED_BYTES);
    used = 0;
  }
  const kept = shared.subarray(used, used + bytes.length);
  kept.set(bytes);
  used += bytes.length;
  return kept;
}
