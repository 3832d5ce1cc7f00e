import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { encodeBody, ProtocolError, SerializationError } from "../../protocol/mod.ts";
import { createApp } from "../../scheduler/app.ts";
import { Door } from "../../scheduler/door.ts";
import { UploadedModules } from "../../scheduler/modules.ts";
import { OpenSockets } from "../../scheduler/open_sockets.ts";
import { MemoryScheduler } from "./peers.ts";

const TOKEN = "a-token-for-this-test-alone";

function file(path: string, text: string) {
  return { path, content: new TextEncoder().encode(text) };
}

describe("uploaded modules", () => {
  it("are found below a path that nobody can guess, by any spelling of their names", async () => {
    const modules = new UploadedModules();
    const prefix = await modules.add({
      files: [file("counter.ts", "export class Counter {}"), file("deep/größe 1.js", "export default 1;")],
    });
    assertMatch(prefix, /^\/modules\/[0-9a-f]{64}\/$/);
    const response = modules.read(`${prefix}counter.ts`)!;
    assertMatch(response.headers.get("content-type")!, /^application\/typescript/);
    assertEquals(await response.text(), "export class Counter {}");
    const escaped = new URL(`http://host${prefix}deep/größe 1.js`).pathname;
    assertEquals(await modules.read(escaped)!.text(), "export default 1;");
    for (const path of ["", "other.ts", "deep", "%", "../counter.ts"]) {
      assertEquals(modules.read(prefix + path), undefined, path);
    }
    assertEquals(modules.read(`/modules/${"0".repeat(64)}/counter.ts`), undefined);
  });

  it("have the same path while they are the same, here, and no other scheduler's", async () => {
    const modules = new UploadedModules();
    const files = [file("a.ts", "1"), file("b.ts", "2")];
    const prefix = await modules.add({ files });
    assertEquals(await modules.add({ files: [...files].reverse() }), prefix);
    assertEquals(modules.size, 2);
    assertNotEquals(await modules.add({ files: [file("a.ts", "1"), file("b.ts", "3")] }), prefix);
    assertNotEquals(await modules.add({ files: [file("a.ts", "1")] }), prefix);
    assertNotEquals(await new UploadedModules().add({ files }), prefix);
  });

  it("stay within their directory, and are modules", async () => {
    const modules = new UploadedModules();
    for (const path of ["../a.ts", "/a.ts", "a//b.ts", "./a.ts", "a\\b.ts", "", "a", "a.sh", "a.constructor"]) {
      await assertRejects(() => modules.add({ files: [file(path, "")] }), ProtocolError, "no path of a module", path);
    }
    const twice = [file("a.ts", "1"), file("a.ts", "2")];
    await assertRejects(() => modules.add({ files: twice }), ProtocolError, "twice");
  });

  it("take no more memory than they may: the oldest go first", async () => {
    const modules = new UploadedModules(10);
    const first = await modules.add({ files: [file("a.ts", "123456")] });
    const second = await modules.add({ files: [file("b.ts", "1234")] });
    assert(modules.read(`${first}a.ts`));
    const third = await modules.add({ files: [file("c.ts", "12345")] });
    assertEquals(modules.read(`${first}a.ts`), undefined);
    assert(modules.read(`${second}b.ts`));
    assert(modules.read(`${third}c.ts`));
    assertEquals(modules.size, 9);
    await assertRejects(
      () => modules.add({ files: [file("d.ts", "12345678901")] }),
      SerializationError,
      "10 are the most",
    );
  });

  it("are taken from those who have the token, and served to everyone who knows the path", async () => {
    const scheduler = new MemoryScheduler();
    const door = new Door({
      token: TOKEN,
      tickets: scheduler.server.tickets,
      sessions: scheduler.server.sessions,
      allowOrigins: [],
      allowHosts: [],
    });
    const app = createApp({ server: scheduler.server, door, sockets: new OpenSockets(), page: true });
    const host = "127.0.0.1:8786";
    async function post(body: Uint8Array<ArrayBuffer>, token: string): Promise<Response> {
      const headers = { host, authorization: `Bearer ${token}` };
      return await app.request(`http://${host}/modules`, { method: "POST", headers, body });
    }
    const body = encodeBody({ files: [file("counter.ts", "export class Counter {}")] }).slice() as Uint8Array<
      ArrayBuffer
    >;
    assertEquals((await post(body, "wrong")).status, 401);
    assertEquals((await post(new Uint8Array([1]), TOKEN)).status, 400);
    const { prefix } = await (await post(body, TOKEN)).json() as { prefix: string };
    const response = await app.request(`http://${host}${prefix}counter.ts`, { headers: { host } });
    assertEquals(await response.text(), "export class Counter {}");
    assertEquals((await app.request(`http://${host}${prefix}none.ts`, { headers: { host } })).status, 404);
    scheduler.close();
  });
});
