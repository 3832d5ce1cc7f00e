import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Connection, startHeartbeat } from "../../connection/mod.ts";
import { ACKNOWLEDGEMENT } from "../../protocol/mod.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { ScriptedTransport } from "../helpers/scripted_transport.ts";

function start(misses?: number) {
  const clock = new FakeClock();
  const transport = new ScriptedTransport();
  const connection = new Connection(transport, { onMessage() {}, onClose() {} });
  const silent: number[] = [];
  const stop = startHeartbeat(connection, {
    clock,
    interval: 1000,
    ...(misses === undefined ? {} : { misses }),
    onSilent: () => silent.push(clock.now()),
  });
  return { clock, transport, connection, silent, stop };
}

/** How many pings have gone out. */
async function pings(transport: ScriptedTransport): Promise<number> {
  await Promise.resolve();
  return transport.messages.filter(({ op }) => op === "ping").length;
}

describe("a heartbeat", () => {
  it("pings at once and at every interval, each time with another id", async () => {
    const { clock, transport } = start();
    assertEquals(await pings(transport), 1);
    clock.advance(999);
    assertEquals(await pings(transport), 1);
    clock.advance(1);
    assertEquals(await pings(transport), 2);
    assertEquals(transport.messages, [{ op: "ping", id: 1 }, { op: "ping", id: 2 }]);
  });

  it("finds a peer silent that answered none of three pings, once", async () => {
    const { clock, transport, silent } = start();
    clock.advance(2999);
    assertEquals(silent, []);
    clock.advance(10_000);
    assertEquals([silent, await pings(transport), clock.timers], [[3000], 3, 0]);
  });

  it("waits for as many misses as it is told to", () => {
    const { clock, silent } = start(5);
    clock.advance(4999);
    assertEquals(silent, []);
    clock.advance(1);
    assertEquals(silent, [5000]);
  });

  it("takes any frame for life, also one that only acknowledges", () => {
    const { clock, transport, silent } = start();
    for (let round = 0; round < 10; round++) {
      clock.advance(2500);
      transport.receiveFrame(ACKNOWLEDGEMENT);
    }
    assertEquals(silent, []);
    clock.advance(4000);
    assertEquals(silent.length, 1);
  });

  it("counts misses anew after a sign of life", () => {
    const { clock, transport, silent } = start();
    clock.advance(2100);
    transport.receive({ op: "pong", id: 1 });
    clock.advance(3800);
    assertEquals(silent, []);
    clock.advance(100);
    assertEquals(silent, [6000]);
  });

  it("gives the peer the whole time anew where this side itself was held up", () => {
    const { clock, silent } = start();
    clock.advance(2500);
    clock.block(60_000);
    assertEquals(silent, []);
    clock.advance(2999);
    assertEquals(silent, []);
    clock.advance(1);
    assertEquals(silent, [65_500]);
  });

  it("stops when it is told to, and with its connection", async () => {
    const stopped = start();
    stopped.stop();
    const closed = start();
    closed.transport.end();
    for (const { clock, transport, silent } of [stopped, closed]) {
      clock.advance(10_000);
      assertEquals([silent, clock.timers], [[], 0]);
      assertEquals(await pings(transport) <= 1, true);
    }
  });
});
