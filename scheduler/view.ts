/**
 * What there is to see of a scheduler, for its API, its dashboard and its clients.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { ActorDetails, Explanation, SchedulerSnapshot } from "../protocol/snapshot.ts";
import { type ActorsFilter, listActors } from "./actor_list.ts";
import { Departures } from "./departures.ts";
import type { SchedulerInput } from "./events.ts";
import { explain, listWaiting } from "./explain.ts";
import { History } from "./history.ts";
import { LiveFeed } from "./live.ts";
import type { Observation } from "./observation.ts";
import { type Overview, takeOverview, type WaitingView } from "./overview.ts";
import type { SchedulerState } from "./state.ts";
import type { StoryEntry } from "./story.ts";

/** Milliseconds for which an overview is given again. */
const OVERVIEW_AGE = 200;

/** Actors that are looked at for an overview. */
const MOST_BUSY = 200;

/** Things that wait which are listed at the most. */
const MOST_WAITING = 500;

/** What those who look should not have to wait for. */
const TOUCHING: ReadonlySet<SchedulerInput["type"]> = new Set([
  "workerJoined",
  "workerLeft",
  "workerDraining",
  "hostDraining",
  "hostJoined",
  "hostEnded",
  "hostLinkClosed",
]);

/** What is looked at. */
export interface SchedulerViewOptions {
  /** The state, to look at only. */
  readonly state: SchedulerState;
  /** What hosts are asked. */
  readonly observation: Observation;
  /** The time of the state. */
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Takes a picture. */
  readonly snapshot: () => SchedulerSnapshot;
}

/** What there is to see. */
export class SchedulerView {
  /** What hosts are asked. */
  readonly observation: Observation;
  /** Calls over time. */
  readonly history: History;
  /** Who listens to what changes. */
  readonly live: LiveFeed;
  readonly #options: SchedulerViewOptions;
  readonly #departures: Departures;
  #overview: { readonly at: number; readonly overview: Promise<Overview> } | undefined;

  constructor(options: SchedulerViewOptions) {
    this.#options = options;
    this.observation = options.observation;
    this.history = new History(options.now);
    this.live = new LiveFeed(this, options.clock);
    this.#departures = new Departures(options.now);
  }

  /** Something is about to happen. */
  before(input: SchedulerInput): void {
    this.#departures.note(this.#options.state, input);
  }

  /** It has happened. */
  after(input: SchedulerInput): void {
    if (input.type === "report") this.history.note(this.#options.state);
    if (!TOUCHING.has(input.type)) return;
    this.#overview = undefined;
    this.live.touch();
  }

  /** Tells nobody anything more. */
  close(): void {
    this.live.close();
  }

  /** A picture of everything that the scheduler itself knows. */
  snapshot(): SchedulerSnapshot {
    return this.#options.snapshot();
  }

  /** All of it at a glance. Whoever asks at the same time gets the same. */
  overview(): Promise<Overview> {
    const at = this.#options.clock.now();
    if (this.#overview === undefined || at - this.#overview.at > OVERVIEW_AGE) {
      this.#overview = { at, overview: this.#takeOverview() };
    }
    return this.#overview.overview;
  }

  /** Actors with what is counted of them. */
  actors(filter: ActorsFilter): Promise<ActorDetails[]> {
    return listActors(this, filter);
  }

  /** Why something does not run, or where it runs; `undefined` where nothing is known of it. */
  explain(key: string): Explanation | undefined {
    return explain(this.#options.state, key, this.#timeOf);
  }

  /** What waits for a worker or for its arguments. */
  waiting(): WaitingView[] {
    return listWaiting(this.#options.state, this.#timeOf, MOST_WAITING);
  }

  /** What happened last, oldest first; of one subject, or of all. */
  events({ subject, limit }: { readonly subject?: string | undefined; readonly limit: number }): StoryEntry[] {
    return this.#options.state.story.tell(subject).slice(-limit).map((entry) => this.#withTime(entry));
  }

  /** What happened since an event of that number, and the number of the next one. */
  eventsSince(from: number, most: number): { readonly events: StoryEntry[]; readonly next: number } {
    const { entries, next } = this.#options.state.story.since(from, most);
    return { events: entries.map((entry) => this.#withTime(entry)), next };
  }

  async #takeOverview(): Promise<Overview> {
    const { state, now, snapshot } = this.#options;
    const isRunning = [...state.actors.values()].some(({ state }) => state === "running");
    const { actors } = isRunning ? await this.observation.actors({ limit: MOST_BUSY }) : { actors: [] };
    const departures = this.#departures.list();
    return takeOverview({ state, snapshot: snapshot(), history: this.history, departures, busy: actors, at: now() });
  }

  #withTime(entry: StoryEntry): StoryEntry {
    return { ...entry, at: this.#timeOf(entry.at) };
  }

  /** Milliseconds since 1970 of a time of the state's clock. */
  readonly #timeOf = (at: number): number => {
    const { now, clock } = this.#options;
    return Math.round(now() - (clock.now() - at));
  };
}
