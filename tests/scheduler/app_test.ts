import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { hc } from "npm:hono@^4.13.0/client";
import type { SchedulerSnapshot } from "../../protocol/mod.ts";
import { type AppType, createApp } from "../../scheduler/app.ts";
import { Door } from "../../scheduler/door.ts";
import { OpenSockets } from "../../scheduler/open_sockets.ts";
import { serveWithDeno } from "../../scheduler/serve_with_deno.ts";
import { createdBy, MemoryScheduler } from "./peers.ts";

const TOKEN = "a-token-for-this-test-alone";

function createTestApp(
  page = true,
): { scheduler: MemoryScheduler; get: (path: string, token?: string) => Promise<Response> } {
  const scheduler = new MemoryScheduler();
  const { tickets, sessions } = scheduler.server;
  const door = new Door({ token: TOKEN, tickets, sessions, allowOrigins: [], allowHosts: [] });
  const app = createApp({ server: scheduler.server, door, sockets: new OpenSockets(), page });
  return {
    scheduler,
    get: async (path, token = TOKEN) =>
      await app.request(`http://127.0.0.1:8786${path}`, {
        headers: { host: "127.0.0.1:8786", ...token && { authorization: `Bearer ${token}` } },
      }),
  };
}

describe("the API", () => {
  it("shows workers and actors to those who have the token", async () => {
    const { scheduler, get } = createTestApp();
    const { host } = await scheduler.worker("a");
    const client = scheduler.client();
    client.submit("Counter-1");
    createdBy(host, await host.next("create"));
    client.submit("Net", { resources: { GPU: 1 } });
    await client.next("status");
    await client.next("status");
    await client.next("status");
    const identity = await (await get("/api/v1/identity")).json();
    assertEquals([identity.id, identity.workers, identity.clients], [scheduler.server.id, 1, 1]);
    const workers = await (await get("/api/v1/workers")).json() as SchedulerSnapshot["workers"];
    assertEquals(workers.map(({ name, status }) => [name, status]), [["a", "running"]]);
    for (const id of [workers[0]!.id, "a"]) assertEquals((await (await get(`/api/v1/workers/${id}`)).json()).name, "a");
    const actors = await (await get("/api/v1/actors")).json() as { key: string; status: string }[];
    assertEquals(actors.map(({ key, status }) => [key, status]), [["Net", "no-worker"], ["Counter-1", "running"]]);
    assertEquals((await (await get("/api/v1/actors/Counter-1")).json()).home, "inline");
    for (const path of ["/api/v1/workers/z", "/api/v1/actors/z", "/api/v1/nothing"]) {
      assertEquals((await get(path)).status, 404, path);
    }
    scheduler.close();
  });

  it("has a typed client", async () => {
    const { scheduler, get } = createTestApp();
    const api = hc<AppType>("http://127.0.0.1:8786", {
      fetch: (input: RequestInfo | URL) => get(new URL(String(input)).pathname),
    });
    const identity = await (await api.api.v1.identity.$get()).json();
    const id: string = identity.id;
    assertEquals(id, scheduler.server.id);
    scheduler.close();
  });
});

describe("probes", () => {
  it("say that it lives, and that it is ready once a worker runs", async () => {
    const { scheduler, get } = createTestApp();
    assertEquals((await get("/healthz", "")).status, 200);
    assertEquals((await get("/readyz", "")).status, 503);
    await scheduler.worker("a");
    assertEquals((await get("/readyz", "")).status, 200);
    scheduler.close();
  });
});

describe("what a browser gets", () => {
  it("is the dashboard, which runs what the scheduler serves and nothing else, or none", async () => {
    const { scheduler, get } = createTestApp();
    const page = await get("/", "");
    assertEquals(page.status, 200);
    assertStringIncludes(page.headers.get("content-security-policy")!, "default-src 'none'");
    assertStringIncludes(page.headers.get("content-security-policy")!, "script-src 'self'");
    assertStringIncludes(await page.text(), "/assets/app.js");
    const script = await get("/assets/app.js", "");
    assertEquals([script.status, script.headers.get("x-content-type-options")], [200, "nosniff"]);
    for (const path of ["/assets/mod.ts", "/assets/constructor", "/assets/..%2fmod.ts", "/assets/"]) {
      assertEquals((await get(path, "")).status, 404, path);
    }
    const without = createTestApp(false);
    for (const path of ["/", "/?ticket=x", "/assets/app.js"]) assertEquals((await without.get(path, "")).status, 404);
    scheduler.close();
  });

  it("is the client library as one module", async () => {
    const { get } = createTestApp();
    const response = await get("/troupe.js", "");
    assertMatch(response.headers.get("content-type")!, /^text\/javascript/);
    assertEquals(await response.text(), await Deno.readTextFile(new URL("../../client/troupe.js", import.meta.url)));
  });
});

describe("the library's sources", () => {
  it("are served as they are, without a token", async () => {
    const { get } = createTestApp();
    for (const path of ["protocol/mod.ts", "client/mod.ts", "connection/clock.ts"]) {
      const response = await get(`/troupe/${path}`, "");
      assertMatch(response.headers.get("content-type")!, /^application\/typescript/);
      assertEquals(await response.text(), await Deno.readTextFile(new URL(`../../${path}`, import.meta.url)));
    }
  });

  it("do not let anyone climb out, or see other layers", async () => {
    const { get } = createTestApp();
    for (
      const path of [
        "scheduler/mod.ts",
        "worker/mod.ts",
        "deno.json",
        "client/",
        "client",
        "client/nothing.ts",
        "client/..%2fscheduler%2fmod.ts",
        "client/%2e%2e/scheduler/mod.ts",
        "client//../scheduler/mod.ts",
        "protocol/mod.ts%00",
        "https://evil.test/x.ts",
        ".git/config",
      ]
    ) {
      assertEquals((await get(`/troupe/${path}`, "")).status, 404, path);
    }
  });
});

describe("under deno serve", () => {
  const info = (hostname: string) => ({ remoteAddr: { transport: "tcp", hostname, port: 1 } }) as Deno.ServeHandlerInfo;

  it("refuses plain HTTP of other machines with the fix, and starts nothing for it", async () => {
    const handler = serveWithDeno(() => {
      throw new Error("Nothing may start");
    });
    for (const address of ["192.168.1.7", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1"]) {
      const response = await handler(new Request("http://127.0.0.1:8786/healthz"), info(address));
      assertEquals(response.status, 403);
      assertMatch(await response.text(), /--host 127\.0\.0\.1/);
    }
  });

  it("answers this machine, and TLS of any", async () => {
    const answered: string[] = [];
    const before = Deno.env.get("TROUPE_TOKEN");
    Deno.env.set("TROUPE_TOKEN", TOKEN);
    try {
      for (const [url, address] of [["http://127.0.0.1:1/", "127.0.0.1"], ["https://a.test/", "10.0.0.1"]] as const) {
        const handler = serveWithDeno(({ server }) => ({
          fetch: () => {
            answered.push(`${server.address} ${server.loopback}`);
            server.close();
            return new Response();
          },
        }));
        assert((await handler(new Request(url), info(address))).ok);
      }
    } finally {
      if (before === undefined) Deno.env.delete("TROUPE_TOKEN");
      else Deno.env.set("TROUPE_TOKEN", before);
    }
    assertEquals(answered, ["ws://127.0.0.1:1 true", "wss://a.test false"]);
  });
});
