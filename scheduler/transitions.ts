/**
 * The scheduler as a pure function: an event comes in, the state changes, instructions come out.
 *
 * @module
 */

import { onCreated, onCreateFailed, onDeadline, onEnded } from "./actor_events.ts";
import { placeWaiting } from "./assignment.ts";
import {
  onCancelled,
  onClientJoined,
  onClientLeft,
  onDrainOver,
  onGraceOver,
  onHeld,
  onLookedUp,
  onReleased,
  onRetired,
  onSubmitted,
} from "./client_events.ts";
import type { EventOf, EventType, SchedulerEvent } from "./events.ts";
import type { Instruction } from "./instructions.ts";
import type { SchedulerState } from "./state.ts";
import type { Turn } from "./turn.ts";
import {
  onHeartbeat,
  onHostAnnounced,
  onHostEnded,
  onHostEndUnexplained,
  onHostJoined,
  onHostLinkClosed,
  onReport,
  onWorkerDraining,
  onWorkerJoined,
  onWorkerLeft,
} from "./worker_events.ts";

const HANDLERS: { readonly [T in EventType]: (turn: Turn, event: EventOf<T>) => void } = {
  workerJoined: onWorkerJoined,
  workerLeft: onWorkerLeft,
  workerDraining: onWorkerDraining,
  hostAnnounced: onHostAnnounced,
  hostJoined: onHostJoined,
  hostLinkClosed: onHostLinkClosed,
  hostEnded: onHostEnded,
  heartbeat: onHeartbeat,
  report: onReport,
  clientJoined: onClientJoined,
  clientLeft: onClientLeft,
  submitted: onSubmitted,
  held: onHeld,
  released: onReleased,
  cancelled: onCancelled,
  lookedUp: onLookedUp,
  retired: onRetired,
  created: onCreated,
  createFailed: onCreateFailed,
  ended: onEnded,
  timerFired: onTimerFired,
};

/**
 * Changes the state by one event, and says what is to be done. Nothing else ever changes a state.
 *
 * An event about something that is not there (any more) does nothing: links and timers may be late.
 */
export function handleEvent(state: SchedulerState, event: SchedulerEvent): Instruction[] {
  const turn: Turn = { state, at: event.at, event: event.type, instructions: [], placesChanged: false };
  (HANDLERS[event.type] as (turn: Turn, event: SchedulerEvent) => void)(turn, event);
  // Placing may fail nothing and free nothing, so one round is enough.
  if (turn.placesChanged) placeWaiting(turn);
  return turn.instructions;
}

const TIMERS: readonly (readonly [string, (turn: Turn, subject: string) => void])[] = [
  ["deadline ", onDeadline],
  ["grace ", onGraceOver],
  ["host end ", onHostEndUnexplained],
  ["drain ", onDrainOver],
];

function onTimerFired(turn: Turn, { timer }: EventOf<"timerFired">): void {
  for (const [prefix, handler] of TIMERS) {
    if (timer.startsWith(prefix)) return handler(turn, timer.slice(prefix.length));
  }
}
