import { assertEquals, assertInstanceOf } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { actorLost } from "../../client/call_errors.ts";
import { Routes } from "../../client/routes.ts";
import { createMemoryTransports, type MemoryTransport, type Transport } from "../../connection/mod.ts";
import {
  ActorLostError,
  type ActorReference,
  CallKind,
  ConnectionLostError,
  decodeValue,
  encodeValue,
  type MessageOf,
} from "../../protocol/mod.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { delivered } from "../helpers/linked_home.ts";

function actorIn(home: string): ActorReference {
  return {
    key: `Counter-${home}`,
    incarnation: "0123456789abcdef",
    worker: "worker-1",
    host: "host-1",
    home,
    address: "",
    hostAddress: "",
    tag: new Uint8Array(16),
    manifest: new Uint8Array(0),
  };
}

/** Routes to the homes of one host. Each home is reached when the test says so, or not. */
function openRoutes(schedulerAnswers = true) {
  const clock = new FakeClock();
  const homes = new Map<string, PromiseWithResolvers<Transport>>();
  const lost: string[] = [];
  let nextId = 1;
  const routes = new Routes({
    direct: false,
    session: "ab".repeat(16),
    caCerts: undefined,
    clock,
    lend: {
      encode: (value, root) => encodeValue(value, { root }),
      decode: (value) => decodeValue(value),
      hold: () => () => {},
      confirmHeld: () => undefined,
      bind: (run) => run,
    },
    requestTicket: () => Promise.reject(new Error("unused")),
    openChannel: ({ home }) => {
      homes.set(home, Promise.withResolvers());
      return homes.get(home)!.promise;
    },
    schedulerAnswers: () => schedulerAnswers,
  });
  return {
    routes,
    clock,
    /** What became of the calls, in order. */
    lost,
    /** Calls an actor. */
    call(actor: ActorReference): void {
      const link = routes.link(actor);
      const nothing = { deadline: undefined, priority: undefined, credit: undefined, trace: undefined };
      const call: MessageOf<"call"> = {
        op: "call",
        id: nextId++,
        slot: link.slotOf(actor),
        kind: CallKind.method,
        name: "increment",
        args: new Uint8Array(1),
        refs: [],
        chain: [],
        ...nothing,
      };
      link.call(call, {
        key: actor.key,
        resolve() {},
        fail() {},
        lose(error) {
          if (!(error instanceof ActorLostError)) assertInstanceOf(error, ConnectionLostError);
          const again = error.retryable ? ", try again" : "";
          lost.push(`${actor.home}: ${error.name}, ${error.executed}${again}`);
        },
      });
    },
    /** Lets a home be reached. */
    async reach(home: string): Promise<MemoryTransport> {
      await delivered();
      const [here, there] = createMemoryTransports();
      there.start({ onFrame() {}, onClose() {} });
      homes.get(home)!.resolve(here);
      await delivered();
      return here;
    },
    /** Lets it not be reached. */
    async refuse(home: string): Promise<void> {
      await delivered();
      homes.get(home)!.reject(new Error("nobody is there"));
      await delivered();
    },
  };
}

const ONE = actorIn("shared-1");
const OTHER = actorIn("shared-2");

describe("calls to several homes of one host, whose links end together", () => {
  /** One call has left, one has not; either of them ends first. */
  async function endBoth(first: "left" | "waiting") {
    const scene = openRoutes();
    scene.call(ONE);
    scene.call(OTHER);
    const transport = await scene.reach(ONE.home);
    if (first === "left") transport.abort();
    await scene.refuse(OTHER.home);
    if (first === "waiting") transport.abort();
    await delivered();
    assertEquals(scene.lost, [], "the scheduler may know more");
    return scene;
  }

  for (const first of ["left", "waiting"] as const) {
    it(`each say themselves whether they can have run, where the scheduler says nothing (${first} first)`, async () => {
      const { clock, lost, routes } = await endBoth(first);
      clock.advance(1000);
      assertEquals(lost.sort(), [
        "shared-1: ConnectionLostError, unknown",
        "shared-2: ConnectionLostError, no, try again",
      ]);
      routes.close();
    });

    it(`each say themselves whether they can have run, where their actors are lost (${first} first)`, async () => {
      const { lost, routes, clock } = await endBoth(first);
      for (const actor of [ONE, OTHER]) {
        const loss = { worker: "worker-1", reason: "host-exit", detail: undefined };
        routes.settle(actor, (executed) => actorLost(actor.key, loss, executed));
      }
      assertEquals(lost, ["shared-1: ActorLostError, unknown", "shared-2: ActorLostError, no"]);
      assertEquals(clock.timers, 0);
      routes.close();
    });
  }

  it("do not wait for a scheduler that is gone", async () => {
    const scene = openRoutes(false);
    scene.call(ONE);
    scene.call(OTHER);
    const transport = await scene.reach(ONE.home);
    transport.abort();
    await scene.refuse(OTHER.home);
    assertEquals(scene.lost, [
      "shared-1: ConnectionLostError, unknown",
      "shared-2: ConnectionLostError, no, try again",
    ]);
  });
});

describe("calls of a client that is closed", () => {
  it("say that they did not run where they had not left", async () => {
    const scene = openRoutes();
    scene.call(ONE);
    scene.call(OTHER);
    await scene.reach(ONE.home);
    scene.routes.close();
    assertEquals(scene.lost, ["shared-1: ConnectionLostError, unknown", "shared-2: ConnectionLostError, no"]);
  });
});

describe("a link that ends twice", () => {
  it("26. Duplicate ends: settles what was pending once, whatever ends it first", async () => {
    const scene = openRoutes(false);
    scene.call(ONE);
    const transport = await scene.reach(ONE.home);
    const link = scene.routes.link(ONE);
    transport.abort();
    transport.abort();
    transport.close(1000, "again");
    link.close("and again");
    scene.routes.close();
    await delivered();
    assertEquals([scene.lost, link.open], [["shared-1: ConnectionLostError, unknown"], false]);
  });
});
