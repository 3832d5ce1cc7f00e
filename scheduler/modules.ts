/**
 * Modules that clients uploaded, for workers that cannot read them where they are.
 *
 * @module
 */

import { ProtocolError, SerializationError, toHex } from "../protocol/mod.ts";
import { bytes, list, object, type Shaped, text } from "../protocol/shape.ts";

/** Most bytes of all uploads together; the oldest go first. */
export const MOST_MODULE_BYTES: number = 256 * 1024 * 1024;

/** An upload: files by their paths below the directory, with slashes and nothing escaped. */
export const uploadBody = object({ files: list(object({ path: text, content: bytes })) });
/** An upload. */
export type UploadBody = Shaped<typeof uploadBody>;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ts: "application/typescript; charset=utf-8",
  tsx: "text/tsx; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  json: "application/json; charset=utf-8",
  wasm: "application/wasm",
};

interface Upload {
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly size: number;
}

/** What was uploaded, in memory. */
export class UploadedModules {
  readonly #mostBytes: number;
  readonly #uploads = new Map<string, Upload>();
  /** Makes names that nobody can guess, though the same content has the same name. */
  #secret: Promise<CryptoKey> | undefined;
  #size = 0;

  /** @param mostBytes Most bytes of all uploads together. */
  constructor(mostBytes: number = MOST_MODULE_BYTES) {
    this.#mostBytes = mostBytes;
  }

  /** Bytes of all uploads. */
  get size(): number {
    return this.#size;
  }

  /**
   * Keeps an upload. The same content again is the same upload.
   *
   * @returns The path below which it is served: 256 bits that only its uploader knows, and whom it tells.
   * @throws {ProtocolError} Where a path leads out of the directory, is there twice, or is no module's.
   * @throws {SerializationError} With the code `PAYLOAD_TOO_LARGE`, where all of it is too large.
   */
  async add({ files }: UploadBody): Promise<string> {
    const upload = new Map<string, Uint8Array>();
    let size = 0;
    for (const { path, content } of files) {
      if (!isModulePath(path)) throw new ProtocolError(`Cannot take the file ${show(path)}: it is no path of a module`);
      if (upload.has(path)) throw new ProtocolError(`Cannot take the file ${show(path)} twice`);
      // The body that it came in is not kept.
      upload.set(path, content.slice());
      size += content.length;
    }
    if (size > this.#mostBytes) {
      throw new SerializationError(`Cannot take ${size} bytes of modules: ${this.#mostBytes} are the most`, {
        code: "PAYLOAD_TOO_LARGE",
      });
    }
    const name = await this.#nameOf(upload);
    this.#delete(name);
    while (this.#size + size > this.#mostBytes) this.#delete(this.#uploads.keys().next().value!);
    this.#uploads.set(name, { files: upload, size });
    this.#size += size;
    return `/modules/${name}/`;
  }

  /** A file of an upload, by the path of its URL; `undefined` for what is not there. */
  read(urlPath: string): Response | undefined {
    const [, name = "", path = ""] = /^\/modules\/([0-9a-f]{64})\/(.+)$/.exec(urlPath) ?? [];
    const content = this.#uploads.get(name)?.files.get(decodePath(path));
    if (content === undefined) return undefined;
    const extension = path.slice(path.lastIndexOf(".") + 1);
    // Other content has another name.
    const headers = {
      "content-type": CONTENT_TYPES[extension]!,
      "cache-control": "private, max-age=31536000, immutable",
    };
    return new Response(content as BodyInit, { headers });
  }

  async #nameOf(files: ReadonlyMap<string, Uint8Array>): Promise<string> {
    const list: string[] = [];
    for (const [path, content] of [...files].sort(([a], [b]) => a < b ? -1 : 1)) {
      const digest = await crypto.subtle.digest("SHA-256", content as BufferSource);
      list.push(path, toHex(new Uint8Array(digest)));
    }
    const text = new TextEncoder().encode(JSON.stringify(list));
    return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", await (this.#secret ??= createSecret()), text)));
  }

  #delete(name: string): void {
    this.#size -= this.#uploads.get(name)?.size ?? 0;
    this.#uploads.delete(name);
  }
}

function createSecret(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, ["sign"]) as Promise<CryptoKey>;
}

function isModulePath(path: string): boolean {
  const segments = path.split("/");
  const extension = path.slice(path.lastIndexOf(".") + 1);
  return Object.hasOwn(CONTENT_TYPES, extension) &&
    segments.every((segment) => segment !== "" && segment !== "." && segment !== ".." && !segment.includes("\\"));
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "";
  }
}

function show(path: string): string {
  return JSON.stringify(path.slice(0, 200));
}
