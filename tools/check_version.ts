/**
 * Ends the program with an explanation where Deno is older or newer than Troupe supports. Import it first, for its
 * effect, or give it to `deno run --preload`.
 *
 * @module
 */

/** The versions of Deno that Troupe runs on. */
export const SUPPORTED_VERSIONS = ">= 2.9.0 < 3";

/** Whether Troupe runs on this version of Deno, such as `2.9.6` or `2.10.0-rc.1`. */
export function isSupportedVersion(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major === 2 && minor >= 9;
}

if (!isSupportedVersion(Deno.version.deno)) {
  console.error(
    `Troupe needs Deno ${SUPPORTED_VERSIONS} and this is Deno ${Deno.version.deno}: ` +
      "upgrade it, or put `npx -y deno@2.9.6` in place of `deno` in the command",
  );
  Deno.exit(1);
}
