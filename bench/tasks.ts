/**
 * How many tasks go through a cluster, from `map` to the last result.
 *
 * @module
 */

import { FUNCTIONS_MODULE, increment, incrementAsync } from "./functions.ts";
import { type Case, rate, timed } from "./harness.ts";
import type { Stage, Subject } from "./stage.ts";

/** Tasks. */
export const tasks: Subject = {
  name: "tasks",
  title: "Tasks",
  repetition: { rounds: 8, warmUp: 2 },
  prepare,
};

async function prepare(stage: Stage): Promise<Case[]> {
  const cases: Case[] = [];
  const many = stage.size(20_000, 10);
  for (const tree of stage.trees) {
    const { Client, gather, remote } = tree.library;
    remote(FUNCTIONS_MODULE, { increment, incrementAsync });
    const cluster = stage.stack.use(await tree.startCluster({ workers: 2 }));
    const client = stage.stack.use(await Client.connect(cluster.address, { token: cluster.token }));
    const numbers = Array.from({ length: many }, (_, index) => index);
    let round = 0;

    /** Results that are known would not be computed again. */
    const next = () => round += many;
    const check = (results: readonly number[], offset: number) => {
      if (results.some((result, index) => result !== offset + index + 1)) throw new Error("A result is wrong");
    };
    const mapped = async (target: (n: number) => number | Promise<number>) => {
      const offset = next();
      check(await gather(client.map(target, numbers.map((n) => offset + n))), offset);
    };
    cases.push(
      {
        name: "trivial tasks by map and gather",
        unit: "tasks/s",
        tree,
        goal: { of: "value", atLeast: 25_000 },
        measure: rate(many, () => mapped(increment)),
      },
      {
        name: "trivial async tasks by map and gather",
        unit: "tasks/s",
        tree,
        measure: rate(many, () => mapped(incrementAsync)),
      },
      {
        name: "trivial tasks by submit, all at once",
        unit: "tasks/s",
        tree,
        async measure(count) {
          return await rate(many, async () => {
            const offset = next();
            check(await gather(numbers.map((n) => client.submit(increment, [offset + n]))), offset);
          })(count);
        },
      },
      {
        name: "a chain of tasks, each needing the one before",
        unit: "tasks/s",
        tree,
        async measure(count) {
          const length = Math.ceil(many / 20);
          return await rate(length, async () => {
            let future = client.submit(increment, [next()]);
            for (let link = 1; link < length; link++) future = client.submit(increment, [future]);
            await future;
          })(count);
        },
      },
      {
        name: "one task, awaited",
        tree,
        count: 60,
        measure: timed(async () => void await client.submit(increment, [next()])),
      },
    );
  }
  return cases;
}
