/**
 * Actors on their way to a worker, and off it again.
 *
 * @module
 */

import { randomHex } from "../protocol/mod.ts";
import { ACTOR_TRANSITIONS, type ActorState } from "./actor_states.ts";
import { place, type Placing, type Wishes } from "./placement.ts";
import type { ActorRecord, WorkerRecord } from "./state.ts";
import { bytesThere } from "./task_placement.ts";
import { statusOf, tellHolders, type Turn } from "./turn.ts";

/** A transition that does not exist was tried: a mistake in the scheduler, told with the story that led to it. */
export class InvalidTransitionError extends Error {
  override name = "InvalidTransitionError";
}

/** Moves an actor to another state, and writes it down. */
export function move(turn: Turn, actor: ActorRecord, to: ActorState, cause = ""): void {
  const { story, waiting } = turn.state;
  const from = actor.state;
  if (ACTOR_TRANSITIONS[from][to] === undefined) {
    const told = story.tell(actor.key).map((entry) => `${entry.from} -> ${entry.to} (${entry.cause})`).join(", ");
    throw new InvalidTransitionError(`Cannot move ${actor.key} from ${from} to ${to} on ${turn.event}: ${told}`);
  }
  if (from === "waiting") {
    waiting.splice(waiting.indexOf(actor), 1);
    actor.refusal = undefined;
  }
  actor.state = to;
  if (to === "waiting") enqueue(waiting, actor);
  story.add({ at: turn.at, subject: actor.key, from, to, cause: cause ? `${turn.event}: ${cause}` : turn.event });
}

/** Puts an actor among those that wait: higher priorities first, then earlier ones. */
export function enqueue(waiting: ActorRecord[], actor: ActorRecord): void {
  let low = 0;
  let high = waiting.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = waiting[middle]!;
    const isBefore = other.priority > actor.priority ||
      (other.priority === actor.priority && other.number < actor.number);
    if (isBefore) low = middle + 1;
    else high = middle;
  }
  waiting.splice(low, 0, actor);
}

/**
 * Gives a waiting actor a worker. Where there is none, its holders hear why, and again when the reason is of another kind.
 *
 * @param found What was found for the same wishes a moment ago.
 */
export function tryPlace(turn: Turn, actor: ActorRecord, found?: Placing): Placing {
  const placing = found ?? place(turn.state.workers, actor.wishes, bytesThere(actor));
  if (placing.kind === "placed") {
    start(turn, actor, placing.worker);
  } else {
    const isNews = actor.refusal?.kind !== placing.kind;
    actor.refusal = placing;
    if (isNews) {
      const { key } = actor;
      const { reason } = placing;
      tellHolders(turn, actor, statusOf("no-worker", { reason }));
      turn.instructions.push({
        type: "log",
        level: "info",
        message: "{key} waits: {reason}",
        properties: { key, reason },
      });
    }
  }
  return placing;
}

/** Tries all waiting actors in order. Those that want the same get the same refusal without another look. */
export function placeWaiting(turn: Turn): void {
  const refused = new Map<string, Placing>();
  for (const actor of [...turn.state.waiting]) {
    const placing = tryPlace(turn, actor, refused.get(actor.wishText));
    if (placing.kind !== "placed") refused.set(actor.wishText, placing);
  }
}

/** Takes an actor off its worker, which others may use from now on. */
export function vacate(turn: Turn, actor: ActorRecord): void {
  const worker = actor.worker === undefined ? undefined : turn.state.workers.get(actor.worker);
  if (worker) {
    worker.actors.delete(actor.key);
    freeResources(turn, worker, actor.wishes.resources);
  }
  actor.worker = actor.host = actor.incarnation = undefined;
}

/** Takes resources of a worker. */
export function holdResources(worker: WorkerRecord, resources: Wishes["resources"]): void {
  for (const [name, amount] of resources) worker.held.set(name, (worker.held.get(name) ?? 0) + amount);
}

/** Gives resources back to a worker. */
export function freeResources(turn: Turn, worker: WorkerRecord, resources: Wishes["resources"]): void {
  for (const [name, amount] of resources) {
    // Fractions do not always add up to nothing: what nobody holds is nothing.
    const isLast = worker.actors.size === 0 && worker.processing.size === 0;
    worker.held.set(name, isLast ? 0 : Math.max(0, (worker.held.get(name) ?? 0) - amount));
    turn.placesChanged = true;
  }
}

function start(turn: Turn, actor: ActorRecord, worker: WorkerRecord): void {
  const incarnation = randomHex(8, turn.state.random);
  actor.worker = worker.id;
  actor.host = worker.host!.incarnation;
  actor.incarnation = incarnation;
  actor.refusal = undefined;
  worker.actors.add(actor.key);
  holdResources(worker, actor.wishes.resources);
  worker.chosen = ++turn.state.count;
  move(turn, actor, "starting", worker.name);
  turn.instructions.push({ type: "sendCreate", worker: worker.id, key: actor.key, incarnation, ...actor.creation! });
  tellHolders(turn, actor, statusOf("processing"));
}
