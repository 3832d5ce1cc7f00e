/**
 * What one event does: the instructions it gives, and what its handlers share.
 *
 * @module
 */

import { type ActorReference, encodeError, type StatusBody, type TroupeError } from "../protocol/mod.ts";
import type { Instruction, TicketTarget } from "./instructions.ts";
import { heldByClient, holdersOf } from "./references.ts";
import type { ActorRecord, Asker, ClientRecord, SchedulerState } from "./state.ts";

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
}

/** A status with what belongs to it. */
export function statusOf(status: StatusBody["status"], more: Partial<StatusBody> = {}): StatusBody {
  return {
    status,
    reason: undefined,
    actor: undefined,
    ticket: undefined,
    error: undefined,
    executed: undefined,
    worker: undefined,
    ...more,
  };
}

/** The status of a submission that failed with an error of the scheduler's own. */
export function failureOf(error: TroupeError): StatusBody {
  return statusOf("error", { error: encodeError(error), executed: error.executed });
}

/** Tells every client that holds the actor. */
export function tellHolders(turn: Turn, actor: ActorRecord, body: StatusBody): void {
  for (const holder of holdersOf(turn.state.references, actor.key)) {
    const client = heldByClient(holder);
    if (client !== undefined) tellClient(turn, client, actor.key, body);
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

/** Answers all who looked an actor up: with `error`, or with the actor, which runs. */
export function answerLookups(turn: Turn, actor: ActorRecord, error?: Error): void {
  for (const asker of actor.lookups.splice(0)) {
    if (error) turn.instructions.push({ type: "answer", asker, name: "getActor", error });
    else answerLookup(turn, asker, actor.reference!);
  }
}

/** Answers one who looked up an actor that runs. */
export function answerLookup(turn: Turn, asker: Asker, reference: ActorReference): void {
  const client = asker.role === "client" ? turn.state.clients.get(asker.id) : undefined;
  const ticketFor = client && newTicket(client, reference);
  const body = { actor: reference, ticket: undefined };
  turn.instructions.push({ type: "answer", asker, name: "getActor", body, ...ticketFor && { ticketFor } });
}

/** Forgets the questions of one whose connection ended: nobody hears the answers. */
export function forgetAsker(turn: Turn, role: Asker["role"], id: string): void {
  const isIts = (asker: Asker) => asker.role === role && asker.id === id;
  for (const { lookups } of turn.state.actors.values()) {
    if (lookups.some(isIts)) lookups.splice(0, lookups.length, ...lookups.filter((asker) => !isIts(asker)));
  }
  for (const retirement of turn.state.retirements) {
    if (isIts(retirement.asker)) turn.state.retirements.delete(retirement);
  }
}

/** The home that a client needs a ticket for, unless it was given one. What has no address nobody can dial. */
function newTicket(client: ClientRecord, { worker, host, home, address }: ActorReference): TicketTarget | undefined {
  const homes = client.ticketed.get(host);
  if (address === "" || homes?.has(home)) return undefined;
  if (homes) homes.add(home);
  else client.ticketed.set(host, new Set([home]));
  return { worker, host, home };
}
