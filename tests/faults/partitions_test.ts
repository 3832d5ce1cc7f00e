/**
 * Group B of the faults: a worker and its scheduler that do not hear each other, or only one of them.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import type { Transport, TransportReceiver } from "../../connection/mod.ts";
import { WorkerLink } from "../../worker/worker_link.ts";
import { MemoryScheduler, settle } from "../scheduler/peers.ts";
import { workerHello } from "../scheduler/simulation.ts";

/** Which way nothing arrives any more. */
interface Cut {
  /** What the worker says. */
  toScheduler: boolean;
  /** What the scheduler says. */
  toWorker: boolean;
}

/** A scheduler, and the nanny's end of a link to it, which a test may cut without ending it. */
async function openScene() {
  const scheduler = new MemoryScheduler();
  const { clock, server: { state } } = scheduler;
  const cut: Cut = { toScheduler: false, toWorker: false };
  let gaveUp: number | undefined;
  const link = await WorkerLink.open(cuttable(scheduler.connect().transport, cut), {
    hello: workerHello({ name: "a" }),
    clock,
    flushed: Promise.resolve(),
    onDrain() {},
    onRestart() {},
    onClose: () => gaveUp = clock.now(),
  });
  await settle();
  let stop = () => {};
  const beat = () => {
    link.heartbeat({ host: "", memory: 0, lag: 0 });
    stop = clock.setTimer(link.welcome.heartbeatInterval, beat);
  };
  beat();
  return {
    scheduler,
    cut,
    /** Lets time pass until both have given the other up; when each did, from now on. */
    async verdicts(): Promise<{ worker: number; scheduler: number }> {
      const begin = clock.now();
      let lost: number | undefined;
      for (let waited = 0; waited < 20_000 && (gaveUp === undefined || lost === undefined); waited += 50) {
        await clock.advance(50);
        if (state.workers.size === 0) lost ??= clock.now();
      }
      return { worker: gaveUp! - begin, scheduler: lost! - begin };
    },
    close() {
      stop();
      scheduler.close();
    },
  };
}

function cuttable(transport: Transport, cut: Cut): Transport {
  let receiver: TransportReceiver | undefined;
  return {
    policy: transport.policy,
    send: (frame) => cut.toScheduler || transport.send(frame),
    close(code, reason) {
      // Nobody hears of a close that is not delivered: only this end is over.
      if (!cut.toScheduler) return transport.close(code, reason);
      receiver?.onClose({ code, reason, local: true });
      receiver = undefined;
    },
    start(given) {
      receiver = given;
      transport.start({
        onFrame: (frame) => cut.toWorker || receiver?.onFrame(frame),
        onClose: (info) => cut.toWorker && !info.local || receiver?.onClose(info),
      });
    },
  };
}

describe("a worker and a scheduler that do not hear each other", () => {
  it("29. Partition: the worker ends its host a second before the scheduler can give its keys to others", async () => {
    // At whatever moment between pings and heartbeats it happens.
    for (let phase = 0; phase < 6000; phase += 190) {
      const scene = await openScene();
      await scene.scheduler.clock.advance(4000 + phase);
      Object.assign(scene.cut, { toScheduler: true, toWorker: true });
      const { worker, scheduler } = await scene.verdicts();
      assert(worker + 1000 <= scheduler, `after ${phase} ms: worker ${worker} ms, scheduler ${scheduler} ms`);
      assert(worker > 5000 && scheduler <= 12_000, `after ${phase} ms: worker ${worker} ms, scheduler ${scheduler} ms`);
      scene.close();
    }
  });

  for (const way of ["toScheduler", "toWorker"] as const) {
    it(`30. Asymmetric partition (nothing arrives ${way}): it is settled, and the next worker is taken`, async () => {
      const scene = await openScene();
      const { scheduler } = scene;
      await scheduler.clock.advance(4000);
      const client = scheduler.client();
      client.submit("Counter-1", { workers: ["a"], allowOtherWorkers: false });
      assertEquals((await client.status()).body.status, "no-worker", "its host has not joined");
      scene.cut[way] = true;
      const { worker, scheduler: lost } = await scene.verdicts();
      assert(Math.max(worker, lost) <= 12_000, `worker ${worker} ms, scheduler ${lost} ms`);
      const { host } = await scheduler.worker("a", "a-2");
      assertEquals((await host.next("create")).key, "Counter-1");
      scene.close();
    });
  }
});
