/**
 * A restart: everything that anybody submitted ends, all hosts are ended and started anew, and whoever asked is told when
 * they are back.
 *
 * @module
 */

import { CallTimeoutError, type LossReason } from "../protocol/mod.ts";
import { cancelKey } from "./client_events.ts";
import type { EventOf } from "./events.ts";
import { endHost } from "./host_end.ts";
import { sweep } from "./liveness.ts";
import type { Restart, SchedulerState, WorkerRecord } from "./state.ts";
import type { Turn } from "./turn.ts";

/** Why actors are lost. A host whose link is closed with it waits for its nanny to end it. */
const REASON: LossReason = "restarted";

/** Someone wants to begin anew, with all that there is. */
export function onRestarted(turn: Turn, { asker, timeout }: EventOf<"restarted">): void {
  const { state, instructions } = turn;
  // The youngest first, so that what depends on others is cancelled as well, and not told that it failed.
  for (const record of [...state.keys.values()].reverse()) {
    // An actor that stands is lost with its host, which says more than that it was cancelled.
    const isStanding = record.kind === "actor" && (record.state === "running" || record.state === "gone");
    if (!isStanding) cancelKey(turn, record, "the cluster was restarted");
  }
  sweep(turn);
  const pending = new Set<string>();
  for (const worker of state.workers.values()) {
    const { id, host } = worker;
    if (!worker.draining || host?.replaced) pending.add(worker.name);
    if (!host || host.phase === "announced") continue;
    instructions.push({ type: "sendRestart", worker: id, incarnation: host.incarnation });
    endHost(turn, worker, host, REASON);
  }
  if (pending.size === 0) {
    instructions.push({ type: "answer", asker, name: "restart", body: {} });
    return;
  }
  const restart: Restart = { asker, number: ++state.count, timeout, pending };
  state.restarts.add(restart);
  instructions.push({ type: "setTimer", timer: `restart ${restart.number}`, delay: timeout });
}

/** A worker is back, or will not come back: whoever waited for it and nothing else is answered. */
export function settleRestarts(turn: Turn, { name }: WorkerRecord): void {
  for (const restart of turn.state.restarts) {
    if (!restart.pending.delete(name) || restart.pending.size > 0) continue;
    forgetRestart(turn, restart);
    turn.instructions.push({ type: "answer", asker: restart.asker, name: "restart", body: {} });
  }
}

/** Some workers are not back in time. */
export function onRestartOver(turn: Turn, number: string): void {
  const restart = [...turn.state.restarts].find((restart) => String(restart.number) === number);
  if (!restart) return;
  const { asker, timeout, pending } = restart;
  forgetRestart(turn, restart);
  const message = `Restarted, but not all workers are back within ${timeout} ms: ${
    [...pending].map((name) => describeAbsence(turn.state, name)).join("; ")
  }`;
  const error = new CallTimeoutError(message, { executed: "yes" });
  turn.instructions.push({ type: "answer", asker, name: "restart", error });
}

/** Nobody hears the answer, or it was given. */
export function forgetRestart(turn: Turn, restart: Restart): void {
  turn.state.restarts.delete(restart);
  turn.instructions.push({ type: "clearTimer", timer: `restart ${restart.number}` });
}

function describeAbsence({ workers }: SchedulerState, name: string): string {
  const worker = [...workers.values()].find((worker) => worker.name === name);
  if (!worker) return `${name} has ended, and nobody has started it again`;
  return `${name} ${worker.draining ? "is leaving" : "has not started its host yet"}`;
}
