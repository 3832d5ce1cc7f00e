/**
 * The promises of `tests/semantics` once more, for actors in homes of their own: a Web Worker, and a process. How they
 * end, `tests/contract/isolate_contract.ts` shows of each home.
 *
 * @module
 */

Deno.env.set("TROUPE_TEST_HOMES", "dedicated,process");
for (const name of ["actors_calling_actors", "async", "calls", "creation", "handle"]) {
  await import(`../semantics/${name}_test.ts`);
}
