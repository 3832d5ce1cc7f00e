/**
 * Tells whether `@std/*` is the real thing. Where JSR does not answer, `deno task test` takes these names from
 * `tests/npm_only`, which has no second MessagePack to compare with.
 *
 * ```ts ignore
 * it("has the bytes of @std/msgpack", { ignore: skipWithoutStd("the bytes of @std/msgpack") }, () => {});
 * ```
 *
 * @module
 */

/** Whether the `@std/*` packages come from JSR in this run. */
export const hasRealStd: boolean = !import.meta.resolve("@std/msgpack").startsWith("file:");

/** Whether to skip a test that needs the real packages; prints the reason when it does. */
export function skipWithoutStd(what: string): boolean {
  if (!hasRealStd) console.warn(`skipped: ${what} (needs @std packages from JSR, which does not answer)`);
  return !hasRealStd;
}
