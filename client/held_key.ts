/**
 * One key that a client holds: what the scheduler says of it, the futures that stand for it, and who holds it.
 *
 * @module
 */

import {
  ActorStartError,
  CallCancelledError,
  ConnectionLostError,
  type DataHolder,
  decodeError,
  DependencyLostError,
  isRemoteError,
  type RemoteError,
  type StatusBody,
} from "../protocol/mod.ts";
import type { FutureControl } from "./future.ts";
import { actorLost, type Loss } from "./call_errors.ts";
import type { RemoteActor } from "./remote_actor.ts";

/** Who holds a key: the key of an actor or task of this isolate, or `undefined` for the session itself. */
export type Holder = string | undefined;

/** What the keys of a client need of it, and tell it. */
export interface HeldKeyEvents {
  /** Makes the actor of a finished key. */
  readonly createActor: (status: StatusBody) => RemoteActor;
  /** A holder has its first reference, and the scheduler does not know. */
  readonly onHeld: (held: HeldKey, holder: Holder) => void;
  /** A holder gave its last reference back. */
  readonly onReleased: (held: HeldKey, holder: Holder) => void;
  /** Nobody of this client holds it any more. */
  readonly onFree: (held: HeldKey) => void;
  /** Its actor ran, and is gone: how, as the scheduler says. */
  readonly onLost: (actor: RemoteActor, loss: Loss) => void;
}

/** A value as it lies on workers. */
export interface StoredValue {
  /** The value, where it is small. */
  readonly value: Uint8Array | undefined;
  /** Keys of the actors in it. */
  readonly refs: readonly string[];
  /** Who keeps it. */
  readonly holders: readonly DataHolder[];
}

/** What a key came to: an actor, or a value. */
export type Finished =
  | { readonly actor: RemoteActor; readonly stored?: undefined }
  | { readonly actor?: undefined; readonly stored: StoredValue };

/** One key of one client. */
export class HeldKey {
  /** The cluster-wide name. */
  readonly key: string;
  /** What was submitted, as one text: another target under the same key is a conflict. Empty where that is not known. */
  readonly target: string;
  readonly #isData: boolean;
  readonly #events: HeldKeyEvents;
  readonly #futures = new Set<FutureControl<unknown>>();
  readonly #holders = new Map<Holder, number>();
  #outcome = Promise.withResolvers<Finished>();
  #finished: Finished | undefined;
  #failed: { error: Error; status: "error" | "lost" | "cancelled" } | undefined;
  #status: StatusBody["status"] | "pending" = "pending";

  /** @param isData Whether it was submitted as data: a task's result, or a scattered value. */
  constructor(key: string, target: string, isData: boolean, events: HeldKeyEvents) {
    this.key = key;
    this.target = target;
    this.#isData = isData;
    this.#events = events;
    // Where nobody waits, the futures tell.
    this.#outcome.promise.catch(ignore);
  }

  /** The actor, once it runs. */
  get actor(): RemoteActor | undefined {
    return this.#finished?.actor;
  }

  /** Resolves when its actor runs or its value is there; rejects where neither will be. */
  get finished(): Promise<Finished> {
    if (this.#failed) return Promise.reject(this.#failed.error);
    return this.#finished ? Promise.resolve(this.#finished) : this.#outcome.promise;
  }

  /** What it failed with; `undefined` where it has not failed. */
  get error(): Error | undefined {
    return this.#failed?.error;
  }

  /** What depends on it fails with this; `undefined` where it has not failed. */
  get failure(): Error | undefined {
    if (this.#failed?.status !== "lost") return this.#failed?.error;
    const cause = this.#failed.error;
    return new DependencyLostError(`${this.key}, which this depends on, is lost: ${cause.message}`, { cause });
  }

  /** Whether it failed, was lost or cancelled: then a new submit may use the key again. */
  get over(): boolean {
    return this.#failed !== undefined;
  }

  /** Everyone who holds it. */
  get holders(): Iterable<Holder> {
    return this.#holders.keys();
  }

  /**
   * Counts one reference more. The function gives it back, once however often it is called.
   *
   * @param known The scheduler knows of this holder already.
   */
  hold(holder: Holder, known = false): () => void {
    const count = this.#holders.get(holder) ?? 0;
    this.#holders.set(holder, count + 1);
    if (count === 0 && !known) this.#events.onHeld(this, holder);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#giveBack(holder);
    };
  }

  /** A holder has ended, and all its references with it; the scheduler knows. */
  drop(holder: Holder): void {
    if (this.#holders.delete(holder) && this.#holders.size === 0) this.#free();
  }

  /** A future that stands for it; told at once where it stands. */
  addFuture(control: FutureControl<unknown>): void {
    this.#futures.add(control);
    this.#tell(control);
  }

  /** A future that was released: it need not be told any more. */
  removeFuture(control: FutureControl<unknown>): void {
    this.#futures.delete(control);
  }

  /** What the scheduler says. */
  update(status: StatusBody): void {
    if (this.#failed) return;
    this.#status = status.status;
    switch (status.status) {
      case "finished":
        this.#finish(status);
        break;
      case "error":
        return this.fail(startError(this.key, status), "error");
      case "lost":
        return this.#lose(status);
      case "cancelled":
        this.fail(new CallCancelledError(`${this.key} was cancelled`, { executed: "unknown" }), "cancelled");
        if (this.actor) {
          this.#events.onLost(this.actor, {
            worker: this.actor.reference.worker,
            reason: "cancelled",
            detail: undefined,
          });
        }
        return;
      default:
        this.#reopen();
    }
    for (const control of this.#futures) this.#tell(control);
  }

  /** It will not run, or no longer. */
  fail(error: Error, status: "error" | "lost" | "cancelled"): void {
    if (this.#failed) return;
    this.#failed = { error, status };
    this.#outcome.reject(error);
    for (const control of this.#futures) this.#tell(control);
  }

  /** The connection to the scheduler is gone: what does not run yet never will, as far as this client can know. */
  disconnect(said: string): void {
    if (this.#finished || this.#failed) return;
    this.fail(
      new ConnectionLostError(`Cannot learn what became of ${this.key}: ${said}`, { executed: "unknown" }),
      "error",
    );
  }

  #giveBack(holder: Holder): void {
    const count = this.#holders.get(holder);
    // Its holder has ended meanwhile.
    if (count === undefined) return;
    if (count > 1) {
      this.#holders.set(holder, count - 1);
      return;
    }
    this.#holders.delete(holder);
    this.#events.onReleased(this, holder);
    if (this.#holders.size === 0) this.#free();
  }

  #free(): void {
    this.#events.onFree(this);
    // The scheduler says no more of it, and whoever still awaits it must not wait for ever.
    const message = `${this.key} was released before it was there`;
    this.#outcome.reject(new CallCancelledError(message, { executed: "unknown" }));
  }

  #finish(status: StatusBody): void {
    // A second submit of the same key is told again.
    if (this.#finished?.actor) return;
    const { actor, value, refs = [], holders = [] } = status;
    this.#finished = actor ? { actor: this.#events.createActor(status) } : { stored: { value, refs, holders } };
    this.#outcome.resolve(this.#finished);
  }

  /** A value that was there is computed again: whoever comes now waits for it. */
  #reopen(): void {
    if (this.#finished?.stored === undefined) return;
    this.#finished = undefined;
    this.#outcome = Promise.withResolvers();
    this.#outcome.promise.catch(ignore);
  }

  #lose(status: StatusBody): void {
    const { actor } = this;
    const { worker = "unknown", reason = "unknown", detail } = status;
    if (this.#isData) return this.fail(valueLost(this.key, status), "lost");
    const loss: Loss = { worker, reason, detail };
    this.fail(actorLost(this.key, loss, "unknown"), "lost");
    if (actor) this.#events.onLost(actor, loss);
  }

  #tell(control: FutureControl<unknown>): void {
    if (this.#failed) control.fail(this.#failed.error, this.#failed.status);
    else if (this.#status === "finished" || this.#status === "processing" || this.#status === "no-worker") {
      control.update(this.#status);
    }
  }
}

function startError(key: string, status: StatusBody): Error {
  if (!status.error) return new ActorStartError(`Cannot start ${key}: the scheduler gave no reason`);
  const error = decodeError(status.error);
  // What a constructor threw is of its own class, and an `ActorStartError` by its code.
  if (isRemoteError(error) && error.remote.actor === key && (error as Partial<RemoteError>).code === "REMOTE_ERROR") {
    Object.defineProperty(error, "code", { value: "INIT_FAILED" });
  }
  return error;
}

function valueLost(key: string, { error, worker = "unknown", reason = "unknown" }: StatusBody): Error {
  if (error) return decodeError(error);
  return new DependencyLostError(
    `The value of ${key} is lost with worker ${worker} (${reason}), and it cannot be computed again. Submit it anew`,
  );
}

function ignore(): void {}
