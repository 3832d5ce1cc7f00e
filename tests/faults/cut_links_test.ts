/**
 * Group B of the faults: what becomes of calls when the network fails under them.
 *
 * @module
 */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import fc from "npm:fast-check@^4.10.0";
import { WorkerClient } from "../../client/worker_client.ts";
import { createMemoryTransports } from "../../connection/mod.ts";
import { type Actor, ConnectionLostError } from "../../mod.ts";
import { decodeValue, encodeActorReference, encodeValue, REFERENCE } from "../../protocol/mod.ts";
import { InlineIsolate } from "../../worker/inline_isolate.ts";
import { surroundings } from "../client/scripted_scheduler.ts";
import type { Counter } from "../fixtures/actors/counter.ts";
import { createActor, isolateSettings, NO_SERVICES, orderOf } from "../helpers/isolates.ts";

/** A home with one counter, and a client whose link to it can be cut. */
async function openScene() {
  const isolate = new InlineIsolate({ settings: isolateSettings(), address: "", services: NO_SERVICES });
  const place = { worker: "worker-1", host: "host-1", home: "inline", address: "", hostAddress: "" };
  const reference = { ...place, ...await createActor(isolate, orderOf("counter.ts", "Counter")) };
  let cut = () => {};
  const worker = new WorkerClient({
    address: "unused",
    requestTicket: () => Promise.reject(new Error("unused")),
    surroundings: surroundings(),
    onUnobservedError: () => {},
    dial: () => Promise.reject(new Error("no scheduler")),
    openLocal() {
      const [here, there] = createMemoryTransports();
      isolate.serve(there);
      cut = () => here.abort();
      return here;
    },
  });
  const { bytes } = encodeValue({ [REFERENCE]: true }, {
    reference: () => ({ kind: "actor", key: reference.key, bytes: encodeActorReference(reference) }),
  });
  const counter = decodeValue(bytes.slice(), { owned: false, ...worker.make }) as Actor<Counter>;
  return {
    counter,
    cut: () => cut(),
    async [Symbol.asyncDispose]() {
      worker.close();
      await isolate.close(0);
    },
  };
}

async function letPass(microtasks: number): Promise<void> {
  for (let passed = 0; passed < microtasks; passed++) await Promise.resolve();
}

/** A client that makes calls, and loses its link. */
interface Case {
  readonly calls: number;
  /** After how many microtasks each, the link is cut. */
  readonly moments: readonly number[];
  /** Whether the link stands before. */
  readonly warm: boolean;
}

const CASES: fc.Arbitrary<Case> = fc.record({
  calls: fc.integer({ min: 1, max: 20 }),
  moments: fc.array(fc.nat(60), { minLength: 1, maxLength: 4 }),
  warm: fc.boolean(),
});

/** What became of each call: its outcome, and how often it ran. */
async function play({ calls, moments, warm }: Case): Promise<string[]> {
  await using scene = await openScene();
  const { counter, cut } = scene;
  if (warm) await counter.n;
  // Each adds a digit of its own, to base 3: how often it ran is read from the sum.
  const made = Array.from({ length: calls }, (_, index) => counter.add(3 ** index));
  const outcomes = Promise.allSettled(made);
  for (const moment of moments) {
    await letPass(moment);
    cut();
  }
  const settled = await outcomes;
  const sum = await counter.n;
  return settled.map((outcome, index) => {
    const times = Math.floor(sum / 3 ** index) % 3;
    if (outcome.status === "fulfilled") return `answered, ran ${times} times`;
    assertInstanceOf(outcome.reason, ConnectionLostError);
    return `${outcome.reason.executed}, ran ${times} times`;
  });
}

describe("calls whose link is cut", () => {
  it("22. and 23. run once or never, and `executed` never says otherwise", async () => {
    // Each may wait for a second for word of its host: all at once.
    const cases = fc.sample(CASES, 1000);
    const seen = new Map<string, Case>();
    for (const [index, outcomes] of (await Promise.all(cases.map(play))).entries()) {
      for (const outcome of outcomes) seen.set(outcome, cases[index]!);
    }
    const allowed = ["answered, ran 1 times", "no, ran 0 times", "unknown, ran 0 times", "unknown, ran 1 times"];
    assertEquals([...seen.keys()].sort(), allowed, Deno.inspect(seen));
  });
});
