/**
 * A cluster on this machine.
 *
 * @module
 */

export { LocalCluster } from "./local_cluster.ts";
export type { LocalClusterOptions } from "./options.ts";
