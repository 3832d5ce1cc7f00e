import { assert, assertEquals, assertInstanceOf, assertNotStrictEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { Counter } from "../../examples/counter.ts";
import * as ours from "../../mod.ts";
import { Faulty } from "../fixtures/end_to_end_actors.ts";
import { Folder } from "./folder.ts";

const COUNTER = import.meta.resolve("../../examples/counter.ts");
const FAULTY = import.meta.resolve("../fixtures/end_to_end_actors.ts");

/** Of a user's module, which imports a copy of its own. */
const OBSERVER = `
import { currentWorker, isRemoteError, ActorLostError, remote } from "./library/mod.ts";

export class Observer {
  async worker() {
    return currentWorker().name;
  }
  async fail() {
    throw new ActorLostError("thrown by a user", { worker: "w-9" });
  }
}
remote(import.meta, { Observer });
`;

interface Observer {
  worker(): Promise<string>;
  fail(): Promise<never>;
}

describe("two copies of the library", () => {
  let folder: Folder;
  let theirs: typeof ours;
  let cluster: LocalCluster;
  let client: ours.Client;
  let other: ours.Client;

  beforeAll(async () => {
    folder = await Folder.make({ "observer.ts": OBSERVER });
    theirs = await folder.copyLibrary();
    cluster = await LocalCluster.start({ workers: 1 });
    client = await ours.Client.connect(cluster.address, { token: cluster.token });
    other = await theirs.Client.connect(cluster.address, { token: cluster.token });
  });
  afterAll(async () => {
    await client?.close();
    await other?.close();
    await cluster?.close();
    await folder?.[Symbol.asyncDispose]();
  });

  it("are two", () => {
    assertNotStrictEquals(theirs.Client, ours.Client);
    assertNotStrictEquals(theirs.ActorLostError, ours.ActorLostError);
  });

  it("know each other's errors by instanceof", async () => {
    for (const [one, two] of [[ours, theirs], [theirs, ours]] as const) {
      const lost = new one.ActorLostError("lost", { worker: "w-1" });
      assertInstanceOf(lost, two.ActorLostError);
      assertInstanceOf(lost, two.TroupeError);
      assert(!(lost instanceof two.NoWorkerError));
      assert(!(lost instanceof two.RemoteError) && !two.isRemoteError(lost));
    }
    await using faulty = await other.submit(theirs.remote<typeof Faulty>(`${FAULTY}#Faulty`), { actor: true });
    const error = await assertRejects(async () => await faulty.failOwn(), ours.RemoteError);
    assert(ours.isRemoteError(error));
    const builtIn = await assertRejects(async () => await faulty.fail("no luck"), TypeError);
    assert(ours.isRemoteError(builtIn) && builtIn instanceof ours.RemoteError);
  });

  it("know each other's marks", async () => {
    class Marked {}
    theirs.remote(COUNTER, { Counter: Marked });
    const counter = await client.submit(Marked, { actor: true });
    assertEquals(Object.keys(counter), ["add", "increment", "n"]);
    await ours.release(counter);
  });

  it("know each other's futures and handles", async () => {
    const future = other.submit(theirs.remote<typeof Counter>(`${COUNTER}#Counter`), { actor: true });
    const mine = await client.submit(ours.remote<typeof Counter>(`${COUNTER}#Counter`), { actor: true });
    const { done } = await ours.wait([future]);
    assertEquals(done.length, 1);
    const { one: counter } = await ours.gather({ one: future });
    const calls = [counter.increment(), counter.increment()];
    const values: number[] = [];
    for await (const call of ours.asCompleted(calls)) values.push(await call);
    assertEquals(values, [1, 2]);
    assertEquals(await ours.withOptions(counter, { timeout: 5000 }).add(8), 10);
    // A future of the other copy's client is known for what it is, and never taken for a plain object.
    await assertRejects(async () => await mine.add(counter.n), TypeError, "belongs to another client");
    await ours.release([counter, mine]);
    await assertRejects(async () => await counter.increment(), ours.ActorNotFoundError);
  });

  it("meet on a worker, whose modules import a copy of their own", async () => {
    await using observer = await client.submit(
      ours.remote<new () => Observer>(`${folder.url("observer.ts")}#Observer`),
      { actor: true },
    );
    assertEquals(await observer.worker(), "worker-1");
    const error = await assertRejects(async () => await observer.fail(), ours.ActorLostError);
    assertEquals([error.worker, ours.isRemoteError(error)], ["w-9", true]);
  });
});
