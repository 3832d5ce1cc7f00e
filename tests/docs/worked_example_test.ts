/**
 * The worked example of `docs/protocol.md`, played against a real scheduler and worker by a client that knows the page
 * and nothing of Troupe's connections.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import {
  decodeBody,
  decodeValue,
  encodeMessage,
  type Message,
  type MessageOf,
  readFrame,
  statusBody,
} from "../../protocol/mod.ts";

const page = await Deno.readTextFile(new URL("../../docs/protocol.md", import.meta.url));

/** The bytes of the first example frame below a heading whose messages hold a text. */
function exampleFrame(heading: string, text: string): Uint8Array<ArrayBuffer> {
  const section = page.slice(page.indexOf(`\n## ${heading}\n`));
  for (const [, hex = "", said = ""] of section.matchAll(/```frame\n([^]*?)---\n([^]*?)```/g)) {
    if (said.includes(text)) return Uint8Array.from(hex.match(/[0-9a-f]{2}/g) ?? [], (digits) => parseInt(digits, 16));
  }
  throw new Error(`docs/protocol.md has no example with ${text} below ${heading}`);
}

/** A WebSocket, and the messages that come over it. */
class Wire implements AsyncDisposable {
  readonly #socket: WebSocket;
  readonly #arrived: Message[] = [];
  #wake = () => {};
  #end: string | undefined;

  /** Opens a socket with these subprotocols and headers. */
  static async open(address: string, protocols: string[], headers: Record<string, string> = {}): Promise<Wire> {
    const socket = new WebSocket(address, { protocols, headers });
    const wire = new Wire(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error(`Cannot open ${address}`));
    });
    assertEquals(socket.protocol, "troupe.1");
    return wire;
  }

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      readFrame(new Uint8Array(data), (message) => this.#arrived.push(message));
      this.#wake();
    };
    socket.onclose = ({ code, reason }) => {
      this.#end = `${code}: ${reason}`;
      this.#wake();
    };
  }

  send(...frames: readonly Uint8Array[]): void {
    this.#socket.send(Uint8Array.from(frames.flatMap((frame) => [...frame])));
  }

  /** The next message of this kind that `fits`; others are passed over. */
  async next<O extends Message["op"]>(op: O, fits = (_: MessageOf<O>) => true): Promise<MessageOf<O>> {
    while (true) {
      for (let message = this.#arrived.shift(); message; message = this.#arrived.shift()) {
        if (message.op === op && fits(message as unknown as MessageOf<O>)) return message as unknown as MessageOf<O>;
      }
      if (this.#end !== undefined) throw new Error(`The connection closed while ${op} was awaited: ${this.#end}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close(1000);
    while (this.#end === undefined) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

describe("the worked example of docs/protocol.md", () => {
  it("creates a counter, adds 10 to it, releases it and leaves", async () => {
    await using cluster = await LocalCluster.start({ workers: 1 });
    await using scheduler = await Wire.open(`${cluster.address}/ws`, ["troupe.1"], {
      authorization: `Bearer ${cluster.token}`,
    });
    scheduler.send(exampleFrame("A worked example", 'role: "client"'));
    const welcome = decodeValue((await scheduler.next("welcome")).body) as { pingInterval: number };
    assertEquals(welcome.pingInterval, 3000);

    scheduler.send(exampleFrame("A worked example", 'op: "submit"'));
    const statuses: string[] = [];
    const { body } = await scheduler.next("status", (message) => {
      const { status } = decodeBody(statusBody, message.body, "status");
      statuses.push(status);
      return status !== "processing" && status !== "no-worker";
    });
    assertEquals(statuses, ["processing", "finished"]);
    const { actor, ticket } = decodeBody(statusBody, body, "status");
    assert(actor !== undefined && ticket !== undefined);

    await using home = await Wire.open(actor.address, ["troupe.1", `ticket.${ticket}`]);
    // As on the page, with this actor's own incarnation and tag.
    readFrame(exampleFrame("Calls", 'role: "caller"'), (message) => {
      const { incarnation, tag } = actor;
      home.send(encodeMessage(message.op === "attach" ? { ...message, incarnation, tag } : message));
    });
    await home.next("welcome");
    const result = await home.next("result");
    assertEquals([result.id, decodeValue(result.value)], [1, 10]);

    home.send(exampleFrame("A worked example", 'op: "detach"'));
    scheduler.send(exampleFrame("A worked example", 'op: "release"'));
    while (await isKnown(cluster, actor.key)) await pong(scheduler);
  });
});

/** Whether the scheduler knows an actor of this key. */
async function isKnown(cluster: LocalCluster, key: string): Promise<boolean> {
  const response = await fetch(`${cluster.address.replace("ws:", "http:")}/api/v1/actors/${key}`, {
    headers: { authorization: `Bearer ${cluster.token}` },
  });
  await response.body?.cancel();
  return response.status === 200;
}

/** Goes to the scheduler and back. */
async function pong(wire: Wire): Promise<void> {
  wire.send(encodeMessage({ op: "ping", id: 1 }));
  await wire.next("pong");
}
