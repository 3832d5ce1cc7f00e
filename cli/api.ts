/**
 * The scheduler's API, typed by the routes themselves.
 *
 * @module
 */

import { hc } from "npm:hono@^4.13.0/client";
import { httpAddress, webSocketAddress } from "../client/scheduler_link.ts";
import type { AppType } from "../scheduler/app.ts";

/** A command could not be carried out. */
export class CommandError extends Error {
  /** `CommandError`. */
  override name = "CommandError";
  /** With which the command ends: as in sysexits.h. */
  readonly exitCode: number;

  /** @param exitCode 1, or one of sysexits.h. */
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Which scheduler, and with what. */
export interface ApiOptions {
  /** Its address, in any form that clients take. */
  readonly scheduler: string;
  /** Its token; `undefined` where none was found. */
  readonly token: string | undefined;
}

/** A scheduler's API. */
export type SchedulerApi = ReturnType<typeof openApi>;

/** Opens nothing: each question is a request of its own. */
export function openApi({ scheduler, token }: ApiOptions) {
  const base = httpAddress(webSocketAddress(scheduler), "/");
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    let response: Response;
    try {
      response = await fetch(input, { ...init, headers: { ...headers, "content-type": "application/json" } });
    } catch (cause) {
      throw new CommandError(
        `Cannot reach the scheduler at ${base}: ${
          reasonOf(cause)
        }. Start one with deno task scheduler, or give --scheduler`,
        69,
      );
    }
    if (response.status === 401) {
      await response.body?.cancel();
      const found = token === undefined ? "no token was found" : "its token is another one";
      throw new CommandError(
        `Cannot use the scheduler at ${base}: ${found}. Set TROUPE_TOKEN, or TROUPE_TOKEN_FILE to a file that holds it`,
        77,
      );
    }
    return response;
  };
  const routes = hc<AppType>(base, { fetch: request });
  return { base, request, routes, api: routes.api.v1 };
}

/**
 * The JSON of an answer.
 *
 * @throws {CommandError} Where the scheduler refused, with what it said.
 */
export async function read<R extends { readonly ok: boolean; json(): Promise<unknown> }>(
  asking: Promise<R>,
): Promise<Exclude<Awaited<ReturnType<R["json"]>>, { error: string }>> {
  const response = await asking;
  const body = await response.json();
  if (!response.ok) throw new CommandError(String((body as { error?: unknown }).error ?? "The scheduler refused"), 1);
  return body as Exclude<Awaited<ReturnType<R["json"]>>, { error: string }>;
}

/** Events of a stream, one after the other, until it ends. */
export async function* eventsOf(
  response: Response,
): AsyncGenerator<{ readonly event: string; readonly data: unknown }> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) {
      const field = (name: string) =>
        part.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      yield { event: field("event"), data: JSON.parse(field("data") || "null") };
    }
  }
}

function reasonOf(cause: unknown): string {
  // The error of `fetch` itself says little; what it was caused by says why.
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const text = inner instanceof Error ? inner.message : String(inner);
  return /refused/i.test(text) ? "nobody answers there" : text.split("\n", 1)[0]!;
}
