/**
 * A counter as a Durable Object, in `workerd`, which `npx` fetches when the bench runs.
 *
 * @module
 */

import { openSocket, startChild } from "./child.ts";

const PACKAGE = "workerd@^1.20261117.1";

/** A Durable Object at the far end. */
export interface DurableCounter extends AsyncDisposable {
  /** Calls it by a message of a WebSocket that ends in it. */
  increment(): Promise<number>;
  /** Calls its method through a worker, by an HTTP request. */
  post(): Promise<number>;
}

/** How long starting may take, in milliseconds. */
const START_TIME = 20_000;

/** Starts workerd, and connects. */
export async function startDurableObject(): Promise<DurableCounter> {
  const folder = await Deno.makeTempDir({ prefix: "troupe_workerd_" });
  const port = freePort();
  await Deno.writeTextFile(`${folder}/config.capnp`, configuration(port));
  await Deno.copyFile(new URL("./durable_object.js", import.meta.url), `${folder}/durable_object.js`);
  const command = `echo $$; exec workerd serve --experimental ${folder}/config.capnp`;
  const child = await startChild("npx", ["-y", "-p", PACKAGE, "-c", command]);
  async function end(): Promise<void> {
    // npx ends when what it runs has ended, and only then.
    Deno.kill(Number(child.line), "SIGKILL");
    await child[Symbol.asyncDispose]();
    await Deno.remove(folder, { recursive: true });
  }
  try {
    const url = `http://127.0.0.1:${port}/`;
    await answering(url);
    const socket = await openSocket(url.replace("http", "ws"));
    let answered: (n: number) => void = () => {};
    socket.onmessage = ({ data }) => answered(JSON.parse(data));
    return {
      increment: () =>
        new Promise((resolve) => {
          answered = resolve;
          socket.send("increment");
        }),
      post: async () => await (await fetch(url, { method: "POST" })).json(),
      async [Symbol.asyncDispose]() {
        socket.onclose = null;
        socket.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Waits until it answers: it says nothing when it is ready. */
async function answering(url: string): Promise<void> {
  const until = performance.now() + START_TIME;
  while (performance.now() < until) {
    const response = await fetch(url, { method: "POST" }).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("workerd does not answer");
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

function configuration(port: number): string {
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .counter)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const counter :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "durable_object.js")],
  compatibilityDate = "2026-01-01",
  durableObjectNamespaces = [(className = "Counter", uniqueKey = "counter")],
  durableObjectStorage = (inMemory = void),
  bindings = [(name = "COUNTER", durableObjectNamespace = "Counter")],
);
`;
}
