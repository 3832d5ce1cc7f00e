/**
 * Actors and futures inside arguments: found without making anything of them, and what stands for the futures.
 *
 * @module
 */

import type { ReferenceMaker } from "../client/client_session.ts";
import { type DecodeContext, decodeValue, ProtocolError } from "../protocol/mod.ts";
import type { FetchedValue } from "./isolate.ts";

/** The values of the futures among arguments, by key. */
export type FutureValues = ReadonlyMap<string, FetchedValue>;

/** There are no futures. */
export const NO_VALUES: FutureValues = new Map();

/** What references an encoded value has. */
export interface FoundReferences {
  /** Keys of its futures, each once. */
  readonly futures: readonly string[];
  /** Whether there are actors in it. */
  readonly actors: boolean;
}

const ARGUMENTS = Object.freeze({ root: "args", role: "argument" } as const);
/** Of arguments whose frame is nobody else's, and which are decoded once. */
export const OWN_ARGUMENTS = Object.freeze({ ...ARGUMENTS, owned: true } as const);

/**
 * Looks for references.
 *
 * @throws {ProtocolError | SerializationError} Where the bytes are no value.
 */
export function findReferences(bytes: Uint8Array): FoundReferences {
  const futures = new Set<string>();
  let actors = false;
  decodeValue(bytes, {
    ...ARGUMENTS,
    callable: ignore,
    stream: ignore,
    actor: () => {
      actors = true;
    },
    future: (reference) => void futures.add(futureKey(reference)),
  });
  return { futures: [...futures], actors };
}

/**
 * Arguments without references.
 *
 * @param local Makes functions and streams; without it there can be none.
 * @throws {ProtocolError | SerializationError} Where the bytes are no array of values.
 */
export function decodePlainArguments(bytes: Uint8Array, local: DecodeContext = ARGUMENTS): unknown[] {
  return asArguments(decodeValue(bytes, local));
}

/**
 * Arguments with references. The futures among them are replaced by their values; inside of those, a future stays one.
 *
 * @throws {ProtocolError | SerializationError} Where the bytes are no array of values.
 */
export function decodeArguments(
  bytes: Uint8Array,
  values: FutureValues,
  make: ReferenceMaker,
  local: DecodeContext = ARGUMENTS,
): unknown[] {
  const future = (reference: Uint8Array) => {
    const value = values.get(futureKey(reference));
    if (value === undefined) return make.future(reference);
    // Decoded for each place in which it stands: what arrives twice are two copies.
    return decodeValue(value.bytes, { root: `the value of ${value.key}`, ...make });
  };
  return asArguments(decodeValue(bytes, { ...local, actor: make.actor, future }));
}

function asArguments(decoded: unknown): unknown[] {
  if (Array.isArray(decoded)) return decoded;
  throw new ProtocolError("Cannot read arguments: they are no array");
}

function ignore(): void {}

/** The key in a future's reference. */
function futureKey(reference: Uint8Array): string {
  const fields = decodeValue(reference);
  if (Array.isArray(fields) && typeof fields[0] === "string") return fields[0];
  throw new ProtocolError("Cannot read a future: it has no key");
}
