import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { greet } from "../../connection/mod.ts";
import {
  ActorNotFoundError,
  clientWelcome,
  CloseCode,
  decodeBody,
  decodeError,
  encodeBody,
  parseTicket,
  REQUESTS,
  type SchedulerSnapshot,
  TROUPE_VERSION,
  workerWelcome,
} from "../../protocol/mod.ts";
import { TicketVerifier } from "../../scheduler/tickets.ts";
import { claimsOf, createdBy, MemoryScheduler, Peer, settle, VERSIONS } from "./peers.ts";
import { workerHello } from "./simulation.ts";

describe("a client's link", () => {
  it("is welcomed with what the client needs to know", async () => {
    const scheduler = new MemoryScheduler();
    scheduler.server.dashboard = "http://127.0.0.1:1/";
    const sessions = new Set<number>();
    for (let index = 0; index < 3; index++) {
      const { version, body } = await scheduler.client().welcome;
      const welcome = decodeBody(clientWelcome, body, "welcome");
      assertEquals([version, welcome.troupe, welcome.scheduler], [1, TROUPE_VERSION, scheduler.server.id]);
      assertEquals([welcome.dashboard, welcome.pingInterval], ["http://127.0.0.1:1/", 3000]);
      sessions.add(welcome.sessionNumber);
    }
    assertEquals(sessions.size, 3);
    scheduler.close();
  });

  it("carries a creation from submit to a reference with a ticket for the home, and back to nothing", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.submit("Counter-1");
    const create = await host.next("create");
    assertEquals([create.key, create.args, create.refs], ["Counter-1", new Uint8Array([1, 2, 3]), []]);
    createdBy(host, create);
    assertEquals((await client.status()).body.status, "processing");
    const { key, body } = await client.status();
    assertEquals([key, body.status, body.actor!.incarnation], ["Counter-1", "finished", create.incarnation]);
    const { claims } = parseTicket(body.ticket!)!;
    assertEquals([claims.role, claims.worker, claims.host, claims.home], ["caller", body.actor!.worker, "a-1", "main"]);
    const verifier = new TicketVerifier(scheduler.server.tickets.publicKey, Date.now);
    assert(verifier.redeem(body.ticket!));
    client.send({ op: "release", keys: ["Counter-1"], holder: undefined });
    const { incarnation } = await host.next("destroy");
    host.send({ op: "ended", key: "Counter-1", incarnation, reason: "released" });
    await settle();
    assertEquals(scheduler.server.state.actors.size, 0);
    scheduler.close();
  });

  it("passes on the error of a creation that failed", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.submit("Counter-1");
    const { incarnation } = await host.next("create");
    const error = new Uint8Array([0xc0]);
    host.send({ op: "createFailed", key: "Counter-1", incarnation, executed: 0, error });
    await client.status();
    const { body } = await client.status();
    assertEquals([body.status, body.executed, body.error], ["error", "no", error]);
    scheduler.close();
  });

  it("gives up its actors at once when the client closes, and after ten seconds when it breaks", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    for (const end of ["close", "cut"] as const) {
      const client = scheduler.client();
      client.submit(`of ${end}`);
      createdBy(host, await host.next("create"));
      await client.next("status");
      await client.next("status");
      client[end]();
    }
    assertEquals((await host.next("destroy")).key, "of close");
    await scheduler.clock.advance(9_900);
    assertEquals(scheduler.server.state.actors.get("of cut")?.state, "running");
    host.send({ op: "report", body: encodeBody({ isolates: 0, classes: [] }) });
    await scheduler.clock.advance(200);
    assertEquals((await host.next("destroy")).key, "of cut");
    scheduler.close();
  });

  it("that comes back with its session goes on, and ends the connection that it had", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const session = "ab".repeat(16);
    const before = scheduler.client(session);
    const number = decodeBody(clientWelcome, (await before.welcome).body, "welcome").sessionNumber;
    before.submit("Counter-1");
    const create = await host.next("create");
    const after = scheduler.client(session);
    assertEquals((await before.closed).code, 4410);
    assertEquals(decodeBody(clientWelcome, (await after.welcome).body, "welcome").sessionNumber, number);
    createdBy(host, create);
    assertEquals((await after.status()).body.status, "finished");
    assertEquals(scheduler.server.state.clients.size, 1);
    after.close();
    assertEquals((await host.next("destroy")).key, "Counter-1");
    scheduler.close();
  });

  it("is closed when the client answers no ping for three intervals", async () => {
    const scheduler = new MemoryScheduler();
    const { transport } = scheduler.connect();
    // A peer that says hello and never reads again: it answers no ping.
    const { connection } = greet(
      { ...silentAfter(transport, 1) },
      {
        role: "client",
        session: "cd".repeat(16),
        body: encodeBody(VERSIONS),
        receiver: { onMessage() {}, onClose() {} },
      },
    );
    await settle();
    assertEquals(scheduler.server.state.clients.size, 1);
    await scheduler.clock.advance(12_100);
    assertEquals([...scheduler.server.state.clients.values()][0]!.away, true);
    connection.close();
    scheduler.close();
  });

  it("refuses what a client may not say, with a reason", async () => {
    const scheduler = new MemoryScheduler();
    const client = scheduler.client();
    client.send({ op: "hostStarting", incarnation: "x" });
    const { code, reason } = await client.closed;
    assertEquals([code, reason], [4400, "Cannot take a hostStarting message from a client"]);
    const odd = scheduler.client("short");
    await assertRejects(() => odd.welcome, Error, "expected 128 bits in hexadecimal");
    scheduler.close();
  });
});

describe("requests", () => {
  it("get tickets for hosts that run, and no others", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny } = await scheduler.worker("a");
    const client = scheduler.client();
    const worker = decodeBody(workerWelcome, (await nanny.welcome).body, "welcome").worker;
    const asked = { worker, host: "a-1", home: "isolate 2" };
    const { ticket } = await client.request(1, "ticket", asked, REQUESTS.ticket.answered);
    assertEquals(parseTicket(ticket)?.claims.home, "isolate 2");
    client.send({ op: "request", id: 2, name: "ticket", body: encodeBody({ ...asked, host: "a-0" }) });
    const refused = await client.next("answer");
    assertEquals(refused.ok, 0);
    assertInstanceOf(decodeError(refused.body), ActorNotFoundError);
    scheduler.close();
  });

  it("get the snapshot, which counts messages by name", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny } = await scheduler.worker("a");
    nanny.send({ op: "heartbeat", body: encodeBody({ host: "a-1", memory: 1234, lag: 1.5 }) });
    const client = scheduler.client();
    await client.welcome;
    const info = await client.request(1, "info", {}, (value) => value as SchedulerSnapshot);
    assertEquals(info.workers.map(({ name, status, memory }) => [name, status, memory]), [["a", "running", 1234]]);
    assertEquals(info.messages, { hello: 3, hostStarting: 1, heartbeat: 1, request: 1 });
    scheduler.close();
  });

  it("get an actor by its key, for clients and for hosts", async () => {
    const scheduler = new MemoryScheduler();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.submit("Counter-1");
    createdBy(host, await host.next("create"));
    const other = scheduler.client();
    const found = await other.request(7, "getActor", { key: "Counter-1" }, REQUESTS.getActor.answered);
    assertEquals(found.actor.key, "Counter-1");
    assert(found.ticket);
    const byHost = await host.request(8, "getActor", { key: "Counter-1" }, REQUESTS.getActor.answered);
    assertEquals([byHost.actor.key, byHost.ticket], ["Counter-1", undefined]);
    scheduler.close();
  });

  it("that make no sense get an error, and the connection stays", async () => {
    const scheduler = new MemoryScheduler();
    const client = scheduler.client();
    client.send({ op: "request", id: 1, name: "shutdown", body: encodeBody({}) });
    client.send({ op: "request", id: 2, name: "getActor", body: encodeBody({}) });
    assertMatch(decodeError((await client.next("answer")).body).message, /request shutdown/);
    assertMatch(decodeError((await client.next("answer")).body).message, /request getActor\.key/);
    assertEquals(client.connection.closed, undefined);
    scheduler.close();
  });

  it("retire workers, and are answered when these have left", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny, host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.submit("Counter-1");
    createdBy(host, await host.next("create"));
    await client.next("status");
    await client.next("status");
    const retired = client.request(
      1,
      "retireWorkers",
      { workers: ["a"], timeout: 4000 },
      REQUESTS.retireWorkers.answered,
    );
    assertEquals((await nanny.next("drain")).timeout, 4000);
    assertEquals(scheduler.server.snapshot().workers[0]!.status, "draining");
    assertEquals(scheduler.server.ready, false);
    nanny.close();
    const worker = decodeBody(workerWelcome, (await nanny.welcome).body, "welcome").worker;
    assertEquals((await retired).workers, [worker]);
    const { body } = await client.status();
    assertEquals([body.status, body.reason, body.worker], ["lost", "drained", "a"]);
    scheduler.close();
  });
});

describe("a worker's links", () => {
  it("give the nanny id, name and the key to check tickets with", async () => {
    const scheduler = new MemoryScheduler();
    const welcomes = await Promise.all(["w", "w", ""].map((name) => scheduler.nanny({ name }).welcome));
    const [one, two, three] = welcomes.map(({ body }) => decodeBody(workerWelcome, body, "welcome"));
    assertEquals([one!.name, two!.name, three!.name], ["w", `w-${two!.worker}`, three!.worker]);
    assertEquals(one!.publicKey, scheduler.server.tickets.publicKey);
    assertEquals([one!.loopback, one!.heartbeatInterval], [true, 1000]);
    scheduler.close();
  });

  it("let in the host that the nanny announced, once", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny } = await scheduler.worker("a");
    assertEquals(scheduler.server.ready, true);
    const worker = decodeBody(workerWelcome, (await nanny.welcome).body, "welcome").worker;
    for (const incarnation of ["a-1", "a-2"]) {
      const ticket = scheduler.server.tickets.issue(claimsOf({ role: "host", worker, host: incarnation }));
      const { code, reason } = await scheduler.host(ticket).closed;
      assertEquals([code, reason], [4403, "This host is not announced, or was declared ended"]);
    }
    assertEquals(scheduler.server.ready, true);
    scheduler.close();
  });

  it("end the host's when a new one is announced", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny, host } = await scheduler.worker("a");
    nanny.send({ op: "hostStarting", incarnation: "a-2" });
    assertEquals((await host.closed).code, 4410);
    const { ticket } = await nanny.next("hostTicket");
    await scheduler.host(ticket).welcome;
    assertEquals(scheduler.server.snapshot().workers[0]!.host, "a-2");
    scheduler.close();
  });

  it("tell of a loss by the nanny's reason, or by none after 300 ms", async () => {
    const scheduler = new MemoryScheduler();
    const client = scheduler.client();
    const reasons: (string | undefined)[] = [];
    for (const reason of ["oom", undefined]) {
      const { nanny, host } = await scheduler.worker("a");
      client.submit(`Counter-${reason}`);
      createdBy(host, await host.next("create"));
      await client.next("status");
      await client.next("status");
      host.cut();
      await settle();
      if (reason) nanny.send({ op: "hostEnded", incarnation: "a-1", reason });
      else await scheduler.clock.advance(300);
      reasons.push((await client.status()).body.reason);
      nanny.close();
      await settle();
    }
    assertEquals(reasons, ["oom", "host-exit"]);
    scheduler.close();
  });

  it("tell of a silent worker after ten seconds, but not after this process itself was held up", async () => {
    const scheduler = new MemoryScheduler();
    const { transport } = scheduler.connect();
    greet(silentAfter(transport, 1), {
      role: "worker",
      session: "ef".repeat(16),
      body: encodeBody(workerHello({ name: "a" })),
      receiver: { onMessage() {}, onClose() {} },
    });
    await settle();
    await scheduler.clock.advance(7_900);
    scheduler.clock.skip(30_000);
    await scheduler.clock.advance(7_900);
    assertEquals(scheduler.server.state.workers.size, 1);
    await scheduler.clock.advance(4_000);
    assertEquals(scheduler.server.state.workers.size, 0);
    assertEquals(scheduler.server.state.story.tell().at(-1)!.to, "gone (worker-timeout)");
    scheduler.close();
  });

  it("leave waiting actors to the next worker", async () => {
    const scheduler = new MemoryScheduler();
    const client = scheduler.client();
    client.submit("Counter-1");
    const { body } = await client.status();
    assertEquals(body.status, "no-worker");
    assertMatch(body.reason!, /no worker has joined yet: start one with deno task worker/);
    const { host } = await scheduler.worker("a");
    assertEquals((await host.next("create")).key, "Counter-1");
    scheduler.close();
  });
});

describe("a channel", () => {
  it("is relayed to the home of a worker, with the client's id for the caller, and bytes untouched", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny, host } = await scheduler.worker("a");
    const worker = decodeBody(workerWelcome, (await nanny.welcome).body, "welcome").worker;
    const client = scheduler.client();
    const { client: id } = decodeBody(clientWelcome, (await client.welcome).body, "welcome");
    client.send({ op: "open", channel: 1, worker, home: "main", caller: "someone else" });
    const there = new Uint8Array([1, 2, 255]);
    client.send({ op: "data", channel: 1, frame: there });
    const open = await host.next("open");
    assertEquals([open.worker, open.home, open.caller], [worker, "main", id]);
    assertEquals((await host.next("data")).frame, there);
    host.send({ op: "data", channel: open.channel, frame: new Uint8Array([9]) });
    assertEquals((await client.next("data")).frame, new Uint8Array([9]));
    client.send({ op: "close", channel: 1, code: 1000, reason: "done" });
    assertEquals((await host.next("close")).reason, "done");
    scheduler.close();
  });

  it("to a worker that is not in the table is closed with 4410, and so is one whose host ends", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny, host } = await scheduler.worker("a");
    const worker = decodeBody(workerWelcome, (await nanny.welcome).body, "welcome").worker;
    const client = scheduler.client();
    client.send({ op: "open", channel: 1, worker: "ws://127.0.0.1:4000", home: "main", caller: undefined });
    const refused = await client.next("close");
    assertEquals([refused.channel, refused.code], [1, 4410]);
    client.send({ op: "open", channel: 2, worker, home: "main", caller: undefined });
    await host.next("open");
    host.cut();
    assertEquals((await client.next("close")).code, 4410);
    scheduler.close();
  });

  it("ends at the host when the client is gone", async () => {
    const scheduler = new MemoryScheduler();
    const { nanny, host } = await scheduler.worker("a");
    const worker = decodeBody(workerWelcome, (await nanny.welcome).body, "welcome").worker;
    const client = scheduler.client();
    client.send({ op: "open", channel: 1, worker, home: "main", caller: undefined });
    await host.next("open");
    client.cut();
    assertEquals((await host.next("close")).code, 4410);
    scheduler.close();
  });
});

describe("the handshake", () => {
  it("closes a peer that says no hello in five seconds", async () => {
    const scheduler = new MemoryScheduler();
    const { transport } = scheduler.connect();
    const ends: number[] = [];
    transport.start({ onFrame() {}, onClose: ({ code }) => ends.push(code) });
    await scheduler.clock.advance(5_000);
    await settle();
    assertEquals(ends, [4401]);
    scheduler.close();
  });

  it("takes each role only with what it must show", async () => {
    const scheduler = new MemoryScheduler();
    const { tickets } = scheduler.server;
    const grants = { token: undefined, client: "client", host: "host", caller: "caller" } as const;
    const taken: string[] = [];
    for (const [name, role] of Object.entries(grants)) {
      for (const wanted of ["client", "worker", "host", "caller", "watchdog"]) {
        const claims = role && tickets.redeem(tickets.issue(claimsOf({ role })))!;
        const { transport } = scheduler.connect(claims ? { kind: "ticket", claims } : { kind: "token" });
        const peer = new Peer(transport, wanted, { ...workerHello(), address: "" });
        const result = await Promise.race([
          peer.welcome.then(() => "taken", () => new Promise<string>(() => {})),
          peer.closed.then(({ reason }) => reason),
        ]);
        if (result === "taken") taken.push(`${wanted} by ${name}`);
        else assertMatch(result, /cannot be taken with|not announced/);
      }
    }
    assertEquals(taken, ["client by token", "worker by token", "client by client"]);
    scheduler.close();
  });
});

describe("closing", () => {
  it("tells every connection that it is going away, also one that comes later", async () => {
    const scheduler = new MemoryScheduler();
    const peers = [scheduler.client(), scheduler.nanny()];
    await Promise.all(peers.map(({ welcome }) => welcome));
    scheduler.close();
    for (const peer of [...peers, scheduler.client()]) assertEquals((await peer.closed).code, CloseCode.goingAway);
  });
});

/** A transport that passes on so many frames of the scheduler and then no more: its peer is frozen. */
function silentAfter(transport: ReturnType<MemoryScheduler["connect"]>["transport"], count: number): typeof transport {
  let left = count;
  return {
    policy: transport.policy,
    send: (frame) => transport.send(frame),
    close: (code, reason) => transport.close(code, reason),
    start: (receiver) =>
      transport.start({
        onFrame: (frame) => {
          if (left-- > 0) receiver.onFrame(frame);
        },
        onClose: (info) => receiver.onClose(info),
      }),
  };
}
