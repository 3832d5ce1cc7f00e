/**
 * Environment variables, without ever prompting for them.
 *
 * @module
 */

/** The value of a variable; `undefined` where it is not set, empty, or may not be read. */
export function readVariable(name: string): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return undefined;
  return Deno.env.get(name) || undefined;
}

/** The values of a variable that lists them with commas between. */
export function readList(name: string): string[] {
  return splitList(readVariable(name) ?? "");
}

/** Takes a list with commas apart. */
export function splitList(text: string): string[] {
  return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
}
