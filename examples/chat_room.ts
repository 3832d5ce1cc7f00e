/**
 * A chat room in browsers: an actor is the room, and what is said in it streams to all who listen, from the actor's
 * generator to the page. Any number of them wait without a thread; one that reads slowly holds up nobody, and one that
 * goes away ends its generator. Several of these servers may have clients of one cluster: then they share the room.
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
import { streamSSE } from "npm:hono@^4.13.0/streaming";
import { Client, currentCall, remote } from "../mod.ts";

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
  /** How many listen. */
  listeners = 0;
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

  /** What was said after the message `id`, as far as it is still kept, and then what is said, until its reader leaves. */
  async *listen(id = 0): AsyncGenerator<Message, void, void> {
    const { signal } = currentCall();
    const left = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    this.listeners++;
    try {
      for (let last = id; !signal.aborted;) {
        const message = this.#messages.find(({ id }) => id > last);
        if (message === undefined) {
          await Promise.race([this.#news.promise, left]);
          continue;
        }
        yield message;
        last = message.id;
      }
    } finally {
      this.listeners--;
    }
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

      // It comes back by itself where the line breaks, and says which message was the last.
      new EventSource("/messages").onmessage = ({ data }) => {
        const message = JSON.parse(data);
        const item = document.createElement("li");
        item.textContent = message.name + ": " + message.text;
        messages.append(item);
      };
    </script>
  </body>
</html>
`;

/** The application. Servers that share a cluster share the room. */
export async function createApp(client: Client): Promise<Hono> {
  const room = await client.submit(Room, { actor: true, key: "chat-room" });

  return new Hono()
    .get("/", (context) => context.html(PAGE))
    .get("/messages", (context) => {
      const last = Number(context.req.header("last-event-id") ?? 0);
      if (!Number.isSafeInteger(last)) return context.text("last-event-id has to be the number of a message\n", 400);
      return streamSSE(context, async (stream) => {
        const messages = room.listen(last);
        stream.onAbort(() => void messages.return());
        for await (const message of messages) {
          await stream.writeSSE({ id: String(message.id), data: JSON.stringify(message) });
        }
      });
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
