/**
 * An HTTP server that stays: where it runs out of file descriptors, Deno ends the listener for good.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";

/** Options of {@linkcode listen}. */
export interface ListenOptions {
  /** Address to bind to. */
  readonly host: string;
  /** Port; 0 lets the system choose. */
  readonly port: number;
  /** Certificate chain and key, both in PEM. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Answers requests. */
  readonly handler: (request: Request) => Response | Promise<Response>;
  /** The time, for another try. */
  readonly clock: Clock;
  /** Told when the listener ended by accident, and again for each try that failed. */
  readonly onAccident: (error: unknown) => void;
}

/** A server that listens. */
export interface Listener {
  /** The port. */
  readonly port: number;
  /** Ends it: at once where nothing is under way, else after `timeout` milliseconds. */
  close(timeout: number): Promise<void>;
}

/** Milliseconds before another try to listen: what brought the accident about may need them to pass. */
const RETRY_DELAY = 200;

/**
 * Listens, and listens again on the same port if that ends by accident.
 *
 * @throws Where it cannot listen at first.
 */
export function listen(options: ListenOptions): Listener {
  const { clock, onAccident } = options;
  let cancelRetry = () => {};
  let closing = false;
  let abort = new AbortController();
  let server = serve(options, options.port, abort.signal);
  const { port } = server.addr;
  watch(server);

  function watch(current: Deno.HttpServer<Deno.NetAddr>): void {
    current.finished.then(() => again(new Error("The listener ended")), again);
  }

  function again(error: unknown): void {
    if (closing) return;
    onAccident(error);
    cancelRetry = clock.setTimer(RETRY_DELAY, () => {
      try {
        abort = new AbortController();
        server = serve(options, port, abort.signal);
        watch(server);
      } catch (error) {
        again(error);
      }
    });
  }

  return {
    port,
    async close(timeout) {
      closing = true;
      cancelRetry();
      const cancel = clock.setTimer(timeout, () => abort.abort());
      await server.shutdown();
      cancel();
      await server.finished.catch(() => {});
    },
  };
}

/** Whether an address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^(?:::ffff:)?127\.\d+\.\d+\.\d+$/i.test(host);
}

function serve(
  { host, tls, handler }: ListenOptions,
  port: number,
  signal: AbortSignal,
): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: host, port, signal, onListen: () => {}, ...tls }, (request) => handler(request));
}
