/**
 * A host: its link to the scheduler, its data plane, and the isolates between them. It runs in a process of its own
 * under a nanny, or, without one, in the process that has the nanny's link too.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import {
  ActorLostError,
  CloseCode,
  type CloseInfo,
  decodeBody,
  encodeError,
  type MessageOf,
  submitBody,
  type SubmittedTarget,
  TROUPE_VERSION,
} from "../protocol/mod.ts";
import { runtimeName } from "../client/platform.ts";
import { captureConsole } from "./console_capture.ts";
import { DataPlane, type DataPlaneOptions } from "./data_plane.ts";
import { dialScheduler } from "./dial.ts";
import { LoadedModules } from "./generations.ts";
import { HostCounters } from "./host_counters.ts";
import { HostLink } from "./host_link.ts";
import { HostObserver } from "./host_observer.ts";
import { HostTasks } from "./host_tasks.ts";
import { InlineIsolate } from "./inline_isolate.ts";
import type { HostServices, Isolate, IsolateSettings } from "./isolate.ts";
import { IsolatePool, type PoolOrder } from "./isolate_pool.ts";
import { answerScrape } from "./metrics.ts";
import { ModuleGraphs, type ModuleSource } from "./module_graph.ts";
import { ModulePolicy } from "./module_policy.ts";
import { ResultStore } from "./result_store.ts";
import { Spilling } from "./spilling.ts";
import { TaskIsolates } from "./task_isolates.ts";
import { startWebWorkerIsolate } from "./web_worker_isolate.ts";

/** Milliseconds that are kept for dispose hooks when a host closes, at most. */
const DISPOSE_TIME = 1000;

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
  /** What has to be shown for metrics; empty where nothing has to. */
  readonly metricsKey: string;
  /** Whether the process is there for this host alone: then everything that is printed in it counts. */
  readonly ownsProcess: boolean;
  /** What every isolate knows. */
  readonly settings: Omit<IsolateSettings, "listen" | "scheduler" | "caCerts" | "hostAddress">;
  /** Where callers can reach it; `undefined` where it only dials out, and starts no isolates. */
  readonly dataPlane: Omit<DataPlaneOptions, "settings" | "serve" | "scrape"> | undefined;
  /** How many shared isolates run at the most. */
  readonly isolates: number;
  /** How many task isolates run at the most. */
  readonly threads: number;
  /** Bytes of resident memory at which the process is ended; 0 for none. */
  readonly memoryLimit: number;
  /** Folders for what does not fit into memory, the first that may be written to. */
  readonly spillFolders: readonly string[];
  /** Told of the largest values while memory is nearly full, in one line. */
  readonly onShortOfMemory: (largest: string) => void;
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
  readonly #results = new ResultStore();
  readonly #spilling: Spilling;
  readonly #counters = new HostCounters();
  readonly #observer: HostObserver;
  readonly #isolates = new Set<Isolate>();
  readonly #releaseConsole: () => void;
  readonly #taskIsolates: TaskIsolates;
  readonly #tasks: HostTasks;
  #link: HostLink | undefined;
  #flushed: Promise<void> | undefined;
  #unlink: (info: CloseInfo) => void;
  #stopReports = () => {};
  #closing: Promise<void> | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    const { dataPlane, clock } = options;
    ({ promise: this.unlinked, resolve: this.#unlink } = Promise.withResolvers<CloseInfo>());
    this.#dataPlane = dataPlane && new DataPlane({
      ...dataPlane,
      settings: options.settings,
      scrape: (request) =>
        answerScrape(request, options.metricsKey, {
          counters: this.#counters,
          isolates: () => this.#pool.size + this.#taskIsolates.size,
          resultBytes: () => this.#results.bytes,
        }),
      serve: (home, transport) => this.#pool.serve(home, transport),
    });
    this.address = this.#dataPlane?.address ?? "";
    const { scheduler, caCerts } = options;
    const { hostname, singlePort } = dataPlane ?? {};
    const listen = dataPlane && !singlePort ? { hostname: hostname!, contactHostname: dataPlane.contact } : undefined;
    const settings: IsolateSettings = { ...options.settings, listen, scheduler, caCerts, hostAddress: this.address };
    const services: HostServices = {
      clientTicket: async () => (await this.#link!.request("clientTicket", {})).ticket,
      observed: (news) => this.#observer.observed(news),
    };
    this.#observer = new HostObserver({
      clock,
      counters: this.#counters,
      watchCalls: (watched) => this.#isolates.forEach((isolate) => isolate.watchCalls(watched)),
      tell: (body) => this.#link?.observed(body),
    });
    const inline = new InlineIsolate({ address: this.address, settings, services, results: this.#results, clock });
    const inlineModules = new LoadedModules();
    const graphOf = (target: SubmittedTarget) => this.#graphs.of(target);
    this.#inline = inline;
    this.#include(inline);
    this.#releaseConsole = captureConsole({
      worker: settings.worker,
      all: options.ownsProcess,
      onLine: (line) => inline.printed(line),
    });
    this.#policy = new ModulePolicy(settings.allowModules);
    this.#graphs = new ModuleGraphs(options.modules);
    this.#pool = new IsolatePool({
      inline,
      inlineModules,
      start: dataPlane && ((home, kind) => {
        const address = this.#dataPlane!.addressOf(home);
        return this.#counted(startWebWorkerIsolate({ home, kind, address, settings, services, clock }));
      }),
      isolates: options.isolates,
      graphOf,
      onEnded: (key, incarnation, reason) => this.#link?.ended({ key, incarnation }, reason),
    });
    this.#taskIsolates = new TaskIsolates({
      inline,
      inlineModules,
      start: dataPlane && ((home) => {
        // Nobody calls a task.
        const alone = { ...settings, listen: undefined };
        return this.#counted(startWebWorkerIsolate({ home, kind: "shared", settings: alone, services, clock }));
      }),
      threads: options.threads,
      graphOf,
      workerName: settings.workerName,
    });
    this.#spilling = new Spilling({
      results: this.#results,
      limit: options.memoryLimit,
      folders: options.spillFolders,
      clock,
      collect: () => this.#isolates.forEach((isolate) => isolate.collect()),
      onShort: options.onShortOfMemory,
    });
    this.#tasks = new HostTasks({
      host: settings.host,
      results: this.#results,
      isolates: this.#taskIsolates,
      policy: this.#policy,
      memory: this.#spilling,
      getData: (holder, key) => inline.scope.session.getData(holder, key),
      report: {
        computed: (...said) => this.#link!.computed(...said),
        computeFailed: (...said) => this.#link!.computeFailed(...said),
        stored: (...said) => this.#link!.stored(...said),
        copied: (...said) => this.#link!.copied(...said),
        copyFailed: (...said) => this.#link!.copyFailed(...said),
      },
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
      onCompute: (order) => void this.#tasks.compute(order),
      onCancelCompute: (order) => this.#tasks.cancel(order),
      onStore: (order) => this.#tasks.store(order),
      onCopy: (order) => void this.#tasks.copy(order),
      onForget: (order) => this.#tasks.forget(order),
      onRenewModules: () => this.#graphs.renew(),
      onWatch: (body) => this.#observer.watch(body),
      onQuestion: (name, asked) => this.#observer.answer(name, asked),
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
    const { clock } = this.#options;
    const end = clock.now() + timeout;
    await within(clock, timeout, this.#tasks.settled());
    this.#tasks.end();
    // Others get what only this host keeps; callers are served meanwhile. Dispose hooks need their time as well.
    const left = end - clock.now();
    if (left > 0) await within(clock, left - Math.min(DISPOSE_TIME, timeout / 4), this.#mayLeave());
    await Promise.all([this.#taskIsolates.close(0), this.#pool.close(Math.max(0, end - clock.now()))]);
    this.#stopReports();
    this.#observer.close();
    this.#releaseConsole();
    this.#link?.close(CloseCode.goingAway, "the host ends");
    await Promise.all([this.#flushed, this.#dataPlane?.close(), this.#spilling.close()]);
  }

  /** Resolves when nothing more can be moved from here to others. */
  async #mayLeave(): Promise<void> {
    if (this.#results.size > 0) await this.#link?.request("leave", {}).catch(() => {});
  }

  async #create(message: MessageOf<"create">): Promise<void> {
    if (this.#closing) return this.#link!.createFailed(message, "no", encodeError(leaving(message.key)));
    try {
      const body = decodeBody(submitBody, message.submitted, "submit");
      const outcome = await this.#pool.create(this.#orderOf(message, body));
      if (!outcome.ok) return this.#link!.createFailed(message, outcome.executed, outcome.error);
      this.#link!.created(message, { ...outcome.created, homeKind: outcome.isolate.kind });
    } catch (error) {
      this.#link!.createFailed(message, "no", encodeError(error));
    }
  }

  #orderOf(message: MessageOf<"create">, body: ReturnType<typeof submitBody>): PoolOrder {
    const { key, incarnation, args, refs } = message;
    const { target, home, homeFixed, timeout = Infinity, concurrency, maxPending, onStuck } = body;
    this.#policy.check(target.module);
    const bounds = { concurrency, maxPending, onStuck };
    // The scheduler creates anew what may be retried, perhaps elsewhere.
    return { key, incarnation, args, refs, target, home, homeFixed, bounds, timeLimit: timeout, retries: 0 };
  }

  /** Counts what an isolate counts, as soon as it runs. */
  async #counted(starting: Promise<Isolate>): Promise<Isolate> {
    const isolate = await starting;
    this.#include(isolate);
    return isolate;
  }

  #include(isolate: Isolate): void {
    this.#counters.add(isolate);
    this.#isolates.add(isolate);
    isolate.ended.then(() => this.#isolates.delete(isolate));
    if (this.#observer.watchesCalls) isolate.watchCalls(true);
  }

  #reportLater(): void {
    this.#stopReports = this.#options.clock.setTimer(REPORT_INTERVAL, () => {
      if (this.#link!.closed) return;
      this.#link!.report({
        isolates: this.#pool.size + this.#taskIsolates.size,
        ...this.#counters.changes(),
        results: this.#results.size,
        resultBytes: this.#results.bytes,
        spilledBytes: this.#results.spilledBytes,
      });
      this.#reportLater();
    });
  }
}

/** Waits for something, but no longer than so many milliseconds. */
async function within(clock: Clock, milliseconds: number, awaited: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const stop = clock.setTimer(milliseconds, resolve);
  await Promise.race([awaited, late]);
  stop();
}

function leaving(key: string): ActorLostError {
  return new ActorLostError(`Cannot create ${key}: its worker is leaving`, { code: "DRAINING", reason: "drained" });
}
