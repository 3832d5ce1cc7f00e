/**
 * What differs between Deno, Node, Bun and browsers. The only portable file that looks at `Deno`, and then by a structural
 * type: everything else of the client is the same everywhere.
 *
 * Nothing here prompts: a permission that is not granted counts as absent.
 *
 * @module
 */

import { tokenFilePath, UnauthorizedError } from "../protocol/mod.ts";

/** The part of `Deno` that is used here. */
interface DenoPlatform {
  readonly version: { readonly deno: string };
  readonly permissions: {
    querySync(descriptor: { name: string; variable?: string; path?: string }): { readonly state: string };
  };
  readonly env: { get(name: string): string | undefined };
  readTextFileSync(path: string): string;
  readDir(path: URL): AsyncIterable<{ readonly name: string; readonly isFile: boolean; readonly isDirectory: boolean }>;
  readFile(path: URL): Promise<Uint8Array>;
  createHttpClient?(options: { caCerts: string[] }): { close(): void };
  readonly stderr: { isTerminal(): boolean; writeSync(bytes: Uint8Array): number };
  consoleSize(): { readonly columns: number };
}

/** The part of Node's and Bun's `process` that is used here. */
interface ProcessPlatform {
  readonly versions: Readonly<Record<string, string | undefined>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stderr?: { readonly isTTY?: boolean; readonly columns?: number; write(text: string): unknown };
}

/** A local cluster, as `cluster/mod.ts` makes it: that layer stands above this one, so its shape is said here. */
export interface StartedCluster extends AsyncDisposable {
  /** Address of its scheduler. */
  readonly address: string;
  /** Its token. */
  readonly token: string;
}

const deno = (globalThis as { Deno?: DenoPlatform }).Deno;
const nodeProcess = (globalThis as { process?: ProcessPlatform }).process;

/** Name and version of the runtime, such as `deno 2.9.6`. */
export function runtimeName(): string {
  if (deno?.version) return `deno ${deno.version.deno}`;
  const versions = nodeProcess?.versions;
  if (versions?.["bun"]) return `bun ${versions["bun"]}`;
  if (versions?.["node"]) return `node ${versions["node"]}`;
  return "browser";
}

/** A terminal on which something can be shown while it goes on. */
export interface Terminal {
  /** Writes to it. */
  write(text: string): void;
  /** How wide it is, now. */
  columns(): number;
}

/** The terminal that standard error is; `undefined` where it is none. */
export function terminal(): Terminal | undefined {
  if (deno?.stderr) {
    if (!deno.stderr.isTerminal()) return undefined;
    return {
      write: (text) => void deno.stderr.writeSync(new TextEncoder().encode(text)),
      columns: () => deno.consoleSize().columns,
    };
  }
  const stderr = nodeProcess?.stderr;
  return stderr?.isTTY ? { write: (text) => void stderr.write(text), columns: () => stderr.columns ?? 80 } : undefined;
}

/** Whether the first frame of a long message waits for TCP: true for Deno's own WebSocket client. */
export function hasNagle(): boolean {
  return deno?.version !== undefined;
}

/** Whether a WebSocket can be given request headers. */
export function canSetHeaders(): boolean {
  return deno?.version !== undefined;
}

/**
 * Whether workers would refuse a connection from here: those of web pages bear an `Origin`. A page that tried would
 * only put an error on its console, as it would by asking a port that it cannot reach.
 */
export function isRefusedByWorkers(): boolean {
  return runtimeName() === "browser";
}

/** Origin of the page that this runs in; `undefined` outside of pages. */
export function pageOrigin(): string | undefined {
  return runtimeName() === "browser" ? (globalThis as { location?: { origin: string } }).location?.origin : undefined;
}

/** A variable of the environment, where it may be read. */
export function environmentVariable(name: string): string | undefined {
  if (deno?.permissions) {
    return deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
      ? deno.env.get(name) || undefined
      : undefined;
  }
  return nodeProcess?.env?.[name] || undefined;
}

/** The token of this user, from `TROUPE_TOKEN`, the file that `TROUPE_TOKEN_FILE` names, or the user's token file. */
export function findToken(): string | undefined {
  const given = environmentVariable("TROUPE_TOKEN");
  if (given) return given;
  const path = environmentVariable("TROUPE_TOKEN_FILE") ??
    tokenFilePath({
      HOME: environmentVariable("HOME"),
      XDG_CONFIG_HOME: environmentVariable("XDG_CONFIG_HOME"),
    });
  if (!path || !deno?.permissions) return undefined;
  if (deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
  try {
    return deno.readTextFileSync(path).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** The address that a client dials where none is given: `undefined` means a cluster of its own. */
export function defaultAddress(): string | undefined {
  const given = environmentVariable("TROUPE_SCHEDULER");
  if (given) return given;
  // In a browser the scheduler is where this file came from.
  const own = new URL(import.meta.url);
  if (deno === undefined && nodeProcess?.versions === undefined && own.protocol.startsWith("http")) return own.origin;
  return undefined;
}

/**
 * Starts a cluster of two workers on this machine.
 *
 * @throws {TypeError} Where no process or server can be started: in a browser, for one.
 */
export async function startLocalCluster(): Promise<StartedCluster> {
  if (deno === undefined) {
    throw new TypeError(
      "Cannot start a local cluster here: only Deno can. Give Client.connect the address of a scheduler",
    );
  }
  // Computed, so that servers and their packages are in no module graph of a client that never needs them.
  const door: string = new URL("../cluster/mod.ts", import.meta.url).href;
  let cluster: { LocalCluster: { start(options: object): Promise<StartedCluster> } };
  try {
    cluster = await import(door);
  } catch (cause) {
    throw new TypeError(
      `Cannot start a local cluster: ${door} cannot be loaded. Give Client.connect the address of a scheduler, or import ` +
        "Troupe from where all of it is",
      { cause },
    );
  }
  return await cluster.LocalCluster.start({ workers: 2 });
}

/** One file below a directory. */
export interface DirectoryFile {
  /** Its path below the directory, with slashes and nothing escaped. */
  readonly path: string;
  /** What is in it. */
  readonly content: Uint8Array;
}

/**
 * Reads the files below a directory, in the order of their paths. Links are not followed.
 *
 * @param directory A `file:` URL that ends with a slash.
 * @param fits Picks by name what is read: files, and the folders that are looked into.
 * @throws {TypeError} Where files cannot be read at all: in a browser, for one.
 */
export async function readDirectory(
  directory: URL,
  fits: (name: string, kind: "file" | "directory") => boolean,
): Promise<DirectoryFile[]> {
  if (deno === undefined) throw new TypeError(`Cannot read ${directory.href} here: only Deno can upload modules`);
  const files: DirectoryFile[] = [];
  for await (const { name, isFile, isDirectory } of deno.readDir(directory)) {
    const segment = encodeURIComponent(name);
    if (isDirectory && fits(name, "directory")) {
      const inner = await readDirectory(new URL(`${segment}/`, directory), fits);
      files.push(...inner.map(({ path, content }) => ({ path: `${name}/${path}`, content })));
    } else if (isFile && fits(name, "file")) {
      files.push({ path: name, content: await deno.readFile(new URL(segment, directory)) });
    }
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Opens a WebSocket. With a token, and where headers can be set, the token goes in one. */
export function openWebSocket(
  address: string,
  protocols: readonly string[],
  options: { token?: string | undefined; caCerts?: readonly string[] | undefined } = {},
): WebSocket {
  if (!canSetHeaders()) return new WebSocket(address, [...protocols]);
  const extended: Record<string, unknown> = { protocols: [...protocols] };
  if (options.token !== undefined) extended["headers"] = { authorization: `Bearer ${options.token}` };
  const { caCerts } = options;
  const client = caCerts?.length ? deno!.createHttpClient!({ caCerts: [...caCerts] }) : undefined;
  if (client) extended["client"] = client;
  const socket = new WebSocket(address, extended as unknown as string[]);
  if (client) {
    // It is needed until the socket is open, or will not be.
    const given = new AbortController();
    given.signal.addEventListener("abort", () => client.close());
    for (const event of ["open", "close"]) socket.addEventListener(event, () => given.abort());
  }
  return socket;
}

/** Lends what `fetch` needs to trust further certificate authorities, where that can be said. */
export async function withTrust<T>(
  caCerts: readonly string[] | undefined,
  use: (trust: RequestInit) => Promise<T>,
): Promise<T> {
  const client = caCerts?.length ? deno?.createHttpClient?.({ caCerts: [...caCerts] }) : undefined;
  try {
    return await use(client ? { client } as RequestInit : {});
  } finally {
    client?.close();
  }
}

/**
 * Asks a server over HTTP why a WebSocket was refused: Deno gives the status only inside an English text, browsers not at all.
 */
export function howToGiveAToken(address: string, token: string | undefined): UnauthorizedError {
  const found = token === undefined ? "no token was given" : "its token is not the scheduler's";
  return new UnauthorizedError(
    `Cannot connect to ${address}: ${found}. Give Client.connect the option token, or set TROUPE_TOKEN or ` +
      "TROUPE_TOKEN_FILE and allow it to be read (--allow-env), or let the token file of this user be read " +
      "(--allow-read and --allow-env=HOME,XDG_CONFIG_HOME)",
    { executed: "no" },
  );
}
