/**
 * What every transport promises, whatever carries it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Transport } from "../../connection/mod.ts";
import type { CloseInfo } from "../../protocol/mod.ts";

/** Two ends of one link, and how to be done with it. */
export type TransportPair = TransportEnds & (Disposable | AsyncDisposable);

/** Two ends of one link. */
export interface TransportEnds {
  /** The end that dialled, where one did. */
  readonly one: Transport;
  /** The other end. */
  readonly other: Transport;
  /** Makes `other` vanish without a word. */
  readonly kill?: () => void;
}

/** Options of {@linkcode describeTransport}. */
export interface TransportContractOptions {
  /** Makes a pair; neither end is started. */
  readonly connect: () => Promise<TransportPair>;
  /** Whether an end can vanish, by `kill`, so that the other end hears of it. */
  readonly vanishes: boolean;
}

/** What one end has heard. */
export class Listener {
  /** Frames, in order. */
  readonly frames: Uint8Array[] = [];
  /** Ends; there may be one only. */
  readonly ends: CloseInfo[] = [];
  #changed = Promise.withResolvers<void>();

  /** Starts the transport. */
  constructor(transport: Transport) {
    transport.start({
      onFrame: (frame) => {
        assertEquals(this.ends.length, 0, "a frame after the end");
        this.frames.push(frame);
        this.#change();
      },
      onClose: (info) => {
        this.ends.push(info);
        this.#change();
      },
    });
  }

  /** Waits until so many frames are there, and gives their first bytes. */
  async received(count: number): Promise<number[]> {
    while (this.frames.length < count && this.ends.length === 0) await this.#changed.promise;
    return this.frames.map((frame) => frame[0]!);
  }

  /** Waits for the end. */
  async ended(): Promise<CloseInfo> {
    while (this.ends.length === 0) await this.#changed.promise;
    return this.ends[0]!;
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Describes the behaviour that `connect`'s transports must have. */
export function describeTransport(name: string, { connect, vanishes }: TransportContractOptions): void {
  describe(`the transport contract, kept by ${name}`, () => {
    it("delivers frames whole and in order, both ways at once", async () => {
      await using pair = await connect();
      const [one, other] = [new Listener(pair.one), new Listener(pair.other)];
      const sizes = [1, 2, 125, 126, 1000, 1024, 1025, 65535, 65536, 300_000];
      for (const [index, size] of sizes.entries()) {
        pair.one.send(new Uint8Array(size).fill(index));
        pair.other.send(new Uint8Array(size).fill(index + 100));
      }
      assertEquals(await other.received(sizes.length), sizes.map((_, index) => index));
      assertEquals(await one.received(sizes.length), sizes.map((_, index) => index + 100));
      assertEquals(other.frames.map((frame) => frame.length), sizes);
      assert(one.frames.every((frame) => frame.every((byte) => byte === frame[0])));
    });

    it("keeps frames until it is started", async () => {
      await using pair = await connect();
      const other = new Listener(pair.other);
      for (const byte of [1, 2, 3]) pair.one.send(Uint8Array.of(byte));
      await other.received(3);
      // What this side gets has crossed the link before it starts to listen.
      for (const byte of [4, 5, 6]) pair.other.send(Uint8Array.of(byte));
      await roundTrips();
      const one = new Listener(pair.one);
      assertEquals(one.frames.length, 0, "told before start() returned");
      pair.other.send(Uint8Array.of(7));
      assertEquals(await one.received(4), [4, 5, 6, 7]);
    });

    it("tells frames that were kept before the end that followed them", async () => {
      await using pair = await connect();
      const other = new Listener(pair.other);
      for (const byte of [1, 2]) pair.other.send(Uint8Array.of(byte));
      pair.other.close(4403, "enough");
      await other.ended();
      await roundTrips();
      const one = new Listener(pair.one);
      assertEquals(await one.received(2), [1, 2]);
      assertEquals(await one.ended(), { code: 4403, reason: "enough", local: false });
    });

    it("has the bytes of a frame to itself once it was sent", async () => {
      await using pair = await connect();
      const [one, other] = [new Listener(pair.one), new Listener(pair.other)];
      for (const length of [10, 200_000]) {
        const frame = new Uint8Array(length);
        for (let index = 0; index < 20; index++) {
          pair.one.send(frame.fill(index));
          pair.other.send(frame.fill(index));
        }
        frame.fill(255);
      }
      const expected = [...Array(20).keys(), ...Array(20).keys()];
      for (const end of [one, other]) {
        assertEquals(await end.received(40), expected);
        assert(end.frames.every((frame) => frame.every((byte) => byte === frame[0])));
      }
    });

    it("gives the receiver bytes that it may keep and change", async () => {
      await using pair = await connect();
      const [, other] = [new Listener(pair.one), new Listener(pair.other)];
      pair.one.send(Uint8Array.of(1));
      await other.received(1);
      other.frames[0]!.fill(9);
      pair.one.send(Uint8Array.of(2));
      assertEquals(await other.received(2), [9, 2]);
    });

    it("delivers what was sent before a close, then tells both sides once who closed, with code and reason", async () => {
      await using pair = await connect();
      const [one, other] = [new Listener(pair.one), new Listener(pair.other)];
      for (let index = 0; index < 50; index++) pair.one.send(new Uint8Array(1000).fill(index));
      pair.one.close(4408, "too slow");
      assertEquals(one.ends, [{ code: 4408, reason: "too slow", local: true }], "this side hears at once");
      assertEquals(await other.ended(), { code: 4408, reason: "too slow", local: false });
      assertEquals(other.frames.map((frame) => frame[0]!), [...Array(50).keys()]);
      pair.other.close(4400, "late");
      pair.one.close(4400, "again");
      await roundTrips();
      assertEquals([one.ends.length, other.ends.length], [1, 1]);
    });

    it("closes normally as well, without a reason", async () => {
      await using pair = await connect();
      const [one, other] = [new Listener(pair.one), new Listener(pair.other)];
      pair.other.close(1000, "");
      assertEquals(await one.ended(), { code: 1000, reason: "", local: false });
      assertEquals(await other.ended(), { code: 1000, reason: "", local: true });
    });

    it("cuts a reason that a WebSocket could not carry", async () => {
      await using pair = await connect();
      const [, other] = [new Listener(pair.one), new Listener(pair.other)];
      pair.one.close(4400, "é".repeat(100));
      const { code, reason } = await other.ended();
      assertEquals([code, reason], [4400, `${"é".repeat(60)}…`]);
    });

    it("tells each side once where both close at the same time", async () => {
      await using pair = await connect();
      const [one, other] = [new Listener(pair.one), new Listener(pair.other)];
      pair.one.close(4401, "one");
      pair.other.close(4402, "other");
      await roundTrips();
      assertEquals(one.ends, [{ code: 4401, reason: "one", local: true }]);
      assertEquals(other.ends.length, 1);
    });

    it("tells of a close that came before the start", async () => {
      await using pair = await connect();
      pair.one.send(Uint8Array.of(1));
      pair.one.close(4403, "no");
      const one = new Listener(pair.one);
      assertEquals(await one.ended(), { code: 4403, reason: "no", local: true });
      const other = new Listener(pair.other);
      await other.ended();
      assertEquals([one.ends.length, other.ends.length], [1, 1]);
    });

    for (const [when, early] of [["as it comes", false], ["that was kept", true]] as const) {
      it(`can be closed by whoever receives a frame ${when}, and delivers nothing after that`, async () => {
        await using pair = await connect();
        const other = new Listener(pair.other);
        if (early) {
          for (const byte of [1, 2, 3, 4]) pair.other.send(Uint8Array.of(byte));
          await roundTrips();
        }
        const frames: number[] = [];
        const ended = Promise.withResolvers<CloseInfo>();
        pair.one.start({
          onFrame(frame) {
            frames.push(frame[0]!);
            if (frames.length === 2) pair.one.close(4400, "that one");
          },
          onClose: ended.resolve,
        });
        if (!early) { for (const byte of [1, 2, 3, 4]) pair.other.send(Uint8Array.of(byte)); }
        assertEquals(await ended.promise, { code: 4400, reason: "that one", local: true });
        await other.ended();
        await roundTrips();
        assertEquals(frames, [1, 2]);
      });
    }

    it("does nothing when something is sent after the end", async () => {
      await using pair = await connect();
      const [one, other] = [new Listener(pair.one), new Listener(pair.other)];
      pair.one.close(1000, "");
      pair.one.send(Uint8Array.of(1));
      await other.ended();
      pair.other.send(Uint8Array.of(2));
      await roundTrips();
      assertEquals([one.frames.length, other.frames.length], [0, 0]);
    });

    if (!vanishes) return;
    it("tells of a peer that vanished, with code 0 or 1006", async () => {
      await using pair = await connect();
      const one = new Listener(pair.one);
      new Listener(pair.other);
      pair.kill!();
      const { code, local } = await one.ended();
      assert(code === 0 || code === 1006, `${code}`);
      assertEquals(local, false);
      pair.one.send(Uint8Array.of(1));
      assertEquals(one.ends.length, 1);
    });
  });
}

/** Time in which a frame of this process would have gone to and fro on any of the links. */
async function roundTrips(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
}
