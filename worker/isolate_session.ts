/**
 * An isolate as a client of its own: what stands behind `currentClient()` and behind the handles in arguments.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { WorkerClient } from "../client/worker_client.ts";
import { contextProvider } from "./context.ts";
import type { HostServices, IsolateSettings } from "./isolate.ts";
import type { IsolateSession } from "./isolate_scope.ts";

/** Makes the session of an isolate. It connects when the scheduler is first needed. */
export function openIsolateSession(settings: IsolateSettings, services: HostServices): IsolateSession {
  return new WorkerClient({
    address: settings.scheduler,
    requestTicket: () => services.clientTicket(),
    caCerts: settings.caCerts,
    surroundings: {
      holder: () => contextProvider.get()?.holder,
      inherited: () => contextProvider.get()?.limits,
      bind: (run) => AsyncLocalStorage.bind(run),
    },
  });
}
