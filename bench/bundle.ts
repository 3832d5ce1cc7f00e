/**
 * How much a browser has to load.
 *
 * @module
 */

import type { Case } from "./harness.ts";
import type { Stage, Subject } from "./stage.ts";

/** Sizes of what is served. */
export const bundle: Subject = {
  name: "bundle",
  title: "The client for browsers",
  repetition: { rounds: 1, warmUp: 0 },
  prepare: (stage: Stage) => Promise.resolve(stage.trees.flatMap(ofTree)),
};

function ofTree(tree: Stage["trees"][number]): Case[] {
  const file = new URL("client/troupe.js", tree.root);
  const unit = "KB";
  return [
    {
      name: "troupe.js, minified",
      tree,
      unit,
      measure: async () => [(await Deno.stat(file)).size / 1000],
    },
    {
      name: "troupe.js, minified and gzipped",
      tree,
      unit,
      goal: { of: "value", atMost: 30 },
      measure: async () => [await gzippedBytes(file) / 1000],
    },
  ];
}

async function gzippedBytes(file: URL): Promise<number> {
  const source = await Deno.open(file);
  let bytes = 0;
  for await (const chunk of source.readable.pipeThrough(new CompressionStream("gzip"))) bytes += chunk.length;
  return bytes;
}
