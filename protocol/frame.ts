/**
 * Messages to bytes and back: a frame is a sequence of MessagePack arrays, one for each message.
 *
 * The reader takes nothing but the few MessagePack forms that the table allows, and slices bytes instead of copying
 * them: a frame cannot make it allocate more than the frame's own size.
 *
 * @module
 */

import { readRecentText, RECENT_LENGTH } from "./ascii.ts";
import { ProtocolError, SerializationError } from "./errors.ts";
import { type FieldKind, type Message, type MessageOf, MESSAGES, type Op } from "./messages.ts";

interface Layout {
  readonly op: Op;
  readonly number: number;
  readonly names: readonly string[];
  readonly kinds: readonly FieldKind[];
}

const LAYOUTS: ReadonlyMap<string, Layout> = new Map(
  (Object.keys(MESSAGES) as Op[]).map((op) => {
    const [number, fields] = MESSAGES[op];
    return [op, { op, number, names: Object.keys(fields), kinds: Object.values(fields) as FieldKind[] }];
  }),
);
const BY_NUMBER: readonly (Layout | undefined)[] = (() => {
  const table: (Layout | undefined)[] = [];
  for (const layout of LAYOUTS.values()) table[layout.number] = layout;
  return table;
})();

/** The frame that only acknowledges: one MessagePack nil. */
export const ACKNOWLEDGEMENT: Uint8Array<ArrayBuffer> = Uint8Array.of(0xc0);

/** More keys than this do not go into one message; a release of more is sent as several. */
export const MAXIMUM_TEXTS = 65536;

/**
 * Bytes that are free before each message that {@linkcode FrameWriter.take} and {@linkcode FrameWriter.wrap} give, so that
 * {@linkcode cutPiece} can put the head of a piece there. No head of a piece is longer.
 */
export const PIECE_ROOM = 25;

/** Shorter values may share buffers with others, and are copied in no time. */
const LARGE_VALUE = 8193;

const NO_TEXTS: readonly string[] = Object.freeze([]);
const NO_BYTES: Uint8Array = new Uint8Array(0);
const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes messages one after another into a buffer that it keeps. */
export class FrameWriter {
  #bytes = new Uint8Array(4096);
  #view = new DataView(this.#bytes.buffer);
  /** The place after what was written, which begins at `PIECE_ROOM`. */
  #end = PIECE_ROOM;

  /** Bytes written since the last {@linkcode FrameWriter.reset}. */
  get length(): number {
    return this.#end - PIECE_ROOM;
  }

  /**
   * Appends a message and returns how many bytes it took.
   *
   * @throws {SerializationError} Where a field is not what the table says; then nothing was appended.
   */
  write(message: Message): number {
    const start = this.#end;
    this.#message(message, undefined);
    return this.#end - start;
  }

  /**
   * Gives the bytes of a message whose long value {@linkcode encodeValue} has just made, without copying it: the rest of
   * the message is written around it, into its own buffer. The value is given away with that, and must not be used again.
   *
   * @param minimum How long the value has to be.
   * @returns `undefined` where the message holds no such value; then nothing has happened.
   * @throws {SerializationError} Where a field is not what the table says.
   */
  wrap(message: Message, minimum = LARGE_VALUE): Uint8Array<ArrayBuffer> | undefined {
    const value = valueOf(message);
    if (value === undefined || value.length < Math.max(minimum, LARGE_VALUE)) return undefined;
    const start = this.#end;
    const split = this.#message(message, value);
    const head = this.#bytes.subarray(start, split);
    const tail = this.#bytes.subarray(split, this.#end);
    this.#end = start;
    const whole = new Uint8Array(value.buffer);
    const begin = value.byteOffset - head.length;
    const end = value.byteOffset + value.length;
    if (begin < PIECE_ROOM || end + tail.length > whole.length) return undefined;
    whole.set(head, begin);
    whole.set(tail, end);
    return whole.subarray(begin, end + tail.length);
  }

  /** Appends messages that were written before. */
  append(written: Uint8Array): void {
    this.#append(written);
  }

  /** What was written from `start` on: a view, good until the next write. */
  view(start = 0): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(PIECE_ROOM + start, this.#end);
  }

  /** Forgets what was written after `length`. A buffer that grew large is given up. */
  reset(length = 0): void {
    this.#end = PIECE_ROOM + length;
    if (length === 0 && this.#bytes.length > 1 << 20) this.#renew(4096);
  }

  /** Takes out what was written from `start` on: bytes that nothing else uses, with `PIECE_ROOM` before them. */
  take(start: number): Uint8Array<ArrayBuffer> {
    const taken = this.view(start);
    if (start === 0 && taken.length > 65536) {
      // A copy of much costs more than another buffer.
      this.#end = PIECE_ROOM;
      this.#renew(4096);
      return taken;
    }
    this.#end = PIECE_ROOM + start;
    const copy = new Uint8Array(PIECE_ROOM + taken.length);
    copy.set(taken, PIECE_ROOM);
    return copy.subarray(PIECE_ROOM);
  }

  /** Takes the first `count` bytes away and moves the rest to the front. */
  drop(count: number): void {
    this.#bytes.copyWithin(PIECE_ROOM, PIECE_ROOM + count, this.#end);
    this.#end -= count;
  }

  /** Appends what stands before the part in a piece. */
  writePieceHead(transfer: number, remaining: number, size: number): void {
    this.#reserve(2);
    this.#bytes[this.#end++] = 0x94;
    this.#bytes[this.#end++] = MESSAGES.piece[0];
    this.#uint(transfer);
    this.#uint(remaining);
    this.#head(size, 0, -1, 0xc4, 0xc5);
  }

  /** Writes all of a message but the bytes of `value`; returns the place where those belong. */
  #message(message: Message, value: Uint8Array | undefined): number {
    const start = this.#end;
    let split = start;
    if (value === undefined && this.#writeFast(message)) return start;
    const { op, number, names, kinds } = LAYOUTS.get(message.op)!;
    const fields = message as unknown as Record<string, unknown>;
    this.#reserve(2);
    this.#bytes[this.#end++] = 0x90 | (kinds.length + 1);
    this.#bytes[this.#end++] = number;
    let index = 0;
    try {
      for (; index < kinds.length; index++) {
        const field = fields[names[index]!];
        if (value !== undefined && field === value) {
          this.#head(value.length, 0, -1, 0xc4, 0xc5);
          split = this.#end;
        } else {
          this.#field(kinds[index]!, field);
        }
      }
    } catch (cause) {
      // Half a message would spoil all that follows it in the frame.
      this.#end = start;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SerializationError(`Cannot write ${names[index]} of a ${op} message: ${reason}`, { cause });
    }
    return split;
  }

  /** What the table says, written down for the messages of which there are most. Leaves all that is wrong to the table. */
  #writeFast(message: Message): boolean {
    const start = this.#end;
    try {
      if (message.op === "call") this.#call(message);
      else if (message.op === "result") this.#result(message);
      else if (message.op === "data") this.#data(message);
      else return false;
      return true;
    } catch {
      this.#end = start;
      return false;
    }
  }

  #call({ id, slot, kind, name, args, refs, deadline, priority, credit, trace, chain }: MessageOf<"call">): void {
    this.#reserve(2);
    this.#bytes[this.#end++] = 0x9c;
    this.#bytes[this.#end++] = MESSAGES.call[0];
    this.#uint(id);
    this.#uint(slot);
    this.#uint(kind);
    this.#text(name);
    this.#binary(args);
    this.#texts(refs);
    this.#optionalUint(deadline);
    this.#optionalUint(priority);
    this.#optionalUint(credit);
    if (trace === undefined) this.#nil();
    else this.#text(trace);
    this.#texts(chain);
  }

  #result({ id, value, refs }: MessageOf<"result">): void {
    this.#reserve(2);
    this.#bytes[this.#end++] = 0x94;
    this.#bytes[this.#end++] = MESSAGES.result[0];
    this.#uint(id);
    this.#binary(value);
    this.#texts(refs);
  }

  #data({ channel, frame }: MessageOf<"data">): void {
    this.#reserve(2);
    this.#bytes[this.#end++] = 0x93;
    this.#bytes[this.#end++] = MESSAGES.data[0];
    this.#uint(channel);
    this.#binary(frame);
  }

  #optionalUint(value: number | undefined): void {
    if (value === undefined) this.#nil();
    else this.#uint(value);
  }

  #nil(): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = 0xc0;
  }

  #texts(texts: readonly string[]): void {
    if (texts.length > MAXIMUM_TEXTS) throw new RangeError(`${texts.length} are more than ${MAXIMUM_TEXTS}`);
    this.#head(texts.length, 0x90, 15, undefined, 0xdc);
    // Most are empty, and an iterator is garbage of every call.
    for (let index = 0; index < texts.length; index++) this.#text(texts[index]!);
  }

  #field(kind: FieldKind, value: unknown): void {
    if (value === undefined) {
      if (!kind.endsWith("?")) throw new TypeError("it is missing");
      return this.#nil();
    }
    switch (kind) {
      case "uint":
      case "uint?":
        return this.#uint(value as number);
      case "text":
      case "text?":
        return this.#text(value as string);
      case "bytes":
      case "bytes?":
        return this.#binary(value as Uint8Array);
      case "texts":
        return this.#texts(value as readonly string[]);
    }
  }

  #uint(value: number): void {
    this.#reserve(9);
    if ((value & 127) === value) {
      this.#bytes[this.#end++] = value;
    } else if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`${value} is no whole number from 0 to 2^53 - 1`);
    } else if (value < 65536) {
      this.#bytes[this.#end] = 0xcd;
      this.#view.setUint16(this.#end + 1, value);
      this.#end += 3;
    } else if (value < 4294967296) {
      this.#bytes[this.#end] = 0xce;
      this.#view.setUint32(this.#end + 1, value);
      this.#end += 5;
    } else {
      this.#bytes[this.#end] = 0xcf;
      this.#view.setUint32(this.#end + 1, Math.floor(value / 4294967296));
      this.#view.setUint32(this.#end + 5, value % 4294967296);
      this.#end += 9;
    }
  }

  #text(value: string): void {
    if (typeof value !== "string") throw new TypeError(`it is no string, but ${typeof value}`);
    const units = value.length;
    this.#reserve(units * 3 + 5);
    if (units < 32) {
      const start = this.#end + 1;
      let index = 0;
      for (; index < units; index++) {
        const unit = value.charCodeAt(index);
        if (unit > 127) break;
        this.#bytes[start + index] = unit;
      }
      if (index === units) {
        this.#bytes[this.#end] = 0xa0 | units;
        this.#end = start + units;
        return;
      }
    }
    const encoded = utf8Encoder.encode(value);
    this.#head(encoded.length, 0xa0, 31, 0xd9, 0xda);
    this.#append(encoded);
  }

  #binary(value: Uint8Array): void {
    if (!(value instanceof Uint8Array)) throw new TypeError(`it is no Uint8Array, but ${typeof value}`);
    this.#head(value.length, 0, -1, 0xc4, 0xc5);
    this.#append(value);
  }

  /** `small` up to `smallest`, then one byte, two bytes, four bytes of length; `two + 1` is the four-byte form. */
  #head(length: number, small: number, smallest: number, one: number | undefined, two: number): void {
    this.#reserve(5);
    if (length <= smallest) {
      this.#bytes[this.#end++] = small | length;
    } else if (one !== undefined && length < 256) {
      this.#bytes[this.#end++] = one;
      this.#bytes[this.#end++] = length;
    } else if (length < 65536) {
      this.#bytes[this.#end] = two;
      this.#view.setUint16(this.#end + 1, length);
      this.#end += 3;
    } else {
      this.#bytes[this.#end] = two + 1;
      this.#view.setUint32(this.#end + 1, length);
      this.#end += 5;
    }
  }

  #append(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#end);
    this.#end += value.length;
  }

  #reserve(count: number): void {
    const wanted = this.#end + count;
    if (wanted <= this.#bytes.length) return;
    const before = this.view();
    // After a long field there is room for the short ones that follow, lest they double it.
    this.#renew(Math.max(wanted + 4096, this.#bytes.length * 2));
    this.#bytes.set(before, PIECE_ROOM);
  }

  #renew(size: number): void {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }
}

/** The value of a call or a result. */
function valueOf(message: Message): Uint8Array<ArrayBuffer> | undefined {
  const value = message.op === "call" ? message.args : message.op === "result" ? message.value : undefined;
  return value as Uint8Array<ArrayBuffer> | undefined;
}

/** A part of a long message. */
export interface Cut {
  /** The number of its transfer. */
  readonly transfer: number;
  /** Where it begins in the message. */
  readonly start: number;
  /** Its bytes. */
  readonly size: number;
}

/**
 * The frame of one piece of a message that {@linkcode FrameWriter.take} or {@linkcode FrameWriter.wrap} gave: a view of it,
 * as the head is written over the bytes before the part. So pieces are cut in order, and each is sent before the next.
 */
export function cutPiece(message: Uint8Array<ArrayBuffer>, { transfer, start, size }: Cut): Uint8Array<ArrayBuffer> {
  pieceHead.reset();
  pieceHead.writePieceHead(transfer, message.length - start - size, size);
  const head = pieceHead.view();
  const begin = message.byteOffset + start - head.length;
  const frame = new Uint8Array(message.buffer, begin, head.length + size);
  frame.set(head);
  return frame;
}

const pieceHead = new FrameWriter();

/** The bytes of one message: an array of its own. */
export function encodeMessage(message: Message): Uint8Array<ArrayBuffer> {
  const writer = new FrameWriter();
  writer.write(message);
  return writer.view().slice();
}

/**
 * Reads a frame and hands each message to `receive` in order. `bytes` fields are views into `frame`.
 *
 * @throws {ProtocolError} At the first byte that is not as the table says; messages before it have been handed over.
 */
export function readFrame(frame: Uint8Array, receive: (message: Message) => void): void {
  const reader = idleReader ?? new Reader();
  idleReader = undefined;
  try {
    reader.begin(frame);
    while (reader.offset < frame.length) {
      if (frame[reader.offset] === 0xc0) reader.offset++;
      else receive(reader.message());
    }
  } finally {
    reader.begin(NO_BYTES);
    idleReader = reader;
  }
}

class Reader {
  offset = 0;
  #bytes = NO_BYTES;

  begin(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.offset = 0;
  }

  message(): Message {
    const head = this.#byte();
    if ((head & 0xf0) !== 0x90) throw this.#wrong("an array of up to 15 elements", head);
    const number = this.#byte();
    const layout = BY_NUMBER[number];
    if (layout === undefined) throw new ProtocolError(`Cannot read a message: no message has the number ${number}`);
    const count = (head & 0x0f) - 1;
    if (count < layout.kinds.length) {
      throw new ProtocolError(
        `Cannot read a ${layout.op} message: it has ${count} fields instead of ${layout.kinds.length}`,
      );
    }
    const message = this.#fields(layout);
    if (count > layout.kinds.length) {
      throw new ProtocolError(
        `Cannot read a ${layout.op} message: it has ${count} fields instead of ${layout.kinds.length}`,
      );
    }
    return message;
  }

  /** By the table, but for the messages of which there are most: an object that is written down is made ten times as fast. */
  #fields({ op, names, kinds }: Layout): Message {
    if (op === "call") return this.#call();
    if (op === "result") return { op, id: this.#uint(), value: this.#binary(), refs: this.#texts() };
    if (op === "data") return { op, channel: this.#uint(), frame: this.#binary() };
    const message: Record<string, unknown> = { op };
    for (let index = 0; index < kinds.length; index++) message[names[index]!] = this.#field(kinds[index]!);
    return message as unknown as Message;
  }

  #call(): MessageOf<"call"> {
    return {
      op: "call",
      id: this.#uint(),
      slot: this.#uint(),
      kind: this.#uint(),
      name: this.#text(),
      args: this.#binary(),
      refs: this.#texts(),
      deadline: this.#isNil() ? undefined : this.#uint(),
      priority: this.#isNil() ? undefined : this.#uint(),
      credit: this.#isNil() ? undefined : this.#uint(),
      trace: this.#isNil() ? undefined : this.#text(),
      chain: this.#texts(),
    };
  }

  #field(kind: FieldKind): unknown {
    if (kind.endsWith("?") && this.#isNil()) return undefined;
    switch (kind) {
      case "uint":
      case "uint?":
        return this.#uint();
      case "text":
      case "text?":
        return this.#text();
      case "bytes":
      case "bytes?":
        return this.#binary();
      case "texts":
        return this.#texts();
    }
  }

  #isNil(): boolean {
    if (this.#bytes[this.offset] !== 0xc0) return false;
    this.offset++;
    return true;
  }

  #uint(): number {
    const head = this.#byte();
    if (head < 128) return head;
    switch (head) {
      case 0xcc:
        return this.#byte();
      case 0xcd:
        return this.#number(2);
      case 0xce:
        return this.#number(4);
      case 0xcf: {
        const value = this.#number(4) * 4294967296 + this.#number(4);
        if (Number.isSafeInteger(value)) return value;
      }
    }
    throw this.#wrong("a whole number below 2^53", head);
  }

  #text(): string {
    const head = this.#byte();
    let length: number;
    if ((head & 0xe0) === 0xa0) length = head & 0x1f;
    else if (head === 0xd9) length = this.#byte();
    else if (head === 0xda) length = this.#number(2);
    else if (head === 0xdb) length = this.#number(4);
    else throw this.#wrong("a string", head);
    const start = this.offset;
    if (start + length > this.#bytes.length) throw this.#short();
    this.offset += length;
    const text = length <= RECENT_LENGTH ? readRecentText(this.#bytes, start, length) : undefined;
    if (text !== undefined) return text;
    try {
      return utf8Decoder.decode(this.#bytes.subarray(start, start + length));
    } catch (cause) {
      throw new ProtocolError("Cannot read a message: a string in it is no valid UTF-8", { cause });
    }
  }

  #binary(): Uint8Array {
    const head = this.#byte();
    if (head === 0xc4) return this.#slice(this.#byte());
    if (head === 0xc5) return this.#slice(this.#number(2));
    if (head === 0xc6) return this.#slice(this.#number(4));
    throw this.#wrong("bytes", head);
  }

  #texts(): readonly string[] {
    const head = this.#byte();
    let length: number;
    if ((head & 0xf0) === 0x90) length = head & 0x0f;
    else if (head === 0xdc) length = this.#number(2);
    else if (head === 0xdd) length = this.#number(4);
    else throw this.#wrong("an array of strings", head);
    if (length === 0) return NO_TEXTS;
    // A string takes a byte at least: a longer array is a lie, and must not be allocated.
    if (length > this.#bytes.length - this.offset) throw this.#short();
    if (length > MAXIMUM_TEXTS) throw new ProtocolError(`Cannot read a message: a list of ${length} keys in it`);
    const texts = new Array<string>(length);
    for (let index = 0; index < length; index++) texts[index] = this.#text();
    return texts;
  }

  #slice(length: number): Uint8Array {
    const end = this.offset + length;
    if (end > this.#bytes.length) throw this.#short();
    const part = this.#bytes.subarray(this.offset, end);
    this.offset = end;
    return part;
  }

  #byte(): number {
    const byte = this.#bytes[this.offset];
    if (byte === undefined) throw this.#short();
    this.offset++;
    return byte;
  }

  #number(size: 2 | 4): number {
    if (this.offset + size > this.#bytes.length) throw this.#short();
    let value = 0;
    for (let index = 0; index < size; index++) value = value * 256 + this.#bytes[this.offset + index]!;
    this.offset += size;
    return value;
  }

  #short(): ProtocolError {
    return new ProtocolError(`Cannot read a frame of ${this.#bytes.length} bytes: it ends inside a message`);
  }

  #wrong(wanted: string, head: number): ProtocolError {
    return new ProtocolError(
      `Cannot read a frame: expected ${wanted} at byte ${this.offset - 1}, found 0x${
        head.toString(16).padStart(2, "0")
      }`,
    );
  }
}

// Taken away while it is in use: whoever receives a message may read another frame meanwhile.
let idleReader: Reader | undefined = new Reader();
