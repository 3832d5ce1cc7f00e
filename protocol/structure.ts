/**
 * Checks an encoded value before anything of it is decoded, and allocates nothing while it does.
 *
 * A decoder allocates what a header declares, so a few bytes can kill a process: 600 nested array headers that declare a
 * million elements each, say. Here every declared length is held against the bytes that are left (each element takes a
 * byte at least), and depth, counts and sizes against the limits. Extension values that hold MessagePack of their own
 * are walked with the same budgets, so that nothing hides inside them.
 *
 * @module
 */

import { ProtocolError } from "./errors.ts";
import { ARRAY_KINDS, EXTENSION, MAXIMUM_BIGINT_BYTES } from "./extensions.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";

/** What a container on the stack is. An extension is the container of the one value in its payload. */
const ARRAY = 0, MAP = 1, PAYLOAD = 2;

/** What the next value has to be: the payloads of some extensions are of one form only. */
const ANY = 0, AN_ARRAY = 1, PAIRS = 2, A_MAP = 3;

// One walk runs at a time and never calls out, so that one stack serves all. An extension takes a place of its own
// beside the array or map in it, hence two places for each level of depth.
let capacity = 2 * DEFAULT_LIMITS.depth + 2;
let kinds = new Uint8Array(capacity);
let remaining = new Uint32Array(capacity);
let ends = new Uint32Array(capacity);

/** Payload bytes of the scalar formats 0xc0 to 0xd3; -1 for the others. */
const SCALAR_BYTES = Int8Array.of(0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8);
const PROTO = new TextEncoder().encode("__proto__");

/**
 * Throws unless `bytes` are exactly one value within the limits that {@linkcode decodeValue} can decode without
 * harm. Content is not its business: malformed UTF-8 or an invalid URL is found when the value is decoded.
 *
 * @throws {ProtocolError} Says what is wrong, and at which byte.
 */
export function checkStructure(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): void {
  if (bytes.length > limits.valueBytes) {
    throw wrong(`it has ${bytes.length} bytes, and at most ${limits.valueBytes} are allowed`, 0);
  }
  if (2 * limits.depth + 2 > capacity) reserve(2 * limits.depth + 2);

  let position = 0;
  let top = 0;
  let kind = PAYLOAD;
  let left = 1;
  let end = bytes.length;
  let depth = 0;
  let nodes = 0;
  let elements = 0;
  let expected = ANY;

  while (true) {
    while (left === 0) {
      if (kind === PAYLOAD) {
        if (position !== end) throw wrong(`${end - position} bytes follow the value`, position);
        if (top === 0) return;
      } else {
        depth--;
      }
      top--;
      kind = kinds[top]!;
      left = remaining[top]!;
      end = ends[top]!;
    }

    const start = position;
    if (start >= end) throw wrong("it ends too early", start);
    const head = bytes[position++]!;
    left--;

    let length = 0;
    let count = -1;
    let container = ARRAY;

    if (head < 0x80 || head >= 0xe0) {
      // An integer in the head itself.
    } else if (head < 0x90) {
      count = head & 0x0f;
      container = MAP;
    } else if (head < 0xa0) {
      count = head & 0x0f;
    } else if (head < 0xc0) {
      length = head & 0x1f;
    } else if (head <= 0xd3 && SCALAR_BYTES[head - 0xc0]! >= 0) {
      length = SCALAR_BYTES[head - 0xc0]!;
    } else if (head === 0xc1) {
      throw wrong("the byte 0xc1 is never used", start);
    } else {
      // Everything that says its length in 1, 2 or 4 bytes, and the extensions of fixed length.
      const width = lengthWidth(head);
      if (position + width > end) throw wrong("it ends within a length", start);
      const declared = head >= 0xd4 && head <= 0xd8 ? 1 << (head - 0xd4) : readLength(bytes, position, width);
      position += width;
      if (head >= 0xdc) {
        count = declared;
        container = head >= 0xde ? MAP : ARRAY;
      } else {
        length = declared;
        if (isExtension(head)) {
          if (kind === MAP && (left & 1) === 1) throw wrong("a key of a map is not a string", start);
          if (expected !== ANY) throw wrong("the payload of an extension has the wrong form", start);
          if (++nodes > limits.nodes) {
            throw wrong(`it has more than ${limits.nodes} arrays, maps and extensions`, start);
          }
          if (length > limits.extensionBytes) throw wrong(`an extension of ${length} bytes in it is too long`, start);
          if (position + 1 + length > end) throw wrong("an extension is longer than what is left", start);
          const type = bytes[position++]!;
          expected = checkExtension(bytes, type, position, length, limits, start);
          if (expected < 0) {
            expected = ANY;
            position += length;
          } else {
            kinds[top] = kind;
            remaining[top] = left;
            ends[top] = end;
            top++;
            kind = PAYLOAD;
            left = 1;
            end = position + length;
          }
          continue;
        }
      }
    }

    if (kind === MAP && (left & 1) === 1) checkKey(bytes, head, position, length, start);
    if (expected !== ANY) {
      const fits = count >= 0 && (expected === A_MAP) === (container === MAP) &&
        (expected !== PAIRS || count % 2 === 0);
      if (!fits) throw wrong("the payload of an extension has the wrong form", start);
      expected = ANY;
    }

    if (count < 0) {
      if (position + length > end) throw wrong("a string, binary or number is longer than what is left", start);
      if (length > limits.stringBytes && isString(head)) {
        throw wrong(`a string of ${length} bytes in it is too long`, start);
      }
      position += length;
      continue;
    }

    const values = container === MAP ? 2 * count : count;
    if (values > end - position) {
      throw wrong(`it declares ${count} elements where ${end - position} bytes are left`, start);
    }
    if (++nodes > limits.nodes) throw wrong(`it has more than ${limits.nodes} arrays, maps and extensions`, start);
    if ((elements += values) > limits.elements) throw wrong(`it has more than ${limits.elements} elements`, start);
    if (++depth > limits.depth) throw wrong(`it nests deeper than ${limits.depth} levels`, start);
    kinds[top] = kind;
    remaining[top] = left;
    ends[top] = end;
    top++;
    kind = container;
    left = values;
  }
}

/** Checks the payload of an extension; returns what its value has to be, or -1 where it holds no MessagePack. */
function checkExtension(
  bytes: Uint8Array,
  type: number,
  position: number,
  length: number,
  limits: Limits,
  start: number,
): number {
  switch (type) {
    case EXTENSION.UNDEFINED:
      if (length === 1) return -1;
      break;
    case EXTENSION.BIGINT:
      if (length >= 1 && length <= MAXIMUM_BIGINT_BYTES) return -1;
      break;
    case EXTENSION.DATE:
      if (length === 8) return -1;
      break;
    case EXTENSION.MAP:
      return PAIRS;
    case EXTENSION.SET:
    case EXTENSION.REGEXP:
      return AN_ARRAY;
    case EXTENSION.ARRAY_BUFFER:
      return -1;
    case EXTENSION.TYPED_ARRAY: {
      const arrayKind = length >= 1 ? ARRAY_KINDS[bytes[position]!] : undefined;
      if (arrayKind !== undefined && (length - 1) % arrayKind.width === 0) return -1;
      break;
    }
    case EXTENSION.ERROR:
      return A_MAP;
    case EXTENSION.URL:
      if (length <= limits.stringBytes) return -1;
      break;
    case EXTENSION.ACTOR:
    case EXTENSION.FUTURE:
    case EXTENSION.FUNCTION:
      return ANY;
    case EXTENSION.STREAM:
      return AN_ARRAY;
    default:
      throw wrong(`no extension has the type ${type << 24 >> 24}`, start);
  }
  throw wrong(`an extension of type ${type} cannot have a payload of ${length} bytes like this one`, start);
}

function checkKey(bytes: Uint8Array, head: number, position: number, length: number, start: number): void {
  if (!isString(head)) throw wrong("a key of a map is not a string", start);
  if (length !== PROTO.length || position + length > bytes.length) return;
  for (let index = 0; index < length; index++) {
    if (bytes[position + index] !== PROTO[index]) return;
  }
  throw wrong("the key __proto__ is refused", start);
}

function isString(head: number): boolean {
  return (head >= 0xa0 && head < 0xc0) || (head >= 0xd9 && head <= 0xdb);
}

function isExtension(head: number): boolean {
  return (head >= 0xd4 && head <= 0xd8) || (head >= 0xc7 && head <= 0xc9);
}

/** How many bytes say the length, for the heads 0xc4 to 0xc9 and 0xd4 to 0xdf. */
function lengthWidth(head: number): number {
  if (head >= 0xdc) return head & 1 ? 4 : 2; // array and map 16, 32
  if (head >= 0xd9) return 1 << (head - 0xd9); // string 8, 16, 32
  if (head >= 0xd4) return 0; // extension of fixed length
  return 1 << (head - (head >= 0xc7 ? 0xc7 : 0xc4)); // extension or binary 8, 16, 32
}

function readLength(bytes: Uint8Array, position: number, width: number): number {
  let length = 0;
  for (let index = 0; index < width; index++) length = length * 256 + bytes[position + index]!;
  return length;
}

function reserve(wanted: number): void {
  capacity = wanted;
  kinds = new Uint8Array(capacity);
  remaining = new Uint32Array(capacity);
  ends = new Uint32Array(capacity);
}

function wrong(reason: string, offset: number): ProtocolError {
  return new ProtocolError(`Cannot read a value: ${reason} (at byte ${offset})`, { offset });
}
