/**
 * What a browser gets at the scheduler's address.
 *
 * @module
 */

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Troupe scheduler</title>
<h1>Troupe scheduler</h1>
<p>This is the scheduler of a Troupe cluster. Programs connect to it by WebSocket; its API answers with the token as
<code>Authorization: Bearer</code>:</p>
<ul>
<li><code>GET /api/v1/identity</code>: who this is
<li><code>GET /api/v1/workers</code> and <code>/api/v1/workers/:id</code>: workers and their actors
<li><code>GET /api/v1/actors</code> and <code>/api/v1/actors/:key</code>: actors
<li><code>POST /ticket</code>: a ticket with which a browser can connect once
</ul>
<p>Without a token: <a href="/healthz">/healthz</a>, <a href="/readyz">/readyz</a>, the client library for browsers
<a href="/troupe.js">/troupe.js</a>, and for Deno <code>/troupe/mod.ts</code>.</p>
`;

/** The page, which may load and run nothing. */
export function pageResponse(): Response {
  return new Response(PAGE, {
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "x-content-type-options": "nosniff",
    },
  });
}
