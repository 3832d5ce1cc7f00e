/**
 * One key that a client holds: what the scheduler says of it, the futures that stand for it, and how often it is held.
 *
 * @module
 */

import { CallCancelledError, ConnectionLostError, decodeError, type StatusBody, TroupeError } from "../protocol/mod.ts";
import type { FutureControl } from "./future.ts";
import { actorLost, type RemoteActor } from "./remote_actor.ts";

/** What a key is told with. */
export interface HeldKeyOptions {
  /** The cluster-wide name. */
  readonly key: string;
  /** What was submitted, as one text: another target under the same key is a conflict. */
  readonly target: string;
  /** Makes the actor of a finished key. */
  readonly createActor: (status: StatusBody) => RemoteActor;
  /** Nobody of this client holds it any more. */
  readonly onFree: (held: HeldKey) => void;
  /** Its actor ran, and is gone: the worker and the reason, as the scheduler says. */
  readonly onLost: (actor: RemoteActor, worker: string, reason: string) => void;
}

/** One key of one client. */
export class HeldKey {
  /** The cluster-wide name. */
  readonly key: string;
  /** What was submitted. */
  readonly target: string;
  readonly #options: HeldKeyOptions;
  readonly #futures = new Set<FutureControl<unknown>>();
  readonly #outcome = Promise.withResolvers<RemoteActor>();
  #actor: RemoteActor | undefined;
  #failed: { error: Error; status: "error" | "lost" | "cancelled" } | undefined;
  #status: StatusBody["status"] | "pending" = "pending";
  #references = 0;

  constructor(options: HeldKeyOptions) {
    this.key = options.key;
    this.target = options.target;
    this.#options = options;
    // Where nobody waits, the futures tell.
    this.#outcome.promise.catch(() => {});
  }

  /** The actor, once it runs. */
  get actor(): RemoteActor | undefined {
    return this.#actor;
  }

  /** Resolves when it runs; rejects where it will not. */
  get running(): Promise<RemoteActor> {
    return this.#outcome.promise;
  }

  /** Whether it failed, was lost or cancelled: then a new submit may use the key again. */
  get over(): boolean {
    return this.#failed !== undefined;
  }

  /** Counts one holder more. The function gives it back, once however often it is called. */
  hold(): () => void {
    this.#references++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      if (--this.#references === 0) this.#options.onFree(this);
    };
  }

  /** A future that stands for it; told at once where it stands. */
  addFuture(control: FutureControl<unknown>): void {
    this.#futures.add(control);
    this.#tell(control);
  }

  /** What the scheduler says. */
  update(status: StatusBody): void {
    if (this.#failed) return;
    this.#status = status.status;
    switch (status.status) {
      case "finished":
        // A second submit of the same key is told again.
        this.#actor ??= this.#options.createActor(status);
        this.#outcome.resolve(this.#actor);
        break;
      case "error":
        return this.fail(startError(this.key, status), "error");
      case "lost":
        return this.#lose(status.worker ?? "unknown", status.reason ?? "unknown");
      case "cancelled":
        this.fail(new CallCancelledError(`${this.key} was cancelled`, { executed: "unknown" }), "cancelled");
        if (this.#actor) this.#options.onLost(this.#actor, this.#actor.reference.worker, "cancelled");
        return;
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
    if (this.#actor || this.#failed) return;
    this.fail(
      new ConnectionLostError(`Cannot learn what became of ${this.key}: ${said}`, { executed: "unknown" }),
      "error",
    );
  }

  #lose(worker: string, reason: string): void {
    this.fail(actorLost(this.key, worker, reason, "unknown"), "lost");
    if (this.#actor) this.#options.onLost(this.#actor, worker, reason);
  }

  #tell(control: FutureControl<unknown>): void {
    if (this.#failed) control.fail(this.#failed.error, this.#failed.status);
    else if (this.#status === "finished" || this.#status === "processing" || this.#status === "no-worker") {
      control.update(this.#status);
    }
  }
}

function startError(key: string, status: StatusBody): Error {
  if (status.error) return decodeError(status.error);
  return new (class extends TroupeError {})(`Cannot start ${key}: the scheduler gave no reason`, {
    code: "INIT_FAILED",
  });
}
