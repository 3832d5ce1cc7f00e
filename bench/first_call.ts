/**
 * A new process's first call, for `startup.ts`. Arguments: `mod.ts` of the tree, address, token. Prints the milliseconds
 * from before the library was loaded until the answer.
 *
 * @module
 */

import { ACTORS_MODULE, InlineEcho } from "./actors.ts";
import { inputEnded } from "./peers/child.ts";

const [library, address, token] = Deno.args as [string, string, string];
const start = performance.now();
const { Client, remote } = await import(library) as typeof import("../mod.ts");
remote(ACTORS_MODULE, { InlineEcho });
const client = await Client.connect(address, { token });
await (await client.submit(InlineEcho, { actor: true })).call();
console.log(performance.now() - start);
await client.close();
await inputEnded();
Deno.exit(0);
