/**
 * A WebSocket of a client that decides when it reads: over plain TCP, so that a reader who stops fills the kernel's buffers
 * and then the server's, as a frozen program does.
 *
 * @module
 */

import { ROOMY_POLICY, type Transport, type TransportReceiver } from "../../connection/mod.ts";
import { SUBPROTOCOL, WEBSOCKET_PATH } from "../../protocol/mod.ts";

const CONTINUATION = 0;
const CLOSE = 8;

/** Options of {@linkcode TcpTransport.dial}. */
export interface DialOptions {
  /** Subprotocols besides Troupe's own. */
  readonly protocols?: readonly string[];
  /** Further headers of the upgrade. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One WebSocket that was dialled. */
export class TcpTransport implements Transport {
  /** Dials and upgrades; it reads, for now. `address` is that of a scheduler or a home. */
  static async dial(address: string, options: DialOptions = {}): Promise<TcpTransport> {
    const { hostname, port, pathname } = new URL(address);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    connection.setNoDelay(true);
    const headers = {
      host: `${hostname}:${port}`,
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-key": btoa("0123456789abcdef"),
      "sec-websocket-version": "13",
      "sec-websocket-protocol": [SUBPROTOCOL, ...options.protocols ?? []].join(", "),
      ...options.headers,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const path = pathname === "/" && options.headers ? WEBSOCKET_PATH : pathname;
    await writeAll(connection, new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`));
    const transport = new TcpTransport(connection);
    const head = await transport.#line("\r\n\r\n");
    if (!head.startsWith("HTTP/1.1 101")) throw new Error(`Cannot upgrade: ${head.split("\r\n")[0]}`);
    return transport;
  }

  readonly policy = ROOMY_POLICY;
  readonly #connection: Deno.TcpConn;
  #buffer = new Uint8Array(0);
  #written: Promise<void> = Promise.resolve();
  #receiver: TransportReceiver | undefined;
  #reading: PromiseWithResolvers<void> | undefined;
  #ended = false;

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
  }

  /** Reads nothing from its socket from now on, but for what is being read. */
  stop(): void {
    this.#reading ??= Promise.withResolvers();
  }

  /** Reads again. */
  goOn(): void {
    this.#reading?.resolve();
    this.#reading = undefined;
  }

  start(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    this.#read().catch(() => this.#end(0, "", false));
  }

  send(frame: Uint8Array): void {
    if (this.#ended) return;
    // A mask of zeros leaves the payload as it is.
    const { length } = frame;
    const head = new DataView(new ArrayBuffer(14));
    head.setUint8(0, 0x82);
    let size = 2;
    if (length < 126) {
      head.setUint8(1, 0x80 | length);
    } else if (length < 65536) {
      head.setUint8(1, 0x80 | 126);
      head.setUint16(2, length);
      size = 4;
    } else {
      head.setUint8(1, 0x80 | 127);
      head.setBigUint64(2, BigInt(length));
      size = 10;
    }
    const bytes = new Uint8Array(size + 4 + length);
    bytes.set(new Uint8Array(head.buffer, 0, size));
    bytes.set(frame, size + 4);
    this.#written = this.#written.then(() => writeAll(this.#connection, bytes)).catch(() => {});
  }

  close(code: number, reason: string): void {
    this.goOn();
    this.#end(code, reason, true);
  }

  async #read(): Promise<void> {
    while (!this.#ended) {
      const [first, second] = await this.#take(2);
      let length = second! & 127;
      if (length === 126) length = view(await this.#take(2)).getUint16(0);
      else if (length === 127) length = Number(view(await this.#take(8)).getBigUint64(0));
      const payload = await this.#take(length);
      const opcode = first! & 15;
      if (opcode === CLOSE) {
        const code = length < 2 ? 1005 : view(payload).getUint16(0);
        return this.#end(code, new TextDecoder().decode(payload.subarray(2)), false);
      }
      if (opcode === CONTINUATION || (first! & 0x80) === 0) throw new Error("A server of ours fragments nothing");
      if (opcode <= 2 && !this.#ended) this.#receiver!.onFrame(payload);
    }
  }

  #end(code: number, reason: string, local: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#receiver?.onClose({ code, reason, local });
    this.#written.then(() => {
      try {
        this.#connection.close();
      } catch {
        // The other side was faster.
      }
    });
  }

  async #take(size: number): Promise<Uint8Array> {
    const taken = new Uint8Array(size);
    for (let filled = 0; filled < size;) {
      if (this.#buffer.length === 0) await this.#more();
      const part = this.#buffer.subarray(0, size - filled);
      taken.set(part, filled);
      filled += part.length;
      this.#buffer = this.#buffer.subarray(part.length);
    }
    return taken;
  }

  async #line(end: string): Promise<string> {
    let text = "";
    while (!text.endsWith(end)) text += String.fromCharCode((await this.#take(1))[0]!);
    return text;
  }

  async #more(): Promise<void> {
    await this.#reading?.promise;
    const buffer = new Uint8Array(64 * 1024);
    const count = await this.#connection.read(buffer);
    if (count === null) throw new Error("The connection ended");
    this.#buffer = buffer.subarray(0, count);
  }
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;) written += await connection.write(bytes.subarray(written));
}
