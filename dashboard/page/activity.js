/**
 * What happened at the scheduler, and what user code prints.
 *
 * @module
 */

import { html, useEffect, useState } from "./preact.js";
import { clock, count } from "./format.js";
import { get, store, useStore, useTopics } from "./live.js";
import { ActorLink, Card, Empty } from "./parts.js";

/** Events of the scheduler, the latest first. */
export function Events() {
  const { events } = useStore();
  const [filter, setFilter] = useState("");
  const [kind, setKind] = useState("all");
  const wanted = filter.trim().toLowerCase();
  const kindOf = kinds(events);
  const shown = events.filter(({ subject, from, to, cause }) =>
    (kind === "all" || kindOf(subject) === kind) &&
    (wanted === "" || `${subject} ${from} ${to} ${cause}`.toLowerCase().includes(wanted))
  ).toReversed().slice(0, 300);
  const actions = html`
    <label class="inline">of
      <select value=${kind} onChange=${(event) => setKind(event.target.value)}>
        ${["all", "actors", "tasks", "workers", "clients"].map((name) =>
          html`<option key=${name} value=${name}>${name}</option>`
        )}
      </select>
    </label>
    <${Filter} value=${filter} onInput=${setFilter} />
  `;
  return html`
    <h1>Events</h1>
    <${Card} title="What happened" note="to actors, tasks, workers and clients, the latest first" actions=${actions}>
      ${shown.length === 0
        ? html`<${Empty} title=${events.length === 0 ? "Nothing has happened yet" : "No event has these words"} />`
        : html`
          <ol class="story tall" tabindex="0" aria-label="Events">
            ${shown.map(({ at, subject, from, to, cause }, index) =>
              html`
                <li key=${`${at} ${subject} ${to} ${index}`} class=${isBad(to) ? "bad" : ""}>
                  <span class="sub">${clock(at, true)}</span>
                  <span class="mono subject">${subject}</span>
                  <span>${from && `${from} → `}<b>${to}</b></span>
                  <span class="sub">${cause}</span>
                </li>
              `
            )}
          </ol>
        `}
    <//>
  `;
}

/** What a subject is, as far as its events tell: values go through states that actors do not know. */
function kinds(events) {
  const tasks = new Set(
    events.filter(({ from, to }) =>
      /^(processing|memory|released|erred)$/.test(to) || /^(processing|memory)$/.test(from)
    )
      .map(({ subject }) => subject),
  );
  return (subject) => {
    if (/^worker-[0-9a-f]{16}$/.test(subject)) return "workers";
    if (/^client-[0-9a-f]{16}$/.test(subject)) return "clients";
    return tasks.has(subject) ? "tasks" : "actors";
  };
}

function isBad(to) {
  return /erred|lost|host-exit|host-stuck|worker-exit|worker-timeout|isolate-exit|oom|killed/.test(to);
}

function Filter({ value, onInput, label = "Filter" }) {
  return html`
    <input type="search" class="filter" aria-label=${label} placeholder=${label} value=${value}
      onInput=${(event) => onInput(event.target.value)} />
  `;
}

const LEVELS = ["debug", "log", "info", "warn", "error"];

/** What user code prints, as it does. */
export function Logs() {
  const { lines, linesLeftOut } = useStore();
  const [filter, setFilter] = useState("");
  const [least, setLeast] = useState("debug");
  const [paused, setPaused] = useState();
  useTopics({ lines: true });
  useEffect(() => {
    get("/logs?limit=500").then((before) => {
      const first = store.lines[0]?.at ?? Infinity;
      store.lines = [...before.filter(({ at }) => at < first), ...store.lines];
    }, () => {});
    return () => {
      store.lines = [];
      store.linesLeftOut = 0;
    };
  }, []);
  const wanted = filter.trim().toLowerCase();
  const from = LEVELS.indexOf(least);
  const shown = (paused ?? lines).filter(({ level, text, key, method }) =>
    LEVELS.indexOf(level) >= from &&
    (wanted === "" || `${key ?? ""} ${method ?? ""} ${text}`.toLowerCase().includes(wanted))
  ).slice(-500);
  const actions = html`
    <label class="inline">from
      <select value=${least} onChange=${(event) => setLeast(event.target.value)}>
        ${LEVELS.map((level) => html`<option key=${level} value=${level}>${level}</option>`)}
      </select>
    </label>
    <${Filter} value=${filter} onInput=${setFilter} />
    <button type="button" aria-pressed=${paused !== undefined} onClick=${() => setPaused(paused ? undefined : lines)}>
      ${paused ? "Follow" : "Pause"}
    </button>
  `;
  return html`
    <h1>Logs</h1>
    <${Card} title="What actors and tasks print" actions=${actions}
      note=${linesLeftOut > 0 ? `${count(linesLeftOut)} lines were left out: too many at a time` : ""}>
      ${shown.length === 0
        ? html`
          <${Empty} title=${lines.length === 0 ? "Nobody has printed anything" : "No line has these words"}>
            ${lines.length === 0 &&
              html`Lines of <code>console.log</code>, <code>info</code>, <code>warn</code>, <code>error</code> and <code>debug</code> in actors and tasks show up here, and on the worker's own terminal.`}
          <//>
        `
        : html`<${Lines} lines=${shown} named />`}
    <//>
  `;
}

/** Lines of a log, the latest at the end, where the view is. */
export function Lines({ lines, named }) {
  const [box, setBox] = useState();
  const last = lines.at(-1)?.at;
  useEffect(() => {
    if (!box) return;
    const near = box.scrollHeight - box.scrollTop - box.clientHeight < 160;
    if (near || box.dataset.fresh === undefined) box.scrollTop = box.scrollHeight;
    box.dataset.fresh = "no";
  }, [box, last, lines.length]);
  return html`
    <div class="lines" ref=${setBox} tabindex="0" role="log" aria-label="Lines">
      ${lines.map(({ at, level, text, key, className, method }, index) =>
        html`
          <div key=${`${at} ${index}`} class=${`line ${level}`}>
            <span class="sub">${clock(at)}</span>
            <span class="level">${level}</span>
            ${named && html`<span class="whose">${
              key
                ? className ? html`<${ActorLink} actor=${key} />` : html`<span class="mono">${key}</span>`
                : html`<span class="sub">–</span>`
            }${method && html`<span class="sub">.${method}</span>`}</span>`}
            <pre>${text}</pre>
          </div>
        `
      )}
    </div>
  `;
}
