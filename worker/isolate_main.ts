/**
 * The entry point of a Web Worker isolate, and the only module that is loaded with the host's rights.
 *
 * User modules are imported later, by the orders that name them, when every guard stands.
 *
 * @module
 */

import { createPortTransport, NAGLE_POLICY } from "../connection/mod.ts";
import { guardExits } from "./isolate_guard.ts";
import type { FromIsolate, IsolateStart, ToIsolate } from "./isolate_messages.ts";
import { IsolateServer } from "./isolate_server.ts";

addEventListener("message", (event) => {
  const { data } = event as MessageEvent<IsolateStart>;
  try {
    start(data);
  } catch (error) {
    data.port.postMessage({ type: "failed", message: String(error) } satisfies FromIsolate);
  }
}, { once: true });

function start({ port, ...setup }: IsolateStart): void {
  const say = (message: FromIsolate, transfer: Transferable[] = []) => port.postMessage(message, transfer);
  const server = new IsolateServer({
    setup,
    say,
    connect() {
      const { port1, port2 } = new MessageChannel();
      say({ type: "connect", port: port2 }, [port2]);
      // Its frames go on over the socket of the host, as they are.
      return createPortTransport(port1, NAGLE_POLICY);
    },
  });
  guardExits((how) => server.exit(how));
  port.onmessage = ({ data }: MessageEvent<ToIsolate>) => {
    if (data.type === "serve") server.serve(createPortTransport(data.port));
    else server.receive(data);
  };
}
