/**
 * The end of a host, and of all that was in it.
 *
 * @module
 */

import { CloseCode, describeBytes } from "../protocol/mod.ts";
import { removeClient } from "./client_events.ts";
import { lose } from "./endings.ts";
import { forgetExpectations } from "./expected.ts";
import { keepFigures } from "./figures.ts";
import { endMoves } from "./leaving.ts";
import { forgetAsker } from "./lookups.ts";
import type { HostRecord, WorkerRecord } from "./state.ts";
import { interrupt, loseResults } from "./task_endings.ts";
import { dropAt, refreshWorker } from "./task_moves.ts";
import type { Turn } from "./turn.ts";

/** A host has ended, or has to count as ended, whatever it does: its actors are lost for `reason`, and its results. */
export function endHost(turn: Turn, worker: WorkerRecord, host: HostRecord, reason: string): void {
  const { state, instructions } = turn;
  const { incarnation } = host;
  keepFigures(state.past, host.figures);
  worker.fullOf = reason === "oom" ? describeLargest(worker) : "";
  worker.host = undefined;
  worker.memory = worker.lag = 0;
  worker.paused = false;
  if (host.replaced) worker.draining = false;
  forgetAsker(turn, "host", worker.id);
  forgetExpectations(turn, "host", worker.id);
  instructions.push({ type: "clearTimer", timer: `host end ${worker.id}` });
  instructions.push({ type: "closeHost", worker: worker.id, incarnation, code: CloseCode.gone, reason });
  for (const key of [...worker.actors]) {
    const actor = state.actors.get(key);
    if (actor?.host === incarnation) lose(turn, actor, reason);
  }
  for (const client of [...worker.sessions]) removeClient(turn, state.clients.get(client)!);
  endTasks(turn, worker, reason);
  for (const client of state.clients.values()) client.ticketed.delete(incarnation);
  workersChanged(turn, worker);
  noteWorker(turn, worker.id, `host ${incarnation}`, reason);
  if (worker.fullOf === "") return;
  const message = "worker {worker} ran out of memory: {largest}";
  const properties = { worker: worker.name, largest: worker.fullOf };
  instructions.push({ type: "log", level: "warning", message, properties });
}

/** How many of the largest values are named where memory ran out. */
const NAMED = 3;

function describeLargest({ results, resultBytes }: WorkerRecord): string {
  if (results.size === 0) return "It kept no results";
  const largest = [...results].sort((one, other) => other.size - one.size).slice(0, NAMED);
  const named = largest.map(({ key, size }) => `${key} (${describeBytes(size)})`).join(", ");
  return `It kept ${describeBytes(resultBytes)} of results, the largest: ${named}`;
}

/** What only this host kept is lost, and what it ran may run elsewhere. */
function endTasks(turn: Turn, worker: WorkerRecord, reason: string): void {
  const kept = [...worker.results];
  const interrupted = [...worker.processing, ...worker.storing];
  worker.pace = Infinity;
  for (const task of kept) dropAt(worker, task);
  loseResults(turn, kept.filter(({ holders }) => holders.length === 0), worker, reason);
  for (const task of interrupted) if (task.worker === worker) interrupt(turn, task, worker, reason);
  endMoves(turn, worker);
}

/** There are others than before, or they fit for something else. */
export function workersChanged(turn: Turn, worker?: WorkerRecord): void {
  turn.state.membership++;
  turn.state.capacity++;
  turn.placesChanged = true;
  turn.tasksReady = true;
  if (worker && turn.state.workers.has(worker.id)) refreshWorker(turn, worker);
}

/** Writes down what became of a worker. */
export function noteWorker(turn: Turn, id: string, from: string, to: string): void {
  turn.state.story.add({ at: turn.at, subject: id, from, to, cause: turn.event });
  turn.instructions.push({
    type: "log",
    level: "info",
    message: "worker {worker}: {to}",
    properties: { worker: id, to },
  });
}
