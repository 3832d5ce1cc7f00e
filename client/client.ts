/**
 * The client: connects to a scheduler, creates actors, and gives handles to them.
 *
 * @module
 */

import { ActorNotFoundError, CallTimeoutError, type Encoded, type SchedulerSnapshot } from "../protocol/mod.ts";
import { type CheckedSubmitOptions, checkSubmitOptions, splitSubmitArguments } from "./arguments.ts";
import { bounded } from "./bounded.ts";
import { ClientSession } from "./client_session.ts";
import { refuseWhileLoading } from "./context.ts";
import { describeValue, targetName } from "./describe_value.ts";
import { createFuture } from "./future.ts";
import { defaultAddress, findToken, type StartedCluster, startLocalCluster } from "./platform.ts";
import { resolveTarget } from "./targets.ts";
import type {
  Actor,
  ActorFuture,
  ActorOptions,
  ActorTarget,
  Arg,
  ArgsThen,
  ClientApi,
  ClientOptions,
  Future,
  Gathered,
  GatheredSome,
  GatherOptions,
  TaskOptions,
  TaskTarget,
} from "./types.ts";
import { gather } from "./waiting.ts";

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
  readonly #session: ClientSession;
  readonly #cluster: StartedCluster | undefined;
  #closing: Promise<void> | undefined;

  private constructor(session: ClientSession, cluster: StartedCluster | undefined) {
    this.#session = session;
    this.#cluster = cluster;
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
    const options = (named ? second : first ?? second) ?? {};
    checkClientOptions(options);
    refuseWhileLoading("connect");
    const address = named ? String(first) : defaultAddress();
    const cluster = address === undefined ? await startLocalCluster() : undefined;
    try {
      const session = await connectWithin(options, {
        address: address ?? cluster!.address,
        token: options.token ?? cluster?.token ?? findToken(),
      });
      return new Client(session, cluster);
    } catch (error) {
      await cluster?.[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Link to the scheduler's dashboard. */
  get dashboardLink(): string {
    return this.#session.scheduler.welcome.dashboard;
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
  /** Runs a function on a worker; a future of its result, at once. */
  submit<A extends unknown[], R>(
    target: TaskTarget<A, R>,
    ...rest: ArgsThen<A, [options?: TaskOptions]>
  ): Future<Awaited<R>>;
  submit(target: never, ...rest: unknown[]): never {
    const { args, options } = splitSubmitArguments(target, rest);
    return this.#submit(target, args, options) as never;
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
    return Array.from(items, (item, index) => {
      const key = checked.key === undefined ? undefined : `${checked.key}-${index}`;
      return this.#submit(target, [item], key === undefined ? checked : { ...checked, key });
    }) as never;
  }

  /**
   * The actor of a key, without creating it.
   *
   * @throws {ActorNotFoundError} Where no actor of that key runs.
   */
  async getActor<T = unknown>(key: string): Promise<Actor<T>> {
    const { actor, ticket } = await this.#session.scheduler.request("getActor", { key });
    if (actor.key !== key) throw new ActorNotFoundError(`Cannot get the actor ${key}: the scheduler knows none`);
    const held = this.#session.adopt(actor, ticket);
    return this.#session.createHandle(held.actor!, held.hold()) as Actor<T>;
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

  /** Cancels futures, those of `submit` and `map` for everyone who holds them. */
  async cancel(x: ActorFuture<unknown> | Iterable<ActorFuture<unknown>>): Promise<void> {
    // A future is a promise, not an iterable.
    const futures = x instanceof Promise ? [x as ActorFuture<unknown>] : x as Iterable<ActorFuture<unknown>>;
    await Promise.all(Array.from(futures, (future) => future.cancel()));
  }

  /** What the scheduler knows: its workers, their actors, the clients, and what waits. */
  async schedulerInfo(): Promise<SchedulerSnapshot> {
    return await this.#session.scheduler.request("info", {}) as SchedulerSnapshot;
  }

  /**
   * Retires workers, by id or name: they finish the calls that run, for at most `timeout` milliseconds, and leave.
   * Their actors are lost.
   *
   * @returns The ids of the workers that are leaving.
   */
  async retireWorkers(
    workers: string | readonly string[],
    options: { timeout?: number | undefined } = {},
  ): Promise<string[]> {
    const answer = await this.#session.scheduler.request("retireWorkers", {
      workers: typeof workers === "string" ? [workers] : [...workers],
      timeout: options.timeout,
    });
    return answer.workers;
  }

  /** Releases what this client holds, then closes its connections, and the local cluster if it started one. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A text for people. */
  toString(): string {
    return `<Client: ${this.#session.scheduler.address}${this.#session.closed ? ", closed" : ""}>`;
  }

  async #close(): Promise<void> {
    this.#session.close();
    await this.#cluster?.[Symbol.asyncDispose]();
  }

  #submit(target: unknown, args: readonly unknown[], options: CheckedSubmitOptions): Future<unknown> {
    refuseUnserved(target, options);
    const resolved = resolveTarget(target, options);
    const session = this.#session;
    const key = options.key ?? session.createKey(resolved.name);
    const submitted = () => {
      if (!options.actor) {
        throw new TypeError(
          `Cannot run ${resolved.name} as a task: this version creates actors only; add { actor: true }`,
        );
      }
      const encoded: Encoded = session.encode(args, "args");
      return session.submit(key, `${resolved.module}#${resolved.export}`, {
        target: {
          module: resolved.module,
          export: resolved.export,
          name: resolved.name,
          byValue: resolved.source !== undefined,
          version: options.version,
        },
        actor: true,
        home: options.isolation ?? resolved.home,
        homeFixed: options.isolation !== undefined,
        workers: typeof options.workers === "string" ? [options.workers] : options.workers && [...options.workers],
        allowOtherWorkers: options.allowOtherWorkers,
        resources: options.resources && { ...options.resources },
        priority: options.priority,
        retries: options.retries,
        timeout: options.timeout === Infinity ? undefined : options.timeout,
        detached: options.detached,
      }, encoded);
    };
    let held: ReturnType<typeof submitted>;
    try {
      held = submitted();
    } catch (error) {
      const failed = createFuture<unknown>({
        key,
        unobserved: session.unobserved,
        source: { fetch: () => Promise.reject(error), cancel: async () => {}, release: async () => {} },
      });
      failed.fail(error instanceof Error ? error : new Error(String(error)));
      return failed.future;
    }
    const release = held.hold();
    const control = createFuture<unknown>({
      key,
      unobserved: session.unobserved,
      owner: held,
      source: {
        fetch: async () =>
          session.createHandle(await held.running, () => {
            release();
            control.update("released");
          }),
        cancel: (reason) => {
          if (!held.over) session.cancel([key], reason);
          return Promise.resolve();
        },
        release: () => {
          release();
          return Promise.resolve();
        },
      },
    });
    held.addFuture(control);
    const { signal } = options;
    if (signal) {
      const abort = () => void control.future.cancel(signal.reason);
      if (signal.aborted) abort();
      else signal.addEventListener("abort", abort, { once: true });
    }
    return control.future;
  }
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
  // Where the wait ends first, what comes of it is closed again.
  try {
    return await bounded(`the scheduler at ${found.address}`, { timeout, signal }, (wait) => {
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

/** Options that the API has and this version does not serve: to ignore them would give a false sense of safety. */
const UNSERVED = ["permissions", "onStuck", "maxPending", "concurrency"] as const;

function refuseUnserved(target: unknown, options: CheckedSubmitOptions): void {
  for (const name of UNSERVED) {
    if (options[name] !== undefined) {
      throw new TypeError(
        `submit(${targetName(target)}): the option ${name} is not served by this version: leave it out`,
      );
    }
  }
}

const CLIENT_OPTIONS: Readonly<Record<keyof ClientOptions, true>> = {
  token: true,
  directToWorkers: true,
  timeout: true,
  signal: true,
  caCerts: true,
  calls: true,
  onUnobservedError: true,
};

function checkClientOptions(options: unknown): asserts options is ClientOptions {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Client.connect: options are an object, got ${describeValue(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(CLIENT_OPTIONS, name)) throw new TypeError(`Client.connect: unknown option "${name}"`);
  }
  const { directToWorkers: direct, token } = options as ClientOptions;
  if (direct !== undefined && typeof direct !== "boolean" && direct !== "auto") {
    throw new TypeError(
      `Client.connect: directToWorkers has to be true, false or "auto", got ${describeValue(direct)}`,
    );
  }
  if (token !== undefined && typeof token !== "string") {
    throw new TypeError(`Client.connect: token has to be a string, got ${describeValue(token)}`);
  }
}
