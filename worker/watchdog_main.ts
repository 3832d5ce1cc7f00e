/**
 * The watchdog isolate of a process that runs user code. It runs none itself, so none can hold it up: it tells the nanny
 * every second that the process lives, finds event loops that are stuck, and ends the process when the nanny is gone.
 *
 * @module
 */

import { type Connection, createWebSocketTransport, greet, NAGLE_POLICY } from "../connection/mod.ts";
import { encodeBody, randomHex, SUBPROTOCOL, TICKET_SUBPROTOCOL, TROUPE_VERSION } from "../protocol/mod.ts";
import { LoopWatch } from "./loop_watch.ts";
import type { FromWatchdog, ToWatchdog } from "./watchdog_messages.ts";

const BEAT_INTERVAL = 1000;
const LOOK_INTERVAL = 100;

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
  const { nanny, memoryLimit } = start;
  const protocols = [SUBPROTOCOL, TICKET_SUBPROTOCOL + nanny.secret];
  const { connection, welcome } = greet(
    createWebSocketTransport(new WebSocket(nanny.address, protocols), NAGLE_POLICY),
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
        // Without its nanny a process is nobody's.
        onClose: endProcess,
      },
    },
  );
  const loops = new LoopWatch();
  let asked: number | undefined;
  let lag = 0;
  scope.onmessage = ({ data }) => {
    switch (data.type) {
      case "request":
        return connection.send({ op: "request", id: data.id, name: data.name, body: data.body });
      case "watchLoop": {
        const { loop, now } = data;
        // By how much the message was late a deadline is taken for later, never for earlier.
        return loops.add({ ...loop, offset: loop.offset + performance.now() - now });
      }
      case "unwatchLoop":
        return loops.remove(data.home);
      case "tock":
        if (asked !== undefined) lag = performance.now() - asked;
        asked = undefined;
    }
  };
  await welcome;
  let reported = 0;
  setInterval(() => {
    const now = performance.now();
    for (const { home, onStuck } of loops.look(now)) {
      // Nobody waits for the answer: the process ends.
      if (onStuck === "kill-host") connection.send({ op: "request", id: 0, name: "stuck", body: encodeBody({}) });
      else scope.postMessage({ type: "stuck", home });
    }
    const full = memoryLimit > 0 && Deno.memoryUsage().rss > memoryLimit;
    if (!full && now - reported < BEAT_INTERVAL) return;
    reported = now;
    beat(connection, asked === undefined ? lag : now - asked);
    if (asked !== undefined) return;
    asked = now;
    scope.postMessage({ type: "tick" });
  }, LOOK_INTERVAL);
}

watchStandardInput();
scope.onmessage = ({ data }) => {
  if (data.type === "start") watch(data);
};
