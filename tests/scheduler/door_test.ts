import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { createWebSocketTransport, NAGLE_POLICY, opened } from "../../connection/mod.ts";
import { CloseCode, SUBPROTOCOL, TICKET_SUBPROTOCOL } from "../../protocol/mod.ts";
import { type Scheduler, serveScheduler } from "../../scheduler/mod.ts";
import { Peer, VERSIONS } from "./peers.ts";

const TOKEN = "a-token-for-this-test-alone";
const BEARER = `Bearer ${TOKEN}`;

/** What an upgrade was answered, spoken by hand: `fetch` sets neither `Host` nor `Origin`. */
interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

async function ask(
  scheduler: Scheduler,
  headers: Record<string, string>,
  { path = "/ws", method = "GET", upgrade = true } = {},
): Promise<Reply> {
  const { hostname, port } = new URL(scheduler.dashboardLink);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const all = {
    Host: `${hostname}:${port}`,
    ...upgrade
      ? {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
      }
      : { "Connection": "close" },
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  await connection.write(new TextEncoder().encode(`${method} ${path} HTTP/1.1\r\n${lines}\r\n`));
  let text = "";
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  for (;;) {
    const length = await connection.read(buffer);
    if (length === null) break;
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
    const [head, body] = text.split("\r\n\r\n") as [string, string | undefined];
    const wanted = /^content-length: (\d+)/im.exec(head)?.[1];
    if (head.startsWith("HTTP/1.1 101") || (wanted && body !== undefined && body.length >= Number(wanted))) break;
  }
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [first = "", ...fields] = head.split("\r\n");
  const found = new Headers(fields.map((field) => field.split(/: (.*)/).slice(0, 2) as [string, string]));
  return { status: Number(first.split(" ")[1]), headers: found, body: rest.join("\r\n\r\n") };
}

describe("the door", () => {
  let scheduler: Scheduler;
  let port: string;

  beforeAll(async () => {
    scheduler = await serveScheduler({
      port: 0,
      token: TOKEN,
      allowOrigins: ["https://app.example"],
      allowHosts: ["scheduler.example"],
    });
    port = new URL(scheduler.dashboardLink).port;
  });
  afterAll(async () => {
    await scheduler.close();
  });

  async function fetchTicket(): Promise<string> {
    const response = await fetch(new URL("/ticket", scheduler.dashboardLink), {
      method: "POST",
      headers: { authorization: BEARER },
    });
    assertEquals(response.status, 200);
    return (await response.json()).ticket;
  }

  it("upgrades with the token, and answers our subprotocol", async () => {
    for (const path of ["/ws", "/"]) {
      const { status, headers } = await ask(scheduler, { Authorization: BEARER }, { path });
      assertEquals([status, headers.get("sec-websocket-protocol")], [101, SUBPROTOCOL]);
    }
  });

  it("answers 401 to no token, a wrong one, one in the address and a bad ticket, all with the same body", async () => {
    const replies = [
      await ask(scheduler, {}),
      await ask(scheduler, { Authorization: "Bearer wrong" }),
      await ask(scheduler, { Authorization: `Basic ${btoa(`x:${TOKEN}`)}` }),
      await ask(scheduler, {}, { path: `/ws?token=${TOKEN}` }),
      await ask(scheduler, {}, { path: `/ws?access_token=${TOKEN}` }),
      await ask(scheduler, { "Sec-WebSocket-Protocol": `${SUBPROTOCOL}, ${TICKET_SUBPROTOCOL}abc.def` }),
      await ask(scheduler, {}, { path: "/api/v1/workers", upgrade: false }),
      await ask(scheduler, { Authorization: "Bearer wrong" }, { path: "/ticket", method: "POST", upgrade: false }),
    ];
    assertEquals(replies.map(({ status }) => status), replies.map(() => 401));
    assertEquals(new Set(replies.map(({ body }) => body)).size, 1);
    assertMatch(replies[0]!.body, /TROUPE_TOKEN/);
  });

  it("lets a ticket in once, even beside a wrong token", async () => {
    const ticket = await fetchTicket();
    const protocols = { "Sec-WebSocket-Protocol": `${SUBPROTOCOL}, ${TICKET_SUBPROTOCOL}${ticket}` };
    const { status, headers } = await ask(scheduler, { Authorization: "Bearer wrong", ...protocols });
    assertEquals([status, headers.get("sec-websocket-protocol")], [101, SUBPROTOCOL]);
    assertEquals((await ask(scheduler, protocols)).status, 401);
  });

  it("answers 403 to pages of foreign origins, with the token too", async () => {
    for (
      const origin of [
        "https://evil.test",
        "null",
        `http://127.0.0.1:${port}.evil.test`,
        "http://localhost:1",
        `https://127.0.0.1:${port}`,
        "https://app.example.evil.test",
      ]
    ) {
      for (const request of [{}, { path: "/healthz", upgrade: false }]) {
        const { status, body } = await ask(scheduler, { Authorization: BEARER, Origin: origin }, request);
        assertEquals(status, 403, origin);
        assertStringIncludes(body, "--allow-origin");
      }
    }
  });

  it("lets pages of listed origins in, and its own", async () => {
    for (const origin of ["https://app.example", `http://127.0.0.1:${port}`]) {
      assertEquals((await ask(scheduler, { Authorization: BEARER, Origin: origin })).status, 101, origin);
      const api = await ask(scheduler, { Authorization: BEARER, Origin: origin }, {
        path: "/api/v1/actors",
        upgrade: false,
      });
      assertEquals([api.status, api.headers.get("access-control-allow-origin")], [200, origin]);
    }
    const preflight = await ask(scheduler, {
      "Origin": "https://app.example",
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "authorization",
    }, { path: "/ticket", method: "OPTIONS", upgrade: false });
    assertEquals(preflight.status, 204);
    assertMatch(preflight.headers.get("access-control-allow-headers") ?? "", /authorization/i);
  });

  it("answers 421 to foreign names, whatever else the request has", async () => {
    for (const host of ["evil.test", `127.0.0.1.evil.test:${port}`, `localhost.evil.test:${port}`, "evil.test:80"]) {
      const { status, body } = await ask(scheduler, { Authorization: BEARER, Host: host, Origin: `http://${host}` });
      assertEquals(status, 421, host);
      assertStringIncludes(body, "--allow-host");
    }
    for (const host of ["localhost", `localhost:${port}`, "[::1]:1", "scheduler.example", "127.0.0.1"]) {
      assertEquals((await ask(scheduler, { Authorization: BEARER, Host: host })).status, 101, host);
    }
  });

  it("answers 426 to another version of the protocol, and to none", async () => {
    const offers: Record<string, string>[] = [{ "Sec-WebSocket-Protocol": "troupe.9" }, {
      "Sec-WebSocket-Protocol": "",
    }];
    for (const offer of offers) {
      const { status, body } = await ask(scheduler, { Authorization: BEARER, ...offer });
      assertEquals(status, 426);
      assertStringIncludes(body, SUBPROTOCOL);
      assertEquals((await ask(scheduler, offer)).status, 401, "who shows no token learns nothing");
    }
    assertEquals((await ask(scheduler, { Authorization: BEARER }, { upgrade: false })).status, 426);
  });

  it("closes a peer that speaks no version that is spoken here with 4426", async () => {
    const socket = new WebSocket(scheduler.address, [SUBPROTOCOL, TICKET_SUBPROTOCOL + await fetchTicket()]);
    await opened(socket, scheduler.address);
    const { promise, resolve } = Promise.withResolvers<CloseEvent>();
    socket.onclose = resolve;
    // [1, 7, 9, "client", "", bytes()]: a hello that speaks versions 7 to 9.
    socket.send(new Uint8Array([0x96, 1, 7, 9, 0xa6, ...new TextEncoder().encode("client"), 0xa0, 0xc4, 0]));
    const { code, reason } = await promise;
    assertEquals(code, CloseCode.version);
    assertMatch(reason, /versions 7 to 9/);
  });

  it("serves a client that came with a ticket from submit to status", async () => {
    const socket = new WebSocket(scheduler.address, [SUBPROTOCOL, TICKET_SUBPROTOCOL + await fetchTicket()]);
    await opened(socket, scheduler.address);
    const client = new Peer(createWebSocketTransport(socket, NAGLE_POLICY), "client", VERSIONS);
    client.submit("Counter-1", { resources: { GPU: 1 } });
    const { body } = await client.status();
    assertMatch(body.reason!, /^needs GPU: 1; no worker has joined yet/);
    assertEquals(scheduler.snapshot().waiting.map(({ key }) => key), ["Counter-1"]);
    const gone = new Promise<void>((resolve) => socket.addEventListener("close", () => resolve()));
    client.close();
    await gone;
  });
});

describe("a scheduler without a token", () => {
  it("lets everyone in who passes the other checks, but a bad ticket stays bad", async () => {
    await using scheduler = await serveScheduler({ port: 0, auth: false });
    assertEquals(scheduler.token, undefined);
    assertEquals((await ask(scheduler, {})).status, 101);
    assertEquals((await ask(scheduler, { Origin: "https://evil.test" })).status, 403);
    const bad = { "Sec-WebSocket-Protocol": `${SUBPROTOCOL}, ${TICKET_SUBPROTOCOL}x.y` };
    assertEquals((await ask(scheduler, bad)).status, 401);
    const workers = await fetch(new URL("/api/v1/workers", scheduler.dashboardLink));
    assertEquals(await workers.json(), []);
  });
});

describe("closing a scheduler", () => {
  it("tells connected clients that it is going away, and frees the port", async () => {
    const scheduler = await serveScheduler({ port: 0, token: TOKEN });
    const port = Number(new URL(scheduler.dashboardLink).port);
    const response = await fetch(new URL("/ticket", scheduler.dashboardLink), {
      method: "POST",
      headers: { authorization: BEARER },
    });
    const { ticket } = await response.json();
    const socket = new WebSocket(scheduler.address, [SUBPROTOCOL, TICKET_SUBPROTOCOL + ticket]);
    await opened(socket, scheduler.address);
    const client = new Peer(createWebSocketTransport(socket, NAGLE_POLICY), "client", VERSIONS);
    await client.welcome;
    const started = performance.now();
    await scheduler.close();
    assert(performance.now() - started < 1900, "It takes less than two seconds");
    assertEquals((await client.closed).code, CloseCode.goingAway);
    await using again = await serveScheduler({ port, token: TOKEN });
    assertEquals(new URL(again.dashboardLink).port, String(port));
  });
});
