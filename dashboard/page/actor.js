/**
 * One actor: what it does, its methods, values, errors, lines, and a console to call it.
 *
 * @module
 */

import { html, useEffect, useState } from "./preact.js";
import { callActor, lookAtActor } from "./caller.js";
import { bytes, clock, count, show, time } from "./format.js";
import { get, post, usePolled, useStore, useTopics } from "./live.js";
import { meanOf, Methods, stateOf } from "./actors.js";
import { Lines } from "./activity.js";
import { ActorLink, Card, ConfirmButton, Empty, Figure } from "./parts.js";

/** The pane. */
export function ActorPane({ actor: key }) {
  const { data: actor, error } = usePolled(`/actors/${encodeURIComponent(key)}`, 1000);
  const { data: explained } = usePolled(`/explain/${encodeURIComponent(key)}`, 2000);
  useTopics({ lines: true, key });
  if (error && !actor || error?.message.startsWith("There is no")) {
    return html`
      <p class="crumbs"><a href="#/actors">Actors</a> / ${key}</p>
      <h1 class="mono">${key}</h1>
      <${Card}>
        <${Empty} title="This actor is gone">${explained?.summary ?? error.message}<//><//>
      ${explained && html`<${Story} story=${explained.story} />`}
    `;
  }
  if (!actor) return html`<p class="starting">Asking its worker…</p>`;
  const { figures } = actor;
  const runs = actor.status === "running";
  return html`
    <p class="crumbs">
      <a href="#/actors">Actors</a> / <a href=${`#/actors/class/${encodeURIComponent(actor.class)}`}>${actor
        .class}</a> / ${key}
    </p>
    <div class="title-row">
      <h1 class="mono">${key}</h1>
      <span>${stateOf(actor)}</span>
      <span class="grow"></span>
      <${ConfirmButton} label="End actor" question="End it for everyone?" onConfirm=${() =>
        post(`/actors/${encodeURIComponent(key)}/kill`)} />
    </div>
    ${explained && html`<${Why} explained=${explained} figures=${figures} heldUpBy=${actor.heldUpBy} />`}
    ${runs && figures && html`
      <div class="figures big">
        <${Figure} name="calls" value=${count(figures.calls)} />
        <${Figure} name="errors" value=${count(figures.errors)} tone=${figures.errors > 0 ? "bad" : ""} />
        <${Figure} name="running" value=${count(figures.inFlight)} />
        <${Figure} name="queued" value=${count(figures.queued)} tone=${figures.queued > 0 ? "slow" : ""} />
        <${Figure} name="mean time" value=${time(meanOf(figures))} />
        <${Figure} name="busy for" value=${figures.busyFor ? time(figures.busyFor) : "–"} />
        <${Figure} name="bytes in" value=${bytes(figures.bytesIn)} />
        <${Figure} name="bytes out" value=${bytes(figures.bytesOut)} />
      </div>
      <${Members} actor=${key} />
    `}
    <${Errors} query=${`key=${encodeURIComponent(key)}`} />
    ${runs && html`<${Methods} className=${actor.class} />`}
    <${ActorLines} actor=${key} />
    ${explained && html`<${Story} story=${explained.story} />`}
  `;
}

/** Where it is, or why it does not run. */
function Why({ explained, figures, heldUpBy }) {
  const { summary, roots, reason } = explained;
  return html`
    <p class=${reason ? "why bad" : heldUpBy ? "why slow" : "why"}>
      ${summary}${figures ? html`, in the home <code>${figures.home}</code>` : ""}.
      ${heldUpBy && html`
        <br />Its isolate is held up by <${ActorLink} actor=${heldUpBy.key} />, which has computed in${" "}
        <code>${heldUpBy.method}</code> for <b>${time(heldUpBy.for)}</b>: nothing else runs there until that returns.
      `}
      ${roots.length > 0 &&
        html`<br />In the end it waits for: ${
          roots.map(({ key, summary }) => html`<span class="root"><b class="mono">${key}</b> ${summary}</span>`)
        }`}
    </p>
  `;
}

/** Values of attributes, and the console: as any other client would get them. */
function Members({ actor }) {
  const [members, setMembers] = useState();
  const [problem, setProblem] = useState();
  const look = async () => {
    setProblem(undefined);
    try {
      await lookAtActor(actor, setMembers);
    } catch (error) {
      setProblem(error.message);
    }
  };
  useEffect(() => {
    look();
  }, [actor]);
  return html`
    <div class="columns">
      <${Card} title="Values" note="of its attributes, read now" actions=${html`<button type="button" onClick=${look}>Read again</button>`}>
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        ${members?.values === undefined
          ? !problem && html`<p class="starting">Reading…</p>`
          : members.values.length === 0
          ? html`<${Empty} title="It has no attributes" />`
          : html`
            <dl class="values">
              ${members.values.map(({ name, value, error }) =>
                html`
                  <div key=${name}>
                    <dt class="mono">${name}</dt>
                    <dd class=${error ? "bad-text" : ""}>
                      <pre>${error ?? show(value)}</pre>
                    </dd>
                  </div>
                `
              )}
            </dl>
          `}
      <//>
      <${Console} actor=${actor} methods=${members?.methods} onCalled=${look} />
    </div>
  `;
}

function Console({ actor, methods, onCalled }) {
  const [method, setMethod] = useState();
  const [text, setText] = useState("");
  const [calls, setCalls] = useState([]);
  const chosen = method ?? methods?.[0];
  const call = async (event) => {
    event.preventDefault();
    const id = calls.length;
    let args;
    try {
      args = readArguments(text);
    } catch (error) {
      return setCalls([...calls, {
        id,
        method: chosen,
        text,
        error: `These are no arguments in JSON: ${error.message}`,
      }]);
    }
    const update = (more) => setCalls((all) => all.map((each) => each.id === id ? { ...each, ...more } : each));
    setCalls([...calls, { id, method: chosen, text, pending: true }]);
    const started = performance.now();
    try {
      const value = await callActor(actor, chosen, args);
      update({ pending: false, value: show(value), took: performance.now() - started });
    } catch (error) {
      update({ pending: false, error: `${error.name}: ${error.message}`, took: performance.now() - started });
    }
    onCalled();
  };
  return html`
    <${Card} title="Console" note="calls a method, as any client would">
      ${methods === undefined
        ? html`<p class="starting">Reading…</p>`
        : methods.length === 0
        ? html`<${Empty} title="It has no methods to call" />`
        : html`
          <form class="console" onSubmit=${call}>
            <label>Method
              <select value=${chosen} onChange=${(event) => setMethod(event.target.value)}>
                ${methods.map((name) => html`<option key=${name} value=${name}>${name}</option>`)}
              </select>
            </label>
            <label class="grow">Arguments, as JSON with commas between
              <input class="mono" value=${text} placeholder='10, "text", { "a": 1 }' spellcheck="false" autocomplete="off"
                onInput=${(event) => setText(event.target.value)} />
            </label>
            <button type="submit" class="primary">Call</button>
          </form>
          <ol class="console-log" aria-live="polite">
            ${calls.toReversed().slice(0, 20).map(({ id, method, text, pending, value, error, took }) =>
              html`
                <li key=${id}>
                  <code>${method}(${text})</code>
                  ${pending
                    ? html`<span class="sub">has not answered yet…</span>`
                    : html`<span class="sub">${took === undefined ? "" : time(took)}</span>`}
                  ${!pending && html`<pre class=${error ? "bad-text" : ""}>${error ?? value}</pre>`}
                </li>
              `
            )}
          </ol>
        `}
    <//>
  `;
}

function readArguments(text) {
  const trimmed = text.trim();
  return trimmed === "" ? [] : JSON.parse(`[${trimmed}]`);
}

/** Errors of an actor, or of a class. */
export function Errors({ query }) {
  const { data } = usePolled(`/errors?${query}&limit=100`, 3000);
  if (!data || data.length === 0) return null;
  return html`
    <${Card} title="Recent errors" note="as they were thrown, the latest first">
      <ul class="errors">
        ${grouped(data).map(({ at, key, className, method, name, message, stack, call, times }) =>
          html`
            <li key=${`${at} ${key} ${call}`}>
              <details>
                <summary>
                  <span class="sub">${clock(at)}</span> <b class="bad-text">${name}</b> ${message}
                  ${times > 1 && ` (${times} times)`}
                  <span class="sub"> in <code>${className ? `${className}.` : ""}${method}</code> of </span>
                  <${ActorLink} actor=${key} />
                </summary>
                <pre class="stack">${stack || "There is no stack"}</pre>
              </details>
            </li>
          `
        )}
      </ul>
      <//>
  `;
}

/** Equal errors of one method as one, with how many there were. */
function grouped(errors) {
  const groups = new Map();
  for (const error of errors) {
    const id = `${error.key} ${error.method} ${error.name} ${error.message}`;
    const group = groups.get(id);
    if (group) group.times++;
    else groups.set(id, { ...error, times: 1 });
  }
  return [...groups.values()].slice(0, 20);
}

function ActorLines({ actor }) {
  const { lines } = useStore();
  const [before, setBefore] = useState([]);
  useEffect(() => {
    get(`/logs?key=${encodeURIComponent(actor)}&limit=100`).then(setBefore, () => {});
  }, [actor]);
  const last = before.at(-1)?.at ?? 0;
  const all = [...before, ...lines.filter(({ key, at }) => key === actor && at > last)].slice(-200);
  if (all.length === 0) return null;
  return html`
    <${Card} title="Lines" note="that it printed">
      <${Lines} lines=${all} />
      <//>
  `;
}

function Story({ story }) {
  if (story.length === 0) return null;
  return html`
    <${Card} title="Story" note="what the scheduler remembers of it">
      <ol class="story">
        ${story.toReversed().slice(0, 50).map(({ at, from, to, cause }, index) =>
          html`
            <li key=${index}>
              <span class="sub">${clock(at, true)}</span>
              <span>${from && `${from} → `}<b>${to}</b></span>
              <span class="sub">${cause}</span>
            </li>
          `
        )}
      </ol>
      <//>
  `;
}
