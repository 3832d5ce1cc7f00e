import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import {
  acceptConnection,
  ACCEPTED_POLICY,
  type AcceptOptions,
  type Connection,
  type ConnectionReceiver,
  createMemoryTransports,
  createWebSocketTransport,
  greet,
  type GreetOptions,
  platformClock,
  type Transport,
} from "../../connection/mod.ts";
import {
  type CloseInfo,
  ConnectionLostError,
  DEFAULT_LIMITS,
  encodeMessage,
  type Message,
  type MessageOf,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  ProtocolError,
} from "../../protocol/mod.ts";
import { FakeClock } from "../helpers/fake_clock.ts";
import { ScriptedTransport } from "../helpers/scripted_transport.ts";
import { happened, SocketServer } from "../helpers/websocket_pair.ts";

class Heard implements ConnectionReceiver {
  readonly messages: Message[] = [];
  readonly ends: CloseInfo[] = [];
  onMessage(message: Message): void {
    this.messages.push(message);
  }
  onClose(info: CloseInfo): void {
    this.ends.push(info);
  }
}

const body = Uint8Array.of(0x80);
const hello: MessageOf<"hello"> = {
  op: "hello",
  minimum: OLDEST_PROTOCOL_VERSION,
  maximum: PROTOCOL_VERSION,
  role: "caller",
  session: "0".repeat(32),
  body,
};

/** An accepting side whose peer is the test. */
function accept(onHello?: AcceptOptions["onHello"], early: Message[] = []) {
  const clock = new FakeClock();
  const transport = new ScriptedTransport();
  const heard = new Heard();
  const hellos: [MessageOf<"hello">, number][] = [];
  const connection = acceptConnection(transport, {
    clock,
    onHello(connection, hello, version) {
      hellos.push([hello, version]);
      connection.send({ op: "welcome", version, body });
      return onHello?.(connection, hello, version) ?? heard;
    },
  });
  if (early.length > 0) transport.receive(...early);
  return { clock, transport, heard, hellos, connection };
}

function dial(transport: Transport, options: Partial<GreetOptions> = {}) {
  const heard = new Heard();
  return { heard, ...greet(transport, { role: "caller", session: "0".repeat(32), body, receiver: heard, ...options }) };
}

describe("accepting a connection", () => {
  it("hands over the hello with the version that both sides speak", async () => {
    const { transport, hellos, clock } = accept(undefined, [hello]);
    assertEquals(hellos, [[hello, PROTOCOL_VERSION]]);
    await Promise.resolve();
    assertEquals(transport.messages, [{ op: "welcome", version: PROTOCOL_VERSION, body }]);
    assertEquals(clock.timers, 0);
  });

  it("hands messages that follow hello in the same frame to the new receiver, in order", () => {
    const following: Message[] = [{ op: "detach", slot: 1 }, { op: "detach", slot: 2 }];
    const { heard, transport } = accept(undefined, [hello, ...following]);
    assertEquals(heard.messages, following);
    transport.end();
    assertEquals(heard.ends, [{ code: 0, reason: "", local: false }]);
  });

  it("takes a hello that was there before it", async () => {
    const [one, other] = createMemoryTransports();
    one.send(encodeMessage(hello));
    await Promise.resolve();
    const welcomed = Promise.withResolvers<Connection>();
    const heard = new Heard();
    const connection = acceptConnection(other, {
      clock: new FakeClock(),
      onHello(connection) {
        welcomed.resolve(connection);
        return heard;
      },
    });
    assertStrictEquals(await welcomed.promise, connection);
  });

  it("closes with 4426 and the range that is spoken where the versions do not meet", () => {
    const { transport, hellos } = accept(undefined, [{
      ...hello,
      minimum: PROTOCOL_VERSION + 1,
      maximum: PROTOCOL_VERSION + 3,
    }]);
    assertEquals(transport.closed, {
      code: 4426,
      reason: `Protocol versions 2 to 4 are not spoken here, only ${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`,
    });
    assertEquals(hellos, []);
  });

  it("speaks with newer peers that still know this version", () => {
    assertEquals(accept(undefined, [{ ...hello, maximum: 900 }]).hellos[0]?.[1], PROTOCOL_VERSION);
  });

  it("closes with 4400 where another message comes before hello", () => {
    const { transport, hellos } = accept(undefined, [{ op: "detach", slot: 1 }, hello]);
    assertEquals(transport.closed, { code: 4400, reason: "Cannot take a detach message before hello" });
    assertEquals(hellos, []);
  });

  it("answers pings before hello, which stays due", async () => {
    const { transport, clock } = accept(undefined, [{ op: "ping", id: 3 }]);
    await Promise.resolve();
    assertEquals(transport.messages, [{ op: "pong", id: 3 }]);
    assertEquals(clock.timers, 1);
  });

  it("refuses with the message of an error, or as the connection is closed", () => {
    const thrown = accept(() => {
      throw new ProtocolError("Cannot serve the role caller here");
    }, [hello]);
    assertEquals(thrown.transport.closed, { code: 4400, reason: "Cannot serve the role caller here" });
    const closed = accept((connection) => {
      connection.close(4403, "not you");
      return closed.heard;
    });
    closed.transport.receive(hello, { op: "detach", slot: 1 });
    assertEquals(closed.transport.closed, { code: 4403, reason: "not you" });
    assertEquals([closed.heard.messages, closed.heard.ends], [[], []]);
  });

  it("closes with 4401 where no hello comes in time, and not before the sockets were read once more", () => {
    const { transport, clock } = accept();
    clock.advance(DEFAULT_LIMITS.helloMs - 1);
    assertStrictEquals(transport.closed, undefined);
    clock.advance(1);
    assertEquals(transport.closed, { code: 4401, reason: "No hello within 5000 ms" });
    assertEquals(clock.timers, 0);
  });

  it("takes a hello that a busy loop finds only after its own timer", () => {
    const { transport, clock, hellos } = accept();
    clock.block(DEFAULT_LIMITS.helloMs + 500);
    assertStrictEquals(transport.closed, undefined);
    transport.receive(hello);
    assertEquals(hellos.length, 1);
    clock.advance(100_000);
    assertEquals([transport.closed, clock.timers], [undefined, 0]);
  });

  it("gives the peer its time anew where the loop did not run for more than a second", () => {
    const { transport, clock, connection } = accept();
    clock.block(60_000);
    clock.advance(DEFAULT_LIMITS.helloMs - 1);
    assertStrictEquals(connection.closed, undefined);
    clock.advance(1);
    assertEquals(transport.closed?.code, 4401);
  });

  it("waits no longer for the hello of a peer that has gone", () => {
    const { transport, clock } = accept();
    transport.end();
    assertEquals(clock.timers, 0);
  });

  it("reads on a real socket the hello that came while the loop was busy", async () => {
    const accepted = Promise.withResolvers<WebSocket>();
    await using server = new SocketServer(accepted.resolve);
    const script = `
      const socket = new WebSocket("${server.address}");
      socket.onopen = () => socket.send(new Uint8Array([${encodeMessage(hello)}]));
      socket.onclose = () => self.close();`;
    const _dialler = new Worker(`data:text/javascript,${encodeURIComponent(script)}`, { type: "module" });
    const socket = await accepted.promise;
    const outcome = Promise.withResolvers<string>();
    const connection = acceptConnection(createWebSocketTransport(socket, ACCEPTED_POLICY), {
      clock: platformClock,
      limits: { ...DEFAULT_LIMITS, helloMs: 50 },
      onHello() {
        outcome.resolve("welcome");
        return { onMessage() {}, onClose() {} };
      },
    });
    const closed = happened(socket, "close");
    closed.then((event) => outcome.resolve((event as CloseEvent).reason));
    await happened(socket, "open");
    const end = performance.now() + 400;
    while (performance.now() < end) { /* a sync method of an actor */ }
    assertEquals(await outcome.promise, "welcome");
    connection.close();
    await closed;
  });
});

describe("greeting a peer", () => {
  it("says hello first, with what its caller says of itself, and resolves with the welcome", async () => {
    const transport = new ScriptedTransport();
    const { welcome, heard } = dial(transport, { role: "client", session: "f".repeat(32) });
    await Promise.resolve();
    assertEquals(transport.messages, [{ ...hello, role: "client", session: "f".repeat(32) }]);
    const answer: Message = { op: "welcome", version: PROTOCOL_VERSION, body: Uint8Array.of(1) };
    transport.receive(answer, { op: "detach", slot: 1 });
    assertEquals(await welcome, answer);
    assertEquals(heard.messages, [{ op: "detach", slot: 1 }]);
  });

  it("lets calls follow the hello before the welcome is there", async () => {
    const [one, other] = createMemoryTransports();
    const served = new Heard();
    const { connection, welcome } = dial(one);
    connection.send({ op: "detach", slot: 1 });
    connection.send({ op: "detach", slot: 2 });
    acceptConnection(other, {
      clock: new FakeClock(),
      onHello(connection, _hello, version) {
        connection.send({ op: "welcome", version, body });
        return served;
      },
    });
    await welcome;
    assertEquals(served.messages, [{ op: "detach", slot: 1 }, { op: "detach", slot: 2 }]);
  });

  it("rejects with a ProtocolError and the reason where the versions do not meet", async () => {
    const transport = new ScriptedTransport();
    const { welcome, heard } = dial(transport);
    transport.end({ code: 4426, reason: "only 7 to 9", local: false });
    await assertRejects(() => welcome, ProtocolError, "Cannot connect: the peer closed with 4426: only 7 to 9");
    assertEquals(heard.ends.length, 1);
  });

  it("rejects with a ConnectionLostError where the peer closes or vanishes, as nothing was executed", async () => {
    for (
      const [info, words] of [
        [{ code: 4401, reason: "No hello within 5000 ms" }, "(4401) during the handshake: No hello within 5000 ms"],
        [{ code: 0, reason: "" }, "(0) during the handshake: no reason was given"],
      ] as const
    ) {
      const transport = new ScriptedTransport();
      const { welcome, heard } = dial(transport);
      transport.end({ ...info, local: false });
      const error = await assertRejects(() => welcome, ConnectionLostError, words);
      assertEquals(error.executed, "no");
      assertEquals(heard.ends.length, 1);
    }
  });

  it("rejects where this side closes before the welcome", async () => {
    const { welcome, connection, heard } = dial(new ScriptedTransport());
    connection.close(1000, "changed my mind");
    await assertRejects(() => welcome, ConnectionLostError, "changed my mind");
    assertEquals(heard.ends, [{ code: 1000, reason: "changed my mind", local: true }]);
  });

  it("refuses a peer that says something else than welcome first", async () => {
    const transport = new ScriptedTransport();
    const { welcome, heard } = dial(transport);
    transport.receive({ op: "status", key: "k", body });
    assertEquals(transport.closed, { code: 4400, reason: "Cannot take a status message before welcome" });
    await assertRejects(() => welcome, ProtocolError, "Cannot take a status message before welcome");
    assertEquals(heard.messages, []);
  });

  it("refuses a peer that chooses a version nobody offered", async () => {
    const transport = new ScriptedTransport();
    const { welcome } = dial(transport);
    transport.receive({ op: "welcome", version: PROTOCOL_VERSION + 1, body });
    assertEquals(transport.closed?.code, 4400);
    await assertRejects(() => welcome, ProtocolError, "Cannot speak protocol version 2, which the peer chose");
  });

  it("tells its receiver of an end after the welcome, and rejects nothing then", async () => {
    const transport = new ScriptedTransport();
    const { welcome, heard } = dial(transport);
    transport.receive({ op: "welcome", version: PROTOCOL_VERSION, body });
    transport.end();
    assertEquals((await welcome).op, "welcome");
    assertEquals(heard.ends.length, 1);
  });

  it("hears only later of a link that had ended before", async () => {
    const [one] = createMemoryTransports();
    one.abort();
    const { welcome, heard } = dial(one);
    assertEquals(heard.ends, []);
    await assertRejects(() => welcome, ConnectionLostError);
    assert(heard.ends.length === 1);
  });
});
