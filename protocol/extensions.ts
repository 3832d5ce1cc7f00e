/**
 * The extension types of MessagePack that Troupe uses: their numbers, and what stands in each.
 *
 * | type | value | payload |
 * |---|---|---|
 * | 1 | `undefined` | one byte, 0 |
 * | 2 | `bigint` beyond 64 bits | two's complement, big-endian, no longer than needed |
 * | 3 | `Date` | float64, big-endian: milliseconds since 1970, NaN for an invalid date |
 * | 4 | `Map` | one array: key, value, key, value … |
 * | 5 | `Set` | one array: its elements |
 * | 6 | `ArrayBuffer` | its bytes |
 * | 7 | typed array, `DataView` | one byte that says which ({@linkcode ARRAY_KINDS}), then its bytes, little-endian |
 * | 8 | `Error` | one map: an error envelope (`error_envelope.ts`) |
 * | 9 | `URL` | its `href` in UTF-8 |
 * | 10 | `RegExp` | one array: source, flags, lastIndex |
 * | 11 | actor handle | one MessagePack value (`actor_reference.ts`) |
 * | 12 | future | one MessagePack value |
 * | 13 | function that stays with the caller | one MessagePack integer: its number on the connection |
 * | 14 | stream that stays with the caller | one array: its number on the connection; 0 for an async iterable, 1 for a `ReadableStream` |
 *
 * Everything else has MessagePack's own form: nil, booleans, strings, arrays, maps with string keys, binary for a
 * `Uint8Array`. A `number` is an integer format up to 32 bits, else (and for -0) a float64; a `bigint` of up to 64 bits
 * is int64 or uint64, and nothing else is. The timestamp type -1 is not used: it has no invalid date.
 *
 * @module
 */

/** Numbers of the extension types. */
export const EXTENSION = {
  UNDEFINED: 1,
  BIGINT: 2,
  DATE: 3,
  MAP: 4,
  SET: 5,
  ARRAY_BUFFER: 6,
  TYPED_ARRAY: 7,
  ERROR: 8,
  URL: 9,
  REGEXP: 10,
  ACTOR: 11,
  FUTURE: 12,
  FUNCTION: 13,
  STREAM: 14,
} as const;

/** The longest `bigint` that travels: 2^27 bits. */
export const MAXIMUM_BIGINT_BYTES = 16 * 1024 * 1024;

/** One kind of typed array: its class where this runtime has it, and the bytes of one element. */
export interface ArrayKind {
  /** Name of the class. */
  readonly name: string;
  /** Bytes of one element. */
  readonly width: number;
  /** The class; `undefined` in a runtime without `Float16Array`. */
  readonly arrayClass: (new (buffer: ArrayBuffer) => ArrayBufferView) | undefined;
}

/**
 * The typed arrays and `DataView`; the place in this list is the first byte of an extension of type 7. `Uint8Array` is
 * not among them: it is MessagePack's own binary.
 */
export const ARRAY_KINDS: readonly ArrayKind[] = [
  arrayKind("Int8Array", 1),
  arrayKind("Uint8ClampedArray", 1),
  arrayKind("Int16Array", 2),
  arrayKind("Uint16Array", 2),
  arrayKind("Int32Array", 4),
  arrayKind("Uint32Array", 4),
  arrayKind("Float16Array", 2),
  arrayKind("Float32Array", 4),
  arrayKind("Float64Array", 8),
  arrayKind("BigInt64Array", 8),
  arrayKind("BigUint64Array", 8),
  arrayKind("DataView", 1),
];

function arrayKind(name: string, width: number): ArrayKind {
  const arrayClass = (globalThis as unknown as Record<string, ArrayKind["arrayClass"]>)[name];
  return { name, width, arrayClass };
}

/** Built-in classes that travel as such and hold no other values, with {@linkcode ARRAY_KINDS} and `Uint8Array`. */
const FLAT_CLASSES: ReadonlySet<unknown> = new Set<unknown>(
  [Date, ArrayBuffer, URL, RegExp, Uint8Array, ...ARRAY_KINDS.map(({ arrayClass }) => arrayClass)]
    .map((flatClass) => flatClass?.prototype),
);

/** Whether objects of this exact prototype are built-in values that hold no others: a `Date`, a typed array … */
export function isBuiltIn(prototype: unknown): boolean {
  return prototype !== undefined && FLAT_CLASSES.has(prototype);
}

/** Two's complement, big-endian, in as few bytes as hold the sign as well. */
export function bigintToBytes(value: bigint): Uint8Array {
  const digits = (value < 0n ? ~value : value).toString(16);
  const length = Math.floor(digits.length / 2) + (digits.length % 2 === 1 || digits[0]! >= "8" ? 1 : 0);
  const hex = BigInt.asUintN(8 * length, value).toString(16).padStart(2 * length, "0");
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  return bytes;
}

/** Reads what {@linkcode bigintToBytes} wrote. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  let hex = "0x";
  for (const byte of bytes) hex += (byte < 16 ? "0" : "") + byte.toString(16);
  return BigInt.asIntN(8 * bytes.length, BigInt(hex));
}
