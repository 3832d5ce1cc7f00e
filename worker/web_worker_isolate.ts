/**
 * An isolate that is a Web Worker of its host.
 *
 * @module
 */

import { type Clock, createPortTransport, platformClock, type Transport } from "../connection/mod.ts";
import { ActorStartError, CloseCode, type HomeKind } from "../protocol/mod.ts";
import { type HomeGrants, reachesAll, webWorkerPermissions } from "./home_permissions.ts";
import type { HostServices, Isolate, IsolateSettings, TaskThread } from "./isolate.ts";
import type { FromIsolate, IsolateStart, ToIsolate } from "./isolate_messages.ts";
import { connectToScheduler } from "./via_host.ts";
import { type IsolateWay, type IsolateWayReceiver, RemoteIsolate } from "./remote_isolate.ts";
import { TaskBoard } from "./task_board.ts";

/** Options of {@linkcode startWebWorkerIsolate}. */
export interface WebWorkerIsolateOptions {
  /** Its id within the host: `shared-1`. */
  readonly home: string;
  /** `shared`, or `dedicated` to one actor. */
  readonly kind: HomeKind;
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** What the host does for its isolates. */
  readonly services: HostServices;
  /** WebSocket address at which callers reach it, where it has no server of its own. @default nowhere */
  readonly address?: string;
  /** What it may do; it needs `--unstable-worker-options`. @default what the host may */
  readonly grants?: HomeGrants | undefined;
  /** The time. */
  readonly clock?: Clock;
}

/**
 * Starts a Web Worker isolate; resolves when it takes orders.
 *
 * @throws {ActorStartError} Where it is to do more than its host may.
 * @throws {Error} Where it ends before it takes orders.
 */
export async function startWebWorkerIsolate(options: WebWorkerIsolateOptions): Promise<Isolate & TaskThread> {
  const { clock = platformClock } = options;
  return await RemoteIsolate.start({ ...options, clock }, (receiver) => openWay(options, receiver));
}

function openWay(options: WebWorkerIsolateOptions, { onMessage, onEnd }: IsolateWayReceiver): IsolateWay {
  const { home, settings, services, address = "", grants } = options;
  const worker = createWorker(options);
  // Its own guards catch what user code throws: what gets here has ended it, or kept it from starting.
  worker.onerror = (event) => {
    event.preventDefault();
    onEnd({ reason: "isolate-exit", message: event.message });
  };
  const { port1: port, port2 } = new MessageChannel();
  const toScheduler = new Set<Transport>();
  port.onmessage = ({ data }: MessageEvent<FromIsolate>) => {
    if (data.type === "connect") toScheduler.add(connect(data.port, settings, services));
    else onMessage(data);
  };
  const viaHost = grants !== undefined && !reachesAll(grants);
  const board = new TaskBoard();
  const setup = { home, address, settings, board: board.memory, viaHost };
  worker.postMessage({ ...setup, port: port2 } satisfies IsolateStart, [port2]);
  return {
    board,
    send: (message, transfer) => port.postMessage(message, transfer),
    open() {
      const { port1, port2 } = new MessageChannel();
      port.postMessage({ type: "serve", port: port2 } satisfies ToIsolate, [port2]);
      return createPortTransport(port1);
    },
    end() {
      worker.terminate();
      port.close();
      for (const transport of toScheduler) transport.close(CloseCode.gone, "The isolate has ended");
    },
  };
}

function createWorker({ home, settings, grants }: WebWorkerIsolateOptions): Worker {
  const name = `${settings.workerName} ${home}`;
  const permissions = grants && webWorkerPermissions(grants);
  try {
    return new Worker(import.meta.resolve("./isolate_main.ts"), {
      type: "module",
      name,
      ...(permissions === undefined ? {} : { deno: { permissions } }),
    });
  } catch (cause) {
    throw new ActorStartError(
      `Cannot start the isolate ${name} with permissions of its own: ${
        cause instanceof Error ? cause.message : cause
      }. ` +
        "It can have no more than the hosts of this worker, which get more by deno task worker --allow",
      { executed: "no", cause },
    );
  }
}

/** Joins what the isolate says to the scheduler to a connection of the host, which may reach it. */
function connect(port: MessagePort, settings: IsolateSettings, services: HostServices): Transport {
  const transport = createPortTransport(port);
  connectToScheduler(transport, settings, services);
  return transport;
}
