/**
 * Calls that go through the scheduler.
 *
 * @module
 */

import { type ChannelTarget, joinTransports, type Transport } from "../connection/mod.ts";
import { CloseCode } from "../protocol/mod.ts";
import type { LinkOwner } from "./link_owner.ts";

/**
 * Joins a channel that a client opened to one that leads to the host of the worker it names. Frames pass unread. A
 * worker is found by its id in the scheduler's table, never by an address that a message could name.
 *
 * @param caller The client's id, for which the scheduler vouches.
 */
export function relay(owner: LinkOwner, caller: string, { worker, home }: ChannelTarget, channel: Transport): void {
  const far = owner.openChannel({ worker, home, caller });
  if (far) joinTransports(channel, far);
  else channel.close(CloseCode.gone, `Cannot relay to ${worker}: there is no such worker, or its host has ended`);
}
