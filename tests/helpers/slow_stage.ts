/**
 * A cluster of one worker, and raw callers of it that can stop reading.
 *
 * @module
 */

import { afterAll, afterEach, beforeAll } from "@std/testing/bdd";
import { LocalCluster } from "../../cluster/mod.ts";
import { type Actor, Client } from "../../mod.ts";
import type { Producer } from "../fixtures/actors/producer.ts";
import { childrenOf, residentBytes } from "./processes.ts";
import { type RawCalls, RawClient } from "./raw_client.ts";

const MODULE = import.meta.resolve("../fixtures/actors/producer.ts");

/** A caller on one of the routes. */
export interface Caller extends RawCalls {
  /** Key of the actor that it calls. */
  readonly key: string;
}

/** Resident memory in bytes. */
export interface Resident {
  readonly scheduler: number;
  readonly host: number;
}

/** The cluster, and who calls. */
export interface SlowStage {
  /** Somebody who reads. */
  readonly client: Client;
  /** An actor whom nobody else calls. */
  createOther(): Promise<Actor<Producer>>;
  /** The actor that a caller calls, as somebody else has it. */
  actorOf(caller: Caller): Promise<Actor<Producer>>;
  /**
   * Callers of an actor each, one directly and one through the scheduler. They show the scheduler that they live, and are
   * gone after the test.
   */
  connectBoth(name: string, home?: "shared" | "dedicated" | "process"): Promise<Caller[]>;
  /** What the servers use now. */
  resident(): Resident;
}

/** Opens a cluster for the suite that calls this. */
export function openSlowStage(): SlowStage {
  let cluster: LocalCluster;
  let client: Client;
  let processes: Resident;
  const cleanUps: (() => void)[] = [];

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 1 });
    client = await Client.connect(cluster.address, { token: cluster.token });
    const { workers: [worker] } = await client.schedulerInfo();
    const [scheduler] = childrenOf("scheduler/main.ts");
    processes = { scheduler: scheduler!, host: worker!.hostPid };
  });
  afterEach(() => {
    for (const cleanUp of cleanUps.splice(0)) cleanUp();
  });
  afterAll(async () => {
    await client?.close();
    await cluster?.close();
  });

  return {
    get client() {
      return client;
    },
    async createOther() {
      return await client.submit<[], Producer>(`${MODULE}#Producer`, { actor: true });
    },
    async actorOf({ key }) {
      return await client.getActor<Producer>(key);
    },
    async connectBoth(name, home) {
      const callers: Caller[] = [];
      for (const route of ["callDirectly", "callRelayed"] as const) {
        const raw = await RawClient.connect(cluster);
        const alive = setInterval(() => raw.connection.send({ op: "ping", id: 1 }), 1000);
        cleanUps.push(() => clearInterval(alive), () => raw.close());
        const key = `${name}-${route}`;
        const calls = await raw[route](await raw.submit(key, MODULE, "Producer", home));
        cleanUps.push(() => calls.caller.close());
        callers.push({ ...calls, key });
      }
      return callers;
    },
    resident: () => ({ scheduler: residentBytes(processes.scheduler), host: residentBytes(processes.host) }),
  };
}
