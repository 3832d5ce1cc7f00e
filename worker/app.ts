/**
 * A worker for the edge: where code is called by requests, `--allow-net` is all there is, and nobody can dial in.
 *
 * `deno serve worker/app.ts` takes its options from the environment, where that may be read. Elsewhere an entry file of
 * your own calls {@linkcode createWorkerApp}.
 *
 * @module
 */

import { Hono } from "npm:hono@^4.13.0";
import { environmentVariable } from "../client/platform.ts";
import { optionsFromEnvironment, type WorkerOptions } from "./options.ts";
import { DRAIN_TIMEOUT, resolveOptions } from "./settings.ts";
import { SingleWorker } from "./single.ts";

/** What a server of requests takes: `export default` it. */
export interface WorkerApp {
  /** Answers `/healthz`: 200 while the worker takes actors, else 503. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Told by `deno serve` where it listens. From then on the worker leaves on SIGTERM, and the process can end. */
  onListen(address: { readonly hostname: string; readonly port: number }): void;
  /** Leaves the scheduler. */
  close(timeout?: number): Promise<void>;
}

/**
 * Starts a worker in this process, which dials out to the scheduler and needs `--allow-net` alone.
 *
 * Options that are left out come from the environment where it may be read. Actors of every class run on this process's
 * own event loop; calls reach them through the scheduler.
 *
 * @throws {UsageError} Where the options do not go together.
 *
 * @example
 * ```ts ignore
 * import { createWorkerApp } from "@troupe/troupe/worker";
 *
 * export default createWorkerApp({ scheduler: "wss://scheduler.example", token: "…" });
 * ```
 */
export function createWorkerApp(options: WorkerOptions = {}): WorkerApp {
  const worker = new SingleWorker(resolveOptions({ ...optionsFromEnvironment(environmentVariable), ...options }));
  let failed: string | undefined;
  worker.finished.catch((error: Error) => {
    failed = error.message;
    console.error(error.message);
  });
  const app = new Hono();
  app.get("/healthz", (context) => {
    if (worker.hostPid !== 0) return context.text(`ok ${worker.name}\n`);
    return context.text(`${failed ?? "Not connected to a scheduler yet"}\n`, 503);
  });
  return {
    fetch: (request) => app.fetch(request),
    onListen({ hostname, port }) {
      console.error(`Worker: /healthz is at ${hostname}:${port}`);
      onTermination(() => void worker.close(DRAIN_TIMEOUT));
    },
    close: (timeout = 1000) => worker.close(timeout),
  };
}

/** `deno serve` itself ends its listener on SIGTERM and then waits: for the worker's link, that would be for ever. */
function onTermination(leave: () => void): void {
  try {
    Deno.addSignalListener("SIGTERM", leave);
  } catch {
    // A host without signals ends its instances as it likes.
  }
}

let served: WorkerApp | undefined;

/** For `deno serve`: a worker whose options come from the environment. It starts when the server does, not on import. */
const app: Omit<WorkerApp, "close"> = {
  fetch: (request) => (served ??= createWorkerApp()).fetch(request),
  onListen: (address) => (served ??= createWorkerApp()).onListen(address),
};

export default app;
