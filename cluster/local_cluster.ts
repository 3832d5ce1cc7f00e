/**
 * A scheduler and workers on this machine, for as long as a program needs them.
 *
 * @module
 */

import { refuseWhileLoading } from "../client/context.ts";
import { randomHex } from "../protocol/mod.ts";
import { ChildProcess } from "./child_process.ts";
import { checkClusterOptions, type ClusterOptions, type LocalClusterOptions } from "./options.ts";

/** One worker of the cluster, whichever way it runs. */
interface StartedWorker {
  close(): Promise<void>;
}

/**
 * A scheduler and workers on this machine. Its token is made for it and lives in memory only.
 *
 * Needs `--allow-net --allow-read --allow-run --allow-env`; without `--allow-run` it runs in this process.
 *
 * @example
 * ```ts ignore
 * import { Client } from "@troupe/troupe";
 * import { LocalCluster } from "@troupe/troupe/cluster";
 *
 * await using cluster = await LocalCluster.start({ workers: 2 });
 * await using client = await Client.connect(cluster.address, { token: cluster.token });
 * ```
 */
export class LocalCluster implements AsyncDisposable {
  /**
   * Starts a cluster and waits until its workers take actors.
   *
   * @throws {TypeError} Where an option is wrong.
   * @throws {MainModuleError} While a worker loads the module that this is called from.
   * @throws {Error} Where a process does not start.
   */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const checked = checkClusterOptions(options);
    refuseWhileLoading("start a local cluster");
    const token = randomHex(32);
    const mode = checked.mode ?? await possibleMode();
    const scheduler = mode === "process"
      ? await startSchedulerProcess(checked, token)
      : await startInlineScheduler(checked, token);
    const startWorker = mode === "process"
      ? (index: number) => startWorkerProcess(checked, token, scheduler.address, index)
      : (index: number) => startInlineWorker(checked, token, scheduler.address, index);
    const cluster = new LocalCluster(scheduler, token, startWorker);
    try {
      await cluster.scale(checked.workers ?? 2);
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  /** WebSocket address of the scheduler. */
  readonly address: string;
  /** The cluster's token. */
  readonly token: string;
  /** Link to the dashboard. */
  readonly dashboardLink: string;
  readonly #scheduler: StartedScheduler;
  readonly #startWorker: (index: number) => Promise<StartedWorker>;
  readonly #workers: StartedWorker[] = [];
  #started = 0;
  #closing: Promise<void> | undefined;

  private constructor(
    scheduler: StartedScheduler,
    token: string,
    startWorker: (index: number) => Promise<StartedWorker>,
  ) {
    this.address = scheduler.address;
    this.dashboardLink = scheduler.dashboard;
    this.token = token;
    this.#scheduler = scheduler;
    this.#startWorker = startWorker;
  }

  /** How many workers it has. */
  get size(): number {
    return this.#workers.length;
  }

  /** Starts or retires workers until there are `count`. The youngest go first; their actors are lost. */
  async scale(count: number): Promise<void> {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new TypeError(`Cannot scale a local cluster to ${count} workers: a whole number from 0 is wanted`);
    }
    if (this.#closing) throw new Error(`Cannot scale a local cluster to ${count} workers: it was closed`);
    const retired = this.#workers.splice(count);
    const missing = Array.from({ length: count - this.#workers.length }, () => this.#startWorker(++this.#started));
    const started = await Promise.allSettled(missing);
    for (const result of started) if (result.status === "fulfilled") this.#workers.push(result.value);
    await Promise.all(retired.map((worker) => worker.close()));
    const failed = started.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** Ends all of it. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.all(this.#workers.splice(0).map((worker) => worker.close()));
    await this.#scheduler.close();
  }
}

interface StartedScheduler {
  readonly address: string;
  readonly dashboard: string;
  close(): Promise<void>;
}

async function startSchedulerProcess(options: ClusterOptions, token: string): Promise<StartedScheduler> {
  const { child, ready } = await ChildProcess.start({
    name: "scheduler",
    module: new URL("../scheduler/main.ts", import.meta.url),
    flags: ["--no-prompt", "--no-lock", "--no-config", "--allow-net", "--allow-read", "--allow-env", ...importFlags()],
    args: ["--child", "--port", String(options.port ?? 0)],
    token,
  });
  return { address: String(ready["address"]), dashboard: String(ready["dashboard"]), close: () => child.close() };
}

async function startWorkerProcess(
  options: ClusterOptions,
  token: string,
  address: string,
  index: number,
): Promise<StartedWorker> {
  const args = ["--child", address, "--name", `worker-${index}`];
  const { resources, isolates, nthreads, memoryLimit, allow, allowModules, config } = options;
  if (resources) {
    args.push(
      "--resources",
      Object.entries(resources).map(([name, amount]) => `${name}=${amount}`).join(" "),
    );
  }
  if (isolates !== undefined) args.push("--isolates", String(isolates));
  if (nthreads !== undefined) args.push("--nthreads", String(nthreads));
  if (memoryLimit !== undefined) args.push("--memory-limit", String(memoryLimit));
  if (allow !== undefined) args.push("--allow", allow);
  if (allowModules?.length) args.push("--allow-modules", allowModules.join(","));
  if (options.singlePort) args.push("--single-port");
  if (config !== undefined) args.push("--config", config);
  const { child } = await ChildProcess.start({
    name: `worker ${index}`,
    module: new URL("../worker/main.ts", import.meta.url),
    flags: [
      "--no-prompt",
      "--no-lock",
      "--no-config",
      "--allow-net",
      "--allow-read",
      "--allow-env",
      "--allow-sys",
      "--allow-run",
      "--unstable-worker-options",
      ...importFlags(),
    ],
    args,
    token,
  });
  return child;
}

/** A library that was loaded over http needs its own origin on the import list of its children. */
function importFlags(): string[] {
  const own = new URL(import.meta.url);
  return own.protocol.startsWith("http") ? [`--allow-import=${own.host}`] : [];
}

async function startInlineScheduler(options: ClusterOptions, token: string): Promise<StartedScheduler> {
  const { serveScheduler } = await import("../scheduler/mod.ts");
  const scheduler = await serveScheduler({ port: options.port ?? 0, token });
  return { address: scheduler.address, dashboard: scheduler.dashboardLink, close: () => scheduler.close() };
}

async function startInlineWorker(
  options: ClusterOptions,
  token: string,
  address: string,
  index: number,
): Promise<StartedWorker> {
  const { startWorker } = await import("../worker/mod.ts");
  return await startWorker({
    scheduler: address,
    token,
    name: `worker-${index}`,
    nanny: false,
    resources: options.resources,
    isolates: options.isolates,
    threads: options.nthreads,
    memoryLimit: options.memoryLimit,
    allowModules: options.allowModules,
    singlePort: options.singlePort,
  });
}

/** Where no process may be started, everything runs here, and says so. */
async function possibleMode(): Promise<"process" | "inline"> {
  const { state } = await Deno.permissions.query({ name: "run", command: Deno.execPath() });
  if (state === "granted") return "process";
  console.error("Troupe: no permission to start processes (--allow-run), so the local cluster runs in this process");
  return "inline";
}
