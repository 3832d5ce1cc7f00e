/**
 * What the main isolate of a process and its watchdog isolate say to each other.
 *
 * @module
 */

import type { WatchdogBoot } from "./boot.ts";
import type { NannyRequestName } from "./host_requests.ts";
import type { WatchedLoop } from "./loop_watch.ts";

/** From the main isolate to the watchdog. */
export type ToWatchdog =
  /** First of all: where the nanny listens, and what to show there. */
  | ({ readonly type: "start" } & WatchdogBoot)
  /** Answers `tick`: the main loop runs. */
  | { readonly type: "tock" }
  /** Watches an event loop; `now` is the main isolate's time, to which the loop's offset leads. */
  | { readonly type: "watchLoop"; readonly loop: WatchedLoop; readonly now: number }
  /** Watches it no more. */
  | { readonly type: "unwatchLoop"; readonly home: string }
  /** Asks the nanny something. */
  | { readonly type: "request"; readonly id: number; readonly name: NannyRequestName; readonly body: Uint8Array };

/** From the watchdog to the main isolate. */
export type FromWatchdog =
  /** To be answered at once by `tock`. */
  | { readonly type: "tick" }
  /** An event loop is stuck, and is to be given up. */
  | { readonly type: "stuck"; readonly home: string }
  /** Answers `request`. */
  | { readonly type: "answer"; readonly id: number; readonly ok: boolean; readonly body: Uint8Array }
  /** Finish what runs within so many milliseconds, then end the process. */
  | { readonly type: "drain"; readonly timeout: number };
