/**
 * The first messages of a connection: who is there, and which version both speak.
 *
 * @module
 */

import {
  CloseCode,
  type CloseInfo,
  ConnectionLostError,
  DEFAULT_LIMITS,
  type Limits,
  type MessageOf,
  negotiateVersion,
  OLDEST_PROTOCOL_VERSION,
  PROTOCOL_VERSION,
  ProtocolError,
} from "../protocol/mod.ts";
import type { Clock } from "./clock.ts";
import { Connection, type ConnectionReceiver } from "./connection.ts";
import type { Transport } from "./transport.ts";

/** What the accepting side does with a connection. */
export interface AcceptOptions {
  /** The time. */
  readonly clock: Clock;
  /** What the peer may do. */
  readonly limits?: Limits;
  /**
   * Takes the peer in: answers with `welcome` when it is ready to, and returns who is told from now on. It is called
   * synchronously, as messages may follow hello in the same frame. An error refuses the peer with its message; so does
   * closing the connection, and then what is returned is never told anything.
   */
  readonly onHello: (connection: Connection, hello: MessageOf<"hello">, version: number) => ConnectionReceiver;
}

/** A timer that is later than this, in milliseconds, tells that the loop did not run. */
const HELD_UP = 1000;

/** Takes a connection that was accepted: a peer that says no hello in time, or none that fits, is closed with the reason. */
export function acceptConnection(transport: Transport, options: AcceptOptions): Connection {
  const { clock, limits = DEFAULT_LIMITS, onHello } = options;
  let cancel: () => void;
  function awaitHello(): void {
    const due = clock.now() + limits.helloMs;
    cancel = clock.setTimer(limits.helloMs, () => {
      // Time in which this loop did not run does not count.
      if (clock.now() - due > HELD_UP) return awaitHello();
      // A busy loop fires timers before it reads sockets: hello may be here already. Look once more after the sockets.
      cancel = clock.setTimer(0, () => {
        connection.close(CloseCode.helloTimeout, `No hello within ${limits.helloMs} ms`);
      });
    });
  }
  awaitHello();
  const connection = new Connection(transport, {
    onMessage(message) {
      cancel();
      if (message.op !== "hello") throw new ProtocolError(`Cannot take a ${message.op} message before hello`);
      const version = negotiateVersion(message.minimum, message.maximum);
      if (version === undefined) {
        const range = `${OLDEST_PROTOCOL_VERSION} to ${PROTOCOL_VERSION}`;
        connection.close(
          CloseCode.version,
          `Protocol versions ${message.minimum} to ${message.maximum} are not spoken here, only ${range}`,
        );
        return;
      }
      connection.receiver = onHello(connection, message, version);
    },
    onClose: () => cancel(),
  }, limits);
  return connection;
}

/** What the dialling side says of itself. */
export interface GreetOptions {
  /** What it is: `client`, `worker`, `host`, `caller` or `watchdog`. */
  readonly role: string;
  /** Its session: 128 random bits in hexadecimal. */
  readonly session: string;
  /** The body of its hello, encoded. */
  readonly body: Uint8Array;
  /** Who is told of the end, and of what follows the welcome, even before `welcome` resolves. */
  readonly receiver: ConnectionReceiver;
  /** What the peer may do. */
  readonly limits?: Limits;
}

/** A connection that said hello. Messages may be sent at once: they follow the hello, and a refusal ends them all. */
export interface Greeting {
  /** The connection. */
  readonly connection: Connection;
  /**
   * The peer's welcome, or its refusal.
   *
   * @throws {ConnectionLostError | ProtocolError}
   */
  readonly welcome: Promise<MessageOf<"welcome">>;
}

/** Says hello over a transport that was dialled. */
export function greet(transport: Transport, options: GreetOptions): Greeting {
  const { promise: welcome, resolve, reject } = Promise.withResolvers<MessageOf<"welcome">>();
  // Where nobody waits for the welcome, the end is still told to the receiver.
  welcome.catch(() => {});
  const connection = new Connection(transport, {
    onMessage(message) {
      if (message.op !== "welcome") throw new ProtocolError(`Cannot take a ${message.op} message before welcome`);
      if (negotiateVersion(message.version, message.version) === undefined) {
        throw new ProtocolError(`Cannot speak protocol version ${message.version}, which the peer chose`);
      }
      connection.receiver = options.receiver;
      resolve(message);
    },
    onClose(info) {
      reject(refusal(info));
      options.receiver.onClose(info);
    },
  }, options.limits);
  connection.send({
    op: "hello",
    minimum: OLDEST_PROTOCOL_VERSION,
    maximum: PROTOCOL_VERSION,
    role: options.role,
    session: options.session,
    body: options.body,
  });
  return { connection, welcome };
}

function refusal(info: CloseInfo): Error {
  const said = info.reason || "no reason was given";
  if (info.code === CloseCode.version || info.code === CloseCode.badFrame) {
    return new ProtocolError(`Cannot connect: the peer closed with ${info.code}: ${said}`);
  }
  return new ConnectionLostError(`Cannot connect: the connection closed (${info.code}) during the handshake: ${said}`, {
    executed: "no",
  });
}
