/**
 * What arguments hold besides plain values: handles, futures and nodes of graphs, as the codec writes them.
 *
 * @module
 */

import {
  type ActorReference,
  decodeValue,
  encodeActorReference,
  type EncodeContext,
  type Encoded,
  type EncodedReference,
  encodeValue,
  ProtocolError,
  SerializationError,
} from "../protocol/mod.ts";
import { futureLink, handleLink, nodeLink } from "./brands.ts";
import { argumentFailed } from "./call_errors.ts";
import type { CallReference } from "./external.ts";
import type { ActorFuture } from "./types.ts";

/** What the future of a key gives the codec. */
export interface KeyReference {
  /** Which client it belongs to. */
  readonly owner: symbol;
  /** Its key. */
  readonly key: string;
  /** Where it failed before the scheduler heard of it: with what. */
  readonly failure?: Error | undefined;
}

/** What a key that is held came to. */
export interface FailingKey {
  /** What it failed with itself. */
  readonly error: Error | undefined;
  /** What depends on it fails with this. */
  readonly failure: Error | undefined;
}

/** Whose arguments they are. */
export interface ReferenceOwner {
  /** Tells this client's futures from those of others. */
  readonly owner: symbol;
  /** A key that this client holds, so that the scheduler knows it. */
  find(key: string): FailingKey | undefined;
  /** The key of a call's result. */
  keyOfCall(future: ActorFuture<unknown>, call: CallReference): string;
}

/**
 * Encodes arguments: handles and futures become references.
 *
 * @param root What error paths begin with.
 * @param local Lends functions and streams to a call; without it there can be none.
 * @throws {SerializationError} Naming the path of what cannot be sent.
 * @throws {TypeError} Where a future belongs to another client, or was released, or a node was not computed.
 * @throws The error of a future in it that has failed; of a call, a {@linkcode DependencyLostError} with it as cause.
 */
export function encodeArguments(
  value: unknown,
  root: string,
  owner: ReferenceOwner,
  local?: EncodeContext["local"],
): Encoded {
  try {
    return encodeValue(value, { root, reference: (value) => encodeHandle(value) ?? encodeFuture(value, owner), local });
  } catch (error) {
    // The codec adds to whatever is thrown inside where it happened.
    if (error instanceof SerializationError && error.cause instanceof Refusal) {
      throw error.cause.at(error.path, local !== undefined);
    }
    throw error;
  }
}

/**
 * Encodes a value that is kept, or a result: handles and futures in it become references, and stay handles and futures.
 *
 * @throws {SerializationError} Naming the path of what cannot be sent.
 */
export function encodeStored(value: unknown, root: string, owner: ReferenceOwner): Encoded {
  return encodeValue(value, { root, reference: (value) => encodeKept(value, owner) });
}

/**
 * What the codec writes in place of a handle, or of a future that stays one where it arrives; `undefined` refuses it.
 * The result of a call can be no part of a value: it is nowhere but here.
 */
export function encodeKept(value: object, { owner, find }: ReferenceOwner): EncodedReference | undefined {
  const handle = encodeHandle(value);
  if (handle) return handle;
  const link = futureLink(value);
  if (link?.kind !== "key") return undefined;
  const reference = link.reference() as KeyReference;
  if (reference.owner !== owner || find(reference.key) === undefined) return undefined;
  return futureReference(reference.key);
}

/** What cannot be an argument; only whoever encodes knows where it stands. */
class Refusal extends Error {
  readonly at: (path: string, isCall: boolean) => Error;

  constructor(at: (path: string, isCall: boolean) => Error) {
    super("a future that cannot be sent");
    this.at = at;
  }
}

function encodeHandle(value: object): EncodedReference | undefined {
  const link = handleLink(value);
  if (link === undefined) return undefined;
  const actor = link.target.reference() as ActorReference;
  return { kind: "actor", bytes: encodeActorReference(actor), key: actor.key };
}

function encodeFuture(value: object, owner: ReferenceOwner): EncodedReference | undefined {
  const key = keyOfNode(value, owner) ?? keyOfFuture(value, owner);
  return key === undefined ? undefined : futureReference(key);
}

/** A future as it travels. */
function futureReference(key: string): EncodedReference {
  return { kind: "future", bytes: encodeValue([key]).bytes, key };
}

/**
 * The key of a future that arrived.
 *
 * @throws {ProtocolError} Where the bytes are no future.
 */
export function decodeFutureKey(reference: Uint8Array): string {
  const fields = decodeValue(reference);
  if (Array.isArray(fields) && typeof fields[0] === "string") return fields[0];
  throw new ProtocolError("Cannot read a future: it has no key");
}

function keyOfNode(value: object, owner: ReferenceOwner): string | undefined {
  const node = nodeLink(value);
  if (node === undefined) return undefined;
  const key = node.keys.find((key) => owner.find(key) !== undefined);
  if (key !== undefined) return usable(key, owner.find(key)!);
  throw refuse(
    `${node.name} is a node of a graph that is not computed. Compute it first, or use delayed for this, too`,
  );
}

function keyOfFuture(value: object, owner: ReferenceOwner): string | undefined {
  const link = futureLink(value);
  if (link === undefined) return undefined;
  const reference = link.reference() as KeyReference | CallReference;
  if (reference.owner !== owner.owner) {
    throw refuse(`${String(value)} belongs to another client. Await it here, or submit with the client that made it`);
  }
  // Whoever gets its value hears of its error, too.
  link.observe();
  if (!("key" in reference)) return owner.keyOfCall(value as ActorFuture<unknown>, reference);
  const { key, failure } = reference;
  if (failure) return usable(key, { error: failure, failure });
  const held = owner.find(key);
  if (held === undefined) throw refuse(`${String(value)} was released. Release it after it was used`);
  return usable(key, held);
}

function usable(key: string, { error, failure }: FailingKey): string {
  if (failure) throw new Refusal((_path, isCall) => isCall ? argumentFailed(key, error) : failure);
  return key;
}

function refuse(reason: string): Refusal {
  return new Refusal((path) => new TypeError(`Cannot encode ${path}: ${reason}`));
}
