/**
 * All keys that a client holds, and for whom.
 *
 * @module
 */

import {
  type ActorReference,
  encodeBody,
  type Encoded,
  KeyConflictError,
  type Message,
  type ScatterBody,
  type StatusBody,
  type SubmitBody,
} from "../protocol/mod.ts";
import { HeldKey, type HeldKeyEvents, type Holder, type StoredValue } from "./held_key.ts";
import type { Loss } from "./call_errors.ts";
import type { RemoteActor } from "./remote_actor.ts";

/** What {@linkcode HeldKeys} needs of the session. */
export interface HeldKeysOptions {
  /** Who is served now. */
  readonly holder: () => Holder;
  /** What may wait for what is submitted now. */
  readonly chain: () => readonly string[];
  /** Sends to the scheduler. */
  readonly send: (message: Message) => void;
  /** Why nothing of that kind can be sent any more; `undefined` while it can. */
  readonly closed: (attempted: string) => Error | undefined;
  /** Makes an actor of a reference, and keeps the ticket that came with it. */
  readonly createActor: (reference: ActorReference, ticket: string | undefined) => RemoteActor;
  /** An actor is gone: how, as the scheduler says. */
  readonly onLost: (actor: RemoteActor, loss: Loss) => void;
  /** Nobody of this client holds an actor any more. */
  readonly onReleased: (actor: RemoteActor) => void;
}

/** One reference to a key, and how to give it back. */
export interface Reference {
  /** The key. */
  readonly held: HeldKey;
  /** Gives it back, once however often it is called. */
  readonly release: () => void;
  /** Who holds it. */
  readonly holder: Holder;
}

/** Options of {@linkcode HeldKeys.adopt}. */
export interface AdoptOptions {
  /** A ticket for the actor's home, where one came with it. */
  readonly ticket?: string | undefined;
  /** For whom it is held. */
  readonly holder: Holder;
  /** The scheduler knows already that `holder` holds it. @default {false} */
  readonly known?: boolean | undefined;
}

/** The keys of one client. */
export class HeldKeys {
  readonly #options: HeldKeysOptions;
  readonly #keys = new Map<string, HeldKey>();
  /** The body submitted last, as `map` submits one many times. */
  #lastBody: { readonly body: SubmitBody; readonly bytes: Uint8Array } | undefined;
  readonly #events: HeldKeyEvents;
  #closed = false;

  constructor(options: HeldKeysOptions) {
    this.#options = options;
    this.#events = {
      createActor: ({ actor, ticket }) => options.createActor(actor!, ticket),
      onHeld: (held, holder) => options.send({ op: "held", keys: [held.key], holder }),
      onReleased: (held, holder) => this.#released(held, holder),
      onFree: (freed) => this.#free(freed),
      onLost: (actor, loss) => options.onLost(actor, loss),
    };
  }

  /** The key of that name, where it is held. */
  find(key: string): HeldKey | undefined {
    return this.#keys.get(key);
  }

  /** What the scheduler says of a key. */
  update(key: string, status: StatusBody): void {
    this.#keys.get(key)?.update(status);
  }

  /**
   * Submits under a key, or holds the key where this client has submitted the same already.
   *
   * @throws {KeyConflictError} Where this client holds the key for another target.
   */
  submit(key: string, body: SubmitBody, args: Encoded): Reference {
    const { target: { module, export: exported, name }, actor } = body;
    const target = `${actor ? "actor" : "task"} ${module}#${exported}`;
    const existing = this.#keys.get(key);
    if (existing && !existing.over) {
      // Of a key that came in a value nothing is known: its actor is there, and the arguments are ignored.
      if (existing.target === target || existing.target === "") return this.hold(existing);
      throw new KeyConflictError(
        `Cannot submit ${name} as ${key}: this client holds that key for something else. Choose another key`,
      );
    }
    return this.#introduce(key, target, !actor, name, (holder) => {
      const chain = this.#options.chain();
      this.#options.send({
        op: "submit",
        key,
        body: this.#encode(body),
        args: args.bytes,
        refs: args.refs,
        holder,
        chain,
      });
    });
  }

  #encode(body: SubmitBody): Uint8Array {
    if (this.#lastBody?.body !== body) this.#lastBody = { body, bytes: encodeBody(body).slice() };
    return this.#lastBody.bytes;
  }

  /** Puts a value on a worker. */
  scatter(key: string, body: ScatterBody, { bytes, refs }: Encoded): Reference {
    return this.#introduce(key, "data", true, "a value", (holder) => {
      this.#options.send({ op: "scatter", key, body: encodeBody(body), value: bytes, refs });
      if (holder !== undefined) this.#options.send({ op: "held", keys: [key], holder });
    });
  }

  /** Holds a key once more. */
  hold(held: HeldKey): Reference {
    const holder = this.#options.holder();
    return { held, holder, release: held.hold(holder) };
  }

  /** Holds the actor of a reference that came in a value or an answer. */
  adopt(reference: ActorReference, { ticket, holder, known = false }: AdoptOptions): Reference {
    let held = this.#keys.get(reference.key);
    if (!held || held.over || held.actor?.reference.incarnation !== reference.incarnation) {
      held = this.#add(reference.key, "", false);
      held.update(finishedStatus({ actor: reference, ticket }));
    }
    return { held, holder, release: held.hold(holder, known) };
  }

  /** Holds the key of a future that came in a value. `locate` asks the scheduler where its value is. */
  adoptFuture(
    key: string,
    holder: Holder,
    locate: (key: string) => Promise<StoredValue>,
    known = false,
  ): Reference {
    const existing = this.#keys.get(key);
    const held = existing ?? this.#add(key, "", true);
    const release = held.hold(holder, known);
    if (existing === undefined) {
      locate(key).then(
        ({ value, refs, holders }) => held.update(finishedStatus({ value, refs: [...refs], holders: [...holders] })),
        (error) => held.fail(error, "error"),
      );
    }
    return { held, holder, release };
  }

  /** An actor or task has ended, and with it all that it held; the scheduler knows. */
  endHolder(holder: string): void {
    for (const held of [...this.#keys.values()]) held.drop(holder);
  }

  /** The scheduler is gone: what is not there yet never will be. */
  disconnect(said: string): void {
    for (const held of this.#keys.values()) held.disconnect(said);
  }

  /** Forgets all of them; returns their names. */
  close(said: string): string[] {
    const keys = [...this.#keys.keys()];
    this.#closed = true;
    this.disconnect(said);
    this.#keys.clear();
    return keys;
  }

  /** Holds a key that is new to the scheduler, or new again. */
  #introduce(key: string, target: string, data: boolean, name: string, send: (holder: Holder) => void): Reference {
    const holder = this.#options.holder();
    const former = this.#keys.get(key);
    const held = this.#add(key, target, data);
    const closed = this.#options.closed(`submit ${name}`);
    if (closed) held.fail(closed, "error");
    else {
      // What failed under this key is forgotten, unless others hold it, before it is tried again.
      for (const one of former?.holders ?? []) this.#options.send({ op: "release", keys: [key], holder: one });
      send(holder);
    }
    return { held, holder, release: held.hold(holder, true) };
  }

  #add(key: string, target: string, isData: boolean): HeldKey {
    const held = new HeldKey(key, target, isData, this.#events);
    this.#keys.set(key, held);
    return held;
  }

  /** A holder gave a key back. Another one may stand under the same name by now. */
  #released(held: HeldKey, holder: Holder): void {
    if (this.#closed || this.#keys.get(held.key) !== held) return;
    this.#options.send({ op: "release", keys: [held.key], holder });
  }

  /** The last holder of this client gave a key back. */
  #free(held: HeldKey): void {
    if (this.#keys.get(held.key) === held) this.#keys.delete(held.key);
    if (!this.#closed && !held.over && held.actor) this.#options.onReleased(held.actor);
  }
}

function finishedStatus(fields: Partial<StatusBody>): StatusBody {
  return {
    status: "finished",
    actor: undefined,
    ticket: undefined,
    value: undefined,
    refs: undefined,
    size: undefined,
    holders: undefined,
    reason: undefined,
    error: undefined,
    executed: undefined,
    worker: undefined,
    detail: undefined,
    ...fields,
  };
}
