/**
 * The actors of one isolate: makes them, finds them for their callers, and ends them.
 *
 * @module
 */

import type { Actor } from "../client/types.ts";
import type { Clock } from "../connection/mod.ts";
import {
  type ActorManifest,
  ActorStartError,
  encodeError,
  type Executed,
  type LossReason,
  platformRandom,
  ProtocolError,
} from "../protocol/mod.ts";
import { CallContext } from "./active_call.ts";
import { declaredConcurrency, hasSyncMethod, isClass } from "./actor_class.ts";
import { ActorInstance, type CallBounds, DEFAULT_BOUNDS } from "./actor_instance.ts";
import type { CallCounters } from "./call_counters.ts";
import { lost } from "./call_refusals.ts";
import { contextProvider } from "./context.ts";
import type { CreateOrder, CreateOutcome } from "./isolate.ts";
import type { IsolateScope } from "./isolate_scope.ts";
import { isImportFailure, type LoadedTarget, loadExport } from "./module_loader.ts";
import { ModulePolicy } from "./module_policy.ts";
import { sayWhatGrants } from "./not_capable.ts";
import { decodePlainArguments, type FutureValues, NO_VALUES } from "./references.ts";

/** Milliseconds that are kept for dispose hooks, at most. */
const DISPOSE_TIME = 1000;

/** What makes a home. */
export interface ActorHomeOptions {
  /** The isolate. */
  readonly scope: IsolateScope;
  /** Counts calls. */
  readonly counters: CallCounters;
  /** Told of errors outside of any call, in one line. Defaults to `console.error`. */
  readonly log?: (line: string) => void;
}

/** A place in the table, from the order to the end. */
interface Entry {
  readonly key: string;
  instance: ActorInstance | undefined;
  /** Set where it ended, perhaps while it was still being made. */
  ended: LossReason | "released" | undefined;
  /** Answers the order, if that has not been done. */
  cancel: ((outcome: CreateOutcome) => void) | undefined;
}

/** The actors of one isolate. */
export class ActorHome {
  /** The isolate. */
  readonly scope: IsolateScope;
  /** The time. */
  readonly clock: Clock;
  readonly #policy: ModulePolicy;
  readonly #log: (line: string) => void;
  /** By incarnation: an actor that ends slowly may share its key with the next one. */
  readonly #entries = new Map<string, Entry>();
  readonly #counters: CallCounters;
  readonly #timers = new Set<() => void>();
  /** Random bytes for the tags of actors to come. */
  #tags: Uint8Array = new Uint8Array(0);
  #ended: LossReason | undefined;
  /** One for all actors. */
  readonly #onUnhandled = (error: unknown, actor: string) => this.reportUnhandled(error, actor);

  /** @throws {TypeError} For a prefix in `allowModules` that is none. */
  constructor(options: ActorHomeOptions) {
    this.scope = options.scope;
    this.clock = options.scope.loop.clock;
    this.#counters = options.counters;
    this.#policy = new ModulePolicy(options.scope.settings.allowModules);
    this.#log = options.log ?? ((line) => console.error(line));
  }

  /** Loads the module if it must, constructs, and reports. Never rejects. */
  async create(order: CreateOrder): Promise<CreateOutcome> {
    const { key, incarnation } = order;
    if (this.#ended !== undefined) return failed(lost(key, this.scope.worker, this.#ended, "no"), "no");
    if (this.#entries.has(incarnation)) {
      return failed(new ProtocolError(`Cannot create ${key}: its incarnation ${incarnation} is here already`), "no");
    }
    const { promise: cancelled, resolve: cancel } = Promise.withResolvers<CreateOutcome>();
    const entry: Entry = { key, instance: undefined, ended: undefined, cancel };
    this.#entries.set(incarnation, entry);
    const outcome = await Promise.race([this.#make(order, entry), cancelled]);
    // What waited for the outcome need not be kept for as long as the actor lives.
    entry.cancel = undefined;
    if (!outcome.ok) {
      this.#entries.delete(incarnation);
      this.scope.endHolder(key);
    }
    return outcome;
  }

  /** The actor of a reference; `undefined` where key, incarnation or tag is wrong, and nothing tells which. */
  find(key: string, incarnation: string, tag: Uint8Array): ActorInstance | undefined {
    const entry = this.#entries.get(incarnation);
    const instance = entry?.key === key ? entry.instance : undefined;
    // An unknown actor costs the time of a wrong tag.
    return equalBytes(instance?.tag ?? NO_TAG, tag) ? instance : undefined;
  }

  /** Removes an actor and runs its dispose hook. Resolves after that; never rejects. */
  async destroy(key: string, incarnation: string, reason: LossReason | "released"): Promise<void> {
    const entry = this.#entries.get(incarnation);
    if (entry?.key !== key) return;
    this.#entries.delete(incarnation);
    this.#endEntry(entry, reason);
    if (entry.instance !== undefined) await this.#dispose(entry.instance);
  }

  /** Runs something later, unless the home has ended by then. */
  later(delay: number, run: () => void): void {
    if (this.#ended !== undefined) return;
    const stop = this.clock.setTimer(delay, () => {
      this.#timers.delete(stop);
      run();
    });
    this.#timers.add(stop);
  }

  /** Ends all actors, without their dispose hooks: for an isolate that is about to stop. */
  end(reason: LossReason): void {
    this.#end(reason);
    for (const entry of this.#entries.values()) this.#endEntry(entry, reason);
    this.#entries.clear();
  }

  /**
   * Ends all actors and runs their dispose hooks. Takes no more, and no calls; those under way may finish, but the last
   * quarter of `timeout` milliseconds, at most a second, is kept for the hooks. Never rejects.
   */
  async close(reason: LossReason, timeout: number): Promise<void> {
    this.#end(reason);
    await this.#drain(timeout - Math.min(DISPOSE_TIME, timeout / 4));
    await Promise.all([...this.#entries].map(([incarnation, { key }]) => this.destroy(key, incarnation, reason)));
  }

  /** Counts an error that belongs to no call, and says in one line whose it was. */
  reportUnhandled(error: unknown, actor: string | undefined = contextProvider.get()?.actorKey): void {
    this.#counters.unhandled();
    const { worker, home } = this.scope;
    const task = actor === undefined ? contextProvider.get()?.holder : undefined;
    const whose = actor !== undefined ? ` of actor ${actor}` : task !== undefined ? ` of task ${task}` : "";
    this.#log(`Unhandled error${whose} on worker ${worker.name} (${home}): ${oneLine(error)}`);
  }

  #end(reason: LossReason): void {
    this.#ended ??= reason;
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  async #drain(timeout: number): Promise<void> {
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const cancel = this.clock.setTimer(timeout, resolve);
    const drained = [...this.#entries.values()].map(({ instance }) => instance?.drain());
    await Promise.race([Promise.all(drained), late]);
    cancel();
  }

  async #make(order: CreateOrder, entry: Entry): Promise<CreateOutcome> {
    let target: LoadedTarget;
    try {
      target = await loadExport(order.target, {
        policy: this.#policy,
        moduleTimeout: this.scope.settings.moduleTimeout,
      });
    } catch (error) {
      return failed(error, "no", { importFailed: isImportFailure(error) });
    }
    const constructs = isClass(target);
    if (order.asyncOnly && (!constructs || hasSyncMethod(target))) {
      const found = constructs ? "its class has a sync method" : "what a factory makes may have one";
      const error = new ActorStartError(`Cannot start ${order.key} where no sync method may run: ${found}`, {
        executed: "no",
      });
      return failed(error, "no", { needsSharedHome: true });
    }
    let executed: Executed = "no";
    let values: FutureValues = NO_VALUES;
    let bounds: CallBounds;
    try {
      bounds = boundsOf(order, target);
      if (order.refs.length > 0) values = await this.scope.prepare(order.args, order.refs);
    } catch (error) {
      return failed(error, executed);
    }
    const { loop } = this.scope;
    const deadline = loop.clock.now() + order.timeLimit;
    const className = classNameOf(target) ?? order.target.name;
    const context = new CallContext({ key: order.key, className, scope: this.scope, handle: notMadeYet }, {
      deadline,
      onStuck: bounds.onStuck,
    });
    for (let retries = order.retries;; retries--) {
      // Whoever cancelled has been answered: nothing more may start.
      if (entry.ended !== undefined) return failed(lost(order.key, this.scope.worker, entry.ended, executed), executed);
      let object: unknown;
      try {
        // Each attempt gets arguments of its own: the one before may have changed them.
        const args = order.refs.length === 0
          ? decodePlainArguments(order.args)
          : this.scope.decodeArguments(order.args, { values, holder: order.key });
        executed = "yes";
        if (constructs) object = loop.apply(context, context, Reflect.construct, undefined, [target, args]);
        else object = await loop.apply(context, context, target, undefined, args);
      } catch (error) {
        if (executed === "yes" && retries > 0) continue;
        const remote = executed === "yes" ? { worker: this.scope.worker.name, actor: order.key } : undefined;
        return failed(sayWhatGrants(error), executed, { remote });
      }
      return this.#place(order, entry, target, object, bounds);
    }
  }

  #place(order: CreateOrder, entry: Entry, target: LoadedTarget, object: unknown, bounds: CallBounds): CreateOutcome {
    const { key, incarnation } = order;
    let instance: ActorInstance;
    try {
      if (typeof object !== "object" || object === null) {
        const found = object === null || object === undefined ? String(object) : `a ${typeof object}`;
        throw new ActorStartError(`Cannot start ${key}: ${target.name} gave ${found}, not an object`);
      }
      const tag = this.#createTag();
      const className = classNameOf(target) ?? order.target.name;
      const { scope } = this;
      const onUnhandled = this.#onUnhandled;
      const count = (methods: ActorManifest["methods"]) => this.#counters.ofActor(className, key, incarnation, methods);
      instance = new ActorInstance({ object, key, incarnation, tag, scope, className, bounds, count, onUnhandled });
    } catch (error) {
      return failed(error, "yes");
    }
    if (entry.ended !== undefined) {
      instance.end(entry.ended);
      this.#dispose(instance);
      return failed(lost(key, this.scope.worker, entry.ended, "yes"), "yes");
    }
    entry.instance = instance;
    const { tag, manifest } = instance;
    const { home, address } = this.scope;
    return { ok: true, created: { home, address, tag: tag.slice(), manifest } };
  }

  /** Part of a longer array of random bytes, as an array of its own weighs three times as much. */
  #createTag(): Uint8Array {
    if (this.#tags.length === 0) this.#tags = platformRandom(new Uint8Array(256 * TAG_BYTES));
    const tag = this.#tags.subarray(0, TAG_BYTES);
    this.#tags = this.#tags.subarray(TAG_BYTES);
    return tag;
  }

  #endEntry(entry: Entry, reason: LossReason | "released"): void {
    entry.ended ??= reason;
    entry.instance?.end(reason);
    // Making an error costs more than all the rest of an actor's end: only who waits for its creation needs one.
    if (!entry.instance) entry.cancel?.(failed(lost(entry.key, this.scope.worker, reason, "unknown"), "unknown"));
  }

  async #dispose(instance: ActorInstance): Promise<void> {
    try {
      await instance.dispose();
    } catch (error) {
      this.reportUnhandled(error, instance.key);
    }
    // With its end the scheduler forgets what it held; some of that may be on its way to a caller.
    await this.scope.confirmResults();
    this.scope.endHolder(instance.key);
  }
}

const TAG_BYTES = 16;
const NO_TAG = new Uint8Array(TAG_BYTES);

function notMadeYet(): Actor<unknown> {
  throw new Error(
    "currentActor() is not available in a constructor: there is no handle before the instance is complete",
  );
}

/** What whoever created it says, else what the class says, else nothing in particular. */
function boundsOf({ bounds }: CreateOrder, target: LoadedTarget): CallBounds {
  return {
    ...DEFAULT_BOUNDS,
    concurrency: bounds.concurrency ?? declaredConcurrency(target),
    maxPending: bounds.maxPending ?? DEFAULT_BOUNDS.maxPending,
    onStuck: bounds.onStuck ?? DEFAULT_BOUNDS.onStuck,
  };
}

/** What a failure may say beside its error. */
interface FailureDetails {
  readonly needsSharedHome?: boolean;
  readonly importFailed?: boolean;
  readonly remote?: { readonly worker: string; readonly actor: string } | undefined;
}

function failed(error: unknown, executed: Executed, details: FailureDetails = {}): CreateOutcome {
  const { needsSharedHome = false, importFailed = false, remote } = details;
  const envelope = encodeError(error, remote).slice();
  return { ok: false, failure: { error: envelope, executed, needsSharedHome, importFailed } };
}

/** The name that the class or function has; a static member may stand in its place, and `default` is no name. */
function classNameOf(target: LoadedTarget): string | undefined {
  const name: unknown = Object.getOwnPropertyDescriptor(target, "name")?.value;
  return typeof name === "string" && name !== "" && name !== "default" ? name : undefined;
}

/** Takes the same time wherever the first difference is. */
function equalBytes(one: Uint8Array, other: Uint8Array): boolean {
  let difference = one.length ^ other.length;
  for (let index = 0; index < one.length; index++) difference |= one[index]! ^ (other[index] ?? 0);
  return difference === 0;
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.stack ?? `${error.name}: ${error.message}` : String(error);
  return text.split("\n", 2).map((line) => line.trim()).join(" ");
}
