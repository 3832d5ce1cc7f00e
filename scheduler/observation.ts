/**
 * What hosts are asked of their actors and calls, and what they tell while somebody looks. None of it is state of the
 * core: it is asked for when it is wanted, and forgotten.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type {
  ActorFigures,
  HostAnswered,
  HostAsked,
  HostRequestName,
  ObservedBody,
  PrintedLine,
  RecordedError,
  WatchBody,
} from "../protocol/observation.ts";

/** How long hosts are waited for: one whose event loop is busy is left out. */
const PATIENCE = 400;

/** A host's link, as far as it matters here. */
export interface ObservedHost {
  /** Id of its worker. */
  readonly worker: string;
  /** Asks the host something. */
  ask<N extends HostRequestName>(name: N, asked: HostAsked<N>): Promise<HostAnswered<N>>;
  /** Tells the host what somebody looks at. */
  watch(body: WatchBody): void;
}

/** Which actors, errors or lines. */
export interface ObservationFilter {
  /** Of this actor or task only. */
  readonly key?: string | undefined;
  /** Of this class only. */
  readonly className?: string | undefined;
  /** Of this worker only. */
  readonly worker?: string | undefined;
  /** How many at the most. */
  readonly limit: number;
}

/** Told of what hosts see. */
export type ObservationListener = (worker: string, body: ObservedBody) => void;

/** What is asked and seen of hosts. */
export class Observation {
  readonly #clock: Clock;
  readonly #hosts: () => Iterable<ObservedHost>;
  readonly #listeners = new Map<ObservationListener, WatchBody>();
  #watched: WatchBody = { calls: false, lines: false };

  /**
   * Looks at nothing yet.
   *
   * @param clock The time.
   * @param hosts The hosts that are linked now.
   */
  constructor(clock: Clock, hosts: () => Iterable<ObservedHost>) {
    this.#clock = clock;
    this.#hosts = hosts;
  }

  /** Figures of actors, those that need a look first, with how many there are; hosts that do not answer are left out. */
  async actors(
    filter: ObservationFilter,
  ): Promise<{ readonly actors: (ActorFigures & { readonly worker: string })[]; readonly total: number }> {
    const answers = await this.#ask("actorFigures", filter);
    const actors = answers.flatMap(({ worker, answer }) => answer.actors.map((actor) => ({ ...actor, worker })));
    actors.sort((one, other) =>
      other.busyFor - one.busyFor || other.queued - one.queued || other.runningTime - one.runningTime ||
      (one.key < other.key ? -1 : 1)
    );
    return {
      actors: actors.slice(0, filter.limit),
      total: answers.reduce((sum, { answer }) => sum + answer.total, 0),
    };
  }

  /** Errors that calls and tasks ended with, the latest first. */
  async errors(filter: ObservationFilter): Promise<(RecordedError & { readonly worker: string })[]> {
    const answers = await this.#ask("recentErrors", filter);
    return latest(
      answers.flatMap(({ worker, answer }) => answer.errors.map((error) => ({ ...error, worker }))),
      filter,
    );
  }

  /** What user code printed, the latest first. */
  async lines(filter: ObservationFilter): Promise<(PrintedLine & { readonly worker: string })[]> {
    const answers = await this.#ask("recentLines", filter);
    return latest(answers.flatMap(({ worker, answer }) => answer.lines.map((line) => ({ ...line, worker }))), filter);
  }

  /**
   * Looks at calls or lines, which hosts tell of for as long as anybody looks.
   *
   * @returns Stops to look.
   */
  follow(what: WatchBody, listener: ObservationListener): () => void {
    this.#listeners.set(listener, what);
    this.#tellHosts();
    return () => {
      if (this.#listeners.delete(listener)) this.#tellHosts();
    };
  }

  /** A host is linked now. */
  joined(host: ObservedHost): void {
    if (this.#watched.calls || this.#watched.lines) host.watch(this.#watched);
  }

  /** A host told what it saw. */
  observed(worker: string, body: ObservedBody): void {
    for (const listener of [...this.#listeners.keys()]) listener(worker, body);
  }

  #tellHosts(): void {
    const all = [...this.#listeners.values()];
    const watched = { calls: all.some(({ calls }) => calls), lines: all.some(({ lines }) => lines) };
    if (watched.calls === this.#watched.calls && watched.lines === this.#watched.lines) return;
    this.#watched = watched;
    for (const host of this.#hosts()) host.watch(watched);
  }

  async #ask<N extends HostRequestName>(
    name: N,
    { worker: wanted, ...asked }: ObservationFilter,
  ): Promise<{ readonly worker: string; readonly answer: HostAnswered<N> }[]> {
    const hosts = [...this.#hosts()].filter(({ worker }) => wanted === undefined || worker === wanted);
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const stop = this.#clock.setTimer(PATIENCE, () => resolve(undefined));
    const answers = hosts.map(async (host) => {
      const answer = await Promise.race([host.ask(name, asked as HostAsked<N>).catch(() => undefined), late]);
      return answer && { worker: host.worker, answer };
    });
    const found = (await Promise.all(answers)).filter((answer) => answer !== undefined);
    stop();
    return found;
  }
}

function latest<T extends { readonly at: number }>(items: T[], { limit }: ObservationFilter): T[] {
  return items.sort((one, other) => other.at - one.at).slice(0, limit);
}
