/**
 * A host: its link to the scheduler, its data plane, and the isolates between them. It runs in a process of its own
 * under a nanny, or, without one, in the process that has the nanny's link too.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import {
  ActorLostError,
  type ClassCounters,
  CloseCode,
  type CloseInfo,
  decodeBody,
  encodeError,
  type MessageOf,
  submitBody,
  TROUPE_VERSION,
} from "../protocol/mod.ts";
import { runtimeName } from "../client/platform.ts";
import { DataPlane, type DataPlaneOptions } from "./data_plane.ts";
import { dialScheduler } from "./dial.ts";
import { HostLink } from "./host_link.ts";
import { InlineIsolate } from "./inline_isolate.ts";
import type { IsolateCounters, IsolateSettings } from "./isolate.ts";
import { IsolatePool, type PoolOrder } from "./isolate_pool.ts";
import { ModuleGraphs, type ModuleSource } from "./module_graph.ts";
import { ModulePolicy } from "./module_policy.ts";
import { startWebWorkerIsolate } from "./web_worker_isolate.ts";

/** Milliseconds between reports of counters. */
const REPORT_INTERVAL = 1000;

/** Options of {@linkcode startHost}. */
export interface HostOptions {
  /** WebSocket address of the scheduler. */
  readonly scheduler: string;
  /** The one-use ticket for it. */
  readonly ticket: string;
  /** Further certificate authorities, as PEM; a host process has them by `--cert`. */
  readonly caCerts?: readonly string[] | undefined;
  /** What every isolate knows. */
  readonly settings: Omit<IsolateSettings, "listen">;
  /** Where callers can reach it; `undefined` where it only dials out, and starts no isolates. */
  readonly dataPlane: Omit<DataPlaneOptions, "settings" | "serve"> | undefined;
  /** How many shared isolates run at the most. */
  readonly isolates: number;
  /** Answers questions about modules. */
  readonly modules: ModuleSource;
  /** The time. */
  readonly clock: Clock;
}

/**
 * Starts a host and joins the scheduler.
 *
 * @throws {ConnectionLostError | ProtocolError} Where the scheduler does not take it in.
 */
export async function startHost(options: HostOptions): Promise<Host> {
  const host = new Host(options);
  try {
    await host.join();
    return host;
  } catch (error) {
    await host.close(0);
    throw error;
  }
}

/** One host incarnation. */
export class Host {
  /** WebSocket address of its data plane; empty where it only dials out. */
  readonly address: string;
  /** Resolves when the link to the scheduler has ended: the host is of no use any more. */
  readonly unlinked: Promise<CloseInfo>;
  readonly #options: HostOptions;
  readonly #inline: InlineIsolate;
  readonly #pool: IsolatePool;
  readonly #policy: ModulePolicy;
  readonly #graphs: ModuleGraphs;
  readonly #dataPlane: DataPlane | undefined;
  #link: HostLink | undefined;
  #flushed: Promise<void> | undefined;
  #unlink: (info: CloseInfo) => void;
  #stopReports = () => {};
  #closing: Promise<void> | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    const { dataPlane, clock } = options;
    ({ promise: this.unlinked, resolve: this.#unlink } = Promise.withResolvers<CloseInfo>());
    const { hostname, singlePort } = dataPlane ?? {};
    const listen = dataPlane && !singlePort ? { hostname: hostname!, contactHostname: dataPlane.contact } : undefined;
    const settings: IsolateSettings = { ...options.settings, listen };
    this.#dataPlane = dataPlane && new DataPlane({
      ...dataPlane,
      settings,
      serve: (home, transport) => this.#pool.serve(home, transport),
    });
    this.address = this.#dataPlane?.address ?? "";
    this.#inline = new InlineIsolate({ address: this.address, settings, clock });
    this.#policy = new ModulePolicy(settings.allowModules);
    this.#graphs = new ModuleGraphs(options.modules);
    this.#pool = new IsolatePool({
      inline: this.#inline,
      start: dataPlane && ((home, kind) => startWebWorkerIsolate({ home, kind, settings, clock })),
      isolates: options.isolates,
      graphOf: (target) => this.#graphs.of(target),
      onEnded: (key, incarnation, reason) => this.#link?.ended({ key, incarnation }, reason),
    });
  }

  /** Joins the scheduler. Called once, by {@linkcode startHost}. */
  async join(): Promise<void> {
    const { scheduler, ticket, caCerts, clock } = this.#options;
    const { transport, closed } = await dialScheduler({ address: scheduler, ticket, caCerts });
    this.#flushed = closed;
    this.#link = await HostLink.open(transport, {
      hello: { troupe: TROUPE_VERSION, runtime: runtimeName(), pid: Deno.pid, address: this.address },
      clock,
      onCreate: (order) => void this.#create(order),
      onDestroy: ({ key, incarnation }) => void this.#pool.destroy(key, incarnation),
      onChannel: ({ home }, channel) => this.#pool.serve(home, channel),
      onClose: (info) => {
        this.#stopReports();
        this.#unlink(info);
      },
    });
    this.#reportLater();
  }

  /** Counts and logs an error that belongs to no call. */
  reportUnhandled(error: unknown): void {
    this.#inline.reportUnhandled(error);
  }

  /** Ends it: what runs and the actors' dispose hooks have `timeout` milliseconds. */
  close(timeout: number): Promise<void> {
    return this.#closing ??= this.#close(timeout);
  }

  async #close(timeout: number): Promise<void> {
    await this.#pool.close(timeout);
    this.#stopReports();
    this.#link?.close(CloseCode.goingAway, "the host ends");
    await Promise.all([this.#flushed, this.#dataPlane?.close()]);
  }

  async #create(message: MessageOf<"create">): Promise<void> {
    if (this.#closing) return this.#link!.createFailed(message, "no", encodeError(leaving(message.key)));
    try {
      const body = decodeBody(submitBody, message.submitted, "submit");
      const outcome = await this.#pool.create(this.#orderOf(message, body));
      if (!outcome.ok) return this.#link!.createFailed(message, outcome.executed, outcome.error);
      const { created, isolate } = outcome;
      const address = created.address || (this.#dataPlane?.addressOf(isolate.home) ?? "");
      this.#link!.created(message, { ...created, address, homeKind: isolate.kind });
    } catch (error) {
      this.#link!.createFailed(message, "no", encodeError(error));
    }
  }

  #orderOf(message: MessageOf<"create">, body: ReturnType<typeof submitBody>): PoolOrder {
    const { key, incarnation, args } = message;
    const { target, home, homeFixed } = body;
    this.#policy.check(target.module);
    // The scheduler creates anew what may be retried, perhaps elsewhere.
    return { key, incarnation, args, target, home, homeFixed, retries: 0 };
  }

  #reportLater(): void {
    this.#stopReports = this.#options.clock.setTimer(REPORT_INTERVAL, async () => {
      const counters = await this.#pool.counters(REPORT_INTERVAL);
      if (this.#link!.closed) return;
      this.#link!.report({ isolates: this.#pool.size, classes: sumByClass(counters) });
      this.#reportLater();
    });
  }
}

function leaving(key: string): ActorLostError {
  return new ActorLostError(`Cannot create ${key}: its worker is leaving`, { code: "DRAINING", reason: "drained" });
}

function sumByClass(counters: readonly IsolateCounters[]): ClassCounters[] {
  const sums = new Map<string, ClassCounters>();
  for (const { className, actors, calls, errors } of counters.flatMap(({ classes }) => classes)) {
    const sum = sums.get(className) ?? { className, actors: 0, calls: 0, errors: 0 };
    sums.set(className, {
      className,
      actors: sum.actors + actors,
      calls: sum.calls + calls,
      errors: sum.errors + errors,
    });
  }
  return [...sums.values()];
}
