import { assert, assertAlmostEquals, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, Client, gather } from "../../mod.ts";
import { type Message, Room } from "../../examples/chat_room.ts";
import { evaluate, generate, HIDDEN, ParameterServer, train } from "../../examples/parameter_server.ts";
import { TokenBucket } from "../../examples/rate_limiter.ts";
import { type Entry, GuestBook } from "../../examples/web_page.ts";
import { eventually } from "../helpers/eventually.ts";
import { readExample, runExample, serveExample } from "./run_example.ts";

/** A cluster of two workers in processes of their own, and a client. */
async function openCluster() {
  const cluster = await LocalCluster.start({ workers: 2 });
  const client = await Client.connect(cluster.address, { token: cluster.token });
  return {
    cluster,
    client,
    async [Symbol.asyncDispose]() {
      await client.close();
      await cluster.close();
    },
  };
}

describe("the demo", () => {
  it("plays the page of Dask, and prints what came of each line", async () => {
    const { stdout, success } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "demo"],
      cwd: new URL("../../", import.meta.url),
    }).output();
    assertEquals(success, true);
    const printed = new TextDecoder().decode(stdout).split("\n");
    const shown = (code: string) => printed.flatMap((line, at) => line === `> ${code}` ? [printed[at + 1]] : []);
    assertMatch(shown("counter")[0]!, /^<Actor: Counter, key=Counter-\w+>$/);
    assertEquals(shown("await call.result()"), ["1"]);
    assertEquals(shown("await counter.add(10)"), ["11"]);
    assertEquals(shown("Object.keys(counter)"), ['[ "add", "increment", "n" ]']);
    assertEquals(shown("await Promise.all([counter.increment(), counter.n])"), ["[ 12, 12 ]"]);
    assertEquals(shown("waits.filter((wait) => wait.done()).length"), ["0", "1000"]);
  });
});

describe("the parameter server", () => {
  it("learns the weights that the data hides, from four tasks at the same time", async () => {
    await using scene = await openCluster();
    const { client } = scene;
    const server = await client.submit(ParameterServer, [HIDDEN.length], { actor: true });
    const before = evaluate(await server.weights(), generate(1)).loss;
    const losses = await gather(
      [1, 2, 3, 4].map((seed) => client.submit(train, [server, seed, 150], { pure: false })),
    );
    assertEquals(await server.updates, 600);
    assert(before > 5);
    // The first to end may have ended long before the others.
    for (const loss of losses) assertLess(loss, before);
    const weights = await server.weights();
    assert(weights instanceof Float64Array);
    assertLess(evaluate(weights, generate(1)).loss, 0.05);
    for (const [i, weight] of weights.entries()) assertAlmostEquals(weight, HIDDEN[i]!, 0.05);
  });

  it("has the gradient right", () => {
    const examples = generate(7, 50);
    const weights = Float64Array.from(HIDDEN, (weight) => weight + 0.3);
    const { loss, gradient } = evaluate(weights, examples);
    for (const i of weights.keys()) {
      const moved = weights.with(i, weights[i]! + 1e-6);
      assertAlmostEquals((evaluate(moved, examples).loss - loss) / 1e-6, gradient[i]!, 1e-3);
    }
  });

  it("prints a loss that falls", async () => {
    const { lines } = await readExample("examples/parameter_server.ts");
    const printed = await runExample("examples/parameter_server.ts");
    const words = (line: string) => line.replaceAll(/[\d.]+/g, "0");
    assertEquals(printed.map(words), lines.map(words));
    const losses = printed.filter((line) => line.startsWith("loss")).map((line) => Number(line.split(": ")[1]));
    assert(losses[0]! > 5);
    assertLess(losses.at(-1)!, 0.02);
    assertEquals(printed.at(-1)?.replace("learned", "wanted "), printed.at(-2), "to two digits");
  });
});

describe("the rate limiter", () => {
  it("lets through what the bucket holds, and the rest in its turn", async () => {
    await using scene = await openCluster();
    const options = { actor: true, key: "bucket" } as const;
    await using other = await Client.connect(scene.cluster.address, { token: scene.cluster.token });
    const bucket = await scene.client.submit(TokenBucket, [3, 20], options);
    const same = await other.submit(TokenBucket, [3, 20], options);
    const start = performance.now();
    assertEquals(await gather([bucket.tryTake(), bucket.tryTake(), bucket.tryTake()]), [true, true, true]);
    assertEquals(await same.tryTake(), false, "the bucket is one");
    const order: number[] = [];
    await gather([1, 2, 3, 4].map((i) => (i % 2 ? bucket : same).take().then(() => order.push(i))));
    assert(performance.now() - start > 150, "four tokens take a fifth of a second");
    assertEquals(order.filter((i) => i % 2), [1, 3]);
    assertEquals(order.filter((i) => i % 2 === 0), [2, 4]);
  });

  it("prints what its comment says", async () => {
    const { lines } = await readExample("examples/rate_limiter.ts");
    const printed = await runExample("examples/rate_limiter.ts");
    const parts = (line: string) => line.replace(/[\d.]+ s:/, "so many s:");
    assertEquals(printed.map(parts), lines.map(parts));
    const seconds = printed.slice(1).map((line) => Number(/after ([\d.]+) s/.exec(line)?.[1]));
    assertLess(seconds[0]!, 0.3);
    assert(seconds[1]! >= 0.4 && seconds[2]! >= 0.9, String(seconds));
  });
});

describe("the sandbox", () => {
  it("stops what it runs, and prints what its comment says", async () => {
    const { lines } = await readExample("examples/sandbox.ts");
    assertEquals(await runExample("examples/sandbox.ts"), lines);
  });
});

describe("the web page", () => {
  it("is served by handlers that call actors", async () => {
    await using page = await serveExample("examples/web_page.ts");
    assertStringIncludes(await (await fetch(page.url)).text(), "visitor number 1");
    const body = new URLSearchParams({ name: "Ann", text: "<b>hello</b>" });
    const signed = await fetch(new URL("/sign", page.url), { method: "POST", body });
    const text = await signed.text();
    assertStringIncludes(text, "visitor number 2");
    assertStringIncludes(text, "<b>Ann</b>: &lt;b&gt;hello&lt;/b&gt;");
    const missing = await fetch(new URL("/sign", page.url), { method: "POST", body: new URLSearchParams() });
    assertEquals([missing.status, await missing.text()], [400, "A name and a text, please\n"]);
    const entries: unknown = await (await fetch(new URL("/entries", page.url))).json();
    assertEquals(entries, { visits: 2, entries: [{ name: "Ann", text: "<b>hello</b>" }] });
  });

  it("forgets the oldest entries", () => {
    const book = new GuestBook();
    for (let i = 0; i < 150; i++) book.sign("Ann", String(i));
    const entries: readonly Entry[] = book.entries();
    assertEquals([entries.length, entries[0]?.text, entries.at(-1)?.text], [100, "149", "50"]);
  });
});

describe("the chat room", () => {
  /** Says something in the room of a page. */
  async function say(page: string, name: string, text: string): Promise<unknown> {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ name, text });
    return await (await fetch(new URL("/messages", page), { method: "POST", headers, body })).json();
  }

  /** The messages that a page gets, as the browser's `EventSource` reads them. */
  async function* listenTo(page: string, signal: AbortSignal, last = 0): AsyncGenerator<Message> {
    const headers = { "last-event-id": String(last) };
    const { body } = await fetch(new URL("/messages", page), { headers, signal });
    let text = "";
    for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
      const events = (text + chunk).split("\n\n");
      text = events.pop()!;
      for (const event of events) yield JSON.parse(/^data: (.*)$/m.exec(event)![1]!);
    }
  }

  it("brings what somebody says to all pages that listen, and the rest to one that comes back", async () => {
    await using page = await serveExample("examples/chat_room.ts");
    assertStringIncludes(await (await fetch(page.url)).text(), "<h1>Chat room</h1>");
    const left = new AbortController();
    const pages = [listenTo(page.url, left.signal), listenTo(page.url, left.signal)];
    const first = pages.map((messages) => messages.next());
    assertEquals(await say(page.url, "Ann", "hello"), { id: 1 });
    const hello = { id: 1, name: "Ann", text: "hello" };
    assertEquals((await Promise.all(first)).map(({ value }) => value), [hello, hello]);
    await say(page.url, "Bob", "<script>");
    const bob = { id: 2, name: "Bob", text: "<script>" };
    assertEquals((await pages[0]!.next()).value, bob);
    assertEquals((await listenTo(page.url, left.signal, 1).next()).value, bob);
    left.abort();
    const refused = await fetch(new URL("/messages", page.url), { method: "POST", body: "no JSON" });
    assertEquals([refused.status, await refused.text()], [400, "A name and a text, please\n"]);
  });

  it("streams to hundreds from two clients, keeps a hundred messages, and knows who has left", async () => {
    await using scene = await openCluster();
    await using other = await Client.connect(scene.cluster.address, { token: scene.cluster.token });
    const options = { actor: true, key: "room" } as const;
    const rooms: Actor<Room>[] = [await scene.client.submit(Room, options), await other.submit(Room, options)];
    const listeners = Array.from({ length: 300 }, (_, index) => rooms[index % 2]!.listen());
    const heard = gatherFirst(listeners);
    await eventually(300, () => rooms[0]!.listeners);
    await rooms[1]!.say("Ann", "hello");
    assertEquals(new Set((await heard).map((message) => message.text)), new Set(["hello"]));
    for (let i = 0; i < 150; i++) rooms[0]!.say("Ann", String(i));
    await Promise.all(listeners.slice(1).map((listener) => listener.return()));
    await eventually(1, () => rooms[0]!.listeners);
    await other.close();
    const kept: Message[] = [];
    for await (const message of rooms[0]!.listen()) if (kept.push(message) === 100) break;
    assertEquals([kept[0]!.text, kept.at(-1)!.id], ["50", 151]);
    await listeners[0]!.return();
    await eventually(0, () => rooms[0]!.listeners);
  });
});

async function gatherFirst<T>(streams: readonly AsyncGenerator<T>[]): Promise<T[]> {
  return await Promise.all(streams.map(async (stream) => (await stream.next()).value as T));
}
