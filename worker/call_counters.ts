/**
 * What is counted of the calls of one isolate: by class and method, by actor, and by function for tasks.
 *
 * The counts are in memory that the isolate shares with its host, which reads them whenever it wants: nothing is sent
 * for a call, and a sync method that runs for long can be watched while it does. Only the isolate writes. A call costs
 * two looks at the clock and a dozen additions, and allocates nothing.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import { endSpan, type Span } from "../client/tracing.ts";
import { bucketOf, BUCKETS } from "../protocol/histogram.ts";
import type { MethodKind } from "../protocol/mod.ts";
import type { CallRecorder, CallSubject } from "./call_recorder.ts";

/** Counts of one method, in the order in which they stand in memory; two histograms follow. */
export const METHOD_FIELDS = [
  "calls",
  "errors",
  "inFlight",
  "queued",
  "bytesIn",
  "bytesOut",
  "runningTime",
  "queueingTime",
] as const;

/** Counts of one actor, in the order in which they stand in memory. */
export const ACTOR_FIELDS = [
  "calls",
  "errors",
  "inFlight",
  "queued",
  "bytesIn",
  "bytesOut",
  "runningTime",
  "queueingTime",
  /** Since when a call of it has been under way without a break, in milliseconds since 1970; 0 while none is. */
  "busySince",
  /** The number of the method that started last, plus one. */
  "lastMethod",
] as const;

const METHOD = Object.fromEntries(METHOD_FIELDS.map((name, index) => [name, index])) as FieldIndexes<
  typeof METHOD_FIELDS
>;
const ACTOR = Object.fromEntries(ACTOR_FIELDS.map((name, index) => [name, index])) as FieldIndexes<typeof ACTOR_FIELDS>;

type FieldIndexes<F extends readonly string[]> = { readonly [K in F[number]]: number };

/** As it was before user code. */
const { timeOrigin } = performance;

/** Where the histogram of running times begins in a method's memory. */
export const RUNNING_AT = METHOD_FIELDS.length;
/** Where that of queueing times begins. */
export const QUEUEING_AT = RUNNING_AT + BUCKETS;
/** Numbers that one method takes. */
export const METHOD_SIZE = QUEUEING_AT + BUCKETS;
/** Numbers that one actor takes. */
export const ACTOR_SIZE = ACTOR_FIELDS.length;

/** How many actors share one piece of memory. */
const ACTORS_PER_BLOCK = 128;

/** How many methods and functions are counted apart: names may be made up by a program. All more count as one. */
const MOST_METHODS = 2000;

/** As what the rest is counted. */
const OTHERS = "(others)";

/** The class that functions of tasks are counted under: no class of a user's has this name. */
export const TASKS = "";

/** Tells whoever reads the counts where they are. */
export type CounterNews =
  /** A method of that number is counted from now on. */
  | {
    readonly type: "method";
    readonly className: string;
    readonly name: string;
    /** Whether it is a sync method, which holds up its isolate while it runs. */
    readonly sync: boolean;
    readonly number: number;
    readonly memory: SharedArrayBuffer;
  }
  /** An actor is counted in a slot of a block, whose memory comes with the first actor in it. */
  | {
    readonly type: "actor";
    readonly key: string;
    readonly incarnation: string;
    readonly className: string;
    readonly block: number;
    readonly slot: number;
    readonly memory: SharedArrayBuffer | undefined;
  }
  /** It is gone. */
  | { readonly type: "actorEnded"; readonly incarnation: string }
  /** Where errors outside of any call are counted, in one number. */
  | { readonly type: "unhandled"; readonly memory: SharedArrayBuffer };

/** A call or task that is counted: its counters keep these for it. */
export interface CountedCall {
  /** Its number at its caller. */
  readonly id: number;
  /** The method, attribute or function. */
  readonly name: string;
  /** The counts of that; `undefined` until it started. */
  counts: MethodCounts | undefined;
  /** When it started, on the clock of the counters. */
  startedAt: number;
  /** Its trace, where somebody traces: it ends with the call. */
  readonly span?: Span | undefined;
  /** How long it waited before, in milliseconds. */
  readonly waited: number;
}

/** Memory of one method. */
export interface MethodCounts {
  readonly number: number;
  readonly counts: Float64Array;
}

/** The counters of one isolate. */
export class CallCounters {
  readonly #clock: Clock;
  readonly #announce: (news: CounterNews) => void;
  readonly #recorder: CallRecorder;
  readonly #classes = new Map<string, Map<string, MethodCounts>>();
  readonly #groups = new Map<string, CountedClass>();
  readonly #blocks: Float64Array[] = [];
  readonly #free: number[] = [];
  readonly #unhandled: Float64Array;
  #nextPlace = 0;
  #methods = 0;

  /**
   * @param clock The time.
   * @param recorder Told of single calls.
   * @param announce Told where the counts are.
   */
  constructor(clock: Clock, recorder: CallRecorder, announce: (news: CounterNews) => void) {
    this.#clock = clock;
    this.#recorder = recorder;
    this.#announce = announce;
    const memory = sharedNumbers(1);
    this.#unhandled = new Float64Array(memory);
    announce({ type: "unhandled", memory });
  }

  /**
   * Counts for an actor, until they are told of its end.
   *
   * @param methods Its methods and their kinds: whoever reads the counts knows of them before the first call.
   */
  ofActor(
    className: string,
    key: string,
    incarnation: string,
    methods: Readonly<Record<string, MethodKind>>,
  ): ActorCounters {
    const group = this.#groupOf(className);
    for (const [name, kind] of Object.entries(methods)) group.methodOf(name, kind === "sync");
    const place = this.#free.pop() ?? this.#nextPlace++;
    const block = Math.floor(place / ACTORS_PER_BLOCK);
    const slot = place % ACTORS_PER_BLOCK;
    const isNew = this.#blocks[block] === undefined;
    const counts = this.#blocks[block] ??= new Float64Array(sharedNumbers(ACTORS_PER_BLOCK * ACTOR_SIZE));
    counts.fill(0, slot * ACTOR_SIZE, (slot + 1) * ACTOR_SIZE);
    const memory = isNew ? counts.buffer as SharedArrayBuffer : undefined;
    this.#announce({ type: "actor", key, incarnation, className, block, slot, memory });
    return new ActorCounters({ group, key, incarnation, counts, place });
  }

  /** A task's function starts. */
  taskStarted(call: CountedCall, bytes: number): void {
    start(call, this.#methodsOf(TASKS)(call.name), this.#clock.now(), bytes);
  }

  /** The function of a task has given its result. Returns the milliseconds that it took. */
  taskFinished(key: string, call: CountedCall, bytes: number): number {
    const time = finish(call, this.#clock.now(), bytes);
    if (this.#recorder.watching) this.#recorder.called({ key, className: TASKS }, call, time, false);
    return time;
  }

  /** It threw, or what it gave cannot be sent. */
  taskFailed(key: string, call: CountedCall, error: unknown): void {
    fail(call);
    const time = finish(call, this.#clock.now(), 0);
    if (this.#recorder.watching) this.#recorder.called({ key, className: TASKS }, call, time, true);
    this.#recorder.threw({ key, className: TASKS }, call, error);
  }

  /** Something failed outside of any call. */
  unhandled(): void {
    this.#unhandled[0]!++;
  }

  #groupOf(className: string): CountedClass {
    let group = this.#groups.get(className);
    if (group === undefined) {
      group = {
        className,
        clock: this.#clock,
        recorder: this.#recorder,
        methodOf: this.#methodsOf(className),
        onEnded: (place, incarnation) => {
          this.#free.push(place);
          this.#announce({ type: "actorEnded", incarnation });
        },
      };
      this.#groups.set(className, group);
    }
    return group;
  }

  #methodsOf(className: string): (name: string, sync?: boolean) => MethodCounts {
    let methods = this.#classes.get(className);
    if (methods === undefined) this.#classes.set(className, methods = new Map());
    const known = methods;
    return (name, sync = false) => {
      const found = known.get(name);
      if (found !== undefined) return found;
      if (this.#methods >= MOST_METHODS && name !== OTHERS) return this.#methodsOf(className && OTHERS)(OTHERS);
      const memory = sharedNumbers(METHOD_SIZE);
      const method: MethodCounts = { number: this.#methods++, counts: new Float64Array(memory) };
      known.set(name, method);
      this.#announce({ type: "method", className, name, sync, number: method.number, memory });
      return method;
    };
  }
}

/** What the counters of all actors of a class share. */
interface CountedClass {
  readonly className: string;
  readonly clock: Clock;
  readonly recorder: CallRecorder;
  readonly methodOf: (name: string, sync?: boolean) => MethodCounts;
  readonly onEnded: (place: number, incarnation: string) => void;
}

interface ActorCountersOptions {
  readonly group: CountedClass;
  readonly key: string;
  readonly incarnation: string;
  /** The block in which it is counted. */
  readonly counts: Float64Array;
  /** Where, among all actors of the isolate. */
  readonly place: number;
}

/** What is known of a call whose method runs on. */
interface GivenUp {
  readonly failed: boolean;
  readonly bytes: number;
}

/**
 * The counters of one actor. Each call that starts finishes once; what waits first is queued, then unqueued. There may be
 * many idle ones, so each keeps little of its own.
 */
export class ActorCounters implements CallSubject {
  /** Key of the actor. */
  readonly key: string;
  readonly #group: CountedClass;
  readonly #incarnation: string;
  readonly #counts: Float64Array;
  readonly #place: number;
  /** Calls whose callers were told that they wait no more, while their methods run on. */
  #givenUp: Map<CountedCall, GivenUp> | undefined;
  #ended = false;

  constructor({ group, key, incarnation, counts, place }: ActorCountersOptions) {
    this.key = key;
    this.#group = group;
    this.#incarnation = incarnation;
    this.#counts = counts;
    this.#place = place;
  }

  /** Name of its class. */
  get className(): string {
    return this.#group.className;
  }

  /** A call of a member that is there has to wait for its turn. */
  queued(name: string): void {
    this.#group.methodOf(name).counts[METHOD.queued]!++;
    this.#counts[this.#base + ACTOR.queued]!++;
  }

  /** It waits no more: it starts next, or never will. */
  unqueued(name: string): void {
    this.#group.methodOf(name).counts[METHOD.queued]!--;
    if (!this.#ended) this.#counts[this.#base + ACTOR.queued]!--;
  }

  /**
   * A call starts.
   *
   * @param bytes Of its arguments.
   */
  started(call: CountedCall, bytes: number): void {
    const now = this.#group.clock.now();
    const method = this.#group.methodOf(call.name);
    start(call, method, now, bytes);
    if (this.#ended) return;
    const counts = this.#counts;
    const base = this.#base;
    counts[base + ACTOR.calls]!++;
    if (counts[base + ACTOR.inFlight]!++ === 0) counts[base + ACTOR.busySince] = timeOrigin + now;
    counts[base + ACTOR.bytesIn]! += bytes;
    counts[base + ACTOR.lastMethod] = method.number + 1;
    if (call.waited > 0) counts[base + ACTOR.queueingTime]! += call.waited;
  }

  /**
   * A call that started has its answer, or needs none any more.
   *
   * @param bytes Of its result.
   */
  finished(call: CountedCall, failed: boolean, bytes: number): void {
    if (failed) this.#countError(call);
    this.#finish(call, failed, bytes, failed ? "The call did not finish" : undefined);
  }

  /**
   * The caller of a call that started waits no more. Its method runs on, and is in flight until {@linkcode returned} or
   * the end of the actor: that is what others wait for.
   */
  gaveUp(call: CountedCall, failed: boolean, bytes: number): void {
    if (this.#ended) return this.finished(call, failed, bytes);
    if (failed) this.#countError(call);
    (this.#givenUp ??= new Map()).set(call, { failed, bytes });
  }

  /** A method has come to its end, whether its caller still waited or not. */
  returned(call: CountedCall): void {
    const given = this.#givenUp?.get(call);
    if (given === undefined) return;
    this.#givenUp!.delete(call);
    this.#finish(call, given.failed, given.bytes, "The caller gave up");
  }

  #countError(call: CountedCall): void {
    fail(call);
    if (!this.#ended) this.#counts[this.#base + ACTOR.errors]!++;
  }

  #finish(call: CountedCall, failed: boolean, bytes: number, error: unknown): void {
    endSpan(call.span, error);
    const time = finish(call, this.#group.clock.now(), bytes);
    if (this.#group.recorder.watching) this.#group.recorder.called(this, call, time, failed);
    if (this.#ended) return;
    const counts = this.#counts;
    const base = this.#base;
    if (--counts[base + ACTOR.inFlight]! === 0) counts[base + ACTOR.busySince] = 0;
    counts[base + ACTOR.bytesOut]! += bytes;
    counts[base + ACTOR.runningTime]! += time;
  }

  /** A call that started has failed: it threw, or what it gave cannot be sent. */
  failed(call: CountedCall, error: unknown): void {
    this.#countError(call);
    this.#finish(call, true, 0, error ?? "undefined");
    this.#group.recorder.threw(this, call, error);
  }

  /** The actor is gone. What its methods counted stays with its class. */
  end(): void {
    if (this.#ended) return;
    for (const call of this.#givenUp?.keys() ?? []) this.returned(call);
    this.#ended = true;
    this.#group.onEnded(this.#place, this.#incarnation);
  }

  /** Where it is counted in its block. */
  get #base(): number {
    return this.#place % ACTORS_PER_BLOCK * ACTOR_SIZE;
  }
}

function start(call: CountedCall, method: MethodCounts, now: number, bytes: number): void {
  call.counts = method;
  call.startedAt = now;
  const { counts } = method;
  counts[METHOD.calls]!++;
  counts[METHOD.inFlight]!++;
  counts[METHOD.bytesIn]! += bytes;
  // Most calls do not wait: who reads the counts knows their number without that.
  if (call.waited > 0) {
    counts[METHOD.queueingTime]! += call.waited;
    counts[QUEUEING_AT + bucketOf(call.waited)]!++;
  }
}

function finish(call: CountedCall, now: number, bytes: number): number {
  const { counts } = call.counts!;
  const time = now - call.startedAt;
  counts[METHOD.inFlight]!--;
  counts[METHOD.bytesOut]! += bytes;
  counts[METHOD.runningTime]! += time;
  counts[RUNNING_AT + bucketOf(time)]!++;
  return time;
}

function fail(call: CountedCall): void {
  call.counts!.counts[METHOD.errors]!++;
}

function sharedNumbers(length: number): SharedArrayBuffer {
  return new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT);
}
