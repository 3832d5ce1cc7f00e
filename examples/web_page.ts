/**
 * A web page whose handlers call actors: a guest book. The server itself holds no state, so any number of servers can
 * show the same book, and a visit counter for each page.
 *
 *     deno run --allow-net --allow-read --allow-env --allow-run examples/web_page.ts
 *
 * prints
 *
 *     Guest book: http://127.0.0.1:8000/
 *
 * Another port is its argument; 0 lets the system choose.
 *
 * @module
 */

import { Hono } from "npm:hono@^4.13.0";
import { html } from "npm:hono@^4.13.0/html";
import { type Actor, Client, remote } from "../mod.ts";
import { Counter } from "./counter.ts";

/** What somebody wrote. */
export interface Entry {
  /** Who. */
  readonly name: string;
  /** What. */
  readonly text: string;
}

/** The last things that people wrote, the newest first. */
export class GuestBook {
  readonly #entries: Entry[] = [];

  /** Adds an entry, and drops those that are too old. */
  sign(name: string, text: string): void {
    this.#entries.unshift({ name, text });
    this.#entries.splice(100);
  }

  /** What is in it. */
  entries(): readonly Entry[] {
    return this.#entries;
  }
}

/** Anything that can be shown. */
type Markup = ReturnType<typeof html>;

function showPage(visits: number, entries: readonly Entry[]): Markup {
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <title>Guest book</title>
      </head>
      <body>
        <h1>Guest book</h1>
        <p>You are visitor number ${visits}.</p>
        <form method="post" action="/sign">
          <input name="name" placeholder="your name" required maxlength="50">
          <input name="text" placeholder="your words" required maxlength="500">
          <button>Sign</button>
        </form>
        <ul>${entries.map(({ name, text }) => html`<li><b>${name}</b>: ${text}</li>`)}</ul>
      </body>
    </html>
  `;
}

/** The application. The actors are created by the first server that asks for them, and shared with the others. */
export async function createApp(client: Client): Promise<Hono> {
  const book: Actor<GuestBook> = await client.submit(GuestBook, { actor: true, key: "guest-book" });
  const visits: Actor<Counter> = await client.submit(Counter, { actor: true, key: "guest-book-visits" });

  return new Hono()
    .get("/", async (context) => {
      // Both calls are under way before either is awaited.
      const [count, entries] = await Promise.all([visits.increment(), book.entries()]);
      return context.html(showPage(count, entries));
    })
    .post("/sign", async (context) => {
      const { name, text } = await context.req.parseBody();
      if (typeof name !== "string" || typeof text !== "string") return context.text("A name and a text, please\n", 400);
      await book.sign(name.slice(0, 50), text.slice(0, 500));
      return context.redirect("/", 303);
    })
    .get("/entries", async (context) => context.json({ visits: await visits.n, entries: await book.entries() }));
}

remote(import.meta, { GuestBook });
remote(import.meta.resolve("./counter.ts"), { Counter });

if (import.meta.main) {
  await using client = await Client.connect();
  const app = await createApp(client);
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: Number(Deno.args[0] ?? 8000),
    onListen: ({ port }) => console.log(`Guest book: http://127.0.0.1:${port}/`),
  }, app.fetch);
  await server.finished;
}
