/**
 * Serves the page beside it on http://127.0.0.1:8000: `deno run --allow-net --allow-read examples/browser/serve.ts`. Any
 * server of static files is as good.
 *
 * @module
 */

const TYPES: Readonly<Record<string, string>> = {
  "/": "text/html; charset=utf-8",
  "/page.js": "text/javascript; charset=utf-8",
};

/** Answers with the page and its script. */
export async function servePage(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const type = TYPES[pathname];
  if (type === undefined) return new Response("Not found\n", { status: 404 });
  const file = new URL(pathname === "/" ? "index.html" : pathname.slice(1), import.meta.url);
  return new Response(await Deno.readTextFile(file), { headers: { "content-type": type } });
}

if (import.meta.main) Deno.serve({ hostname: "127.0.0.1", port: 8000 }, servePage);
