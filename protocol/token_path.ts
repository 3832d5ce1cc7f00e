/**
 * Where a user's token lies, so that scheduler, workers and clients of one user on one machine find the same.
 *
 * @module
 */

/** Environment variables that say where it is. */
export interface TokenEnvironment {
  /** The user's home. */
  readonly HOME?: string | undefined;
  /** The user's folder for settings, where it is not `~/.config`. */
  readonly XDG_CONFIG_HOME?: string | undefined;
}

/** Path of the token file, or `undefined` where the environment names no home. Its folder is ours alone. */
export function tokenFilePath(environment: TokenEnvironment): string | undefined {
  const { HOME, XDG_CONFIG_HOME } = environment;
  const settings = XDG_CONFIG_HOME || (HOME ? `${HOME}/.config` : undefined);
  return settings === undefined ? undefined : `${settings}/troupe/token`;
}

/** The scheduler's address where none is given. */
export const DEFAULT_SCHEDULER_ADDRESS = "ws://127.0.0.1:8786";

/** The path of every WebSocket endpoint. */
export const WEBSOCKET_PATH = "/ws";
