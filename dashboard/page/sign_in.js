/**
 * What somebody sees who has not signed in.
 *
 * @module
 */

import { html, useState } from "./preact.js";
import { open, store } from "./live.js";

/** The form. `spent` says that a link was followed that is not good any more. */
export function SignIn({ spent }) {
  const [token, setToken] = useState("");
  const [problem, setProblem] = useState();
  const submit = async (event) => {
    event.preventDefault();
    const response = await fetch("/session", { method: "POST", headers: { authorization: `Bearer ${token.trim()}` } })
      .catch(() => undefined);
    if (!response?.ok) {
      return setProblem(
        response?.status === 401 ? "This is not the token of this scheduler" : "The scheduler does not answer",
      );
    }
    store.status = "connecting";
    location.hash = "#/overview";
    open();
  };
  return html`
    <main class="sign-in">
      <img src="/assets/icon.svg" alt="" width="48" height="48" />
      <h1>Troupe</h1>
      ${spent && html`
        <p role="alert" class="problem">This link has been used, or is too old. Each link signs in once.</p>
      `}
      <p>Open the link that the scheduler printed, or get a new one:</p>
      <pre class="command">deno task troupe dashboard</pre>
      <p>Or give the scheduler's token. You find it in <code>~/.config/troupe/token</code> of whoever runs it.</p>
      <form onSubmit=${submit}>
        <label for="token">Token</label>
        <input id="token" type="password" autocomplete="off" spellcheck="false" value=${token}
          onInput=${(event) => setToken(event.target.value)} />
        <button type="submit" class="primary" disabled=${token.trim() === ""}>Sign in</button>
      </form>
      ${problem && html`<p role="alert" class="problem">${problem}</p>`}
    </main>
  `;
}
