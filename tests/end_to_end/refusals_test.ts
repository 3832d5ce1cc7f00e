import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import {
  ActorStartError,
  Client,
  ConnectionLostError,
  FreeVariableError,
  isRemoteError,
  KeyConflictError,
  ModuleLoadError,
  ModuleNotAllowedError,
  NoWorkerError,
  remote,
  SerializationError,
  UnauthorizedError,
} from "../../mod.ts";
import { Counter } from "../../examples/counter.ts";
import { serveScheduler } from "../../scheduler/mod.ts";
import { startWorker } from "../../worker/mod.ts";
import { Unborn } from "../fixtures/end_to_end_actors.ts";

const COUNTER = import.meta.resolve("../../examples/counter.ts");
const FIXTURES = import.meta.resolve("../fixtures/end_to_end_actors.ts");
remote(COUNTER, { Counter });
remote(FIXTURES, { Unborn });

/** A typed reference to an export of a module, as a string that no compiler looks at. */
const named = (reference: string) => remote<new () => object>(reference);

describe("what is refused, and how", () => {
  let cluster: LocalCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 1 });
    client = await Client.connect(cluster.address, { token: cluster.token });
  });
  afterAll(async () => {
    await client.close();
    await cluster.close();
  });

  /** Whatever was refused, the worker lives on. */
  async function livesOn(): Promise<void> {
    await using counter = await client.submit(Counter, { actor: true });
    assertEquals(await counter.increment(), 1);
  }

  it("a client with wrong options", async () => {
    for (
      const [options, message] of [
        [{ tokn: "x" }, "(did you mean token?)"],
        [{ token: 5 }, "token has to be a string"],
        [{ directToWorkers: "direct" }, "directToWorkers has to be"],
        [{ timeout: -1 }, "timeout has to be"],
        [{ signal: {} }, "signal has to be"],
        [{ caCerts: "PEM" }, "caCerts has to be"],
        [{ calls: { timout: 1 } }, "(did you mean timeout?)"],
        [{ onUnobservedError: "log" }, "onUnobservedError has to be"],
      ] as const
    ) await assertRejects(() => Client.connect(cluster.address, options as never), TypeError, message);
    await assertRejects(() => client.getActor(5 as never), TypeError, "a key is a string");
    await assertRejects(() => client.retireWorkers(5 as never), TypeError, "workers has to be");
    await assertRejects(() => client.restart({ timeout: "1s" as never }), TypeError, "timeout has to be");
    assertThrows(() => new (Client as unknown as new () => Client)(), TypeError, "Client.connect");
  });

  it("a client whose signal was aborted before it connects, which rejects and does nothing else", async () => {
    const signal = AbortSignal.abort(new RangeError("too late"));
    await assertRejects(
      () => Client.connect(cluster.address, { token: cluster.token, signal }),
      RangeError,
      "too late",
    );
    // An error that nobody handles would end the test.
    await livesOn();
  });

  it("no scheduler answers", async () => {
    const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    const error = await assertRejects(
      () => Client.connect(`ws://127.0.0.1:${port}`, { token: "x" }),
      ConnectionLostError,
    );
    assertStringIncludes(error.message, `127.0.0.1:${port}`);
    assertStringIncludes(error.message, "deno task scheduler");
    assertEquals([error.code, error.executed, error.retryable], ["UNAVAILABLE", "no", true]);
  });

  it("a scheduler whose certificate is of an unknown authority, or that speaks no TLS", async () => {
    const pem = (name: string) => Deno.readTextFile(new URL(`../fixtures/tls/${name}.pem`, import.meta.url));
    const [cert, key, authority] = await Promise.all(["cert", "key", "authority"].map(pem));
    await using scheduler = await serveScheduler({ port: 0, token: "x", tls: { cert: cert!, key: key! } });
    const plain = cluster.address.replace("ws:", "wss:");
    for (const address of [scheduler.address, plain]) {
      const error = await assertRejects(() => Client.connect(address, { token: "x" }), ConnectionLostError);
      assertEquals([error.code, error.executed, error.retryable], ["TLS_ERROR", "no", false], error.message);
      assertStringIncludes(error.message, "caCerts");
      // A worker does not try again and again.
      const same = await assertRejects(() => startWorker({ scheduler: address, token: "x" }), ConnectionLostError);
      assertEquals(same.message, error.message);
    }
    // Who trusts the authority is let in, or hears what else is wrong.
    const caCerts = [authority!];
    await (await Client.connect(scheduler.address, { token: "x", caCerts })).close();
    await assertRejects(() => Client.connect(scheduler.address, { token: "wrong", caCerts }), UnauthorizedError);
  });

  it("a token that is wrong", async () => {
    const error = await assertRejects(() => Client.connect(cluster.address, { token: "wrong" }), UnauthorizedError);
    assertStringIncludes(error.message, "TROUPE_TOKEN");
    assert(!error.message.includes('wrong"'), "a token is never in an error");
  });

  it("a foreign origin", async () => {
    const url = cluster.address.replace("ws:", "http:");
    const response = await fetch(url, {
      headers: {
        origin: "https://evil.test",
        authorization: `Bearer ${cluster.token}`,
        connection: "upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      },
    });
    await response.body?.cancel();
    assertEquals(response.status, 403);
  });

  it("a module that is not there", async () => {
    const missing = import.meta.resolve("../fixtures/not_there.ts");
    const error = await assertRejects(
      async () => await client.submit(named(`${missing}#Counter`), { actor: true }),
      ModuleLoadError,
    );
    assertStringIncludes(error.message, "not_there.ts");
    await livesOn();
  });

  it("a module that may not be loaded", async () => {
    const error = await assertRejects(
      async () => await client.submit(named("https://example.invalid/x.ts#Counter"), { actor: true }),
      ModuleNotAllowedError,
    );
    assertStringIncludes(error.message, "--allow-modules");
    await livesOn();
  });

  it("an export that is missing", async () => {
    const error = await assertRejects(
      async () => await client.submit(named(`${COUNTER}#Conter`), { actor: true }),
      ActorStartError,
    );
    assertStringIncludes(error.message, "Conter");
    assertStringIncludes(error.message, "Counter");
    await livesOn();
  });

  it("an export that is no class", async () => {
    const error = await assertRejects(
      async () => await client.submit(named(`${FIXTURES}#notAClass`), { actor: true }),
      ActorStartError,
    );
    assertStringIncludes(error.message, "notAClass");
    await livesOn();
  });

  it("a constructor that throws", async () => {
    const error = await assertRejects(
      async () => await client.submit(Unborn, ["because"], { actor: true }),
      RangeError,
      "because",
    );
    assert(isRemoteError(error));
    const { workers, waiting } = await client.schedulerInfo();
    const left = [...workers.flatMap(({ actors }) => actors), ...waiting];
    assertEquals(left.filter((actor) => actor.class === "Unborn"), []);
    await livesOn();
  });

  it("a constructor argument that cannot be encoded", async () => {
    const error = await assertRejects(
      async () => await client.submit(Unborn, [new WeakMap() as never], { actor: true }),
      SerializationError,
    );
    assertEquals(error.path, "args[0]");
  });

  it("a class by value with a free variable", async () => {
    const outer = 1;
    class Leaky {
      get() {
        return outer;
      }
    }
    const error = await assertRejects(async () => await client.submit(Leaky, { actor: true }), FreeVariableError);
    assertEquals([...error.variables], ["outer"]);
    assertEquals(error.executed, "no");
    await livesOn();
  });

  it("a key that is in use for something else", async () => {
    await using one = await client.submit(Counter, { actor: true, key: "taken" });
    await using other = await Client.connect(cluster.address, { token: cluster.token });
    await assertRejects(
      async () => await other.submit(named(`${FIXTURES}#Log`), { actor: true, key: "taken" }),
      KeyConflictError,
    );
    assertEquals(await one.increment(), 1);
  });

  it("what no worker can take says why, and ends with its timeout", async () => {
    const future = client.submit(Counter, { actor: true, resources: { GPU: 1 }, timeout: 300 });
    const error = await assertRejects(async () => await future, NoWorkerError);
    assertStringIncludes(error.message, "GPU");
  });

  it("a call of an actor that is released, and one of a closed client", async () => {
    const other = await Client.connect(cluster.address, { token: cluster.token });
    const counter = await other.submit(Counter, { actor: true });
    await counter.increment();
    await other.close();
    await assertRejects(async () => await counter.increment(), ConnectionLostError, "closed");
  });
});
