/**
 * What a host remembers of single calls, and tells its scheduler while somebody looks.
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
  ObservedCall,
  PrintedLine,
  RecordedError,
  WatchBody,
} from "../protocol/observation.ts";
import type { RecorderNews } from "./call_recorder.ts";
import type { HostCounters } from "./host_counters.ts";

/** How many lines, and how many errors, are remembered. */
const LINES_KEPT = 2000;
const ERRORS_KEPT = 500;

/** Milliseconds between messages to the scheduler while somebody looks. */
const TELL_INTERVAL = 250;

/** Calls, and lines, of one message at the most. */
const MOST_CALLS = 2000;
const MOST_LINES = 1000;

/** Figures that are asked for at once at the most. */
const MOST_FIGURES = 10_000;

/** Options of {@linkcode HostObserver}. */
export interface HostObserverOptions {
  /** The time. */
  readonly clock: Clock;
  /** Counts calls. */
  readonly counters: HostCounters;
  /** Passes on to the isolates whether calls are looked at. */
  readonly watchCalls: (watched: boolean) => void;
  /** Tells the scheduler. */
  readonly tell: (body: ObservedBody) => void;
}

/** Remembers, answers and tells. */
export class HostObserver {
  readonly #options: HostObserverOptions;
  readonly #lines = new Recent<PrintedLine>(LINES_KEPT);
  readonly #errors = new Recent<RecordedError>(ERRORS_KEPT);
  #watched: WatchBody = { calls: false, lines: false };
  #calls: ObservedCall[] = [];
  #callsLeftOut = 0;
  #newLines: PrintedLine[] = [];
  #linesLeftOut = 0;
  #stopTimer: (() => void) | undefined;

  /** Nobody looks yet. */
  constructor(options: HostObserverOptions) {
    this.#options = options;
  }

  /** Whether calls are looked at: an isolate that starts is told. */
  get watchesCalls(): boolean {
    return this.#watched.calls;
  }

  /** Somebody looks at something else now, or nobody does. */
  watch(body: WatchBody): void {
    const before = this.#watched;
    this.#watched = body;
    if (before.calls !== body.calls) this.#options.watchCalls(body.calls);
    if (!body.calls) [this.#calls, this.#callsLeftOut] = [[], 0];
    if (!body.lines) [this.#newLines, this.#linesLeftOut] = [[], 0];
    if (body.calls || body.lines) this.#stopTimer ??= this.#tellLater();
    else this.close();
  }

  /** Takes in what an isolate says. */
  observed(news: RecorderNews): void {
    switch (news.type) {
      case "threw":
        return this.#errors.add(news.error);
      case "printed": {
        for (const line of news.lines) this.#lines.add(line);
        if (!this.#watched.lines) return;
        const room = Math.max(0, MOST_LINES - this.#newLines.length);
        this.#newLines.push(...news.lines.slice(0, room));
        this.#linesLeftOut += news.leftOut + Math.max(0, news.lines.length - room);
        return;
      }
      case "called": {
        if (!this.#watched.calls) return;
        const room = Math.max(0, MOST_CALLS - this.#calls.length);
        this.#calls.push(...news.calls.slice(0, room));
        this.#callsLeftOut += news.leftOut + Math.max(0, news.calls.length - room);
        return;
      }
    }
  }

  /** Answers a question of the scheduler. */
  answer<N extends HostRequestName>(name: N, asked: HostAsked<N>): HostAnswered<N> {
    const answers: { [M in HostRequestName]: (asked: HostAsked<M>) => HostAnswered<M> } = {
      actorFigures: (asked) => this.#figures(asked),
      recentErrors: (asked) => ({ errors: this.#errors.latest(asked) }),
      recentLines: (asked) => ({ lines: this.#lines.latest(asked) }),
    };
    return answers[name](asked);
  }

  /** Tells nothing more. */
  close(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
  }

  #figures({ key, className, limit }: HostAsked<"actorFigures">): HostAnswered<"actorFigures"> {
    const now = Date.now();
    const actors: ActorFigures[] = [];
    for (const { busySince, ...counts } of this.#options.counters.actors()) {
      if (key !== undefined && counts.key !== key) continue;
      if (className !== undefined && counts.className !== className) continue;
      actors.push({ ...counts, busyFor: busySince === 0 ? 0 : Math.max(0, now - busySince) });
    }
    actors.sort(byAttention);
    return { actors: actors.slice(0, Math.min(limit, MOST_FIGURES)), total: actors.length };
  }

  #tellLater(): () => void {
    return this.#options.clock.setTimer(TELL_INTERVAL, () => {
      this.#stopTimer = this.#tellLater();
      if (this.#calls.length === 0 && this.#newLines.length === 0) return;
      this.#options.tell({
        calls: this.#calls,
        callsLeftOut: this.#callsLeftOut,
        lines: this.#newLines,
        linesLeftOut: this.#linesLeftOut,
      });
      [this.#calls, this.#callsLeftOut, this.#newLines, this.#linesLeftOut] = [[], 0, [], 0];
    });
  }
}

/** What has been busy for longest first, then what has most waiting, then what has run for longest altogether. */
function byAttention(one: ActorFigures, other: ActorFigures): number {
  return other.busyFor - one.busyFor || other.queued - one.queued || other.runningTime - one.runningTime ||
    (one.key < other.key ? -1 : 1);
}

/** The last so many of something. */
class Recent<T extends { readonly key?: string | undefined; readonly className?: string | undefined }> {
  readonly #kept: T[] = [];
  readonly #most: number;
  #next = 0;

  constructor(most: number) {
    this.#most = most;
  }

  add(item: T): void {
    this.#kept[this.#next] = item;
    this.#next = (this.#next + 1) % this.#most;
  }

  /** The latest first. */
  latest({ key, className, limit }: HostAsked<"recentLines">): T[] {
    const found: T[] = [];
    for (let back = 1; back <= this.#kept.length && found.length < limit; back++) {
      const item = this.#kept[(this.#next - back + this.#most) % this.#most];
      if (item === undefined) break;
      if (key !== undefined && item.key !== key) continue;
      if (className !== undefined && item.className !== className) continue;
      found.push(item);
    }
    return found;
  }
}
