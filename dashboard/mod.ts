/**
 * The dashboard: a page that needs no build step, and nothing from elsewhere. It knows the scheduler by its API alone.
 *
 * @module
 */

import preact from "npm:htm@^3.1.1/preact/standalone" with { type: "text" };
import uplot from "npm:uplot@^1.6.32/dist/uPlot.iife.min.js" with { type: "text" };
import uplotStyle from "npm:uplot@^1.6.32/dist/uPlot.min.css" with { type: "text" };
import page from "./page/index.html" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import style from "./page/style.css" with { type: "text" };
import activity from "./page/activity.js" with { type: "text" };
import actor from "./page/actor.js" with { type: "text" };
import actors from "./page/actors.js" with { type: "text" };
import app from "./page/app.js" with { type: "text" };
import caller from "./page/caller.js" with { type: "text" };
import charts from "./page/charts.js" with { type: "text" };
import format from "./page/format.js" with { type: "text" };
import live from "./page/live.js" with { type: "text" };
import overview from "./page/overview.js" with { type: "text" };
import parts from "./page/parts.js" with { type: "text" };
import placement from "./page/placement.js" with { type: "text" };
import signIn from "./page/sign_in.js" with { type: "text" };
import timeline from "./page/timeline.js" with { type: "text" };
import timelineModel from "./page/timeline_model.js" with { type: "text" };

const HTML = "text/html; charset=utf-8";
const CSS = "text/css; charset=utf-8";
const SCRIPT = "text/javascript; charset=utf-8";

/** One file of the dashboard. */
export interface DashboardFile {
  /** Its content type. */
  readonly type: string;
  /** What is in it. */
  readonly text: string;
}

/** The page itself. */
export const PAGE: DashboardFile = { type: HTML, text: page };

/** What the page loads, by name. */
export const ASSETS: Readonly<Record<string, DashboardFile>> = {
  "icon.svg": { type: "image/svg+xml", text: icon },
  "style.css": { type: CSS, text: style },
  "uplot.css": { type: CSS, text: uplotStyle },
  "uplot.js": { type: SCRIPT, text: uplot },
  "preact.js": { type: SCRIPT, text: preact },
  "activity.js": { type: SCRIPT, text: activity },
  "actor.js": { type: SCRIPT, text: actor },
  "actors.js": { type: SCRIPT, text: actors },
  "app.js": { type: SCRIPT, text: app },
  "caller.js": { type: SCRIPT, text: caller },
  "charts.js": { type: SCRIPT, text: charts },
  "format.js": { type: SCRIPT, text: format },
  "live.js": { type: SCRIPT, text: live },
  "overview.js": { type: SCRIPT, text: overview },
  "parts.js": { type: SCRIPT, text: parts },
  "placement.js": { type: SCRIPT, text: placement },
  "sign_in.js": { type: SCRIPT, text: signIn },
  "timeline.js": { type: SCRIPT, text: timeline },
  "timeline_model.js": { type: SCRIPT, text: timelineModel },
};

/**
 * What the page may load and do: files of its own origin, and calls to it. No inline script or style, no frame around
 * it, nothing from anywhere else.
 *
 * @param host Name and port under which the page was asked for: not every browser takes `'self'` for its sockets.
 */
export function contentPolicy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ws://${host} wss://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
