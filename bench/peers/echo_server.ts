/**
 * Sends back what it gets: the least that any call can cost. Over a native WebSocket, and over bare TCP. Prints both
 * ports.
 *
 * @module
 */

import { inputEnded } from "./child.ts";

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });

async function echo(connection: Deno.TcpConn): Promise<void> {
  connection.setNoDelay(true);
  const bytes = new Uint8Array(65536);
  while (true) {
    const count = await connection.read(bytes);
    if (count === null) return;
    for (let sent = 0; sent < count;) sent += await connection.write(bytes.subarray(sent, count));
  }
}

(async () => {
  for await (const connection of listener) echo(connection).catch(() => {});
})();

Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(`${port} ${listener.addr.port}`),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
});

await inputEnded();
Deno.exit(0);
