/**
 * How a worker gets its link to the scheduler: again and again, until it has one or gives up.
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import type { CloseInfo } from "../protocol/mod.ts";
import { CloseCode, ConnectionLostError, ProtocolError, UnauthorizedError } from "../protocol/mod.ts";
import { dialScheduler } from "./dial.ts";
import { retryDelay } from "./retry_delay.ts";
import type { WorkerSettings } from "./settings.ts";
import { WorkerLink } from "./worker_link.ts";

const logger = getLogger(["troupe", "worker"]);

/** Options of {@linkcode register}. */
export interface RegisterOptions {
  /** The worker. */
  readonly settings: WorkerSettings;
  /** Gives up. */
  readonly signal: AbortSignal;
  /** The scheduler wants the worker to leave. */
  readonly onDrain: (timeout: number) => void;
  /** The scheduler wants another host instead of the one of this incarnation. */
  readonly onRestart: (incarnation: string) => void;
  /** The link has ended: called once, after it was open. */
  readonly onClose: (info: CloseInfo) => void;
}

/**
 * Registers a worker. Where nobody answers it tries again, later and later, and says so once.
 *
 * @throws {UnauthorizedError | ProtocolError} Where another try would be in vain.
 * @throws {ConnectionLostError} Where nobody has answered for the worker's death timeout.
 */
export async function register(options: RegisterOptions): Promise<WorkerLink> {
  const { settings, signal } = options;
  const { clock, scheduler, deathTimeout } = settings;
  const since = clock.now();
  for (let attempt = 0;; attempt++) {
    signal.throwIfAborted();
    try {
      return await tryOnce(options);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof UnauthorizedError || isVersionMismatch(error) || isUntrusted(error)) throw error;
      const waited = clock.now() - since;
      if (waited >= deathTimeout) throw gaveUp(settings, waited, error);
      if (attempt === 0) {
        logger.warn("No scheduler at {scheduler} yet: trying until there is one ({error})", {
          scheduler,
          error: messageOf(error),
        });
      }
      const delay = Math.min(retryDelay(attempt), deathTimeout - waited);
      await pause(settings, delay, signal);
    }
  }
}

async function tryOnce({ settings, signal, onDrain, onRestart, onClose }: RegisterOptions): Promise<WorkerLink> {
  const { scheduler, token, caCerts, hello, clock } = settings;
  const { transport, closed } = await dialScheduler({ address: scheduler, token, caCerts, signal });
  let open = false;
  const link = await WorkerLink.open(transport, {
    hello,
    clock,
    flushed: closed,
    onDrain,
    onRestart,
    onClose: (info) => open && onClose(info),
  });
  open = true;
  if (link.closed) throw new ConnectionLostError("The scheduler closed the link at once", { executed: "no" });
  return link;
}

/** Waits, or throws what `signal` aborts with. */
export function pause(settings: WorkerSettings, delay: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = settings.clock.setTimer(delay, () => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
    signal.addEventListener("abort", abort, { once: true });
  });
}

/** Why a link ended, for people. */
export function describeEnd({ code, reason }: CloseInfo): string {
  if (code === CloseCode.silent) return "the scheduler answers no ping";
  if (reason) return reason;
  return code === 0 || code === 1006 ? "the scheduler is gone" : `close code ${code}`;
}

function isVersionMismatch(error: unknown): boolean {
  return error instanceof ProtocolError;
}

function isUntrusted(error: unknown): boolean {
  return error instanceof ConnectionLostError && error.code === "TLS_ERROR";
}

function gaveUp(settings: WorkerSettings, waited: number, cause: unknown): ConnectionLostError {
  const seconds = Math.round(waited / 1000);
  return new ConnectionLostError(
    `Cannot join the scheduler at ${settings.scheduler}: nobody has answered for ${seconds} s (--death-timeout). ` +
      "Start one with deno task scheduler, or check the address",
    { executed: "no", cause },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
