import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { Connection } from "../../connection/mod.ts";
import type { Message, MessageOf } from "../../protocol/mod.ts";
import { connectWebSockets } from "../helpers/websocket_pair.ts";

/** Milliseconds above which TCP waited for an acknowledgement that is delayed by 40. */
const CLIFF = 30;

/** A connection that was dialled, to a peer that gives every `report` and `credit` back. */
async function connectToEcho() {
  const pair = await connectWebSockets();
  const arrived: Message[] = [];
  let changed = Promise.withResolvers<void>();
  const connection = new Connection(pair.one, {
    onMessage(message) {
      arrived.push(message);
      changed.resolve();
      changed = Promise.withResolvers();
    },
    onClose() {},
  });
  const peer = new Connection(pair.other, { onMessage() {}, onClose() {} });
  peer.receiver = {
    onMessage: (message) => (message.op === "report" || message.op === "credit") && peer.send(message),
    onClose() {},
  };
  async function answers(count: number): Promise<Message[]> {
    const from = arrived.length;
    while (arrived.length < from + count) await changed.promise;
    return arrived.slice(from, from + count);
  }
  return {
    connection,
    /** The next messages that arrive. */
    answers,
    /** The next message that arrives. */
    answer: async () => (await answers(1))[0]!,
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  };
}

async function medianOf5(run: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 5; round++) {
    const begin = performance.now();
    await run();
    times.push(performance.now() - begin);
  }
  return times.sort((one, other) => one - other)[2]!;
}

function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  for (let index = 0; index < one.length; index++) if (one[index] !== other[index]) return false;
  return one.length === other.length;
}

function numbered(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) bytes[index] = index * 31 + (index >> 8);
  return bytes;
}

describe("a connection over a real socket whose dialling end has Nagle's algorithm on", () => {
  const KI = 1024;
  const sizes = [
    1,
    100,
    900,
    1000,
    1023,
    1024,
    1025,
    2000,
    4 * KI,
    16 * KI,
    60_000,
    64 * KI,
    65_000,
    128 * KI - 1,
    128 * KI,
    200_000,
  ];
  for (const size of [...sizes, 256 * KI, 512 * KI, 1 << 20, 4 << 20]) {
    it(`echoes ${size} bytes right, and without a stall`, async () => {
      await using echo = await connectToEcho();
      const report: MessageOf<"report"> = { op: "report", body: numbered(size) };
      const answers: Message[] = [];
      const median = await medianOf5(async () => {
        const answer = echo.answer();
        echo.connection.send(report);
        answers.push(await answer);
      });
      for (const answer of answers) assert(answer.op === "report" && areEqual(answer.body, report.body));
      if (size <= 1 << 20) assert(median < CLIFF, `${median} ms`);
    });
  }

  it("answers the second of two messages in two turns without a stall, though the first has no answer", async () => {
    await using echo = await connectToEcho();
    const median = await medianOf5(async () => {
      const answer = echo.answer();
      echo.connection.send({ op: "detach", slot: 1 });
      await new Promise((resolve) => setTimeout(resolve, 0));
      echo.connection.send({ op: "report", body: new Uint8Array(10) });
      await answer;
    });
    assert(median < CLIFF, `${median} ms`);
  });

  it("answers a small message of another lane while a large one is on its way", async () => {
    await using echo = await connectToEcho();
    const begin = performance.now();
    const [first, both] = [echo.answer(), echo.answers(2)];
    echo.connection.send({ op: "report", body: numbered(8 << 20) });
    echo.connection.send({ op: "credit", id: 1, count: 1 });
    assertEquals((await first).op, "credit");
    assert(performance.now() - begin < 2 * CLIFF);
    assertEquals((await both).map(({ op }) => op), ["credit", "report"]);
  });
});
