import { assertEquals, assertStringIncludes } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { sayWhatGrants } from "../../worker/not_capable.ts";

function said(message: string): string {
  return (sayWhatGrants(new Deno.errors.NotCapable(message)) as Error).message;
}

describe("what user code may not do", () => {
  it("is passed on with the flag of the worker that grants it", () => {
    const own = "the permissions option, where its actor or task has one";
    const write = 'Requires write access to "/data/x", run again with the --allow-write flag';
    assertEquals(said(write), `${write} (here: deno task worker --allow "write=/data/x", and ${own})`);
    const run = "Requires run access, run again with the --allow-run flag";
    assertEquals(said(run), `${run} (here: deno task worker --allow run, and ${own})`);
    const spaced = 'Requires write access to "/my data", run again with the --allow-write flag';
    assertStringIncludes(said(spaced), "--allow write, and");
    const cwd = "Requires read access to <CWD>, run again with the --allow-read flag";
    assertEquals(said(cwd), `${cwd} (here: ${own})`);
  });

  it("is what this Deno says", () => {
    const error = captureRefusal();
    const { message } = sayWhatGrants(error) as Error;
    assertStringIncludes(message, `--allow "write=/nowhere/x"`);
    assertStringIncludes(error.stack!, message);
    assertEquals((sayWhatGrants(error) as Error).message, message);
  });

  it("leaves every other error as it is", () => {
    assertEquals((sayWhatGrants(new Error("no")) as Error).message, "no");
    assertEquals(said("something else"), "something else");
    assertEquals(sayWhatGrants("thrown"), "thrown");
  });
});

/** These tests may write: another process may not. */
function captureRefusal(): Error {
  const code = `try { Deno.writeTextFileSync("/nowhere/x", ""); } catch (error) { console.log(error.message); }`;
  const script = `data:text/javascript,${encodeURIComponent(code)}`;
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["run", "--no-prompt", "--no-lock", script] })
    .outputSync();
  return new Deno.errors.NotCapable(new TextDecoder().decode(stdout).trim());
}
