/**
 * The watchdog isolate of a host process. It runs no user code, so no user code can hold it up: it tells the nanny every
 * second that the process lives, and ends the process when the nanny is gone.
 *
 * @module
 */

import { type Connection, createWebSocketTransport, greet, NAGLE_POLICY } from "../connection/mod.ts";
import { encodeBody, randomHex, SUBPROTOCOL, TICKET_SUBPROTOCOL, TROUPE_VERSION } from "../protocol/mod.ts";
import type { FromWatchdog, ToWatchdog } from "./watchdog_messages.ts";

const BEAT_INTERVAL = 1000;
const MEMORY_INTERVAL = 100;

/** The scope of a Web Worker, which the type library in use does not describe. */
const scope = globalThis as unknown as {
  postMessage(message: FromWatchdog): void;
  onmessage: ((event: MessageEvent<ToWatchdog>) => void) | null;
};

/** Ends the process, at once, whatever its other isolates do. `Deno.exit` would end this isolate alone. */
function endProcess(): void {
  Deno.kill(Deno.pid, "SIGKILL");
}

/** The nanny holds the other end of standard input for as long as it lives. */
async function watchStandardInput(): Promise<void> {
  const bytes = new Uint8Array(256);
  try {
    while (await Deno.stdin.read(bytes) !== null);
  } finally {
    endProcess();
  }
}

function beat(connection: Connection, lag: number): void {
  const { rss, heapUsed } = Deno.memoryUsage();
  connection.send({ op: "beat", resident: rss, heap: heapUsed, lag: Math.round(lag) });
}

async function watch(start: ToWatchdog & { type: "start" }): Promise<void> {
  const protocols = [SUBPROTOCOL, TICKET_SUBPROTOCOL + start.secret];
  const { connection, welcome } = greet(
    createWebSocketTransport(new WebSocket(start.address, protocols), NAGLE_POLICY),
    {
      role: "watchdog",
      session: randomHex(16),
      body: encodeBody({ troupe: TROUPE_VERSION, runtime: `deno ${Deno.version.deno}` }),
      receiver: {
        onMessage(message) {
          if (message.op === "drain") scope.postMessage({ type: "drain", timeout: message.timeout });
          else if (message.op === "answer") {
            scope.postMessage({ type: "answer", id: message.id, ok: message.ok === 1, body: message.body });
          }
        },
        // Without its nanny a host is nobody's.
        onClose: endProcess,
      },
    },
  );
  let asked: number | undefined;
  let lag = 0;
  scope.onmessage = ({ data }) => {
    if (data.type === "request") connection.send({ op: "request", id: data.id, name: data.name, body: data.body });
    else if (data.type === "tock" && asked !== undefined) {
      lag = performance.now() - asked;
      asked = undefined;
    }
  };
  await welcome;
  let reported = 0;
  setInterval(() => {
    const now = performance.now();
    const full = start.memoryLimit > 0 && Deno.memoryUsage().rss > start.memoryLimit;
    if (!full && now - reported < BEAT_INTERVAL) return;
    reported = now;
    beat(connection, asked === undefined ? lag : now - asked);
    if (asked !== undefined) return;
    asked = now;
    scope.postMessage({ type: "tick" });
  }, MEMORY_INTERVAL);
}

watchStandardInput();
scope.onmessage = ({ data }) => {
  if (data.type === "start") watch(data);
};
