/**
 * The isolates of one host: which one an actor is created in, and what becomes of its actors when one ends.
 *
 * @module
 */

import type { Transport } from "../connection/mod.ts";
import {
  ActorLostError,
  ActorStartError,
  CloseCode,
  encodeError,
  type Executed,
  type HomeKind,
  type HomePermissions,
  type LossReason,
  ModuleLoadError,
  type SubmittedTarget,
  type TroupeError,
} from "../protocol/mod.ts";
import { LoadedModules, type ModuleGraph } from "./generations.ts";
import type { ActorIsolate, CreateOrder, CreateOutcome } from "./isolate.ts";

/** Milliseconds that actors have for their dispose hooks when an isolate that nobody needs any more is closed. */
const CLOSE_TIME = 1000;

/** What the isolate of one actor is started with. */
export interface OwnIsolate {
  /** What its code may do; left out for what the host may. */
  readonly permissions?: HomePermissions | undefined;
  /** The most bytes of memory of a process; left out for what the worker says. */
  readonly memoryLimit?: number | undefined;
  /** The files that it has to read. */
  readonly graph: ModuleGraph;
}

/** Starts an isolate: a Web Worker, or a process. */
export type StartIsolate = (home: string, kind: HomeKind, own?: OwnIsolate) => Promise<ActorIsolate>;

/** Options of {@linkcode IsolatePool}. */
export interface IsolatePoolOptions {
  /** The host's own isolate. */
  readonly inline: ActorIsolate;
  /** What it has loaded, for tasks too. @default nothing yet */
  readonly inlineModules?: LoadedModules;
  /** Starts others; `undefined` where there are no Web Workers: then everything runs in the host's own. */
  readonly start: StartIsolate | undefined;
  /** Whether that may be a process. @default {false} */
  readonly startsProcesses?: boolean;
  /** How many shared isolates run at the most, not counting those of old code that wait for their last actor to end. */
  readonly isolates: number;
  /** The state of a target's code. */
  readonly graphOf: (target: SubmittedTarget) => ModuleGraph | Promise<ModuleGraph>;
  /** An actor is gone: told once for each that was created. */
  readonly onEnded: (key: string, incarnation: string, reason: LossReason | "released") => void;
}

/** What to create, and where the caller or its user wants it. */
export interface PoolOrder extends Omit<CreateOrder, "asyncOnly"> {
  /** The kind of home. */
  readonly home: HomeKind;
  /** Whether a class that does not fit there is refused instead of moved. */
  readonly homeFixed: boolean;
  /** What its code may do, in a home of its own; left out for what the host may. */
  readonly permissions?: HomePermissions | undefined;
  /** The most bytes of memory, in a process of its own; left out for what the worker says. */
  readonly memoryLimit?: number | undefined;
}

/** What came of a creation. */
export type PoolOutcome =
  | { readonly ok: true; readonly created: (CreateOutcome & { ok: true })["created"]; readonly isolate: ActorIsolate }
  | { readonly ok: false; readonly executed: Executed; readonly error: Uint8Array };

/** One isolate, from the moment that it was wanted. */
interface Seat {
  readonly home: string;
  readonly kind: HomeKind;
  readonly started: Promise<ActorIsolate>;
  /** `undefined` while it starts. */
  isolate: ActorIsolate | undefined;
  readonly modules: LoadedModules;
  /** Incarnations of its actors, those that are being created included. */
  readonly actors: Set<string>;
  /** Whether it takes no more actors, as its code is old or it is one actor's own: it closes when its last one has ended. */
  closing: boolean;
}

/** An actor, or one that is being created. */
interface Resident {
  readonly key: string;
  readonly incarnation: string;
  readonly seat: Seat;
  /** Resolves when its creation is over; `undefined` after that. */
  settled: Promise<unknown> | undefined;
  standing: boolean;
}

/** The isolates of one host. */
export class IsolatePool {
  readonly #options: IsolatePoolOptions;
  readonly #own: Seat;
  readonly #seats = new Set<Seat>();
  /** By incarnation. */
  readonly #residents = new Map<string, Resident>();
  /** Incarnations that are wanted and have no seat yet. */
  readonly #coming = new Set<string>();
  readonly #started: Record<HomeKind, number> = { inline: 1, shared: 0, dedicated: 0, process: 0 };

  constructor(options: IsolatePoolOptions) {
    this.#options = options;
    const { inline, inlineModules } = options;
    this.#own = this.#seat(inline.home, "inline", Promise.resolve(inline), inlineModules);
    this.#own.isolate = inline;
  }

  /** How many isolates run or start. */
  get size(): number {
    return this.#seats.size;
  }

  /** Creates an actor in the isolate that suits it. */
  async create(order: PoolOrder): Promise<PoolOutcome> {
    const { key, permissions = "inherit" } = order;
    const kind = homeHere(order.home, permissions, this.#options);
    if (kind === undefined) return refused(noSuchHome(key, order.home, permissions));
    const graph = await this.#graphFor(order);
    if (graph === undefined) return refused(notWanted(key));
    const isOwn = kind === "dedicated" || kind === "process";
    const seat = isOwn ? this.#open(kind, { ...order, graph }) : this.#choose(kind, graph);
    if (seat === undefined) return refused(cannotReload(order.target));
    seat.modules.add(graph);
    // Who asks for this home knows what his plain methods do: they may only give promises on.
    const asyncOnly = kind === "inline" && !order.homeFixed && this.#options.start !== undefined;
    const outcome = await this.#createIn(seat, { ...order, asyncOnly });
    if (outcome.ok) return outcome;
    const { failure } = outcome;
    if (failure.importFailed) seat.modules.addFailure(graph.url);
    if (failure.needsSharedHome) return await this.create({ ...order, home: "shared" });
    return { ok: false, executed: failure.executed, error: failure.error };
  }

  /** Ends an actor that nobody holds; `onEnded` says when it is gone. */
  async destroy(key: string, incarnation: string, reason: LossReason | "released" = "released"): Promise<void> {
    const resident = this.#residents.get(incarnation);
    if (resident === undefined) {
      if (!this.#coming.delete(incarnation)) this.#options.onEnded(key, incarnation, reason);
      return;
    }
    // Where the isolate ends meanwhile, that is what is told of the actor; where the creation fails, it tells.
    await resident.seat.started.then((isolate) => isolate.destroy(key, incarnation, reason)).catch(() => {});
    await resident.settled;
    if (this.#remove(resident)) this.#options.onEnded(key, incarnation, reason);
  }

  /** What an actor to come imports; `undefined` where it was destroyed meanwhile. */
  async #graphFor({ target, incarnation }: PoolOrder): Promise<ModuleGraph | undefined> {
    this.#coming.add(incarnation);
    try {
      const graph = await this.#options.graphOf(target);
      return this.#coming.has(incarnation) ? graph : undefined;
    } finally {
      this.#coming.delete(incarnation);
    }
  }

  /** Serves a caller of a home whose frames are relayed. */
  serve(home: string, transport: Transport): void {
    for (const seat of this.#seats) {
      if (seat.home === home && seat.isolate) return seat.isolate.serve(transport);
    }
    transport.close(CloseCode.gone, `There is no isolate ${home} on this host`);
  }

  /** Ends all isolates: running calls and dispose hooks have `timeout` milliseconds. */
  async close(timeout: number): Promise<void> {
    await Promise.all([...this.#seats].map(async (seat) => {
      const isolate = await seat.started.catch(() => undefined);
      await isolate?.close(timeout);
    }));
  }

  /** The fewest actors among the isolates that may load the code; `undefined` where none may and none can be started. */
  #choose(kind: HomeKind, graph: ModuleGraph): Seat | undefined {
    if (!this.#options.start) return this.#own.modules.fit(graph) === "changed" ? undefined : this.#own;
    let best: Seat | undefined;
    let running = 0;
    for (const seat of [...this.#seats]) {
      if (seat.kind !== kind || seat.closing) continue;
      const fits = seat.modules.fit(graph) === "fits";
      // The host's own isolate costs nothing, so it stays in use for all code that it has not seen in another state.
      if (fits && seat === this.#own) return seat;
      if (!fits && seat !== this.#own) {
        seat.closing = true;
        this.#closeIfDone(seat);
        continue;
      }
      if (!fits) continue;
      running++;
      if (best === undefined || seat.actors.size < best.actors.size) best = seat;
    }
    const limit = kind === "shared" ? this.#options.isolates : 1;
    if (best && (best.actors.size === 0 || running >= limit)) return best;
    return this.#open(kind);
  }

  #open(kind: HomeKind, own?: OwnIsolate): Seat {
    const home = `${kind}-${++this.#started[kind]}`;
    const seat = this.#seat(home, kind, this.#options.start!(home, kind, own));
    if (own) seat.closing = true;
    return seat;
  }

  #seat(home: string, kind: HomeKind, started: Promise<ActorIsolate>, modules = new LoadedModules()): Seat {
    const seat: Seat = {
      home,
      kind,
      started,
      isolate: undefined,
      modules,
      actors: new Set(),
      closing: false,
    };
    this.#seats.add(seat);
    started.then((isolate) => {
      seat.isolate = isolate;
      isolate.ended.then(({ reason }) => this.#seatEnded(seat, reason));
      this.#closeIfDone(seat);
    }, () => this.#seats.delete(seat));
    return seat;
  }

  async #createIn(
    seat: Seat,
    order: CreateOrder,
  ): Promise<(CreateOutcome & { ok: false }) | (PoolOutcome & { ok: true })> {
    const { key, incarnation } = order;
    const creation = seat.started.then((isolate) => isolate.create(order)).catch(
      (error): CreateOutcome => ({ ok: false, failure: lostWhileCreating(order, seat, error) }),
    );
    const resident: Resident = { key, incarnation, seat, settled: creation, standing: false };
    this.#residents.set(incarnation, resident);
    seat.actors.add(incarnation);
    const outcome = await creation;
    // The outcome need not be kept for as long as the actor lives.
    resident.settled = undefined;
    if (outcome.ok) {
      resident.standing = true;
      return { ...outcome, isolate: seat.isolate! };
    }
    this.#remove(resident);
    return outcome;
  }

  #seatEnded(seat: Seat, reason: LossReason): void {
    this.#seats.delete(seat);
    for (const incarnation of [...seat.actors]) {
      const resident = this.#residents.get(incarnation)!;
      // One that is being created is told of by its creation.
      if (resident.standing && this.#remove(resident)) this.#options.onEnded(resident.key, incarnation, reason);
    }
  }

  #remove(resident: Resident): boolean {
    const { incarnation, seat } = resident;
    if (this.#residents.get(incarnation) !== resident) return false;
    this.#residents.delete(incarnation);
    seat.actors.delete(incarnation);
    this.#closeIfDone(seat);
    return true;
  }

  #closeIfDone(seat: Seat): void {
    if (seat.closing && seat.actors.size === 0) seat.isolate?.close(CLOSE_TIME).catch(() => {});
  }
}

function notWanted(key: string): ActorLostError {
  return new ActorLostError(`Cannot create ${key}: it was released before it had begun`, {
    executed: "no",
    reason: "released",
  });
}

function refused(error: Error): PoolOutcome {
  return { ok: false, executed: "no", error: encodeError(error) };
}

/** What is said of code that changed where only one isolate is. */
export function cannotReload(target: SubmittedTarget): ModuleLoadError {
  return new ModuleLoadError(
    `Cannot load ${target.module} anew: it has changed since this worker loaded it, and a worker without isolates keeps ` +
      "what it has loaded. Start the worker again",
    { executed: "no" },
  );
}

function lostWhileCreating(order: CreateOrder, seat: Seat, cause: unknown): (CreateOutcome & { ok: false })["failure"] {
  const ran = seat.isolate !== undefined;
  if (cause instanceof ActorStartError) return failure(cause);
  const error = new ActorLostError(
    `Cannot create ${order.key}: ${ran ? `its isolate ${seat.home} ended meanwhile` : "its isolate did not start"}`,
    { executed: ran ? "unknown" : "no", reason: reasonOf(cause), cause },
  );
  return failure(error);
}

function failure(error: TroupeError): (CreateOutcome & { ok: false })["failure"] {
  return { error: encodeError(error), executed: error.executed, needsSharedHome: false, importFailed: false };
}

function reasonOf(cause: unknown): string {
  return cause instanceof ActorLostError && cause.reason || "isolate-exit";
}

/** Where an actor or task lives on this host; `undefined` where it cannot have what it was promised. */
export function homeHere(
  home: HomeKind,
  permissions: HomePermissions,
  { start, startsProcesses = false }: Pick<IsolatePoolOptions, "startsProcesses"> & { readonly start: unknown },
): HomeKind | undefined {
  if (home === "process") return startsProcesses ? home : undefined;
  if (start) return home;
  return home === "dedicated" && permissions !== "inherit" ? undefined : "inline";
}

/** What is said where it cannot. */
export function noSuchHome(key: string, home: HomeKind, permissions: HomePermissions): ActorStartError {
  const wanted = home === "process"
    ? "a process of its own"
    : `permissions of its own (${JSON.stringify(permissions)})`;
  return new ActorStartError(
    `Cannot start ${key} with ${wanted}: this worker runs in one process. Start one with ` +
      "deno task worker, and name it in the option workers",
    { executed: "no" },
  );
}
