/**
 * Checks queries and bodies of requests, and says in one sentence what is wrong with them.
 *
 * @module
 */

import { sValidator } from "npm:@hono/standard-validator@^0.4.0";
import type { Context } from "npm:hono@^4.13.0";
import type * as v from "npm:valibot@^1.5.0";

/** What a validator found. */
interface Found {
  readonly success: boolean;
  readonly error?: readonly { readonly message: string; readonly path?: readonly unknown[] | undefined }[];
}

/** A query that has a shape, or 400. */
export function query<S extends v.GenericSchema>(schema: S) {
  return sValidator("query", schema, (found, c: Context) => refuse(found as Found, "query", c));
}

/** A JSON body that has a shape, or 400. */
export function body<S extends v.GenericSchema>(schema: S) {
  return sValidator("json", schema, (found, c: Context) => refuse(found as Found, "body", c));
}

function refuse({ success, error = [] }: Found, what: string, c: Context) {
  if (success) return undefined;
  const [issue] = error;
  const path = (issue?.path ?? []).map((step) => String((step as { key?: unknown })?.key ?? step)).join(".");
  return c.json(
    { error: `Cannot use the ${what}${path && `: ${path}`}: ${issue?.message ?? "it has another shape"}` },
    400,
  );
}
