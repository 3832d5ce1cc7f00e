import { assertEquals, assertGreater, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createMemoryTransports } from "../../connection/mod.ts";
import { ActorLostError } from "../../protocol/mod.ts";
import { startWebWorkerIsolate } from "../../worker/web_worker_isolate.ts";
import { testIsolateContract } from "../contract/isolate_contract.ts";
import {
  createActor,
  createTicketSigner,
  dialCaller,
  isolateSettings,
  NO_SERVICES,
  orderOf,
  taskOf,
} from "../helpers/isolates.ts";
import { RawCaller } from "../helpers/raw_caller.ts";

const REPOSITORY = decodeURIComponent(new URL("../../", import.meta.url).pathname);

testIsolateContract("a Web Worker with a server of its own", {
  async start(settings, services = NO_SERVICES) {
    const signer = await createTicketSigner();
    const isolate = await startWebWorkerIsolate({
      home: "shared-1",
      kind: "shared",
      settings: isolateSettings({ publicKey: signer.publicKey, ...settings }),
      services,
    });
    return { isolate, connect: async () => await dialCaller(isolate.address, await signer.sign()) };
  },
});

testIsolateContract("a Web Worker whose calls are relayed", {
  async start(settings, services = NO_SERVICES) {
    const isolate = await startWebWorkerIsolate({
      home: "shared-1",
      kind: "shared",
      settings: isolateSettings({ listen: undefined, ...settings }),
      services,
    });
    return {
      isolate,
      connect() {
        const [here, there] = createMemoryTransports();
        isolate.serve(there);
        return RawCaller.connect(here);
      },
    };
  },
});

testIsolateContract("a Web Worker with permissions of its own", {
  async start(settings, services = NO_SERVICES) {
    const signer = await createTicketSigner();
    const isolate = await startWebWorkerIsolate({
      home: "dedicated-1",
      kind: "dedicated",
      settings: isolateSettings({ publicKey: signer.publicKey, ...settings }),
      services,
      // One test posts what it sees.
      grants: { permissions: "none", net: ["127.0.0.1:0", "127.0.0.1"], read: [REPOSITORY] },
    });
    return {
      isolate,
      connect: async () => await dialCaller(isolate.address, await signer.sign({ home: "dedicated-1" })),
    };
  },
});

describe("a Web Worker isolate", () => {
  const relayed = () =>
    startWebWorkerIsolate({
      home: "shared-1",
      kind: "shared",
      settings: isolateSettings({ listen: undefined }),
      services: NO_SERVICES,
    });

  async function connectTo(isolate: Awaited<ReturnType<typeof relayed>>): Promise<RawCaller> {
    const [here, there] = createMemoryTransports();
    isolate.serve(there);
    return await RawCaller.connect(here);
  }

  it("has an address of its own where it listens, and none where it does not", async () => {
    const one = await relayed();
    const other = await startWebWorkerIsolate({
      home: "shared-2",
      kind: "shared",
      settings: isolateSettings({ listen: { hostname: "127.0.0.1", contactHostname: "worker.example" } }),
      services: NO_SERVICES,
    });
    assertEquals([one.address, one.home, one.kind], ["", "shared-1", "shared"]);
    assertMatch(other.address, /^ws:\/\/worker\.example:\d+\/$/);
    await Promise.all([one.close(100), other.close(100)]);
  });

  it("fails to start, in words, where it cannot listen", async () => {
    const listen = { hostname: "192.0.2.1", contactHostname: "192.0.2.1" };
    const starting = startWebWorkerIsolate({
      home: "shared-1",
      kind: "shared",
      settings: isolateSettings({ listen }),
      services: NO_SERVICES,
    });
    const error = await assertRejects(() => starting, Error);
    assertMatch(error.message, /Cannot start the isolate shared-1: .*requested address/);
  });

  it("leaves user code no way to change the permissions of the process", async () => {
    const isolate = await relayed();
    const caller = await connectTo(isolate);
    const slot = caller.attach(await createActor(isolate, orderOf("saboteur.ts", "Saboteur")));
    assertEquals(await caller.call(slot, "permissionChanges"), ["query"]);
    caller.close();
    await isolate.close(20);
  });

  it("keeps time and takes orders after user code replaced timers and messaging", async () => {
    const isolate = await relayed();
    const caller = await connectTo(isolate);
    const slot = caller.attach(await createActor(isolate, orderOf("saboteur.ts", "Saboteur")));
    await caller.call(slot, "breakTimers");
    const outcome = await caller.outcome(slot, "hang", [], { deadline: 10 });
    assertEquals(outcome.ok ? undefined : outcome.error.name, "TimeoutError");
    assertEquals(isolate.counters.read().classes[0]?.actors, 1);
    caller.close();
    await isolate.close(20);
  });

  it("ends in time although a dispose hook hangs, and a sync method spins", async () => {
    for (const method of ["hang", "spin"]) {
      const isolate = await relayed();
      const caller = await connectTo(isolate);
      const slot = caller.attach(await createActor(isolate, orderOf("saboteur.ts", "Saboteur")));
      const pending = caller.outcome(slot, method);
      const started = performance.now();
      await isolate.close(50);
      assertGreater(900, performance.now() - started);
      assertEquals((await pending).ok, false);
      assertNotEquals((await caller.closed).code, 0);
      assertEquals((await isolate.ended).reason, "drained");
    }
  });

  it("ends at an exit although the method that asked for it goes on", async () => {
    const isolate = await relayed();
    const caller = await connectTo(isolate);
    const order = orderOf("faulty.ts", "Leaver");
    const slot = caller.attach(await createActor(isolate, order));
    const pending = caller.outcome(slot, "leaveAndSpin");
    assertEquals((await isolate.ended).reason, "isolate-exit");
    assertEquals((await pending).ok, false);
    assertEquals((await caller.closed).code, 4410);
  });

  it("runs tasks one after the other, and tells of results while a function holds it up, and what has not begun", async () => {
    const isolate = await relayed();
    const source =
      "export const work = (_name, until) => { const n = Date.now(); while (Date.now() < until); return n; };";
    const url = `data:text/javascript,${encodeURIComponent(source)}`;
    const told: string[] = [];
    const all = new Map<string, Promise<void>>();
    const give = (key: string, until: number) => {
      all.set(
        key,
        new Promise((resolve) =>
          isolate.compute(taskOf(url, "work", ["", until], { key }), {
            wait() {},
            settle: ({ ok }) => (told.push(`${key} ${ok ? "done" : "failed"}`), resolve()),
            lose: (begun) => (told.push(`${key} lost${begun ? "" : " before it began"}`), resolve()),
          })
        ),
      );
    };
    give("load", 0);
    await all.get("load");
    const until = Date.now() + 600;
    for (const key of ["quick", "slow", "behind", "last"]) give(key, key === "slow" ? until : 0);
    while (!told.includes("quick done")) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      isolate.look();
    }
    assertEquals(isolate.withdraw(), 2);
    assertGreater(until, Date.now(), "while the slow one runs");
    await all.get("slow");
    give("again", 0);
    await all.get("again");
    assertEquals(told, ["load done", "quick done", "slow done", "again done"]);
    for (const key of ["endless", "never"]) give(key, key === "endless" ? Infinity : 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await isolate.close(0);
    assertEquals(told.slice(4), ["endless lost", "never lost before it began"]);
  });

  it("refuses everything after its end, and says that nothing ran", async () => {
    const isolate = await relayed();
    await isolate.close(100);
    const error = await assertRejects(() => isolate.create(orderOf("counter.ts", "Counter")), ActorLostError);
    assertEquals(error.executed, "no");
    await isolate.destroy("Counter-1", "1234", "released");
    const [here, there] = createMemoryTransports();
    isolate.serve(there);
    await assertRejects(() => RawCaller.connect(here), Error, "has ended");
  });
});
