import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import {
  ACCEPTED_POLICY,
  Connection,
  createMemoryTransports,
  type FramePolicy,
  NAGLE_POLICY,
  ROOMY_POLICY,
  type Transport,
} from "../../connection/mod.ts";
import { afterThisTurn } from "../../connection/macrotask.ts";
import {
  ACKNOWLEDGEMENT,
  type CloseInfo,
  DEFAULT_LIMITS,
  encodeMessage,
  laneOf,
  type Limits,
  type Message,
  type MessageOf,
  SerializationError,
} from "../../protocol/mod.ts";
import { ScriptedTransport } from "../helpers/scripted_transport.ts";

interface Heard {
  readonly connection: Connection;
  readonly messages: Message[];
  readonly ends: CloseInfo[];
}

function connect(transport: Transport, limits?: Limits, onMessage?: (message: Message) => void): Heard {
  const messages: Message[] = [];
  const ends: CloseInfo[] = [];
  const connection = new Connection(transport, {
    onMessage(message) {
      messages.push(message);
      onMessage?.(message);
    },
    onClose: (info) => ends.push(info),
  }, limits);
  return { connection, messages, ends };
}

/** A connection whose peer is the test. */
function scripted(options: { policy?: FramePolicy; limits?: Limits; onMessage?: (message: Message) => void } = {}) {
  const transport = new ScriptedTransport(options.policy ?? ROOMY_POLICY);
  return { transport, ...connect(transport, options.limits, options.onMessage) };
}

/** Resolves after the frames of this turn were acknowledged. */
function turn(): Promise<void> {
  // The acknowledgement asks for the end of the turn a few microtasks after the frame: one turn more has told it for sure.
  return new Promise((resolve) => afterThisTurn(() => afterThisTurn(resolve)));
}

const ping = (id: number): Message => ({ op: "ping", id });
const detach = (slot: number): Message => ({ op: "detach", slot });
const report = (size: number): Message => ({ op: "report", body: new Uint8Array(size).fill(size) });

function piece(transfer: number, remaining: number, part: Uint8Array): Message {
  return { op: "piece", transfer, remaining, part };
}

describe("a connection", () => {
  it("delivers messages in order, in few frames", async () => {
    const [one, other] = createMemoryTransports();
    const [sender, receiver] = [connect(one), connect(other)];
    for (let slot = 0; slot < 1000; slot++) sender.connection.send(detach(slot));
    await turn();
    assertEquals(receiver.messages, [...Array(1000).keys()].map(detach));
    assertEquals(receiver.connection.framesReceived, 1);
    assertEquals(sender.connection.framesSent, 1);
  });

  it("tells its receiver nothing before it is constructed, even what had arrived before", async () => {
    const [one, other] = createMemoryTransports();
    const sender = connect(one);
    sender.connection.send(detach(1));
    sender.connection.close(1000, "that was all");
    await turn();
    const heard: string[] = [];
    const connection: Connection = new Connection(other, {
      onMessage: ({ op }) => heard.push(`${op}, ${connection.framesReceived}`),
      onClose: ({ reason }) => heard.push(`${reason}, ${connection.closed?.reason}`),
    });
    await turn();
    assertEquals(heard, ["detach, 1", "that was all, that was all"]);
  });

  it("answers pings itself, and takes pongs and acknowledgements as signs of life", async () => {
    const { transport, messages, connection } = scripted();
    transport.receive(ping(7), ping(8));
    transport.receive({ op: "pong", id: 1 });
    transport.receiveFrame(ACKNOWLEDGEMENT);
    await turn();
    assertEquals(transport.messages, [{ op: "pong", id: 7 }, { op: "pong", id: 8 }]);
    assertEquals([messages, connection.framesReceived], [[], 3]);
  });

  it("lets its receiver be replaced between two messages of a frame", () => {
    const { transport, messages, connection } = scripted({
      onMessage: () => connection.receiver = { onMessage: (message) => later.push(message), onClose() {} },
    });
    const later: Message[] = [];
    transport.receive(detach(1), detach(2));
    assertEquals([messages, later], [[detach(1)], [detach(2)]]);
  });

  it("refuses a message that cannot be written where it is sent, and lives on", async () => {
    const { transport, connection } = scripted();
    connection.send(detach(1));
    assertThrows(() => connection.send(detach(-1)), SerializationError, "Cannot write slot of a detach message: -1");
    connection.send(detach(2));
    await turn();
    assertEquals(transport.messages, [detach(1), detach(2)]);
  });
});

describe("closing a connection", () => {
  it("sends what waits, then closes, and tells the receiver at once and once", () => {
    const { transport, connection, ends } = scripted();
    connection.send(detach(1));
    connection.close(4403, "enough");
    assertEquals(transport.messages, [detach(1)]);
    assertEquals(transport.closed, { code: 4403, reason: "enough" });
    assertEquals(ends, [{ code: 4403, reason: "enough", local: true }]);
    assertEquals(connection.closed, ends[0]);
    connection.close(4400, "again");
    transport.end();
    assertEquals(ends.length, 1);
  });

  it("is normal where nothing else is said", () => {
    const { transport, connection } = scripted();
    connection.close();
    assertEquals(transport.closed, { code: 1000, reason: "" });
  });

  it("by the peer is told once, with what it said", () => {
    const { transport, connection, ends } = scripted();
    transport.end({ code: 4503, reason: "leaving", local: false });
    connection.close();
    assertEquals(ends, [{ code: 4503, reason: "leaving", local: false }]);
    assertStrictEquals(transport.closed, undefined);
  });

  it("keeps everything that is sent later from going out", async () => {
    const { transport, connection } = scripted({ policy: ACCEPTED_POLICY });
    transport.receive(detach(1));
    connection.send(detach(2));
    connection.send(report(100_000));
    transport.end();
    connection.send(detach(3));
    await turn();
    assertEquals([transport.frames, connection.queuedBytes], [[], 0]);
  });

  it("while a message is received keeps the rest of its frame from being received", () => {
    const { transport, messages, connection } = scripted({ onMessage: () => connection.close(4403, "not you") });
    transport.receive(detach(1), ping(1), detach(2));
    assertEquals(messages, [detach(1)]);
    assertEquals(transport.messages, []);
  });
});

describe("a connection whose peer breaks the protocol", () => {
  it("closes with 4400 at a frame that is none, after the messages before it", () => {
    const { transport, messages, ends } = scripted();
    transport.receiveFrame(Uint8Array.of(...encodeMessage(detach(1)), 0x92, 127, 0));
    assertEquals(messages, [detach(1)]);
    assertEquals(ends, [{ code: 4400, reason: "Cannot read a message: no message has the number 127", local: true }]);
  });

  it("closes with 4413 at a frame beyond the limit, unread", () => {
    const limits = { ...DEFAULT_LIMITS, frameBytes: 100 };
    const { transport, messages, ends } = scripted({ limits });
    const full = new Uint8Array(100).fill(0xc0);
    transport.receiveFrame(full);
    assertEquals(ends, []);
    transport.receiveFrame(Uint8Array.of(...encodeMessage(detach(1)), ...full));
    assertEquals(ends, [{ code: 4413, reason: "Cannot receive a frame of 103 bytes: the limit is 100", local: true }]);
    assertEquals(messages, []);
  });

  it("closes with 4400 and the message where the receiver throws", () => {
    const { transport, ends } = scripted({
      onMessage() {
        throw new TypeError("no such channel");
      },
    });
    transport.receive(detach(1));
    assertEquals(ends, [{ code: 4400, reason: "no such channel", local: true }]);
  });

  it("closes with 4413 at a long message beyond the limit, with its first piece", () => {
    const { transport, ends } = scripted({ limits: { ...DEFAULT_LIMITS, valueBytes: 1000 } });
    transport.receive(piece(1, 70_000, new Uint8Array(1)));
    assertEquals(ends.map(({ code }) => code), [4413]);
  });

  const wrongPieces: Record<string, Message[]> = {
    "that do not add up": [piece(1, 10, new Uint8Array(5)), piece(1, 6, new Uint8Array(5))],
    "that are empty": [piece(1, 10, new Uint8Array(0))],
    "that hold a piece": [piece(1, 0, encodeMessage(piece(2, 0, encodeMessage(ping(1)))))],
    "that hold several messages": [piece(1, 0, Uint8Array.of(...encodeMessage(ping(1)), ...encodeMessage(ping(2))))],
    "that hold half a message": [piece(1, 0, encodeMessage(report(100)).subarray(0, 50))],
    "of more messages than it keeps": [...Array(4097).keys()].map((transfer) => piece(transfer, 1, new Uint8Array(1))),
  };
  for (const [what, pieces] of Object.entries(wrongPieces)) {
    it(`closes with 4400 at pieces ${what}`, () => {
      const { transport, ends, messages } = scripted();
      for (const each of pieces) transport.receive(each);
      assertEquals([ends.map(({ code }) => code), messages], [[4400], []]);
    });
  }

  it("survives any bytes: they are messages, or end this connection and nothing else", () => {
    fc.assert(fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 5 }), (frames) => {
      const { transport, ends, connection } = scripted();
      for (const frame of frames) transport.receiveFrame(frame);
      assert(ends.every(({ code }) => code === 4400 || code === 4413));
      connection.close();
      assertEquals(ends.length, 1);
    }));
  });

  it("cannot be made to send more by reports of pieces that never were", async () => {
    const { transport, connection } = scripted();
    transport.receive({ op: "received", transfer: 99, count: Number.MAX_SAFE_INTEGER });
    connection.send(report(3_000_000));
    await turn();
    const pieces = transport.messages.filter((message) => message.op === "piece");
    assertEquals(pieces.reduce((sum, { part }) => sum + part.length, 0), ROOMY_POLICY.windowBytes);
  });
});

describe("acknowledging frames", () => {
  it("is one frame for all frames of a turn to which nothing was answered", async () => {
    const { transport } = scripted({ policy: ACCEPTED_POLICY });
    transport.receive(detach(1));
    transport.receive(detach(2));
    await Promise.resolve();
    assertEquals(transport.frames, []);
    await turn();
    assertEquals(transport.frames, [ACKNOWLEDGEMENT]);
    await turn();
    assertEquals(transport.frames.length, 1);
  });

  it("is left to the answer where one goes out in the same turn, at once or from a promise", async () => {
    for (const microtasks of [0, 1, 10]) {
      const { transport, connection } = scripted({
        policy: ACCEPTED_POLICY,
        async onMessage() {
          for (let wait = 0; wait < microtasks; wait++) await undefined;
          connection.send({ op: "result", id: 1, value: new Uint8Array(1), refs: [] });
        },
      });
      transport.receive(detach(1));
      await turn();
      await turn();
      assertEquals(transport.messages.map(({ op }) => op), ["result"]);
      assertEquals(transport.frames.length, 1);
    }
  });

  it("is not left to an answer that went out before the last frame of the turn came", async () => {
    const { transport, connection } = scripted({ policy: ACCEPTED_POLICY });
    transport.receive(detach(1));
    connection.send(detach(2));
    await Promise.resolve();
    assertEquals(transport.frames.length, 1);
    transport.receive(detach(3));
    await turn();
    assertEquals(transport.frames.slice(1), [ACKNOWLEDGEMENT]);
  });

  it("answers no acknowledgement, so two ends that both acknowledge fall silent", async () => {
    const [one, other] = createMemoryTransports(ACCEPTED_POLICY);
    const [sender, receiver] = [connect(one), connect(other)];
    sender.connection.send(detach(1));
    for (let round = 0; round < 5; round++) await turn();
    assertEquals([sender.connection.framesSent, receiver.connection.framesSent], [1, 1]);
  });

  it("is not done where the policy does not ask for it", async () => {
    const { transport } = scripted({ policy: ROOMY_POLICY });
    transport.receive(detach(1));
    await turn();
    assertEquals(transport.frames, []);
  });

  it("is replaced by the report of received pieces, which is sent under any policy", async () => {
    for (const policy of [ACCEPTED_POLICY, NAGLE_POLICY]) {
      const { transport } = scripted({ policy });
      transport.receive(piece(4, 100, new Uint8Array(30)));
      transport.receive(piece(4, 50, new Uint8Array(50)));
      await turn();
      assertEquals(transport.messages, [{ op: "received", transfer: 4, count: 80 }]);
      assertEquals(transport.frames.length, 1);
    }
  });
});

describe("long messages", () => {
  const tiny: FramePolicy = {
    frameBytes: 64,
    pieceBytes: (remaining) => Math.min(remaining, 40),
    windowBytes: 100,
    acknowledge: false,
  };

  it("arrive whole through a small window, driven by the peer's reports alone", async () => {
    const [one, other] = createMemoryTransports(tiny);
    const arrived = Promise.withResolvers<Message>();
    const sender = connect(one);
    connect(other, undefined, arrived.resolve);
    sender.connection.send(report(20_000));
    assert(sender.connection.queuedBytes > 20_000);
    assertEquals(await arrived.promise, report(20_000));
    assertEquals(sender.connection.queuedBytes, 0);
  });

  it("let small messages pass, and keep the order of their lane", async () => {
    const [one, other] = createMemoryTransports(tiny);
    const sender = connect(one);
    const last = Promise.withResolvers<void>();
    const { messages } = connect(other, undefined, (message) => message.op === "release" && last.resolve());
    sender.connection.send(report(5000));
    sender.connection.send({ op: "release", keys: ["a"], holder: undefined });
    sender.connection.send(detach(1));
    await last.promise;
    assertEquals(messages, [detach(1), report(5000), { op: "release", keys: ["a"], holder: undefined }]);
  });

  it("and short ones of any lanes arrive in the order of each, both ways at once", async () => {
    const sizes = fc.array(fc.record({ lane: fc.nat(3), size: fc.oneof(fc.nat(20), fc.nat(400)) }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (there, back) => {
        const [one, other] = createMemoryTransports(tiny);
        const ends = [connect(one), connect(other)] as const;
        const sent = [there, back].map((list) =>
          list.map(({ lane, size }, serial): MessageOf<"item"> => ({
            op: "item",
            id: lane,
            value: new Uint8Array(size).fill(serial),
            refs: [`${serial}`],
          }))
        );
        for (const [index, list] of sent.entries()) for (const message of list) ends[index]!.connection.send(message);
        while (ends[1].messages.length < there.length || ends[0].messages.length < back.length) await turn();
        for (const [index, list] of sent.entries()) assertEquals(byLane(ends[1 - index]!.messages), byLane(list));
      }),
      { numRuns: 50 },
    );
  });

  it("that have not left when the connection is closed are lost, with what waits behind them", async () => {
    const [one, other] = createMemoryTransports(tiny);
    const [sender, receiver] = [connect(one), connect(other)];
    sender.connection.send(report(5000));
    sender.connection.send({ op: "release", keys: ["a"], holder: undefined });
    sender.connection.close(1000, "bye");
    await turn();
    assertEquals(receiver.messages, []);
    assertEquals(receiver.ends, [{ code: 1000, reason: "bye", local: false }]);
  });
});

function byLane(messages: readonly Message[]): Record<string, Message[]> {
  return Object.groupBy(messages, (message) => `${laneOf(message)}`) as Record<string, Message[]>;
}
