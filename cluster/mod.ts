/**
 * A cluster on this machine.
 *
 * @module
 */

export { LocalCluster, type LocalClusterOptions } from "./local_cluster.ts";
