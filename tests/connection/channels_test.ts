import { assertEquals, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  Channels,
  type ChannelTarget,
  Connection,
  createMemoryTransports,
  joinTransports,
  type MemoryTransport,
  NAGLE_POLICY,
  type Transport,
} from "../../connection/mod.ts";
import { CloseCode, encodeMessage, type Message, type MessageOf } from "../../protocol/mod.ts";
import { describeTransport, Listener } from "../contract/transport_contract.ts";
import { ScriptedTransport } from "../helpers/scripted_transport.ts";

type Accept = (target: ChannelTarget, transport: Transport) => void;

/** A connection that carries nothing but channels. */
function channelsOver(transport: Transport, accept?: Accept): { connection: Connection; channels: Channels } {
  const connection = new Connection(transport, {
    onMessage: (message) => channels.receive(message as MessageOf<"open" | "data" | "close"> as MessageOf<"data">),
    onClose: (info) => channels.close(info),
  });
  const channels = new Channels(connection, accept);
  return { connection, channels };
}

/** Two connected parties, of which the second accepts. */
function link(accept: Accept): { opener: Channels; acceptor: Channels; wire: MemoryTransport } {
  const [one, other] = createMemoryTransports(NAGLE_POLICY);
  const { channels: opener } = channelsOver(one);
  const { channels: acceptor } = channelsOver(other, accept);
  return { opener, acceptor, wire: other };
}

const target: ChannelTarget = { worker: "w1", home: "shared-1" };

describeTransport("a channel", {
  vanishes: true,
  async connect() {
    const accepted = Promise.withResolvers<Transport>();
    const { opener, wire } = link((_target, transport) => accepted.resolve(transport));
    return {
      one: opener.open(target),
      other: await accepted.promise,
      kill: () => wire.abort(),
      [Symbol.dispose]: () => wire.abort(),
    };
  },
});

describeTransport("a channel that a relay joins with another", {
  vanishes: false,
  async connect() {
    const accepted = Promise.withResolvers<Transport>();
    const host = link((_target, transport) => accepted.resolve(transport));
    const scheduler = link((target, transport) =>
      joinTransports(transport, host.opener.open({ ...target, caller: "c1" }))
    );
    return {
      one: scheduler.opener.open(target),
      other: await accepted.promise,
      [Symbol.dispose]() {
        scheduler.wire.abort();
        host.wire.abort();
      },
    };
  },
});

describe("channels", () => {
  it("tell the accepting side where to, and for whom", async () => {
    const targets: ChannelTarget[] = [];
    const both = Promise.withResolvers<void>();
    const { opener } = link((target) => {
      targets.push(target);
      if (targets.length === 2) both.resolve();
    });
    opener.open(target);
    opener.open({ worker: "w2", home: "inline", caller: "client-3" });
    await both.promise;
    assertEquals(targets, [target, { worker: "w2", home: "inline", caller: "client-3" }]);
  });

  it("do not mix up what they carry, and close one by one", async () => {
    const accepted: Listener[] = [];
    const { opener, acceptor } = link((_target, transport) => accepted.push(new Listener(transport)));
    const opened = [opener.open(target), opener.open(target), opener.open(target)];
    const listeners = opened.map((transport) => new Listener(transport));
    for (let round = 0; round < 5; round++) {
      for (const [index, transport] of opened.entries()) {
        transport.send(new Uint8Array(900 * round + 1).fill(10 * index + round));
      }
    }
    opened[1]!.close(1000, "done");
    assertEquals([opener.size, listeners[0]!.ends.length], [2, 0]);
    while (accepted.length < 3) await Promise.resolve();
    for (const [index, listener] of accepted.entries()) {
      assertEquals(await listener.received(5), [0, 1, 2, 3, 4].map((round) => 10 * index + round));
    }
    assertEquals(await accepted[1]!.ended(), { code: 1000, reason: "done", local: false });
    assertEquals([accepted[0]!.ends, accepted[2]!.ends], [[], []]);
    assertEquals(acceptor.size, 2);
  });

  it("end with their connection, and say that this side did not close them", async () => {
    const accepted: Listener[] = [];
    const [one, other] = createMemoryTransports();
    const { connection, channels } = channelsOver(one);
    channelsOver(other, (_target, transport) => accepted.push(new Listener(transport)));
    const opened = new Listener(channels.open(target));
    while (accepted.length === 0) await Promise.resolve();
    connection.close(CloseCode.draining, "leaving");
    assertEquals(await opened.ended(), { code: 4503, reason: "leaving", local: false });
    assertEquals(await accepted[0]!.ended(), { code: 4503, reason: "leaving", local: false });
    assertEquals(channels.size, 0);
  });

  it("tell the near side of a relay that the far link was torn, with a code that can be sent", async () => {
    const accepted = Promise.withResolvers<Transport>();
    const host = link((_target, transport) => accepted.resolve(transport));
    const scheduler = link((target, transport) => joinTransports(transport, host.opener.open(target)));
    const near = new Listener(scheduler.opener.open(target));
    new Listener(await accepted.promise);
    host.wire.abort();
    assertEquals(await near.ended(), { code: CloseCode.gone, reason: "", local: false });
    assertEquals(scheduler.acceptor.size, 0);
  });

  it("carry a connection of their own, large messages too", async () => {
    const body = crypto.getRandomValues(new Uint8Array(65536));
    const bodies = new Uint8Array(3_000_000);
    for (let at = 0; at + body.length <= bodies.length; at += body.length) bodies.set(body, at);
    const { opener } = link((_target, transport) => {
      const echo = new Connection(transport, { onMessage() {}, onClose() {} });
      echo.receiver = { onMessage: (message) => echo.send(message), onClose() {} };
    });
    const echoed = Promise.withResolvers<Message>();
    const connection = new Connection(opener.open(target), { onMessage: echoed.resolve, onClose() {} });
    connection.send({ op: "report", body: bodies });
    const message = await echoed.promise;
    assertEquals(message.op === "report" && message.body, bodies);
  });

  it("cannot be opened by a peer where this side accepts none", async () => {
    const transport = new ScriptedTransport();
    channelsOver(transport);
    await Promise.resolve();
    transport.receive({ op: "open", channel: 1, worker: "w", home: "h", caller: undefined });
    assertEquals(transport.closed, { code: 4400, reason: "Cannot open channel 1 here" });
  });

  it("cannot be opened twice under one number", async () => {
    const transport = new ScriptedTransport();
    const { channels } = channelsOver(transport, () => {});
    await Promise.resolve();
    const open: Message = { op: "open", channel: 5, worker: "w", home: "h", caller: undefined };
    transport.receive(open);
    assertEquals(channels.size, 1);
    transport.receive(open);
    assertEquals(transport.closed, { code: 4400, reason: "Cannot open channel 5 here" });
    assertEquals(channels.size, 0);
  });

  it("ignore what arrives for a channel that has ended or never was", async () => {
    const transport = new ScriptedTransport();
    const { channels } = channelsOver(transport);
    await Promise.resolve();
    channels.open(target).close(1000, "");
    transport.receive(
      { op: "data", channel: 1, frame: encodeMessage({ op: "ping", id: 1 }) },
      { op: "close", channel: 1, code: 1000, reason: "" },
      { op: "data", channel: 9, frame: new Uint8Array(1) },
    );
    assertStrictEquals(transport.closed, undefined);
    await Promise.resolve();
    assertEquals(transport.messages.map(({ op }) => op), ["open", "close"]);
  });
});
