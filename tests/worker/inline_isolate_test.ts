import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { stub } from "@std/testing/mock";
import { createMemoryTransports } from "../../connection/mod.ts";
import { ResumeKind } from "../../protocol/mod.ts";
import { InlineIsolate } from "../../worker/inline_isolate.ts";
import { guardErrors } from "../../worker/isolate_guard.ts";
import { testIsolateContract } from "../contract/isolate_contract.ts";
import { eventually } from "../helpers/eventually.ts";
import { createActor, isolateSettings, NO_SERVICES, orderOf } from "../helpers/isolates.ts";
import { RawCaller } from "../helpers/raw_caller.ts";

testIsolateContract("inline", {
  start(settings, services = NO_SERVICES) {
    const isolate = new InlineIsolate({ settings: isolateSettings(settings), address: "", services });
    const cleanUp = guardErrors((error) => isolate.reportUnhandled(error));
    return Promise.resolve({
      isolate,
      cleanUp,
      connect() {
        const [here, there] = createMemoryTransports();
        isolate.serve(there);
        return RawCaller.connect(here);
      },
    });
  },
  skipExits: "it would end this process, and does end the host's",
});

describe("actors of one isolate that call each other", () => {
  it("take no socket: nobody is dialled, and nothing is asked of the host", async () => {
    const isolate = new InlineIsolate({ settings: isolateSettings(), address: "", services: NO_SERVICES });
    const actor = await createActor(isolate, orderOf("callers.ts", "Keeper", [1, 2]));
    const [here, there] = createMemoryTransports();
    isolate.serve(there);
    const caller = await RawCaller.connect(here);
    const slot = caller.attach(actor);
    assertEquals(await caller.call(slot, "countBySelf"), 2);
    caller.connection.close();
    await isolate.close(0);
  });
});

describe("a stream whose call has to wait", () => {
  it("hears what its reader said meanwhile: the question for its first item comes with the call", async () => {
    const isolate = new InlineIsolate({ settings: isolateSettings(), address: "", services: NO_SERVICES });
    const actor = await createActor(isolate, orderOf("controlled.ts", "Streamer"));
    const [here, there] = createMemoryTransports();
    isolate.serve(there);
    const caller = await RawCaller.connect(here);
    const slot = caller.attach(actor);
    // The isolate has done enough for this turn: calls wait for the next one.
    isolate.scope.loop.turns.spend(1000);
    const first = Promise.withResolvers<unknown>();
    const { id } = caller.stream(slot, "echo", [], 0, first.resolve);
    caller.resume(slot, id, ResumeKind.next);
    assertEquals(await first.promise, "nothing");
    caller.connection.close();
    await isolate.close(0);
  });
});

describe("an error outside of any call", () => {
  it("is logged with the actor in whose name it ran, also where a timer or a microtask threw", async () => {
    const isolate = new InlineIsolate({ settings: isolateSettings(), address: "", services: NO_SERVICES });
    const unguard = guardErrors((error) => isolate.reportUnhandled(error));
    using log = stub(console, "error", () => {});
    const actor = await createActor(isolate, orderOf("faulty.ts", "Faulty"));
    const [here, there] = createMemoryTransports();
    isolate.serve(there);
    const caller = await RawCaller.connect(here);
    const slot = caller.attach(actor);
    for (const method of ["float", "throwInTimer", "throwInMicrotask"]) await caller.call(slot, method);
    await eventually(3, () => log.calls.length);
    for (const { args } of log.calls) {
      assertMatch(String(args[0]), new RegExp(`Unhandled error of actor ${actor.key} `));
    }
    // What belongs to nobody goes the platform's way, and the functions are as they were when the guard is gone.
    assertEquals(setTimeout.name, "setTimeout");
    unguard();
    caller.connection.close();
    await isolate.close(0);
  });
});
