/**
 * The client: everything that a user of a cluster imports. Portable: Deno, Node, Bun and browsers.
 *
 * @module
 */

export { Client } from "./client.ts";
export { currentActor, currentCall, currentClient, currentWorker } from "./context.ts";
export { Delayed, delayed } from "./delayed.ts";
export { withOptions } from "./handle.ts";
export { progress } from "./progress.ts";
export { release } from "./release.ts";
export { remote } from "./remote.ts";
export type * from "./types.ts";
export { asCompleted, gather, wait } from "./waiting.ts";
