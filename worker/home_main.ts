/**
 * The entry point of a process that is the home of one actor or task. Its nanny writes one line to its standard input, and
 * holds that open; everything else its host tells it.
 *
 * @module
 */

import { Channels, createWebSocketTransport, greet, NAGLE_POLICY, type Transport } from "../connection/mod.ts";
import {
  decodeValue,
  encodeBody,
  encodeValue,
  type Message,
  ProtocolError,
  randomHex,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  TROUPE_VERSION,
} from "../protocol/mod.ts";
import { type HomeBoot, homeBoot, parseBootLine, readLine } from "./boot.ts";
import { CounterSource } from "./counter_mirror.ts";
import { guardedClock, guardExits } from "./isolate_guard.ts";
import { type FromHome, type IsolateSetup, SCHEDULER, type ToHome } from "./isolate_messages.ts";
import { IsolateServer } from "./isolate_server.ts";
import { Watchdog } from "./watchdog.ts";

/** Exit code of a process that is of no use any more, `EX_UNAVAILABLE`. */
const UNAVAILABLE = 69;

// User code may replace it later.
const exit = Deno.exit;

async function main(): Promise<void> {
  const boot = parseBootLine(await readLine(Deno.stdin), homeBoot);
  serveHost(boot, new Watchdog(boot, { onDrain: () => exit(0), onStuck() {} }));
}

function serveHost({ host }: HomeBoot, watchdog: Watchdog): void {
  let server: IsolateServer | undefined;
  const socket = new WebSocket(host.address, [SUBPROTOCOL, TICKET_SUBPROTOCOL + host.secret]);
  const { connection } = greet(createWebSocketTransport(socket, NAGLE_POLICY), {
    role: "home",
    session: randomHex(16),
    body: encodeBody({ troupe: TROUPE_VERSION, runtime: `deno ${Deno.version.deno}` }),
    receiver: {
      onMessage: (message) => receive(message),
      // Without its host it is nobody's home.
      onClose: () => exit(UNAVAILABLE),
    },
  });
  const toScheduler: ((way: Transport) => void)[] = [];
  const channels = new Channels(connection, ({ home }, transport) => {
    if (home === SCHEDULER) toScheduler.shift()?.(transport);
    else server?.serve(transport);
  });
  const say = (message: FromHome) => connection.send({ op: "isolate", body: encodeValue(message).bytes });
  const counters = new CounterSource(guardedClock, say);

  function receive(message: Message): void {
    switch (message.op) {
      case "isolate": {
        const said = decodeValue(message.body) as ToHome;
        if (said.type === "setup") server = start(said.setup);
        else server?.receive(said);
        return;
      }
      case "open":
      case "data":
      case "close":
        return channels.receive(message);
    }
    throw new ProtocolError(`Cannot take a ${message.op} message as a home`);
  }

  function start(setup: IsolateSetup): IsolateServer {
    const server = new IsolateServer({
      setup,
      say(message) {
        if (message.type === "counted") return counters.add(message.news);
        // What was counted until now comes before what it led to.
        if (message.type === "settled" || message.type === "computed") counters.tell();
        if (message.type !== "ready") return say(message);
        // Its memory is this process's own; the watchdog looks at it.
        const { address, now } = message;
        say({ type: "ready", address, now });
      },
      connect() {
        const { promise, resolve } = Promise.withResolvers<Transport>();
        toScheduler.push(resolve);
        say({ type: "connect" });
        return promise;
      },
    });
    guardExits((how) => server.exit(how));
    // Nothing else is in this process.
    watchdog.watchLoop(
      { home: setup.home, memory: server.loopMemory, offset: 0, onStuck: "kill-host" },
      guardedClock.now(),
    );
    return server;
  }
}

await main();
