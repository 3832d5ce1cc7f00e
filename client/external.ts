/**
 * Results of calls as arguments: what is submitted with one goes out at once, and the result follows when it is there.
 *
 * @module
 */

import { encodeError, type Message } from "../protocol/mod.ts";
import type { Holder } from "./held_key.ts";
import type { ActorFuture } from "./types.ts";

/** How a call ended, as bytes. */
export type CallOutcome =
  | { readonly ok: true; readonly value: Uint8Array; readonly refs: readonly string[] }
  | { readonly ok: false; readonly error: Uint8Array };

/** What the future of a call gives the codec. Nothing of it is kept unless somebody listens. */
export class CallReference {
  /** Which client the call belongs to. */
  readonly owner: symbol;
  /** What was called, for people: `Counter.increment`. */
  readonly name: string;
  #listener: ((outcome: CallOutcome) => void) | undefined;
  #settled: boolean;

  /** One of a call that has ended already, or has not. */
  constructor(owner: symbol, name: string, settled: boolean) {
    this.owner = owner;
    this.name = name;
    this.#settled = settled;
  }

  /** Tells `listener` how the call ends, once; `false` where it has ended already. */
  listen(listener: (outcome: CallOutcome) => void): boolean {
    if (this.#settled) return false;
    this.#listener = listener;
    return true;
  }

  /** The call has ended. */
  settle(outcome: () => CallOutcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#listener?.(outcome());
    this.#listener = undefined;
  }
}

/** What {@linkcode ExternalKeys} needs of the session. */
export interface ExternalKeysOptions {
  /** A key that nobody else makes. */
  readonly createKey: (name: string) => string;
  /** Sends to the scheduler. */
  readonly send: (message: Message) => void;
  /** Encodes a value that came long ago. */
  readonly encode: (value: unknown) => { readonly bytes: Uint8Array; readonly refs: readonly string[] };
}

interface ExternalKey {
  readonly key: string;
  readonly holder: Holder;
  references: number;
}

/**
 * The keys under which this session gives results of calls to the cluster. The scheduler is told each once. A key is
 * held until its value was sent and no call that has it among its arguments is under way.
 */
export class ExternalKeys {
  readonly #options: ExternalKeysOptions;
  readonly #byCall = new Map<CallReference, ExternalKey>();
  readonly #byKey = new Map<string, CallReference>();

  constructor(options: ExternalKeysOptions) {
    this.#options = options;
  }

  /** The key of a call's result. Told to the scheduler now, and fulfilled when the call has ended. */
  keyOf(future: ActorFuture<unknown>, call: CallReference, holder: Holder): string {
    const existing = this.#byCall.get(call);
    if (existing) return existing.key;
    const key = this.#options.createKey(call.name);
    const external: ExternalKey = { key, holder, references: 1 };
    this.#byCall.set(call, external);
    this.#byKey.set(key, call);
    this.#options.send({ op: "external", keys: [key] });
    this.#options.send({ op: "held", keys: [key], holder });
    if (call.listen((outcome) => this.#fulfil(call, outcome))) return key;
    future.then(
      (value) => this.#fulfil(call, this.#encode(value)),
      (error) => this.#fulfil(call, { ok: false, error: encodeError(error) }),
    );
    return key;
  }

  /** Holds a key until the function is called; `undefined` where it is no external key. */
  hold(key: string): (() => void) | undefined {
    const call = this.#byKey.get(key);
    if (call === undefined) return undefined;
    this.#byCall.get(call)!.references++;
    return () => this.#giveBack(call);
  }

  #encode(value: unknown): CallOutcome {
    try {
      const { bytes, refs } = this.#options.encode(value);
      return { ok: true, value: bytes, refs };
    } catch (error) {
      return { ok: false, error: encodeError(error) };
    }
  }

  #fulfil(call: CallReference, outcome: CallOutcome): void {
    const key = this.#byCall.get(call)!.key;
    if (outcome.ok) this.#options.send({ op: "fulfil", key, ok: 1, value: outcome.value, refs: outcome.refs });
    else this.#options.send({ op: "fulfil", key, ok: 0, value: outcome.error, refs: [] });
    this.#giveBack(call);
  }

  #giveBack(call: CallReference): void {
    const external = this.#byCall.get(call);
    if (external === undefined || --external.references > 0) return;
    this.#byCall.delete(call);
    this.#byKey.delete(external.key);
    this.#options.send({ op: "release", keys: [external.key], holder: external.holder });
  }
}
