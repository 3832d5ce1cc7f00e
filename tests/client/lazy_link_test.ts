import { assertEquals, assertThrows } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { LazyLink } from "../../client/lazy_link.ts";
import { lostConnection, type SchedulerLink } from "../../client/scheduler_link.ts";
import { type CloseInfo, ConnectionLostError } from "../../protocol/mod.ts";

/** A link whose scheduler can fall silent; the next one would never be welcomed. */
function open(redials: boolean) {
  let closed: CloseInfo | undefined;
  let dials = 0;
  const link = {
    get closed() {
      return closed;
    },
    openChannel() {
      if (closed) throw lostConnection("relay calls", closed, "no");
    },
  } as unknown as SchedulerLink;
  const lazy = new LazyLink({
    redials,
    dial: () => ++dials === 1 ? Promise.resolve(link) : new Promise(() => {}),
    onFailed: () => {},
  });
  return {
    lazy,
    fallSilent: () => void (closed = { code: 0, reason: "the scheduler answered no ping", local: true }),
    get dials() {
      return dials;
    },
  };
}

describe("a link to a scheduler that fell silent", () => {
  it("is the only one of a client: what is relayed over it is refused at once", async () => {
    const stage = open(false);
    await stage.lazy.connect();
    stage.fallSilent();
    assertThrows(() => stage.lazy.openChannel("worker-1", "inline"), ConnectionLostError, "answered no ping");
    assertEquals(stage.dials, 1);
  });

  it("is followed by another in an isolate", async () => {
    const stage = open(true);
    await stage.lazy.connect();
    stage.fallSilent();
    stage.lazy.openChannel("worker-1", "inline");
    assertEquals(stage.dials, 2);
  });
});
