/**
 * What hosts say of actors. A host may only speak of what was placed in it: the rest has been settled already.
 *
 * @module
 */

import { ActorStartError, CallTimeoutError, NoWorkerError, type NoWorkerErrorOptions } from "../protocol/mod.ts";
import { move, vacate } from "./assignment.ts";
import { expireNext } from "./admission.ts";
import { begin, settleWaiters, unlink } from "./dependencies.ts";
import { fail, leave, lose, stop } from "./endings.ts";
import type { EventOf } from "./events.ts";
import { holdAll } from "./holding.ts";
import { describeOffer, type Wishes } from "./placement.ts";
import type { ActorRecord } from "./state.ts";
import { answerLookups } from "./lookups.ts";
import { isUnfinished, missingKeys, type TaskRecord } from "./task_record.ts";
import { failTask } from "./task_endings.ts";
import { failureOf, statusOf, tellHolders, type Turn } from "./turn.ts";
import { refusalOf } from "./task_queue.ts";

/** An actor stands: all who wait for it get its reference. One that is not known is destroyed. */
export function onCreated(turn: Turn, event: EventOf<"created">): void {
  const { worker, host, key, incarnation, body } = event;
  const actor = findActor(turn, event);
  if (!actor) {
    turn.instructions.push({ type: "sendDestroy", worker, key, incarnation });
    return;
  }
  if (actor.state !== "starting") return;
  const { home, homeKind, address, tag, manifest } = body;
  const hostAddress = turn.state.workers.get(worker)?.host?.address ?? "";
  actor.reference = { key, incarnation, worker, host, home, address, hostAddress, tag, manifest };
  actor.homeKind = homeKind;
  actor.creation = undefined;
  holdArguments(turn, actor);
  move(turn, actor, "running", homeKind);
  turn.instructions.push({ type: "clearTimer", timer: `deadline ${key}` });
  tellHolders(turn, actor, statusOf("finished", { actor: actor.reference }));
  answerLookups(turn, actor);
  settleWaiters(turn, actor);
}

/** It decoded the actors among its arguments, and those inside of the futures' values: from now on it holds them. */
function holdArguments(turn: Turn, actor: ActorRecord): void {
  for (const dependency of actor.dependencies) {
    holdAll(turn.state, actor.key, dependency.kind === "actor" ? [dependency.key] : dependency.valueRefs);
  }
  unlink(turn, actor);
  actor.dependencies = [];
}

/** An actor could not be created: it is tried again if it may, else nothing of it is left. */
export function onCreateFailed(turn: Turn, event: EventOf<"createFailed">): void {
  const actor = findActor(turn, event);
  if (!actor || actor.state === "running") return;
  if (actor.state === "starting" && actor.retries > 0) {
    actor.retries--;
    vacate(turn, actor);
    return begin(turn, actor, `${actor.retries} retries left`);
  }
  const { key, error, executed, worker } = event;
  // It was on its way there when the worker, or its host, began to leave.
  if (actor.state === "starting" && executed === "no" && turn.state.workers.get(worker)?.draining) {
    vacate(turn, actor);
    return begin(turn, actor, "its worker is leaving");
  }
  const looked = new ActorStartError(`Cannot find the actor ${key}: it could not be created`, { executed });
  fail(turn, actor, statusOf("error", { error, executed }), looked);
}

/** An actor is gone from its host: as it was told to, or by an accident. */
export function onEnded(turn: Turn, event: EventOf<"ended">): void {
  const actor = findActor(turn, event);
  if (!actor) return;
  if (actor.state === "stopping") leave(turn, actor, event.reason);
  else lose(turn, actor, event.reason === "released" ? "killed" : event.reason);
}

/** The timeout of a submission passed. */
export function onDeadline(turn: Turn, key: string): void {
  const actor = turn.state.keys.get(key);
  if (!actor || actor.state === "running") return;
  if (actor.kind !== "actor") return onTaskDeadline(turn, actor);
  if (actor.state === "stopping") return expireNext(turn, actor);
  const error = actor.state === "blocked"
    ? new CallTimeoutError(
      `Cannot create ${key} within ${actor.timeout} ms: it waits for ${missingKeys(actor).join(", ")}`,
      {
        executed: "no",
      },
    )
    : actor.state === "waiting"
    ? noWorker(turn, actor)
    : new CallTimeoutError(
      `Cannot create ${key} within ${actor.timeout} ms: its constructor has not finished on ${workerName(turn, actor)}`,
      { executed: "unknown" },
    );
  tellHolders(turn, actor, failureOf(error));
  stop(turn, actor, "timeout", () => error);
}

function onTaskDeadline(turn: Turn, task: TaskRecord): void {
  if (!isUnfinished(task)) return;
  const { key, timeout, wishes } = task;
  const within = `Cannot compute ${key} within ${timeout} ms`;
  const refusal = refusalOf(turn.state.queues, task);
  if (task.state === "waiting" && refusal) {
    const options = describeNeed(turn, wishes);
    return failTask(turn, task, failureOf(new NoWorkerError(`${within}: ${refusal.reason}`, options)));
  }
  const why = task.state === "blocked"
    ? `it waits for ${missingKeys(task).join(", ")}`
    : task.state === "waiting"
    ? "all workers that fit are busy"
    : `it has not finished on ${task.worker!.name}`;
  const executed = task.state === "processing" ? "unknown" : "no";
  failTask(turn, task, failureOf(new CallTimeoutError(`${within}: ${why}`, { executed })));
}

function findActor(
  turn: Turn,
  { worker, host, key, incarnation }: { worker: string; host: string; key: string; incarnation: string },
): ActorRecord | undefined {
  const actor = turn.state.actors.get(key);
  const isSame = actor?.incarnation === incarnation && actor.worker === worker && actor.host === host;
  return isSame ? actor : undefined;
}

function noWorker(turn: Turn, { key, timeout, refusal, wishes }: ActorRecord): NoWorkerError {
  return new NoWorkerError(`Cannot place ${key} within ${timeout} ms: ${refusal?.reason}`, describeNeed(turn, wishes));
}

function describeNeed(turn: Turn, { workers, resources }: Wishes): NoWorkerErrorOptions {
  return {
    wanted: { ...Object.fromEntries(resources), ...workers.length > 0 && { workers } },
    offered: [...turn.state.workers.values()].map(describeOffer),
  };
}

function workerName(turn: Turn, actor: ActorRecord): string {
  return turn.state.workers.get(actor.worker!)?.name ?? actor.worker!;
}
