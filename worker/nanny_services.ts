/**
 * What only a nanny can do for its host, as the host asks for it.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { LossReason } from "../protocol/mod.ts";
import type { WatchedLoop } from "./loop_watch.ts";
import type { ModuleSource } from "./module_graph.ts";
import type { ProcessStarter } from "./process_isolate.ts";
import type { Watchdog } from "./watchdog.ts";

/** What a nanny does. */
export interface NannyServices {
  /** Answers questions about modules. */
  readonly modules: ModuleSource;
  /** Starts processes that are homes. */
  readonly homes: ProcessStarter;
  /** Watches an event loop from outside, until the function that it returns is called. */
  watchLoop(loop: WatchedLoop): () => void;
  /** Replaces this host when its calls have ended. */
  replace(): void;
}

/** The services of the nanny that a watchdog reports to. */
export function nannyServices(watchdog: Watchdog, clock: Clock): NannyServices {
  return {
    modules: {
      list: async (url) => (await watchdog.request("listModules", { url }) as { files: string[] }).files,
      reload: async (url) => void await watchdog.request("reloadModule", { url }),
    },
    homes: {
      async start({ home, host, memoryLimit, grants }) {
        const { permissions, net = [], read = [] } = grants ?? {};
        await watchdog.request("startHome", { home, host, memoryLimit, permissions, net: [...net], read: [...read] });
      },
      ended: async (home) => await watchdog.request("homeEnded", { home }) as { reason: LossReason; code: number },
      kill: (home) => void watchdog.request("killHome", { home }).catch(() => {}),
    },
    watchLoop: (loop) => watchdog.watchLoop(loop, clock.now()),
    replace: () => void watchdog.request("replace", {}).catch(() => {}),
  };
}
