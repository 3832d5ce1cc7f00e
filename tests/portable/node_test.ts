import { assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { Folder } from "./folder.ts";
import { run } from "./program.ts";

const COUNTER = `${import.meta.resolve("../../examples/counter.ts")}#Counter`;
const FAULTY = `${import.meta.resolve("../fixtures/end_to_end_actors.ts")}#Faulty`;

/** What a program for Node does; the token comes from its environment. */
const PROGRAM = `
import "./node_20.mjs";
import { Client, remote, RemoteError } from "./troupe.mjs";

const [address, counterUrl, faultyUrl] = process.argv.slice(2);
const seen = [];
for (const directToWorkers of ["auto", true, false]) {
  const client = await Client.connect(address, { directToWorkers });
  const counter = await client.submit(remote(counterUrl), { actor: true });
  await counter.increment();
  const last = (await Promise.all(Array.from({ length: 1000 }, () => counter.increment()))).at(-1);
  const faulty = await client.submit(remote(faultyUrl), { actor: true });
  const error = await faulty.fail("no luck").catch((error) => error);
  const { messages } = await client.schedulerInfo();
  seen.push([last, await counter.n, error instanceof TypeError && error instanceof RemoteError, error.message, messages.data ?? 0]);
  await client.close();
}
console.log(JSON.stringify(seen));
`;

/** Node 22 has all that is needed. Node 20 lacks this, and has its WebSocket behind a flag. */
const NODE_20 = `
Promise.withResolvers ??= () => {
  let functions;
  const promise = new Promise((resolve, reject) => functions = { resolve, reject });
  return { promise, ...functions };
};
`;

/** How Node is started so that it has a WebSocket; `undefined` where there is none, with the reason printed. */
async function findNode(): Promise<string[] | undefined> {
  for (const flags of [[], ["--experimental-websocket"]]) {
    const args = [...flags, "-p", "`${typeof Deno} ${typeof WebSocket}`"];
    const output = await new Deno.Command("node", { args, stderr: "null" }).output().catch(() => undefined);
    const answer = new TextDecoder().decode(output?.stdout).trim();
    if (answer === "undefined function") return flags;
    // Where there is no Node, Deno puts itself in its place.
    if (!answer.startsWith("undefined") && flags.length === 0) {
      console.warn("skipped: the client in Node (there is no node on PATH)");
      return undefined;
    }
  }
  console.warn("skipped: the client in Node (this one has no WebSocket: Node 22 or later has one)");
  return undefined;
}

const flags = await findNode();

describe("the client in Node", { ignore: flags === undefined }, () => {
  it("uses actors over every route, with nothing but the file that the scheduler serves", async () => {
    await using cluster = await LocalCluster.start({ workers: 1 });
    const served = await fetch(new URL("/troupe.js", cluster.dashboardLink));
    await using folder = await Folder.make({
      "troupe.mjs": await served.text(),
      "node_20.mjs": NODE_20,
      "program.mjs": PROGRAM,
    });
    const { code, output, errors } = await run(
      [...flags!, "--no-warnings", "program.mjs", cluster.address, COUNTER, FAULTY],
      { command: "node", cwd: folder.path, env: { TROUPE_TOKEN: cluster.token } },
    );
    // Where an error comes from the library, Node shows the whole line, which is the whole library.
    assertEquals([errors.slice(-500), code], ["", 0]);
    const seen = JSON.parse(output) as unknown[][];
    assertEquals(seen.map((route) => route.slice(0, 4)), Array(3).fill([1001, 1001, true, "no luck"]));
    const [auto, direct, relayed] = seen.map((route) => route[4] as number);
    assertEquals([auto, direct], [0, 0], "nothing was relayed");
    assertMatch(String(relayed), /^[1-9]/);
  });
});
