/**
 * Writes MessagePack: the only file that knows how its formats are written.
 *
 * Plain values get the very bytes that `@std/msgpack` gives them, with one exception: -0 is a float64 here.
 *
 * @module
 */

/**
 * A fresh `ArrayBuffer` costs Deno half a microsecond, more than most values take to write, so small values share one
 * of this size. It is kept small because one value that is kept keeps all of it.
 */
const SHARED_BYTES = 8192;
/**
 * Bytes that are free before a value with a buffer of its own, and `SHARED_BYTES` are behind it at first: room for the
 * message around it, which spares a copy of it (`FrameWriter.wrap`).
 */
const ROOM_BEFORE = 256;
/** A value begins in the shared buffer only where this much of it is left. */
const SHARED_ROOM = 1024;

/** Up to this many characters a loop is faster than `TextEncoder`. */
const SHORT_TEXT = 48;
/** From this many characters on the header of a string has 5 bytes for certain. */
const LONG_TEXT = 65536;

const utf8 = new TextEncoder();

/** Thrown by the writer where a value takes more bytes than it may, or than there is memory for. */
export class TooManyBytes extends Error {}

/** Writes one value after another: {@linkcode MsgpackWriter.begin}, the parts of the value, {@linkcode MsgpackWriter.finish}. */
export class MsgpackWriter {
  #bytes = new Uint8Array(SHARED_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #position = 0;
  #maximum = Infinity;

  /** Begins a value of at most `maximum` bytes. What was written of an unfinished value is forgotten. */
  begin(maximum: number): void {
    if (this.#bytes.length !== SHARED_BYTES) this.#renew();
    this.#position = this.#start;
    this.#maximum = maximum;
  }

  /** Ends the value. Nothing writes to its bytes any more, but they share their buffer with other small values. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#position - this.#start > this.#maximum) throw new TooManyBytes();
    const value = this.#bytes.subarray(this.#start, this.#position);
    this.#start = this.#position;
    if (this.#bytes.length !== SHARED_BYTES || this.#start > SHARED_BYTES - SHARED_ROOM) this.#renew();
    return value;
  }

  /** One byte as it is. nil is 0xc0, false 0xc2, true 0xc3. */
  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#position++] = value;
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    if (this.#position - this.#start + bytes.length > this.#maximum) throw new TooManyBytes();
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#position);
    this.#position += bytes.length;
  }

  /** An integer of up to 32 bits in its smallest format, any other number as a float64. */
  number(value: number): void {
    this.#reserve(9);
    const bytes = this.#bytes;
    const position = this.#position;
    if (value >>> 0 === value && !Object.is(value, -0)) {
      if (value < 0x80) {
        bytes[position] = value;
        this.#position = position + 1;
      } else if (value < 0x100) {
        bytes[position] = 0xcc;
        bytes[position + 1] = value;
        this.#position = position + 2;
      } else if (value < 0x10000) {
        bytes[position] = 0xcd;
        this.#view.setUint16(position + 1, value);
        this.#position = position + 3;
      } else {
        bytes[position] = 0xce;
        this.#view.setUint32(position + 1, value);
        this.#position = position + 5;
      }
    } else if (value < 0 && (value | 0) === value) {
      if (value >= -0x20) {
        bytes[position] = value;
        this.#position = position + 1;
      } else if (value >= -0x80) {
        bytes[position] = 0xd0;
        bytes[position + 1] = value;
        this.#position = position + 2;
      } else if (value >= -0x8000) {
        bytes[position] = 0xd1;
        this.#view.setInt16(position + 1, value);
        this.#position = position + 3;
      } else {
        bytes[position] = 0xd2;
        this.#view.setInt32(position + 1, value);
        this.#position = position + 5;
      }
    } else {
      bytes[position] = 0xcb;
      this.#position = position + 1;
      this.float64(value);
    }
  }

  /** The 8 bytes of a float64, without a head. */
  float64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#position, value);
    this.#position += 8;
  }

  /** A `bigint` that fits into 64 bits: int64 if it is negative, else uint64. */
  bigint64(value: bigint): void {
    this.#reserve(9);
    this.#bytes[this.#position] = value < 0n ? 0xd3 : 0xcf;
    this.#view.setBigUint64(this.#position + 1, BigInt.asUintN(64, value));
    this.#position += 9;
  }

  /** A string. Returns false, and writes nothing, where a surrogate lacks its other half: UTF-8 has no form for it. */
  text(value: string): boolean {
    const units = value.length;
    if (units >= LONG_TEXT) return this.#longText(value);
    this.#reserve(units * 3 + 5);
    // The header stands before the text and depends on its length in bytes: assumed as for ASCII, corrected afterwards.
    const assumed = units < 32 ? 1 : units < 0x100 ? 2 : 3;
    const start = this.#position + assumed;
    let end: number;
    if (units < SHORT_TEXT) {
      end = this.#shortText(value, start);
      if (end < 0) return false;
    } else {
      if (!value.isWellFormed()) return false;
      end = start + utf8.encodeInto(value, this.#bytes.subarray(start)).written;
    }
    const length = end - start;
    const needed = length < 32 ? 1 : length < 0x100 ? 2 : length < 0x10000 ? 3 : 5;
    if (needed !== assumed) this.#bytes.copyWithin(this.#position + needed, start, end);
    if (needed === 1) this.#bytes[this.#position++] = 0xa0 | length;
    else this.#sized(0xd9, length);
    this.#position += length;
    return true;
  }

  /** Binary. */
  binary(value: Uint8Array): void {
    this.#reserve(5);
    this.#sized(0xc4, value.length);
    this.raw(value);
  }

  /** The head of an array: `length` values follow. */
  array(length: number): void {
    this.#container(0x90, 0xdc, length);
  }

  /** The head of a map: `length` times a string and a value follow. */
  map(length: number): void {
    this.#container(0x80, 0xde, length);
  }

  /** The head of an extension: `length` bytes follow. */
  extension(type: number, length: number): void {
    this.#reserve(6);
    const fixed = FIXED_EXTENSIONS.indexOf(length);
    if (fixed >= 0) this.#bytes[this.#position++] = 0xd4 + fixed;
    else this.#sized(0xc7, length);
    this.#bytes[this.#position++] = type;
  }

  /** Begins an extension whose payload is MessagePack. Hand what it returns to {@linkcode MsgpackWriter.endExtension}. */
  beginExtension(type: number): number {
    this.#reserve(6);
    const mark = this.#position - this.#start;
    this.#bytes[this.#position + 5] = type;
    this.#position += 6;
    return mark;
  }

  /** Ends an extension. */
  endExtension(mark: number): void {
    const head = this.#start + mark;
    const payload = head + 6;
    const end = this.#position;
    const length = end - payload;
    if (length < 0x100) {
      this.#bytes.copyWithin(head + 2, payload - 1, end);
      this.#position = end - 3;
      this.#bytes[head] = 0xc7;
      this.#bytes[head + 1] = length;
    } else {
      this.#bytes[head] = 0xc9;
      this.#view.setUint32(head + 1, length);
    }
  }

  /** The place after the text, or -1 where a surrogate lacks its other half. */
  #shortText(value: string, start: number): number {
    const bytes = this.#bytes;
    let position = start;
    for (let index = 0; index < value.length; index++) {
      let unit = value.charCodeAt(index);
      if (unit < 0x80) {
        bytes[position++] = unit;
        continue;
      }
      if (unit < 0x800) {
        bytes[position++] = 0xc0 | unit >> 6;
      } else {
        if (unit >= 0xd800 && unit < 0xe000) {
          const next = value.charCodeAt(++index);
          if (unit >= 0xdc00 || !(next >= 0xdc00 && next < 0xe000)) return -1;
          unit = 0x10000 + ((unit & 0x3ff) << 10) + (next & 0x3ff);
          bytes[position++] = 0xf0 | unit >> 18;
          bytes[position++] = 0x80 | unit >> 12 & 0x3f;
        } else {
          bytes[position++] = 0xe0 | unit >> 12;
        }
        bytes[position++] = 0x80 | unit >> 6 & 0x3f;
      }
      bytes[position++] = 0x80 | unit & 0x3f;
    }
    return position;
  }

  #longText(value: string): boolean {
    if (!value.isWellFormed()) return false;
    if (this.#position - this.#start + value.length > this.#maximum) throw new TooManyBytes();
    this.#reserve(5 + value.length);
    const head = this.#position - this.#start;
    this.#position += 5;
    let rest = value;
    while (true) {
      const { read, written } = utf8.encodeInto(rest, this.#bytes.subarray(this.#position));
      this.#position += written;
      if (read === rest.length) break;
      rest = rest.slice(read);
      this.#reserve(3 * rest.length);
    }
    this.#bytes[this.#start + head] = 0xdb;
    this.#view.setUint32(this.#start + head + 1, this.#position - this.#start - head - 5);
    return true;
  }

  #container(small: number, sixteen: number, length: number): void {
    this.#reserve(5);
    if (length < 16) {
      this.#bytes[this.#position++] = small | length;
    } else if (length < 0x10000) {
      this.#bytes[this.#position] = sixteen;
      this.#view.setUint16(this.#position + 1, length);
      this.#position += 3;
    } else {
      this.#bytes[this.#position] = sixteen + 1;
      this.#view.setUint32(this.#position + 1, length);
      this.#position += 5;
    }
  }

  /** The head of what says its length in 1, 2 or 4 bytes. The caller has reserved 5 bytes. */
  #sized(eight: number, length: number): void {
    if (length < 0x100) {
      this.#bytes[this.#position] = eight;
      this.#bytes[this.#position + 1] = length;
      this.#position += 2;
    } else if (length < 0x10000) {
      this.#bytes[this.#position] = eight + 1;
      this.#view.setUint16(this.#position + 1, length);
      this.#position += 3;
    } else {
      this.#bytes[this.#position] = eight + 2;
      this.#view.setUint32(this.#position + 1, length);
      this.#position += 5;
    }
  }

  #reserve(count: number): void {
    if (this.#position + count > this.#bytes.length) this.#grow(count);
  }

  #grow(count: number): void {
    const written = this.#position - this.#start;
    if (written > this.#maximum) throw new TooManyBytes();
    const wanted = written + count;
    let grown: Uint8Array<ArrayBuffer>;
    try {
      // Some room after a large array: what follows it must not make it move again.
      grown = new Uint8Array(ROOM_BEFORE + Math.max(2 * written, wanted + SHARED_BYTES));
    } catch (cause) {
      throw new TooManyBytes(`${wanted} bytes, for which memory is lacking,`, { cause });
    }
    grown.set(this.#bytes.subarray(this.#start, this.#position), ROOM_BEFORE);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
    this.#start = ROOM_BEFORE;
    this.#position = ROOM_BEFORE + written;
  }

  #renew(): void {
    this.#bytes = new Uint8Array(SHARED_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#start = this.#position = 0;
  }
}

/** The payload lengths that have a head of their own, 0xd4 and up. */
const FIXED_EXTENSIONS: readonly number[] = [1, 2, 4, 8, 16];
