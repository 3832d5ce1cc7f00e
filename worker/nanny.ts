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
import { BeatListener } from "./beat_listener.ts";
import { GARBAGE_FLAG } from "./garbage.ts";
import { type HostEnd, HostProcess } from "./host_process.ts";
import { createModuleSource } from "./module_graph.ts";
import { hostEnvironment, hostPermissions, spillFolders } from "./permissions.ts";
import { describeEnd, pause, register } from "./registration.ts";
import { retryDelay } from "./retry_delay.ts";
import { allowedModules, MODULE_TIMEOUT, tokenPaths, type WorkerSettings } from "./settings.ts";
import type { RunningWorker } from "./worker.ts";
import type { WorkerLink } from "./worker_link.ts";

const logger = getLogger(["troupe", "worker"]);

/** Milliseconds beyond its drain timeout after which a host that has not ended is killed. */
const DRAIN_GRACE = 1500;

/** More hosts than this that end within {@linkcode CRASH_WINDOW} milliseconds are not replaced at once. */
const CRASHES_ALLOWED = 3;
const CRASH_WINDOW = 10_000;

/** Has glibc give large blocks back to the system as soon as they are free: else memory that is free counts as used. */
const FREE_AT_ONCE = { MALLOC_MMAP_THRESHOLD_: "1048576" };

/** Flags of V8 for a process whose memory is limited. It ends one whose heap is full sooner than the nanny could. */
function memoryFlags(limit: number): string {
  return `--v8-flags=--max-old-space-size=${Math.ceil(limit / 2 ** 20)},${GARBAGE_FLAG}`;
}

/** One worker with its host process. */
export class Nanny implements RunningWorker {
  readonly started: Promise<void>;
  readonly finished: Promise<void>;
  readonly #settings: WorkerSettings;
  readonly #listener: BeatListener;
  readonly #abort = new AbortController();
  readonly #start = Promise.withResolvers<void>();
  /** When hosts of this worker ended. */
  readonly #ends: number[] = [];
  #link: WorkerLink | undefined;
  #host: HostProcess | undefined;
  #address = "";
  #permissions: readonly string[] = [];
  #leaving: { readonly timeout: number } | undefined;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
    this.#listener = new BeatListener(settings.clock);
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
    return this.#host?.pid ?? 0;
  }

  close(timeout: number): Promise<void> {
    if (!this.#leaving) {
      this.#leaving = { timeout };
      this.#link?.drain(timeout);
      if (this.#host) this.#drainHost(this.#host, timeout);
      else this.#abort.abort(new DOMException("The worker leaves", "AbortError"));
    }
    return this.finished;
  }

  kill(): Promise<void> {
    this.#leaving ??= { timeout: 0 };
    this.#host?.kill("killed");
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
        if (this.#host?.incarnation === incarnation) this.#host.kill("restarted");
      },
      onClose: (info) => {
        if (!this.#leaving) logger.warn("Lost the scheduler: {end}. Registering anew", { end: describeEnd(info) });
        // The scheduler has given up all of its actors, or will: nothing may outlive its registration.
        this.#host?.kill("fenced");
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
  async #runHost(link: WorkerLink): Promise<HostEnd | undefined> {
    const { clock } = this.#settings;
    const incarnation = randomHex(8);
    const ticket = await link.hostStarting(incarnation);
    if (this.#leaving) return undefined;
    const { token } = this.#settings;
    const metricsKey = token === undefined ? "" : await metricsKeyOf(token);
    if (this.#leaving) return undefined;
    const host = this.#startHost(link, { incarnation, ticket, metricsKey });
    this.#host = host;
    host.running.then(({ address }) => {
      this.#address = address;
      this.#start.resolve();
    });
    const end = await host.ended;
    this.#host = undefined;
    // A host that was condemned has been reported before it was killed.
    if (!host.condemned) link.hostEnded(incarnation, end.reason);
    if (this.#leaving || end.reason === "restarted") return end;
    this.#ends.push(clock.now());
    if (!link.closed) {
      logger.warn("The host process {pid} ended ({reason}, exit code {code})", { pid: host.pid, ...end });
    }
    return end;
  }

  #startHost(
    link: WorkerLink,
    { incarnation, ticket, metricsKey }: Pick<HostBoot, "incarnation" | "ticket" | "metricsKey">,
  ): HostProcess {
    const { welcome } = link;
    const settings = this.#settings;
    const { hello, clock } = settings;
    const allowModules = allowedModules(settings, welcome.loopback);
    this.#permissions = hostPermissions({
      scheduler: settings.scheduler,
      allowModules,
      allow: settings.allow,
      deny: settings.deny,
      tokenPaths: tokenPaths(),
      origin: import.meta.url,
    });
    const loading = [
      ...settings.config ? [`--config=${settings.config}`] : ["--no-config"],
      "--no-lock",
      ...settings.certificates ? [`--cert=${settings.certificates}`] : [],
    ];
    const environment = hostEnvironment(Deno.env.toObject());
    const moduleFlags = [...loading, ...this.#permissions.filter((flag) => /^--(allow|deny)-import/.test(flag))];
    return new HostProcess({
      boot: {
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
        allowModules,
        moduleTimeout: MODULE_TIMEOUT,
        isolates: hello.isolates,
        threads: hello.threads,
        memoryLimit: hello.memoryLimit,
        spillFolders: spillFolders(this.#permissions),
        logs: settings.logs,
      },
      flags: [
        "--no-prompt",
        "--unstable-worker-options",
        ...loading,
        ...this.#permissions,
        ...hello.memoryLimit > 0 ? [memoryFlags(hello.memoryLimit)] : [],
      ],
      environment: hello.memoryLimit > 0 ? { ...environment, ...FREE_AT_ONCE } : environment,
      listener: this.#listener,
      modules: createModuleSource({ flags: moduleFlags, environment }),
      clock,
      onCondemned: (reason) => this.#condemn(link, incarnation, reason),
    });
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
  async #beforeNext(end: HostEnd, unlinked: Promise<void>): Promise<void> {
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

  #drainHost(host: HostProcess, timeout: number): void {
    host.drain(timeout);
    const cancel = this.#settings.clock.setTimer(timeout + DRAIN_GRACE, () => host.kill("drained"));
    host.ended.finally(cancel);
  }

  #heartbeats(link: WorkerLink): () => void {
    const { clock } = this.#settings;
    let cancel = () => {};
    const beat = () => {
      const last = this.#host?.lastBeat;
      link.heartbeat({ host: this.#host?.incarnation ?? "", memory: last?.resident ?? 0, lag: last?.lag ?? 0 });
      cancel = clock.setTimer(link.welcome.heartbeatInterval, beat);
    };
    beat();
    return () => cancel();
  }
}
