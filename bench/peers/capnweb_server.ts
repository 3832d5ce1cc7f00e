/**
 * A counter over Cap'n Web. Its first argument names the package. Prints its port.
 *
 * @module
 */

import type { CapnWeb } from "./capnweb.ts";
import { inputEnded } from "./child.ts";

const { RpcTarget, newWebSocketRpcSession } = await import(Deno.args[0]!) as CapnWeb;

class Counter extends RpcTarget {
  #n = 0;

  increment(): number {
    return ++this.#n;
  }

  echo(value: Uint8Array): Uint8Array {
    return value;
  }
}

Deno.serve({
  port: 0,
  hostname: "127.0.0.1",
  onListen: ({ port }) => console.log(port),
}, (request) => {
  const { socket, response } = Deno.upgradeWebSocket(request);
  newWebSocketRpcSession(socket, new Counter());
  return response;
});

await inputEnded();
Deno.exit(0);
