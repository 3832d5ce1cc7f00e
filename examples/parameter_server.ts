/**
 * A parameter server: one actor holds the weights of a linear model, and four tasks train it at the same time. Each has
 * data of its own, fetches the weights, and sends back how they should change. The weights and the changes are
 * `Float64Array`s, which travel as bytes.
 *
 *     deno run --allow-net --allow-read --allow-env --allow-run examples/parameter_server.ts
 *
 * prints, with other digits each time,
 *
 *     loss at the start: 7.6633
 *     loss after 160 updates: 0.3801
 *     loss after 320 updates: 0.0281
 *     loss after 480 updates: 0.0106
 *     loss after 640 updates: 0.0097
 *     loss after 800 updates: 0.0097
 *     wanted   1.50, -2.00,  0.50,  1.00, -0.50
 *     learned  1.50, -2.00,  0.50,  1.00, -0.50
 *
 * @module
 */

import { type Actor, Client, progress, remote } from "../mod.ts";

/** The weights that the generated data hides. */
export const HIDDEN: readonly number[] = [1.5, -2, 0.5, 1, -0.5];

/** How much of each label is noise: no model can have a smaller loss than its square. */
const NOISE = 0.1;

/** Holds the weights of the model. */
export class ParameterServer {
  /** How many gradients it has taken. */
  updates = 0;
  readonly #weights: Float64Array;

  /** Starts with weights of 0. */
  constructor(size: number) {
    this.#weights = new Float64Array(size);
  }

  /** A copy of the weights. */
  weights(): Float64Array {
    return this.#weights;
  }

  /** One step down the gradient. No two steps run at the same time, so none is lost. */
  descend(gradient: Float64Array, rate: number): void {
    gradient.forEach((slope, i) => this.#weights[i]! -= rate * slope);
    this.updates++;
  }
}

/** Rows of features, and what the model should say of each. */
export interface Examples {
  /** One row after the other. */
  readonly features: Float64Array;
  /** One a row. */
  readonly labels: Float64Array;
}

/** Makes examples up; the same `seed` makes the same ones. */
export function generate(seed: number, rows = 1000): Examples {
  const random = randomNumbers(seed);
  const size = HIDDEN.length;
  const features = Float64Array.from({ length: rows * size }, () => normal(random));
  const labels = Float64Array.from({ length: rows }, (_, row) => {
    return HIDDEN.reduce((sum, weight, i) => sum + weight * features[row * size + i]!, NOISE * normal(random));
  });
  return { features, labels };
}

/** Trains with examples of its own, and gives the loss at the end: the mean square of the errors. */
export async function train(server: Actor<ParameterServer>, seed: number, steps: number): Promise<number> {
  const examples = generate(seed);
  for (let step = 0; step < steps; step++) {
    const { gradient } = evaluate(await server.weights(), examples);
    await server.descend(gradient, 0.005);
  }
  return evaluate(await server.weights(), examples).loss;
}

/** The loss of a model, and how it changes with each weight. */
export function evaluate(weights: Float64Array, { features, labels }: Examples) {
  const gradient = new Float64Array(weights.length);
  let loss = 0;
  for (const [row, label] of labels.entries()) {
    const values = features.subarray(row * weights.length, (row + 1) * weights.length);
    const error = values.reduce((sum, value, i) => sum + weights[i]! * value, -label);
    values.forEach((value, i) => gradient[i]! += 2 * error * value / labels.length);
    loss += error ** 2 / labels.length;
  }
  return { loss, gradient };
}

/** Numbers from 0 to 1 that look random (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, 1 | state);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** A number from the normal distribution (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function format(weights: Iterable<number>): string {
  return Array.from(weights, (weight) => weight.toFixed(2).padStart(5)).join(", ");
}

remote(import.meta, { ParameterServer, train });

if (import.meta.main) {
  await using client = await Client.connect();
  const server = await client.submit(ParameterServer, [HIDDEN.length], { actor: true });
  const seeds = [1, 2, 3, 4];
  const losses = await client.gather(seeds.map((seed) => client.submit(train, [server, seed, 0], { pure: false })));
  console.log(`loss at the start: ${mean(losses).toFixed(4)}`);
  for (let round = 0; round < 5; round++) {
    const trained = seeds.map((seed) => client.submit(train, [server, seed, 40], { pure: false }));
    await progress(trained);
    const loss = mean(await client.gather(trained));
    console.log(`loss after ${await server.updates} updates: ${loss.toFixed(4)}`);
  }
  console.log(`wanted  ${format(HIDDEN)}`);
  console.log(`learned ${format(await server.weights())}`);
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}
