/**
 * Who waits and why, and who is where.
 *
 * @module
 */

import { html } from "./preact.js";
import { count, NONE, time } from "./format.js";
import { usePolled, useStore } from "./live.js";
import { Badge, Card, Empty, Meter, Table } from "./parts.js";

/** The pane. */
export function Placement({ chosen }) {
  const { data: waiting } = usePolled("/waiting", 1500);
  return html`
    <h1>Placement</h1>
    ${chosen !== undefined && html`<${Explained} subject=${chosen} />`}
    <${Waiting} waiting=${waiting} chosen=${chosen} />
    <${Offers} />
  `;
}

function Explained({ subject }) {
  const { data, error } = usePolled(`/explain/${encodeURIComponent(subject)}`, 1500);
  if (error && !data) {
    return html`
      <${Card} title=${subject}>
        <p class="why">${error.message}</p>
        <//>
    `;
  }
  if (!data) return null;
  const blocked = data.status === "waiting" || data.status === "blocked";
  return html`
    <${Card} title=${`Why does ${subject} not run?`} id="why">
      ${!blocked && html`<p class="why">It does not wait any more. ${data.summary}.</p>`}
      ${blocked && html`
        ${data.reason
          ? html`
            <p class="why bad">No worker that is here can take it.</p>
            <${Wanted} reason=${data.reason} />
          `
          : html`<p class="why bad">${data.summary}.</p>`}
        ${data.waitsFor.length > 0 && html`
          <h3>What it waits for</h3>
          <ul class="plain-list">
            ${data.waitsFor.map(({ key, status, summary }) =>
              html`
                <li
                  key=${key}><a class="mono" href=${`#/placement/key/${
                    encodeURIComponent(key)
                  }`}>${key}</a> <${Badge} tone="slow">${status}<//> ${summary}</li>
              `
            )}
          </ul>
        `}
        ${data.roots.length > 0 && html`
          <h3>The cause at the end of the chain</h3>
          <ul class="plain-list">
            ${data.roots.map(({ key, status, summary }) =>
              html`
                <li
                  key=${key}><a class="mono" href=${`#/placement/key/${
                    encodeURIComponent(key)
                  }`}>${key}</a> <${Badge} tone="bad">${status}<//> ${summary}</li>
              `
            )}
          </ul>
        `}
      `}
    <//>
  `;
}

/** `needs A; offered: B; C` as two lists. */
function Wanted({ reason }) {
  const [wanted, ...offers] = reason.split(/; (?:offered: )?/);
  return html`
    <dl class="wanted">
      <div>
        <dt>Wanted</dt>
        <dd>${wanted.replace(/^needs /, "")}</dd>
      </div>
      <div>
        <dt>Offered</dt>
        <dd>${offers.length === 0
          ? "nothing"
          : html`<ul>${offers.map((offer) => html`<li key=${offer}>${offer}</li>`)}</ul>`}</dd>
      </div>
    </dl>
    <p class="hint">It runs as soon as a fitting worker joins, or what is held becomes free.</p>
  `;
}

function Waiting({ waiting, chosen }) {
  const columns = [
    {
      name: "Waits",
      cell: ({ key }) => html`<a class="mono" href=${`#/placement/key/${encodeURIComponent(key)}`}>${key}</a>`,
    },
    { name: "What", cell: ({ kind, name }) => html`${kind} <b>${name}</b>` },
    {
      name: "For",
      cell: ({ status }) =>
        status === "waiting" ? html`<${Badge} tone="bad">a worker<//>` : html`<${Badge} tone="slow">arguments<//>`,
    },
    { name: "Why", wide: true, cell: ({ reason }) => reason },
    { name: "Since", numeric: true, cell: ({ since }) => since ? time(Math.max(0, Date.now() - since)) : NONE },
  ];
  return html`
    <${Card} title="Who waits, and why" note=${waiting?.length ? count(waiting.length) : ""}>
      ${waiting === undefined ? html`<p class="starting">Asking the scheduler…</p>` : html`
        <${Table} label="What waits" columns=${columns} rows=${waiting} rowKey=${({ key }) => key}
          rowClass=${({ key }) => key === chosen ? "chosen" : ""}
          empty=${html`<${Empty} title="Nobody waits">All actors and tasks that were submitted have a worker.<//>`} />
      `}
    <//>
  `;
}

function Offers() {
  const { overview } = useStore();
  const { workers } = overview;
  const most = Math.max(1, ...workers.map(({ actors }) => actors));
  const columns = [
    { name: "Worker", cell: ({ name }) => html`<b>${name}</b>` },
    {
      name: "Actors",
      cell: ({ actors }) =>
        html`<span class="with-meter">${count(actors)} <${Meter} share=${
          actors / most
        } label=${`${actors} actors`} /></span>`,
    },
    {
      name: "Tasks",
      numeric: true,
      title: "Given to it, of the threads that run them",
      cell: ({ processing, threads }) => `${processing} / ${threads}`,
    },
    { name: "Values kept", numeric: true, cell: ({ results }) => count(results) },
    {
      name: "Resources, held and offered",
      wide: true,
      cell: ({ resources, resourcesHeld }) => {
        const names = Object.keys(resources);
        if (names.length === 0) return html`<span class="sub">none</span>`;
        return names.map((name) => {
          const held = resourcesHeld[name] ?? 0;
          return html`
            <span class="resource"
              key=${name}>${name} ${held} of ${resources[name]} <${Meter} share=${held /
                resources[name]} tone=${held >= resources[name] ? "bad" : ""} label=${`${held} of ${
                resources[name]
              } held`} /></span>
          `;
        });
      },
    },
  ];
  return html`
    <${Card} title="Where things are" note="new actors go to the worker that has fewest">
      <${Table} label="Workers" columns=${columns} rows=${workers} rowKey=${({ id }) =>
        id} empty=${html`<${Empty} title="No worker has joined" />`} />
      <//>
  `;
}
