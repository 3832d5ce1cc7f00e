/**
 * User values to bytes and back: MessagePack, with extension types (`extensions.ts`) for what it lacks.
 *
 * A value arrives as what it was, or is refused with an error that names the place: nothing turns into `{}`, `null` or
 * another type. What arrives is a copy: `null`-prototype objects as ordinary ones, an object that is there twice as two,
 * a typed array with a buffer of its own (of a long `Uint8Array` it may be a little larger: mind `byteOffset`). Not sent,
 * as with `structuredClone`, are properties that are not enumerable; nor names on arrays.
 *
 * @module
 */

import { fromErrorEnvelope, toErrorEnvelope } from "./error_envelope.ts";
import { RemoteError, type RemoteMark } from "./errors.ts";
import { checkStructure } from "./structure.ts";
import { type DecodeContext, ValueDecoder } from "./value_decoder.ts";
import { type EncodeContext, type Encoded, ValueEncoder } from "./value_encoder.ts";

export { type DecodeContext } from "./value_decoder.ts";
export {
  type EncodeContext,
  type Encoded,
  type EncodedLocal,
  type EncodedReference,
  REFERENCE,
} from "./value_encoder.ts";

const NOTHING = Object.freeze({});
/** Characters that are kept of the message of an error that is too large to be sent. */
const KEPT_TEXT = 65536;

// Taken away while they are in use: a getter, or a function of the context, may encode or decode another value meanwhile.
let idleEncoder: ValueEncoder | undefined = new ValueEncoder();
let idleDecoder: ValueDecoder | undefined = new ValueDecoder();

/**
 * Encodes a value, and lists the actors and futures in it.
 *
 * @throws {SerializationError} If something in it cannot be sent, with its `path`; or if it is too large or too deep.
 */
export function encodeValue(value: unknown, context: EncodeContext = NOTHING): Encoded {
  const encoder = idleEncoder ?? new ValueEncoder();
  idleEncoder = undefined;
  try {
    return encoder.encode(value, context);
  } finally {
    idleEncoder = encoder;
  }
}

/**
 * Checks and decodes what {@linkcode encodeValue} made.
 *
 * @throws {ProtocolError} If the bytes are not exactly one value within the limits.
 * @throws {SerializationError} If they are, but hold something like an invalid URL, or a handle where none can be.
 */
export function decodeValue(bytes: Uint8Array, context: DecodeContext = NOTHING): unknown {
  checkStructure(bytes, context.limits);
  const decoder = idleDecoder ?? new ValueDecoder();
  idleDecoder = undefined;
  try {
    return decoder.decode(bytes, context);
  } finally {
    idleDecoder = decoder;
  }
}

/**
 * The bytes of an error that ends a call: its envelope (`error_envelope.ts`). Never throws; what cannot be sent of the
 * error is left out.
 *
 * @param mark Where user code threw it; left out for an error of Troupe's own making.
 */
export function encodeError(error: unknown, mark?: RemoteMark): Uint8Array<ArrayBuffer> {
  const envelope = toErrorEnvelope(error, mark);
  try {
    return encodeValue(envelope).bytes;
  } catch (cause) {
    const { cause: _cause, errors: _errors, thrown: _thrown, fields: _fields, message, ...rest } = envelope;
    const reason = cause instanceof Error ? cause.message : "it cannot be encoded";
    const dropped = `cause, fields: ${reason}`.slice(0, KEPT_TEXT).toWellFormed();
    return encodeValue({ ...rest, message: message.slice(0, KEPT_TEXT).toWellFormed(), dropped }).bytes;
  }
}

/** Reads what {@linkcode encodeError} made. Never throws: bytes that are no error give an error that says so. */
export function decodeError(bytes: Uint8Array): Error {
  try {
    return fromErrorEnvelope(decodeValue(bytes));
  } catch (cause) {
    return new RemoteError("Cannot read an error that arrived", { cause });
  }
}
