/**
 * Short strings out of bytes, faster than `TextDecoder` makes them. Callers have seen that the bytes are there.
 *
 * @module
 */

/** What was read, by its hash; a later string takes the place of an earlier one. */
const recent: string[] = new Array(1024).fill("");

/** Longer strings are not looked for among recent ones. */
export const RECENT_LENGTH = 31;

/**
 * A string of at most {@linkcode RECENT_LENGTH} bytes that is likely to have been read before: the name of a method, the key
 * of an object. Then it takes no new string, and one that has been a key before is a faster one.
 *
 * @returns `undefined` where not all is ASCII.
 */
export function readRecentText(bytes: Uint8Array, start: number, length: number): string | undefined {
  let hash = length;
  for (let index = start; index < start + length; index++) hash = Math.imul(hash, 31) + bytes[index]!;
  const slot = hash & (recent.length - 1);
  const known = recent[slot]!;
  if (known.length === length && isAt(bytes, start, known)) return known;
  const text = readAscii(bytes, start, length);
  if (text !== undefined) recent[slot] = text;
  return text;
}

/**
 * A string of whatever length.
 *
 * @returns `undefined` where not all is ASCII.
 */
export function readAscii(bytes: Uint8Array, start: number, length: number): string | undefined {
  const end = start + length;
  let text = "";
  let position = start;
  // Eight characters at a time: a string made one by one is a chain of pieces.
  for (; position + 8 <= end; position += 8) {
    const a = bytes[position]!, b = bytes[position + 1]!, c = bytes[position + 2]!, d = bytes[position + 3]!;
    const e = bytes[position + 4]!, f = bytes[position + 5]!, g = bytes[position + 6]!, h = bytes[position + 7]!;
    if ((a | b | c | d | e | f | g | h) & 0x80) return undefined;
    text += String.fromCharCode(a, b, c, d, e, f, g, h);
  }
  for (; position + 2 <= end; position += 2) {
    const a = bytes[position]!, b = bytes[position + 1]!;
    if ((a | b) & 0x80) return undefined;
    text += String.fromCharCode(a, b);
  }
  if (position < end) {
    const a = bytes[position]!;
    if (a & 0x80) return undefined;
    text += String.fromCharCode(a);
  }
  return text;
}

function isAt(bytes: Uint8Array, start: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (text.charCodeAt(index) !== bytes[start + index]) return false;
  }
  return true;
}
