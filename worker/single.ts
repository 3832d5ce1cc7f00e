/**
 * A worker in one process: both links to the scheduler, no child process, no port, no other isolates. For places where
 * that is all there is, under `--allow-net` alone.
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import { CloseCode, randomHex } from "../protocol/mod.ts";
import { type Host, startHost } from "./host.ts";
import { guardErrors } from "./isolate_guard.ts";
import { NO_MODULE_SOURCE } from "./module_graph.ts";
import { describeEnd, pause, register } from "./registration.ts";
import { spillFolders } from "./permissions.ts";
import { retryDelay } from "./retry_delay.ts";
import { allowedModules, MODULE_TIMEOUT, type WorkerSettings } from "./settings.ts";
import type { RunningWorker } from "./worker.ts";
import type { WorkerLink } from "./worker_link.ts";

const logger = getLogger(["troupe", "worker"]);

/** How a host ended. */
type HostEnd = "drained" | "restarted" | "host-exit";

/** A worker that is its own host. */
export class SingleWorker implements RunningWorker {
  readonly started: Promise<void>;
  readonly finished: Promise<void>;
  readonly address = "";
  readonly permissions: readonly string[] = [];
  readonly #settings: WorkerSettings;
  readonly #abort = new AbortController();
  readonly #start = Promise.withResolvers<void>();
  #link: WorkerLink | undefined;
  #host: Host | undefined;
  #leaving: { readonly timeout: number } | undefined;
  #endRegistration = () => {};

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
    this.started = this.#start.promise;
    this.finished = this.#run();
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

  get hostPid(): number {
    return this.#host ? Deno.pid : 0;
  }

  close(timeout: number): Promise<void> {
    if (!this.#leaving) {
      this.#leaving = { timeout };
      this.#link?.drain(timeout);
      this.#abort.abort(new DOMException("The worker leaves", "AbortError"));
      this.#endRegistration();
    }
    return this.finished;
  }

  kill(): Promise<void> {
    return this.close(0);
  }

  async #run(): Promise<void> {
    const stopGuard = guardErrors((error) => this.#reportUnhandled(error));
    try {
      for (let failures = 0; !this.#leaving; failures++) {
        if (await this.#serve()) failures = 0;
        else await pause(this.#settings, retryDelay(failures), this.#abort.signal);
      }
    } catch (error) {
      if (!this.#leaving) throw error;
    } finally {
      stopGuard();
    }
  }

  /** One registration, until its end. Says whether a host could join. */
  async #serve(): Promise<boolean> {
    const { signal } = this.#abort;
    const unlinked = Promise.withResolvers<void>();
    this.#endRegistration = unlinked.resolve;
    const link = await register({
      settings: this.#settings,
      signal,
      onDrain: (timeout) => void this.close(timeout),
      // The link of its host ends with that reason.
      onRestart: () => {},
      onClose: () => unlinked.resolve(),
    });
    this.#link = link;
    let joined = false;
    try {
      for (let end: HostEnd = "restarted"; end === "restarted";) {
        end = await this.#runHost(link, unlinked.promise, () => joined = true);
      }
    } catch (error) {
      if (!this.#leaving) logger.warn("Cannot join: {message}", { message: (error as Error).message });
    } finally {
      await link.close(CloseCode.goingAway, "the worker leaves");
    }
    return joined;
  }

  /** One host, until its end, or that of the registration. */
  async #runHost(link: WorkerLink, unlinked: Promise<void>, onJoined: () => void): Promise<HostEnd> {
    const incarnation = randomHex(8);
    const stopHeartbeats = this.#heartbeats(link, incarnation);
    try {
      const host = await this.#startHost(link, incarnation);
      this.#host = host;
      onJoined();
      this.#start.resolve();
      const info = await Promise.race([unlinked, host.unlinked]);
      const end = this.#leaving ? "drained" : info?.reason === "restarted" ? "restarted" : "host-exit";
      if (end === "restarted") logger.info("Starting anew, as a client asked for");
      else if (info && end === "host-exit") {
        logger.warn("Lost the scheduler: {end}. Registering anew", { end: describeEnd(info) });
      }
      await host.close(this.#leaving?.timeout ?? 0);
      link.hostEnded(incarnation, end);
      return end;
    } finally {
      this.#host = undefined;
      stopHeartbeats();
    }
  }

  async #startHost(link: WorkerLink, incarnation: string): Promise<Host> {
    const { scheduler, caCerts, hello, clock } = this.#settings;
    const { worker, name, publicKey, loopback } = link.welcome;
    return await startHost({
      scheduler,
      ticket: await link.hostStarting(incarnation),
      caCerts,
      metricsKey: "",
      ownsProcess: false,
      settings: {
        worker,
        workerName: name,
        host: incarnation,
        publicKey,
        allowModules: allowedModules(this.#settings, loopback),
        moduleTimeout: MODULE_TIMEOUT,
      },
      dataPlane: undefined,
      isolates: hello.isolates,
      threads: hello.threads,
      memoryLimit: hello.memoryLimit,
      spillFolders: spillFolders(this.permissions),
      onShortOfMemory: () => {},
      modules: NO_MODULE_SOURCE,
      clock,
    });
  }

  #heartbeats(link: WorkerLink, host: string): () => void {
    const { clock } = this.#settings;
    const interval = link.welcome.heartbeatInterval;
    let due = clock.now();
    let cancel = () => {};
    const beat = () => {
      const lag = Math.max(0, Math.round(clock.now() - due));
      link.heartbeat({ host, memory: Deno.memoryUsage().rss, lag });
      due = clock.now() + interval;
      cancel = clock.setTimer(interval, beat);
    };
    beat();
    return () => cancel();
  }

  #reportUnhandled(error: unknown): void {
    if (this.#host) this.#host.reportUnhandled(error);
    else console.error(error);
  }
}
