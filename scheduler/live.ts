/**
 * `/api/v1/live`: what changes, as server-sent events, for as long as a page or command listens.
 *
 * @module
 */

import { getLogger } from "npm:@logtape/logtape@^2.4.0";
import type { Clock } from "../connection/mod.ts";
import type { ObservedCall, PrintedLine } from "../protocol/observation.ts";
import type { SchedulerView } from "./view.ts";

const logger = getLogger(["troupe", "scheduler"]);

/** What a listener wants to hear. */
export interface LiveTopics {
  /** The overview, once a second and when workers come or go. */
  readonly overview: boolean;
  /** Calls, one by one. */
  readonly calls: boolean;
  /** What user code prints. */
  readonly lines: boolean;
  /** Of these two, those of this actor or task only. */
  readonly key?: string | undefined;
  /** Of these two, those of this class only. */
  readonly className?: string | undefined;
  /** Actors of this class with their figures, once a second; an empty name for all. */
  readonly actors?: string | undefined;
}

/** Milliseconds between two overviews. */
const INTERVAL = 1000;

/** Milliseconds after a change, in which others may follow it. */
const SOON = 80;

/** Actors that are told of at the most. */
const MOST_ACTORS = 500;

/** Bytes that may wait for a listener who reads slowly; beyond that events are left out. */
const MOST_WAITING = 4 * 1024 * 1024;

/** Events that are told of when a listener comes. */
const FIRST_EVENTS = 200;

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  // Proxies must not gather what is to arrive now.
  "x-accel-buffering": "no",
};

/** All listeners of one scheduler. */
export class LiveFeed {
  readonly #view: SchedulerView;
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  #stopTimer: (() => void) | undefined;
  #stopSoon: (() => void) | undefined;
  #closed = false;

  /**
   * Nobody listens yet.
   *
   * @param view What is told of.
   * @param clock The time.
   */
  constructor(view: SchedulerView, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
  }

  /** How many listen. */
  get size(): number {
    return this.#listeners.size;
  }

  /** Answers a listener with a stream of events, which ends when he goes away. */
  listen(topics: LiveTopics): Response {
    const listener = new Listener(this.#view, topics, () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#stopTimer?.();
      this.#stopSoon?.();
      this.#stopTimer = this.#stopSoon = undefined;
    });
    if (this.#closed) return new Response("The scheduler is closing\n", { status: 503 });
    this.#listeners.add(listener);
    listener.tick();
    this.#stopTimer ??= this.#tickLater();
    return new Response(listener.stream, { headers: HEADERS });
  }

  /** Something changed that nobody should wait for. */
  touch(): void {
    if (this.#listeners.size === 0) return;
    this.#stopSoon ??= this.#clock.setTimer(SOON, () => {
      this.#stopSoon = undefined;
      this.#tick();
    });
  }

  /** Ends all streams. */
  close(): void {
    this.#closed = true;
    for (const listener of [...this.#listeners]) listener.close();
  }

  #tickLater(): () => void {
    return this.#clock.setTimer(INTERVAL, () => {
      this.#stopTimer = this.#tickLater();
      this.#tick();
    });
  }

  #tick(): void {
    for (const listener of this.#listeners) listener.tick();
  }
}

const encoder = new TextEncoder();

class Listener {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #view: SchedulerView;
  readonly #topics: LiveTopics;
  readonly #onEnd: () => void;
  readonly #stopFollowing: () => void;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #nextEvent = -1;
  #busy = false;
  #again = false;
  #ended = false;

  constructor(view: SchedulerView, topics: LiveTopics, onEnd: () => void) {
    this.#view = view;
    this.#topics = topics;
    this.#onEnd = onEnd;
    this.stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#end(),
    }, { highWaterMark: MOST_WAITING, size: (chunk) => chunk?.byteLength ?? 0 });
    const { calls, lines } = topics;
    this.#stopFollowing = calls || lines
      ? view.observation.follow({ calls, lines }, (worker, body) => {
        const isWanted = (one: ObservedCall | PrintedLine) =>
          (topics.key === undefined || one.key === topics.key) &&
          (topics.className === undefined || one.className === topics.className);
        const seen = { calls: body.calls.filter(isWanted), lines: body.lines.filter(isWanted) };
        if (calls && (seen.calls.length > 0 || body.callsLeftOut > 0)) {
          this.#send("calls", { worker, calls: seen.calls, leftOut: body.callsLeftOut });
        }
        if (lines && (seen.lines.length > 0 || body.linesLeftOut > 0)) {
          this.#send("lines", { worker, lines: seen.lines, leftOut: body.linesLeftOut });
        }
      })
      : () => {};
  }

  /** Tells what is so now. Hosts are asked for some of it: one who is slow is not asked twice at a time. */
  async tick(): Promise<void> {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      const { overview, actors } = this.#topics;
      if (overview) {
        this.#send("overview", await this.#view.overview());
        this.#sendEvents();
      }
      if (actors !== undefined) {
        const filter = { class: actors || undefined, limit: MOST_ACTORS };
        this.#send("actors", { class: actors, actors: await this.#view.actors(filter) });
      }
    } catch (error) {
      // It would end the scheduler: who listens gets it with the next try.
      logger.error("Cannot tell what is so now: {error}", { error: String(error) });
    } finally {
      this.#busy = false;
    }
    if (!this.#again) return;
    this.#again = false;
    await this.tick();
  }

  close(): void {
    if (this.#ended) return;
    this.#end();
    this.#controller.close();
  }

  #sendEvents(): void {
    const { events, next } = this.#view.eventsSince(this.#nextEvent, FIRST_EVENTS);
    this.#nextEvent = next;
    if (events.length > 0) this.#send("events", { events });
  }

  #send(event: string, data: object): void {
    if (this.#ended || (this.#controller.desiredSize ?? 0) <= 0) return;
    this.#controller.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopFollowing();
    this.#onEnd();
  }
}
