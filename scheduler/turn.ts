/**
 * What one event does: the instructions it gives, and what its handlers share.
 *
 * @module
 */

import { type ActorReference, encodeError, type StatusBody, type TroupeError } from "../protocol/mod.ts";
import type { Instruction, TicketTarget } from "./instructions.ts";
import { listenersOf } from "./references.ts";
import type { ActorRecord, Asker, ClientRecord, SchedulerState } from "./state.ts";
import type { KeyRecord } from "./task_record.ts";

/** One event on its way through the core. */
export interface Turn {
  /** The state, which handlers change. */
  readonly state: SchedulerState;
  /** When. */
  readonly at: number;
  /** The name of the event, for the story. */
  readonly event: string;
  /** What is to be done. */
  readonly instructions: Instruction[];
  /** Whether waiting actors may find a worker now, or must hear another reason. */
  placesChanged: boolean;
  /** Whether waiting tasks and values may find a worker now. */
  tasksReady: boolean;
  /** What may have lost the last that kept it. */
  readonly suspects: Set<KeyRecord>;
  /** Values that hosts need not keep any more. */
  readonly forgotten: Extract<Instruction, { type: "sendForget" }>[];
}

/** A turn that has not done anything. */
export function createTurn(state: SchedulerState, at: number, event: string): Turn {
  return {
    state,
    at,
    event,
    instructions: [],
    placesChanged: false,
    tasksReady: false,
    suspects: state.suspects,
    forgotten: [],
  };
}

/** A status with what belongs to it. */
export function statusOf(status: StatusBody["status"], more: Partial<StatusBody> = {}): StatusBody {
  return {
    status,
    reason: undefined,
    actor: undefined,
    ticket: undefined,
    value: undefined,
    refs: undefined,
    size: undefined,
    holders: undefined,
    error: undefined,
    executed: undefined,
    worker: undefined,
    detail: undefined,
    ...more,
  };
}

/** The status of a submission that failed with an error of the scheduler's own. */
export function failureOf(error: TroupeError): StatusBody {
  return statusOf("error", { error: encodeError(error), executed: error.executed });
}

/** Tells every client that holds a key, and the isolates in which it is held. */
export function tellHolders(turn: Turn, { key }: KeyRecord, body: StatusBody): void {
  for (const client of listenersOf(turn.state.references, key)) tellClient(turn, client, key, body);
}

/** Tells the same that a worker runs a task: of most they hear the end soon. */
export function tellPassing(turn: Turn, { key }: KeyRecord, body: StatusBody): void {
  for (const client of listenersOf(turn.state.references, key)) {
    if (turn.state.clients.get(client)?.away) tellClient(turn, client, key, body);
    else turn.instructions.push({ type: "sendStatus", client, key, body, passing: true });
  }
}

/** Tells one client, now or when it comes back. */
export function tellClient(turn: Turn, id: string, key: string, body: StatusBody): void {
  const client = turn.state.clients.get(id);
  if (!client) return;
  if (client.away) {
    client.missed.set(key, body);
    return;
  }
  const ticketFor = body.actor && newTicket(client, body.actor);
  turn.instructions.push({ type: "sendStatus", client: id, key, body, ...ticketFor && { ticketFor } });
}

/** Tells one client where an actor stands. One that was not tried yet will be, and be told of it, in this turn. */
export function tellPresent(turn: Turn, client: string, actor: ActorRecord): void {
  const { key, refusal, reference } = actor;
  if (refusal) tellClient(turn, client, key, statusOf("no-worker", { reason: refusal.reason }));
  if (actor.state === "starting") tellClient(turn, client, key, statusOf("processing"));
  if (actor.state === "running") tellClient(turn, client, key, statusOf("finished", { actor: reference }));
}

/** Answers one who looked up an actor that runs. */
export function answerLookup(turn: Turn, asker: Asker, reference: ActorReference): void {
  const client = asker.role === "client" ? turn.state.clients.get(asker.id) : undefined;
  const ticketFor = client && newTicket(client, reference);
  const body = { actor: reference, ticket: undefined };
  turn.instructions.push({ type: "answer", asker, name: "getActor", body, ...ticketFor && { ticketFor } });
}

/** The home that a client needs a ticket for, unless it was given one. What has no address nobody can dial. */
function newTicket(client: ClientRecord, { worker, host, home, address }: ActorReference): TicketTarget | undefined {
  const homes = client.ticketed.get(host);
  if (address === "" || homes?.has(home)) return undefined;
  if (homes) homes.add(home);
  else client.ticketed.set(host, new Set([home]));
  return { worker, host, home };
}
