/**
 * An isolate as a client of its own: what stands behind `currentClient()` and behind the handles in arguments.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import type { SessionLink } from "../client/client_session.ts";
import { SchedulerLink } from "../client/scheduler_link.ts";
import { WorkerClient } from "../client/worker_client.ts";
import type { Transport } from "../connection/mod.ts";
import { contextProvider } from "./context.ts";
import type { HostServices, IsolateSettings } from "./isolate.ts";
import type { IsolateSession } from "./isolate_scope.ts";

/** Opens a way to a home that is the isolate's own; `undefined` for all others. */
export type OpenLocal = (place: { readonly host: string; readonly home: string }) => Transport | undefined;

/** Makes the session of an isolate. It connects when the scheduler is first needed. */
export function openIsolateSession(
  settings: IsolateSettings,
  services: HostServices,
  openLocal?: OpenLocal,
): IsolateSession {
  const { connect } = services;
  return new WorkerClient({
    openLocal,
    address: settings.scheduler,
    requestTicket: () => services.clientTicket(),
    caCerts: settings.caCerts,
    surroundings: {
      holder: () => contextProvider.get()?.holder,
      inherited: () => contextProvider.get()?.limits,
      bind: (run) => AsyncLocalStorage.bind(run),
    },
    // Where the scheduler is out of its reach, its peers are as well.
    ...connect && { direct: false, dial: (link: SessionLink) => introduce(connect(), settings, link) },
  });
}

async function introduce(
  way: Transport | Promise<Transport>,
  { scheduler }: IsolateSettings,
  link: SessionLink,
): Promise<SchedulerLink> {
  // Nobody gives up: the isolate ends with its host.
  return await SchedulerLink.introduce(await way, scheduler, { ...link, signal: new AbortController().signal });
}
