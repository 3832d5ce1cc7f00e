/**
 * Starts the isolates of one host: Web Workers, and through the nanny processes.
 *
 * @module
 */

import type { Clock } from "../connection/mod.ts";
import type { HomeKind } from "../protocol/mod.ts";
import type { HomeGrants } from "./home_permissions.ts";
import type { ActorIsolate, HostServices, Isolate, IsolateSettings, TaskThread } from "./isolate.ts";
import type { OwnIsolate } from "./isolate_pool.ts";
import type { NannyServices } from "./nanny_services.ts";
import { startProcessIsolate } from "./process_isolate.ts";
import { SecretListener } from "./secret_listener.ts";
import { startWebWorkerIsolate } from "./web_worker_isolate.ts";

/** Options of {@linkcode IsolateStarter}. */
export interface IsolateStarterOptions {
  /** What every isolate of the host knows. */
  readonly settings: IsolateSettings;
  /** What the host does for its isolates. */
  readonly services: HostServices;
  /** WebSocket address at which callers reach a home that has no server of its own; empty where they cannot. */
  readonly addressOf: (home: string) => string;
  /** Starts processes; `undefined` where there is no nanny. */
  readonly nanny: NannyServices | undefined;
  /** The time. */
  readonly clock: Clock;
  /** An isolate takes orders from now on. */
  readonly onStarted: (isolate: Isolate) => void;
}

/** Starts isolates, and listens for those that are processes. */
export class IsolateStarter {
  readonly #options: IsolateStarterOptions;
  #listener: SecretListener | undefined;

  /** Starts nothing. */
  constructor(options: IsolateStarterOptions) {
    this.#options = options;
  }

  /**
   * Starts a home of actors; resolves when it takes orders.
   *
   * @param own Where it is one actor's alone.
   * @throws {ActorStartError} Where it is to do more than its host may.
   */
  start(home: string, kind: HomeKind, own?: OwnIsolate): Promise<ActorIsolate> {
    return this.#start(home, kind, this.#options.settings, own);
  }

  /** The same for tasks, which nobody calls. */
  startForTasks(home: string, kind: HomeKind, own?: OwnIsolate): Promise<TaskThread> {
    return this.#start(home, kind, { ...this.#options.settings, listen: undefined }, own);
  }

  /** Listens no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.[Symbol.asyncDispose]();
  }

  async #start(
    home: string,
    kind: HomeKind,
    settings: IsolateSettings,
    own?: OwnIsolate,
  ): Promise<Isolate & TaskThread> {
    const { services, clock, nanny, addressOf, onStarted } = this.#options;
    const options = { home, kind, address: addressOf(home), settings, services, clock };
    const grants = own && grantsOf(own, settings);
    let isolate: Isolate & TaskThread;
    if (kind === "process") {
      const listener = this.#listener ??= new SecretListener(clock);
      isolate = await startProcessIsolate({
        ...options,
        listener,
        starter: nanny!.homes,
        memoryLimit: own?.memoryLimit,
        grants,
      });
    } else {
      isolate = await startWebWorkerIsolate({ ...options, grants });
    }
    onStarted(isolate);
    return isolate;
  }
}

/** What a home of its own needs besides what its user grants: its own server, and the files of its target. */
function grantsOf(
  { permissions = "inherit", graph }: OwnIsolate,
  { listen }: IsolateSettings,
): HomeGrants | undefined {
  if (permissions === "inherit") return undefined;
  const files = [...graph.states.keys()].filter((url) => url.startsWith("file:"));
  return {
    permissions,
    net: listen ? [`${listen.hostname}:0`] : [],
    read: files.map((url) => decodeURIComponent(new URL(url).pathname)),
  };
}
