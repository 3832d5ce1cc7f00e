/**
 * All subjects, in the order of the page.
 *
 * @module
 */

import { bundle } from "./bundle.ts";
import { creation } from "./creation.ts";
import { latency } from "./latency.ts";
import { manyActors } from "./many_actors.ts";
import { manyConnections } from "./many_connections.ts";
import { observation } from "./observation.ts";
import { peers } from "./peers.ts";
import { schedulerCore } from "./scheduler_core.ts";
import { sizes } from "./sizes.ts";
import type { Subject } from "./stage.ts";
import { startup } from "./startup.ts";
import { tasks } from "./tasks.ts";
import { tail } from "./tail.ts";
import { throughput } from "./throughput.ts";

/** All of them. */
export const SUBJECTS: readonly Subject[] = [
  latency,
  tail,
  sizes,
  throughput,
  creation,
  manyActors,
  manyConnections,
  startup,
  tasks,
  schedulerCore,
  observation,
  bundle,
  peers,
];
