import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import {
  type FramePolicy,
  NAGLE_POLICY,
  Outbox,
  PIECE_OVERHEAD,
  Reassembly,
  ROOMY_POLICY,
  type SendLimits,
} from "../../connection/mod.ts";
import {
  decodeValue,
  DEFAULT_LIMITS,
  encodeMessage,
  encodeValue,
  laneOf,
  type Message,
  type MessageOf,
  readFrame,
  SerializationError,
} from "../../protocol/mod.ts";
import { messagesOf } from "../helpers/scripted_transport.ts";

const UNSET = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined, chain: [] } as const;

/** An outbox, and a peer that takes its frames and reports pieces when the test says so. */
class Wire {
  readonly outbox: Outbox;
  /** Frames that the peer has not taken. */
  readonly frames: Uint8Array[] = [];
  /** Whole messages that the peer has taken. */
  readonly arrived: Message[] = [];
  readonly #policy: FramePolicy;
  readonly #reassembly = new Reassembly(DEFAULT_LIMITS);
  readonly #unfinished = new Map<number, number>();
  #unreported = 0;
  /** The most bytes of pieces that were sent and not reported at any time. */
  mostInFlight = 0;
  /** The most bytes of unfinished messages that the peer had to keep at any time. */
  mostHeld = 0;
  #inFlight = 0;
  #taken = { frames: 0, bytes: 0 };

  constructor(policy: FramePolicy, limits: SendLimits = DEFAULT_LIMITS) {
    this.#policy = policy;
    // A slow peer, by this clock: pieces stay as short as the policy wants them.
    let time = 0;
    this.outbox = new Outbox(policy, (frame) => this.#send(frame), { now: () => time += 1000, limits });
  }

  /** The peer takes some frames. */
  take(count: number): void {
    for (const frame of this.frames.splice(0, count)) {
      let isPiece = false;
      readFrame(frame, (message) => {
        isPiece = message.op === "piece";
        if (message.op === "piece") this.#piece(message);
        else this.arrived.push(message);
      });
      if (isPiece) continue;
      this.#taken.frames++;
      this.#taken.bytes += frame.length;
    }
  }

  /** The peer reports what it has taken. */
  report(): void {
    const count = this.#unreported;
    this.#unreported = 0;
    this.#inFlight -= count;
    const { frames, bytes } = this.#taken;
    this.#taken = { frames: 0, bytes: 0 };
    this.outbox.reported(frames, bytes);
    this.outbox.openWindow(count);
  }

  /** Lets everything arrive. */
  finish(): void {
    this.report();
    this.outbox.flush();
    while (this.frames.length > 0) {
      this.take(this.frames.length);
      this.report();
      this.outbox.flush();
    }
  }

  #send(frame: Uint8Array): void {
    const messages = messagesOf(frame);
    const piece = messages.find((message) => message.op === "piece");
    if (piece) {
      assertEquals(messages.length, 1, "a piece has a frame of its own");
      assert(frame.length <= piece.part.length + PIECE_OVERHEAD + 2);
      assertEquals(piece.part.length, this.#policy.pieceBytes(piece.part.length + piece.remaining, 0));
      this.#inFlight += piece.part.length;
      this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight);
    } else {
      assert(frame.length <= this.#policy.frameBytes, `a frame of ${frame.length} bytes`);
    }
    this.frames.push(frame.slice());
  }

  #piece(piece: MessageOf<"piece">): void {
    this.#unreported += piece.part.length;
    const whole = this.#reassembly.accept(piece);
    if (whole) {
      this.#unfinished.delete(piece.transfer);
      readFrame(whole, (message) => this.arrived.push(message));
    } else {
      this.#unfinished.set(piece.transfer, (this.#unfinished.get(piece.transfer) ?? 0) + piece.part.length);
    }
    const held = [...this.#unfinished.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.mostHeld = Math.max(this.mostHeld, held);
  }
}

const tiny: FramePolicy = {
  frameBytes: 40,
  pieceBytes: (remaining) => Math.min(remaining, 16),
  windowBytes: 48,
  acknowledge: false,
};

/** `serial` tells messages apart. */
function call(slot: number, serial: number, size: number): Message {
  return {
    op: "call",
    id: serial,
    slot,
    kind: 0,
    name: "",
    args: new Uint8Array(size).fill(serial),
    refs: [],
    deadline: undefined,
    priority: undefined,
    credit: undefined,
    trace: undefined,
    chain: [],
  };
}

function result(id: number, size = 0): Message {
  return { op: "result", id, value: new Uint8Array(size), refs: [] };
}

/** Sizes of the frames that wait, and what is in them. */
function shape(wire: Wire): string[] {
  return wire.frames.map((frame) =>
    messagesOf(frame).map((message) => message.op === "piece" ? `piece ${message.transfer}` : `${message.op}`).join(" ")
  );
}

describe("the outbox", () => {
  it("gathers the messages of one turn into one frame, and sends it by itself", async () => {
    const wire = new Wire(ROOMY_POLICY);
    for (let id = 1; id <= 3; id++) wire.outbox.send({ op: "ping", id });
    assertEquals(wire.frames, []);
    await Promise.resolve();
    assertEquals(wire.frames.map((frame) => messagesOf(frame).length), [3]);
    assertEquals(wire.outbox.frames, 1);
    wire.outbox.send({ op: "ping", id: 4 });
    await Promise.resolve();
    assertEquals(wire.outbox.frames, 2);
  });

  it("sends a frame as soon as the next message does not fit into it", () => {
    const wire = new Wire(NAGLE_POLICY);
    for (let id = 0; id < 500; id++) wire.outbox.send(result(id, 10));
    assert(wire.frames.length > 5);
    for (const frame of wire.frames) assert(frame.length > 1000 && frame.length <= 1024);
    wire.finish();
    assertEquals(wire.arrived.map((message) => message.op === "result" && message.id), [...Array(500).keys()]);
  });

  it("sends a message that just fills a frame whole, and one that is a byte longer in pieces", () => {
    for (const [extra, pieces] of [[0, 0], [1, 2]] as const) {
      const wire = new Wire(NAGLE_POLICY);
      const overhead = encodeMessage(result(1, 1000)).length - 1000;
      wire.outbox.send(result(1, 1024 - overhead + extra));
      wire.outbox.flush();
      assertEquals(wire.frames.filter((frame) => messagesOf(frame)[0]!.op === "piece").length, pieces);
      wire.finish();
      assertEquals(wire.arrived.length, 1);
    }
  });

  it("copies at once what it is given, also what has to wait", () => {
    const wire = new Wire(tiny);
    const args = new Uint8Array(200).fill(1);
    wire.outbox.send({ ...call(1, 1, 0) as MessageOf<"call">, args });
    wire.outbox.send({ ...call(1, 2, 0) as MessageOf<"call">, args: args.subarray(0, 5) });
    args.fill(9);
    wire.finish();
    for (const message of wire.arrived) assert(message.op === "call" && message.args.every((byte) => byte === 1));
  });

  it("refuses a wrong message at once, and sends the others", () => {
    const wire = new Wire(tiny);
    wire.outbox.send(call(1, 1, 100));
    for (const slot of [1, 2]) {
      assertThrows(
        () => wire.outbox.send({ ...call(slot, 2, 0) as MessageOf<"call">, deadline: -1 }),
        SerializationError,
        "deadline",
      );
    }
    wire.outbox.send(call(1, 3, 1));
    wire.finish();
    assertEquals(wire.arrived.map((message) => message.op === "call" && message.id), [1, 3]);
  });

  it("lets small messages of other lanes and urgent ones pass a long one, while those of its own lane wait", () => {
    const wire = new Wire(tiny);
    wire.outbox.send(call(1, 1, 100));
    wire.outbox.flush();
    wire.outbox.send(call(1, 2, 1));
    wire.outbox.send(call(2, 3, 1));
    wire.outbox.send({ op: "ping", id: 1 });
    wire.outbox.send({ op: "detach", slot: 1 });
    wire.outbox.flush();
    assertEquals(shape(wire), ["piece 1", "piece 1", "piece 1", "call ping"]);
    wire.finish();
    assertEquals(wire.arrived.map(({ op }) => op), ["call", "ping", "call", "call", "detach"]);
  });

  it("goes on with the lane up to its next long message", () => {
    const wire = new Wire(tiny);
    for (const [serial, size] of [100, 1, 80, 2, 3, 90].entries()) wire.outbox.send(call(1, serial, size));
    wire.finish();
    assertEquals(wire.arrived.map((message) => message.op === "call" && message.id), [0, 1, 2, 3, 4, 5]);
    assertEquals(wire.outbox.queuedBytes, 0);
  });

  it("takes turns between the oldest and the shortest: no long message waits for ever, no short one for a long one", () => {
    const wire = new Wire({ ...tiny, windowBytes: 16 });
    wire.outbox.send(call(1, 1, 400));
    wire.outbox.send(call(2, 2, 300));
    wire.outbox.send(call(3, 3, 60));
    wire.outbox.flush();
    const order: number[] = [];
    while (wire.frames.length > 0) {
      for (const frame of wire.frames) {
        for (const message of messagesOf(frame)) if (message.op === "piece") order.push(message.transfer);
      }
      wire.take(wire.frames.length);
      wire.report();
    }
    assertEquals(order.slice(0, 10), [1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
    assertEquals(order.slice(10, 14), [1, 2, 1, 2]);
    assertEquals(wire.arrived.map((message) => message.op === "call" && message.id), [3, 2, 1]);
  });

  it("never has more than its window and one piece on the way, and goes on when the peer reports", () => {
    const wire = new Wire(tiny);
    wire.outbox.send(call(1, 1, 1000));
    wire.outbox.flush();
    assertEquals(wire.frames.length, 3);
    wire.outbox.flush();
    assertEquals(wire.frames.length, 3, "no report, no piece");
    wire.take(1);
    wire.report();
    assertEquals(wire.frames.length, 3, "one piece follows at once");
    wire.finish();
    assertEquals([wire.arrived.length, wire.mostInFlight], [1, 48]);
  });

  it("counts the bytes of long messages, and of what waits behind them, until they leave", () => {
    const wire = new Wire(tiny);
    wire.outbox.send(call(2, 1, 1));
    assertEquals(wire.outbox.queuedBytes, 0);
    const long = encodeMessage(call(1, 2, 100)).length;
    const short = encodeMessage(call(1, 3, 1)).length;
    wire.outbox.send(call(1, 2, 100));
    wire.outbox.send(call(1, 3, 1));
    assertEquals(wire.outbox.queuedBytes, long + short);
    wire.outbox.flush();
    assertEquals(wire.outbox.queuedBytes, long + short - 48);
    wire.finish();
    assertEquals(wire.outbox.queuedBytes, 0);
  });

  it("reports received pieces with whatever goes out next", () => {
    const wire = new Wire(ROOMY_POLICY);
    wire.outbox.acknowledgePieces(1, 100);
    wire.outbox.acknowledgePieces(2, 5);
    wire.outbox.acknowledgePieces(1, 11);
    assert(wire.outbox.owesProgress);
    wire.outbox.send({ op: "ping", id: 1 });
    wire.outbox.flush();
    assert(!wire.outbox.owesProgress);
    assertEquals(wire.frames.flatMap(messagesOf), [
      { op: "ping", id: 1 },
      { op: "received", transfer: 1, count: 111 },
      { op: "received", transfer: 2, count: 5 },
    ]);
  });

  it("copies a long value that it is given only once, into the frames that it sends", () => {
    const wire = new Wire(ROOMY_POLICY);
    const data = Uint8Array.from({ length: 1_000_000 }, (_, index) => index);
    const { bytes } = encodeValue(data);
    wire.outbox.send({ op: "result", id: 1, value: bytes, refs: [] }, true);
    wire.outbox.flush();
    assert(wire.frames.length > 1);
    wire.finish();
    const [result] = wire.arrived;
    assert(result?.op === "result");
    assertEquals(decodeValue(result.value), data);
    // The heads of later pieces stand where the value was: it was given away.
    assertNotEquals(bytes, encodeValue(data).bytes);
  });

  it("sends a given value behind a long one of its lane", () => {
    const wire = new Wire(ROOMY_POLICY);
    const long = (id: number) => ({ op: "call", id, slot: 1, kind: 0, name: "f", refs: [], ...UNSET }) as const;
    wire.outbox.send({ ...long(1), args: encodeValue(new Uint8Array(2_000_000)).bytes }, true);
    wire.outbox.send({ ...long(2), args: encodeValue(new Uint8Array(100_000)).bytes }, true);
    wire.outbox.send({ ...long(3), args: encodeValue([]).bytes }, true);
    assert(wire.outbox.queuedBytes > 2_100_000);
    wire.finish();
    assertEquals(wire.arrived.map((message) => message.op === "call" ? message.id : 0), [1, 2, 3]);
    assertEquals(wire.outbox.queuedBytes, 0);
  });

  it("cuts longer pieces for a peer that takes them in fast, and short ones again when it does not", () => {
    let time = 0;
    let perMillisecond = 1 << 20;
    const sizes: number[] = [];
    const outbox = new Outbox(ROOMY_POLICY, (frame) => {
      const [piece] = messagesOf(frame);
      assert(piece?.op === "piece");
      sizes.push(piece.part.length);
    }, { now: () => time });
    const send = () => {
      sizes.length = 0;
      outbox.send(result(1, 3 << 20));
      outbox.flush();
      for (let reported = 0; reported < sizes.length; reported++) {
        time += sizes[reported]! / perMillisecond;
        outbox.openWindow(sizes[reported]!);
      }
      return Math.max(...sizes);
    };
    send();
    assertEquals(send(), 1280 * 1024);
    perMillisecond = 10_000;
    send();
    assertEquals(send(), 256 * 1024);
  });

  it("keeps to itself what a peer that reports nothing would have to take, but for what is urgent", () => {
    const wire = new Wire(tiny, { sendQueueBytes: 160, sendQueueMessages: 100 });
    for (let id = 1; id <= 100; id++) {
      wire.outbox.send(call(id, id, 10));
      wire.outbox.flush();
    }
    const sent = wire.frames.length;
    assertEquals(sent, 4);
    wire.outbox.send({ op: "ping", id: 7 });
    wire.outbox.acknowledgePieces(3, 5);
    wire.outbox.flush();
    assertEquals(shape(wire).slice(sent), ["ping", "received"]);
    assertEquals(wire.outbox.queue.full, true);
    wire.finish();
    const ids = wire.arrived.map((message) => message.op === "call" ? message.id : 0).filter((id) => id > 0);
    assertEquals(ids, Array.from({ length: 100 }, (_, index) => index + 1));
    assertEquals([wire.outbox.queuedBytes, wire.outbox.queue.full], [0, false]);
  });

  it("puts together what waits for the peer, as far as a frame goes", () => {
    const wire = new Wire(ROOMY_POLICY, { sendQueueBytes: 100, sendQueueMessages: 100 });
    for (let id = 1; id <= 100; id++) {
      wire.outbox.send(result(id, 10));
      wire.outbox.flush();
    }
    const sent = wire.frames.length;
    wire.take(sent);
    wire.report();
    assertEquals(wire.frames.map((frame) => messagesOf(frame).length), [100 - sent]);
  });

  it("has as many frames under way as the limit says, however short they are", () => {
    const wire = new Wire(ROOMY_POLICY, { sendQueueBytes: 1_000_000, sendQueueMessages: 8 });
    for (let id = 1; id <= 20; id++) {
      wire.outbox.send(result(id));
      wire.outbox.flush();
    }
    assertEquals([wire.frames.length, wire.outbox.queue.frames, wire.outbox.queue.full], [8, 8, true]);
    wire.take(3);
    wire.report();
    assertEquals([wire.outbox.queue.frames, wire.outbox.queue.full], [6, true]);
    wire.finish();
    assertEquals(wire.arrived.length, 20);
  });

  it("is not full with one long message, however long it is", () => {
    const wire = new Wire(ROOMY_POLICY, { sendQueueBytes: 2_000_000, sendQueueMessages: 1000 });
    wire.outbox.send(result(1, 50_000_000));
    wire.outbox.flush();
    assertEquals(wire.outbox.queue.full, false);
    wire.outbox.send(result(2, 3_000_000));
    assertEquals(wire.outbox.queue.full, true);
    wire.finish();
    assertEquals(wire.arrived.length, 2);
  });

  it("sends all at the end, however much is under way", () => {
    const wire = new Wire(tiny, { sendQueueBytes: 40, sendQueueMessages: 100 });
    for (let id = 1; id <= 50; id++) wire.outbox.send(call(id, id, 10));
    wire.outbox.flush();
    assert(wire.frames.length < 10);
    wire.outbox.flushAll();
    wire.take(Infinity);
    assertEquals(wire.arrived.length, 50);
  });

  it("sends nothing any more once it is closed", () => {
    const wire = new Wire(tiny);
    wire.outbox.send(call(1, 1, 100));
    wire.outbox.flush();
    wire.outbox.send({ op: "ping", id: 1 });
    wire.outbox.close();
    const frames = wire.frames.length;
    wire.outbox.send({ op: "ping", id: 2 });
    wire.outbox.acknowledge();
    wire.outbox.flush();
    wire.outbox.openWindow(1000);
    assertEquals([wire.frames.length, wire.outbox.queuedBytes], [frames, 0]);
  });

  it("knows of each message whether any byte of it has left, whatever was sent, taken and reported", () => {
    const send = fc.record({ slot: fc.nat(3), size: fc.oneof(fc.nat(5), fc.nat(60), fc.nat(400)) });
    const step = fc.oneof(send, send, send, fc.constant("flush"), fc.constant("report"), fc.nat(6));
    const limits = fc.record({
      sendQueueBytes: fc.integer({ min: 1, max: 1000 }),
      sendQueueMessages: fc.integer({ min: 1, max: 10 }),
    });
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 40 }), (limits, steps) => {
        const left = new Set<number>();
        // The parts of a long message, by its transfer: the first holds its number.
        const begun = new Set<number>();
        const outbox = new Outbox(tiny, (frame) => {
          for (const message of messagesOf(frame)) {
            if (message.op === "call") left.add(message.id);
            if (message.op !== "piece" || begun.has(message.transfer)) continue;
            begun.add(message.transfer);
            left.add(message.part[2]!);
          }
        }, { limits });
        let sent = 0;
        for (const step of steps) {
          if (step === "flush") outbox.flush();
          else if (step === "report") outbox.reported(10, 1000);
          else if (typeof step === "number") outbox.openWindow(step * 16);
          else outbox.send(call(step.slot, sent++, step.size));
        }
        const unsent: number[] = [];
        outbox.eachUnsent((message) => message.op === "call" && unsent.push(message.id));
        const all = Array.from({ length: sent }, (_, id) => id);
        assertEquals(unsent.sort((one, other) => one - other), all.filter((id) => !left.has(id)));
      }),
      { numRuns: 500 },
    );
  });

  it("claims nothing of what was being given to a transport that ended", () => {
    let unsent = 0;
    const outbox = new Outbox(tiny, () => outbox.eachUnsent(() => unsent++));
    outbox.send(call(1, 1, 5));
    outbox.flush();
    assertEquals(unsent, 0);
  });

  it("keeps the order of every lane, the window and the frame size, whatever is sent, taken and reported when", () => {
    const size = fc.oneof(fc.nat(5), fc.nat(60), fc.nat(800));
    const send = fc.record({
      what: fc.constantFrom("call", "result", "data", "report", "ping"),
      lane: fc.nat(3),
      size,
    });
    const step = fc.oneof(send, send, send, fc.constant("flush"), fc.constant("report"), fc.nat(6));
    const policy = fc.record({
      frameBytes: fc.integer({ min: 30, max: 200 }),
      piece: fc.integer({ min: 1, max: 100 }),
      windowBytes: fc.integer({ min: 1, max: 400 }),
    });
    const limits = fc.record({
      sendQueueBytes: fc.integer({ min: 1, max: 1000 }),
      sendQueueMessages: fc.integer({ min: 1, max: 10 }),
    });
    fc.assert(
      fc.property(policy, limits, fc.array(step, { maxLength: 60 }), ({ piece, ...policy }, limits, steps) => {
        const pieceBytes = (remaining: number) => Math.min(remaining, piece);
        const wire = new Wire({ ...policy, pieceBytes, acknowledge: false }, limits);
        const sent: Message[] = [];
        for (const step of steps) {
          if (step === "flush") wire.outbox.flush();
          else if (step === "report") wire.report();
          else if (typeof step === "number") wire.take(step);
          else {
            const message = make(step.what, step.lane, sent.length, step.size);
            sent.push(message);
            wire.outbox.send(message);
          }
        }
        wire.finish();
        assertEquals(wire.arrived.length, sent.length);
        assertEquals(byLane(wire.arrived), byLane(sent));
        assert(wire.mostInFlight <= policy.windowBytes + piece);
        const longest = Math.max(0, ...sent.map((message) => encodeMessage(message).length));
        assert(wire.mostHeld <= 2 * longest, `${wire.mostHeld} bytes held of messages up to ${longest}`);
        assertEquals([wire.outbox.queuedBytes, wire.outbox.queue.bytes, wire.outbox.queue.frames], [0, 0, 0]);
        assertEquals(wire.outbox.queue.full, false);
        wire.outbox.close();
      }),
      { numRuns: 500 },
    );
  });
});

function make(what: string, lane: number, serial: number, size: number): Message {
  const bytes = new Uint8Array(size).fill(serial);
  switch (what) {
    case "call":
      return call(lane, serial, size);
    case "result":
      return { op: "result", id: lane, value: bytes, refs: [`${serial}`] };
    case "data":
      return { op: "data", channel: lane, frame: bytes };
    case "report":
      return { op: "report", body: bytes };
    default:
      return { op: "ping", id: serial };
  }
}

/** Messages of each lane in order; urgent ones have none, so theirs does not count. */
function byLane(messages: readonly Message[]): Record<string, Message[]> {
  const lanes: Record<string, Message[]> = {};
  for (const message of messages) (lanes[laneOf(message) ?? "urgent"] ??= []).push(message);
  lanes.urgent?.sort((one, other) => one.op === "ping" && other.op === "ping" ? one.id - other.id : 0);
  return lanes;
}
