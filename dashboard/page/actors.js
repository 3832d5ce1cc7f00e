/**
 * Actors by class, and the actors and methods of one class.
 *
 * @module
 */

import { html, useState } from "./preact.js";
import { bytes, count, NONE, percent, rate, time } from "./format.js";
import { usePolled, useStore, useTopics } from "./live.js";
import { ActorLink, Badge, Card, Empty, Histogram, Table } from "./parts.js";
import { Errors } from "./actor.js";

/** All classes. */
export function Classes() {
  const { overview } = useStore();
  const columns = [
    {
      name: "Class",
      cell: ({ name }) => html`<a class="strong" href=${`#/actors/class/${encodeURIComponent(name)}`}>${name}</a>`,
    },
    { name: "Actors", numeric: true, cell: ({ actors }) => count(actors) },
    {
      name: "Do not run",
      numeric: true,
      title: "Wait for a worker, or for their arguments",
      cell: ({ waiting }) => html`<span class=${waiting > 0 ? "bad-text" : ""}>${count(waiting)}</span>`,
    },
    { name: "Calls/s", numeric: true, cell: ({ rate: n }) => rate(n) },
    { name: "Running", numeric: true, title: "Calls under way now", cell: ({ inFlight }) => count(inFlight) },
    {
      name: "Queued",
      numeric: true,
      title: "Calls that wait for their turn",
      cell: ({ queued }) => html`<span class=${queued > 0 ? "slow-text" : ""}>${count(queued)}</span>`,
    },
    { name: "p50", numeric: true, title: "Running time over the last ten seconds", cell: ({ p50 }) => time(p50) },
    { name: "p99", numeric: true, cell: ({ p99 }) => time(p99) },
    { name: "Calls", numeric: true, title: "Since the start", cell: ({ calls }) => count(calls) },
    {
      name: "Errors",
      numeric: true,
      cell: ({ errors, calls }) =>
        errors === 0 ? "0" : html`<span class="bad-text" title=${percent(errors / calls)}>${count(errors)}</span>`,
    },
  ];
  return html`
    <h1>Actors</h1>
    <${Card}>
      <${Table} label="Classes" columns=${columns} rows=${overview.classes} rowKey=${({ name }) => name}
        empty=${html`
          <${Empty} title="There are no actors">
            A program creates one with <code>client.submit(Counter, { actor: true })</code>. It shows up here within a second.
          <//>
        `} />
      <//>
  `;
}

/** One class. */
export function ClassPane({ name }) {
  const { overview, actors } = useStore();
  useTopics({ actors: name });
  const found = overview.classes.find((each) => each.name === name);
  const list = actors?.class === name ? actors.actors : undefined;
  return html`
    <p class="crumbs"><a href="#/actors">Actors</a> / ${name}</p>
    <h1>${name}</h1>
    ${!found
      ? html`
        <${Card}>
          <${Empty} title=${`There is no actor of the class ${name} now`} />
          <//>
      `
      : html`
        <${ActorList} found=${found} list=${list} />
        <${Methods} className=${name} />
        <${Errors} query=${`class=${encodeURIComponent(name)}`} />
      `}
  `;
}

function ActorList({ found, list }) {
  const total = found.actors + found.waiting;
  const columns = [
    { name: "Actor", cell: ({ key }) => html`<${ActorLink} actor=${key} />` },
    { name: "State", wide: true, cell: stateOf },
    {
      name: "Worker",
      cell: ({ workerName, figures }) =>
        workerName ? html`${workerName} <span class="sub">${figures?.home ?? ""}</span>` : NONE,
    },
    {
      name: "Queued",
      numeric: true,
      title: "Calls that wait for their turn",
      cell: ({ figures }) =>
        figures ? html`<span class=${figures.queued > 0 ? "slow-text" : ""}>${count(figures.queued)}</span>` : NONE,
    },
    { name: "Running", numeric: true, cell: ({ figures }) => figures ? count(figures.inFlight) : NONE },
    { name: "Calls", numeric: true, cell: ({ figures }) => figures ? count(figures.calls) : NONE },
    {
      name: "Mean",
      numeric: true,
      title: "Mean running time of all of its calls",
      cell: ({ figures }) => time(meanOf(figures)),
    },
    {
      name: "Errors",
      numeric: true,
      cell: ({ figures }) =>
        figures ? html`<span class=${figures.errors > 0 ? "bad-text" : ""}>${count(figures.errors)}</span>` : NONE,
    },
  ];
  return html`
    <${Card} title="Actors of this class" note=${list && list.length < total
      ? `${list.length} of ${count(total)}, those first that need a look`
      : count(total)}>
      ${list === undefined ? html`<p class="starting">Asking the workers…</p>` : html`
        <${Table} label="Actors" columns=${columns} rows=${list} rowKey=${({ key }) => key}
          rowClass=${({ status, figures, heldUpBy }) =>
            status === "no-worker" ? "bad" : isSlow(figures) || heldUpBy ? "slow" : ""}
          empty=${html`<${Empty} title="None runs now" />`} />
      `}
    <//>
  `;
}

function isSlow(figures) {
  return figures !== undefined && figures.busyFor > 1000 && (figures.sync || figures.queued > 0);
}

/** What an actor does, in a word and a few more. */
export function stateOf({ status, reason, figures, heldUpBy }) {
  if (status === "no-worker") {
    return html`<${Badge} tone="bad">does not run<//> <span class="sub">${reason ?? ""}</span>`;
  }
  if (status !== "running") return html`<${Badge} tone="slow">${status}<//>`;
  if (figures === undefined) return html`<${Badge} tone="good">running<//>`;
  if (heldUpBy) {
    return html`
      <${Badge} tone="slow">held up<//>
      <span class="sub">by <${ActorLink} actor=${heldUpBy.key} />, which computes in <code>${heldUpBy
        .method}</code></span>
    `;
  }
  const { busyFor, method, sync } = figures;
  if (busyFor === 0) return html`<${Badge} tone="good">idle<//>`;
  const tone = isSlow(figures) ? "slow" : "accent";
  return html`
    <${Badge} tone=${tone}>${sync ? "computes" : "busy"}<//>
    <span class="sub">in <code>${method}</code>${busyFor > 300 && html`${" for "}<b>${time(busyFor)}</b>`}</span>
  `;
}

/** Mean running time of what has ended. */
export function meanOf(figures) {
  const ended = figures ? figures.calls - figures.inFlight : 0;
  return ended > 0 ? figures.runningTime / ended : undefined;
}

/** Methods of a class with their figures; one of them with its histogram. */
export function Methods({ className }) {
  const { overview } = useStore();
  const [chosen, choose] = useState();
  const methods = overview.classes.find(({ name }) => name === className)?.methods ?? [];
  const used = methods.filter(({ calls, queued }) => calls > 0 || queued > 0);
  const shown = used.find(({ name }) => name === chosen) ?? used.toSorted((a, b) => b.calls - a.calls)[0];
  const columns = [
    {
      name: "Method",
      cell: ({ name }) =>
        html`
          <button type="button" class="link mono" aria-pressed=${name === shown?.name} onClick=${() =>
            choose(name)}>${name}</button>
        `,
    },
    { name: "Calls", numeric: true, cell: ({ calls }) => count(calls) },
    { name: "Calls/s", numeric: true, cell: ({ rate: n }) => rate(n) },
    { name: "Running", numeric: true, cell: ({ inFlight }) => count(inFlight) },
    {
      name: "Queued",
      numeric: true,
      cell: ({ queued }) => html`<span class=${queued > 0 ? "slow-text" : ""}>${count(queued)}</span>`,
    },
    { name: "p50", numeric: true, title: "Running time of all calls", cell: ({ median }) => time(median) },
    { name: "p99", numeric: true, cell: ({ slowest }) => time(slowest) },
    {
      name: "Wait p99",
      numeric: true,
      title: "Waiting time over the last ten seconds",
      cell: ({ queueP99 }) => time(queueP99),
    },
    {
      name: "Errors",
      numeric: true,
      cell: ({ errors }) => html`<span class=${errors > 0 ? "bad-text" : ""}>${count(errors)}</span>`,
    },
    { name: "In", numeric: true, title: "Bytes of arguments", cell: ({ bytesIn }) => bytes(bytesIn) },
    { name: "Out", numeric: true, title: "Bytes of results", cell: ({ bytesOut }) => bytes(bytesOut) },
  ];
  return html`
    <${Card} title="Methods" note="of all actors of the class, attributes among them">
      <${Table} label="Methods" columns=${columns} rows=${used} rowKey=${({ name }) => name}
        rowClass=${({ name }) => name === shown?.name ? "chosen" : ""}
        empty=${html`<${Empty} title="No method has been called yet" />`} />
      ${shown && html`<${Times} className=${className} method=${shown.name} />`}
    <//>
  `;
}

function Times({ className, method }) {
  const { data } = usePolled("/classes");
  const found = data?.classes.find((each) => each.className === className)?.methods.find(({ name }) => name === method);
  if (!found || found.running.count === 0) return null;
  return html`
    <div class="columns inner">
      <${Distribution} title=${html`Running time of <code>${method}</code>`} times=${found
        .running} label=${`Running times of ${method}`} />
      <${Distribution} title="Waiting time before" times=${found.queueing} label=${`Waiting times of ${method}`} />
    </div>
  `;
}

function Distribution({ title, times, label }) {
  const some = times.p99 >= 0.001;
  const note = some ? `p50 ${time(times.p50)} · p90 ${time(times.p90)} · p99 ${time(times.p99)}` : "none had to wait";
  return html`
    <div>
      <h3>${title} <span class="note">${note}</span></h3>
      ${some && html`
        <${Histogram} buckets=${times.buckets} label=${label} format=${time} />
      `}
    </div>
  `;
}
