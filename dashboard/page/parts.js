/**
 * Small parts that every pane uses.
 *
 * @module
 */

import { html, useEffect, useRef, useState } from "./preact.js";
import { NONE } from "./format.js";

/** A titled surface. */
export function Card({ title, note, actions, children, id }) {
  return html`
    <section class="card" aria-labelledby=${title ? `${id ?? title}-title` : undefined}>
      ${title && html`
        <header class="card-head">
          <h2 id=${`${id ?? title}-title`}>${title}</h2>
          ${note && html`<span class="note">${note}</span>`}
          <span class="grow"></span>
          ${actions}
        </header>
      `}
      ${children}
    </section>
  `;
}

/** What stands where there is nothing. */
export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong>${children && html`<p>${children}</p>`}</div>`;
}

/** A state in one word, with a dot whose colour says the same. */
export function Badge({ tone = "muted", children }) {
  return html`<span class=${`badge ${tone}`}><i aria-hidden="true"></i>${children}</span>`;
}

/** One figure with its name. */
export function Figure({ name, value, tone, title, href }) {
  const body = html`<span class="figure-value">${value ?? NONE}</span><span class="figure-name">${name}</span>`;
  return href
    ? html`<a class=${`figure ${tone ?? ""}`} href=${href} title=${title}>${body}</a>`
    : html`<div class=${`figure ${tone ?? ""}`} title=${title}>${body}</div>`;
}

/**
 * A table. Columns are `{ name, title, cell, numeric, wide }`; on a phone it scrolls by itself, and its page does not.
 */
export function Table({ label, columns, rows, rowKey, rowClass, empty }) {
  if (rows.length === 0) return empty;
  return html`
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table>
        <thead>
          <tr>
            ${columns.map(({ name, title, numeric }) =>
              html`<th scope="col" class=${numeric ? "number" : ""} title=${title}>${name}</th>`
            )}
          </tr>
        </thead>
        <tbody>
          ${rows.map((row) =>
            html`
              <tr key=${rowKey(row)} class=${rowClass?.(row) ?? ""}>
                ${columns.map(({ cell, numeric, wide }) =>
                  html`<td class=${`${numeric ? "number" : ""} ${wide ? "wide" : ""}`}>${cell(row)}</td>`
                )}
              </tr>
            `
          )}
        </tbody>
      </table>
    </div>
  `;
}

/** A button that asks once more before it does something that cannot be taken back. */
export function ConfirmButton({ label, question, onConfirm }) {
  const [asking, setAsking] = useState(false);
  const [problem, setProblem] = useState();
  useEffect(() => {
    if (!asking) return;
    const timer = setTimeout(() => setAsking(false), 4000);
    return () => clearTimeout(timer);
  }, [asking]);
  const click = async () => {
    if (!asking) return setAsking(true);
    setAsking(false);
    try {
      await onConfirm();
      setProblem(undefined);
    } catch (error) {
      setProblem(error.message);
    }
  };
  return html`
    <button type="button" class=${asking ? "danger" : ""} onClick=${click}>${asking ? question : label}</button>
    ${problem && html`<span class="problem" role="alert">${problem}</span>`}
  `;
}

/** A share of something as a bar. */
export function Meter({ share, tone = "", label }) {
  const bar = useRef();
  useEffect(() => {
    bar.current.style.width = `${Math.min(100, Math.max(0, share * 100))}%`;
  }, [share]);
  return html`<span class="meter" role="img" aria-label=${label}><i ref=${bar} class=${tone}></i></span>`;
}

/** A histogram of times: a bar for each bucket, from the shortest that occurred to the longest. */
export function Histogram({ buckets, label, format }) {
  const canvas = useRef();
  const text = JSON.stringify(buckets);
  useEffect(() => {
    const draw = () => drawHistogram(canvas.current, buckets, format);
    draw();
    const observer = new ResizeObserver(draw);
    observer.observe(canvas.current.parentElement);
    const media = matchMedia("(prefers-color-scheme: dark)");
    media.addEventListener("change", draw);
    addEventListener("troupe-theme", draw);
    return () => {
      observer.disconnect();
      media.removeEventListener("change", draw);
      removeEventListener("troupe-theme", draw);
    };
  }, [text]);
  return html`
    <div class="histogram">
      <canvas ref=${canvas} role="img" aria-label=${label}></canvas>
    </div>
  `;
}

function drawHistogram(canvas, buckets, format) {
  const width = canvas.parentElement.clientWidth;
  const height = 96;
  const context = sized(canvas, width, height);
  const { ink, done } = inkOf(canvas);
  const [line, accent, muted] = ["--line", "--accent", "--muted"].map(ink);
  done();
  context.clearRect(0, 0, width, height);
  if (buckets.length === 0) return;
  const steps = 4 / Math.LN2;
  const indexOf = (from) => from <= 0 ? -1 : Math.round(Math.log(from * 1000) * steps);
  const first = indexOf(buckets[0][0]);
  const last = indexOf(buckets.at(-1)[0]);
  const slots = Math.max(24, last - first + 1);
  const most = Math.max(...buckets.map(([, , n]) => n));
  const slot = width / slots;
  const floor = height - 18;
  context.fillStyle = line;
  context.fillRect(0, floor, width, 1);
  context.fillStyle = accent;
  for (const [from, , n] of buckets) {
    const x = (indexOf(from) - first) * slot;
    const h = Math.max(2, n / most * (floor - 4));
    context.fillRect(x + 0.5, floor - h, Math.max(1, slot - 1.5), h);
  }
  context.fillStyle = muted;
  context.font = `11px ${getComputedStyle(canvas).fontFamily}`;
  const labels = Math.max(2, Math.min(6, Math.floor(width / 90)));
  for (let n = 0; n < labels; n++) {
    const at = Math.round(n * slots / labels);
    context.fillText(format(2 ** ((first + at) / 4) / 1000), at * slot, height - 4);
  }
}

/** Colours of the page as a canvas takes them: what a name stands for now, in the scheme that is in use. */
export function inkOf(element) {
  const probe = document.createElement("i");
  element.parentElement.append(probe);
  const ink = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  return { ink, done: () => probe.remove() };
}

/** A canvas that is sharp, of a size in CSS pixels. */
export function sized(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Link to an actor. */
export function ActorLink({ actor }) {
  return html`<a class="mono" href=${`#/actors/key/${encodeURIComponent(actor)}`}>${actor}</a>`;
}
