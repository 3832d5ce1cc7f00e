/**
 * The host's part in what an isolate that may not dial says to the scheduler.
 *
 * @module
 */

import { joinTransports, type Transport } from "../connection/mod.ts";
import { CloseCode } from "../protocol/mod.ts";
import { dialScheduler } from "./dial.ts";
import type { HostServices, IsolateSettings } from "./isolate.ts";

/** Joins a way from an isolate to a new connection to the scheduler. Where there is none, the way is closed. */
export async function connectToScheduler(
  way: Transport,
  { scheduler: address, caCerts }: IsolateSettings,
  services: HostServices,
): Promise<void> {
  try {
    const ticket = await services.clientTicket();
    const { transport } = await dialScheduler({ address, ticket, caCerts });
    joinTransports(way, transport);
  } catch (error) {
    way.close(CloseCode.gone, error instanceof Error ? error.message : String(error));
  }
}
