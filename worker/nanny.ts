/**
 * The nanny: the process that never runs user code. It registers the worker, starts the host process, watches it, ends
 * it when it must and starts the next.
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import { CloseCode, type LossReason, randomHex, toBase64Url } from "../protocol/mod.ts";
import { metricsKeyOf } from "../protocol/metrics_key.ts";
import type { HostBoot } from "./boot.ts";
import { answerHost, type HostRequests } from "./host_requests.ts";
import { Launch } from "./launch.ts";
import { createModuleSource } from "./module_graph.ts";
import { spillFolders } from "./permissions.ts";
import { ProcessHomes } from "./process_homes.ts";
import { describeEnd, pause, register } from "./registration.ts";
import { retryDelay } from "./retry_delay.ts";
import { SecretListener } from "./secret_listener.ts";
import { MODULE_TIMEOUT, type WorkerSettings } from "./settings.ts";
import { type ProcessEnd, WatchedProcess } from "./watched_process.ts";
import type { RunningWorker } from "./worker.ts";
import type { WorkerLink } from "./worker_link.ts";

const logger = getLogger(["troupe", "worker"]);

/** Milliseconds beyond its drain timeout after which a host that has not ended is killed. */
const DRAIN_GRACE = 1500;

/** More hosts than this that end within {@linkcode CRASH_WINDOW} milliseconds are not replaced at once. */
const CRASHES_ALLOWED = 3;
const CRASH_WINDOW = 10_000;

/** Milliseconds that the calls of a host have to end when it is replaced. */
const REPLACE_TIME = 10_000;

/** The host process that runs now. */
interface RunningHost {
  readonly incarnation: string;
  readonly process: WatchedProcess;
  /** Resolves with the address of its data plane when it has joined the scheduler. */
  readonly running: Promise<string>;
  /** Resolves when it is gone, and with it the processes that were its homes. */
  readonly ended: Promise<ProcessEnd>;
  /** The largest values that it kept when its memory was nearly full, in one line; empty where it never was. */
  largest: string;
}

/** One worker with its host process. */
export class Nanny implements RunningWorker {
  readonly started: Promise<void>;
  readonly finished: Promise<void>;
  readonly #settings: WorkerSettings;
  readonly #listener: SecretListener;
  readonly #abort = new AbortController();
  readonly #start = Promise.withResolvers<void>();
  /** When hosts of this worker ended. */
  readonly #ends: number[] = [];
  #link: WorkerLink | undefined;
  #host: RunningHost | undefined;
  #address = "";
  #permissions: readonly string[] = [];
  #leaving: { readonly timeout: number } | undefined;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
    this.#listener = new SecretListener(settings.clock);
    this.started = this.#start.promise;
    this.finished = this.#run();
    // Whoever waits for neither is told by the log.
    this.started.catch(() => {});
    this.finished.then(
      () => this.#start.reject(new Error("The worker was closed before its host ran")),
      (error) => this.#start.reject(error),
    );
  }

  get id(): string {
    return this.#link?.welcome.worker ?? "";
  }

  get name(): string {
    return this.#link?.welcome.name ?? this.#settings.hello.name;
  }

  get address(): string {
    return this.#address;
  }

  get permissions(): readonly string[] {
    return this.#permissions;
  }

  /** Process id of the host; 0 while none runs. */
  get hostPid(): number {
    return this.#host?.process.pid ?? 0;
  }

  close(timeout: number): Promise<void> {
    if (!this.#leaving) {
      this.#leaving = { timeout };
      this.#link?.drain(timeout);
      if (this.#host) this.#drainHost(this.#host.process, timeout);
      else this.#abort.abort(new DOMException("The worker leaves", "AbortError"));
    }
    return this.finished;
  }

  kill(): Promise<void> {
    this.#leaving ??= { timeout: 0 };
    this.#host?.process.kill("killed");
    this.#abort.abort(new DOMException("The worker was killed", "AbortError"));
    return this.finished;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#leaving) await this.#serve();
    } catch (error) {
      if (!this.#leaving) throw error;
    } finally {
      await this.#link?.close(CloseCode.goingAway, "the worker leaves");
      await this.#listener[Symbol.asyncDispose]();
    }
  }

  /** One registration, until its end. */
  async #serve(): Promise<void> {
    const { signal } = this.#abort;
    const unlinked = Promise.withResolvers<void>();
    const link = await register({
      settings: this.#settings,
      signal,
      onDrain: (timeout) => void this.close(timeout),
      onRestart: (incarnation) => {
        if (this.#host?.incarnation === incarnation) this.#host.process.kill("restarted");
      },
      onClose: (info) => {
        if (!this.#leaving) logger.warn("Lost the scheduler: {end}. Registering anew", { end: describeEnd(info) });
        // The scheduler has given up all of its actors, or will: nothing may outlive its registration.
        this.#host?.process.kill("fenced");
        unlinked.resolve();
      },
    });
    this.#link = link;
    const stopHeartbeats = this.#heartbeats(link);
    try {
      while (!link.closed && !this.#leaving) {
        const end = await this.#runHost(link);
        if (end && !this.#leaving && !link.closed) await this.#beforeNext(end, unlinked.promise);
      }
    } catch (error) {
      if (!link.closed) throw error;
    } finally {
      stopHeartbeats();
    }
  }

  /** One host process, until its end; `undefined` where the worker leaves before there is one. */
  async #runHost(link: WorkerLink): Promise<ProcessEnd | undefined> {
    const { clock } = this.#settings;
    const incarnation = randomHex(8);
    const ticket = await link.hostStarting(incarnation);
    if (this.#leaving) return undefined;
    const { token } = this.#settings;
    const metricsKey = token === undefined ? "" : await metricsKeyOf(token);
    if (this.#leaving) return undefined;
    const host = this.#startHost(link, { incarnation, ticket, metricsKey });
    this.#host = host;
    host.running.then((address) => {
      this.#address = address;
      this.#start.resolve();
    });
    const { process } = host;
    const end = await host.ended;
    this.#host = undefined;
    // A host that was condemned has been reported before it was killed.
    if (!process.condemned) link.hostEnded(incarnation, end.reason);
    if (this.#leaving || end.reason === "restarted") return end;
    this.#ends.push(clock.now());
    if (!link.closed) {
      logger.warn("The host process {pid} ended ({reason}, exit code {code})", { pid: process.pid, ...end });
    }
    return end;
  }

  #startHost(
    link: WorkerLink,
    { incarnation, ticket, metricsKey }: Pick<HostBoot, "incarnation" | "ticket" | "metricsKey">,
  ): RunningHost {
    const { welcome } = link;
    const settings = this.#settings;
    const { hello, clock, logs } = settings;
    const launch = new Launch(settings, welcome.loopback);
    this.#permissions = launch.permissions;
    const { memoryLimit } = hello;
    const homes = new ProcessHomes({ launch, listener: this.#listener, memoryLimit, clock });
    const boot: Omit<HostBoot, "nanny"> = {
      scheduler: settings.scheduler,
      ticket,
      metricsKey,
      worker: welcome.worker,
      workerName: welcome.name,
      incarnation,
      publicKey: toBase64Url(welcome.publicKey),
      hostname: settings.hostname,
      port: settings.port,
      contact: settings.contact,
      singlePort: settings.singlePort,
      allowModules: [...launch.allowModules],
      moduleTimeout: MODULE_TIMEOUT,
      isolates: hello.isolates,
      threads: hello.threads,
      memoryLimit,
      spillFolders: spillFolders(launch.permissions),
      logs,
    };
    const running = Promise.withResolvers<string>();
    const requests: HostRequests = {
      modules: createModuleSource(launch.forModules),
      homes,
      onRunning: ({ address }) => running.resolve(address),
      onLargest: ({ largest }) => host.largest = largest,
      onReplace: () => this.#replace(link, host),
      onStuck: () => process.kill("host-stuck"),
    };
    const process: WatchedProcess = new WatchedProcess({
      main: new URL("./host_main.ts", import.meta.url),
      boot,
      flags: launch.flags(memoryLimit),
      environment: launch.environment(memoryLimit),
      listener: this.#listener,
      answer: (name, body) => answerHost(requests, name, body),
      clock,
      onCondemned: (reason) => this.#condemn(link, incarnation, reason),
    });
    // Its homes go with it.
    const ended = process.ended.then(async (end) => {
      await homes.end(end.reason);
      return end;
    });
    const host: RunningHost = { incarnation, process, running: running.promise, ended, largest: "" };
    return host;
  }

  /** A host that has given up too many isolates: its calls may end, then it goes, and with it what burns in it. */
  #replace(link: WorkerLink, { incarnation, process }: RunningHost): void {
    if (this.#leaving || link.closed || process.condemned) return;
    logger.warn("Replacing the host process {pid}: it has given up more isolates than there are processors", {
      pid: process.pid,
    });
    link.hostDraining(incarnation);
    this.#drainHost(process, REPLACE_TIME);
  }

  #condemn(link: WorkerLink, incarnation: string, reason: LossReason): void {
    link.hostEnded(incarnation, reason);
    if (this.#leaving || link.closed) return;
    if (reason === "restarted") logger.info("Restarting the host process, as a client asked for");
    else if (reason === "oom" && this.#host?.largest) {
      logger.error("Killing the host process: {reason}. Its largest values: {largest}", {
        reason,
        largest: this.#host.largest,
      });
    } else logger.error("Killing the host process: {reason}", { reason });
  }

  /** A host that ends is replaced at once, unless that happens again and again. */
  async #beforeNext(end: ProcessEnd, unlinked: Promise<void>): Promise<void> {
    const { clock } = this.#settings;
    const recent = this.#ends.filter((at) => clock.now() - at < CRASH_WINDOW);
    this.#ends.splice(0, this.#ends.length, ...recent);
    if (recent.length <= CRASHES_ALLOWED) return;
    const delay = 1000 + retryDelay(recent.length - CRASHES_ALLOWED + 2);
    logger.error(
      "{count} host processes have ended within {window} s, the last with exit code {code}: the next one starts in {delay} ms",
      {
        count: recent.length,
        window: CRASH_WINDOW / 1000,
        code: end.code,
        delay: Math.round(delay),
      },
    );
    await Promise.race([pause(this.#settings, delay, this.#abort.signal), unlinked]);
  }

  #drainHost(host: WatchedProcess, timeout: number): void {
    host.drain(timeout);
    const cancel = this.#settings.clock.setTimer(timeout + DRAIN_GRACE, () => host.kill("drained"));
    host.ended.finally(cancel);
  }

  #heartbeats(link: WorkerLink): () => void {
    const { clock } = this.#settings;
    let cancel = () => {};
    const beat = () => {
      const last = this.#host?.process.lastBeat;
      link.heartbeat({ host: this.#host?.incarnation ?? "", memory: last?.resident ?? 0, lag: last?.lag ?? 0 });
      cancel = clock.setTimer(link.welcome.heartbeatInterval, beat);
    };
    beat();
    return () => cancel();
  }
}
