/**
 * The cluster on which the tests of one file play, and the ways of calling that make a difference.
 *
 * @module
 */

import { afterAll, afterEach, beforeAll, beforeEach, it } from "@std/testing/bdd";
import { eventually } from "../helpers/eventually.ts";

export { eventually };
import { LocalCluster, type LocalClusterOptions } from "../../cluster/mod.ts";
import { Client, type ClientOptions, type SchedulerSnapshot, type WorkerSnapshot } from "../../mod.ts";

/** A cluster of two workers, and clients that are new for each test. */
export interface Stage {
  /** The same for all tests of a file. */
  readonly cluster: LocalCluster;
  /** Calls workers itself. */
  readonly direct: Client;
  /** Calls through the scheduler. */
  readonly relayed: Client;
  /** Creates nothing, so what it sees are the traces of others. */
  readonly observer: Client;
  /** A client of a test's own. */
  connect(options?: ClientOptions): Promise<Client>;
}

/**
 * Opens a stage for the suite that calls this. After each test its clients close, and nothing may be left behind.
 *
 * @param options Of the cluster. It has two workers where they do not say otherwise.
 */
export function openStage(options: LocalClusterOptions = {}): Stage {
  let cluster: LocalCluster;
  let observer: Client;
  let direct: Client;
  let relayed: Client;
  const connect: Stage["connect"] = (options) => {
    return Client.connect(cluster.address, { token: cluster.token, ...options });
  };

  beforeAll(async () => {
    cluster = await LocalCluster.start({ workers: 2, ...options });
    observer = await connect();
  });
  beforeEach(async () => {
    [direct, relayed] = await Promise.all([
      connect({ directToWorkers: true }),
      connect({ directToWorkers: false }),
    ]);
  });
  afterEach(async () => {
    await Promise.all([direct.close(), relayed.close()]);
    await nothingIsLeft(observer);
  });
  afterAll(async () => {
    await observer?.close();
    await cluster?.close();
  });

  return {
    connect,
    get cluster() {
      return cluster;
    },
    get direct() {
      return direct;
    },
    get relayed() {
      return relayed;
    },
    get observer() {
      return observer;
    },
  };
}

/** A way to have an actor and to call it. */
export interface Way {
  /** Calls on one of the routes. */
  readonly client: Client;
  /** Which one. */
  readonly route: "direct" | "relayed";
  /** Options that create an actor in one of the homes. */
  readonly actor: { readonly actor: true; readonly isolation: HomeKind };
}

/** One test for each route: straight to the worker, and through the scheduler. */
export function onBothRoutes(stage: Stage, name: string, test: (client: Client) => Promise<void>): void {
  for (const route of ["direct", "relayed"] as const) {
    it(`${name} (${route})`, () => test(stage[route]));
  }
}

type HomeKind = "inline" | "shared" | "dedicated" | "process";

/** Those that are an actor's own take longer to start: they have their turn in `deno task test:long`. */
const HOMES = (Deno.env.get("TROUPE_TEST_HOMES") ?? "inline,shared").split(",") as HomeKind[];

/** One test for each route and each home: the worker's event loop, and an isolate. */
export function everywhere(stage: Stage, name: string, test: (way: Way) => Promise<void>): void {
  for (const route of ["direct", "relayed"] as const) {
    for (const isolation of HOMES) {
      it(`${name} (${route}, ${isolation})`, () => {
        return test({ client: stage[route], route, actor: { actor: true, isolation } });
      });
    }
  }
}

/** Waits until a cluster holds nothing: no actor, no task, no result, no resource. */
export async function nothingIsLeft(client: Client): Promise<void> {
  await eventually({ actors: [], waiting: [], tasks: {}, results: 0, held: [] }, async () => {
    const { workers, waiting, tasks } = await client.schedulerInfo();
    return {
      actors: workers.flatMap(({ actors }) => actors.map(({ key }) => key)),
      waiting: waiting.map(({ key }) => key),
      tasks: Object.fromEntries(Object.entries(tasks).filter(([, count]) => count > 0)),
      results: workers.reduce((sum, { results }) => sum + results, 0),
      held: workers.flatMap(({ resourcesHeld }) => Object.entries(resourcesHeld).filter(([, amount]) => amount > 0)),
    };
  });
}

/** The worker on which an actor lives. */
export async function workerOf(client: Client, key: string): Promise<WorkerSnapshot> {
  const { workers } = await client.schedulerInfo();
  const worker = workers.find(({ actors }) => actors.some((actor) => actor.key === key));
  if (worker === undefined) throw new Error(`no worker has ${key}`);
  return worker;
}

/** Ids of the workers, by name. */
export async function workerNames(client: Client): Promise<string[]> {
  return (await client.schedulerInfo()).workers.map(({ name }) => name).sort();
}

/** Keys of all actors that there are, with or without a worker. */
export function actorKeys({ workers, waiting }: SchedulerSnapshot): string[] {
  return [...workers.flatMap(({ actors }) => actors), ...waiting].map(({ key }) => key).sort();
}

/** The error of a promise that has to reject. */
export async function errorOf(promise: PromiseLike<unknown>): Promise<Error> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new Error(`rejected with ${Deno.inspect(error)}, which is no Error`);
  }
  throw new Error(`resolved to ${Deno.inspect(value)} instead of rejecting`);
}
