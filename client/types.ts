/**
 * The public types: futures, handles typed from their class, targets, options. Nothing here exists at run time.
 *
 * @module
 */

import type { Delayed } from "./delayed.ts";

// ── Futures ──

/** Bounds of one wait. The work itself goes on: cancel it to stop it. */
export interface ResultOptions {
  /**
   * Milliseconds to wait before a `CallTimeoutError` (its name is `TimeoutError`).
   *
   * @default {Infinity}
   */
  timeout?: number | undefined;
  /** Ends the wait, not the work: the wait rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** The result of a method call or of an attribute read. A real `Promise`, already under way. */
export interface ActorFuture<out T> extends Promise<T> {
  /**
   * The value; the same on every call. The options bound this one wait, not the work.
   *
   * @throws {CallTimeoutError} Where `timeout` passed first.
   */
  result(options?: ResultOptions): Promise<T>;
  /** Whether it has settled, either way. */
  done(): boolean;
  /** Rejects at once with a `CallCancelledError`; work that has not started never starts. */
  cancel(reason?: unknown): void;
}

/** Life of a task or of an actor's construction. */
export type FutureStatus =
  | "pending"
  | "no-worker"
  | "processing"
  | "finished"
  | "error"
  | "lost"
  | "cancelled"
  | "released";

/**
 * A value that is, or will be, on a worker. A lazy `Promise`: whoever awaits it, or calls `then` or `result`, fetches
 * the value; nothing else does.
 *
 * As with every promise, an `async` function that returns a future gives its value instead. Return `[future]`, or
 * leave out the `async`.
 */
export interface Future<out T> extends ActorFuture<T>, Disposable {
  /** The cluster-wide name. */
  readonly key: string;
  /** Where it stands, as this client last heard. */
  readonly status: FutureStatus;
  /** Resolves when it has settled: to the error, or to `undefined`. Fetches no value. */
  exception(options?: ResultOptions): Promise<Error | undefined>;
  /** Stops it for everyone who holds it. */
  cancel(reason?: unknown): Promise<void>;
  /** Gives this reference back; for an actor it is the same reference as its handle's. Never rejects. */
  release(): Promise<void>;
}

// ── Arguments ──

/** `T`, or a future of it, or an array or plain object of `T`'s shape that holds futures; for a callback also a sync one. */
// The bare `T` comes first: it keeps generic callers assignable.
export type Arg<T> = T | ActorFuture<T> | Holding<T>;

/** The members of a parameter list, each as an {@linkcode Arg}. */
export type Args<A extends readonly unknown[]> = { [I in keyof A]: Arg<A[I]> };

/**
 * The containers in which a future may stand for a value: arrays, tuples and plain objects, one level down. (At run
 * time any depth works; typing it makes TypeScript give up on recursive types.)
 */
export type Holding<T> = T extends Sealed ? never
  : T extends (...args: infer P) => infer R ? (...args: P) => R | Awaited<R>
  : T extends readonly unknown[] ? { readonly [I in keyof T]: T[I] | ActorFuture<T[I]> }
  : { readonly [K in keyof T]: T[K] | ActorFuture<T[K]> };

/** Values that hold no futures. */
export type Sealed =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Date
  | RegExp
  | URL
  | Error
  | ArrayBufferLike
  | ArrayBufferView
  | Map<unknown, unknown>
  | Set<unknown>
  | Handle
  | PromiseLike<unknown>;

// ── Handles ──

/** What every handle has besides the members of its class; the symbols cannot clash with them. */
export interface Handle extends AsyncDisposable {
  /** Always `"Actor"`. */
  readonly [Symbol.toStringTag]: "Actor";
}

/** Names that are never remote: the language, the console and JSON own them; a leading underscore means private. */
export type LocalName =
  | "constructor"
  | "then"
  | "toString"
  | "toLocaleString"
  | "toJSON"
  | "valueOf"
  | "hasOwnProperty"
  | "isPrototypeOf"
  | "propertyIsEnumerable"
  | `_${string}`;

/** The names of `T` that a handle shows: string names of public members. */
export type RemoteName<K> = K extends string ? (string extends K ? never : K extends LocalName ? never : K) : never;

/**
 * A handle to a `T` that lives on a worker. Methods return at once; attributes are read with `await`.
 *
 * It is built from what the worker found in the instance after construction, frozen, and never has a `then`.
 */
export type Actor<T> = Handle & { readonly [K in keyof T as RemoteName<K>]: Remote<T[K]> };

/** One member as its handle shows it. */
// `0 extends 1 & V` finds `any`; `[V]` keeps unions and boolean from distributing.
export type Remote<V> = 0 extends 1 & V ? V
  : [V] extends [undefined] ? ActorFuture<V>
  : [V] extends [((...args: never[]) => unknown) | undefined] ? RemoteMethod<V>
  : ActorFuture<Awaited<V>>;

/** A method, with up to four overloads. */
// Equal calls collapse, so one signature stays one.
export type RemoteMethod<F> = F extends {
  (...args: infer A1): infer R1;
  (...args: infer A2): infer R2;
  (...args: infer A3): infer R3;
  (...args: infer A4): infer R4;
} ? Call<A1, R1> & Call<A2, R2> & Call<A3, R3> & Call<A4, R4>
  : undefined;

/** One signature. */
export type Call<A extends readonly unknown[], R> = (...args: Args<A>) => Returned<R>;

/** What a call gives: an `AsyncGenerator` for a generator method, else an {@linkcode ActorFuture}. */
export type Returned<R> = 0 extends 1 & R ? ActorFuture<R>
  : [R] extends [never] ? ActorFuture<never>
  : [R] extends [Iterator<infer Y, infer Z, infer N> & Iterable<unknown>] ? AsyncGenerator<Y, Z, N>
  : [R] extends [AsyncIterator<infer Y, infer Z, infer N> & AsyncIterable<unknown>] ? AsyncGenerator<Y, Z, N>
  : ActorFuture<Awaited<R>>;

/** Options of each call that is made through one handle: see `withOptions`. */
export interface CallOptions {
  /** Milliseconds until the call itself is stopped: it travels with the call. @default {Infinity} */
  timeout?: number | undefined;
  /** Aborts each call that is under way, and every later one. */
  signal?: AbortSignal | undefined;
  /** Higher first; the order of calls holds within one priority. @default {0} */
  priority?: number | undefined;
  /**
   * Calls want no answer: methods return nothing, and what fails is reported to `onUnobservedError`.
   *
   * @default {false}
   */
  oneWay?: boolean | undefined;
  /**
   * Items of a stream come ahead of their use. `false`: each `next` asks for one, and its value is what `yield` gives in
   * the generator.
   *
   * @default {true}
   */
  prefetch?: boolean | undefined;
}

/** A handle whose methods want no answer: see the option `oneWay`. Attributes cannot be read through it. */
export type OneWay<H> =
  & Handle
  & { readonly [K in keyof H as H[K] extends (...args: never[]) => unknown ? K : never]: OneWayMethod<H[K]> };

/** A method that wants no answer. */
export type OneWayMethod<F> = F extends (...args: infer A) => unknown ? (...args: A) => void : never;

// ── Targets and options of submit ──

/** Anything that can be submitted by value or by mark. */
export type Target = (abstract new (...args: never[]) => object) | ((...args: never[]) => unknown);

/** What can become an actor: a class, a function that makes the object, or the name of one, `"https://host/counter.ts#Counter"`. */
export type ActorTarget<A extends readonly unknown[], T> =
  | (new (...args: [...A]) => T)
  | ((...args: [...A]) => T | PromiseLike<T>)
  | string
  | URL;

/** What can run as a task: a function that is no generator, or the name of one. */
export type TaskTarget<A extends readonly unknown[], R> = ((...args: [...A]) => NoStream<R>) | string | URL;

/** `R`, unless it is an iterator: a task has one result. */
export type NoStream<R> = R extends Iterator<unknown> | AsyncIterator<unknown>
  ? "a generator cannot be a task: make it a method of an actor"
  : R;

/** `args` first; they may be left out where the target needs none. */
export type ArgsThen<A extends readonly unknown[], O extends readonly unknown[]> =
  | [args: Args<A>, ...rest: O]
  | ([] extends A ? O : never);

/** Options of `submit` and `map`, for tasks and actors alike. */
export interface SubmitOptions {
  /** Name across the cluster; the same key gives the same actor. @default the target's name and eight or more digits */
  key?: string | undefined;
  /** Where it may run: ids, names or addresses of workers, or names of machines. @default anywhere */
  workers?: string | readonly string[] | undefined;
  /** Makes `workers` a wish instead of a condition. @default {false} */
  allowOtherWorkers?: boolean | undefined;
  /** Amounts of what workers offer, held for the actor's whole life, or while the task runs. @default none */
  resources?: Readonly<Record<string, number>> | undefined;
  /** Higher is placed first. @default {0} */
  priority?: number | undefined;
  /** How many times more a task, or an actor's constructor, is tried after it failed. @default {0} */
  retries?: number | undefined;
  /** Same arguments, same result: equal submits share one. @default `true` for tasks, `false` for actors */
  pure?: boolean | undefined;
  /** Absolute URL of the module that exports the target. */
  module?: string | URL | undefined;
  /** The target's name among the exports of `module`. @default the target's own name */
  export?: string | undefined;
  /** The user's word for the state of an `http:` module: another one loads it anew. @default what the host has cached */
  version?: string | undefined;
  /** Where in the worker it runs. @default chosen by a look at the target: `"inline"` where all is `async`, else `"shared"` */
  isolation?: "inline" | "shared" | "dedicated" | "process" | undefined;
  /**
   * What its code may do, as Deno's permissions: for a home of its own, which it gets as a `"dedicated"` one where
   * `isolation` is left out. Never more than the hosts of the worker may.
   *
   * @default {"inherit"}
   */
  permissions?:
    | "inherit"
    | "none"
    | Readonly<Record<string, boolean | "inherit" | readonly string[]>>
    | undefined;
  /**
   * The most bytes of memory of a process of its own, which it gets where `isolation` is left out.
   *
   * @default the worker's `--memory-limit`
   */
  memoryLimit?: number | undefined;
  /**
   * What happens when a deadline passes while it holds up its isolate, in an endless loop for one: the isolate is given up,
   * with all of its actors, or its process is ended, with all of its isolates. A process of its own is always ended.
   *
   * @default {"abandon"}
   */
  onStuck?: "abandon" | "kill-host" | undefined;
  /** Calls of this actor that may run or wait, over all callers. @default {1000000} */
  maxPending?: number | undefined;
  /**
   * How many calls of this actor may run at a time; the others wait.
   *
   * @default the `static concurrency` of its class, or else any number
   */
  concurrency?: number | undefined;
  /** Lives on without anybody who holds it, until it is cancelled. @default {false} */
  detached?: boolean | undefined;
  /** Milliseconds for placing, starting and (a task) running, before a `NoWorkerError` or `CallTimeoutError`. @default {Infinity} */
  timeout?: number | undefined;
  /** Cancels what was submitted. */
  signal?: AbortSignal | undefined;
}

/** Options of a plain task. */
export interface TaskOptions extends SubmitOptions {
  /** Not an actor. */
  actor?: false | undefined;
  /** Not an actor. */
  actors?: false | undefined;
}

/** Options of an actor: `actor: true`, or Dask's other spelling, `actors: true`. */
export type ActorOptions = SubmitOptions & ({ actor: true; actors?: true } | { actors: true; actor?: true });

/** Options of `scatter`. */
export type ScatterOptions = Pick<SubmitOptions, "workers" | "allowOtherWorkers">;

/** Options of `run`. `workers` are the workers that it runs on, each once: all of them where it is left out. */
export type RunOptions = Pick<SubmitOptions, "workers" | "module" | "export" | "version" | "timeout" | "signal">;

// ── Graphs ──

/** Arguments of a node: values, futures and nodes. */
export type NodeArgs<A extends readonly unknown[]> = { [I in keyof A]: Arg<A[I]> | Delayed<A[I]> | NodesIn<A[I]> };

/** An array of values may be given as an array of nodes. */
export type NodesIn<T> = T extends readonly (infer E)[] ? readonly (E | ActorFuture<E> | Delayed<E>)[] : never;

/** Options of `delayed`; they go before those of `compute`. */
export interface DelayedOptions extends
  Pick<
    SubmitOptions,
    | "module"
    | "export"
    | "version"
    | "isolation"
    | "permissions"
    | "memoryLimit"
    | "onStuck"
    | "maxPending"
    | "concurrency"
    | "workers"
    | "allowOtherWorkers"
    | "resources"
    | "priority"
    | "retries"
  > {
  /** What the keys of its nodes begin with. @default the target's name */
  key?: string | undefined;
  /**
   * `true`: nodes of equal arguments are one. `false`: never run again where its result was lost.
   *
   * @default each node is its own, and may be run again
   */
  pure?: boolean | undefined;
}

/** Options of `compute` and `persist`, for all of the graph. `detached` and `signal` are for the nodes that are asked for. */
export interface ComputeOptions extends
  Pick<
    SubmitOptions,
    | "workers"
    | "allowOtherWorkers"
    | "resources"
    | "priority"
    | "retries"
    | "detached"
    | "timeout"
    | "signal"
  > {
  /** Which nodes become actors: those that are asked for (`true`), one node, or several; besides those that were made so. */
  actors?: true | Delayed<object> | Iterable<Delayed<object>> | undefined;
}

/** The actor of a node that is marked when it is computed. */
export type AsActor<T> = T extends Handle ? T : Actor<T>;

/** A future for each node, in the same shape. */
export type Computed<N> = { -readonly [I in keyof N]: N[I] extends Delayed<infer T> ? Future<T> : never };

// ── Waiting ──

/** The values of a nest of futures: arrays, tuples and plain objects keep their shape. */
export type Gathered<T> = T extends PromiseLike<unknown> ? Awaited<T>
  : T extends Sealed ? T
  : T extends readonly unknown[] ? { -readonly [I in keyof T]: Gathered<T[I]> }
  : T extends object ? { [K in keyof T]: Gathered<T[K]> }
  : T;

/** As {@linkcode Gathered}, for `errors: "skip"`: arrays and objects leave out what failed, a single future gives `undefined`. */
export type GatheredSome<T> = T extends PromiseLike<unknown> ? Awaited<T> | undefined : GatheredKept<T>;

/** The part of {@linkcode GatheredSome} inside arrays and objects. */
export type GatheredKept<T> = T extends PromiseLike<unknown> ? Awaited<T>
  : T extends Sealed ? T
  : T extends readonly (infer E)[] ? GatheredKept<E>[]
  : T extends object
    ? { [K in keyof T]: T[K] extends PromiseLike<unknown> ? Awaited<T[K]> | undefined : GatheredKept<T[K]> }
  : T;

/** Options of `gather`. */
export interface GatherOptions {
  /** `"raise"` rejects with the first error, `"skip"` leaves failed futures out of arrays and objects. @default {"raise"} */
  errors?: "raise" | "skip" | undefined;
}

/** Futures that are done, and those that are not, each in the order in which they were given. */
export interface WaitResult<F> {
  /** Settled, either way. */
  readonly done: F[];
  /** The rest. */
  readonly notDone: F[];
}

/** Options of `wait`. */
export interface WaitOptions extends ResultOptions {
  /** `"all"` are done, the `"first"` is done, or the first `"error"` (or all are done). @default {"all"} */
  returnWhen?: "all" | "first" | "error" | undefined;
}

/**
 * The futures themselves, in the order in which they settle: for one `for await`, or for calls of `next`.
 *
 * It is no `AsyncIterable` by name, since TypeScript types what comes out of an `AsyncIterable<Future<T>>` as `T`. And it
 * is a union, since TypeScript does the same with every other type from the second loop over it on (it keeps what a
 * loop gives by type, and unwraps it when it takes it out again), but not with unions.
 */
export type Completions<F> = CompletionIterator<F> | CompletionLoop<F>;

/** The members of {@linkcode Completions}. */
export interface CompletionIterator<F> {
  /** The next future to settle. */
  next(): Promise<IteratorResult<F, undefined>>;
  /** Stops, and forgets the futures that are left. They go on. */
  return(): Promise<IteratorResult<F, undefined>>;
  /** Itself. */
  [Symbol.asyncIterator](): Completions<F>;
}

/** The other half of the union {@linkcode Completions}: the same members. */
export interface CompletionLoop<F> extends CompletionIterator<F> {
  /** Itself. */
  [Symbol.asyncIterator](): Completions<F>;
}

// ── Context ──

/** The worker on which a method or task runs. */
export interface WorkerInfo {
  /** Id that the scheduler gave. */
  readonly id: string;
  /** Name that its user or the scheduler gave. */
  readonly name: string;
  /** WebSocket address; empty where it only dials out. */
  readonly address: string;
}

/** The call that runs now. */
export interface CallInfo {
  /** Aborts when the caller cancels, its deadline passes or it is gone. A sync method sees no change while it runs. */
  readonly signal: AbortSignal;
  /** When the caller stops waiting, in milliseconds of this machine's `Date.now()`; absent where there is no deadline. */
  readonly deadline?: number | undefined;
}

// ── Client ──

/** Options of `Client.connect`. */
export interface ClientOptions {
  /** Bearer token. @default `TROUPE_TOKEN`, `TROUPE_TOKEN_FILE`, or the token file of this user, where they may be read */
  token?: string | undefined;
  /**
   * Calls go straight to workers (`true`), through the scheduler (`false`), or straight where a worker can be reached,
   * which is never so from a page in a browser: workers refuse those.
   *
   * @default {"auto"}
   */
  directToWorkers?: boolean | "auto" | undefined;
  /** Milliseconds for connecting. @default {10000} */
  timeout?: number | undefined;
  /** Gives up connecting. */
  signal?: AbortSignal | undefined;
  /** Further certificate authorities, as PEM. */
  caCerts?: readonly string[] | undefined;
  /** Options of every call, unless its handle has others. */
  calls?: CallOptions | undefined;
  /** Told of each failure that nobody awaited. @default one line on `console.error` */
  onUnobservedError?: ((error: Error) => void) | undefined;
}

/** What can be cancelled: a task, a creation or a call by its future, an actor by its handle. */
export type Cancellable = ActorFuture<unknown> | Handle;

/** What a connected client offers. */
export interface ClientApi extends AsyncDisposable {
  /** Creates an actor; a future of its handle, at once. */
  submit<A extends unknown[], T extends object>(
    target: ActorTarget<A, T>,
    ...rest: ArgsThen<A, [options: ActorOptions]>
  ): Future<Actor<T>>;
  /** Runs a function; a future of its result, at once. */
  // Two overloads and no more: above three TypeScript prints only the last one in its errors.
  submit<A extends unknown[], R>(
    target: TaskTarget<A, R>,
    ...rest: ArgsThen<A, [options?: TaskOptions]>
  ): Future<Awaited<R>>;

  /** One actor for each item: the item is the one argument of its constructor. Futures, at once. */
  map<I, T extends object>(
    target: ActorTarget<[item: I], T>,
    items: Iterable<Arg<I>>,
    options: ActorOptions,
  ): Future<Actor<T>>[];
  /** One task for each item: the item is its one argument, also when it is an array. Futures, at once. */
  map<I, R>(target: TaskTarget<[item: I], R>, items: Iterable<Arg<I>>, options?: TaskOptions): Future<Awaited<R>>[];

  /** Waits for every future in a nest of arrays and plain objects and gives the values in the same shape. */
  gather<T extends readonly unknown[] | [] | object>(
    x: T,
    options?: GatherOptions & { errors?: "raise" | undefined },
  ): Promise<Gathered<T>>;
  /** The same without the futures that failed. */
  gather<T extends readonly unknown[] | [] | object>(
    x: T,
    options: GatherOptions & { errors: "skip" },
  ): Promise<GatheredSome<T>>;

  /** Runs a graph; a future at once for each node given. */
  compute<T extends object>(node: Delayed<T>, options: ComputeOptions & { actors: true }): Future<AsActor<T>>;
  /** Runs a graph; a future at once for each node given, in the same shape. */
  compute<T>(node: Delayed<T>, options?: ComputeOptions): Future<T>;
  /** Runs a graph; a future at once for each node given, in the same shape. */
  compute<const N extends readonly Delayed<unknown>[]>(nodes: N, options?: ComputeOptions): Computed<N>;
  /** Runs a graph and keeps the results on workers: the same nodes, for further graphs. */
  persist<const N extends Delayed<unknown> | readonly Delayed<unknown>[]>(nodes: N, options?: ComputeOptions): N;

  /** Puts each value on a worker; futures, at once. */
  scatter<T>(values: readonly T[], options?: ScatterOptions): Future<T>[];
  /** Runs a function once on each worker; the results by worker id. */
  run<A extends unknown[], R>(
    target: TaskTarget<A, R>,
    ...rest: ArgsThen<A, [options?: RunOptions]>
  ): Promise<Record<string, Awaited<R>>>;
  /** The actor of a key, without creating it. */
  getActor<T = unknown>(key: string): Promise<Actor<T>>;

  /** Cancels futures, those of `submit` and `map` for everyone who holds them, and ends the actors of handles. */
  cancel(x: Cancellable | Iterable<Cancellable>): Promise<void>;
  /** Releases what this client holds, then closes its connections. */
  close(): Promise<void>;
}
