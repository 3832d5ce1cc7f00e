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
  onLocated,
  onLookedUp,
  onModulesReloaded,
  onReleased,
  onRetired,
  onSubmitted,
} from "./client_events.ts";
import { onCopied, onCopyFailed } from "./copies.ts";
import type { EventOf, EventType, SchedulerEvent } from "./events.ts";
import type { Instruction } from "./instructions.ts";
import { moveResults, onLeaveAsked } from "./leaving.ts";
import { sweep } from "./liveness.ts";
import { onRestarted, onRestartOver } from "./restarts.ts";
import type { SchedulerState } from "./state.ts";
import { onFulfilled, onPromised, onScattered } from "./task_admission.ts";
import { onAgain, onComputed, onComputeFailed, onReturned, onStored } from "./task_events.ts";
import { placeTasks } from "./task_placement.ts";
import { meetExpectations, onExpectedOver } from "./expected.ts";
import { createTurn, type Turn } from "./turn.ts";
import {
  onHeartbeat,
  onHostAnnounced,
  onHostDraining,
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
  hostDraining: onHostDraining,
  hostAnnounced: onHostAnnounced,
  hostJoined: onHostJoined,
  hostLinkClosed: onHostLinkClosed,
  hostEnded: onHostEnded,
  heartbeat: onHeartbeat,
  report: onReport,
  clientJoined: onClientJoined,
  clientLeft: onClientLeft,
  submitted: onSubmitted,
  scattered: onScattered,
  promised: onPromised,
  fulfilled: onFulfilled,
  held: onHeld,
  released: onReleased,
  cancelled: onCancelled,
  lookedUp: onLookedUp,
  located: onLocated,
  retired: onRetired,
  restarted: onRestarted,
  modulesReloaded: onModulesReloaded,
  created: onCreated,
  createFailed: onCreateFailed,
  ended: onEnded,
  computed: onComputed,
  computeFailed: onComputeFailed,
  returned: onReturned,
  stored: onStored,
  copied: onCopied,
  copyFailed: onCopyFailed,
  leaveAsked: onLeaveAsked,
  timerFired: onTimerFired,
};

/**
 * Changes the state by one event, and says what is to be done. Nothing else ever changes a state.
 *
 * An event about something that is not there (any more) does nothing: links and timers may be late.
 */
export function handleEvent(state: SchedulerState, event: SchedulerEvent): Instruction[] {
  const turn = createTurn(state, event.at, event.type);
  (HANDLERS[event.type] as (turn: Turn, event: SchedulerEvent) => void)(turn, event);
  if (state.expected.size > 0) meetExpectations(turn, onLocated);
  if (turn.suspects.size > 0) sweep(turn);
  // Before anything is computed under one of these keys again.
  if (turn.forgotten.length > 0) turn.instructions.push(...turn.forgotten);
  // Placing may fail nothing and free nothing, so one round is enough.
  if (turn.placesChanged) {
    state.capacity++;
    placeWaiting(turn);
  }
  if (turn.tasksReady || turn.placesChanged) placeTasks(turn);
  if (state.leaving.size > 0) moveResults(turn);
  return turn.instructions;
}

const TIMERS: readonly (readonly [string, (turn: Turn, subject: string) => void])[] = [
  ["deadline ", onDeadline],
  ["grace ", onGraceOver],
  ["host end ", onHostEndUnexplained],
  ["drain ", onDrainOver],
  ["again ", onAgain],
  ["expected ", onExpectedOver],
  ["restart ", onRestartOver],
];

function onTimerFired(turn: Turn, { timer }: EventOf<"timerFired">): void {
  for (const [prefix, handler] of TIMERS) {
    if (timer.startsWith(prefix)) return handler(turn, timer.slice(prefix.length));
  }
}
