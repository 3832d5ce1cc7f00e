/**
 * The library's own sources, so that programs can import it from their scheduler: `http://127.0.0.1:8786/troupe/mod.ts`.
 *
 * @module
 */

const ROOT = new URL("../", import.meta.url);

/** What a client needs, and nothing that a path could climb out by. */
const SERVED = /^(?:mod\.ts|(?:protocol|connection|client)\/(?:[A-Za-z0-9_]+\/)*[A-Za-z0-9_]+\.(?:ts|js|json))$/;

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  ts: "application/typescript; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json; charset=utf-8",
};

/** The source at a path below the library's root; `undefined` for what is not served or not there. */
export async function readSource(path: string): Promise<Response | undefined> {
  if (!SERVED.test(path)) return undefined;
  let text: string;
  try {
    const response = await fetch(new URL(path, ROOT), { redirect: "error" });
    if (!response.ok) {
      await response.body?.cancel();
      return undefined;
    }
    text = await response.text();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return undefined;
  }
  const contentType = CONTENT_TYPES[path.slice(path.lastIndexOf(".") + 1)]!;
  return new Response(text, { headers: { "content-type": contentType, "cache-control": "no-cache" } });
}
