/**
 * A client's link to a home that is the test: it sees what arrives, and says what is answered.
 *
 * @module
 */

import { CallLink, type CallLinkEnd } from "../../client/call_link.ts";
import { Connection, createMemoryTransports } from "../../connection/mod.ts";
import { decodeValue, encodeValue, type Message } from "../../protocol/mod.ts";

/** A link, and its home. */
export interface LinkedHome {
  readonly link: CallLink;
  /** Lets the link's connection stand. */
  connect(): Promise<void>;
  /** Does not let it. */
  refuse(error: Error): Promise<void>;
  /** What has arrived. */
  readonly arrived: readonly Message[];
  /** The ops of it. */
  readonly ops: readonly string[];
  /** Says something to the client, and waits until it has heard. */
  say(message: Message): Promise<void>;
  /** Ends the connection. */
  close(code: number): Promise<void>;
  /** Cuts the connection, at once. */
  cut(): void;
  /** How the link ended. */
  readonly ends: readonly CallLinkEnd[];
}

/** Lets what is on its way in memory arrive. */
export async function delivered(): Promise<void> {
  for (let hop = 0; hop < 50; hop++) await Promise.resolve();
}

/** Opens a link whose connection waits for `connect`. */
export function openLinkedHome(): LinkedHome {
  const [here, there] = createMemoryTransports();
  const arrived: Message[] = [];
  const ends: CallLinkEnd[] = [];
  const connected = Promise.withResolvers<void>();
  // Bytes of a message are good for this moment only.
  const keep = (message: Message): Message => structuredClone(message);
  const home = new Connection(there, { onMessage: (message) => arrived.push(keep(message)), onClose() {} });
  const link = new CallLink({
    connect: async (receiver) => {
      const connection = new Connection(here, receiver);
      await connected.promise;
      return connection;
    },
    lend: {
      encode: (value, root) => encodeValue(value, { root }),
      decode: (value) => decodeValue(value),
      hold: () => () => {},
      confirmHeld: () => undefined,
      bind: (run) => run,
    },
    onEnd: (end) => ends.push(end),
  });
  return {
    link,
    arrived,
    ends,
    get ops() {
      return arrived.map(({ op }) => op);
    },
    async connect() {
      connected.resolve();
      await delivered();
    },
    async refuse(error) {
      connected.reject(error);
      await delivered();
    },
    async say(message) {
      home.send(message);
      await delivered();
    },
    cut: () => here.abort(),
    async close(code) {
      home.close(code, "by the test");
      await delivered();
    },
  };
}
