import { assertEquals, assertLess, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createMemoryTransports, platformClock } from "../../connection/mod.ts";
import { ActorStartError } from "../../protocol/mod.ts";
import type { HomeGrants } from "../../worker/home_permissions.ts";
import type { Isolate, IsolateSettings } from "../../worker/isolate.ts";
import { Launch } from "../../worker/launch.ts";
import { ProcessHomes } from "../../worker/process_homes.ts";
import { startProcessIsolate } from "../../worker/process_isolate.ts";
import { SecretListener } from "../../worker/secret_listener.ts";
import { resolveOptions } from "../../worker/settings.ts";
import { testIsolateContract } from "../contract/isolate_contract.ts";
import {
  computeIn,
  createActor,
  createTicketSigner,
  dialCaller,
  isolateSettings,
  NO_SERVICES,
  orderOf,
  resultOf,
  taskOf,
} from "../helpers/isolates.ts";
import { isAlive } from "../helpers/processes.ts";
import { RawCaller } from "../helpers/raw_caller.ts";

/** A nanny's part in starting processes, and a host's. */
async function start(
  settings: Partial<IsolateSettings> = {},
  options: { readonly memoryLimit?: number; readonly grants?: HomeGrants; readonly services?: typeof NO_SERVICES } = {},
) {
  const listener = new SecretListener(platformClock);
  const launch = new Launch(resolveOptions({ scheduler: "ws://127.0.0.1:9", token: "" }), true);
  const homes = new ProcessHomes({ launch, listener, memoryLimit: 0, clock: platformClock });
  const stop = async () => {
    await homes.end("killed");
    await listener[Symbol.asyncDispose]();
  };
  try {
    const isolate = await startProcessIsolate({
      home: "process-1",
      kind: "process",
      address: "",
      settings: isolateSettings(settings),
      services: options.services ?? NO_SERVICES,
      clock: platformClock,
      listener,
      starter: {
        start: async (order) => await homes.start(order),
        ended: (home) => homes.ended(home),
        kill: (home) => homes.kill(home),
      },
      memoryLimit: options.memoryLimit,
      grants: options.grants,
    });
    return { isolate, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

testIsolateContract("a process", {
  async start(settings, services = NO_SERVICES) {
    const signer = await createTicketSigner();
    const { isolate, stop } = await start({ publicKey: signer.publicKey, ...settings }, { services });
    return {
      isolate,
      connect: async () => await dialCaller(isolate.address, await signer.sign({ home: "process-1" })),
      cleanUp: stop,
    };
  },
});

describe("a process that is one home", () => {
  const relayed = (options: Parameters<typeof start>[1] = {}) => start({ listen: undefined }, options);

  async function attach(isolate: Isolate, ...order: Parameters<typeof orderOf>) {
    const [here, there] = createMemoryTransports();
    isolate.serve(there);
    const caller = await RawCaller.connect(here);
    return { caller, slot: caller.attach(await createActor(isolate, orderOf(...order))) };
  }

  it("is killed when it is stuck, whatever its calls say", async () => {
    const { isolate, stop } = await relayed();
    const { caller, slot } = await attach(isolate, "saboteur.ts", "Saboteur");
    const started = performance.now();
    const outcome = caller.outcome(slot, "spin", [], { deadline: 100 });
    assertEquals((await isolate.ended).reason, "host-stuck");
    assertLess(performance.now() - started, 3000);
    assertEquals((await outcome).ok, false);
    await stop();
  });

  it("is killed at its own limit of memory", async () => {
    const { isolate, stop } = await relayed({ memoryLimit: 200 * 2 ** 20 });
    const { caller, slot } = await attach(isolate, "busy.ts", "Hungry");
    const outcomes = [caller.outcome(slot, "eat", [])];
    assertEquals((await isolate.ended).reason, "oom");
    assertEquals((await Promise.all(outcomes)).map(({ ok }) => ok), [false]);
    await stop();
  });

  it("is gone with its host: nothing of it outlives the connection", async () => {
    const { isolate, stop } = await relayed();
    const { caller, slot } = await attach(isolate, "busy.ts", "Hungry");
    const pid = await caller.call(slot, "pid") as number;
    assertEquals(isAlive(pid), true);
    await stop();
    assertEquals(isAlive(pid), false);
    await isolate.ended;
  });

  it("may do what is granted, and no more", async () => {
    const fixtures = decodeURIComponent(new URL("../../", import.meta.url).pathname);
    const grants: HomeGrants = { permissions: { env: ["HOME"] }, net: ["127.0.0.1:0"], read: [fixtures] };
    const { isolate, stop } = await relayed({ grants });
    const { caller, slot } = await attach(isolate, "busy.ts", "Hungry");
    assertEquals(await caller.call(slot, "tries"), ["HOME", "NotCapable", "NotCapable", "NotCapable"]);
    caller.close();
    await isolate.close(100);
    await stop();
  });

  it("does not start where it is to do more than its host may", async () => {
    const grants: HomeGrants = { permissions: { run: true }, net: [], read: [] };
    const error = await assertRejects(() => relayed({ grants }), ActorStartError);
    assertMatch(error.message, /Cannot start the process process-1: Cannot grant run: .*--allow run/);
    assertEquals(error.executed, "no");
  });

  it("runs tasks with the values that they depend on", async () => {
    const { isolate, stop } = await relayed();
    assertEquals(resultOf(await computeIn(isolate, taskOf("tasks.ts", "add", [1, 2]))), 3);
    await isolate.close(100);
    await stop();
  });
});
