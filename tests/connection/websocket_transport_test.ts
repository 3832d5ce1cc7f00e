import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ACCEPTED_POLICY, createWebSocketTransport, NAGLE_POLICY, opened } from "../../connection/mod.ts";
import { ConnectionLostError } from "../../protocol/mod.ts";
import { describeTransport, Listener } from "../contract/transport_contract.ts";
import { connectWebSockets, happened, SocketServer } from "../helpers/websocket_pair.ts";

describeTransport("a WebSocket, seen from the end that dialled", { vanishes: false, connect: connectWebSockets });

describeTransport("a WebSocket, seen from the end that accepted", {
  vanishes: false,
  async connect() {
    const { one, other, ...rest } = await connectWebSockets();
    return { ...rest, one: other, other: one };
  },
});

describe("a WebSocket as a transport", () => {
  it("keeps what is sent before the socket is open", async () => {
    const accepted = Promise.withResolvers<WebSocket>();
    await using server = new SocketServer(accepted.resolve);
    const socket = new WebSocket(server.address);
    const transport = createWebSocketTransport(socket, NAGLE_POLICY);
    const buffer = new Uint8Array(10);
    for (const byte of [1, 2, 3]) transport.send(buffer.fill(byte));
    const peerSocket = await accepted.promise;
    const peer = new Listener(createWebSocketTransport(peerSocket, ACCEPTED_POLICY));
    assertEquals(await peer.received(3), [1, 2, 3]);
    const closed = [happened(socket, "close"), happened(peerSocket, "close")];
    transport.close(1000, "");
    await Promise.all(closed);
  });

  it("refuses text frames with code 4400", async () => {
    const accepted = Promise.withResolvers<WebSocket>();
    await using server = new SocketServer(accepted.resolve);
    const socket = new WebSocket(server.address);
    const closed = happened(socket, "close") as Promise<CloseEvent>;
    const peer = new Listener(createWebSocketTransport(await accepted.promise, ACCEPTED_POLICY));
    await opened(socket, server.address);
    socket.send("hello");
    assertEquals((await closed).code, 4400);
    assertEquals(await peer.ended(), {
      code: 4400,
      reason: "Cannot read a text frame: frames are binary",
      local: true,
    });
    assertEquals(peer.frames, []);
  });

  it("tells the end of a socket that could not be opened, once", async () => {
    const socket = new WebSocket(await unusedAddress());
    const listener = new Listener(createWebSocketTransport(socket, NAGLE_POLICY));
    const { code, local } = await listener.ended();
    assert(code === 0 || code === 1006, `${code}`);
    assertEquals([local, listener.ends.length], [false, 1]);
  });

  it("tells the end of a socket that had closed before", async () => {
    const socket = new WebSocket(await unusedAddress());
    await happened(socket, "close");
    assertEquals((await new Listener(createWebSocketTransport(socket, NAGLE_POLICY)).ended()).local, false);
  });

  it("can be closed while the socket connects", async () => {
    await using server = new SocketServer(() => {});
    const socket = new WebSocket(server.address);
    const closed = happened(socket, "close");
    const transport = createWebSocketTransport(socket, NAGLE_POLICY);
    const listener = new Listener(transport);
    transport.send(Uint8Array.of(1));
    transport.close(4403, "not needed");
    assertEquals(listener.ends, [{ code: 4403, reason: "not needed", local: true }]);
    await closed;
    assertEquals(listener.ends.length, 1);
  });

  it("tells within a second that the peer's process was killed, with code 0 or 1006", async () => {
    const accepted = Promise.withResolvers<WebSocket>();
    await using server = new SocketServer(accepted.resolve);
    const script = `const socket = new WebSocket("${server.address}");
      socket.binaryType = "arraybuffer";
      socket.onmessage = ({ data }) => socket.send(data);`;
    const child = new Deno.Command(Deno.execPath(), { args: ["eval", script], stdout: "null", stderr: "null" }).spawn();
    const transport = createWebSocketTransport(await accepted.promise, ACCEPTED_POLICY);
    const listener = new Listener(transport);
    transport.send(Uint8Array.of(7));
    assertEquals(await listener.received(1), [7]);
    child.kill("SIGKILL");
    await child.status;
    const begin = performance.now();
    const { code, local } = await listener.ended();
    assert(performance.now() - begin < 1000);
    assert(code === 0 || code === 1006, `${code}`);
    assertEquals(local, false);
    transport.send(Uint8Array.of(8));
    transport.close(1000, "");
    assertEquals(listener.ends.length, 1);
  });

  it("tells the dialling end that the accepting process was killed", async () => {
    const script =
      `Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(port) }, (request) => {
        const { socket, response } = Deno.upgradeWebSocket(request);
        socket.onopen = () => socket.send(new Uint8Array([7]));
        return response;
      });`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value: port } = await reader.read();
    const listener = new Listener(
      createWebSocketTransport(new WebSocket(`ws://127.0.0.1:${port!.trim()}`), NAGLE_POLICY),
    );
    assertEquals(await listener.received(1), [7]);
    child.kill("SIGKILL");
    await child.status;
    const { code, local } = await listener.ended();
    assert(code === 0 || code === 1006, `${code}`);
    assertEquals(local, false);
    await reader.cancel();
  });
});

describe("waiting until a socket is open", () => {
  it("resolves when it is, or was before", async () => {
    const accepted = Promise.withResolvers<WebSocket>();
    await using server = new SocketServer(accepted.resolve);
    const socket = new WebSocket(server.address);
    await opened(socket, server.address);
    await opened(socket, server.address);
    const closed = [happened(socket, "close"), happened(await accepted.promise, "close")];
    socket.close();
    await Promise.all(closed);
  });

  it("rejects with the address where nobody answers, and where the socket has closed before", async () => {
    const address = await unusedAddress();
    const socket = new WebSocket(address);
    const error = await assertRejects(
      () => opened(socket, address),
      ConnectionLostError,
      `Cannot connect to ${address}`,
    );
    assertEquals(error.executed, "no");
    if (socket.readyState !== WebSocket.CLOSED) await happened(socket, "close");
    await assertRejects(() => opened(socket, address), ConnectionLostError, "the socket is closed");
  });

  it("rejects with the signal's reason where that aborts first, or has before", async () => {
    await using server = new SocketServer(() => {});
    for (const early of [true, false]) {
      const reason = new Error("not wanted");
      const controller = new AbortController();
      const socket = new WebSocket(server.address);
      const closed = happened(socket, "close");
      if (early) controller.abort(reason);
      const waiting = opened(socket, server.address, controller.signal);
      controller.abort(reason);
      assertInstanceOf(await waiting.then(() => undefined, (error) => error), Error);
      await assertRejects(() => waiting, Error, "not wanted");
      await closed;
    }
  });
});

/** An address of loopback at which nobody listens. */
async function unusedAddress(): Promise<string> {
  const server = new SocketServer(() => {});
  await server[Symbol.asyncDispose]();
  return server.address;
}
