import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import type { Browser, Page } from "npm:playwright-core@^1.65.0";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, Client, remote } from "../../mod.ts";
import { launchBrowser, skipWithoutBrowser } from "../helpers/browser.ts";
import { Slow, Talker } from "../fixtures/dashboard_actors.ts";

remote(import.meta.resolve("../fixtures/dashboard_actors.ts"), { Slow, Talker });

/** Where screenshots go: to look at. */
const SHOTS = Deno.env.get("TROUPE_SHOTS") ?? Deno.makeTempDirSync({ prefix: "troupe_shots_" });

const SIZES = { wide: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } } as const;

/** A page that is signed in, and what went wrong in it. */
interface Visit extends AsyncDisposable {
  readonly page: Page;
  readonly problems: readonly string[];
}

/** Asks again and again until the answer will do. */
async function until<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (const end = performance.now() + 10_000;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    if (performance.now() > end) throw new Error(`Still ${answer} after 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe("the dashboard in a browser", { ignore: skipWithoutBrowser("the dashboard in a browser") }, () => {
  let browser: Browser;
  let cluster: LocalCluster;
  let client: Client;
  let talker: Actor<Talker>;
  let slow: Actor<Slow>;
  let origin: string;
  let stopped = false;
  let load: Promise<void>;

  /** A new link: each signs in once. */
  async function link(): Promise<string> {
    const headers = { authorization: `Bearer ${cluster.token}` };
    const response = await fetch(`${origin}/link`, { method: "POST", headers });
    return (await response.json()).link;
  }

  async function visit(
    place: string,
    { scheme = "light", size = "wide" }: { scheme?: "light" | "dark"; size?: keyof typeof SIZES } = {},
  ): Promise<Visit> {
    const context = await browser.newContext({ colorScheme: scheme, viewport: SIZES[size] });
    const page = await context.newPage();
    const problems: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(String(error)));
    await page.goto(await link());
    await page.evaluate((hash: string) => void (location.hash = hash), place);
    return { page, problems, [Symbol.asyncDispose]: () => context.close() };
  }

  beforeAll(async () => {
    [browser, cluster] = await Promise.all([
      launchBrowser(),
      LocalCluster.start({ workers: 1, isolates: 1, resources: { CPU: 2 } }),
    ]);
    origin = new URL(cluster.dashboardLink).origin;
    client = await Client.connect(cluster.address, { token: cluster.token, onUnobservedError: () => {} });
    talker = await client.submit(Talker, { actor: true, key: "Talker-1" });
    slow = await client.submit(Slow, { actor: true, key: "Slow-1" });
    load = (async () => {
      while (!stopped) {
        await talker.say("hello").catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
  });
  afterAll(async () => {
    stopped = true;
    await browser?.close();
    await load;
    await client?.close();
    await cluster?.close();
  });

  it("signs in by the printed link, once, and shows figures that change under load", async () => {
    const printed = await link();
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(printed);
    await page.getByText("Live", { exact: true }).waitFor();
    assertEquals(new URL(page.url()).search, "");
    const calls = () => page.locator(".head .figure", { hasText: "calls/s" }).locator(".figure-value").textContent();
    const first = await until(calls, (text) => Number(text) > 0);
    assertMatch(first!, /^[\d.]+k?$/);
    await until(calls, (text) => text !== first);
    await page.locator(".chart canvas").first().waitFor();
    const other = await browser.newContext();
    const stranger = await other.newPage();
    await stranger.goto(printed);
    await stranger.getByText("This link has been used").waitFor();
    await Promise.all([context.close(), other.close()]);
  });

  it("tells at a glance which actor is slow, and why another does not run", async () => {
    await using opened = await visit("#/overview");
    const { page, problems } = opened;
    const gpu = client.submit(Slow, { actor: true, key: "Gpu-1", resources: { GPU: 1 } });
    gpu.then(() => {}, () => {});
    const long = slow.compute(2500);
    await page.getByText(/Slow-1 has computed in compute for/).waitFor();
    await page.getByText(/Gpu-1 does not run: it needs GPU: 1/).waitFor();
    await page.screenshot({ path: `${SHOTS}/overview-light.png`, fullPage: true });
    await page.getByText(/Gpu-1 does not run/).click();
    await page.getByText("No worker that is here can take it.").waitFor();
    assertStringIncludes((await page.locator(".wanted").textContent())!, "GPU: 1");
    await long;
    const again = slow.compute(2500);
    await page.evaluate(() => void (location.hash = "#/actors/key/Talker-1"));
    await page.getByText(/Its isolate is held up by/).waitFor();
    await again;
    await gpu.cancel();
    assertEquals(problems, []);
  });

  it("reads values of an actor and calls its methods, as any client would", async () => {
    await using opened = await visit("#/actors/key/Talker-1");
    const { page, problems } = opened;
    await page.locator(".values dt", { hasText: "greeting" }).waitFor();
    assertStringIncludes((await page.locator(".values").textContent())!, "good day");
    await page.locator(".console select").selectOption("repeat");
    await page.locator(".console input").fill('"la", 3');
    await page.getByRole("button", { name: "Call", exact: true }).click();
    await page.locator(".console-log pre", { hasText: "la la la" }).waitFor();
    await page.locator(".console select").selectOption("fail");
    await page.locator(".console input").fill("");
    await page.getByRole("button", { name: "Call", exact: true }).click();
    await page.locator(".console-log pre", { hasText: "TypeError: on purpose" }).waitFor();
    await page.locator(".console input").fill("{");
    await page.getByRole("button", { name: "Call", exact: true }).click();
    await page.locator(".console-log pre", { hasText: "These are no arguments in JSON" }).waitFor();
    // The error, with the place that threw it.
    await page.locator(".errors summary", { hasText: "on purpose" }).click();
    await page.locator(".stack", { hasText: "dashboard_actors.ts" }).waitFor();
    await page.locator(".lines", { hasText: "said hello" }).waitFor();
    assertEquals(problems, []);
  });

  it("shows calls as they run, and costs nothing when nobody looks", async () => {
    await using opened = await visit("#/timeline");
    const { page, problems } = opened;
    await page.locator(".legend", { hasText: "Talker.say" }).waitFor();
    await page.locator(".latest summary").click();
    await page.locator(".latest li", { hasText: "Talker.say" }).first().waitFor();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Export as trace" }).click(),
    ]);
    const trace = JSON.parse(await Deno.readTextFile((await download.path())!));
    assert(trace.traceEvents.some(({ ph, name }: { ph: string; name: string }) => ph === "X" && name === "Talker.say"));
    const observed = async () => (await client.schedulerInfo()).messages["observed"] ?? 0;
    assert(await observed() > 0);
    await page.evaluate(() => void (location.hash = "#/overview"));
    // Four batches come in a second, while somebody looks; the last one may be under way.
    let last = await observed();
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, 600));
      const [before, now] = [last, await observed()];
      last = now;
      return now - before;
    }, (more) => more === 0);
    assertEquals(problems, []);
  });

  it("follows what actors print", async () => {
    await using opened = await visit("#/logs");
    const { page, problems } = opened;
    await page.locator(".line", { hasText: "said hello" }).first().waitFor();
    await page.getByLabel("Filter").fill("nothing has these words");
    await page.getByText("No line has these words").waitFor();
    assertEquals(problems, []);
  });

  it("can be used by keyboard alone", async () => {
    await using opened = await visit("#/overview");
    const { page } = opened;
    await page.getByText("Live", { exact: true }).waitFor();
    const seen: string[] = [];
    for (let step = 0; step < 12; step++) {
      await page.keyboard.press("Tab");
      seen.push(await page.evaluate(`document.activeElement?.textContent?.trim() ?? ""`));
      if (seen.at(-1) === "Placement") break;
    }
    assertEquals(seen.at(-1), "Placement");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Placement" }).waitFor();
    // Every control has a name that a screen reader can say.
    const nameless = await page.evaluate(`
      [...document.querySelectorAll("button, input, select, a, [role=img]")].filter((element) =>
        !(element.textContent.trim() || element.getAttribute("aria-label") || element.closest("label") ||
          element.querySelector("img[alt]"))
      ).map((element) => element.outerHTML)`);
    assertEquals(nameless, []);
  });

  it("looks right in both schemes, and never scrolls sideways on a phone", async () => {
    for (const [scheme, size] of [["light", "phone"], ["dark", "wide"], ["dark", "phone"]] as const) {
      await using opened = await visit("#/overview", { scheme, size });
      const { page, problems } = opened;
      for (
        const place of [
          "overview",
          "actors",
          "actors/class/Talker",
          "actors/key/Talker-1",
          "timeline",
          "placement",
          "events",
          "logs",
        ]
      ) {
        await page.evaluate((hash: string) => void (location.hash = hash), `#/${place}`);
        await page.locator(".card").first().waitFor();
        await page.screenshot({
          path: `${SHOTS}/${place.replaceAll("/", "-")}-${scheme}-${size}.png`,
          fullPage: true,
        });
        const wider = await page.evaluate("document.documentElement.scrollWidth - innerWidth") as number;
        assert(wider <= 0, `${place} is ${wider} px wider than a ${size} window`);
      }
      assertEquals(problems, []);
    }
  });

  it("turns red within two seconds when a worker is killed, and says so when it is not live any more", async () => {
    await using opened = await visit("#/overview");
    const { page } = opened;
    await page.locator("tr", { hasText: "worker-1" }).waitFor();
    const [worker] = (await client.schedulerInfo()).workers;
    const started = performance.now();
    Deno.kill(worker!.pid, "SIGKILL");
    await page.locator("tr.bad", { hasText: "gone" }).waitFor({ timeout: 2000 });
    await page.locator(".banner.bad", { hasText: "No worker has joined" }).waitFor({ timeout: 2000 });
    assert(performance.now() - started < 2000);
    await page.screenshot({ path: `${SHOTS}/killed-light.png`, fullPage: true });
    stopped = true;
    await client.close();
    await cluster.close();
    await page.getByText(/^Not live since/).waitFor();
    await page.getByText(/The scheduler does not answer/).waitFor();
  });
});
