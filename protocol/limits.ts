/**
 * What one connection or one value may take, at the most. All of it is checked before memory is spent.
 *
 * @module
 */

/** What one connection or one value may take. Sizes are in bytes, times in milliseconds. */
export interface Limits {
  /**
   * A WebSocket message. A longer one closes the connection; a longer value travels in pieces. No error is useful above
   * a few megabytes, and Deno itself refuses 64 MiB.
   *
   * @default {8388608} 8 MiB
   */
  readonly frameBytes: number;
  /**
   * One encoded value: the arguments of a call together, a result, an item of a stream.
   *
   * @default {1073741824} 1 GiB
   */
  readonly valueBytes: number;
  /**
   * How deep arrays, objects, maps, sets and errors may nest in a value.
   *
   * @default {64}
   */
  readonly depth: number;
  /**
   * Arrays, objects and extension values (`Date`, `Map`, `undefined` …) in one value: what costs its reader an
   * allocation, some 0.3 µs and 100 bytes each, for as little as one byte on the wire.
   *
   * @default {250000}
   */
  readonly nodes: number;
  /**
   * Elements of all arrays and sets, and keys and values of all objects and maps, in one value together: 8 bytes of
   * memory each, for as little as one byte on the wire. A typed array counts as one element.
   *
   * @default {16777216}
   */
  readonly elements: number;
  /**
   * The UTF-8 bytes of one string. V8 cannot hold a string of more than 512 Mi characters.
   *
   * @default {268435456} 256 MiB
   */
  readonly stringBytes: number;
  /**
   * The payload of one extension value. Typed arrays are extension values, so this is no smaller than `valueBytes`.
   *
   * @default {1073741824} 1 GiB
   */
  readonly extensionBytes: number;
  /**
   * Calls of one connection that are not answered yet; beyond twice as many it is closed. A guard of the server's memory,
   * not of its actors: a thousand calls that wait for another call must not keep that one from coming.
   *
   * @default {131072}
   */
  readonly outstandingCalls: number;
  /**
   * Bytes that were sent over one connection and have not arrived, besides one message of any length. Beyond them its
   * peer's calls wait.
   *
   * @default {16777216} 16 MiB
   */
  readonly sendQueueBytes: number;
  /**
   * WebSocket messages that were sent over one connection and have not arrived, each of which weighs about a kilobyte
   * besides its bytes. With as many its peer's calls wait. No less than 1024, as peers report only now and then.
   *
   * @default {8192}
   */
  readonly sendQueueMessages: number;
  /**
   * Milliseconds in which a peer may read nothing of a send queue beyond these limits, before its connection is closed.
   *
   * @default {10000}
   */
  readonly sendQueueMs: number;
  /**
   * Milliseconds from the upgrade to the peer's hello.
   *
   * @default {5000}
   */
  readonly helloMs: number;
}

/** The limits that hold where nobody says otherwise. */
export const DEFAULT_LIMITS: Limits = Object.freeze({
  frameBytes: 8 * 1024 * 1024,
  valueBytes: 1024 * 1024 * 1024,
  depth: 64,
  nodes: 250_000,
  elements: 16 * 1024 * 1024,
  stringBytes: 256 * 1024 * 1024,
  extensionBytes: 1024 * 1024 * 1024,
  outstandingCalls: 131_072,
  sendQueueBytes: 16 * 1024 * 1024,
  sendQueueMessages: 8192,
  sendQueueMs: 10_000,
  helloMs: 5000,
});
