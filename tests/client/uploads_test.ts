import { assertEquals, assertRejects } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { resolveTarget } from "../../client/targets.ts";
import { Uploads } from "../../client/uploads.ts";
import {
  ConnectionLostError,
  decodeValue,
  ModuleLoadError,
  ModuleNotAllowedError,
  UnauthorizedError,
} from "../../protocol/mod.ts";

interface Uploaded {
  authorization: string | null;
  files: { path: string; content: Uint8Array }[];
}

/** A scheduler that takes uploads, or answers with a status of its own. */
function serve(status = 200) {
  const uploads: Uploaded[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (request) => {
    const { files } = decodeValue(new Uint8Array(await request.arrayBuffer())) as Pick<Uploaded, "files">;
    uploads.push({ authorization: request.headers.get("authorization"), files });
    if (status !== 200) return new Response("because", { status });
    return Response.json({ prefix: `/modules/${uploads.length}/` });
  });
  const origin = `127.0.0.1:${server.addr.port}`;
  return { uploads, origin, address: `ws://${origin}/ws`, [Symbol.asyncDispose]: () => server.shutdown() };
}

async function createDirectory(files: Readonly<Record<string, string>>) {
  const path = await Deno.makeTempDir();
  const url = new URL(`file://${path}/`);
  for (const [name, text] of Object.entries(files)) {
    const file = new URL(name, url);
    await Deno.mkdir(new URL(".", file), { recursive: true });
    await Deno.writeTextFile(file, text);
  }
  return { url, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

describe("uploads", () => {
  it("send the modules of a directory with the token, and nothing else", async () => {
    await using directory = await createDirectory({
      "counter.ts": "export class Counter {}",
      "deep/data.json": "{}",
      "deep/a b.mjs": "",
      "notes.md": "private",
      ".hidden.ts": "private",
      ".git/a.ts": "private",
      "node_modules/a/a.js": "not ours",
    });
    await Deno.symlink("/etc/hostname", new URL("link.ts", directory.url));
    await using server = serve();
    const uploads = new Uploads();
    const url = await uploads.upload(directory.url.href.slice(0, -1), { address: server.address, token: "secret" });
    assertEquals(url, `http://${server.origin}/modules/1/`);
    const [{ authorization, files }] = server.uploads as [Uploaded];
    assertEquals(authorization, "Bearer secret");
    assertEquals(files.map(({ path }) => path), ["counter.ts", "deep/a b.mjs", "deep/data.json"]);
    assertEquals(new TextDecoder().decode(files[0]!.content), "export class Counter {}");
  });

  it("make targets below the directory be loaded from the scheduler, the latest upload of it, and no others", async () => {
    await using directory = await createDirectory({ "counter.ts": "", "deep/other.ts": "" });
    await using server = serve();
    const uploads = new Uploads();
    const { address } = server;
    const module = new URL("deep/other.ts", directory.url).href;
    const target = resolveTarget(() => {}, { actor: false, module, export: "f" });
    assertEquals(uploads.locate(target), target);
    await uploads.upload(directory.url, { address, token: undefined });
    assertEquals(uploads.locate(target).module, `http://${server.origin}/modules/1/deep/other.ts`);
    await uploads.upload(directory.url, { address, token: undefined });
    assertEquals(uploads.locate(target).module, `http://${server.origin}/modules/2/deep/other.ts`);
    await uploads.upload(new URL("deep/", directory.url), { address, token: undefined });
    assertEquals(uploads.locate(target).module, `http://${server.origin}/modules/3/other.ts`);
    const elsewhere = resolveTarget(() => {}, { actor: false });
    assertEquals(uploads.locate(elsewhere), elsewhere);
    assertEquals(server.uploads[0]!.authorization, null);
  });

  it("say what is wrong", async () => {
    await using directory = await createDirectory({ "counter.ts": "" });
    await using empty = await createDirectory({ "notes.md": "" });
    const uploads = new Uploads();
    const nobody = { address: "ws://127.0.0.1:1/ws", token: undefined };
    await assertRejects(() => uploads.upload(empty.url, nobody), ModuleLoadError, "no .ts, .tsx");
    await assertRejects(() => uploads.upload(directory.url, nobody), ConnectionLostError, "does not answer");
    await assertRejects(() => uploads.upload("./actors/", nobody), TypeError, 'got "./actors/"');
    await assertRejects(
      () => uploads.upload("https://example.com/", nobody),
      TypeError,
      "the file: URL of a directory",
    );
    await using strict = serve(401);
    await assertRejects(() => uploads.upload(directory.url, { ...strict, token: "x" }), UnauthorizedError, "token");
    await using refusing = serve(413);
    await assertRejects(
      () => uploads.upload(directory.url, { ...refusing, token: "x" }),
      ModuleNotAllowedError,
      "answered 413: because",
    );
  });
});
