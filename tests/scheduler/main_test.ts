import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { openWebSocket } from "../../client/platform.ts";
import { dialledTransport, webSocketAddress } from "../../client/scheduler_link.ts";
import { greet } from "../../connection/mod.ts";
import {
  ACKNOWLEDGEMENT,
  CloseCode,
  type CloseInfo,
  encodeBody,
  randomHex,
  SUBPROTOCOL,
  TROUPE_VERSION,
} from "../../protocol/mod.ts";
import { readFlags, UsageError } from "../../scheduler/flags.ts";

const MAIN = new URL("../../scheduler/main.ts", import.meta.url).href;
const TOKEN = "a-token-for-this-test-alone";

interface RunOptions {
  readonly args?: readonly string[];
  readonly env?: Record<string, string>;
  readonly stdin?: "piped" | "null";
  /** Shell commands that run first, in the same process. */
  readonly before?: string;
}

function run({ args = [], env = {}, stdin = "null", before }: RunOptions): Deno.ChildProcess {
  const flags = ["run", "--no-prompt", "--allow-net", "--allow-read", "--allow-env", "--allow-write"];
  const command = [...flags, MAIN, ...args];
  // HOME is left as it is, for Deno's cache; the token comes from elsewhere.
  const options = { env: { TROUPE_TOKEN: TOKEN, ...env }, stdin, stdout: "piped", stderr: "piped" } as const;
  if (before === undefined) return new Deno.Command(Deno.execPath(), { args: command, ...options }).spawn();
  const script = `${before}; exec "$0" "$@"`;
  return new Deno.Command("sh", { args: ["-c", script, Deno.execPath(), ...command], ...options }).spawn();
}

async function finish(options: RunOptions): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await run(options).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** What a child prints, as it comes. */
class Output {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    const decoder = new TextDecoderStream() as TransformStream<Uint8Array, string>;
    this.#reader = stream.pipeThrough(decoder).getReader();
  }

  /** Reads on until a pattern is in what was printed so far. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#text);
      if (found) return found;
      if (!await this.#more()) throw new Error(`The child ended; it printed: ${this.#text}`);
    }
  }

  /** All that it printed. */
  async all(): Promise<string> {
    while (await this.#more());
    return this.#text;
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#reader.read();
    this.#text += value ?? "";
    return !done;
  }
}

/** A child whose output is read. */
function start(options: RunOptions): { child: Deno.ChildProcess; stdout: Output; stderr: Output } {
  const child = run(options);
  return { child, stdout: new Output(child.stdout), stderr: new Output(child.stderr) };
}

describe("the command line", () => {
  it("reads flags before environment before defaults", () => {
    const names = ["TROUPE_PORT", "TROUPE_HOST", "TROUPE_ALLOW_ORIGIN", "TROUPE_NO_DASHBOARD"];
    const before = names.map((name) => [name, Deno.env.get(name)] as const);
    try {
      for (const name of names) Deno.env.delete(name);
      assertEquals([readFlags([]).port, readFlags([]).host, readFlags([])["no-auth"]], [8786, "127.0.0.1", false]);
      Deno.env.set("TROUPE_PORT", "9000");
      Deno.env.set("TROUPE_ALLOW_ORIGIN", "https://a.test, https://b.test");
      Deno.env.set("TROUPE_NO_DASHBOARD", "1");
      const flags = readFlags(["--host", "::1"]);
      assertEquals([flags.port, flags.host, flags["no-dashboard"]], [9000, "::1", true]);
      assertEquals(flags["allow-origin"], ["https://a.test", "https://b.test"]);
      assertEquals(readFlags(["--port=0"]).port, 0);
    } finally {
      for (const [name, value] of before) value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  });

  it("takes a flag twice where it lists", () => {
    const flags = readFlags(["--allow-host", "a.test", "--allow-host", "b.test"]);
    assertEquals(flags["allow-host"], ["a.test", "b.test"]);
  });

  it("is refused in one line that names what is wrong", () => {
    const wrong: [string[], RegExp][] = [
      [["--prot", "1"], /Unknown option '--prot'/],
      [["--port", "99999"], /^Cannot use --port: expected 0 to 65535, found 99999$/],
      [["--port", "many"], /^Cannot use --port: expected a number, found many$/],
      [["--allow-origin", "app.example"], /^Cannot use --allow-origin: expected origins/],
      [["--tls-cert", "a.pem"], /give both --tls-cert and --tls-key/],
      [["ws://127.0.0.1"], /Unexpected argument/],
    ];
    for (const [args, expected] of wrong) {
      const error = assertThrows(() => readFlags(args), UsageError);
      assertMatch(error.message, expected);
      assertEquals(error.message.includes("\n"), false);
    }
  });
});

/** Resolves with the first frame that only acknowledges. */
function acknowledged(socket: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      if (data instanceof ArrayBuffer && data.byteLength === ACKNOWLEDGEMENT.length) resolve();
    });
  });
}

describe("deno task scheduler", () => {
  it("ends with 64 on an unknown flag, and with 78 where it would be an open door", async () => {
    const [unknown, plain, open, missing] = await Promise.all([
      finish({ args: ["--prot", "1"] }),
      finish({ args: ["--host", "0.0.0.0", "--port", "0"] }),
      finish({ args: ["--host", "0.0.0.0", "--port", "0", "--no-auth", "--insecure-plaintext"] }),
      finish({ args: ["--port", "0", "--tls-cert", "no/cert.pem", "--tls-key", "no/key.pem"] }),
    ]);
    assertEquals([unknown.code, plain.code, open.code, missing.code], [64, 78, 78, 78]);
    assertMatch(missing.stderr, /^Cannot read --tls-cert no\/cert\.pem: No such file.*\n$/);
    assertMatch(plain.stderr, /^Cannot listen on 0\.0\.0\.0 without TLS.*--insecure-plaintext\n$/);
    assertMatch(open.stderr, /^Cannot listen on 0\.0\.0\.0 without a token/);
  });

  it("ends with 78 where others can read the token file", async () => {
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, TOKEN);
      await Deno.chmod(file, 0o640);
      const { code, stderr } = await finish({
        args: ["--port", "0"],
        env: { TROUPE_TOKEN: "", TROUPE_TOKEN_FILE: file },
      });
      assertEquals(code, 78);
      assertMatch(stderr, /mode 0640/);
    } finally {
      await Deno.remove(file);
    }
  });

  it("prints its address, the dashboard's and the command that adds a worker, and ends on SIGTERM with 0", async () => {
    const { child, stdout, stderr } = start({ args: ["--port", "0"] });
    const [text, address] = await stdout.until(/^Scheduler at +(ws:\S+)\n.*\n.*\n/);
    const dashboard = `${address!.replace("ws", "http")}/`;
    const [, link] = /^Dashboard at +(\S+)$/m.exec(text)!;
    assertEquals(
      text,
      `Scheduler at  ${address}\nDashboard at  ${link}\nAdd a worker  deno task worker ${address}\n`,
    );
    // The link signs in: it leads to the page, with a cookie.
    const signedIn = await fetch(link!, { redirect: "manual" });
    await signedIn.body?.cancel();
    assertEquals([link!.startsWith(`${dashboard}?ticket=`), signedIn.status], [true, 303]);
    assertMatch(signedIn.headers.get("set-cookie")!, /HttpOnly; SameSite=Strict/);
    const health = await fetch(`${dashboard}healthz`);
    assertEquals((await health.json()).status, "ok");
    const started = performance.now();
    child.kill("SIGTERM");
    const [{ code }, printed, logged] = await Promise.all([child.status, stdout.all(), stderr.all()]);
    assertEquals([code, printed], [0, text]);
    assert(performance.now() - started < 2000, "It ends within two seconds");
    assertMatch(logged, new RegExp(`Listening on .*${address}`));
    assertEquals(logged.includes(TOKEN), false);
  });

  it("36. SIGTERM with 100 WebSockets: each is told that it goes away, and it ends within two seconds with 0", async () => {
    const { child, stdout, stderr } = start({ args: ["--port", "0"] });
    const [, address] = await stdout.until(/^Scheduler at +(ws:\S+)\n.*\n.*\n/);
    const ends: Promise<CloseInfo>[] = [];
    const quiet: Promise<void>[] = [];
    const welcomes = Array.from({ length: 100 }, () => {
      const { promise, resolve } = Promise.withResolvers<CloseInfo>();
      ends.push(promise);
      const socket = openWebSocket(webSocketAddress(address!), [SUBPROTOCOL], { token: TOKEN });
      // The scheduler pings whoever joins. Once it has acknowledged the answer nothing is on its way that could cross the
      // close, whose code Deno would lose (decisions.md).
      quiet.push(acknowledged(socket));
      return greet(dialledTransport(socket), {
        role: "client",
        session: randomHex(16),
        body: encodeBody({ troupe: TROUPE_VERSION, runtime: "test" }),
        receiver: { onMessage() {}, onClose: resolve },
      }).welcome;
    });
    await Promise.all([...welcomes, ...quiet]);
    const started = performance.now();
    child.kill("SIGTERM");
    for (const { code, local } of await Promise.all(ends)) assertEquals([code, local], [CloseCode.goingAway, false]);
    const [{ code }] = await Promise.all([child.status, stdout.all(), stderr.all()]);
    assertEquals(code, 0);
    assert(performance.now() - started < 2000, "It ends within two seconds");
  });

  it("as a child takes its token from stdin, prints one line of JSON, and ends when stdin ends", async () => {
    const { child, stdout, stderr } = start({
      args: ["--child", "--port", "0"],
      stdin: "piped",
      env: { TROUPE_TOKEN: "another" },
    });
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(`${TOKEN}\n`));
    const [line] = await stdout.until(/^.*\n/);
    const { address, dashboard } = JSON.parse(line);
    assertEquals(new URL(address).port, new URL(dashboard).port);
    const headers = { authorization: `Bearer ${TOKEN}` };
    const identity = await fetch(new URL("/api/v1/identity", dashboard), { headers });
    assertEquals((await identity.json()).address, address);
    await input.close();
    const [{ code }, printed] = await Promise.all([child.status, stdout.all(), stderr.all()]);
    assertEquals([code, printed], [0, line]);
  });

  it("as a child refuses an empty token, which would let everyone in", async () => {
    const { code, stderr } = await finish({ args: ["--child", "--port", "0"] });
    assertEquals(code, 78);
    assertMatch(stderr, /^Cannot use the token from the option token/);
  });

  it("listens again after it ran out of file descriptors", async () => {
    const { child, stdout, stderr } = start({ args: ["--port", "0"], before: "ulimit -n 64" });
    const [, found] = await stdout.until(/127\.0\.0\.1:(\d+)\n.*\n.*\n/);
    const port = Number(found);
    const silent: Deno.Conn[] = [];
    for (let index = 0; index < 100; index++) {
      const connection = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
      if (connection) silent.push(connection);
    }
    await stderr.until(/The listener ended/);
    for (const connection of silent) connection.close();
    const response = await eventually(() => fetch(`http://127.0.0.1:${port}/healthz`));
    assertEquals((await response.json()).status, "ok");
    child.kill("SIGTERM");
    await Promise.all([child.status, stdout.all(), stderr.all()]);
  });
});

/** Tries again for two seconds: nobody tells when another process listens again. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + 2000;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
  }
}
