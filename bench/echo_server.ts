/**
 * A native WebSocket that sends back what it gets: the least that any call over a WebSocket can cost. A process of its
 * own, as a worker is. Prints its port.
 *
 * @module
 */

Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(port),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
});

// It ends when the bench does.
for await (const _ of Deno.stdin.readable);
Deno.exit(0);
