/**
 * Bytes to user values, after `structure.ts` found nothing wrong with them.
 *
 * @module
 */

import { readAscii, readRecentText, RECENT_LENGTH } from "./ascii.ts";
import { fromErrorEnvelope } from "./error_envelope.ts";
import { SerializationError } from "./errors.ts";
import { ARRAY_KINDS, bytesToBigint, EXTENSION } from "./extensions.ts";
import type { Limits } from "./limits.ts";

/** What the decoder has to be told. */
export interface DecodeContext {
  /**
   * What errors call the value, such as `args` or `result`.
   *
   * @default {"value"}
   */
  readonly root?: string | undefined;
  /**
   * Whether the value goes to a method, or comes from one that ran: decides `code` and `executed` of errors.
   *
   * @default {"argument"}
   */
  readonly role?: "argument" | "result" | undefined;
  /**
   * Limits that the value must keep.
   *
   * @default {DEFAULT_LIMITS}
   */
  readonly limits?: Limits | undefined;
  /**
   * Whether nobody else reads or writes these bytes any more: then a `Uint8Array` of 64 KiB or more that makes up most of
   * their buffer is a view of it instead of a copy.
   *
   * @default {false}
   */
  readonly owned?: boolean | undefined;
  /** Makes the handle of an actor. Gets a view of what {@linkcode EncodeContext.reference} gave. */
  readonly actor?: ((reference: Uint8Array) => unknown) | undefined;
  /** Makes, or finds the value of, a future. Gets a view of what {@linkcode EncodeContext.reference} gave. */
  readonly future?: ((reference: Uint8Array) => unknown) | undefined;
  /** Makes what stands for a function of that number. */
  readonly callable?: ((id: number) => unknown) | undefined;
  /** Makes what stands for a stream of that number. */
  readonly stream?: ((id: number, kind: "iterable" | "readable") => unknown) | undefined;
}

/** A view of `bytes` smaller than this is copied in any case. */
const LARGE_BYTES = 64 * 1024;
/** Up to this many bytes of ASCII a loop is faster than `TextDecoder`. */
const SHORT_TEXT = 160;

const NO_BYTES = new Uint8Array(0);
const NO_CONTEXT: DecodeContext = Object.freeze({});
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes one body that {@linkcode checkStructure} has passed. Anything else may make it read nonsense. */
export class ValueDecoder {
  #bytes: Uint8Array = NO_BYTES;
  #context: DecodeContext = NO_CONTEXT;
  #view: DataView | undefined;
  #position = 0;

  /**
   * Decodes one value, and keeps nothing of it.
   *
   * @throws {SerializationError} Where content is wrong: malformed UTF-8, an invalid URL.
   */
  decode(bytes: Uint8Array, context: DecodeContext): unknown {
    this.#bytes = bytes;
    this.#context = context;
    this.#position = 0;
    try {
      return this.#value();
    } finally {
      this.#bytes = NO_BYTES;
      this.#context = NO_CONTEXT;
      this.#view = undefined;
    }
  }

  /** The next value. */
  #value(): unknown {
    const head = this.#bytes[this.#position++]!;
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#object(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#text(head & 0x1f);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#copy(this.#uint8());
      case 0xc5:
        return this.#copy(this.#uint16());
      case 0xc6:
        return this.#copy(this.#uint32());
      case 0xc7:
        return this.#extension(this.#uint8());
      case 0xc8:
        return this.#extension(this.#uint16());
      case 0xc9:
        return this.#extension(this.#uint32());
      case 0xca:
        return this.#dataView.getFloat32((this.#position += 4) - 4);
      case 0xcb:
        return this.#dataView.getFloat64((this.#position += 8) - 8);
      case 0xcc:
        return this.#uint8();
      case 0xcd:
        return this.#uint16();
      case 0xce:
        return this.#uint32();
      case 0xcf:
        return this.#dataView.getBigUint64((this.#position += 8) - 8);
      case 0xd0:
        return this.#uint8() << 24 >> 24;
      case 0xd1:
        return this.#uint16() << 16 >> 16;
      case 0xd2:
        return this.#uint32() | 0;
      case 0xd3:
        return this.#dataView.getBigInt64((this.#position += 8) - 8);
      case 0xd9:
        return this.#text(this.#uint8());
      case 0xda:
        return this.#text(this.#uint16());
      case 0xdb:
        return this.#text(this.#uint32());
      case 0xdc:
        return this.#array(this.#uint16());
      case 0xdd:
        return this.#array(this.#uint32());
      case 0xde:
        return this.#object(this.#uint16());
      case 0xdf:
        return this.#object(this.#uint32());
      default: // 0xd4 to 0xd8: an extension of 1, 2, 4, 8 or 16 bytes
        return this.#extension(1 << (head - 0xd4));
    }
  }

  #array(length: number): unknown[] {
    const array = new Array<unknown>(length);
    for (let index = 0; index < length; index++) array[index] = this.#value();
    return array;
  }

  #object(length: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (let index = 0; index < length; index++) {
      const key = this.#key();
      object[key] = this.#value();
    }
    return object;
  }

  /** Objects repeat their keys. */
  #key(): string {
    const length = this.#bytes[this.#position]! - 0xa0;
    if (length < 0 || length > RECENT_LENGTH) return this.#value() as string; // A longer key.
    const key = readRecentText(this.#bytes, this.#position + 1, length);
    if (key === undefined) return this.#value() as string;
    this.#position += 1 + length;
    return key;
  }

  #text(length: number): string {
    const start = this.#position;
    this.#position += length;
    if (length <= SHORT_TEXT) {
      const text = readAscii(this.#bytes, start, length);
      if (text !== undefined) return text;
    }
    return this.#utf8(start, length);
  }

  #utf8(start: number, length: number): string {
    try {
      return utf8.decode(this.#bytes.subarray(start, start + length));
    } catch (cause) {
      throw this.#wrong("a string in it is no valid UTF-8", cause);
    }
  }

  #extension(length: number): unknown {
    const type = this.#uint8();
    const start = this.#position;
    switch (type) {
      case EXTENSION.MAP:
        return this.#map();
      case EXTENSION.SET:
        return this.#set();
      case EXTENSION.ERROR:
        return fromErrorEnvelope(this.#value());
      case EXTENSION.REGEXP:
        return this.#regExp(this.#value() as unknown[]);
      case EXTENSION.FUNCTION:
        return this.#callable(this.#value());
      case EXTENSION.STREAM:
        return this.#stream(this.#value() as unknown[]);
    }
    this.#position += length;
    switch (type) {
      case EXTENSION.BIGINT:
        return this.#bigint(start, length);
      case EXTENSION.DATE:
        return new Date(this.#dataView.getFloat64(start));
      case EXTENSION.ARRAY_BUFFER:
        return this.#slice(start, length).buffer;
      case EXTENSION.TYPED_ARRAY:
        return this.#typedArray(start, length);
      case EXTENSION.URL:
        return this.#url(this.#utf8(start, length));
      case EXTENSION.ACTOR:
        return this.#reference("actor", start, length);
      case EXTENSION.FUTURE:
        return this.#reference("future", start, length);
      default: // EXTENSION.UNDEFINED
        return undefined;
    }
  }

  #map(): Map<unknown, unknown> {
    const length = this.#arrayLength();
    const map = new Map<unknown, unknown>();
    for (let index = 0; index < length; index += 2) {
      const key = this.#value();
      map.set(key, this.#value());
    }
    return map;
  }

  #set(): Set<unknown> {
    const length = this.#arrayLength();
    const set = new Set<unknown>();
    for (let index = 0; index < length; index++) set.add(this.#value());
    return set;
  }

  #arrayLength(): number {
    const head = this.#uint8();
    return head === 0xdc ? this.#uint16() : head === 0xdd ? this.#uint32() : head & 0x0f;
  }

  #regExp([source, flags, lastIndex]: unknown[]): RegExp {
    if (typeof source !== "string" || typeof flags !== "string" || typeof lastIndex !== "number") {
      throw this.#wrong("a regular expression in it has the wrong form");
    }
    try {
      const regExp = new RegExp(source, flags);
      regExp.lastIndex = lastIndex;
      return regExp;
    } catch (cause) {
      throw this.#wrong("a regular expression in it is not one that this runtime knows", cause);
    }
  }

  #url(text: string): URL {
    try {
      return new URL(text);
    } catch (cause) {
      throw this.#wrong(`a URL in it is invalid`, cause);
    }
  }

  #bigint(start: number, length: number): bigint {
    try {
      return bytesToBigint(this.#bytes.subarray(start, start + length));
    } catch (cause) {
      throw this.#wrong(`a bigint of ${length} bytes in it is more than this runtime can hold`, cause);
    }
  }

  #typedArray(start: number, length: number): ArrayBufferView {
    const { name, arrayClass } = ARRAY_KINDS[this.#bytes[start]!]!;
    if (arrayClass === undefined) throw this.#wrong(`this runtime has no ${name}`);
    return new arrayClass(this.#slice(start + 1, length - 1).buffer);
  }

  #reference(kind: "actor" | "future", start: number, length: number): unknown {
    const make = this.#context[kind];
    if (make === undefined) {
      throw this.#wrong(`it holds ${kind === "actor" ? "an actor" : "a future"}, which has no place here`);
    }
    return make(this.#bytes.subarray(start, start + length));
  }

  #callable(id: unknown): unknown {
    const { callable } = this.#context;
    if (callable === undefined) throw this.#wrong("it holds a function, which has no place here");
    if (typeof id !== "number") throw this.#wrong("a function in it has the wrong form");
    return callable(id);
  }

  #stream([id, form]: unknown[]): unknown {
    const { stream } = this.#context;
    if (stream === undefined) throw this.#wrong("it holds a stream, which has no place here");
    if (typeof id !== "number" || form !== 0 && form !== 1) throw this.#wrong("a stream in it has the wrong form");
    return stream(id, form === 1 ? "readable" : "iterable");
  }

  #copy(length: number): Uint8Array {
    const start = this.#position;
    this.#position += length;
    if (this.#context.owned === true && length >= LARGE_BYTES && 2 * length > this.#bytes.buffer.byteLength) {
      return this.#bytes.subarray(start, start + length);
    }
    return this.#slice(start, length);
  }

  /** A copy with a buffer of its own, so that it is aligned, can be transferred, and keeps nothing else alive. */
  #slice(start: number, length: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(start, start + length));
    return copy;
  }

  #uint8(): number {
    return this.#bytes[this.#position++]!;
  }

  #uint16(): number {
    return this.#uint8() << 8 | this.#uint8();
  }

  #uint32(): number {
    return this.#uint16() * 0x10000 + this.#uint16();
  }

  get #dataView(): DataView {
    return this.#view ??= new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  #wrong(reason: string, cause?: unknown): SerializationError {
    const path = this.#context.root ?? "value";
    const code = this.#context.role === "result" ? "RESULT_NOT_SERIALIZABLE" : "ARGUMENT_NOT_SERIALIZABLE";
    const options = { code, path, ...(cause === undefined ? {} : { cause }) } as const;
    return new SerializationError(`Cannot decode ${path}: ${reason}`, options);
  }
}
