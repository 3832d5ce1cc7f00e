/**
 * A folder of a user: outside of the checkout, with files that come and change.
 *
 * @module
 */

const ROOT = new URL("../../", import.meta.url);

/** A temporary folder, removed by `await using`. */
export class Folder implements AsyncDisposable {
  /** Makes one with these files. */
  static async make(files: Readonly<Record<string, string>> = {}): Promise<Folder> {
    const folder = new Folder(await Deno.realPath(await Deno.makeTempDir({ prefix: "troupe_user_" })));
    for (const [name, text] of Object.entries(files)) await folder.write(name, text);
    return folder;
  }

  /** Its path. */
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** URL of a file in it. */
  url(name: string): string {
    return new URL(name, `file://${this.path}/`).href;
  }

  /** Writes a file, and the folders above it. */
  async write(name: string, text: string): Promise<void> {
    const path = `${this.path}/${name}`;
    await Deno.mkdir(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    await Deno.writeTextFile(path, text);
  }

  /** Copies what a client is made of, so that it has other URLs than this checkout's. */
  async copyLibrary(): Promise<typeof import("../../mod.ts")> {
    for (const part of ["mod.ts", "client", "connection", "protocol"]) {
      await copy(new URL(part, ROOT).pathname, `${this.path}/library/${part}`);
    }
    return await import(this.url("library/mod.ts"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

async function copy(from: string, to: string): Promise<void> {
  if ((await Deno.stat(from)).isFile) {
    await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    return await Deno.copyFile(from, to);
  }
  for await (const { name } of Deno.readDir(from)) await copy(`${from}/${name}`, `${to}/${name}`);
}
