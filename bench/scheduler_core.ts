/**
 * The scheduler's core alone: no sockets and no timers, only events, and what is to be done about them.
 *
 * @module
 */

import type { SubmitBody, WorkerHello } from "../protocol/mod.ts";
import type { SchedulerInput } from "../scheduler/events.ts";
import { collectGarbage } from "../worker/garbage.ts";
import type { Case } from "./harness.ts";
import type { Stage, Subject } from "./stage.ts";
import type { Tree } from "./tree.ts";

const WORKERS = 1000;

/** Of each task: it is submitted, it has been computed, and its result is released. */
const EVENTS_OF_A_TASK = 3;

/** The core. */
export const schedulerCore: Subject = {
  name: "scheduler_core",
  title: "The scheduler's core",
  repetition: { rounds: 3, warmUp: 1 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const few = stage.size(20_000, 100);
  const many = stage.size(1_000_000, 500);
  for (const tree of stage.trees) {
    const core = await Core.load(tree);
    const bytes: number[] = [];
    const fewName = `${few} tasks at a time, ${WORKERS} workers`;
    cases.push(
      {
        name: fewName,
        unit: "events/s",
        tree,
        goal: { of: "value", atLeast: 200_000 },
        measure() {
          const times = Math.ceil(many / few / 5);
          let milliseconds = 0;
          for (let time = 0; time < times; time++) milliseconds += core.run(few);
          return Promise.resolve([times * few * EVENTS_OF_A_TASK / milliseconds * 1000]);
        },
      },
      {
        name: `${many} tasks at a time, ${WORKERS} workers`,
        unit: "events/s",
        tree,
        to: fewName,
        goal: { of: "value", atLeast: 200_000 },
        measure() {
          const before = usedBytes();
          const milliseconds = core.run(many, () => bytes.push((usedBytes() - before) / many));
          return Promise.resolve([many * EVENTS_OF_A_TASK / milliseconds * 1000]);
        },
      },
      {
        name: `memory of each of ${many} tasks, with its small result`,
        unit: "B",
        tree,
        goal: { of: "value", atMost: 1500 },
        measure: () => Promise.resolve(bytes.slice(-1)),
      },
    );
  }
  return cases;
}

type HandleEvent = typeof import("../scheduler/transitions.ts").handleEvent;
type State = import("../scheduler/state.ts").SchedulerState;

/** A core with workers on paper that do at once what they are told. */
class Core {
  /** Makes that of a checkout. */
  static async load({ root }: Tree): Promise<Core> {
    const { handleEvent } = await import(new URL("scheduler/transitions.ts", root).href);
    const { createState } = await import(new URL("scheduler/state.ts", root).href);
    return new Core(handleEvent, createState({ random: (bytes: Uint8Array<ArrayBuffer>) => bytes }));
  }

  readonly #handle: HandleEvent;
  readonly #state: State;
  /** What workers are to run. */
  #orders: { readonly worker: string; readonly key: string; readonly run: number }[] = [];
  #count = 0;

  private constructor(handle: HandleEvent, state: State) {
    this.#handle = handle;
    this.#state = state;
    for (let index = 0; index < WORKERS; index++) {
      const worker = `worker-${index}`;
      this.#tell({ type: "workerJoined", worker, hello: { ...HELLO, name: worker } });
      this.#tell({ type: "hostAnnounced", worker, incarnation: worker });
      this.#tell({ type: "hostJoined", worker, incarnation: worker, pid: 1, address: "ws://worker.test/" });
    }
    this.#tell({ type: "clientJoined", client: "client", session: "session", versions: { troupe: "", runtime: "" } });
  }

  /**
   * Has tasks submitted all at once, computed, and released.
   *
   * @param whileKept Called when all have been computed; its time does not count.
   * @returns Milliseconds.
   */
  run(tasks: number, whileKept?: () => void): number {
    const started = performance.now();
    const keys = Array.from({ length: tasks }, () => `increment-${(++this.#count).toString(16).padStart(32, "0")}`);
    for (const key of keys) {
      const args = FRAME.subarray(0, 20);
      this.#tell({ type: "submitted", client: "client", key, body: BODY, submitted: FRAME, args, refs: [] });
    }
    while (this.#orders.length > 0) {
      const orders = this.#orders;
      this.#orders = [];
      for (const { worker, key, run } of orders) {
        const value = FRAME.subarray(20, 25);
        this.#tell({ type: "computed", worker, host: worker, key, run, size: 5, value, refs: [], took: 1 });
      }
    }
    const looked = performance.now();
    whileKept?.();
    const goneOn = performance.now();
    for (const key of keys) this.#tell({ type: "released", client: "client", keys: [key] });
    if (this.#state.keys.size > 0) throw new Error(`${this.#state.keys.size} tasks are left`);
    return performance.now() - goneOn + looked - started;
  }

  #tell(input: SchedulerInput): void {
    const event = { ...input, at: 0 } as Parameters<HandleEvent>[1];
    for (const instruction of this.#handle(this.#state, event)) {
      if (instruction.type !== "sendCompute") continue;
      const { worker, key, run } = instruction;
      this.#orders.push({ worker, key, run });
    }
  }
}

function usedBytes(): number {
  collectGarbage();
  return Deno.memoryUsage().heapUsed;
}

/** The bytes of a message: what the core keeps of it are views. */
const FRAME = new Uint8Array(64);

const HELLO: WorkerHello = {
  troupe: "",
  runtime: "",
  name: "",
  pid: 1,
  machine: "here",
  resources: {},
  isolates: 2,
  threads: 2,
  memoryLimit: 0,
};

const BODY: SubmitBody = {
  target: {
    module: "file:///functions.ts",
    export: "increment",
    name: "increment",
    byValue: false,
    version: undefined,
  },
  actor: false,
  home: "shared",
  homeFixed: false,
  workers: undefined,
  allowOtherWorkers: undefined,
  resources: undefined,
  priority: undefined,
  retries: undefined,
  timeout: undefined,
  detached: undefined,
  pure: undefined,
  permissions: undefined,
  memoryLimit: undefined,
  onStuck: undefined,
  maxPending: undefined,
  concurrency: undefined,
};
