import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Arrivals, closeSlowConsumer, Connection, SendQueue } from "../../connection/mod.ts";
import { type CloseInfo, DEFAULT_LIMITS, type MessageOf } from "../../protocol/mod.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { ScriptedTransport } from "../helpers/scripted_transport.ts";

describe("the send queue", () => {
  const limits = { sendQueueBytes: 1000, sendQueueMessages: 10 };

  it("is full beyond its limits, and has room again when half of them has arrived", () => {
    const queue = new SendQueue(limits);
    let times = 0;
    queue.onFull = () => times++;
    queue.setWaiting(1000);
    assertEquals([queue.full, queue.room], [false, undefined]);
    queue.setWaiting(1001);
    assertEquals([queue.full, times], [true, 1]);
    queue.setWaiting(501);
    assertEquals([queue.full, times], [true, 1]);
    queue.setWaiting(500);
    assertEquals([queue.full, queue.room], [false, undefined]);
    for (let count = 0; count < 10; count++) queue.sent(1);
    assertEquals([queue.full, times], [true, 2]);
    queue.setWaiting(0);
    queue.arrived(4, 4);
    assertEquals(queue.full, true);
    queue.arrived(1, 1);
    assertEquals([queue.full, queue.frames, queue.bytes], [false, 5, 5]);
  });

  it("tells all that wait for room", async () => {
    const queue = new SendQueue(limits);
    queue.setWaiting(2000);
    const told: string[] = [];
    const waiting = ["one", "other"].map(async (name) => {
      await queue.room;
      told.push(name);
    });
    queue.setWaiting(600);
    await Promise.resolve();
    assertEquals(told, []);
    queue.setWaiting(0);
    await Promise.all(waiting);
    assertEquals(told, ["one", "other"]);
  });

  it("lets go whoever waits when its connection ends", async () => {
    const queue = new SendQueue(limits);
    queue.setWaiting(2000);
    const { room } = queue;
    queue.close();
    await room;
    assertEquals([queue.full, queue.bytes], [false, 0]);
  });

  it("has not more under way than half of its bytes", () => {
    const queue = new SendQueue(limits);
    queue.sent(499);
    assert(queue.open);
    queue.sent(1);
    assert(!queue.open);
    queue.arrived(1, 1);
    assert(queue.open);
  });

  it("believes no report of what was not sent", () => {
    const queue = new SendQueue(limits);
    queue.sent(100);
    queue.arrived(1000, 1_000_000);
    queue.setWaiting(1001);
    assertEquals([queue.full, queue.frames, queue.bytes], [true, 0, 1001]);
  });
});

describe("what has arrived", () => {
  it("is reported after 128 KiB, or 256 frames", () => {
    const reports: [number, number][] = [];
    const arrivals = new Arrivals((frames, bytes) => reports.push([frames, bytes]));
    for (let count = 0; count < 600; count++) arrivals.add(10);
    assertEquals(reports, [[256, 2560], [256, 2560]]);
    arrivals.add(128 * 1024);
    assertEquals(reports[2], [89, 880 + 128 * 1024]);
  });

  it("is told to the peer of a connection, without its acknowledgements", async () => {
    const transport = new ScriptedTransport();
    new Connection(transport, { onMessage() {}, onClose() {} });
    for (let count = 0; count < 300; count++) {
      transport.receive({ op: "detach", slot: 1 });
      transport.receiveFrame(Uint8Array.of(0xc0));
    }
    await Promise.resolve();
    assertEquals(transport.messages, [{ op: "arrived", frames: 256, bytes: 256 * 3 }]);
  });
});

describe("a slow consumer", () => {
  const limits = { ...DEFAULT_LIMITS, sendQueueBytes: 10_000 };

  /** A connection that is guarded, and whose peer does what the test says. */
  function connect() {
    const clock = new FakeClock();
    const transport = new ScriptedTransport();
    const ends: CloseInfo[] = [];
    const connection = new Connection(transport, { onMessage() {}, onClose: (info) => ends.push(info) }, limits);
    const stop = closeSlowConsumer(connection, { clock, limits });
    const send = (bytes: number) => connection.send({ op: "report", body: new Uint8Array(bytes) });
    const read = (frames: number, bytes: number) => transport.receive({ op: "arrived", frames, bytes });
    return { clock, transport, connection, ends, stop, send, read };
  }

  /** Sends until the queue is full. */
  async function fill({ send, connection }: ReturnType<typeof connect>): Promise<void> {
    for (let count = 0; count < 20; count++) {
      send(1000);
      await Promise.resolve();
    }
    assert(connection.sendQueue.full);
  }

  it("is closed with 4408 when it has read nothing for 10 s, and gets nothing more", async () => {
    const peer = connect();
    await fill(peer);
    const sent = peer.transport.frames.length;
    peer.clock.advance(9_999);
    assertEquals(peer.ends, []);
    peer.clock.advance(1);
    assertEquals(peer.ends.map(({ code }) => code), [4408]);
    assertEquals(peer.transport.frames.length, sent);
    assertEquals(peer.clock.timers, 0);
  });

  it("is left alone as long as it reads anything", async () => {
    const peer = connect();
    await fill(peer);
    for (let count = 0; count < 20; count++) {
      peer.clock.advance(9_000);
      peer.read(0, 1);
    }
    assertEquals(peer.ends, []);
    assert(peer.connection.sendQueue.full);
    peer.clock.advance(11_000);
    assertEquals(peer.ends.map(({ code }) => code), [4408]);
  });

  it("is not waited for any more when it has caught up", async () => {
    const peer = connect();
    await fill(peer);
    peer.clock.advance(5_000);
    while (peer.connection.sendQueue.full) peer.read(2, 2100);
    peer.clock.advance(60_000);
    assertEquals([peer.ends, peer.clock.timers], [[], 0]);
    await fill(peer);
    peer.clock.advance(10_000);
    assertEquals(peer.ends.length, 1);
  });

  it("is not judged by time in which this side did not run", async () => {
    const peer = connect();
    await fill(peer);
    for (let count = 0; count < 20; count++) peer.clock.block(4_000);
    assertEquals(peer.ends, []);
  });

  it("is whoever reads no pieces of a long message, and no other", async () => {
    const peer = connect();
    peer.send(100_000_000);
    peer.send(100_000);
    await Promise.resolve();
    const piece = peer.transport.messages.find(({ op }) => op === "piece") as MessageOf<"piece">;
    for (let count = 0; count < 5; count++) {
      peer.clock.advance(9_000);
      peer.transport.receive({ op: "received", transfer: piece.transfer, count: 1000 });
    }
    assertEquals(peer.ends, []);
    peer.clock.advance(11_000);
    assertEquals(peer.ends.map(({ code }) => code), [4408]);
  });

  it("is nobody's business once its connection has ended", async () => {
    const peer = connect();
    await fill(peer);
    peer.stop();
    assertEquals(peer.clock.timers, 0);
    peer.connection.close();
    peer.clock.advance(20_000);
    assertEquals(peer.ends.map(({ code }) => code), [1000]);
  });
});
