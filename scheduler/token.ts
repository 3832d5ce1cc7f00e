/**
 * The token that lets clients and workers in: where it comes from, and how it is compared.
 *
 * @module
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { randomHex, tokenFilePath } from "../protocol/mod.ts";

/** Where a token may come from. */
export interface TokenSources {
  /** The token itself (`TROUPE_TOKEN`). */
  readonly token?: string | undefined;
  /** A file that holds it (`TROUPE_TOKEN_FILE`). */
  readonly file?: string | undefined;
  /** The user's home, below which the user's own file lies. */
  readonly home?: string | undefined;
  /** The user's folder for settings (`XDG_CONFIG_HOME`). */
  readonly settings?: string | undefined;
}

/** A token cannot be had, or lies where others can read it. */
export class TokenError extends Error {
  /** `TokenError`. */
  override name = "TokenError";
}

/** A new token: 256 random bits in hexadecimal. */
export function createToken(): string {
  return randomHex(32);
}

/**
 * The token: as given, from the file that is named, or from the user's own file, which is made if it is not there.
 *
 * @throws {TokenError} Where there is none, or the file can be read by others.
 */
export async function loadToken(sources: TokenSources): Promise<string> {
  if (sources.token !== undefined) return checkToken(sources.token, "TROUPE_TOKEN");
  if (sources.file !== undefined) return await readToken(sources.file);
  const path = tokenFilePath({ HOME: sources.home, XDG_CONFIG_HOME: sources.settings });
  if (path === undefined) throw new TokenError(`Cannot find the user's folder for the token: HOME is not set. ${WAYS}`);
  if (!await exists(path)) {
    try {
      await writeToken(path, createToken());
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw unusable(path, error);
    }
  }
  return await readToken(path);
}

/** Compares texts in a time that says nothing of where they differ. */
export function isSameToken(one: string, other: string): boolean {
  return timingSafeEqual(digest(one), digest(other));
}

const WAYS = "Give the token in TROUPE_TOKEN, or the path of a file that holds it in TROUPE_TOKEN_FILE";

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

/**
 * The token without the line end that it may have.
 *
 * @param source Where it came from, for the error.
 * @throws {TokenError} Where it cannot travel in a header; an empty one would let everyone in.
 */
export function checkToken(text: string, source: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new TokenError(`Cannot use the token from ${source}: expected visible ASCII characters without spaces`);
}

async function readToken(path: string): Promise<string> {
  let text: string;
  try {
    const { mode } = await Deno.stat(path);
    if (mode !== null && (mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8).padStart(4, "0");
      throw new TokenError(
        `Cannot use the token file ${path}: others can read it (mode ${found}). Run chmod 600 on it`,
      );
    }
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof TokenError) throw error;
    throw unusable(path, error);
  }
  return checkToken(text, path);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw unusable(path, error);
  }
}

/** Makes the file whole or not at all, as another scheduler may be starting too. */
async function writeToken(path: string, token: string): Promise<void> {
  const folder = path.slice(0, path.lastIndexOf("/"));
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomHex(8)}`;
  await Deno.writeTextFile(draft, `${token}\n`, { mode: 0o600, createNew: true });
  try {
    await Deno.link(draft, path);
  } finally {
    await Deno.remove(draft);
  }
}

function unusable(path: string, cause: unknown): TokenError {
  const found = cause instanceof Error ? cause.message : String(cause);
  return new TokenError(`Cannot use the token file ${path}: ${found}. ${WAYS}`, { cause });
}
