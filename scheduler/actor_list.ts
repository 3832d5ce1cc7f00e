/**
 * Actors with what is counted of them, in the order in which they need a look.
 *
 * @module
 */

import type { ActorDetails, ActorSnapshot, SchedulerSnapshot } from "../protocol/snapshot.ts";
import type { Observation } from "./observation.ts";

/** Figures that are asked of one host at the most. */
const MOST = 10_000;

/** Actors that are looked at for what holds up others: the busiest. */
const BUSIEST = 100;

/** A sync method that runs for longer than this holds up others, in milliseconds. */
const HOLDS_UP = 300;

/** Where actors and figures come from. */
interface Viewed {
  readonly observation: Observation;
  snapshot(): SchedulerSnapshot;
}

/** Actors of a snapshot, with or without a worker. */
export function actorsOf({ workers, waiting }: SchedulerSnapshot): ActorSnapshot[] {
  return [...workers.flatMap(({ actors }) => actors), ...waiting];
}

/** Which actors are asked for. */
export interface ActorsFilter {
  /** This one only. */
  readonly key?: string | undefined;
  /** Of this class only. */
  readonly class?: string | undefined;
  /** On this worker only, by id or name. */
  readonly worker?: string | undefined;
  /** How many at the most. */
  readonly limit: number;
}

/** Actors with what is counted of them: first those that do not run, then those that need a look, then the others. */
export async function listActors(view: Viewed, filter: ActorsFilter): Promise<ActorDetails[]> {
  const snapshot = view.snapshot();
  const names = new Map(snapshot.workers.map(({ id, name }) => [id, name]));
  const wanted = actorsOf(snapshot).filter((actor) =>
    (filter.key === undefined || actor.key === filter.key) &&
    (filter.class === undefined || actor.class === filter.class) &&
    (filter.worker === undefined || actor.worker === filter.worker || names.get(actor.worker ?? "") === filter.worker)
  );
  const isRunning = wanted.some(({ status }) => status === "running");
  const ask = (key: string | undefined, limit: number) => view.observation.actors({ key, limit });
  const [{ actors: counted }, { actors: busy }] = isRunning
    ? await Promise.all([ask(filter.key, MOST), ask(undefined, BUSIEST)])
    : [{ actors: [] }, { actors: [] }];
  const order = new Map(counted.map((figures, index) => [figures.key, { figures, index }]));
  const rank = ({ key, status }: ActorSnapshot) => status === "no-worker" ? -1 : order.get(key)?.index ?? Infinity;
  return wanted
    .sort((one, other) => rank(one) - rank(other) || 0)
    .slice(0, filter.limit)
    .map((actor) => {
      const found = order.get(actor.key)?.figures;
      const workerName = actor.worker === undefined ? undefined : names.get(actor.worker);
      if (found === undefined) return { ...actor, workerName, heldUpBy: undefined, figures: undefined };
      const blocker = busy.find((other) =>
        other.key !== actor.key && other.worker === found.worker && other.home === found.home && other.sync &&
        other.busyFor > HOLDS_UP
      );
      const heldUpBy = blocker && { key: blocker.key, method: blocker.method ?? "", for: blocker.busyFor };
      const { key: _, className: __, worker: ___, ...figures } = found;
      return { ...actor, workerName, heldUpBy, figures };
    });
}
