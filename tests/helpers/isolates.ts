/**
 * What tests of isolates need: settings, a scheduler's signature, orders, and callers.
 *
 * @module
 */

import { createWebSocketTransport, NAGLE_POLICY } from "../../connection/mod.ts";
import {
  decodeError,
  decodeValue,
  encodeClaims,
  encodeValue,
  formatTicket,
  randomHex,
  SUBPROTOCOL,
  TICKET_SUBPROTOCOL,
  type TicketClaims,
} from "../../protocol/mod.ts";
import type {
  ActorIsolate,
  CreateOrder,
  CreateOutcome,
  HostServices,
  IsolateSettings,
  TaskIsolate,
  TaskOrder,
  TaskOutcome,
} from "../../worker/isolate.ts";
import { RawCaller } from "./raw_caller.ts";

/** Signs tickets as a scheduler does. */
export interface TicketSigner {
  /** The raw public key. */
  readonly publicKey: Uint8Array;
  /** A ticket for the worker, host and home of the tests, unless `claims` says otherwise. */
  sign(claims?: Partial<TicketClaims>): Promise<string>;
}

/** A scheduler's key pair. */
export async function createTicketSigner(): Promise<TicketSigner> {
  const { publicKey, privateKey } = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", publicKey)),
    async sign(claims = {}) {
      const encoded = encodeClaims({
        role: "caller",
        worker: "worker-1",
        host: "host-1",
        home: "shared-1",
        expires: Date.now() + 30_000,
        nonce: randomHex(16),
        ...claims,
      });
      return formatTicket(encoded, new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, encoded)));
    },
  };
}

/** Settings of an isolate that listens on loopback and may load what tests load. */
export function isolateSettings(settings: Partial<IsolateSettings> = {}): IsolateSettings {
  return {
    scheduler: "ws://127.0.0.1:9",
    caCerts: undefined,
    hostAddress: "ws://127.0.0.1:9/ws",
    worker: "worker-1",
    workerName: "alice",
    host: "host-1",
    publicKey: new Uint8Array(32),
    listen: { hostname: "127.0.0.1", contactHostname: "127.0.0.1" },
    allowModules: ["file:", "data:"],
    moduleTimeout: 10_000,
    ...settings,
  };
}

/** A host that lets its isolates connect nowhere. */
export const NO_SERVICES: HostServices = {
  clientTicket: () => Promise.reject(new Error("This test has no scheduler")),
};

/** URL of a fixture: `counter.ts`. */
export function fixture(file: string): string {
  return import.meta.resolve(`../fixtures/actors/${file}`);
}

/** An order for an export of a fixture, or of a whole URL. */
export function orderOf(
  module: string,
  name: string,
  args: readonly unknown[] = [],
  order: Partial<CreateOrder> & { readonly byValue?: boolean } = {},
): CreateOrder {
  const { byValue = false, ...rest } = order;
  return {
    key: `${name}-${randomHex(4)}`,
    incarnation: randomHex(8),
    target: {
      module: module.includes(":") ? module : fixture(module),
      export: name,
      name,
      byValue,
      version: undefined,
    },
    args: encodeValue(args).bytes.slice(),
    refs: [],
    retries: 0,
    asyncOnly: false,
    bounds: {},
    timeLimit: Infinity,
    ...rest,
  };
}

/** A task for an export of a fixture, or of a whole URL. */
export function taskOf(
  module: string,
  name: string,
  args: readonly unknown[] = [],
  order: Partial<TaskOrder> & { readonly byValue?: boolean } = {},
): TaskOrder {
  const { key, target, args: encoded, refs } = orderOf(module, name, args, { byValue: order.byValue ?? false });
  return { key, run: 1, target, args: encoded, refs, values: [], asyncOnly: false, ...order };
}

/** The result of a task, or its error thrown. */
export function resultOf(outcome: TaskOutcome): unknown {
  if (outcome.ok) return decodeValue(outcome.value, { role: "result" });
  throw decodeError(outcome.failure.error);
}

/** What names a created actor to its callers. */
export interface CreatedActor {
  readonly key: string;
  readonly incarnation: string;
  readonly tag: Uint8Array;
  readonly manifest: Uint8Array;
}

/** Carries out an order, or throws its error. */
export async function createActor(isolate: Pick<ActorIsolate, "create">, order: CreateOrder): Promise<CreatedActor> {
  const outcome = await isolate.create(order);
  if (!outcome.ok) throw decodeError(outcome.failure.error);
  const { tag, manifest } = outcome.created;
  return { key: order.key, incarnation: order.incarnation, tag, manifest };
}

/** The failure of an outcome, its error decoded. */
export function failureOf(outcome: CreateOutcome | TaskOutcome) {
  if (outcome.ok) throw new Error("It succeeded");
  return { ...outcome.failure, error: decodeError(outcome.failure.error) as Error & Record<string, unknown> };
}

/** Dials a home's own data plane. */
export async function dialCaller(address: string, ticket: string): Promise<RawCaller> {
  const socket = new WebSocket(address, [SUBPROTOCOL, TICKET_SUBPROTOCOL + ticket]);
  return await RawCaller.connect(createWebSocketTransport(socket, NAGLE_POLICY));
}

/** Runs a task in an isolate. Rejects where the isolate ends before it does. */
export function computeIn(isolate: TaskIsolate, order: TaskOrder): Promise<TaskOutcome> {
  return new Promise((resolve, reject) => {
    isolate.compute(order, {
      // The bytes of a small value are good for this moment only.
      settle: (outcome) => resolve(outcome.ok ? { ...outcome, value: outcome.value.slice() } : outcome),
      wait() {},
      lose: (begun) => reject(new Error(`The isolate has ended, and the task had ${begun ? "" : "not "}begun`)),
    });
  });
}
