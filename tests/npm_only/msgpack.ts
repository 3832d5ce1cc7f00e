/**
 * Stands in for `@std/msgpack` so that its importers type-check where JSR is out of reach. There is no second package
 * to compare with then, so a test that calls it is registered with `ignore: !hasRealStd` (`tests/helpers/real_std.ts`).
 *
 * @module
 */

const ABSENT = "Cannot use @std/msgpack: JSR does not answer, so register this test with `ignore: !hasRealStd`";

/** What `@std/msgpack` encodes. */
export type ValueType = number | bigint | string | boolean | null | Uint8Array | readonly ValueType[] | ValueMap;

/** A map that `@std/msgpack` encodes. */
export interface ValueMap {
  /** An entry. */
  [index: string | number]: ValueType;
}

/** Throws: the real package is absent. */
export function encode(_object: ValueType): Uint8Array<ArrayBuffer> {
  throw new Error(ABSENT);
}

/** Throws: the real package is absent. */
export function decode(_data: Uint8Array): ValueType {
  throw new Error(ABSENT);
}
