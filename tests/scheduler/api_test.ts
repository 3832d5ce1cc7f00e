import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { hc } from "npm:hono@^4.13.0/client";
import { encodeBody } from "../../protocol/mod.ts";
import { noCounters } from "../../protocol/report.ts";
import { type AppType, createApp } from "../../scheduler/app.ts";
import { Door } from "../../scheduler/door.ts";
import { OpenSockets } from "../../scheduler/open_sockets.ts";
import { createdBy, MemoryScheduler, settle } from "./peers.ts";

const TOKEN = "a-token-for-this-test-alone";
const HOST = "127.0.0.1:8786";
const ORIGIN = `http://${HOST}`;

type Headers = Record<string, string>;

function createTestApp(allowOrigins = ["https://app.example"]) {
  const scheduler = new MemoryScheduler();
  const { server } = scheduler;
  server.dashboard = `${ORIGIN}/`;
  server.signsIn = true;
  const { tickets, sessions } = server;
  const door = new Door({ token: TOKEN, tickets, sessions, allowOrigins, allowHosts: [] });
  const app = createApp({ server, door, sockets: new OpenSockets(), page: true });
  const ask = async (path: string, init: RequestInit & { headers?: Headers } = {}) =>
    await app.request(`${ORIGIN}${path}`, { ...init, headers: { host: HOST, ...init.headers } });
  const byToken = (path: string, init: RequestInit & { headers?: Headers } = {}) =>
    ask(path, { ...init, headers: { authorization: `Bearer ${TOKEN}`, ...init.headers } });
  const api = hc<AppType>(ORIGIN, {
    fetch: (input: RequestInfo | URL, init?: RequestInit) => {
      const { pathname, search } = new URL(String(input));
      return byToken(pathname + search, { ...init, headers: { "content-type": "application/json" } });
    },
  }).api.v1;
  return { scheduler, server, ask, byToken, api };
}

/** The JSON of an answer that is no refusal. */
async function read<R extends { readonly ok: boolean; json(): Promise<unknown> }>(
  asking: Promise<R>,
): Promise<Exclude<Awaited<ReturnType<R["json"]>>, { error: string }>> {
  const response = await asking;
  const body = await response.json();
  if (!response.ok) throw new Error(`Refused: ${JSON.stringify(body)}`);
  return body as Exclude<Awaited<ReturnType<R["json"]>>, { error: string }>;
}

/** Follows the scheduler's link, and gives the cookie. */
async function signIn({ server, ask }: ReturnType<typeof createTestApp>): Promise<string> {
  const { pathname, search } = new URL(server.signInLink);
  const response = await ask(pathname + search);
  return response.headers.get("set-cookie")!.split(";")[0]!;
}

/** One actor that runs on a worker, one that waits for a GPU. */
async function populate({ scheduler }: ReturnType<typeof createTestApp>) {
  const { host, nanny } = await scheduler.worker("a");
  const client = scheduler.client();
  client.submit("Counter-1");
  createdBy(host, await host.next("create"));
  client.submit("Net-1", { resources: { GPU: 1 } });
  await settle();
  return { host, nanny, client };
}

describe("signing in to the dashboard", () => {
  it("takes the link that the scheduler prints, once, and keeps its secret from scripts and other sites", async () => {
    const test = createTestApp();
    const { pathname, search } = new URL(test.server.signInLink);
    assertMatch(search, /^\?ticket=[\w-]{22}$/);
    const first = await test.ask(pathname + search);
    assertEquals([first.status, first.headers.get("location")], [303, "/"]);
    assertMatch(
      first.headers.get("set-cookie")!,
      /^troupe_8786=[0-9a-f]{64}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict$/,
    );
    assertEquals(first.headers.get("referrer-policy"), "no-referrer");
    const second = await test.ask(pathname + search);
    assertEquals([second.headers.get("location"), second.headers.get("set-cookie")], ["/#/sign-in/spent", null]);
    const cookie = first.headers.get("set-cookie")!.split(";")[0]!;
    assertEquals((await test.ask("/api/v1/identity", { headers: { cookie } })).status, 200);
    assertEquals((await test.ask("/api/v1/identity")).status, 401);
    test.scheduler.close();
  });

  it("takes the token, and ends when its user says so", async () => {
    const test = createTestApp();
    const opened = await test.byToken("/session", { method: "POST", headers: { origin: ORIGIN } });
    const cookie = opened.headers.get("set-cookie")!.split(";")[0]!;
    assertEquals((await test.ask("/api/v1/identity", { headers: { cookie } })).status, 200);
    assertEquals((await test.ask("/session", { method: "POST", headers: { origin: ORIGIN } })).status, 401);
    await test.ask("/session/end", { method: "POST", headers: { cookie, origin: ORIGIN } });
    assertEquals((await test.ask("/api/v1/identity", { headers: { cookie } })).status, 401);
    test.scheduler.close();
  });

  it("is worth nothing to other sites, and changes nothing without our own Origin", async () => {
    const test = createTestApp();
    const cookie = await signIn(test);
    await populate(test);
    const post = (headers: Headers) =>
      test.ask("/api/v1/actors/Counter-1/kill", {
        method: "POST",
        body: "{}",
        headers: { cookie, "content-type": "application/json", ...headers },
      });
    for (
      const headers of [
        {},
        { origin: "null" },
        { origin: "https://evil.test" },
        { origin: "http://127.0.0.1:9999" },
        { origin: "https://app.example" },
        { origin: ORIGIN, "sec-fetch-site": "same-site" },
        { origin: ORIGIN, "sec-fetch-site": "cross-site" },
      ] as Headers[]
    ) {
      assert([401, 403].includes((await post(headers)).status), JSON.stringify(headers));
    }
    for (const site of ["same-site", "cross-site"]) {
      const response = await test.ask("/api/v1/actors", { headers: { cookie, "sec-fetch-site": site } });
      assertEquals(response.status, 401);
    }
    assertEquals(test.server.state.actors.get("Counter-1")?.state, "running");
    assertEquals((await post({ origin: ORIGIN, "sec-fetch-site": "same-origin" })).status, 200);
    assertEquals(test.server.state.actors.get("Counter-1")?.state, "stopping");
    test.scheduler.close();
  });

  it("works behind a proxy that ends TLS, where its origin is allowed by name", async () => {
    const test = createTestApp(["https://127.0.0.1:8786"]);
    const cookie = await signIn(test);
    const post = (origin: string) => test.ask("/ticket", { method: "POST", headers: { cookie, origin } });
    assertEquals((await post("https://127.0.0.1:8786")).status, 200);
    assertEquals((await post("https://127.0.0.1:8787")).status, 403);
    test.scheduler.close();
  });

  it("lets a page be a client, and nothing else", async () => {
    const test = createTestApp();
    const cookie = await signIn(test);
    const asPage = { cookie, origin: ORIGIN };
    assertEquals((await test.ask("/ticket", { method: "POST", headers: asPage })).status, 200);
    assertEquals((await test.ask("/modules", { method: "POST", headers: asPage })).status, 401);
    assertEquals((await test.ask("/link", { method: "POST", headers: asPage })).status, 401);
    for (const [role, code] of [["worker", 4403], ["client", undefined]] as const) {
      const { transport } = test.scheduler.connect({ kind: "session" });
      const { Peer } = await import("./peers.ts");
      const hello = role === "client" ? { troupe: "0", runtime: "page" } : {};
      const peer = new Peer(transport, role, hello);
      if (code) assertEquals((await peer.closed).code, code);
      else assertStringIncludes(new TextDecoder().decode((await peer.welcome).body), `${ORIGIN}/`);
    }
    test.scheduler.close();
  });
});

describe("the API", () => {
  it("has figures of actors, those first that do not run, then those that are busy", async () => {
    const test = createTestApp();
    const { host, client } = await populate(test);
    client.submit("Counter-2");
    createdBy(host, await host.next("create"));
    await settle();
    const figures = {
      className: "Counter",
      home: "main",
      calls: 3,
      errors: 1,
      inFlight: 1,
      queued: 4,
      bytesIn: 0,
      bytesOut: 0,
      runningTime: 5,
      queueingTime: 0,
      busyFor: 0,
      method: "add",
      sync: true,
    };
    host.answers["actorFigures"] = {
      actors: [{ ...figures, key: "Counter-1" }, { ...figures, key: "Counter-2", busyFor: 9000 }],
      total: 2,
    };
    const actors = await read(test.api.actors.$get({ query: {} }));
    assertEquals(actors.map(({ key, status }) => [key, status]), [
      ["Net-1", "no-worker"],
      ["Counter-2", "running"],
      ["Counter-1", "running"],
    ]);
    assertEquals([actors[1]?.figures?.queued, actors[1]?.workerName, actors[0]?.figures], [4, "a", undefined]);
    const some = await read(test.api.actors.$get({ query: { limit: "1", worker: "a" } }));
    assertEquals(some.map(({ key }) => key), ["Counter-2"]);
    assertEquals((await test.byToken("/api/v1/actors?limit=many")).status, 400);
    const overview = await (await test.api.overview.$get()).json();
    assertEquals(overview.totals.actors, 2);
    assertEquals(overview.attention.map(({ level, subject }) => [level, subject.id]), [
      ["bad", "Net-1"],
      ["slow", "Counter-2"],
    ]);
    assertStringIncludes(overview.attention[0]!.text, "needs GPU: 1");
    assertStringIncludes(overview.attention[1]!.text, "has computed in add for 9.0 s on a; 4 calls wait for it");
    test.scheduler.close();
  });

  it("does without a host that does not answer", async () => {
    const test = createTestApp();
    const { host } = await populate(test);
    host.answers["actorFigures"] = { nonsense: true };
    const actors = await read(test.api.actors.$get({ query: {} }));
    assertEquals(actors.map(({ key, figures }) => [key, figures]), [["Net-1", undefined], ["Counter-1", undefined]]);
    test.scheduler.close();
  });

  it("says why something does not run", async () => {
    const test = createTestApp();
    const { client } = await populate(test);
    const explained = await read(test.api.explain[":key"].$get({ param: { key: "Net-1" } }));
    assertEquals([explained.kind, explained.status], ["actor", "waiting"]);
    assertStringIncludes(explained.summary, "It waits for a worker: needs GPU: 1; offered: a");
    assertEquals((await test.byToken("/api/v1/explain/nobody")).status, 404);
    const waiting = await (await test.api.waiting.$get()).json();
    assertEquals(waiting.map(({ key, kind, status }) => [key, kind, status]), [["Net-1", "actor", "waiting"]]);
    client.close();
    test.scheduler.close();
  });

  it("retires workers and ends actors, and says which there are not", async () => {
    const test = createTestApp();
    const { nanny } = await populate(test);
    const drain = (id: string) => test.api.workers[":id"].drain.$post({ param: { id }, json: { timeout: 500 } });
    assertEquals((await drain("b")).status, 404);
    assertEquals((await drain("a")).status, 200);
    assertEquals((await nanny.next("drain")).timeout, 500);
    const kill = (key: string) => test.api.actors[":key"].kill.$post({ param: { key }, json: {} });
    assertEquals([(await kill("Counter-9")).status, (await kill("Counter-1")).status], [404, 200]);
    const bad = await test.byToken("/api/v1/workers/a/drain", {
      method: "POST",
      body: '{"timeout":-1}',
      headers: { "content-type": "application/json" },
    });
    assertEquals(bad.status, 400);
    nanny.close();
    await settle();
    test.scheduler.close();
  });

  it("has sums by class and method that survive the host, and histograms", async () => {
    const test = createTestApp();
    const { host, nanny } = await populate(test);
    const add = { ...noCounters("add"), calls: 10, errors: 1, running: [41, 10], queueing: [0, 10], inFlight: 2 };
    const report = {
      isolates: 1,
      classes: [{ className: "Counter", actors: 1, calls: 10, errors: 1, methods: [add] }],
    };
    host.send({ op: "report", body: encodeBody(report) });
    await settle();
    const look = async () => {
      const { classes } = await (await test.api.classes.$get()).json();
      const [counter] = classes;
      const [method] = counter!.methods;
      return { actors: counter!.actors, calls: method!.calls, inFlight: method!.inFlight, running: method!.running };
    };
    const before = await look();
    assertEquals([before.actors, before.calls, before.inFlight], [1, 10, 2]);
    assertEquals([before.running.count, before.running.buckets.length, before.running.buckets[0]![2]], [10, 1, 10]);
    assert(before.running.p50! > 1 && before.running.p50! < 1.2);
    nanny.cut();
    await settle();
    const after = await look();
    assertEquals([after.actors, after.calls, after.inFlight], [0, 10, 0]);
    const overview = await (await test.api.overview.$get()).json();
    assertEquals(overview.departures.map(({ name, what, reason }) => [name, what, reason]), [
      ["a", "worker", "worker-exit"],
    ]);
    assertStringIncludes(overview.attention[0]!.text, "No worker has joined");
    test.scheduler.close();
  });
});

describe("the live stream", () => {
  /** Reads events of a stream, as a browser does. */
  async function* eventsOf(response: Response): AsyncGenerator<{ event: string; data: never }> {
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream() as never) as ReadableStream<string>) {
      const parts = (text + chunk).split("\n\n");
      text = parts.pop()!;
      for (const part of parts) {
        const [event, data] = part.split("\n");
        yield { event: event!.slice(7), data: JSON.parse(data!.slice(6)) as never };
      }
    }
  }

  it("tells of the cluster at once, each second, and when a worker is gone", async () => {
    const test = createTestApp();
    const { nanny } = await populate(test);
    const events = eventsOf(await test.byToken("/api/v1/live?overview=1"));
    const next = async (event: string) => {
      for (;;) {
        const found = await events.next();
        if (found.done) throw new Error("the stream has ended");
        if (found.value.event === event) return found.value.data as never;
      }
    };
    const first = await next("overview") as { totals: { workers: number } };
    assertEquals(first.totals.workers, 1);
    const { events: story } = await next("events") as { events: { subject: string }[] };
    assert(story.some(({ subject }) => subject === "Counter-1"));
    nanny.cut();
    await settle();
    await test.scheduler.clock.advance(100);
    const second = await next("overview") as { totals: { workers: number }; departures: unknown[] };
    assertEquals([second.totals.workers, second.departures.length], [0, 1]);
    await test.scheduler.clock.advance(1000);
    await next("overview");
    assertEquals(test.server.view.live.size, 1);
    await events.return(undefined);
    assertEquals(test.server.view.live.size, 0);
    test.scheduler.close();
  });

  it("has hosts tell of calls and lines for as long as somebody listens, and of no others", async () => {
    const test = createTestApp();
    const { host } = await populate(test);
    const events = eventsOf(await test.byToken("/api/v1/live?calls=1&lines=1&key=Counter-1"));
    const waiting = events.next();
    const { body } = await host.next("watch");
    assertEquals(body, encodeBody({ calls: true, lines: true }));
    const call = { className: "Counter", method: "add", call: 1, arrived: 1, started: 2, ended: 3, failed: false };
    const calls = [{ ...call, key: "Counter-1" }, { ...call, key: "Counter-2" }];
    host.send({ op: "observed", body: encodeBody({ calls, callsLeftOut: 0, lines: [], linesLeftOut: 0 }) });
    const seen = (await waiting).value as { event: string; data: { calls: { key: string }[] } };
    assertEquals([seen.event, seen.data.calls.map(({ key }) => key)], ["calls", ["Counter-1"]]);
    await events.return(undefined);
    assertEquals((await host.next("watch")).body, encodeBody({ calls: false, lines: false }));
    test.scheduler.close();
  });

  it("is for those who are signed in, and ends with the scheduler", async () => {
    const test = createTestApp();
    assertEquals((await test.ask("/api/v1/live?overview=1")).status, 401);
    const response = await test.byToken("/api/v1/live?lines=1");
    test.scheduler.close();
    for await (const _ of response.body!);
  });
});
