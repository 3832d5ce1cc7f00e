import { assert, assertEquals, assertMatch } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { serveScheduler } from "../../scheduler/mod.ts";
import { formatStatus, showStatus } from "../../worker/status_line.ts";
import { FakeClock } from "../helpers/fake_clock.ts";

const worker = (name: string, calls: number) =>
  ({
    id: name,
    name,
    status: "running",
    actors: [{}, {}],
    classes: [{ className: "Cell", actors: 2, calls, errors: 0 }],
    processing: 1,
    memory: 100 * 2 ** 20,
    lag: 2.4,
  }) as never;

describe("the status line of deno task worker", () => {
  it("says how one worker is doing, or several together", () => {
    assertEquals(
      formatStatus([worker("a", 1500)], { at: 2000, calls: 1500 }, { at: 1000, calls: 500 }),
      "a | running | 2 actors | 1000 calls/s | 1 task | 100 MiB | lag 2 ms",
    );
    assertMatch(
      formatStatus([worker("a", 1), worker("b", 1)], { at: 0, calls: 2 }, undefined),
      /^2 workers \| running \| 4 actors/,
    );
    assertEquals(formatStatus([], { at: 0, calls: 0 }, undefined), "joining the scheduler");
  });

  it("keeps to the last row of the terminal, and gives it back", async () => {
    await using scheduler = await serveScheduler({ port: 0, token: "a-token-for-this-test-alone" });
    const written: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = showStatus({
      scheduler: scheduler.address,
      token: "a-token-for-this-test-alone",
      workers: () => [],
      terminal: {
        write(text) {
          written.push(text);
          if (text.includes("joining the scheduler")) resolve();
        },
        size: () => ({ columns: 80, rows: 24 }),
      },
      clock: new FakeClock(),
    });
    await promise;
    stop();
    const all = written.join("");
    assert(all.includes("\x1b[1;23r") && all.includes("\x1b[24;1H"));
    assert(written.at(-1)!.includes("\x1b[r"));
  });
});
