/**
 * Group D of the faults: callers that do not read what they asked for. What it costs others, and processes, is measured
 * in `tests/long`.
 *
 * Where the faults say that a server refuses the calls of such a caller, ours has them wait: what a client has sent that
 * reads at its own pace must not fail because it was quick. And nobody is closed who reads anything at all.
 *
 * @module
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { ACCEPTED_POLICY, createWebSocketTransport, platformClock } from "../../connection/mod.ts";
import { DEFAULT_LIMITS } from "../../protocol/mod.ts";
import { ActorHome } from "../../worker/actor_home.ts";
import { CallCounters } from "../../worker/call_counters.ts";
import { CallRecorder } from "../../worker/call_recorder.ts";
import { serveCaller } from "../../worker/call_server.ts";
import { IsolateScope } from "../../worker/isolate_scope.ts";
import { eventually } from "../helpers/eventually.ts";
import { createActor, isolateSettings, NO_SERVICES, orderOf } from "../helpers/isolates.ts";
import { RawCaller } from "../helpers/raw_caller.ts";
import { TcpTransport } from "../helpers/tcp_transport.ts";
import { SocketServer } from "../helpers/websocket_pair.ts";

const MIB = 2 ** 20;

interface Flood {
  readonly method: string;
  readonly calls: number;
  /** Bytes of each result. */
  readonly bytes: number;
  /** How many calls may run. */
  readonly atLeast: number;
  readonly atMost: number;
}

/** A caller stops reading, and calls; another sees what ran, and that nothing else did when the first is closed. */
async function flood({ method, calls, bytes, atLeast, atMost }: Flood): Promise<void> {
  const limits = { ...DEFAULT_LIMITS, sendQueueMs: 500 };
  const settings = isolateSettings();
  const scope = new IsolateScope({ home: "shared-1", address: "", settings, services: NO_SERVICES });
  const recorder = new CallRecorder(platformClock, () => {});
  const home = new ActorHome({ scope, counters: new CallCounters(platformClock, recorder, () => {}) });
  const actor = await createActor(home, orderOf("producer.ts", "Producer"));
  const sockets: WebSocket[] = [];
  await using server = new SocketServer((socket) => {
    sockets.push(socket);
    serveCaller(createWebSocketTransport(socket, ACCEPTED_POLICY), home, { limits });
  });
  const reader = await TcpTransport.dial(server.address);
  const caller = await RawCaller.connect(reader);
  const other = await RawCaller.connect(await TcpTransport.dial(server.address));
  const [slot, otherSlot] = [caller.attach(actor), other.attach(actor)];
  const made = async () => (await other.read(otherSlot, "made") as unknown[]).length;
  await caller.call(slot, method, "first", bytes);

  reader.stop();
  const outcomes = Array.from({ length: calls }, (_, index) => caller.outcome(slot, method, [index, bytes]));
  await eventually(true, async () => await made() >= atLeast, 30_000);
  await eventually(false, () => sockets[0]!.readyState === WebSocket.OPEN, 30_000);
  const ran = await made();
  assert(ran >= atLeast && ran <= atMost, `${ran} ran`);

  reader.goOn();
  const { code } = await caller.closed;
  // Deno resets a socket that is closing when its peer says something more: the code may get lost with that.
  assert(code === 4408 || code === 0, `${code}`);
  assertLess((await Promise.all(outcomes)).filter(({ ok }) => ok).length, ran);
  assertEquals(await made(), ran);
  other.close();
  await other.closed;
  home.end("drained");
}

describe("callers that do not read", () => {
  it("53. Slow client: with 16 MiB of results queued no further call starts, and it is closed", async () => {
    await flood({ method: "chunk", calls: 100, bytes: MIB, atLeast: 17, atMost: 24 });
  });

  it("54. Many tiny results: with 8192 frames queued no further call starts, and it is closed", async () => {
    // Those that ran at the same time came to their end.
    await flood({ method: "later", calls: 20_000, bytes: 100, atLeast: 8192, atMost: 16_000 });
  });
});
