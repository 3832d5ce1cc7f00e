/**
 * The first pane: what needs a look, calls over time, workers, tasks.
 *
 * @module
 */

import { html, useMemo } from "./preact.js";
import { Chart } from "./charts.js";
import { ago, bytes, count, NONE, percent, rate, time } from "./format.js";
import { post, useStore } from "./live.js";
import { Badge, Card, ConfirmButton, Empty, Meter, Table } from "./parts.js";

/** The pane. */
export function Overview() {
  const { overview } = useStore();
  return html`
    <h1 class="visually-hidden">Overview</h1>
    <${Attention} findings=${overview.attention} />
    <div class="columns">
      <${CallsChart} />
      <${TimesChart} />
    </div>
    <${Workers} />
    <${Tasks} />
  `;
}

function Attention({ findings }) {
  if (findings.length === 0) {
    return html`
      <${Card} title="What needs a look" id="attention">
        <p class="quiet"><i aria-hidden="true">✓</i>Nothing. No actor waits for a worker, none is slow, no call fails.</p>
        <//>
    `;
  }
  const name = { bad: "Problem", slow: "Slow", note: "Note" };
  return html`
    <${Card} title="What needs a look" id="attention" note=${findings.length === 1
      ? "one thing"
      : `${findings.length} things`}>
      <ul class="findings">
        ${findings.map(({ level, text, subject }) =>
          html`
            <li key=${`${subject.kind} ${subject.id} ${text.slice(0, 20)}`} class=${level}>
              <${Badge} tone=${level === "note" ? "muted" : level}>${name[level]}<//>
              <span>${placeOf(subject) ? html`<a href=${placeOf(subject)}>${text}</a>` : text}</span>
            </li>
          `
        )}
      </ul>
      <//>
  `;
}

function placeOf({ kind, id }) {
  switch (kind) {
    case "actor":
      return `#/actors/key/${encodeURIComponent(id)}`;
    case "class":
      return `#/actors/class/${encodeURIComponent(id)}`;
    case "placement":
      return id ? `#/placement/key/${encodeURIComponent(id)}` : "#/placement";
    default:
      return undefined;
  }
}

function CallsChart() {
  const { points } = useStore();
  const data = useMemo(() => [
    points.map(({ at }) => at / 1000),
    points.map(({ calls }) => calls),
    points.map(({ errors }) => errors),
  ], [points]);
  return html`
    <${Card} title="Calls" note=${html`each second, <b class="key accent">calls</b> and <b class="key bad">errors</b>`}>
      ${points.length < 2 ? html`<${Waiting} />` : html`
        <${Chart} label="Calls and errors each second, over the last ten minutes" data=${data} format=${rate}
          series=${[{ name: "calls", color: "--accent", fill: true }, { name: "errors", color: "--bad" }]} />
      `}
    <//>
  `;
}

function TimesChart() {
  const { points } = useStore();
  const data = useMemo(() => [
    points.map(({ at }) => at / 1000),
    points.map(({ p50 }) => p50),
    points.map(({ p99 }) => p99),
  ], [points]);
  return html`
    <${Card} title="Running time" note=${html`of calls, <b class="key accent">p50</b> and <b class="key slow">p99</b>`}>
      ${points.length < 2 ? html`<${Waiting} />` : html`
        <${Chart} label="Running times of calls, median and 99th percentile, over the last ten minutes" data=${data} log
          format=${time} series=${[{ name: "p50", color: "--accent" }, { name: "p99", color: "--slow" }]} />
      `}
    <//>
  `;
}

function Waiting() {
  return html`<div class="chart waiting">It begins with the first reports of a worker.</div>`;
}

function Workers() {
  const { overview } = useStore();
  const { workers, departures, at } = overview;
  const gone = departures
    .filter(({ what, worker }) => what === "worker" && !workers.some(({ id }) => id === worker))
    .map((departure) => ({ ...departure, id: departure.worker, gone: true }));
  const columns = [
    {
      name: "Worker",
      cell: (worker) => html`<b>${worker.name}</b> <span class="sub mono">${worker.gone ? "" : worker.machine}</span>`,
    },
    { name: "State", cell: stateOf(at), wide: true },
    { name: "Actors", numeric: true, cell: (worker) => count(worker.actors) },
    { name: "Calls/s", numeric: true, cell: ({ rate: n, gone }) => gone ? NONE : rate(n) },
    {
      name: "Tasks",
      numeric: true,
      title: "Tasks that it was given, and threads that run them",
      cell: ({ processing, threads, gone }) => gone ? NONE : `${processing} / ${threads}`,
    },
    { name: "Memory", cell: memoryOf },
    {
      name: "Loop lag",
      numeric: true,
      title: "How late the event loop of the host process is",
      cell: ({ lag, gone }) => gone ? NONE : html`<span class=${lag > 100 ? "slow-text" : ""}>${time(lag)}</span>`,
    },
    {
      name: "Heartbeat",
      numeric: true,
      title: "Time since the last sign of life",
      cell: ({ heartbeatAge, gone }) =>
        gone
          ? NONE
          : html`<span class=${heartbeatAge > 3000 ? "bad-text" : ""}>${(heartbeatAge / 1000).toFixed(1)} s</span>`,
    },
    { name: "Resources", cell: resourcesOf },
    {
      name: html`<span class="visually-hidden">Actions</span>`,
      cell: ({ id, name, gone, status }) =>
        gone || status === "draining" ? "" : html`
          <${ConfirmButton} label="Drain" question=${`Retire ${name}?`} onConfirm=${() =>
            post(`/workers/${encodeURIComponent(id)}/drain`)} />
        `,
    },
  ];
  return html`
    <${Card} title="Workers" note=${workers.length === 0 ? "" : count(workers.length)}>
      <${Table} label="Workers" columns=${columns} rows=${[
        ...gone,
        ...workers.toSorted((one, other) => one.name < other.name ? -1 : 1),
      ]} rowKey=${({ id }) => id}
        rowClass=${({ gone, status, heartbeatAge }) =>
          gone || heartbeatAge > 3000 ? "bad" : status === "running" ? "" : "slow"}
        empty=${html`
          <${Empty} title="No worker has joined">
            Start one in another terminal: <code>deno task worker ${overview.address}</code>
          <//>
        `} />
      <//>
  `;
}

function stateOf(at) {
  return (worker) => {
    if (worker.gone) {
      return html`<${Badge} tone="bad">gone<//> <span class="sub">${worker.reason}, ${ago(at - worker.at)}</span>`;
    }
    const { status, paused, heartbeatAge, lastLoss } = worker;
    if (heartbeatAge > 3000) return html`<${Badge} tone="bad">silent<//>`;
    if (status === "draining") return html`<${Badge} tone="slow">leaving<//>`;
    if (status === "starting") {
      return html`<${Badge} tone=${lastLoss ? "bad" : "slow"}>${lastLoss ? "host gone" : "starting"}<//>${
        lastLoss && html`
          <span class="sub">${lastLoss.reason}</span>
        `
      }`;
    }
    if (paused) return html`<${Badge} tone="slow">paused<//> <span class="sub">memory is nearly full</span>`;
    const recent = lastLoss && at - lastLoss.at < 60_000;
    return html`<${Badge} tone="good">running<//>${
      recent && html`
        <span class="sub">host replaced ${ago(at - lastLoss.at)} (${lastLoss.reason})</span>
      `
    }`;
  };
}

function memoryOf({ memory, memoryLimit, gone }) {
  if (gone) return NONE;
  if (!memoryLimit) return bytes(memory);
  const share = memory / memoryLimit;
  return html`
    <span class="with-meter">${bytes(memory)}
      <${Meter} share=${share} tone=${share > 0.8 ? "bad" : share > 0.6 ? "slow" : ""} label=${`${percent(share)} of ${
        bytes(memoryLimit)
      }`} />
    </span>
  `;
}

function resourcesOf({ resources, resourcesHeld, gone }) {
  const names = Object.keys(resources ?? {});
  if (gone || names.length === 0) return html`<span class="sub">${NONE}</span>`;
  return names.map((name) =>
    html`
      <span class="resource" key=${name}>${name} ${resourcesHeld[name] ?? 0}/${resources[name]}</span>
    `
  );
}

function Tasks() {
  const { overview } = useStore();
  const { counts, functions } = overview.tasks;
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  if (total === 0 && functions.length === 0) return null;
  const columns = [
    { name: "Function", cell: ({ name }) => html`<b class="mono">${name}</b>` },
    { name: "Runs", numeric: true, cell: ({ calls }) => count(calls) },
    { name: "Now", numeric: true, cell: ({ inFlight }) => count(inFlight) },
    { name: "Each second", numeric: true, cell: ({ rate: n }) => rate(n) },
    {
      name: "Failed",
      numeric: true,
      cell: ({ errors }) => html`<span class=${errors > 0 ? "bad-text" : ""}>${count(errors)}</span>`,
    },
    { name: "p50", numeric: true, cell: ({ median }) => time(median) },
    { name: "p99", numeric: true, cell: ({ slowest }) => time(slowest) },
    { name: "Results", numeric: true, cell: ({ bytesOut }) => bytes(bytesOut) },
  ];
  const states = [
    ["processing", "run"],
    ["waiting", "wait for a worker"],
    ["blocked", "wait for others"],
    ["memory", "results kept"],
    ["erred", "failed"],
  ].filter(([state]) => counts[state] > 0);
  return html`
    <${Card} title="Tasks" note=${states.map(([state, name]) => `${count(counts[state])} ${name}`).join(" · ")}>
      <${Table} label="Functions that ran as tasks" columns=${columns} rows=${functions} rowKey=${({ name }) => name}
        empty=${html`<${Empty} title="No task has run yet" />`} />
      <//>
  `;
}
