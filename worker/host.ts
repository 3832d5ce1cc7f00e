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
import { IsolateStarter } from "./isolate_starter.ts";
import { IsolatePool, type PoolOrder } from "./isolate_pool.ts";
import { answerScrape } from "./metrics.ts";
import { ModuleGraphs, type ModuleSource } from "./module_graph.ts";
import { ModulePolicy } from "./module_policy.ts";
import type { NannyServices } from "./nanny_services.ts";
import { ResultStore } from "./result_store.ts";
import { Spilling } from "./spilling.ts";
import { TaskIsolates } from "./task_isolates.ts";

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
  /** What else its nanny does for it; left out where there is none. */
  readonly nanny?: NannyServices | undefined;
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
  readonly #starter: IsolateStarter;
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
  #abandoned = 0;
  #closing: Promise<void> | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    const { dataPlane, clock, nanny } = options;
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
    this.#starter = new IsolateStarter({
      settings,
      services,
      addressOf: (home) => this.#dataPlane?.addressOf(home) ?? "",
      nanny,
      clock,
      onStarted: (isolate) => this.#include(isolate),
    });
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
      start: dataPlane && ((home, kind, own) => this.#starter.start(home, kind, own)),
      startsProcesses: nanny !== undefined,
      isolates: options.isolates,
      graphOf,
      onEnded: (key, incarnation, reason) => this.#link?.ended({ key, incarnation }, reason),
    });
    this.#taskIsolates = new TaskIsolates({
      inline,
      inlineModules,
      start: dataPlane && ((home, kind, own) => this.#starter.startForTasks(home, kind, own)),
      startsProcesses: nanny !== undefined,
      threads: options.threads,
      graphOf,
      workerName: settings.workerName,
      clock,
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
        returned: (...said) => this.#link!.returned(...said),
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
      onCompute: (order) => this.#tasks.compute(order),
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

  /** An isolate's event loop does not come back: it is given up. */
  abandon(home: string): void {
    const stuck = [...this.#isolates].find((isolate) => isolate.home === home);
    stuck?.abandon("Its event loop was held up beyond the deadline of a call");
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
    const forMoves = end - clock.now() - Math.min(DISPOSE_TIME, timeout / 4);
    if (forMoves > 0) await within(clock, forMoves, this.#mayLeave());
    await Promise.all([this.#taskIsolates.close(0), this.#pool.close(Math.max(0, end - clock.now()))]);
    await this.#starter[Symbol.asyncDispose]();
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
    const { target, home, homeFixed, permissions, memoryLimit, timeout = Infinity } = body;
    const { concurrency, maxPending, onStuck } = body;
    this.#policy.check(target.module);
    const bounds = { concurrency, maxPending, onStuck };
    const own = { permissions, memoryLimit };
    // The scheduler creates anew what may be retried, perhaps elsewhere.
    return { key, incarnation, args, refs, target, home, homeFixed, ...own, bounds, timeLimit: timeout, retries: 0 };
  }

  /** From now on what an isolate counts is counted, and its event loop is watched. */
  #include(isolate: Isolate): void {
    const { home, loop } = isolate;
    this.#counters.add(isolate);
    this.#isolates.add(isolate);
    const stopWatching = loop && this.#options.nanny?.watchLoop({ home, ...loop });
    isolate.ended.then(({ reason }) => {
      this.#isolates.delete(isolate);
      stopWatching?.();
      if (reason === "isolate-stuck") this.#countAbandoned();
    });
    if (this.#observer.watchesCalls) isolate.watchCalls(true);
  }

  /** The thread of each isolate that was given up takes a processor for itself, until the process ends. */
  #countAbandoned(): void {
    if (++this.#abandoned === navigator.hardwareConcurrency + 1) this.#options.nanny?.replace();
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
