/**
 * Group C of the faults, and what calls cost on the wire: what the tests of semantics and control leave open. Which test
 * covers which number is told in `README.md`.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { CallCancelledError, CallTimeoutError, withOptions } from "../../mod.ts";
import { Pace } from "../fixtures/control_actors.ts";
import { Log, Tally } from "../fixtures/semantics_actors.ts";
import { errorOf, onBothRoutes, openStage } from "../semantics/stage.ts";

/** Counts the frames of sockets that are opened while it is there. */
class CountingWebSocket extends WebSocket {
  static sent = 0;
  static received = 0;

  constructor(url: string | URL, options?: string | string[] | WebSocketOptions) {
    super(url, options);
    this.addEventListener("message", () => CountingWebSocket.received++);
  }

  override send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void {
    CountingWebSocket.sent++;
    super.send(data as string);
  }
}

describe("the order of calls", () => {
  const stage = openStage();

  onBothRoutes(
    stage,
    "39. FIFO: 10 000 calls that nobody awaits, of 10 B to 1 MiB, start in their order",
    async (client) => {
      const log = await client.submit(Log, { actor: true });
      const sizes = Array.from(
        { length: 10_000 },
        (_, i) => i % 1000 === 7 ? 2 ** 20 : i % 100 === 3 ? 20_000 : 10 + i % 90,
      );
      for (const [i, size] of sizes.entries()) log.append(i, new Uint8Array(size));
      assertEquals(await log.all(), sizes.map((_, i) => i));
    },
  );

  onBothRoutes(
    stage,
    "42. Behind what waits for ever, one call at a time, others end at their deadlines, and neighbours notice nothing",
    async (client) => {
      const pace = await client.submit(Pace, { actor: true, concurrency: 1 });
      const neighbour = await client.submit(Pace, { actor: true });
      const begun = Promise.withResolvers<void>();
      const forEver = new Promise<void>(() => {});
      const first = pace.holdUntil("first", () => {
        begun.resolve();
        return forEver;
      });
      await begun.promise;
      const hasty = withOptions(pace, { timeout: 50 });
      const behind = await Promise.all([1, 2, 3, 4].map(() => errorOf(hasty.take(0, "behind"))));
      for (const error of behind) assertInstanceOf(error, CallTimeoutError);
      assertEquals(await neighbour.take(0, "there"), "there");
      first.cancel();
      assertInstanceOf(await errorOf(first), CallCancelledError);
      // What it waited for was given up with it, and so it has made room; the others never ran.
      assertEquals(await pace.started, []);
    },
  );

  it("a thousand calls that are made at once are a few frames, there and back", async () => {
    const { WebSocket } = globalThis;
    globalThis.WebSocket = CountingWebSocket;
    try {
      for (const directToWorkers of [true, false]) {
        await using client = await stage.connect({ directToWorkers });
        const tally = await client.submit(Tally, { actor: true });
        assertEquals(await tally.increment(), 1);
        CountingWebSocket.sent = CountingWebSocket.received = 0;
        const results = await Promise.all(Array.from({ length: 1000 }, () => tally.increment()));
        assertEquals(results.at(-1), 1001);
        // Frames of a client's socket are a kilobyte at the most, as longer ones are slow; each may be acknowledged.
        const { sent, received } = CountingWebSocket;
        assert(sent > 1 && received > 1);
        assertLess(sent, 100, `${sent} frames`);
        assertLess(received, 150, `${received} frames`);
      }
    } finally {
      globalThis.WebSocket = WebSocket;
    }
  });
});
