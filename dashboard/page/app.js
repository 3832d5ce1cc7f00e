/**
 * The dashboard of a Troupe scheduler.
 *
 * @module
 */

import { html, render, useEffect, useState } from "./preact.js";
import { Events, Logs } from "./activity.js";
import { ActorPane } from "./actor.js";
import { Classes, ClassPane } from "./actors.js";
import { ago, clock, count, rate, time } from "./format.js";
import { start, store, useStore } from "./live.js";
import { Overview } from "./overview.js";
import { Figure } from "./parts.js";
import { Placement } from "./placement.js";
import { SignIn } from "./sign_in.js";
import { Timeline } from "./timeline.js";

const PANES = [
  ["overview", "Overview"],
  ["actors", "Actors"],
  ["timeline", "Timeline"],
  ["placement", "Placement"],
  ["events", "Events"],
  ["logs", "Logs"],
];

function usePlace() {
  const read = () => location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const [place, setPlace] = useState(read);
  useEffect(() => {
    const update = () => {
      setPlace(read());
      scrollTo(0, 0);
    };
    addEventListener("hashchange", update);
    return () => removeEventListener("hashchange", update);
  }, []);
  return place;
}

function App() {
  const { status, overview } = useStore();
  const place = usePlace();
  const pane = place[0] || "overview";
  useEffect(() => {
    const name = PANES.find(([id]) => id === pane)?.[1];
    document.title = name && name !== "Overview" ? `${name} · Troupe` : "Troupe";
  }, [pane]);
  if (status === "signed-out") return html`<${SignIn} spent=${pane === "sign-in" && place[1] === "spent"} />`;
  return html`
    <a class="skip" href="#main">Skip to the content</a>
    <${Head} pane=${pane} />
    <${Banner} />
    <main id="main" tabindex="-1">
      ${overview === undefined ? html`<p class="starting">Asking the scheduler…</p>` : html`<${Pane} place=${place} />`}
    </main>
    <${Foot} />
  `;
}

function Pane({ place: [pane, kind, id] }) {
  switch (pane) {
    case "actors":
      if (kind === "class" && id !== undefined) return html`<${ClassPane} key=${id} name=${id} />`;
      if (kind === "key" && id !== undefined) return html`<${ActorPane} key=${id} actor=${id} />`;
      return html`<${Classes} />`;
    case "timeline":
      return html`<${Timeline} />`;
    case "placement":
      return html`<${Placement} chosen=${kind === "key" ? id : undefined} />`;
    case "events":
      return html`<${Events} />`;
    case "logs":
      return html`<${Logs} />`;
    default:
      return html`<${Overview} />`;
  }
}

function Head({ pane }) {
  const { overview } = useStore();
  const totals = overview?.totals;
  return html`
    <header class="head">
      <div class="bar">
        <a class="brand" href="#/overview"><img src="/assets/icon.svg" alt="" width="22" height="22" />Troupe</a>
        <nav aria-label="Panes">
          ${PANES.map(([id, name]) =>
            html`<a href=${`#/${id}`} aria-current=${
              pane === id || (pane === "sign-in" && id === "overview") ? "page" : undefined
            }>${name}</a>`
          )}
        </nav>
        <span class="grow"></span>
        <${Live} />
        <${ThemeButton} />
      </div>
      ${totals && html`
        <div class="figures" role="group" aria-label="The cluster now">
          <${Figure} name="workers" value=${count(totals.workers)} tone=${totals.workers === 0
            ? "bad"
            : ""} href="#/overview" />
          <${Figure} name="actors" value=${count(totals.actors)} href="#/actors" />
          <${Figure} name="wait" value=${count(totals.waiting)} tone=${totals.waiting > 0
            ? "slow"
            : ""} href="#/placement"
            title="Actors and tasks without a worker, or without what their arguments need" />
          <${Figure} name="calls/s" value=${rate(totals.rate)} title="Over the last ten seconds" />
          <${Figure} name="p50" value=${time(
            totals.p50,
          )} title="Half of the calls of the last ten seconds ran shorter" />
          <${Figure} name="p99" value=${time(totals.p99)} title="All but one in a hundred ran shorter" />
          <${Figure} name="errors/s" value=${rate(totals.errorRate)} tone=${totals.errorRate > 0 ? "bad" : ""} />
          <${Figure} name="queued" value=${count(totals.queued)} tone=${totals.queued > 0 ? "slow" : ""}
            title="Calls that wait for their turn at an actor" />
        </div>
      `}
    </header>
  `;
}

/** Whether the figures are live, always said. */
function Live() {
  const { status, heardAt } = useStore();
  if (status === "live") {
    return html`<span class="live on" title="Figures come once a second"><i aria-hidden="true"></i>Live</span>`;
  }
  const text = status === "connecting" ? "Connecting" : heardAt ? `Not live since ${clock(heardAt)}` : "Not live";
  return html`<span class="live off" role="status"><i aria-hidden="true"></i>${text}</span>`;
}

function Banner() {
  const { status, heardAt, overview } = useStore();
  useEffect(() => {
    document.body.classList.toggle("stale", status === "lost");
  }, [status]);
  if (status === "lost") {
    return html`
      <p class="banner bad" role="alert">
        The scheduler does not answer. ${heardAt
          ? `These figures are of ${clock(heardAt)}, ${ago(Date.now() - heardAt)}. `
          : ""}Trying again…
      </p>
    `;
  }
  if (overview?.totals.workers === 0) {
    return html`
      <p class="banner bad" role="alert">
        No worker has joined, so nothing can run. Start one: <code>deno task worker ${overview.address}</code>
      </p>
    `;
  }
  return null;
}

function ThemeButton() {
  const [theme, setTheme] = useState(() => localStorage.getItem("troupe-theme") ?? "auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    localStorage.setItem("troupe-theme", theme);
    dispatchEvent(new Event("troupe-theme"));
  }, [theme]);
  const next = { auto: "light", light: "dark", dark: "auto" }[theme];
  const mark = { auto: "◐", light: "○", dark: "●" }[theme];
  return html`
    <button type="button" class="plain" onClick=${() => setTheme(next)}
      aria-label=${`Colours: ${theme}. Change to ${next}`} title=${`Colours: ${theme}`}>${mark}</button>
  `;
}

function Foot() {
  const { overview } = useStore();
  if (!overview) return null;
  const end = async () => {
    await fetch("/session/end", { method: "POST" });
    store.status = "signed-out";
    location.hash = "#/overview";
  };
  return html`
    <footer class="foot">
      <span class="mono">${overview.address}</span>
      <span>up ${time(overview.uptime)}</span>
      <span>Troupe ${overview.versions.troupe}, ${overview.versions.runtime}</span>
      <span>${count(overview.totals.clients)} ${overview.totals.clients === 1 ? "client" : "clients"}</span>
      <span class="grow"></span>
      <button type="button" class="plain" onClick=${end}>Sign out</button>
    </footer>
  `;
}

start();
const root = document.getElementById("app");
root.replaceChildren();
render(html`<${App} />`, root);
