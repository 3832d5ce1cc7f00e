/**
 * The entry point of a Web Worker isolate, and the only module that is loaded with the host's rights.
 *
 * User modules are imported later, by the orders that name them, when every guard stands.
 *
 * @module
 */

import { createPortTransport } from "../connection/mod.ts";
import { CloseCode, ConnectionLostError } from "../protocol/mod.ts";
import { ActorHome } from "./actor_home.ts";
import { CallCounters } from "./call_counters.ts";
import { CallRecorder } from "./call_recorder.ts";
import { createCallerDoor } from "./caller_door.ts";
import { CallerSet } from "./caller_set.ts";
import { captureConsole } from "./console_capture.ts";
import { collectGarbage } from "./garbage.ts";
import { guardedClock, guardErrors, guardExits, guardPermissions } from "./isolate_guard.ts";
import type { FromIsolate, IsolateRequestName, IsolateRequests, IsolateStart, ToIsolate } from "./isolate_messages.ts";
import { IsolateScope } from "./isolate_scope.ts";
import { TaskRunner } from "./task_runner.ts";

/** Milliseconds for the last frames of an isolate that exits to reach their sockets. */
const LAST_WORDS = 20;

addEventListener("message", (event) => {
  const { data } = event as MessageEvent<IsolateStart>;
  try {
    start(data);
  } catch (error) {
    data.port.postMessage({ type: "failed", message: String(error) } satisfies FromIsolate);
  }
}, { once: true });

function start({ home: id, address: given, settings, port }: IsolateStart): void {
  const say = (message: FromIsolate, transfer: Transferable[] = []) => port.postMessage(message, transfer);
  const address = settings.listen === undefined ? given : listen(settings.listen, (request) => door(request));
  const tickets = new Tickets((ticket) => say({ type: "ticket", id: ticket }));
  const scope = new IsolateScope({ settings, home: id, address, services: tickets, clock: guardedClock });
  const recorder = new CallRecorder(guardedClock, (news) => say({ type: "observed", news }));
  const counters = new CallCounters(scope.loop.clock, recorder, (news) => say({ type: "counted", news }));
  const home = new ActorHome({ scope, counters });
  const tasks = new TaskRunner(scope, counters);
  const callers = new CallerSet(home);
  scope.serveLocal = (transport) => callers.serve(transport);
  const door = createCallerDoor({
    worker: settings.worker,
    host: settings.host,
    home: id,
    publicKey: settings.publicKey,
    hostnames: settings.listen === undefined ? [] : [settings.listen.hostname, settings.listen.contactHostname],
    onCaller: (transport) => callers.serve(transport),
  });

  let exiting = false;
  captureConsole({ worker: settings.worker, all: true, onLine: (line) => recorder.printed(line) });
  guardErrors((error) => exiting || home.reportUnhandled(error));
  guardPermissions();
  guardExits((how) => {
    if (exiting) return;
    exiting = true;
    say({ type: "exiting", how });
    home.end("isolate-exit");
    // The call that asked for it gets its answer when its stack has unwound.
    guardedClock.setTimer(0, async () => {
      await endCallers(callers, CloseCode.gone, `The isolate exited: ${how}`);
      say({ type: "exited" });
    });
  });

  port.onmessage = async ({ data }: MessageEvent<ToIsolate>) => {
    if (data.type === "serve") return callers.serve(createPortTransport(data.port));
    if (data.type === "watchCalls") return recorder.watch(data.watched);
    if (data.type === "collect") return collectGarbage();
    if (data.type === "cancelCompute") return tasks.cancel(data.key, data.run);
    if (data.type === "ticket") return tickets.settle(data);
    if (data.type === "compute") {
      const outcome = await tasks.compute(data.order);
      // One that exits answers nothing more: its end says what became of the task.
      if (!exiting) say({ type: "settled", id: data.id, value: outcome }, outcome.ok ? [outcome.value.buffer] : []);
      return;
    }
    const value = await answer(home, data);
    if (data.type === "close") {
      await endCallers(callers, CloseCode.draining, "The worker is leaving");
      scope.close();
    }
    say({ type: "settled", id: data.id, value });
  };
  say({ type: "ready", address });
}

/** Asks the host for tickets. */
class Tickets {
  readonly #ask: (id: number) => void;
  readonly #asked = new Map<number, PromiseWithResolvers<string>>();
  #next = 1;

  constructor(ask: (id: number) => void) {
    this.#ask = ask;
  }

  clientTicket(): Promise<string> {
    const asked = Promise.withResolvers<string>();
    const id = this.#next++;
    this.#asked.set(id, asked);
    this.#ask(id);
    return asked.promise;
  }

  settle({ id, ticket, error }: Extract<ToIsolate, { type: "ticket" }>): void {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (ticket !== undefined) asked?.resolve(ticket);
    else asked?.reject(new ConnectionLostError(error, { executed: "no" }));
  }
}

/** Resolves when the last frames have had time to leave: after it the host terminates this isolate. */
async function endCallers(callers: CallerSet, code: number, reason: string): Promise<void> {
  if (callers.size === 0) return;
  callers.close(code, reason);
  await new Promise<void>((resolve) => guardedClock.setTimer(LAST_WORDS, resolve));
}

function answer(
  home: ActorHome,
  request: Exclude<ToIsolate, { type: "serve" | "ticket" | "watchCalls" | "collect" | "cancelCompute" | "compute" }>,
): IsolateRequests[IsolateRequestName]["answered"] | Promise<IsolateRequests[IsolateRequestName]["answered"]> {
  switch (request.type) {
    case "create":
      return home.create(request.order);
    case "destroy":
      return home.destroy(request.key, request.incarnation, request.reason).then(() => undefined);
    case "close":
      return home.close("drained", request.timeout).then(() => undefined);
  }
}

/** Listens on a port that the system chooses, and gives the address for callers. */
function listen(
  { hostname, contactHostname }: { readonly hostname: string; readonly contactHostname: string },
  serve: (request: Request) => Response | Promise<Response>,
): string {
  const options = {
    hostname,
    port: 0,
    onListen() {},
    onError: () => new Response("Internal error\n", { status: 500 }),
  };
  const { addr } = Deno.serve(options, serve);
  const host = contactHostname.includes(":") ? `[${contactHostname}]` : contactHostname;
  return `ws://${host}:${addr.port}/`;
}
