/**
 * What the main isolate of a host and its watchdog isolate say to each other.
 *
 * @module
 */

/** From the main isolate to the watchdog. */
export type ToWatchdog =
  /** First of all: where the nanny listens, and what to show there. */
  | { readonly type: "start"; readonly address: string; readonly secret: string; readonly memoryLimit: number }
  /** Answers `tick`: the main loop runs. */
  | { readonly type: "tock" }
  /** Asks the nanny something. */
  | { readonly type: "request"; readonly id: number; readonly name: NannyRequest; readonly body: Uint8Array };

/** From the watchdog to the main isolate. */
export type FromWatchdog =
  /** To be answered at once by `tock`. */
  | { readonly type: "tick" }
  /** Answers `request`. */
  | { readonly type: "answer"; readonly id: number; readonly ok: boolean; readonly body: Uint8Array }
  /** Finish what runs within so many milliseconds, then end the process. */
  | { readonly type: "drain"; readonly timeout: number };

/** What a host asks its nanny. */
export type NannyRequest =
  /** Says that it runs: `{ address }`. Answered by an empty object. */
  | "running"
  /** The files of a module's local graph: `{ url }`, answered by `{ files }`. */
  | "listModules"
  /** Names the largest values while memory is nearly full: `{ largest }`. Answered by an empty object. */
  | "largest"
  /** Fetches a remote module anew: `{ url }`. Answered by an empty object. */
  | "reloadModule";
