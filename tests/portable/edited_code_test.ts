import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { afterAll, beforeAll, describe, it } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, Client, MainModuleError, ModuleLoadError, release, remote } from "../../mod.ts";
import { Folder } from "./folder.ts";

/** What every version of the module has. */
interface Counter {
  increment(): Promise<number>;
}

function counterModule(factor: string): string {
  return `
import { step } from "./step.ts";
export class Counter {
  n = 0;
  async increment() {
    return this.n += step * ${factor};
  }
}
`;
}

describe("code that is edited while its worker runs", () => {
  let folder: Folder;
  let server: Deno.HttpServer<Deno.NetAddr>;
  let served: string;
  let cluster: LocalCluster;
  let client: Client;

  beforeAll(async () => {
    folder = await Folder.make();
    server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
      if (served === "") return new Response(null, { status: 503 });
      return new Response(served, { headers: { "content-type": "application/typescript" } });
    });
    cluster = await LocalCluster.start({ workers: 1, allowModules: [`http://127.0.0.1:${server.addr.port}/`] });
    client = await Client.connect(cluster.address, { token: cluster.token });
  });
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
    await server?.shutdown();
    await folder?.[Symbol.asyncDispose]();
  });

  for (const isolation of ["inline", "shared"] as const) {
    /** A Counter of a module in a folder of its own, which no other test has shown to the worker. */
    const createFrom = (name: string, version?: string): Promise<Actor<Counter>> => {
      const module = /^http/.test(name) ? name : folder.url(`${isolation}/${name}`);
      const target = remote<new () => Counter>(`${module}#Counter`);
      return client.submit(target, { actor: true, isolation, version }).result();
    };
    const write = (name: string, text: string) => folder.write(`${isolation}/${name}`, text);

    it(`runs with the next submit, and actors that run keep theirs (${isolation})`, async () => {
      await write("edited/step.ts", "export const step = 1;");
      await write("edited/counter.ts", counterModule("1"));
      const first = await createFrom("edited/counter.ts");
      const sibling = await createFrom("edited/counter.ts");
      assertEquals([await first.increment(), await sibling.increment()], [1, 1]);
      const { workers } = await client.schedulerInfo();
      assertEquals(workers[0]!.actors.map(({ home }) => home), [isolation, isolation]);

      await write("edited/counter.ts", counterModule("10"));
      const second = await createFrom("edited/counter.ts");
      assertEquals([await second.increment(), await first.increment()], [10, 2]);

      await write("edited/step.ts", "export const step = 5; // only an import has changed");
      const third = await createFrom("edited/counter.ts");
      assertEquals([await third.increment(), await second.increment(), await first.increment()], [50, 20, 3]);
      await release([first, sibling, second, third]);
    });

    it(`fails where it cannot be parsed, again and again, and runs once it is repaired (${isolation})`, async () => {
      await write("broken/step.ts", "export const step = 1;");
      await write("broken/counter.ts", "export class Counter { increment( }");
      for (let attempt = 0; attempt < 2; attempt++) {
        const error = await assertRejects(() => createFrom("broken/counter.ts"), ModuleLoadError);
        assertStringIncludes(error.message, "broken/counter.ts");
        assertEquals(error.executed, "no");
      }
      await write("broken/counter.ts", counterModule("1"));
      const counter = await createFrom("broken/counter.ts");
      assertEquals(await counter.increment(), 1);
      await release(counter);
    });

    it(`runs once the file that it imports is there, and the file itself is (${isolation})`, async () => {
      const missing = await assertRejects(() => createFrom("late/counter.ts"), ModuleLoadError);
      assertStringIncludes(missing.message, "late/counter.ts");
      await write("late/counter.ts", counterModule("1"));
      const without = await assertRejects(() => createFrom("late/counter.ts"), ModuleLoadError);
      assertStringIncludes(without.message, "late/step.ts");
      await write("late/step.ts", "export const step = 3;");
      const counter = await createFrom("late/counter.ts");
      assertEquals(await counter.increment(), 3);
      await release(counter);
    });

    it(`runs from a server once that answers, and anew where another version is asked for (${isolation})`, async () => {
      const url = `http://127.0.0.1:${server.addr.port}/${isolation}.ts`;
      const version = (n: number) => `export class Counter { async increment() { return ${n}; } }`;
      served = "";
      await assertRejects(() => createFrom(url, "one"), ModuleLoadError);
      served = version(1);
      const first = await createFrom(url, "one");
      served = version(2);
      const same = await createFrom(url, "one");
      const second = await createFrom(url, "two");
      assertEquals([await first.increment(), await same.increment(), await second.increment()], [1, 1, 2]);
      await release([first, same, second]);
    });
  }

  it("that comes from a server runs anew after reloadModules, with what it imports from there", async () => {
    const url = `http://127.0.0.1:${server.addr.port}/reloaded.ts`;
    const create = () => client.submit(remote<new () => Counter>(`${url}#Counter`), { actor: true }).result();
    const version = (n: number) => `export class Counter { async increment() { return ${n}; } }`;
    served = version(1);
    const first = await create();
    served = version(2);
    const same = await create();
    await client.reloadModules();
    const second = await create();
    assertEquals([await first.increment(), await same.increment(), await second.increment()], [1, 1, 2]);
    await release([first, same, second]);
  });

  it("starts no cluster, and connects nowhere, while a worker loads it", async () => {
    for (
      const [name, statement] of [["LocalCluster", "LocalCluster.start()"], ["Client", "Client.connect()"]] as const
    ) {
      const door = import.meta.resolve(name === "Client" ? "../../mod.ts" : "../../cluster/mod.ts");
      await folder.write(
        `main/${name}.ts`,
        `import { ${name} } from "${door}"; export class Main {} await using _it = await ${statement};`,
      );
      const Main = remote<new () => object>(`${folder.url(`main/${name}.ts`)}#Main`);
      const error = await assertRejects(async () => await client.submit(Main, { actor: true }), MainModuleError);
      assertStringIncludes(error.message, "if (import.meta.main)");
      assert(error.executed === "no");
    }
  });
});
