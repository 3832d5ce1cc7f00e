import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { executedNumber, executedWord, laneOf, type Message, MESSAGES } from "../../protocol/mod.ts";

const bytes = new Uint8Array();
const calls: Record<string, (slot: number, id: number) => Message> = {
  attach: (slot) => ({ op: "attach", slot, key: "", incarnation: "", tag: bytes }),
  detach: (slot) => ({ op: "detach", slot }),
  call: (slot, id) => ({
    op: "call",
    id,
    slot,
    kind: 0,
    name: "",
    args: bytes,
    refs: [],
    deadline: undefined,
    priority: undefined,
    credit: undefined,
    trace: undefined,
    chain: [],
  }),
  cancel: (slot, id) => ({ op: "cancel", id, slot, reason: undefined }),
  resume: (slot, id) => ({ op: "resume", id, slot, kind: 0, value: bytes, refs: [] }),
};
const channels: Record<string, (channel: number) => Message> = {
  open: (channel) => ({ op: "open", channel, worker: "", home: "", caller: undefined }),
  data: (channel) => ({ op: "data", channel, frame: bytes }),
  close: (channel) => ({ op: "close", channel, code: 1000, reason: "" }),
};
const answers: Record<string, (id: number) => Message> = {
  result: (id) => ({ op: "result", id, value: bytes, refs: [] }),
  failure: (id) => ({ op: "failure", id, executed: 0, error: bytes }),
  item: (id) => ({ op: "item", id, value: bytes, refs: [] }),
  streamEnd: (id) => ({ op: "streamEnd", id, ok: 1, error: bytes }),
};
const urgent: Message[] = [
  { op: "ping", id: 1 },
  { op: "pong", id: 1 },
  { op: "received", transfer: 1, count: 1 },
  { op: "arrived", frames: 1, bytes: 1 },
  { op: "credit", id: 1, count: 1 },
  { op: "streamStop", id: 1 },
  { op: "settled", slot: 1, count: 1, bytes: 0, error: undefined },
  { op: "heartbeat", body: bytes },
  { op: "beat", resident: 1, heap: 1, lag: 1 },
];
const anyNumber = fc.oneof(fc.nat(5), fc.maxSafeNat().map((number) => number % 2 ** 50));

describe("the table of messages", () => {
  it("gives every message a number of its own, which is one byte in MessagePack", () => {
    const numbers = Object.values(MESSAGES).map(([number]) => number);
    assertEquals(new Set(numbers).size, numbers.length);
    for (const number of numbers) assert(number >= 1 && number < 128, `${number}`);
  });

  it("has no message of more fields than a short MessagePack array holds", () => {
    for (const [op, [, fields]] of Object.entries(MESSAGES)) assert(Object.keys(fields).length <= 14, op);
  });

  it("calls no field `op`, which is the message's name", () => {
    for (const [op, [, fields]] of Object.entries(MESSAGES)) assert(!Object.hasOwn(fields, "op"), op);
  });
});

describe("the lane of a message", () => {
  it("is one for all that concerns a slot, and another for another slot", () => {
    fc.assert(fc.property(anyNumber, anyNumber, anyNumber, (slot, other, id) => {
      const lanes = new Set(Object.values(calls).map((make) => laneOf(make(slot, id))));
      assertEquals(lanes.size, 1);
      if (slot !== other) { for (const make of Object.values(calls)) assert(!lanes.has(laneOf(make(other, id)))); }
    }));
  });

  it("is one for all that concerns a channel, and another for another channel", () => {
    fc.assert(fc.property(anyNumber, anyNumber, (channel, other) => {
      const lanes = new Set(Object.values(channels).map((make) => laneOf(make(channel))));
      assertEquals(lanes.size, 1);
      if (channel !== other) { for (const make of Object.values(channels)) assert(!lanes.has(laneOf(make(other)))); }
    }));
  });

  it("is one for all answers to a call, or all that is sent of a stream, and another for another call", () => {
    fc.assert(fc.property(anyNumber, anyNumber, (id, other) => {
      const lanes = new Set(Object.values(answers).map((make) => laneOf(make(id))));
      assertEquals(lanes.size, 1);
      if (id !== other) { for (const make of Object.values(answers)) assert(!lanes.has(laneOf(make(other)))); }
    }));
  });

  it("is never shared by slots, channels, answers and the control plane", () => {
    const control = laneOf({ op: "release", keys: [], holder: undefined });
    fc.assert(fc.property(anyNumber, anyNumber, anyNumber, (slot, channel, id) => {
      const lanes = [
        laneOf(calls.call!(slot, id)),
        laneOf(channels.data!(channel)),
        laneOf(answers.result!(id)),
        control,
      ];
      assertEquals(new Set(lanes).size, 4);
    }));
  });

  it("is none for what is urgent", () => {
    for (const message of urgent) assertEquals(laneOf(message), undefined, message.op);
  });

  it("is that of the control plane for everything else", () => {
    const others = Object.keys(MESSAGES).filter((op) =>
      !(op in calls) && !(op in channels) && !(op in answers) && !urgent.some((message) => message.op === op)
    );
    assertNotEquals(others, []);
    for (const op of others) assertEquals(laneOf({ op } as Message), 0, op);
  });
});

describe("the number of `executed`", () => {
  it("stands for the same word on both sides", () => {
    for (const word of ["no", "yes", "unknown"] as const) assertEquals(executedWord(executedNumber(word)), word);
  });

  it("means unknown where it is unknown", () => {
    assertEquals(executedWord(3), "unknown");
    assertEquals(executedWord(2 ** 40), "unknown");
  });
});
