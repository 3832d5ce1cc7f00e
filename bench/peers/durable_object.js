/**
 * A worker with a counter as a Durable Object, for `npm:workerd`. A WebSocket ends in the object itself; a POST goes
 * through the worker to a method of the object.
 *
 * @module
 */

import { DurableObject } from "cloudflare:workers";

/** Counts. */
export class Counter extends DurableObject {
  n = 0;

  /** A method, called through the object's stub. */
  increment() {
    return ++this.n;
  }

  /** Takes a WebSocket; each message is a call. */
  fetch() {
    const { 0: theirs, 1: ours } = new WebSocketPair();
    ours.accept();
    ours.addEventListener("message", () => ours.send(JSON.stringify(this.increment())));
    return new Response(null, { status: 101, webSocket: theirs });
  }
}

export default {
  /** The worker's own door. */
  async fetch(request, env) {
    const counter = env.COUNTER.get(env.COUNTER.idFromName("counter"));
    if (request.headers.get("Upgrade") === "websocket") return await counter.fetch(request);
    return Response.json(await counter.increment());
  },
};
