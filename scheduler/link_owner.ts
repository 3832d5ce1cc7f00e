/**
 * What a link needs of the shell that it belongs to.
 *
 * @module
 */

import type { ChannelTarget, Clock, Transport } from "../connection/mod.ts";
import type { Limits, Op } from "../protocol/mod.ts";
import type { SchedulerInput } from "./events.ts";
import type { Observation } from "./observation.ts";
import type { SchedulerState } from "./state.ts";
import type { Tickets } from "./tickets.ts";
import type { SchedulerView } from "./view.ts";

/** Milliseconds between pings of clients, and of the scheduler to them. */
export const CLIENT_PING_INTERVAL = 3_000;

/** Milliseconds between heartbeats of a nanny. */
export const HEARTBEAT_INTERVAL = 1_000;

/** Milliseconds between looks at a nanny; five without a sign of life are one too many. */
export const WORKER_PING_INTERVAL = 2_000;

/** How many looks without a sign of life make a nanny dead. */
export const WORKER_MISSES = 5;

/** The shell, as a link sees it. */
export interface LinkOwner {
  /** Id of the scheduler. */
  readonly id: string;
  /** The state, to look at only. */
  readonly state: SchedulerState;
  /** The time. */
  readonly clock: Clock;
  /** What a peer may do. */
  readonly limits: Limits;
  /** Signs tickets. */
  readonly tickets: Tickets;
  /** Versions of Troupe and of the runtime. */
  readonly versions: { readonly troupe: string; readonly runtime: string };
  /** Whether it listens on this machine only. */
  readonly loopback: boolean;
  /** What is asked and seen of hosts. */
  readonly observation: Observation;
  /** Tells the core of something that happened, now. */
  dispatch(input: SchedulerInput): void;
  /** Counts a message that was received. */
  count(op: Op): void;
  /** What there is to see. */
  readonly view: SchedulerView;
  /** Opens a channel to a worker's host; `undefined` where that worker has none. */
  openChannel(target: ChannelTarget): Transport | undefined;
}
