/**
 * What an isolate of its own does for its host, whether it is a Web Worker or a process: creates actors, runs tasks, and
 * serves their callers.
 *
 * @module
 */

import type { Transport } from "../connection/mod.ts";
import { CloseCode, ConnectionLostError } from "../protocol/mod.ts";
import { ActorHome } from "./actor_home.ts";
import { CallCounters } from "./call_counters.ts";
import { CallRecorder } from "./call_recorder.ts";
import { createCallerDoor } from "./caller_door.ts";
import { CallerSet } from "./caller_set.ts";
import { captureConsole } from "./console_capture.ts";
import { collectGarbage } from "./garbage.ts";
import { guardedClock, guardErrors, guardPermissions } from "./isolate_guard.ts";
import type {
  HeardFromIsolate,
  IsolateRequestName,
  IsolateRequests,
  IsolateSetup,
  SentToIsolate,
  ToIsolate,
} from "./isolate_messages.ts";
import { IsolateScope } from "./isolate_scope.ts";
import { TaskBoard } from "./task_board.ts";
import { TaskLine } from "./task_line.ts";
import { TaskRunner } from "./task_runner.ts";

/** Milliseconds for the last frames of an isolate that exits to reach their sockets. */
const LAST_WORDS = 20;

/** Options of {@linkcode IsolateServer}. */
export interface IsolateServerOptions {
  /** What it is told at its start. */
  readonly setup: IsolateSetup;
  /** Tells the host. */
  readonly say: (message: HeardFromIsolate, transfer?: Transferable[]) => void;
  /** Opens a way to the scheduler through the host. Used where the setup says so. */
  readonly connect: () => Transport | Promise<Transport>;
}

/** The isolate's side. It says `ready` at once. */
export class IsolateServer {
  readonly #say: IsolateServerOptions["say"];
  readonly #scope: IsolateScope;
  readonly #home: ActorHome;
  readonly #runner: TaskRunner;
  readonly #tasks: TaskLine;
  readonly #callers: CallerSet;
  readonly #recorder: CallRecorder;
  readonly #tickets: Tickets;
  #exiting = false;

  /** Guards the isolate, listens where it has to, and takes orders from then on. */
  constructor({ setup, say, connect }: IsolateServerOptions) {
    const { home: id, address: given, settings, board, viaHost } = setup;
    this.#say = say;
    const address = settings.listen === undefined ? given : listen(settings.listen, (request) => door(request));
    this.#tickets = new Tickets((ticket) => say({ type: "ticket", id: ticket }));
    const services = { clientTicket: () => this.#tickets.clientTicket(), ...viaHost ? { connect } : {} };
    this.#scope = new IsolateScope({ settings, home: id, address, services, clock: guardedClock });
    this.#recorder = new CallRecorder(guardedClock, (news) => say({ type: "observed", news }));
    const counters = new CallCounters(this.#scope.loop.clock, this.#recorder, (news) => say({ type: "counted", news }));
    this.#home = new ActorHome({ scope: this.#scope, counters });
    this.#runner = new TaskRunner(this.#scope, counters);
    this.#tasks = new TaskLine({
      runner: this.#runner,
      board: board && new TaskBoard(board),
      clock: guardedClock,
      say,
    });
    this.#callers = new CallerSet(this.#home);
    this.#scope.serveLocal = (transport) => this.serve(transport);
    const door = createCallerDoor({
      worker: settings.worker,
      host: settings.host,
      home: id,
      publicKey: settings.publicKey,
      hostnames: settings.listen === undefined ? [] : [settings.listen.hostname, settings.listen.contactHostname],
      onCaller: (transport) => this.serve(transport),
    });
    captureConsole({ worker: settings.worker, all: true, onLine: (line) => this.#recorder.printed(line) });
    guardErrors((error) => this.#exiting || this.#home.reportUnhandled(error));
    guardPermissions();
    say({ type: "ready", address, loop: this.#scope.loop.state.memory, now: guardedClock.now() });
  }

  /** Whether its event loop is held up, for whoever watches it from outside. */
  get loopMemory(): SharedArrayBuffer {
    return this.#scope.loop.state.memory;
  }

  /** Serves a caller, direct or relayed. */
  serve(transport: Transport): void {
    this.#callers.serve(transport);
  }

  /** Does what the host says. */
  async receive(message: SentToIsolate): Promise<void> {
    switch (message.type) {
      case "watchCalls":
        return this.#recorder.watch(message.watched);
      case "collect":
        return collectGarbage();
      case "cancelCompute":
        return this.#runner.cancel(message.key, message.run);
      case "ticket":
        return this.#tickets.settle(message);
      case "compute":
        return this.#tasks.take(message);
      case "create":
        return this.#settle(message.id, await this.#home.create(message.order));
      case "destroy":
        await this.#home.destroy(message.key, message.incarnation, message.reason);
        return this.#settle(message.id, undefined);
      case "close":
        await this.#home.close("drained", message.timeout);
        await this.#endCallers(CloseCode.draining, "The worker is leaving");
        this.#scope.close();
        return this.#settle(message.id, undefined);
    }
  }

  /** User code asked the isolate to exit: callers are told before it does. */
  exit(how: string): void {
    if (this.#exiting) return;
    this.#exiting = true;
    this.#tasks.end();
    this.#say({ type: "exiting", how });
    this.#home.end("isolate-exit");
    // The call that asked for it gets its answer when its stack has unwound.
    guardedClock.setTimer(0, async () => {
      await this.#endCallers(CloseCode.gone, `The isolate exited: ${how}`);
      this.#say({ type: "exited" });
    });
  }

  #settle(id: number, value: IsolateRequests[IsolateRequestName]["answered"]): void {
    this.#say({ type: "settled", id, value });
  }

  /** Resolves when the last frames have had time to leave: after it the host ends this isolate. */
  async #endCallers(code: number, reason: string): Promise<void> {
    if (this.#callers.size === 0) return;
    this.#callers.close(code, reason);
    await new Promise<void>((resolve) => guardedClock.setTimer(LAST_WORDS, resolve));
  }
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
