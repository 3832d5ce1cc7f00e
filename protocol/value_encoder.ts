/**
 * User values to bytes: one walk that checks and writes at once.
 *
 * @module
 */

import { toErrorEnvelope } from "./error_envelope.ts";
import { SerializationError, type TroupeErrorCode } from "./errors.ts";
import { ARRAY_KINDS, bigintToBytes, EXTENSION, MAXIMUM_BIGINT_BYTES } from "./extensions.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { MsgpackWriter, TooManyBytes } from "./msgpack_writer.ts";
import { describeRefusal } from "./refusal.ts";

/**
 * The key under which handles and futures say that they travel by reference. Registered, so that two copies of the
 * library know each other's.
 */
export const REFERENCE: unique symbol = Symbol.for("troupe.reference.1") as never;

/** How a handle or a future travels. */
export interface EncodedReference {
  /** Which of the two it is. */
  readonly kind: "actor" | "future";
  /** One MessagePack value that says which one; {@linkcode DecodeContext} gets it back. */
  readonly bytes: Uint8Array;
  /** Its key across the cluster. */
  readonly key: string;
}

/** What stands for a function or stream that stays where it is, and is used from afar. */
export interface EncodedLocal {
  /** Its number on the connection over which the value travels. */
  readonly id: number;
  /** What it is: a function, an async iterable, or a `ReadableStream`. */
  readonly kind: "function" | "iterable" | "readable";
}

/** What the encoder has to be told. */
export interface EncodeContext {
  /**
   * What error paths begin with, such as `args` or `result`.
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
   * Limits to keep.
   *
   * @default {DEFAULT_LIMITS}
   */
  readonly limits?: Limits | undefined;
  /**
   * Asked for each object that carries {@linkcode REFERENCE}; `undefined` refuses it. Without this function all are
   * refused.
   */
  readonly reference?: ((value: object) => EncodedReference | undefined) | undefined;
  /**
   * Asked for each function, async iterable and `ReadableStream`; `undefined` refuses it. Without this function all are
   * refused.
   */
  readonly local?: ((value: object) => EncodedLocal | undefined) | undefined;
}

/** An encoded value. */
export interface Encoded {
  /**
   * One MessagePack value. Not to be changed; small values share a buffer of 8 KiB, so `slice()` what is kept for long.
   */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The keys of all actors and futures in the value, each once. */
  readonly refs: readonly string[];
}

const NO_REFERENCES: readonly string[] = Object.freeze([]);
const NO_CONTEXT: EncodeContext = Object.freeze({});

// Kinds of objects that are neither arrays nor plain, by their exact prototype: 0 to 11 are places in ARRAY_KINDS.
const BYTES = 20, DATE = 21, MAP = 22, SET = 23, ARRAY_BUFFER = 24, URL_KIND = 25, REGEXP = 26;
const KIND_OF_PROTOTYPE: ReadonlyMap<unknown, number> = new Map<unknown, number>([
  [Uint8Array.prototype, BYTES],
  [Date.prototype, DATE],
  [Map.prototype, MAP],
  [Set.prototype, SET],
  [ArrayBuffer.prototype, ARRAY_BUFFER],
  [URL.prototype, URL_KIND],
  [RegExp.prototype, REGEXP],
  ...ARRAY_KINDS.flatMap(({ arrayClass }, kind) =>
    arrayClass === undefined ? [] : [[arrayClass.prototype, kind] as [unknown, number]]
  ),
]);

const utf8 = new TextEncoder();

/** Encodes one value at a time; {@linkcode encodeValue} in `values.ts` keeps one for reuse. */
export class ValueEncoder {
  readonly #writer = new MsgpackWriter();
  /** The containers around the value at hand, and the key or index in each. Kept flat: this is the hot path. */
  readonly #containers: (object | undefined)[] = [];
  readonly #keys: (string | number)[] = [];
  #depth = 0;
  #nodes = 0;
  #elements = 0;
  #references: string[] | undefined;
  #context: EncodeContext = NO_CONTEXT;
  #limits: Limits = DEFAULT_LIMITS;

  /**
   * Encodes one value.
   *
   * @throws {SerializationError} Names the place in the value, and says why it cannot be sent.
   */
  encode(value: unknown, context: EncodeContext): Encoded {
    this.#context = context;
    this.#limits = context.limits ?? DEFAULT_LIMITS;
    this.#depth = this.#nodes = this.#elements = 0;
    this.#references = undefined;
    this.#writer.begin(this.#limits.valueBytes);
    try {
      this.#value(value);
      return { bytes: this.#writer.finish(), refs: this.#references ?? NO_REFERENCES };
    } catch (error) {
      throw this.#explain(error);
    } finally {
      for (let index = 0; index < this.#depth; index++) this.#containers[index] = undefined;
      this.#context = NO_CONTEXT;
    }
  }

  #value(value: unknown): void {
    switch (typeof value) {
      case "number":
        return this.#writer.number(value);
      case "string":
        return this.#text(value);
      case "boolean":
        return this.#writer.byte(value ? 0xc3 : 0xc2);
      case "object":
        return value === null ? this.#writer.byte(0xc0) : this.#object(value);
      case "undefined":
        this.#countNode();
        this.#writer.extension(EXTENSION.UNDEFINED, 1);
        return this.#writer.byte(0);
      case "bigint":
        return this.#bigint(value);
      case "function":
        return this.#local(value);
      default:
        throw this.#refuse(value);
    }
  }

  #text(value: string): void {
    if (value.length > this.#limits.stringBytes) throw this.#tooLarge(`a string of ${value.length} characters`);
    if (!this.#writer.text(value)) throw this.#refuse(value);
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) === value || BigInt.asUintN(64, value) === value) return this.#writer.bigint64(value);
    this.#countNode();
    const bytes = bigintToBytes(value);
    if (bytes.length > Math.min(MAXIMUM_BIGINT_BYTES, this.#limits.extensionBytes)) throw this.#refuse(value);
    this.#writer.extension(EXTENSION.BIGINT, bytes.length);
    this.#writer.raw(bytes);
  }

  #object(value: object): void {
    if (Array.isArray(value)) return this.#array(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) return this.#plain(value as Record<string, unknown>);
    if (REFERENCE in value) return this.#reference(value);
    const kind = KIND_OF_PROTOTYPE.get(prototype);
    if (kind !== undefined) return this.#builtIn(value, kind);
    if (value instanceof Error) return this.#error(value);
    if (isStream(value)) return this.#local(value);
    throw this.#refuse(value);
  }

  #array(value: readonly unknown[]): void {
    if (Object.getPrototypeOf(value) !== Array.prototype) throw this.#refuse(value);
    const length = value.length;
    const depth = this.#enter(value, length);
    this.#writer.array(length);
    for (let index = 0; index < length; index++) {
      this.#keys[depth] = index;
      const element = value[index];
      if (element === undefined && !Object.hasOwn(value, index)) {
        throw this.#refusal("a hole in an array; fill it, or send a Map");
      }
      this.#value(element);
    }
    this.#leave(depth);
  }

  #plain(value: Record<string, unknown>): void {
    if (Object.getOwnPropertySymbols(value).length > 0) {
      if (isStream(value)) return this.#local(value);
      if (this.#hasMeaning(value)) return this.#reference(value);
    }
    const keys = Object.keys(value);
    const depth = this.#enter(value, 2 * keys.length);
    this.#writer.map(keys.length);
    for (const key of keys) {
      this.#keys[depth] = key;
      if (key === "__proto__") {
        throw this.#refusal("a key __proto__, which would change the prototype of its reader's copy");
      }
      this.#text(key);
      this.#value(value[key]);
    }
    this.#leave(depth);
  }

  /** Whether symbols say that this object is a reference; refuses those that would be lost. */
  #hasMeaning(value: object): boolean {
    if (REFERENCE in value) return true;
    if (Object.prototype.toString.call(value) === "[object Arguments]") throw this.#refuse(value);
    for (const symbol of Object.getOwnPropertySymbols(value)) {
      if (Object.prototype.propertyIsEnumerable.call(value, symbol)) {
        throw this.#refusal(`an object with the key ${String(symbol)}; symbols do not travel`);
      }
    }
    return false;
  }

  #reference(value: object): void {
    const reference = this.#context.reference?.(value);
    if (reference === undefined) throw this.#refusal("an actor handle or a future here");
    this.#references ??= [];
    if (!this.#references.includes(reference.key)) this.#references.push(reference.key);
    this.#countNode();
    this.#leave(this.#enter(value, 0)); // What is inside counts for the reader's limits as well.
    this.#writer.extension(reference.kind === "actor" ? EXTENSION.ACTOR : EXTENSION.FUTURE, reference.bytes.length);
    this.#writer.raw(reference.bytes);
  }

  /** A function or stream: only its number travels. */
  #local(value: object): void {
    const local = this.#context.local?.(value);
    if (local === undefined) throw this.#refuse(value);
    this.#countNode();
    this.#leave(this.#enter(value, 2)); // What is inside counts for the reader's limits as well.
    const mark = this.#writer.beginExtension(local.kind === "function" ? EXTENSION.FUNCTION : EXTENSION.STREAM);
    if (local.kind !== "function") this.#writer.array(2);
    this.#writer.number(local.id);
    if (local.kind !== "function") this.#writer.number(local.kind === "readable" ? 1 : 0);
    this.#writer.endExtension(mark);
  }

  #builtIn(value: object, kind: number): void {
    switch (kind) {
      case BYTES:
        return this.#writer.binary(this.#bytesOf(value as Uint8Array));
      case DATE:
        this.#refuseFields(value);
        this.#countNode();
        this.#writer.extension(EXTENSION.DATE, 8);
        return this.#writer.float64((value as Date).getTime());
      case MAP:
        return this.#map(value as Map<unknown, unknown>);
      case SET:
        return this.#set(value as Set<unknown>);
      case ARRAY_BUFFER: {
        const bytes = this.#bytesOf(new Uint8Array(value as ArrayBuffer));
        this.#countNode();
        this.#writer.extension(EXTENSION.ARRAY_BUFFER, this.#payload(bytes.length));
        return this.#writer.raw(bytes);
      }
      case URL_KIND: {
        this.#refuseFields(value);
        this.#countNode();
        const bytes = utf8.encode((value as URL).href);
        this.#writer.extension(EXTENSION.URL, this.#payload(bytes.length));
        return this.#writer.raw(bytes);
      }
      case REGEXP:
        return this.#regExp(value as RegExp);
      default: {
        const bytes = this.#bytesOf(value as ArrayBufferView);
        this.#countNode();
        this.#writer.extension(EXTENSION.TYPED_ARRAY, this.#payload(bytes.length + 1));
        this.#writer.byte(kind);
        return this.#writer.raw(bytes);
      }
    }
  }

  /** The bytes of a view, unless they are shared with other threads or were transferred away. */
  #bytesOf(view: ArrayBufferView): Uint8Array {
    const { buffer, byteOffset, byteLength } = view;
    if (!(buffer instanceof ArrayBuffer)) throw this.#refuse(view);
    if (buffer.detached) throw this.#refusal("a buffer that was transferred away; it is empty now");
    return new Uint8Array(buffer, byteOffset, byteLength);
  }

  #payload(length: number): number {
    if (length > this.#limits.extensionBytes) throw this.#tooLarge(`${length} bytes`);
    return length;
  }

  #map(value: Map<unknown, unknown>): void {
    this.#refuseFields(value);
    this.#countNode();
    const size = value.size;
    const depth = this.#enter(value, 2 * size);
    const mark = this.#writer.beginExtension(EXTENSION.MAP);
    this.#writer.array(2 * size);
    let index = 0;
    for (const [key, element] of value) {
      this.#keys[depth] = index++;
      this.#value(key);
      this.#keys[depth] = index++;
      this.#value(element);
    }
    if (index !== 2 * size) throw this.#refusal("a Map that changes while it is read");
    this.#writer.endExtension(mark);
    this.#leave(depth);
  }

  #set(value: Set<unknown>): void {
    this.#refuseFields(value);
    this.#countNode();
    const size = value.size;
    const depth = this.#enter(value, size);
    const mark = this.#writer.beginExtension(EXTENSION.SET);
    this.#writer.array(size);
    let index = 0;
    for (const element of value) {
      this.#keys[depth] = index++;
      this.#value(element);
    }
    if (index !== size) throw this.#refusal("a Set that changes while it is read");
    this.#writer.endExtension(mark);
    this.#leave(depth);
  }

  #regExp(value: RegExp): void {
    this.#refuseFields(value);
    this.#countNode();
    const depth = this.#enter(value, 3);
    const mark = this.#writer.beginExtension(EXTENSION.REGEXP);
    this.#writer.array(3);
    this.#text(value.source);
    this.#text(value.flags);
    this.#writer.number(value.lastIndex);
    this.#writer.endExtension(mark);
    this.#leave(depth);
  }

  #error(value: Error): void {
    this.#countNode();
    const depth = this.#enter(value, 0);
    const mark = this.#writer.beginExtension(EXTENSION.ERROR);
    this.#plain(toErrorEnvelope(value, undefined, this.#containers) as unknown as Record<string, unknown>);
    this.#writer.endExtension(mark);
    this.#leave(depth);
  }

  /** Fields that somebody put on a Date, Map … would be lost. */
  #refuseFields(value: object): void {
    const [field] = Object.keys(value);
    if (field !== undefined) {
      throw this.#refusal(`a ${value.constructor.name} with a field of its own, ${field}; send the two side by side`);
    }
  }

  /** Steps into a container of so many keys, values and elements; returns its place. */
  #enter(container: object, elements: number): number {
    const depth = this.#depth;
    for (let index = 0; index < depth; index++) {
      if (this.#containers[index] === container) {
        throw this.#refusal(`a value that contains itself; it is ${this.#path(index)} again`);
      }
    }
    if (depth >= this.#limits.depth) throw this.#refusal(`a value that nests deeper than ${depth} levels`);
    this.#countNode();
    this.#elements += elements;
    if (this.#elements > this.#limits.elements) {
      throw this.#tooLarge(`more than ${this.#limits.elements} elements`, "send numbers as a typed array");
    }
    this.#containers[depth] = container;
    this.#depth = depth + 1;
    return depth;
  }

  #leave(depth: number): void {
    this.#containers[depth] = undefined;
    this.#depth = depth;
  }

  #countNode(): void {
    if (++this.#nodes > this.#limits.nodes) {
      throw this.#tooLarge(`more than ${this.#limits.nodes} arrays, objects and other structures`);
    }
  }

  #refuse(value: unknown): SerializationError {
    return this.#refusal(describeRefusal(value));
  }

  #refusal(reason: string, cause?: unknown): SerializationError {
    return this.#failure(`cannot send ${reason}`, "ARGUMENT_NOT_SERIALIZABLE", "RESULT_NOT_SERIALIZABLE", cause);
  }

  #tooLarge(what: string, hint = "send it in parts"): SerializationError {
    return this.#failure(
      `cannot send ${what} in one value; ${hint}`,
      "PAYLOAD_TOO_LARGE",
      "RESULT_TOO_LARGE",
      undefined,
    );
  }

  #failure(reason: string, ofArgument: TroupeErrorCode, ofResult: TroupeErrorCode, cause: unknown): SerializationError {
    const path = this.#path(this.#depth);
    const code = this.#context.role === "result" ? ofResult : ofArgument;
    const options = { code, path, ...(cause === undefined ? {} : { cause }) };
    return new SerializationError(`Cannot encode ${path}: ${reason}`, options);
  }

  #explain(error: unknown): unknown {
    if (error instanceof SerializationError) return error;
    if (error instanceof TooManyBytes) {
      return this.#tooLarge(error.message || `more than ${this.#limits.valueBytes} bytes`);
    }
    // A getter, a Proxy, or an object with the prototype of a Map that is none.
    return this.#refusal(
      `what throws when it is read: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }

  /** Where the value at hand is, or its container at `depth`. */
  #path(depth: number): string {
    let path = this.#context.root ?? "value";
    for (let index = 0; index < depth; index++) path += step(this.#containers[index]!, this.#keys[index]!);
    return path;
  }
}

function isStream(value: object): boolean {
  return typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === "function" ||
    value instanceof ReadableStream;
}

function step(container: object, key: string | number): string {
  if (container instanceof Map) {
    const at = Number(key);
    const mapKey = [...container.keys()][at >> 1];
    if (at % 2 === 0) return `.keys()[${at >> 1}]`;
    return typeof mapKey === "string" || typeof mapKey === "number"
      ? `.get(${JSON.stringify(mapKey)})`
      : `.values()[${at >> 1}]`;
  }
  if (container instanceof Set) return `.values()[${key}]`;
  if (container instanceof Error || container instanceof RegExp) return "";
  if (typeof key === "number") return `[${key}]`;
  return /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
