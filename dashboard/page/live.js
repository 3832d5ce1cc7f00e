/**
 * What the page knows of the scheduler: one stream of events, and questions over HTTP.
 *
 * @module
 */

import { useEffect, useState } from "./preact.js";

/** Seconds of history that the charts show. */
const POINTS = 600;
const MOST_EVENTS = 500;
const MOST_LINES = 2000;
const MOST_CALLS = 20_000;

/** Milliseconds without a word after which it is not live. */
const SILENT = 4000;

/** All that is known. Components read it, and are drawn again when it changes. */
export const store = {
  /** `connecting`, `live`, `lost` or `signed-out`. */
  status: "connecting",
  /** When the last word came, on this machine's clock. */
  heardAt: 0,
  overview: undefined,
  points: [],
  events: [],
  /** Actors of the class that is looked at. */
  actors: undefined,
  calls: [],
  callsLeftOut: 0,
  lines: [],
  linesLeftOut: 0,
};

const viewers = new Set();
let scheduled = false;

/** Draws everything again that reads the store, once for all that changes at a time. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const view of viewers) view();
  });
}

/** The store, for a component. */
export function useStore() {
  const [, draw] = useState(0);
  useEffect(() => {
    const view = () => draw((n) => n + 1);
    viewers.add(view);
    return () => viewers.delete(view);
  }, []);
  return store;
}

const wanted = new Set();
let source;
let opened = "";
let retry;

/** Hears of more than the overview while a component is there: `{ calls, lines, actors, key, class }`. */
export function useTopics(topics) {
  const id = JSON.stringify(topics);
  useEffect(() => {
    wanted.add(topics);
    reopenSoon();
    return () => {
      wanted.delete(topics);
      reopenSoon();
    };
  }, [id]);
}

let reopening = false;

function reopenSoon() {
  if (reopening) return;
  reopening = true;
  setTimeout(() => {
    reopening = false;
    if (address() !== opened) open();
  }, 30);
}

function address() {
  const query = new URLSearchParams({ overview: "1" });
  for (const topics of wanted) {
    for (const [name, value] of Object.entries(topics)) {
      if (value !== undefined && value !== false) query.set(name, value === true ? "1" : value);
    }
  }
  return `/api/v1/live?${query}`;
}

/** Opens the stream, anew where it is open. */
export function open() {
  clearTimeout(retry);
  source?.close();
  opened = address();
  const current = new EventSource(opened);
  source = current;
  const on = (name, take) =>
    current.addEventListener(name, ({ data }) => {
      if (source !== current) return;
      store.heardAt = Date.now();
      store.status = "live";
      take(JSON.parse(data));
      changed();
    });
  on("overview", (overview) => {
    if (store.overview && store.overview.id !== overview.id) forget();
    store.overview = overview;
    const { point } = overview;
    if (point && (store.points.at(-1)?.at ?? 0) < point.at) store.points = [...store.points, point].slice(-POINTS);
  });
  on("events", ({ events }) => {
    const last = store.events.at(-1);
    const isNew = last ? events.findLastIndex((event) => sameEvent(event, last)) + 1 : 0;
    store.events = [...store.events, ...events.slice(isNew)].slice(-MOST_EVENTS);
  });
  on("actors", (actors) => store.actors = actors);
  on("calls", ({ worker, calls, leftOut }) => {
    store.calls = [...store.calls, ...calls.map((call) => ({ ...call, worker }))].slice(-MOST_CALLS);
    store.callsLeftOut += leftOut;
  });
  on("lines", ({ worker, lines, leftOut }) => {
    store.lines = [...store.lines, ...lines.map((line) => ({ ...line, worker }))].slice(-MOST_LINES);
    store.linesLeftOut += leftOut;
  });
  current.onerror = () => source === current && lost();
}

async function lost() {
  source?.close();
  source = undefined;
  if (store.status !== "signed-out") store.status = "lost";
  changed();
  try {
    const { status } = await fetch("/api/v1/identity");
    if (status === 401) {
      store.status = "signed-out";
      changed();
      return;
    }
  } catch {
    // Nobody answers: the scheduler may come back.
  }
  clearTimeout(retry);
  retry = setTimeout(open, 1000);
}

function sameEvent(one, other) {
  return one.at === other.at && one.subject === other.subject && one.to === other.to && one.cause === other.cause;
}

/** Another scheduler answers: what the last one said is over. */
function forget() {
  Object.assign(store, { points: [], events: [], actors: undefined, calls: [], lines: [] });
  loadHistory();
}

async function loadHistory() {
  try {
    const { points } = await get("/history");
    store.points = points.slice(-POINTS);
    changed();
  } catch {
    // It comes again with the stream.
  }
}

/** Begins. */
export function start() {
  loadHistory();
  open();
  setInterval(() => {
    if (store.status === "live" && Date.now() - store.heardAt > SILENT) lost();
    // Ages go on, whether or not something changes.
    changed();
  }, 1000);
}

/** Asks the API. */
export async function get(path) {
  return await answer(await fetch(`/api/v1${path}`));
}

/** Has the API do something. */
export async function post(path, body = {}) {
  const headers = { "content-type": "application/json" };
  return await answer(await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function answer(response) {
  if (response.status === 401) {
    store.status = "signed-out";
    changed();
  }
  if (response.ok) return await response.json();
  const text = await response.text();
  let message = text;
  try {
    message = JSON.parse(text).error ?? text;
  } catch {
    // It is a sentence already.
  }
  throw new Error(message.trim() || `The scheduler answered ${response.status}`);
}

/** What the API gives at a path: asked now, and again every so many milliseconds. */
export function usePolled(path, interval = 2000) {
  const [found, setFound] = useState({ path: undefined, data: undefined, error: undefined });
  useEffect(() => {
    let over = false;
    let timer;
    const ask = async () => {
      try {
        const data = await get(path);
        if (!over) setFound({ path, data, error: undefined });
      } catch (error) {
        if (!over) setFound((before) => ({ path, data: before.path === path ? before.data : undefined, error }));
      }
      if (!over) timer = setTimeout(ask, interval);
    };
    ask();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [path, interval]);
  return found.path === path ? found : { path, data: undefined, error: undefined };
}
