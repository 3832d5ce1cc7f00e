import { assertEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  dataHolders,
  decodeBody,
  decodeError,
  dependenciesBody,
  encodeBody,
  type MessageOf,
  REQUESTS,
  type SubmitBody,
  UnauthorizedError,
} from "../../protocol/mod.ts";
import { MemoryScheduler, Peer, settle, VERSIONS } from "./peers.ts";
import { submission } from "./simulation.ts";

const LARGE = new Uint8Array(2_000).fill(7);

function submitTask(
  client: Peer,
  key: string,
  refs: string[] = [],
  holder: string | undefined = undefined,
  more: Partial<SubmitBody> = {},
): void {
  const body = encodeBody(submission({ actor: false, ...more }));
  client.send({ op: "submit", key, body, args: new Uint8Array([1]), refs, holder, chain: [] });
}

function computed(host: Peer, { key, run }: MessageOf<"compute">, value: Uint8Array, refs: string[] = []): void {
  const small = value.length <= 1024 ? value : undefined;
  host.send({ op: "computed", key, run, size: value.length, value: small, refs, took: 10 });
}

async function statusWords(client: Peer, count: number): Promise<string[]> {
  const words = [];
  for (let index = 0; index < count; index++) words.push((await client.status()).body.status);
  return words;
}

describe("a task over links", () => {
  it("goes from submit to its value, which is small, and to nothing", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    submitTask(client, "t");
    const order = await host.next("compute");
    assertEquals([order.key, order.args], ["t", new Uint8Array([1])]);
    computed(host, order, new Uint8Array([5]));
    const { body } = await client.status();
    assertEquals([body.status, body.value, body.size], ["finished", new Uint8Array([5]), 1]);
    client.send({ op: "release", keys: ["t"], holder: undefined });
    await settle();
    assertEquals([scheduler.server.state.keys.size, host.received], [0, []]);
    scheduler.close();
  });

  it("is said to run where it does for a while, and not where it is done at once", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    submitTask(client, "slow");
    const order = await host.next("compute");
    await scheduler.clock.advance(30);
    submitTask(client, "quick");
    computed(host, await host.next("compute"), new Uint8Array([5]));
    submitTask(client, "late");
    const late = await host.next("compute");
    await scheduler.clock.advance(30);
    const words = [await client.status(), await client.status()].map(({ key, body }) => `${key} ${body.status}`);
    assertEquals(words, ["quick finished", "slow processing"]);
    await scheduler.clock.advance(20);
    computed(host, late, new Uint8Array([5]));
    computed(host, order, new Uint8Array([5]));
    assertEquals(await statusWords(client, 3), ["processing", "finished", "finished"]);
    scheduler.close();
  });

  it("is forgotten by its host where its value is large", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    submitTask(client, "t");
    const order = await host.next("compute");
    computed(host, order, LARGE);
    assertEquals(await statusWords(client, 1), ["finished"]);
    client.send({ op: "release", keys: ["t"], holder: undefined });
    const { key, run } = await host.next("forget");
    assertEquals([key, run], ["t", order.run]);
    scheduler.close();
  });

  it("is copied to another host where its own leaves, which may go then", async () => {
    const scheduler = new MemoryScheduler();
    const { host: other } = await scheduler.worker("b");
    const { host, nanny } = await scheduler.worker("a");
    const client = scheduler.client();
    submitTask(client, "t", [], undefined, { workers: ["a"] });
    const order = await host.next("compute");
    computed(host, order, LARGE);
    assertEquals(await statusWords(client, 1), ["finished"]);
    nanny.send({ op: "drain", timeout: 1000 });
    const copy = await other.next("copy");
    const [holder] = decodeBody(dataHolders, copy.holders, "holders");
    assertEquals([copy.key, copy.run, holder!.host], ["t", order.run, "a-1"]);
    let left = false;
    const leave = host.request(1, "leave", {}, REQUESTS.leave.answered).then(() => left = true);
    await settle();
    assertEquals(left, false);
    other.send({ op: "copied", key: "t", run: copy.run });
    await leave;
    nanny.close();
    const located = await client.request(1, "locate", { key: "t" }, REQUESTS.locate.answered);
    assertEquals(located.holders.map(({ host }) => host), ["b-1"]);
    scheduler.close();
  });

  it("says where a large dependency is, and asks again where it cannot be fetched", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    submitTask(client, "t");
    computed(host, await host.next("compute"), LARGE);
    submitTask(client, "next", ["t"]);
    const order = await host.next("compute");
    const [dependency] = decodeBody(dependenciesBody, order.dependencies!, "dependencies");
    assertEquals([dependency!.value, dependency!.holders[0]!.host], [undefined, "a-1"]);
    const { key, run } = order;
    host.send({ op: "computeFailed", key, run, executed: 0, error: new Uint8Array(), missing: ["t"] });
    await settle();
    await scheduler.clock.advance(100);
    computed(host, await host.next("compute"), new Uint8Array([5]));
    assertEquals(await statusWords(client, 3), ["finished", "processing", "finished"]);
    scheduler.close();
  });

  it("waits for the result of a call, and is cancelled when its client closes", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.send({ op: "external", keys: ["call"] });
    submitTask(client, "t", ["call"]);
    client.send({ op: "fulfil", key: "call", ok: 1, value: new Uint8Array([1]), refs: [] });
    const order = await host.next("compute");
    const [dependency] = decodeBody(dependenciesBody, order.dependencies!, "dependencies");
    assertEquals(dependency!.value, new Uint8Array([1]));
    client.close();
    assertEquals((await host.next("cancelCompute")).run, order.run);
    scheduler.close();
  });

  it("finds data that was scattered", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.send({ op: "scatter", key: "data", body: encodeBody({}), value: LARGE, refs: [] });
    const { run, value } = await host.next("store");
    assertEquals(value, LARGE);
    host.send({ op: "stored", key: "data", run });
    assertEquals(await statusWords(client, 1), ["finished"]);
    const located = await client.request(1, "locate", { key: "data" }, REQUESTS.locate.answered);
    assertEquals(located.holders.map(({ host }) => host), ["a-1"]);
    scheduler.close();
  });
});

describe("an isolate", () => {
  it("comes in with a ticket that its host asked for, holds for its actors, and ends with its host", async () => {
    const scheduler = new MemoryScheduler();
    const { host, nanny } = await scheduler.worker("a");
    const client = scheduler.client();
    client.submit("Counter-1");
    const { key, incarnation } = await host.next("create");
    const { ticket } = await host.request(1, "clientTicket", {}, REQUESTS.clientTicket.answered);
    const claims = scheduler.server.tickets.redeem(ticket)!;
    assertEquals([claims.role, claims.host], ["client", "a-1"]);
    const { transport } = scheduler.connect({ kind: "ticket", claims });
    const isolate = new Peer(transport, "client", VERSIONS);
    submitTask(isolate, "t", [], key);
    computed(host, await host.next("compute"), new Uint8Array([5]));
    assertEquals(await statusWords(isolate, 1), ["finished"]);
    host.send({ op: "ended", key, incarnation, reason: "isolate-exit" });
    await settle();
    assertEquals(scheduler.server.state.keys.size, 0);
    nanny.send({ op: "hostEnded", incarnation: "a-1", reason: "oom" });
    await settle();
    assertEquals(scheduler.server.state.clients.size, 1);
    scheduler.close();
  });

  it("of a host that has ended is sent away", async () => {
    const scheduler = new MemoryScheduler();
    const { host, nanny } = await scheduler.worker("a");
    const { ticket } = await host.request(1, "clientTicket", {}, REQUESTS.clientTicket.answered);
    const claims = scheduler.server.tickets.redeem(ticket)!;
    nanny.send({ op: "hostEnded", incarnation: "a-1", reason: "oom" });
    await settle();
    const { transport } = scheduler.connect({ kind: "ticket", claims });
    assertEquals((await new Peer(transport, "client", VERSIONS).closed).code, 4403);
    scheduler.close();
  });

  it("gets no ticket by asking for itself", async () => {
    const scheduler = new MemoryScheduler();
    const client = scheduler.client();
    client.send({ op: "request", id: 1, name: "clientTicket", body: encodeBody({}) });
    const { ok, body } = await client.next("answer");
    assertEquals([ok, decodeError(body) instanceof UnauthorizedError], [0, true]);
    scheduler.close();
  });
});
