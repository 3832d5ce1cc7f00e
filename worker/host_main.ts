/**
 * The entry point of a host process. Its nanny writes one line to its standard input, and holds that open.
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import { fromBase64Url } from "../protocol/mod.ts";
import { type HostBoot, hostBoot, parseBootLine, readLine } from "./boot.ts";
import { type Host, startHost } from "./host.ts";
import { guardedClock, guardErrors, guardPermissions } from "./isolate_guard.ts";
import { configureLogging } from "./logging.ts";
import { nannyServices } from "./nanny_services.ts";
import { describeEnd } from "./registration.ts";
import { Watchdog } from "./watchdog.ts";

/** Exit code of a host that is of no use any more, `EX_UNAVAILABLE`. */
const UNAVAILABLE = 69;

// User code may replace it later.
const exit = Deno.exit;

async function main(): Promise<void> {
  const boot = parseBootLine(await readLine(Deno.stdin), hostBoot);
  await configureLogging(boot.logs);
  const logger = getLogger(["troupe", "worker", "host"]);
  let host: Host | undefined;
  let leaving = false;
  const watchdog = new Watchdog(boot, {
    async onDrain(timeout) {
      leaving = true;
      await host?.close(timeout);
      exit(0);
    },
    onStuck: (home) => host?.abandon(home),
  });
  guardErrors((error) => host ? host.reportUnhandled(error) : logger.error("{error}", { error }));
  guardPermissions();
  try {
    host = await joinScheduler(boot, watchdog);
  } catch (error) {
    logger.error("Cannot start: {message}", { message: error instanceof Error ? error.message : String(error) });
    return exit(UNAVAILABLE);
  }
  await watchdog.request("running", { address: host.address });
  const info = await host.unlinked;
  // The nanny ends it.
  if (leaving || info.reason === "restarted") return;
  logger.warn("Lost the scheduler: {end}", { end: describeEnd(info) });
  exit(UNAVAILABLE);
}

function joinScheduler(boot: HostBoot, watchdog: Watchdog): Promise<Host> {
  const { hostname, port, contact, singlePort } = boot;
  const nanny = nannyServices(watchdog, guardedClock);
  return startHost({
    scheduler: boot.scheduler,
    ticket: boot.ticket,
    metricsKey: boot.metricsKey,
    ownsProcess: true,
    settings: {
      worker: boot.worker,
      workerName: boot.workerName,
      host: boot.incarnation,
      publicKey: fromBase64Url(boot.publicKey)!,
      allowModules: boot.allowModules,
      moduleTimeout: boot.moduleTimeout,
    },
    dataPlane: { hostname, port, contact, singlePort },
    isolates: boot.isolates,
    threads: boot.threads,
    memoryLimit: boot.memoryLimit,
    spillFolders: boot.spillFolders,
    onShortOfMemory: (largest) => void watchdog.request("largest", { largest }),
    modules: nanny.modules,
    nanny,
    clock: guardedClock,
  });
}

if (import.meta.main) await main();
