/**
 * A chat room in browsers: an actor is the room, and a page shows what is said in it. Each page asks for what is new and
 * waits in the actor until there is something (long polling): any number of them wait without a thread.
 *
 *     deno run --allow-net --allow-read --allow-env --allow-run examples/chat_room.ts
 *
 * prints
 *
 *     Chat room: http://127.0.0.1:8000/
 *
 * Another port is its argument; 0 lets the system choose.
 *
 * @module
 */

import { Hono } from "npm:hono@^4.13.0";
import { Client, remote } from "../mod.ts";

/** Something that was said. */
export interface Message {
  /** Counts from 1. */
  readonly id: number;
  /** Who said it. */
  readonly name: string;
  /** What was said. */
  readonly text: string;
}

/** A room, with the last hundred messages. */
export class Room {
  readonly #messages: Message[] = [];
  #lastId = 0;
  #news = Promise.withResolvers<void>();

  /** Says something to all who wait. */
  // deno-lint-ignore require-await
  async say(name: string, text: string): Promise<number> {
    this.#messages.push({ id: ++this.#lastId, name, text });
    this.#messages.splice(0, this.#messages.length - 100);
    this.#news.resolve();
    this.#news = Promise.withResolvers();
    return this.#lastId;
  }

  /**
   * What was said after the message `id`; where that is nothing yet, it waits.
   *
   * @param patience Milliseconds after which it gives up, and gives nothing.
   */
  async after(id: number, patience = 20_000): Promise<Message[]> {
    if (this.#lastId <= id) {
      const bored = Promise.withResolvers<void>();
      const timer = setTimeout(bored.resolve, patience);
      await Promise.race([this.#news.promise, bored.promise]);
      clearTimeout(timer);
    }
    return this.#messages.filter((message) => message.id > id);
  }
}

const PAGE = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><title>Chat room</title></head>
  <body>
    <h1>Chat room</h1>
    <ol id="messages"></ol>
    <form id="form">
      <input id="name" placeholder="your name" required maxlength="50">
      <input id="text" placeholder="say something" required maxlength="500" autocomplete="off">
      <button>Say</button>
    </form>
    <script type="module">
      const [messages, form, name, text] = ["messages", "form", "name", "text"].map((id) => document.getElementById(id));

      form.onsubmit = async (event) => {
        event.preventDefault();
        const body = JSON.stringify({ name: name.value, text: text.value });
        text.value = "";
        await fetch("/messages", { method: "POST", headers: { "content-type": "application/json" }, body });
      };

      for (let last = 0;;) {
        try {
          const response = await fetch("/messages?after=" + last);
          for (const message of await response.json()) {
            const item = document.createElement("li");
            item.textContent = message.name + ": " + message.text;
            messages.append(item);
            last = message.id;
          }
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 1000));
        }
      }
    </script>
  </body>
</html>
`;

/** The application. Servers that share a cluster share the room. */
export async function createApp(client: Client): Promise<Hono> {
  const room = await client.submit(Room, { actor: true, key: "chat-room" });

  return new Hono()
    .get("/", (context) => context.html(PAGE))
    .get("/messages", async (context) => {
      const after = Number(context.req.query("after") ?? 0);
      if (!Number.isSafeInteger(after)) return context.text("after has to be the number of a message\n", 400);
      return context.json(await room.after(after));
    })
    .post("/messages", async (context) => {
      const { name, text } = await context.req.json<Partial<Message>>().catch((): Partial<Message> => ({}));
      if (typeof name !== "string" || typeof text !== "string") return context.text("A name and a text, please\n", 400);
      return context.json({ id: await room.say(name.slice(0, 50), text.slice(0, 500)) });
    });
}

remote(import.meta, { Room });

if (import.meta.main) {
  await using client = await Client.connect();
  const app = await createApp(client);
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: Number(Deno.args[0] ?? 8000),
    onListen: ({ port }) => console.log(`Chat room: http://127.0.0.1:${port}/`),
  }, app.fetch);
  await server.finished;
}
