/**
 * Serves the dashboard to browsers. The page is no secret; what it shows needs a session.
 *
 * @module
 */

import { ASSETS, contentPolicy, PAGE } from "../dashboard/mod.ts";

const COMMON = {
  "cache-control": "no-cache",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** The page. */
export function dashboardPage(request: Request): Response {
  const policy = contentPolicy(request.headers.get("host") ?? "");
  return new Response(PAGE.text, {
    headers: { ...COMMON, "content-type": PAGE.type, "content-security-policy": policy },
  });
}

/** One of the files that it loads; 404 for any other name. */
export function dashboardAsset(name: string): Response {
  const file = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
  if (file === undefined) return new Response("Not found\n", { status: 404 });
  return new Response(file.text, { headers: { ...COMMON, "content-type": file.type } });
}
