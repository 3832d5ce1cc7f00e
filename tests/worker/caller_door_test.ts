import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { SUBPROTOCOL, TICKET_SUBPROTOCOL } from "../../protocol/mod.ts";
import { type CallerDoorOptions, createCallerDoor } from "../../worker/caller_door.ts";
import { InlineIsolate } from "../../worker/inline_isolate.ts";
import {
  createActor,
  createTicketSigner,
  dialCaller,
  isolateSettings,
  NO_SERVICES,
  orderOf,
  type TicketSigner,
} from "../helpers/isolates.ts";

describe("the door of a home's data plane", () => {
  let signer: TicketSigner;
  let other: TicketSigner;
  let isolate: InlineIsolate;
  let server: Deno.HttpServer<Deno.NetAddr>;
  let options: CallerDoorOptions;

  beforeAll(async () => {
    signer = await createTicketSigner();
    other = await createTicketSigner();
    const settings = isolateSettings({ publicKey: signer.publicKey });
    isolate = new InlineIsolate({ settings, address: "", services: NO_SERVICES });
    const { worker, host, publicKey } = settings;
    options = {
      worker,
      host,
      home: "inline",
      publicKey,
      hostnames: ["worker.example"],
      onCaller: (transport) => isolate.serve(transport),
    };
    const door = createCallerDoor(options);
    server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, door);
  });

  afterAll(async () => {
    await isolate.close(100);
    await server.shutdown();
  });

  const sign = (claims: Parameters<TicketSigner["sign"]>[0] = {}) => signer.sign({ home: "inline", ...claims });

  /** A request for an upgrade, as a client would write it. */
  async function upgrade(ticket: string | undefined, headers: Record<string, string> = {}): Promise<number> {
    const protocols = ticket === undefined ? SUBPROTOCOL : `${SUBPROTOCOL}, ${TICKET_SUBPROTOCOL}${ticket}`;
    const response = await createCallerDoor(options)(
      new Request(`http://127.0.0.1:${server.addr.port}/`, {
        headers: { host: "127.0.0.1", upgrade: "websocket", "sec-websocket-protocol": protocols, ...headers },
      }),
    );
    return response.status;
  }

  it("lets in who bears a ticket for this home, and answers the subprotocol", async () => {
    const caller = await dialCaller(`ws://127.0.0.1:${server.addr.port}/`, await sign());
    const slot = caller.attach(await createActor(isolate, orderOf("waiter.ts", "Waiter")));
    assertEquals(await caller.read(slot, "waiting"), 0);
    caller.close();
    await caller.closed;
  });

  it("lets a ticket in once, also where two bear it at the same time", async () => {
    const ticket = await sign();
    const address = `ws://127.0.0.1:${server.addr.port}/`;
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => dialCaller(address, ticket)));
    const callers = outcomes.flatMap((outcome) => outcome.status === "fulfilled" ? [outcome.value] : []);
    assertEquals(callers.length, 1);
    await assertRejects(() => dialCaller(address, ticket));
    callers[0]!.close();
    await callers[0]!.closed;
  });

  for (
    const [what, claims] of [
      ["another home", { home: "shared-1" }],
      ["another worker", { worker: "worker-2" }],
      ["another host of this worker", { host: "host-0" }],
      ["a client", { role: "client" }],
      ["a host", { role: "host" }],
      ["a moment ago", { expires: Date.now() - 1 }],
    ] as const
  ) {
    it(`answers 401 to a ticket for ${what}`, async () => assertEquals(await upgrade(await sign(claims)), 401));
  }

  it("answers 401 to no ticket, a forged one, a changed one and none at all", async () => {
    const ticket = await sign();
    const changed = `A${ticket.slice(1)}`;
    for (
      const bad of [
        undefined,
        "",
        "x.y",
        await other.sign({ home: "inline" }),
        changed,
        ticket.slice(0, -2),
        `${ticket}.x`,
      ]
    ) {
      assertEquals(await upgrade(bad), 401);
    }
  });

  it("answers 401 where the protocol itself is not asked for", async () => {
    assertEquals(await upgrade(undefined, { "sec-websocket-protocol": `${TICKET_SUBPROTOCOL}${await sign()}` }), 401);
  });

  it("answers 403 to every web page that is not on its list, whatever its ticket", async () => {
    for (const origin of ["https://evil.test", "null", "http://127.0.0.1", `http://localhost:${server.addr.port}`]) {
      assertEquals(await upgrade(await sign(), { origin }), 403);
    }
  });

  it("answers 421 to a name that is not its own: somebody's page may have been pointed here", async () => {
    const door = createCallerDoor(options);
    const statusFor = async (host: string) =>
      (await door(new Request("http://127.0.0.1/healthz", { headers: { host } }))).status;
    for (const host of ["evil.test", "evil.test:80", "127.0.0.1.evil.test", "worker.example.evil.test", "", "a b"]) {
      assertEquals([host, await statusFor(host)], [host, 421]);
    }
    for (
      const host of ["127.0.0.1", "127.0.0.1:8786", "[::1]:8786", "localhost:1", "worker.example", "WORKER.example:9"]
    ) {
      assertEquals([host, await statusFor(host)], [host, 200]);
    }
  });

  it("says to any page that it can be reached, and nothing else", async () => {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/healthz`, {
      headers: { origin: "https://any.test" },
    });
    assertEquals([response.status, response.headers.get("access-control-allow-origin")], [200, "*"]);
    assertEquals(await response.text(), "ok\n");
  });

  it("serves nothing but WebSockets", async () => {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
    assertInstanceOf(response, Response);
    assertEquals(response.status, 426);
    await response.body?.cancel();
  });
});
