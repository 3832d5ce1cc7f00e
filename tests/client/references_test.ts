import { assertEquals } from "@std/assert";
import { afterEach, describe, it } from "@std/testing/bdd";
import type { Actor } from "../../client/types.ts";
import { release } from "../../client/release.ts";
import { closeClients, ScriptedScheduler, settle } from "./scripted_scheduler.ts";

class Counter {
  increment(): unknown {
    return undefined;
  }
}

describe("a handle in the result of a call", () => {
  afterEach(closeClients);

  async function setUp() {
    const scheduler = new ScriptedScheduler();
    const { client } = scheduler.connect();
    const future = client.submit(Counter, { actor: true });
    scheduler.start((await scheduler.submitted()).key);
    return { scheduler, counter: await future as Actor<Counter> };
  }

  it("is reported as taken when the scheduler has heard who holds it, and no sooner", async () => {
    const { scheduler, counter } = await setUp();
    const heard = Promise.withResolvers<void>();
    scheduler.requests.sync = () => heard.promise.then(() => ({}));
    const call = counter.increment();
    const { id } = await scheduler.calls.next();
    scheduler.give({ id }, "other");
    const [other] = await call as [Actor<Counter>];
    await settle();
    assertEquals(scheduler.log, ["submit", "held", "request sync"]);
    assertEquals((await scheduler.next("held")).keys, ["other"]);
    heard.resolve();
    await settle();
    assertEquals(scheduler.log.slice(3), [`taken ${id}`]);
    // What is held already the scheduler knows.
    const again = counter.increment();
    const next = await scheduler.calls.next();
    scheduler.give(next, "other");
    await again;
    await settle();
    assertEquals(scheduler.log.slice(4), [`taken ${next.id}`]);
    await release(other);
  });

  it("is reported as taken where nobody wants it", async () => {
    const { scheduler, counter } = await setUp();
    const call = counter.increment();
    const { id } = await scheduler.calls.next();
    call.cancel();
    await call.catch(() => {});
    scheduler.give({ id }, "other");
    await settle();
    assertEquals(scheduler.log, ["submit", `taken ${id}`]);
  });
});
