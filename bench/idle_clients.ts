/**
 * Clients for `many_connections.ts`, in a process of their own: each has called an actor directly, and then does nothing.
 * Arguments: `mod.ts` of the tree, address, token, how many. Prints how many there are.
 *
 * @module
 */

import { InlineEcho } from "./actors.ts";
import { inputEnded } from "./peers/child.ts";

const [library, address, token, count] = Deno.args as [string, string, string, string];
const { Client } = await import(library) as typeof import("../mod.ts");
const clients: Awaited<ReturnType<typeof Client.connect>>[] = [];
while (clients.length < Number(count)) {
  const client = await Client.connect(address, { token, directToWorkers: true });
  const actor = await client.getActor<InlineEcho>("echo");
  await actor.call();
  clients.push(client);
}
console.log(clients.length);
await inputEnded();
Deno.exit(0);
