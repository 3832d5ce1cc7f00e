/**
 * Calls over time: a row for each actor, a rectangle for each call. Workers tell of single calls only while this pane is
 * open.
 *
 * @module
 */

import { html, useEffect, useRef, useState } from "./preact.js";
import { clock, count, time } from "./format.js";
import { store, useStore, useTopics } from "./live.js";
import { Card, inkOf, sized } from "./parts.js";
import { colorOf, layOut, toChromeTrace } from "./timeline_model.js";

const LANE = 12;
const GAP = 8;
const TOP = 22;
const NAMES = 190;

/** The newest this late, so that what is on its way is not missing at the edge. */
const BEHIND = 700;

/** The pane. */
export function Timeline() {
  const { callsLeftOut } = useStore();
  const [seconds, setSeconds] = useState(10);
  const [frozen, setFrozen] = useState();
  const [hovered, setHovered] = useState();
  useTopics({ calls: true, actors: "" });
  useEffect(() => () => {
    store.calls = [];
    store.callsLeftOut = 0;
    store.actors = undefined;
  }, []);
  const canvas = useRef();
  const legend = useRef(new Map());
  const view = useRef({ order: new Map(), rows: [], from: 0, to: 1 });
  const [methods, setMethods] = useState([]);
  useEffect(() => {
    let frame;
    const draw = () => {
      const to = frozen ?? serverNow() - BEHIND;
      const from = to - seconds * 1000;
      const rows = layOut([...store.calls, ...running(to)], from, to, view.current.order);
      Object.assign(view.current, { rows, from, to });
      paint(canvas.current, view.current, legend.current);
      const seen = [...legend.current.keys()];
      setMethods((before) => before.length === seen.length ? before : seen);
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [seconds, frozen]);
  const actions = html`
    <label class="inline">window
      <select value=${seconds} onChange=${(event) => setSeconds(Number(event.target.value))}>
        ${[2, 10, 30, 60].map((n) => html`<option key=${n} value=${n}>${n} s</option>`)}
      </select>
    </label>
    <button type="button" aria-pressed=${frozen !== undefined} onClick=${() =>
      setFrozen(frozen === undefined ? serverNow() - BEHIND : undefined)}>
      ${frozen === undefined ? "Pause" : "Follow"}
    </button>
    <button type="button" onClick=${download} title="For ui.perfetto.dev and chrome://tracing">Export as trace</button>
  `;
  const look = (event) => {
    const box = canvas.current.getBoundingClientRect();
    setHovered(callAt(view.current, canvas.current, event.clientX - box.left, event.clientY - box.top));
  };
  return html`
    <h1>Timeline</h1>
    <${Card} title="Calls as they run" actions=${actions} id="timeline"
      note=${callsLeftOut > 0
        ? `a sample: ${count(callsLeftOut)} calls more than are shown`
        : "a row for each actor, and for each function of tasks"}>
      <div class="legend" aria-label="Colours">
        <span><i class="swatch waits"></i>waits</span>
        ${methods.slice(0, 16).map((name) =>
          html`<span key=${name}><i class=${`swatch color-${legend.current.get(name)}`}></i>${name}</span>`
        )}
        <span><i class="swatch failed"></i>failed</span>
      </div>
      <div class="timeline">
        <canvas ref=${canvas} role="img"
          aria-label="Calls of the last seconds, a row for each actor. The latest are listed below."
          onMouseMove=${look} onMouseLeave=${() => setHovered(undefined)}></canvas>
      </div>
      <p class="hover" aria-live="off">${hovered
        ? describe(hovered)
        : "Point at a rectangle to see which call it is."}</p>
      <${Latest} />
      <//>
  `;
}

/** The same without a canvas. */
function Latest() {
  const { calls } = useStore();
  return html`
    <details class="latest">
      <summary>The latest calls as a list</summary>
      <ol class="story">
        ${calls.slice(-20).reverse().map((call) =>
          html`
            <li key=${`${call.key} ${call.call} ${call.ended}`}><span class="sub">${clock(
              call.ended,
              true,
            )}</span> ${describe(call)}</li>
          `
        )}
      </ol>
    </details>
  `;
}

function describe({ key, className, method, arrived, started, ended, failed, open }) {
  const name = className ? `${className}.${method}` : method;
  const waited = started - arrived;
  return html`
    <b>${name}</b> of <span class="mono">${key}</span>
    ${waited > 0.5 && html`, waited ${time(waited)}`}, ${open ? "runs for" : "ran"} ${time(ended - started)}${failed
      ? html`, <b class="bad-text">failed</b>`
      : ""}
  `;
}

/** Calls that run now, as far as figures of actors tell. */
function running(to) {
  const { actors, overview } = store;
  return (actors?.actors ?? [])
    .filter(({ figures }) => figures && figures.busyFor > 400)
    .map(({ key, class: className, figures, worker }) => {
      const started = overview.at - figures.busyFor;
      return {
        key,
        className,
        method: figures.method,
        worker,
        arrived: started,
        started,
        ended: undefined,
        failed: false,
        to,
      };
    });
}

/** The scheduler's clock: this machine's may be another. */
function serverNow() {
  const { overview, heardAt } = store;
  return overview ? overview.at + (Date.now() - heardAt) : Date.now();
}

function paint(canvas, { rows, from, to }, numbers) {
  if (!canvas) return;
  const width = canvas.parentElement.clientWidth;
  const height = Math.max(160, TOP + rows.reduce((sum, { lanes }) => sum + lanes * LANE + GAP, 0) + 10);
  const context = sized(canvas, width, height);
  const { line, text, muted, waits, failed, edge, palette } = colorsOf(canvas);
  const names = Math.min(NAMES, width * 0.3);
  const scale = (width - names) / (to - from);
  const x = (at) => names + (at - from) * scale;
  context.clearRect(0, 0, width, height);
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  context.textBaseline = "middle";
  const step = stepFor(to - from, (width - names) / 84);
  for (let at = Math.ceil(from / step) * step; at < to; at += step) {
    context.fillStyle = line;
    context.fillRect(x(at), TOP - 6, 1, height - TOP);
    context.fillStyle = muted;
    context.fillText(step < 1000 ? clock(at, true).slice(3) : clock(at), x(at) + 3, 8);
  }
  let y = TOP;
  for (const row of rows) {
    context.fillStyle = text;
    context.fillText(fit(context, row.name, names - 12), 0, y + row.lanes * LANE / 2);
    row.y = y;
    for (const call of row.calls) {
      const top = y + call.lane * LANE;
      const start = Math.max(names, x(call.started));
      const wait = Math.max(names, x(call.arrived));
      const end = Math.min(width, x(call.ended));
      if (start > wait + 0.5) {
        context.fillStyle = waits;
        context.fillRect(wait, top + 2, start - wait, LANE - 5);
      }
      const method = colorOf(numbers, call.className, call.method);
      context.fillStyle = call.failed ? failed : palette[method];
      context.fillRect(start, top, Math.max(1.5, end - start), LANE - 2);
      if (call.failed) {
        context.strokeStyle = edge;
        context.strokeRect(start + 0.5, top + 0.5, Math.max(1.5, end - start) - 1, LANE - 3);
      }
    }
    y += row.lanes * LANE + GAP;
  }
  if (rows.length === 0) {
    context.fillStyle = muted;
    context.fillText("No call was made in this window.", names, TOP + 40);
  }
}

let colors = { at: 0 };

/** Asked once in a while: that is dear, and changes seldom. */
function colorsOf(canvas) {
  if (Date.now() - colors.at < 1000) return colors;
  const { ink, done } = inkOf(canvas);
  colors = {
    at: Date.now(),
    line: ink("--line"),
    text: ink("--text"),
    muted: ink("--muted"),
    waits: ink("--waits"),
    failed: ink("--failed"),
    edge: ink("--failed-edge"),
    palette: Array.from({ length: 8 }, (_, n) => ink(`--method-${n}`)),
  };
  done();
  return colors;
}

function callAt({ rows, from, to }, canvas, px, py) {
  const width = canvas.parentElement.clientWidth;
  const names = Math.min(NAMES, width * 0.3);
  const at = from + (px - names) * (to - from) / (width - names);
  const reach = 3 * (to - from) / width;
  for (const { y, lanes, calls } of rows) {
    if (py < y || py > y + lanes * LANE) continue;
    const lane = Math.floor((py - y) / LANE);
    return calls.findLast((call) => call.lane === lane && call.arrived - reach <= at && call.ended + reach >= at);
  }
  return undefined;
}

function stepFor(span, most) {
  return [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000].find((step) => span / step <= most) ?? 30_000;
}

function fit(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = text.length;
  while (length > 3 && context.measureText(`${text.slice(0, length)}…`).width > width) length--;
  return `${text.slice(0, length)}…`;
}

function download() {
  const text = toChromeTrace(store.calls, store.overview.workers);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `troupe-${clock(Date.now()).replaceAll(":", "")}.trace.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
