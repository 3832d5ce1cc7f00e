/**
 * What in a cluster needs a look, and what it probably is, in sentences. Pure.
 *
 * @module
 */

import type { SchedulerSnapshot } from "../protocol/snapshot.ts";
import type { BusyActor, Overview } from "./overview.ts";

/** Something that needs a look. */
export interface Finding {
  /** `bad`: something does not work. `slow`: something takes long. `note`: good to know. */
  readonly level: "bad" | "slow" | "note";
  /** What, in one sentence. */
  readonly text: string;
  /** What it is about. */
  readonly subject: {
    readonly kind: "actor" | "class" | "worker" | "placement" | "cluster";
    /** Key, name or id. */
    readonly id: string;
  };
}

/** A call that runs for so long holds others up, in milliseconds. */
const LONG = 1000;

/** How long a departure is news, in milliseconds. */
const NEWS = 60_000;

/** How many findings of one kind are listed. */
const LISTED = 5;

/** Looks for trouble; the worst first. */
export function findTrouble(
  overview: Omit<Overview, "attention">,
  { waiting, workers }: SchedulerSnapshot,
  busy: readonly BusyActor[],
): Finding[] {
  const findings = [
    ...workerTrouble(overview),
    ...busyTrouble(overview, busy),
    ...waitingTrouble(overview, waiting),
    ...classTrouble(overview),
  ];
  if (workers.length === 0) {
    findings.unshift({
      level: "bad",
      text: "No worker has joined: nothing can run. Start one with deno task worker",
      subject: { kind: "cluster", id: "" },
    });
  }
  const order = ["bad", "slow", "note"];
  return findings.sort((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
}

function workerTrouble({ workers, departures, at }: Omit<Overview, "attention">): Finding[] {
  const findings: Finding[] = [];
  const add = (level: Finding["level"], id: string, text: string) => {
    findings.push({ level, text, subject: { kind: "worker", id } });
  };
  for (const { worker, name, what, reason, actors, at: since } of departures) {
    if (at - since > NEWS || reason === "drained") continue;
    const lost = actors === 0 ? "" : `, and ${plural(actors, "actor")} with it`;
    const who = what === "worker" ? `Worker ${name}` : `The host process of ${name}`;
    add("bad", worker, `${who} is gone (${reason})${lost}, ${seconds(at - since)} ago`);
  }
  for (const { id, name, status, heartbeatAge, lag, paused, memory } of workers) {
    if (heartbeatAge > 3000) add("bad", id, `Worker ${name} has been silent for ${seconds(heartbeatAge)}`);
    if (status === "starting") add("note", id, `Worker ${name} has no host process yet: it is starting`);
    if (paused) add("slow", id, `Worker ${name} is paused: its memory (${megabytes(memory)}) is nearly full`);
    if (lag > 100) {
      add("slow", id, `The event loop of ${name} is ${seconds(lag)} late: an async method or task computes on it`);
    }
  }
  return findings;
}

function busyTrouble({ workers }: Omit<Overview, "attention">, busy: readonly BusyActor[]): Finding[] {
  const findings: Finding[] = [];
  for (const { key, busyFor, method, queued, sync, worker, home } of busy) {
    if (findings.length >= LISTED || busyFor < LONG) break;
    if (!sync && queued === 0) continue;
    const name = workers.find(({ id }) => id === worker)?.name ?? worker;
    const waits = queued === 0 ? "" : `; ${plural(queued, "call")} ${queued === 1 ? "waits" : "wait"} for it`;
    const others = sync ? busyHomeNeighbours(busy, { key, worker, home }) : 0;
    const holds = others === 0 ? "" : `, and holds up ${plural(others, "other actor")} of the same isolate`;
    const doing = sync
      ? `has computed in ${method} for ${seconds(busyFor)}`
      : `has been in ${method} for ${seconds(busyFor)}`;
    findings.push({
      level: "slow",
      text: `${key} ${doing} on ${name}${waits}${holds}`,
      subject: { kind: "actor", id: key },
    });
  }
  return findings;
}

function busyHomeNeighbours(
  busy: readonly BusyActor[],
  { key, worker, home }: Pick<BusyActor, "key" | "worker" | "home">,
) {
  return busy.filter((other) => other.worker === worker && other.home === home && other.key !== key).length;
}

function waitingTrouble({ tasks }: Omit<Overview, "attention">, waiting: SchedulerSnapshot["waiting"]): Finding[] {
  const findings = waiting.slice(0, LISTED).map(({ key, reason }): Finding => ({
    level: "bad",
    text: `${key} does not run: it ${reason ?? "has not been tried yet"}`,
    subject: { kind: "placement", id: key },
  }));
  if (waiting.length > LISTED) {
    findings.push({
      level: "bad",
      text: `${waiting.length - LISTED} more actors wait`,
      subject: { kind: "placement", id: "" },
    });
  }
  for (const { key, count, reason } of tasks.queues) {
    if (reason === null) continue;
    const more = count === 1 ? "does" : `and ${count - 1} more do`;
    findings.push({ level: "bad", text: `${key} ${more} not run: ${reason}`, subject: { kind: "placement", id: key } });
  }
  return findings;
}

function classTrouble({ classes }: Omit<Overview, "attention">): Finding[] {
  const findings: Finding[] = [];
  for (const { name, methods } of classes) {
    for (const { name: method, rate, errorRate, queueP99 } of methods) {
      const share = rate === 0 ? 0 : errorRate / rate;
      if (share >= 0.05 && errorRate >= 0.2) {
        const text = `${Math.round(Math.min(1, share) * 100)} % of the calls of ${name}.${method} fail`;
        findings.push({ level: "bad", text, subject: { kind: "class", id: name } });
      }
      if (queueP99 !== null && queueP99 > LONG) {
        const text = `Calls of ${name}.${method} wait up to ${seconds(queueP99)} for their turn`;
        findings.push({ level: "slow", text, subject: { kind: "class", id: name } });
      }
    }
  }
  return findings.slice(0, LISTED);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function seconds(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)} s`;
  return `${Math.floor(milliseconds / 60_000)} min ${Math.round(milliseconds % 60_000 / 1000)} s`;
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
