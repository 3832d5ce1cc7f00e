/**
 * Bytes that stay: not a small part of a large buffer.
 *
 * @module
 */

/** So much of a buffer may lie idle. */
const SLACK = 16 * 1024;

/**
 * The bytes as something that may be kept for long: themselves, where they take nearly all of their buffer, else a copy.
 * Nothing that the codec or a connection gives out is written to again, so nobody needs a copy for that.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const idle = bytes.buffer.byteLength - bytes.byteLength;
  return idle === 0 || bytes.byteLength > SLACK && idle <= SLACK ? bytes as Uint8Array<ArrayBuffer> : bytes.slice();
}
