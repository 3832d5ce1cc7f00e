/**
 * Modules of this machine for workers on others: uploaded to the scheduler, which serves them.
 *
 * @module
 */

import {
  ConnectionLostError,
  encodeBody,
  ModuleLoadError,
  ModuleNotAllowedError,
  ProtocolError,
} from "../protocol/mod.ts";
import { howToGiveAToken, readDirectory } from "./platform.ts";
import { httpAddress } from "./scheduler_link.ts";
import type { ResolvedTarget } from "./targets.ts";

/** What workers may import; the rest of a directory stays where it is. */
const MODULE_FILE = /\.(?:ts|tsx|js|mjs|json|wasm)$/;

/** The scheduler as an HTTP server. */
export interface UploadServer {
  /** Its WebSocket address. */
  readonly address: string;
  /** The token that it wants. */
  readonly token: string | undefined;
}

/** The directories that one client has uploaded. */
export class Uploads {
  /** The URL under which the scheduler serves each directory, by the directory's own. */
  readonly #served = new Map<string, string>();

  /**
   * Uploads the modules below a directory. A directory that was uploaded before is replaced, for what is submitted from
   * now on.
   *
   * @returns The URL under which the scheduler serves them. It is secret: whoever knows it can read them.
   * @throws {ModuleLoadError} Where there is no module.
   * @throws {UnauthorizedError | ModuleNotAllowedError | ConnectionLostError} Where the scheduler does not take them.
   */
  async upload(directory: string | URL, { address, token }: UploadServer): Promise<string> {
    const from = parseDirectory(directory);
    const files = await readDirectory(from, isWanted);
    if (files.length === 0) {
      throw new ModuleLoadError(`Cannot upload ${from.href}: no .ts, .tsx, .js, .mjs, .json or .wasm file is there`);
    }
    const url = httpAddress(address, "/modules");
    const headers: Record<string, string> = { "content-type": "application/vnd.msgpack" };
    if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
    let response: Response;
    try {
      response = await fetch(url, { method: "POST", headers, body: encodeBody({ files }) as BodyInit });
    } catch (cause) {
      throw new ConnectionLostError(`Cannot upload ${from.href}: ${url} does not answer`, { executed: "no", cause });
    }
    if (response.status === 401) {
      await response.body?.cancel();
      throw howToGiveAToken(address, token);
    }
    if (!response.ok) {
      const said = (await response.text()).slice(0, 500).trim();
      throw new ModuleNotAllowedError(
        `Cannot upload ${from.href}: the scheduler answered ${response.status}${said ? `: ${said}` : ""}`,
      );
    }
    const answer = await response.json() as { prefix?: unknown };
    if (typeof answer.prefix !== "string" || !URL.canParse(answer.prefix, url)) {
      throw new ProtocolError(`Cannot upload ${from.href}: ${url} did not say where it serves it`);
    }
    const served = new URL(answer.prefix, url).href;
    this.#served.set(from.href, served);
    return served;
  }

  /** A target as workers find it: one below an uploaded directory at the scheduler, every other as it is. */
  locate(target: ResolvedTarget): ResolvedTarget {
    let best: string | undefined;
    for (const directory of this.#served.keys()) {
      if (target.module.startsWith(directory) && directory.length > (best?.length ?? 0)) best = directory;
    }
    if (best === undefined) return target;
    return { ...target, module: this.#served.get(best)! + target.module.slice(best.length) };
  }
}

function isWanted(name: string, kind: "file" | "directory"): boolean {
  if (name.startsWith(".")) return false;
  return kind === "directory" ? name !== "node_modules" : MODULE_FILE.test(name);
}

function parseDirectory(directory: string | URL): URL {
  const url = URL.canParse(directory) ? new URL(directory) : undefined;
  if (url?.protocol !== "file:") {
    throw new TypeError(
      `uploadModules takes the file: URL of a directory, such as new URL("./actors/", import.meta.url), got ${
        JSON.stringify(String(directory))
      }`,
    );
  }
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}
