import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createActorFuture } from "../../client/actor_future.ts";
import { createFuture } from "../../client/future.ts";
import { createHandle } from "../../client/handle.ts";
import { release } from "../../client/release.ts";
import { ScriptedTarget } from "./scripted_target.ts";

function submitted(released: () => Promise<void>) {
  const source = { fetch: () => Promise.resolve(1), cancel: () => Promise.resolve(), release: released };
  return createFuture({ key: "inc-1", source }).future;
}

function handle() {
  const target = new ScriptedTarget();
  return { target, handle: createHandle({ className: "C", methods: {}, attributes: ["n"] }, target) };
}

describe("release", () => {
  it("gives back a handle, a future, or any collection of them", async () => {
    const one = handle();
    await release(one.handle);
    assertEquals(one.target.asked, [["release"]]);

    const other = handle();
    let count = 0;
    const future = submitted(() => (count++, Promise.resolve()));
    await release(new Set([other.handle, future]));
    assertEquals(other.target.asked, [["release"]]);
    assertEquals(count, 1);
    assertEquals(future.status, "released");
    await release(future);
    assertEquals(count, 1);
  });

  it("waits until all are given back", async () => {
    const gate = Promise.withResolvers<void>();
    let over = false;
    const releasing = release([submitted(() => gate.promise)]).then(() => over = true);
    await Promise.resolve();
    assertEquals(over, false);
    gate.resolve();
    await releasing;
    assertEquals(over, true);
  });

  it("never rejects: not for a lost connection, not for what is nothing to release", async () => {
    const { target, handle: lost } = handle();
    target.failure = new Error("connection lost");
    await release([lost, submitted(() => Promise.reject(new Error("connection lost")))]);
    const call = createActorFuture({ repr: "x" }).future;
    for (const other of [call, null, undefined, 5, "text", {}, [null, call, Promise.resolve()]]) {
      assertEquals(await release(other as never), undefined);
    }
  });
});
