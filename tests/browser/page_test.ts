import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { servePage } from "../../examples/browser/serve.ts";
import { type Scheduler, serveScheduler } from "../../scheduler/mod.ts";
import { startWorker, type Worker } from "../../worker/mod.ts";
import { launchBrowser, openPage, skipWithoutBrowser } from "../helpers/browser.ts";

type Library = typeof import("../../mod.ts");
type Counter = typeof import("../../examples/counter.ts").Counter;
type Faulty = typeof import("../fixtures/end_to_end_actors.ts").Faulty;
type Server = Deno.HttpServer<Deno.NetAddr>;

const TOKEN = "b".repeat(64);
const COUNTER = `${import.meta.resolve("../../examples/counter.ts")}#Counter`;
const FAULTY = `${import.meta.resolve("../fixtures/end_to_end_actors.ts")}#Faulty`;
const BUNDLE = new URL("../../client/troupe.js", import.meta.url);

/** A server of its own origin with the example's page, and with a copy of the library. */
function servePages(): Server {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    if (new URL(request.url).pathname !== "/copy.js") return await servePage(request);
    return new Response(await Deno.readTextFile(BUNDLE), { headers: { "content-type": "text/javascript" } });
  });
}

function originOf({ addr }: Server): string {
  return `http://127.0.0.1:${addr.port}`;
}

describe("the library for browsers", () => {
  it("is one file, which the scheduler serves to its own pages and those that are allowed", async () => {
    await using scheduler = await serveScheduler({ port: 0, token: TOKEN, allowOrigins: ["https://app.example"] });
    const url = new URL("/troupe.js", scheduler.dashboardLink);
    const ask = async (origin?: string) => {
      const response = await fetch(url, { headers: origin === undefined ? {} : { origin } });
      const { status, headers } = response;
      return { text: await response.text(), seen: [status, headers.get("access-control-allow-origin")] };
    };
    const own = await ask();
    assertEquals(own.text, await Deno.readTextFile(BUNDLE));
    assertEquals(own.seen, [200, null]);
    assertEquals((await ask("https://app.example")).seen, [200, "https://app.example"]);
    assertEquals((await ask("https://evil.test")).seen, [403, null]);
  });
});

describe("a page in a browser", { ignore: skipWithoutBrowser("pages in a browser") }, () => {
  let browser: Awaited<ReturnType<typeof launchBrowser>>;
  let allowed: Server;
  let foreign: Server;
  let scheduler: Scheduler;
  let worker: Worker;
  let origin: string;

  beforeAll(async () => {
    allowed = servePages();
    foreign = servePages();
    scheduler = await serveScheduler({ port: 0, token: TOKEN, allowOrigins: [originOf(allowed)] });
    origin = new URL(scheduler.dashboardLink).origin;
    [browser, worker] = await Promise.all([
      launchBrowser(),
      startWorker({ scheduler: scheduler.address, token: TOKEN }),
    ]);
  });
  afterAll(async () => {
    await browser?.close();
    await worker?.close(1000);
    await Promise.all([scheduler?.close(), allowed.shutdown(), foreign.shutdown()]);
  });

  it("of the scheduler's own origin uses actors, with no address and no build step", async () => {
    await using opened = await openPage(browser, `${origin}/healthz`);
    const seen = await opened.page.evaluate(async ({ token, counterUrl, faultyUrl }) => {
      const { Client, gather, remote, RemoteError, withOptions } = await import("/troupe.js" as string) as Library;
      const client = await Client.connect({ token });
      const counter = await client.submit(remote<Counter>(counterUrl), { actor: true });
      const calls = [await counter.increment(), await counter.add(10), await counter.n];
      const together = await Promise.all([counter.increment(), counter.n]);
      const pipelined = await gather(Array.from({ length: 1000 }, () => counter.increment()));
      const soon = await withOptions(counter, { timeout: 5000 }).add(0);
      const faulty = await client.submit(remote<Faulty>(faultyUrl), { actor: true });
      const error: unknown = await faulty.fail("no luck").catch((error) => error);
      const count = async () => (await client.schedulerInfo()).workers.flatMap(({ actors }) => actors).length;
      let scoped: number;
      {
        await using other = await client.submit(remote<Counter>(counterUrl), { actor: true });
        await other.increment();
        scoped = await count();
      }
      let left = scoped;
      for (const start = performance.now(); left === scoped && performance.now() - start < 5000;) left = await count();
      const link = client.dashboardLink;
      const alive = await faulty.ok();
      await client.close();
      return {
        text: String(counter),
        members: Object.keys(counter),
        calls,
        together,
        pipelined: [pipelined.length, pipelined.at(0), pipelined.at(-1)],
        soon,
        error: [error instanceof TypeError, error instanceof RemoteError, (error as Error).message],
        alive,
        actors: [scoped, left],
        link,
      };
    }, { token: TOKEN, counterUrl: COUNTER, faultyUrl: FAULTY });
    const { text, ...rest } = seen;
    assertMatch(text, /^<Actor: Counter, key=Counter-[0-9a-f]{8}>$/);
    assertEquals(rest, {
      members: ["add", "increment", "n"],
      calls: [1, 11, 11],
      together: [12, 12],
      pipelined: [1000, 13, 1012],
      soon: 1012,
      error: [true, true, "no luck"],
      alive: "still here",
      actors: [3, 2],
      // It has come by a ticket, and signs nobody in.
      link: `${origin}/`,
    });
    assertEquals(opened.problems, []);
  });

  it("of another origin uses actors where that is allowed: two pages count together", async () => {
    await using one = await openPage(browser, originOf(allowed));
    await using other = await openPage(browser, originOf(allowed));
    for (const [index, { page }] of [one, other].entries()) {
      await page.fill("[name=scheduler]", origin);
      await page.fill("[name=token]", TOKEN);
      await page.click("text=Connect");
      await page.waitForFunction(`document.getElementById("count").textContent === "${index}"`);
      await page.click("text=Increment");
      await page.waitForFunction(`document.getElementById("count").textContent === "${index + 1}"`);
    }
    assertEquals([one.problems, other.problems], [[], []]);
  });

  it("of any other origin is refused, and told which flag allows it", async () => {
    await using opened = await openPage(browser, originOf(foreign));
    const { page } = opened;
    await page.fill("[name=scheduler]", origin);
    await page.fill("[name=token]", TOKEN);
    await page.click("text=Connect");
    await page.waitForFunction(`document.getElementById("count").textContent.includes("troupe.js")`);
    const ticket = await fetch(`${origin}/ticket`, { method: "POST", headers: { authorization: `Bearer ${TOKEN}` } });
    const seen = await page.evaluate(async ({ token, address, ticket }) => {
      const { Client, ConnectionLostError } = await import("/copy.js" as string) as Library;
      const error: unknown = await Client.connect(address, { token }).catch((error) => error);
      // Not even with a ticket that somebody gave it.
      const socket = new WebSocket(`${address.replace("http", "ws")}/ws`, ["troupe.1", `ticket.${ticket}`]);
      const first = await new Promise((resolve) => {
        for (const type of ["open", "error"]) socket.addEventListener(type, () => resolve(type));
      });
      return { first, lost: error instanceof ConnectionLostError, message: (error as Error).message };
    }, { token: TOKEN, address: origin, ticket: (await ticket.json()).ticket as string });
    assertEquals([seen.first, seen.lost], ["error", true]);
    assertStringIncludes(seen.message, `--allow-origin ${originOf(foreign)}`);
  });
});
