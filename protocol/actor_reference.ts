/**
 * What a handle is when it travels: plain data that names one instance, says where it lives, and proves the right to call it.
 *
 * @module
 */

import { bytes, list, object, oneOf, record, type Shape, text } from "./shape.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** How a method answers. */
export type MethodKind = "sync" | "async" | "generator" | "asyncGenerator";

/** The remote members of one class, as the worker found them after construction. */
export interface ActorManifest {
  /** Name of the class, or of the factory function. */
  readonly className: string;
  /** Methods by name. */
  readonly methods: Readonly<Record<string, MethodKind>>;
  /** Names of own data fields and getters. */
  readonly attributes: readonly string[];
}

/** Names one instance, says where it lives, and carries the right to call it. */
export interface ActorReference {
  /** The cluster-wide name. */
  readonly key: string;
  /** 64 random bits of this instance, in hexadecimal: a later actor of the same key has others. */
  readonly incarnation: string;
  /** Id of the worker. */
  readonly worker: string;
  /** Incarnation of the host process in which the actor lives. */
  readonly host: string;
  /** Id of its home (isolate) within that host. */
  readonly home: string;
  /** WebSocket address of the home's own data plane; empty where there is none and calls are relayed. */
  readonly address: string;
  /** WebSocket address of the host's own data plane, which is asked whether workers can be reached; may be empty. */
  readonly hostAddress: string;
  /** The capability: an HMAC over key and incarnation with a secret of the host. */
  readonly tag: Uint8Array;
  /** The encoded {@linkcode ActorManifest}, as the worker made it. */
  readonly manifest: Uint8Array;
}

const manifestShape: Shape<ActorManifest> = object({
  className: text,
  methods: record(oneOf(["sync", "async", "generator", "asyncGenerator"])),
  attributes: list(text),
});

const referenceShape: Shape<ActorReference> = object({
  key: text,
  incarnation: text,
  worker: text,
  host: text,
  home: text,
  address: text,
  hostAddress: text,
  tag: bytes,
  manifest: bytes,
});

/** The bytes of a manifest. Equal manifests have equal bytes, so that receivers can keep one plan for many handles. */
export function encodeManifest(manifest: ActorManifest): Uint8Array {
  return encodeValue(manifest).bytes;
}

/** @throws {ProtocolError} Where the bytes are no manifest. */
export function decodeManifest(encoded: Uint8Array): ActorManifest {
  return manifestShape(decodeValue(encoded), "manifest");
}

/** The payload of the extension value by which a handle travels. */
export function encodeActorReference(reference: ActorReference): Uint8Array {
  const { key, incarnation, worker, host, home, address, hostAddress, tag, manifest } = reference;
  return encodeValue([key, incarnation, worker, host, home, address, hostAddress, tag, manifest]).bytes;
}

/** @throws {ProtocolError} Where the bytes are no reference. */
export function decodeActorReference(encoded: Uint8Array): ActorReference {
  const fields = list<unknown>((value) => value)(decodeValue(encoded), "actor reference");
  const [key, incarnation, worker, host, home, address, hostAddress, tag, manifest] = fields;
  return referenceShape(
    { key, incarnation, worker, host, home, address, hostAddress, tag, manifest },
    "actor reference",
  );
}

/** Checks a reference that arrived inside a body. */
export function parseActorReference(value: unknown, path: string): ActorReference {
  return referenceShape(value, path);
}
