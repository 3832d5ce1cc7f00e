/**
 * A way to a server that holds up what some of its clients say.
 *
 * @module
 */

import { parseTicket, TICKET_SUBPROTOCOL, type TicketClaims } from "../../protocol/mod.ts";

/** A port that leads to another one. */
export class SlowProxy implements AsyncDisposable {
  /** WebSocket address that leads to the server. */
  readonly address: string;
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Set<Deno.TcpConn>();
  readonly #passing = new Set<Promise<void>>();

  /**
   * Listens at once.
   *
   * @param target WebSocket address of the server.
   * @param delayOf Milliseconds by which what a client says is held up, by its ticket.
   */
  constructor(target: string, delayOf: (claims: TicketClaims | undefined) => number) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.address = `ws://127.0.0.1:${this.#listener.addr.port}`;
    this.#accept(Number(new URL(target).port), delayOf);
  }

  /** Ends all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) close(connection);
    await Promise.all(this.#passing);
  }

  async #accept(port: number, delayOf: (claims: TicketClaims | undefined) => number): Promise<void> {
    try {
      for await (const near of this.#listener) this.#join(near, port, delayOf).catch(() => close(near));
    } catch {
      // It was closed.
    }
  }

  async #join(
    near: Deno.TcpConn,
    port: number,
    delayOf: (claims: TicketClaims | undefined) => number,
  ): Promise<void> {
    this.#connections.add(near);
    const far = await Deno.connect({ hostname: "127.0.0.1", port });
    this.#connections.add(far);
    for (const connection of [near, far]) connection.setNoDelay(true);
    const head = new Uint8Array(16 * 1024);
    const length = await near.read(head) ?? 0;
    await far.write(head.subarray(0, length));
    const [, ticket] = new RegExp(`${RegExp.escape(TICKET_SUBPROTOCOL)}([\\w.-]+)`).exec(decode(head, length)) ?? [];
    this.#passing.add(pass(far, near, 0));
    this.#passing.add(pass(near, far, delayOf(ticket === undefined ? undefined : parseTicket(ticket)?.claims)));
  }
}

/** Passes on what comes, later; in order, as timers of one length are. */
async function pass(from: Deno.TcpConn, to: Deno.TcpConn, delay: number): Promise<void> {
  let last: Promise<unknown> = Promise.resolve();
  try {
    for await (const chunk of from.readable) {
      const due = new Promise((resolve) => delay > 0 ? setTimeout(resolve, delay) : resolve(undefined));
      last = last.then(() => due).then(() => writeAll(to, chunk)).catch(() => {});
      if (delay === 0) await last;
    }
  } catch {
    // One of both ends has ended.
  }
  await last;
  close(to);
}

async function writeAll(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await to.write(bytes.subarray(written));
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // It is closed.
  }
}

function decode(bytes: Uint8Array, length: number): string {
  return new TextDecoder().decode(bytes.subarray(0, length));
}
