/**
 * Questions of clients and hosts. Some are answered here and now, others by the core when it can.
 *
 * @module
 */

import type { Connection } from "../connection/mod.ts";
import {
  ActorNotFoundError,
  type Answered,
  type Asked,
  decodeBody,
  encodeBody,
  encodeError,
  type MessageOf,
  ProtocolError,
  type RequestName,
  REQUESTS,
  UnauthorizedError,
} from "../protocol/mod.ts";
import type { Answer } from "./instructions.ts";
import type { LinkOwner } from "./link_owner.ts";
import type { Asker } from "./state.ts";

/** How many actors are listed where nobody says. */
const MOST_ACTORS = 1000;

/** How long a retiring worker has to finish what runs, in milliseconds, where nothing else is asked. */
export const DRAIN_TIMEOUT = 10_000;

/** How long hosts have to come back after a restart, in milliseconds, where nothing else is asked. */
export const RESTART_TIMEOUT = 30_000;

/** Answers a request, or passes it on to the core. What cannot be answered gets an error, and harms nothing else. */
export function takeRequest(
  owner: LinkOwner,
  connection: Connection,
  asker: Omit<Asker, "request">,
  message: MessageOf<"request">,
): void {
  const { id: request, name, body } = message;
  const from: Asker = { ...asker, request };
  try {
    switch (name) {
      case "ticket":
        return answer(connection, request, name, { ticket: issueTicket(owner, read(name, body)) });
      case "sync":
        return answer(connection, request, name, {});
      case "info":
        return answer(connection, request, name, owner.view.snapshot());
      case "actors":
        return void answerLater(connection, request, name, listActors(owner, read(name, body)));
      case "explain":
        return answer(connection, request, name, explain(owner, read(name, body)));
      case "clientTicket":
        return answer(connection, request, name, { ticket: issueClientTicket(owner, asker) });
      case "locate":
        return owner.dispatch({ type: "located", asker: from, key: read(name, body).key });
      case "getActor":
        return owner.dispatch({ type: "lookedUp", asker: from, key: read(name, body).key });
      case "retireWorkers": {
        const { workers, timeout = DRAIN_TIMEOUT } = read(name, body);
        return owner.dispatch({ type: "retired", asker: from, workers, timeout });
      }
      case "leave":
        return owner.dispatch({ type: "leaveAsked", asker: from });
      case "restart":
        return owner.dispatch({ type: "restarted", asker: from, timeout: read(name, body).timeout ?? RESTART_TIMEOUT });
      case "reloadModules":
        return owner.dispatch({ type: "modulesReloaded", asker: from });
      default:
        throw new ProtocolError(`Cannot answer the request ${name}: this scheduler does not know it`);
    }
  } catch (error) {
    refuse(connection, request, error);
  }
}

/** Sends an answer of the core. */
export function sendAnswer(owner: LinkOwner, connection: Connection, instruction: Answer): void {
  const { request } = instruction.asker;
  if ("error" in instruction) return refuse(connection, request, instruction.error);
  if (instruction.name !== "getActor") return answer(connection, request, instruction.name, instruction.body);
  const { body, ticketFor } = instruction;
  const ticket = ticketFor && owner.tickets.issue({ role: "caller", ...ticketFor });
  answer(connection, request, instruction.name, { ...body, ticket });
}

async function listActors(owner: LinkOwner, { class: className, limit = MOST_ACTORS }: Asked<"actors">) {
  return { actors: await owner.view.actors({ class: className, limit }) };
}

function explain(owner: LinkOwner, { key }: Asked<"explain">): object {
  const explanation = owner.view.explain(key);
  if (explanation) return explanation;
  throw new ActorNotFoundError(`Cannot explain ${key}: the scheduler knows of no actor or task of this key`);
}

function issueTicket(owner: LinkOwner, { worker, host, home }: Asked<"ticket">): string {
  if (owner.state.workers.get(worker)?.host?.incarnation !== host) {
    throw new ActorNotFoundError(`Cannot give a ticket for ${worker}: that host has ended`);
  }
  return owner.tickets.issue({ role: "caller", worker, host, home });
}

/** The ticket with which an isolate of a host becomes a client; its session ends with that host. */
function issueClientTicket(owner: LinkOwner, { role, id: worker }: Omit<Asker, "request">): string {
  const host = role === "host" ? owner.state.workers.get(worker)?.host?.incarnation : undefined;
  if (host === undefined) {
    throw new UnauthorizedError(
      "Cannot give a ticket for a client: only the host of a worker that runs may ask for one",
    );
  }
  return owner.tickets.issue({ role: "client", worker, host, home: "" });
}

function read<N extends RequestName>(name: N, body: Uint8Array): Asked<N> {
  return decodeBody(REQUESTS[name].asked, body, `request ${name}`) as Asked<N>;
}

function answer<N extends RequestName>(connection: Connection, id: number, _name: N, body: Answered<N>): void {
  connection.send({ op: "answer", id, ok: 1, body: encodeBody(body as object) });
}

/** An answer for which others have to be asked. */
async function answerLater<N extends RequestName>(
  connection: Connection,
  id: number,
  name: N,
  finding: Promise<Answered<N>>,
): Promise<void> {
  try {
    answer(connection, id, name, await finding);
  } catch (error) {
    refuse(connection, id, error);
  }
}

function refuse(connection: Connection, id: number, error: unknown): void {
  connection.send({ op: "answer", id, ok: 0, body: encodeError(error) });
}
