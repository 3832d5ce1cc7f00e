/**
 * Names of things, made from a random source that callers may inject.
 *
 * @module
 */

/** Fills an array with random bytes, as `crypto.getRandomValues` does. */
export type RandomSource = (bytes: Uint8Array<ArrayBuffer>) => Uint8Array;

/** The platform's cryptographic random source. */
export function platformRandom(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
  return crypto.getRandomValues(bytes);
}

/** `length` random bytes in lower-case hexadecimal, two digits a byte. */
export function randomHex(length: number, random: RandomSource = platformRandom): string {
  return toHex(random(new Uint8Array(length)));
}

/** Bytes as lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** Bytes as base64url without padding, the alphabet that a WebSocket subprotocol may hold. */
export function toBase64Url(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The bytes of a base64url text, or `undefined` where it is none. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return undefined;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = new Uint8Array(binary.length);
    for (let index = 0; index < binary.length; index++) bytes[index] = binary.charCodeAt(index);
    return bytes;
  } catch {
    return undefined;
  }
}

/**
 * Makes the endings of the keys that one client session gives to what it submits: `1234abcd`.
 *
 * The first half is unique to the session (the scheduler gives it), the second counts within it, scrambled so that
 * keys do not look alike. Eight digits suffice for 65 536 sessions of 65 536 keys; longer ones follow by themselves.
 *
 * @param session The session's number, from the scheduler; below 2^32.
 * @param first How many keys the session has made before.
 */
export function createKeySuffixes(session: number, first = 0): () => string {
  const head = session < 65536 ? scramble(session) : hex(session, 8);
  let count = first;
  return () => head + countDigits(count++);
}

/** 4, 6 or 14 digits: with the 4 or 8 before them no two sums are equal, so no ending can be read in two ways. */
function countDigits(count: number): string {
  if (count < 65536) return scramble(count);
  return hex(count, count < 16777216 ? 6 : 14);
}

/** An odd multiplier is a bijection modulo a power of two: different numbers below 65 536 stay different. */
function scramble(number: number): string {
  return hex((number * 40503 + 4660) % 65536, 4);
}

function hex(number: number, digits: number): string {
  return number.toString(16).padStart(digits, "0");
}
