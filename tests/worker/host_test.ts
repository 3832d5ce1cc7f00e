import { assertEquals, assertInstanceOf, assertNotEquals, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { ActorLostError, ModuleLoadError, ModuleNotAllowedError } from "../../protocol/mod.ts";
import { startWorker, type Worker, type WorkerOptions } from "../../worker/mod.ts";
import { CreateFailed, type FakeHost, type FakeOrder, FakeScheduler } from "../helpers/fake_scheduler.ts";

const COUNTER = { module: import.meta.resolve("../fixtures/actors/counter.ts"), export: "Counter" };
const GUEST = { module: import.meta.resolve("../fixtures/actors/host_faults.ts"), export: "Guest" };

let scheduler: FakeScheduler;
let worker: Worker;
let host: FakeHost;
let folder: string;

async function start(options: WorkerOptions = {}): Promise<void> {
  scheduler = await FakeScheduler.start();
  worker = await startWorker({ scheduler: scheduler.address, token: scheduler.token, isolates: 2, ...options });
  host = await scheduler.hosts.next();
  folder = await Deno.makeTempDir();
}

async function stop(): Promise<void> {
  await worker.kill();
  await scheduler[Symbol.asyncDispose]();
  await Deno.remove(folder, { recursive: true });
}

/** Writes a module of the test's folder; its time differs from that of any state before. */
let written = 0;
async function write(name: string, source: string): Promise<string> {
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, source);
  await Deno.utime(path, 1_700_000_000, 1_700_000_000 + ++written);
  return new URL(`file://${path}`).href;
}

function counterSource(step: number, asynchronous = false): string {
  return `export class Counter { n = 0; ${asynchronous ? "async " : ""}increment() { return this.n += ${step}; } }`;
}

async function refusal(order: FakeOrder): Promise<Error> {
  return (await assertRejects(() => host.create(order), CreateFailed)).cause;
}

describe("a host", () => {
  beforeAll(() => start());
  afterAll(stop);

  it("creates actors in homes that callers reach directly and by relay", async () => {
    const actor = await host.create({ target: COUNTER, args: [10] });
    assertEquals([actor.home, actor.homeKind], ["shared-1", "shared"]);
    assertNotEquals(actor.address, worker.address);
    const direct = await host.direct(actor.address, actor.home);
    const relayed = host.relayed(actor.home);
    assertEquals([await direct.call(actor, "increment"), await relayed.call(actor, "increment")], [11, 12]);
    direct.close();
    relayed.close();
  });

  it("runs classes of async methods on its own event loop, at its own address", async () => {
    const actor = await host.create({ target: GUEST, home: "inline" });
    assertEquals([actor.home, actor.homeKind, actor.address], ["inline", "inline", worker.address]);
    const direct = await host.direct(actor.address, actor.home);
    assertEquals(await direct.call(actor, "echo", "here"), "here");
    direct.close();
  });

  it("moves a class with sync methods away from its event loop", async () => {
    assertEquals((await host.create({ target: COUNTER, home: "inline" })).homeKind, "shared");
  });

  it("disposes of actors, and says so", async () => {
    assertEquals(await host.destroy(await host.create({ target: COUNTER })), "released");
  });

  it("lives on when an actor leaves a rejection to itself", async () => {
    const actor = await host.create({ target: GUEST, home: "inline" });
    assertEquals(await host.relayed("inline").call(actor, "floatRejection"), "alive");
  });

  it("reports its isolates and classes once a second", async () => {
    await host.create({ target: COUNTER });
    const { body } = await host.next("report");
    assertNotEquals(body.length, 0);
  });

  it("refuses a module that is not allowed before anyone looks at it", async () => {
    const error = await refusal({ target: { module: "https://paste.example/counter.ts", export: "Counter" } });
    assertInstanceOf(error, ModuleNotAllowedError);
  });

  it("starts a process for one actor, and ends it with the actor", async () => {
    const actor = await host.create({ target: COUNTER, home: "process" });
    assertEquals([actor.home, actor.homeKind], ["process-1", "process"]);
    const direct = await host.direct(actor.address, actor.home);
    assertEquals(await direct.call(actor, "increment"), 1);
    assertEquals(await host.relayed(actor.home).call(actor, "increment"), 2);
    assertEquals(await host.destroy(actor), "released");
    assertNotEquals((await direct.closed).code, 0);
  });

  it("turns away channels to a home that is not there", async () => {
    assertEquals((await host.relayed("shared-99").closed).code, 4410);
  });

  it("tells of the actors of an isolate that exits, and replaces it", async () => {
    const faulty = await write(
      "exits.ts",
      "export class Exits { n = 0; leave() { Deno.exit(0); } look() { return ++this.n; } }",
    );
    const order: FakeOrder = { target: { module: faulty, export: "Exits" } };
    const actor = await host.create(order);
    const error = await assertRejects(() => host.relayed(actor.home).call(actor, "leave"));
    assertInstanceOf(error, ActorLostError);
    const ended = await host.next("ended", ({ incarnation }) => incarnation === actor.incarnation);
    assertEquals(ended.reason, "isolate-exit");
    const again = await host.create(order);
    assertEquals(await host.relayed(again.home).call(again, "look"), 1);
  });
});

describe("code that is edited while a worker lives", () => {
  beforeAll(() => start({ isolates: 1 }));
  afterAll(stop);

  async function increment(order: FakeOrder): Promise<unknown[]> {
    const actor = await host.create(order);
    return [actor.home, await host.relayed(actor.home).call(actor, "increment")];
  }

  it("runs anew in a new isolate, while old actors go on with theirs", async () => {
    const module = await write("counter.ts", counterSource(1));
    const order: FakeOrder = { target: { module, export: "Counter" } };
    const old = await host.create(order);
    const caller = host.relayed(old.home);
    assertEquals(await caller.call(old, "increment"), 1);
    await write("counter.ts", counterSource(10));
    assertEquals(await increment(order), ["shared-2", 10]);
    assertEquals(await caller.call(old, "increment"), 2);
    await host.destroy(old);
    await caller.closed;
  });

  it("runs anew when only a module that it imports was edited", async () => {
    await write("step.ts", "export const step = 1;");
    const module = await write(
      "uses_step.ts",
      'import { step } from "./step.ts"; export class Counter { n = 0; increment() { return this.n += step; } }',
    );
    const order: FakeOrder = { target: { module, export: "Counter" } };
    const [home, first] = await increment(order);
    await write("step.ts", "export const step = 5;");
    const [nextHome, second] = await increment(order);
    assertEquals([first, second], [1, 5]);
    assertNotEquals(nextHome, home);
  });

  it("runs anew in an isolate of its own where it lived on the host's event loop", async () => {
    const module = await write("async_counter.ts", counterSource(1, true));
    const order: FakeOrder = { target: { module, export: "Counter" }, home: "inline" };
    assertEquals(await increment(order), ["inline", 1]);
    await write("async_counter.ts", counterSource(10, true));
    assertEquals(await increment(order), ["inline-2", 10]);
    assertEquals(await increment(order), ["inline-2", 10]);
  });

  it("runs once it is repaired, or once it is there at all", async () => {
    const module = await write("broken.ts", "export class Counter { increment( { }");
    const order: FakeOrder = { target: { module, export: "Counter" } };
    assertInstanceOf(await refusal(order), ModuleLoadError);
    await write("broken.ts", 'import { step } from "./late.ts"; export class Counter { increment() { return step; } }');
    assertInstanceOf(await refusal(order), ModuleLoadError);
    await write("late.ts", "export const step = 3;");
    assertEquals((await increment(order))[1], 3);
  });
});

describe("a remote module", () => {
  let server: Deno.HttpServer<Deno.NetAddr>;
  let edition = 1;

  beforeAll(async () => {
    server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      const source = `export class Edition { number() { return ${edition}; } }`;
      return new Response(source, { headers: { "content-type": "text/javascript" } });
    });
    await start({ allowModules: [`http://127.0.0.1:${server.addr.port}`] });
  });
  afterAll(async () => {
    await stop();
    await server.shutdown();
  });

  it("stays as it was first loaded until its user names another version", async () => {
    const module = `http://127.0.0.1:${server.addr.port}/edition.js`;
    const number = async (version: string) => {
      const actor = await host.create({ target: { module, export: "Edition", version } });
      return await host.relayed(actor.home).call(actor, "number");
    };
    assertEquals(await number("a"), 1);
    edition = 2;
    assertEquals([await number("a"), await number("b"), await number("b")], [1, 2, 2]);
  });
});

describe("a worker with a single port", () => {
  beforeAll(() => start({ singlePort: true, contactAddress: "localhost" }));
  afterAll(stop);

  it("takes callers of every home there", async () => {
    const actor = await host.create({ target: COUNTER });
    const { port } = new URL(worker.address);
    assertEquals(worker.address, `ws://localhost:${port}/ws`);
    assertEquals(actor.address, `ws://localhost:${port}/ws/${actor.home}`);
    const direct = await host.direct(actor.address, actor.home);
    assertEquals(await direct.call(actor, "increment"), 1);
    direct.close();
  });

  it("takes no ticket for another home", async () => {
    const actor = await host.create({ target: COUNTER });
    await assertRejects(() => host.direct(actor.address, "inline"));
  });
});
