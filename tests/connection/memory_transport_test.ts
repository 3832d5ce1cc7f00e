import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { createMemoryTransports, NAGLE_POLICY, ROOMY_POLICY } from "../../connection/mod.ts";
import { describeTransport, Listener } from "../contract/transport_contract.ts";

describeTransport("memory transports", {
  vanishes: true,
  connect() {
    const [one, other] = createMemoryTransports();
    return Promise.resolve({ one, other, kill: () => other.abort(), [Symbol.dispose]() {} });
  },
});

describe("memory transports", () => {
  it("are cut as the policy says, roomy by default", () => {
    for (const transport of createMemoryTransports()) assertStrictEquals(transport.policy, ROOMY_POLICY);
    for (const transport of createMemoryTransports(NAGLE_POLICY)) assertStrictEquals(transport.policy, NAGLE_POLICY);
  });

  it("lose what was on its way when the link is cut, and both ends hear code 0", async () => {
    const [one, other] = createMemoryTransports();
    const listeners = [new Listener(one), new Listener(other)];
    await Promise.resolve();
    one.send(Uint8Array.of(1));
    one.abort();
    for (const listener of listeners) assertEquals(await listener.ended(), { code: 0, reason: "", local: false });
    await Promise.resolve();
    assertEquals(listeners[1]!.frames, []);
    one.abort();
    one.close(1000, "");
    assertEquals(listeners.map(({ ends }) => ends.length), [1, 1]);
  });

  it("end as the first end says, though it is told later than the second comes", async () => {
    const [one, other] = createMemoryTransports();
    other.close(4403, "enough");
    await Promise.resolve();
    other.abort();
    assertEquals(await new Listener(one).ended(), { code: 4403, reason: "enough", local: false });
  });
});
