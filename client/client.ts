/**
 * The client: connects to a scheduler, creates actors, and gives handles to them.
 *
 * @module
 */

import {
  type ActorDetails,
  ActorNotFoundError,
  CallTimeoutError,
  type Encoded,
  type Explanation,
  NoWorkerError,
  type SchedulerSnapshot,
  type SubmitBody,
  type WorkerSnapshot,
} from "../protocol/mod.ts";
import {
  checkClientOptions,
  checkComputeOptions,
  type CheckedSubmitOptions,
  checkScatterOptions,
  checkSubmitOptions,
  checkWorkersOptions,
  splitRunArguments,
  splitSubmitArguments,
  workerList,
} from "./arguments.ts";
import { bounded } from "./bounded.ts";
import { futureLink, handleLink } from "./brands.ts";
import { ClientSession } from "./client_session.ts";
import { refuseWhileLoading } from "./context.ts";
import type { Delayed } from "./delayed.ts";
import { describeValue, targetName, valueName } from "./describe_value.ts";
import type { FutureControl } from "./future.ts";
import { computeGraph, nodeOf } from "./graph.ts";
import type { Reference } from "./held_keys.ts";
import { defaultAddress, findToken, type StartedCluster, startLocalCluster } from "./platform.ts";
import { release } from "./release.ts";
import { createPureKey, createSubmitBody } from "./submission.ts";
import { type ResolvedTarget, resolveTarget, type TargetOptions } from "./targets.ts";
import type {
  Actor,
  ActorFuture,
  ActorOptions,
  ActorTarget,
  Arg,
  ArgsThen,
  AsActor,
  Cancellable,
  ClientApi,
  ClientOptions,
  Computed,
  ComputeOptions,
  Future,
  Gathered,
  GatheredSome,
  GatherOptions,
  Handle,
  RunOptions,
  ScatterOptions,
  SubmitOptions,
  TaskOptions,
  TaskTarget,
} from "./types.ts";
import { Uploads } from "./uploads.ts";
import { gather } from "./waiting.ts";

let createClient: (session: ClientSession) => Client;

/** The client of a session that somebody else made, and closes: closing the client does nothing. */
export function clientOfSession(session: ClientSession): Client {
  return createClient(session);
}

/** How long connecting may take where nobody says otherwise, in milliseconds. */
const CONNECT_TIME = 10_000;

/**
 * A connection to a scheduler.
 *
 * @example
 * ```ts ignore
 * import { Client } from "@troupe/troupe";
 *
 * class Counter {
 *   n = 0;
 *   increment() {
 *     return ++this.n;
 *   }
 * }
 *
 * await using client = await Client.connect();
 * const counter = await client.submit(Counter, { actor: true });
 * console.log(await counter.increment()); // 1
 * ```
 */
export class Client implements ClientApi {
  static {
    createClient = (session) => new Client(session, undefined, false);
  }

  readonly #session: ClientSession;
  readonly #cluster: StartedCluster | undefined;
  /** Whether the session ends with this client. */
  readonly #owned: boolean;
  readonly #uploads = new Uploads();
  #closing: Promise<void> | undefined;

  private constructor(session: ClientSession, cluster: StartedCluster | undefined, owned: boolean) {
    if (!(session instanceof ClientSession)) throw new TypeError("Clients are made by Client.connect");
    this.#session = session;
    this.#cluster = cluster;
    this.#owned = owned;
  }

  /**
   * Connects to a scheduler.
   *
   * Without an address: to `TROUPE_SCHEDULER` if it is set and may be read, else, under Deno, to a local cluster of two
   * workers, which is started now and closed with the client. In a browser the default is the scheduler that served
   * this library.
   *
   * @param address `ws:`, `wss:`, `http:` or `https:` address of the scheduler; an option object may stand in its place.
   * @throws {UnauthorizedError} Where the token is missing or wrong, or the scheduler refuses this origin.
   * @throws {ConnectionLostError} Where no scheduler answers.
   * @throws {CallTimeoutError} Where it does not answer within `timeout`.
   * @throws {MainModuleError} While a worker loads the module that this is called from.
   */
  static connect(address?: string | URL, options?: ClientOptions): Promise<Client>;
  /** As above, to the default address. */
  static connect(options?: ClientOptions): Promise<Client>;
  static async connect(first?: string | URL | ClientOptions, second?: ClientOptions): Promise<Client> {
    const named = typeof first === "string" || first instanceof URL;
    const options = checkClientOptions((named ? second : first ?? second) ?? undefined);
    refuseWhileLoading("connect");
    const address = named ? String(first) : defaultAddress();
    const cluster = address === undefined ? await startLocalCluster() : undefined;
    try {
      const session = await connectWithin(options, {
        address: address ?? cluster!.address,
        token: options.token ?? cluster?.token ?? findToken(),
      });
      return new Client(session, cluster, true);
    } catch (error) {
      await cluster?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Link to the scheduler's dashboard; empty on a worker that has not needed the scheduler yet. */
  get dashboardLink(): string {
    return this.#session.scheduler?.welcome.dashboard ?? "";
  }

  /**
   * Creates an actor: an instance of a class, or the object that a function makes, on a worker. The future is there at
   * once; it gives the handle when the constructor has run.
   *
   * @throws {TypeError} Where the target or an option is none. Everything else comes out of the future.
   */
  submit<A extends unknown[], T extends object>(
    target: ActorTarget<A, T>,
    ...rest: ArgsThen<A, [options: ActorOptions]>
  ): Future<Actor<T>>;
  /**
   * Runs a function on a worker; a future of its result, at once. The result stays there until somebody wants it: a
   * future among the arguments of other tasks, of actors and of their methods stands for its value. So does the future
   * of a method call.
   *
   * Equal submits share one result, unless `pure` is `false`; such a result is computed again where its worker is lost.
   *
   * @example
   * ```ts ignore
   * const sum = client.submit((a: number, b: number) => a + b, [1, 2]);
   * const double = client.submit((x: number) => 2 * x, [sum]);
   * console.log(await double); // 6
   * ```
   */
  submit<A extends unknown[], R>(
    target: TaskTarget<A, R>,
    ...rest: ArgsThen<A, [options?: TaskOptions]>
  ): Future<Awaited<R>>;
  submit(target: never, ...rest: unknown[]): never {
    const { args, options } = splitSubmitArguments(target, rest);
    return this.#submitter(target, options)(args, options.key) as never;
  }

  /** One actor for each item: the item is the one argument of its constructor. Futures, at once. */
  map<I, T extends object>(
    target: ActorTarget<[item: I], T>,
    items: Iterable<Arg<I>>,
    options: ActorOptions,
  ): Future<Actor<T>>[];
  /** One task for each item: the item is its one argument, also when it is an array. Futures, at once. */
  map<I, R>(target: TaskTarget<[item: I], R>, items: Iterable<Arg<I>>, options?: TaskOptions): Future<Awaited<R>>[];
  map(target: never, items: Iterable<unknown>, options?: unknown): never {
    const what = `map(${targetName(target)})`;
    if (typeof items !== "object" || items === null || !(Symbol.iterator in items)) {
      throw new TypeError(`${what}: items are an array or another iterable, got ${describeValue(items)}`);
    }
    const checked = checkSubmitOptions(what, options);
    const submit = this.#submitter(target, checked);
    return Array.from(items, (item, index) => {
      return submit([item], checked.key === undefined ? undefined : `${checked.key}-${index}`);
    }) as never;
  }

  /**
   * Runs a graph: every node that a given one depends on, and it. Futures at once: of the one node, or of each in an
   * array. What this client holds already, because it was computed or persisted before, does not run again.
   *
   * @example
   * ```ts ignore
   * const counter = delayed(Counter)();
   * const steps = [1, 2, 3].map((n) => delayed((c: Actor<Counter>, n: number) => c.add(n))(counter, n));
   * const most = delayed((totals: number[]) => Math.max(...totals))(steps);
   * console.log(await client.compute(most, { actors: counter })); // 6
   * ```
   *
   * @throws {TypeError} Where something is no node, or a class in the graph is not marked as an actor, or an option is
   * wrong. Everything else comes out of the futures.
   */
  compute<T extends object>(node: Delayed<T>, options: ComputeOptions & { actors: true }): Future<AsActor<T>>;
  /** Runs a graph; a future of the node's value. */
  compute<T>(node: Delayed<T>, options?: ComputeOptions): Future<T>;
  /** Runs a graph; a future for each node. */
  compute<const N extends readonly Delayed<unknown>[]>(nodes: N, options?: ComputeOptions): Computed<N>;
  compute(nodes: never, options?: unknown): never {
    const many = Array.isArray(nodes);
    const controls = this.#compute("compute", many ? nodes : [nodes], options);
    return (many ? controls.map(({ future }) => future) : controls[0]!.future) as never;
  }

  /**
   * Runs a graph and keeps the results of the given nodes on workers. Gives back the nodes themselves: in a further
   * graph they stand for what is there. `release` of a node, or closing the client, gives the result up.
   *
   * @example
   * ```ts ignore
   * const [data] = client.persist([delayed(load)("a.csv")]);
   * const sizes = client.compute([delayed(countRows)(data), delayed(countColumns)(data)]);
   * ```
   *
   * @throws {TypeError} As `compute`.
   */
  persist<const N extends Delayed<unknown> | readonly Delayed<unknown>[]>(nodes: N, options?: ComputeOptions): N {
    const list = (Array.isArray(nodes) ? nodes : [nodes]) as readonly Delayed<unknown>[];
    const controls = this.#compute("persist", list, options);
    controls.forEach(({ future }, index) => {
      const { persisted } = nodeOf(list[index], "persist");
      persisted.get(this.#session)?.release();
      persisted.set(this.#session, future);
    });
    return nodes;
  }

  /**
   * Puts each value on a worker, once for all the tasks and calls that take its future. Futures, at once; always an
   * array, so one large value is `client.scatter([value])`. A scattered value cannot be computed again: it is lost with
   * its worker.
   *
   * @example
   * ```ts ignore
   * const [table] = client.scatter([new Float64Array(1_000_000)]);
   * const sums = client.map((table: Float64Array) => table.length, [table, table]);
   * ```
   *
   * @throws {TypeError} Where `values` is no array, or an option is wrong. Everything else comes out of the futures.
   */
  scatter<T>(values: readonly T[], options?: ScatterOptions): Future<T>[] {
    if (!Array.isArray(values)) {
      throw new TypeError(`scatter: values go in an array, got ${describeValue(values)}: write [value]`);
    }
    const { workers, allowOtherWorkers } = checkScatterOptions("scatter", options);
    const body = { workers: workerList(workers), allowOtherWorkers };
    const session = this.#session;
    return values.map((value, index) => {
      const key = session.createKey(valueName(value));
      return this.#attempt(() => key, () => {
        return session.scatter(key, body, session.encodeStored(value, `values[${index}]`));
      }).future as Future<T>;
    });
  }

  /**
   * Runs a function once on each worker, or on each that `workers` names by id, name, address or machine.
   *
   * @example
   * ```ts ignore
   * const memory = await client.run(() => Deno.memoryUsage().rss);
   * ```
   *
   * @returns The results, by worker id.
   * @throws {NoWorkerError} Where there is no such worker; else the first error of any of them.
   */
  async run<A extends unknown[], R>(
    target: TaskTarget<A, R>,
    ...rest: ArgsThen<A, [options?: RunOptions]>
  ): Promise<Record<string, Awaited<R>>> {
    const { args, options: { workers, ...options } } = splitRunArguments(target, rest);
    const wanted = workerList(workers);
    const found = (await this.schedulerInfo()).workers;
    const chosen = wanted === undefined ? found : found.filter((worker) => namesOf(worker).some(isOneOf(wanted)));
    if (chosen.length === 0) {
      const here = found.map(({ name }) => name).join(", ") || "none";
      throw new NoWorkerError(
        `Cannot run ${targetName(target)} on ${JSON.stringify(wanted ?? "all")}: workers: ${here}`,
      );
    }
    const futures = chosen.map(({ id }) => {
      const submitted = { ...options, workers: [id], pure: false, actor: false };
      return this.#submitter(target, submitted)(args, undefined) as Future<Awaited<R>>;
    });
    try {
      const results = await gather(futures) as Awaited<R>[];
      return Object.fromEntries(chosen.map(({ id }, index) => [id, results[index]!]));
    } finally {
      await release(futures);
    }
  }

  /**
   * Puts the modules of a directory on the scheduler, for workers that cannot read it: `.ts`, `.tsx`, `.js`, `.mjs`,
   * `.json` and `.wasm` files, but not those in `node_modules` and folders whose name begins with a dot. Targets below
   * that directory, marked or given by the option `module`, are loaded from there from now on.
   *
   * Relative imports among them work. What they import by bare names, workers look up in their own configuration
   * (`--config`). Upload again after an edit.
   *
   * @example
   * ```ts ignore
   * await client.uploadModules(new URL("./actors/", import.meta.url));
   * const counter = await client.submit(Counter, { actor: true }); // of ./actors/counter.ts, which marks itself
   * ```
   *
   * @throws {TypeError} Where it is no directory of this machine, or this is no Deno, or a worker.
   */
  async uploadModules(directory: string | URL): Promise<void> {
    const { server } = this.#session;
    if (server === undefined) throw new TypeError("Cannot upload modules from a worker: it has no token");
    await this.#uploads.upload(directory, server);
  }

  /**
   * The actor of a key, without creating it.
   *
   * @throws {ActorNotFoundError} Where no actor of that key runs.
   */
  async getActor<T = unknown>(key: string): Promise<Actor<T>> {
    if (typeof key !== "string") throw new TypeError(`getActor: a key is a string, got ${describeValue(key)}`);
    const { actor, ticket } = await this.#session.request("getActor", { key });
    if (actor.key !== key) throw new ActorNotFoundError(`Cannot get the actor ${key}: the scheduler knows none`);
    return this.#session.createHandleOf(actor, ticket) as Actor<T>;
  }

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
  gather(x: object, options?: GatherOptions): Promise<unknown> {
    return gather(x, options as GatherOptions & { errors: "skip" });
  }

  /**
   * Cancels futures, those of `submit` and `map` for everyone who holds them, and ends the actors of handles.
   *
   * @throws {TypeError} As a rejection: where something is neither.
   */
  async cancel(x: Cancellable | Iterable<Cancellable>): Promise<void> {
    const isMany = typeof x === "object" && x !== null && Symbol.iterator in x;
    const ends = Array.from(isMany ? x : [x], (item) => this.#endOf(item));
    await Promise.all(ends.map((end) => end()));
  }

  #endOf(x: Cancellable): () => Promise<void> | void {
    if (futureLink(x)) return () => (x as ActorFuture<unknown>).cancel();
    const handle = handleLink(x);
    if (handle) return () => this.#session.cancel([handle.target.key], undefined);
    throw new TypeError(`cancel takes futures of submit, map and calls, and handles, got ${describeValue(x)}`);
  }

  /**
   * Actors with what is counted of them, first those that do not run, then those that have been busy for longest or have
   * most calls waiting.
   *
   * @example
   * ```ts ignore
   * for (const { key, status, figures } of await client.actors({ class: "Counter" })) {
   *   console.log(key, status, figures?.calls, figures?.queued);
   * }
   * ```
   */
  async actors(options: { class?: string | undefined; limit?: number | undefined } = {}): Promise<ActorDetails[]> {
    const { class: name, limit } = options;
    return (await this.#session.request("actors", { class: name, limit }) as { actors: ActorDetails[] }).actors;
  }

  /**
   * Why a future has no value yet, or where it is: what it waits for and why that is so, what is wanted of a worker and
   * what is offered, and what happened to it.
   *
   * @param x A future of `submit`, `map`, `compute` or `scatter`, a handle, or a key.
   * @example
   * ```ts ignore
   * const net = client.submit(Net, { actor: true, resources: { GPU: 1 } });
   * console.log((await client.explain(net)).summary); // It waits for a worker: needs GPU: 1; offered: …
   * ```
   * @throws {ActorNotFoundError} Where the scheduler knows of nothing of this key.
   */
  async explain(x: Future<unknown> | Handle | string): Promise<Explanation> {
    return await this.#session.request("explain", { key: keyOf(x) }) as Explanation;
  }

  /** What the scheduler knows: its workers, their actors, the clients, and what waits. */
  async schedulerInfo(): Promise<SchedulerSnapshot> {
    return await this.#session.request("info", {}) as SchedulerSnapshot;
  }

  /**
   * Retires workers, by id or name: they finish the calls that run, hand over to others what only they keep of results
   * and scattered data, both for at most `timeout` milliseconds, and leave. Their actors are lost.
   *
   * @returns The ids of the workers that are leaving.
   */
  async retireWorkers(
    workers: string | readonly string[],
    options: { timeout?: number | undefined } = {},
  ): Promise<string[]> {
    const { timeout } = checkWorkersOptions("retireWorkers", { ...options, workers: workers ?? null });
    const answer = await this.#session.request("retireWorkers", {
      workers: workerList(workers)!,
      timeout,
    });
    return answer.workers;
  }

  /**
   * Begins anew: all actors, tasks and values of all clients end, and every worker gets another host process. For a
   * notebook in which too much has piled up, or a cluster that is stuck. Actors that stand are lost, with the reason
   * `restarted` and without their dispose hooks; everything else is cancelled. What is submitted after it is not touched.
   *
   * A worker without a nanny ends what it can, and keeps its process.
   *
   * @param options `timeout`: milliseconds that the workers have to come back, 30 000 unless it is given.
   * @returns When all workers are back, except those that were leaving.
   * @throws {CallTimeoutError} Where some are not back in time; it names them. All else has been done.
   */
  async restart(options: { timeout?: number | undefined } = {}): Promise<void> {
    await this.#session.request("restart", { timeout: checkWorkersOptions("restart", options).timeout });
  }

  /**
   * Has workers load all modules anew, for what is created or run from now on: also remote ones, of which Deno keeps the
   * first copy, and packages. Edited files need no such word. What runs keeps the code that it has.
   */
  async reloadModules(): Promise<void> {
    await this.#session.request("reloadModules", {});
  }

  /**
   * Releases what this client holds, then closes its connections, and the local cluster if it started one. Calls that
   * are under way fail; one-way calls still leave. A client that `currentClient()` gave is the worker's: closing it
   * does nothing.
   */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A text for people. */
  toString(): string {
    return `<Client: ${this.#session.scheduler?.address ?? "of a worker"}${this.#session.closed ? ", closed" : ""}>`;
  }

  async #close(): Promise<void> {
    if (!this.#owned) return;
    const { oneWayCallsSent } = this.#session;
    if (oneWayCallsSent) await oneWayCallsSent;
    this.#session.close();
    await this.#cluster?.[Symbol.asyncDispose]();
  }

  /** Finds the target once; the function that comes back submits it with arguments, under a key where one is given. */
  #submitter(
    target: unknown,
    options: CheckedSubmitOptions,
  ): (args: readonly unknown[], key: string | undefined) => Future<unknown> {
    const resolved = this.#resolve(target, options);
    const { actor, pure = !actor, signal } = options;
    const body = createSubmitBody(resolved, { ...options, repeatable: pure });
    return (args, key) => {
      const session = this.#session;
      const control = this.#attempt(() => key ?? session.createKey(resolved.name), () => {
        const encoded = session.encode(args, "args");
        return session.submit(key ?? this.#createKey(resolved.name, body, pure, encoded), body, encoded);
      });
      cancelOn(signal, control);
      return control.future;
    };
  }

  #createKey(name: string, body: SubmitBody, pure: boolean, args: Encoded): string {
    return pure ? createPureKey(name, body, args) : this.#session.createKey(name);
  }

  #compute(what: string, nodes: readonly Delayed<unknown>[], given: unknown): FutureControl<unknown>[] {
    const options = checkComputeOptions(what, given);
    const controls = computeGraph(nodes, options, {
      what,
      session: this.#session,
      resolve: (target, options) => this.#resolve(target, options),
    });
    for (const control of controls) cancelOn(options.signal, control);
    return controls;
  }

  #resolve(target: unknown, options: TargetOptions & SubmitOptions): ResolvedTarget {
    return this.#uploads.locate(resolveTarget(target, options));
  }

  /** The future of what `submit` submits, or of the error that it throws. */
  #attempt(key: () => string, submit: () => Reference): FutureControl<unknown> {
    try {
      return this.#session.createFuture(submit());
    } catch (error) {
      return this.#session.createFailedFuture(key(), error instanceof Error ? error : new Error(String(error)));
    }
  }
}

function keyOf(x: Future<unknown> | Handle | string): string {
  if (typeof x === "string") return x;
  const handle = handleLink(x);
  if (handle) return handle.target.key;
  if (futureLink(x)?.kind === "key") return (x as Future<unknown>).key;
  throw new TypeError(
    `explain takes a future of submit, map, compute or scatter, a handle or a key, got ${describeValue(x)}`,
  );
}

function cancelOn(signal: AbortSignal | undefined, { future }: FutureControl<unknown>): void {
  if (signal === undefined) return;
  const abort = () => void future.cancel(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener("abort", abort, { once: true });
}

/** Everything that names a worker in the option `workers`. */
function namesOf({ id, name, machine, address }: WorkerSnapshot): readonly string[] {
  const own = [id, name, machine, address];
  if (!URL.canParse(address)) return own;
  const { host, hostname } = new URL(address);
  return [...own, host, hostname];
}

function isOneOf(names: readonly string[]): (name: string) => boolean {
  return (name) => name !== "" && names.includes(name);
}

async function connectWithin(
  options: ClientOptions,
  found: { address: string; token: string | undefined },
): Promise<ClientSession> {
  const { timeout = CONNECT_TIME, signal } = options;
  const abort = new AbortController();
  const connecting = ClientSession.connect({
    ...found,
    direct: options.directToWorkers ?? "auto",
    caCerts: options.caCerts,
    signal: abort.signal,
    calls: options.calls ?? {},
    onUnobservedError: options.onUnobservedError,
  });
  // Where the wait ends first, what comes of it is closed again, and nobody wants its error.
  connecting.catch(() => {});
  try {
    return await bounded(`the scheduler at ${found.address}`, () => ({ timeout, signal }), (wait) => {
      connecting.then((session) => wait.ended ? session.close() : wait.resolve(session), (error) => wait.reject(error));
      return undefined;
    });
  } catch (error) {
    abort.abort(error);
    if (error instanceof CallTimeoutError) {
      throw new CallTimeoutError(`Cannot connect to ${found.address}: no answer within ${timeout} ms`, {
        executed: "no",
      });
    }
    throw error;
  }
}
