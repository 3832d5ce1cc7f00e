/**
 * What Deno says where user code may not do something, with what grants it here: Deno names its own flag, which is not
 * one of a worker's.
 *
 * @module
 */

const REFUSAL = /^Requires (\w+) access(?: to (?:"(.*)"|.*))?, run again with the --allow-\w+ flag$/;

/** Granted to hosts without a flag, but for what keeps the token secret. */
const HELD_BY_HOSTS: ReadonlySet<string> = new Set(["net", "read", "env"]);

/** Adds to a `NotCapable` what to give; leaves every other error, and one that says it already, as it is. */
export function sayWhatGrants(error: unknown): unknown {
  if (!(error instanceof Deno.errors.NotCapable)) return error;
  const { message } = error;
  const [, name, target] = REFUSAL.exec(message) ?? [];
  if (name === undefined) return error;
  const own = "the permissions option, where its actor or task has one";
  error.message = HELD_BY_HOSTS.has(name)
    ? `${message} (here: ${own})`
    : `${message} (here: deno task worker --allow ${quoteGrant(name, target)}, and ${own})`;
  if (error.stack?.includes(message)) error.stack = error.stack.replace(message, () => error.message);
  return error;
}

/** A space begins the next grant, and a comma the next part of this one: what has them is granted as a whole. */
function quoteGrant(name: string, target: string | undefined): string {
  return target === undefined || /[\s,"]/.test(target) ? name : `"${name}=${target}"`;
}
