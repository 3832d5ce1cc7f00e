/**
 * The bodies of control messages: what peers say about themselves and their wishes, as MessagePack maps in a `bytes` field.
 *
 * Calls have none. A reader leaves out names that it does not know, so that a body can grow without a new version.
 *
 * @module
 */

import { parseActorReference } from "./actor_reference.ts";
import {
  bytes,
  flag,
  list,
  longText,
  number,
  object,
  oneOf,
  optional,
  record,
  type Shape,
  type Shaped,
  text,
  uint,
} from "./shape.ts";
import { decodeValue, encodeValue } from "./values.ts";

/** Where an actor can live. */
export const HOME_KINDS = ["inline", "shared", "dedicated", "process"] as const;

/** Where an actor lives: the host's own event loop, a shared or an own Web Worker isolate, or a process of its own. */
export type HomeKind = (typeof HOME_KINDS)[number];

/** Why an actor was lost. */
export const LOSS_REASONS = [
  "host-exit",
  "host-stuck",
  "worker-exit",
  "worker-timeout",
  "isolate-exit",
  "isolate-stuck",
  "oom",
  "drained",
  "killed",
  "fenced",
  "cancelled",
  "restarted",
] as const;

/** Why an actor was lost. */
export type LossReason = (typeof LOSS_REASONS)[number];

const versions = { troupe: text, runtime: text };

/** A client's hello: role `client`. */
export const clientHello = object({ ...versions });
/** A client's hello: role `client`. */
export type ClientHello = Shaped<typeof clientHello>;

/** The scheduler's welcome to a client. */
export const clientWelcome = object({
  ...versions,
  /** The scheduler's id; another one after a restart. */
  scheduler: text,
  /** The client's id, for diagnostics. */
  client: text,
  /** The session's number, from which keys are made (`ids.ts`). */
  sessionNumber: uint,
  /** Link to the dashboard or API. */
  dashboard: text,
  /** Milliseconds between pings of either side. */
  pingInterval: uint,
});
/** The scheduler's welcome to a client. */
export type ClientWelcome = Shaped<typeof clientWelcome>;

/** A worker's hello, said by its nanny: role `worker`. */
export const workerHello = object({
  ...versions,
  /** The name that its user gave, or an empty string. */
  name: text,
  /** Process id of the nanny. */
  pid: uint,
  /** Name of the machine, for `workers:` restrictions. */
  machine: text,
  /** What it offers, in amounts of the user's own units. */
  resources: record(number),
  /** How many shared isolates it starts at the most. */
  isolates: uint,
  /** How many task isolates it starts at the most. */
  threads: uint,
  /** Memory limit of its hosts in bytes; 0 for none. */
  memoryLimit: uint,
});
/** A worker's hello, said by its nanny. */
export type WorkerHello = Shaped<typeof workerHello>;

/** The scheduler's welcome to a worker. */
export const workerWelcome = object({
  ...versions,
  scheduler: text,
  /** The worker's id. */
  worker: text,
  /** Its name: its own, or one that the scheduler made. */
  name: text,
  /** Milliseconds between heartbeats. */
  heartbeatInterval: uint,
  /** The scheduler's raw Ed25519 public key, with which hosts check tickets. */
  publicKey: bytes,
  /** Whether the scheduler is bound to loopback: then `file:` and `data:` modules are allowed by default. */
  loopback: flag,
});
/** The scheduler's welcome to a worker. */
export type WorkerWelcome = Shaped<typeof workerWelcome>;

/** A host's hello: role `host`. Worker and incarnation stand in its ticket. */
export const hostHello = object({
  ...versions,
  /** Process id of the host; 0 where the platform does not say. */
  pid: uint,
  /** WebSocket address of the host's own data plane; empty where it only dials out. */
  address: text,
});
/** A host's hello. */
export type HostHello = Shaped<typeof hostHello>;

/** The answer to a host's, a caller's or a watchdog's hello. */
export const plainWelcome = object({ ...versions });
/** The answer to a host's, a caller's or a watchdog's hello. */
export type PlainWelcome = Shaped<typeof plainWelcome>;

/** A caller's hello on a direct connection or in a channel: role `caller`. */
export const callerHello = object({ ...versions });
/** A caller's hello. */
export type CallerHello = Shaped<typeof callerHello>;

/** What to run, and where its code is. */
export const targetShape = object({
  /** URL of the module; for a target sent by value a `data:` URL. */
  module: longText,
  /** Name of the export. */
  export: text,
  /** Name of the class or function, for people. */
  name: text,
  /** Whether the module was made from the target's own source. */
  byValue: flag,
  /** The user's word for the state of an `http:` module: another one loads it anew. */
  version: optional(text),
});
/** What to run, and where its code is. */
export type SubmittedTarget = Shaped<typeof targetShape>;

/** What is done about an isolate that is held up beyond a deadline: it is given up, or its process is ended. */
export const ON_STUCK = ["abandon", "kill-host"] as const;

/** One of Deno's permissions, or all of them: as a Web Worker of Deno takes them. */
export const permissionShape: Shape<boolean | "inherit" | string[]> = (value, path) => {
  if (typeof value === "boolean" || value === "inherit") return value;
  return list(text)(value, path);
};

/** The permissions of a home of its own. */
export const permissionsShape: Shape<"inherit" | "none" | Record<string, boolean | "inherit" | string[]>> = (
  value,
  path,
) => value === "inherit" || value === "none" ? value : record(permissionShape)(value, path);

/** The permissions of a home of its own. */
export type HomePermissions = Shaped<typeof permissionsShape>;

/** What a client submits. */
export const submitBody = object({
  target: targetShape,
  actor: flag,
  /** The home that the caller's look at the class, or the user, chose. */
  home: oneOf(HOME_KINDS),
  /** Whether the user chose it: then a class that does not fit is refused instead of moved. */
  homeFixed: flag,
  workers: optional(list(text)),
  allowOtherWorkers: optional(flag),
  resources: optional(record(number)),
  priority: optional(number),
  retries: optional(uint),
  /** Milliseconds until it must run, or fail. */
  timeout: optional(number),
  detached: optional(flag),
  /** For a task: whether it may run again where its result is lost. */
  pure: optional(flag),
  /** What the code may do, in a home of its own. */
  permissions: optional(permissionsShape),
  /** The most bytes of memory, in a process of its own. */
  memoryLimit: optional(number),
  /** What is done where it holds up its isolate beyond a deadline. */
  onStuck: optional(oneOf(ON_STUCK)),
  /** How many calls of an actor may run or wait. */
  maxPending: optional(number),
  /** How many calls of an actor run at a time; left out for what its class says. */
  concurrency: optional(number),
});
/** What a client submits. */
export type SubmitBody = Shaped<typeof submitBody>;

/** What a host says of an actor that it created. */
export const createdBody = object({
  home: text,
  homeKind: oneOf(HOME_KINDS),
  address: text,
  tag: bytes,
  manifest: bytes,
});
/** What a host says of an actor that it created. */
export type CreatedBody = Shaped<typeof createdBody>;

/** What a client wants of a value that it scatters. */
export const scatterBody = object({
  workers: optional(list(text)),
  allowOtherWorkers: optional(flag),
});
/** What a client wants of a value that it scatters. */
export type ScatterBody = Shaped<typeof scatterBody>;

/** Results of at most this many bytes travel with the messages about them, and need no fetching. */
export const SMALL_RESULT = 1024;

/** A host that keeps a result. */
export const dataHolder = object({
  /** Worker id. */
  worker: text,
  /** Incarnation of the host. */
  host: text,
  /** Id of the home that answers `getData`: the host's own. */
  home: text,
  /** WebSocket address of the host's data plane; empty where calls are relayed. */
  address: text,
});
/** A host that keeps a result. */
export type DataHolder = Shaped<typeof dataHolder>;

/** Hosts that keep a result. */
export const dataHolders = list(dataHolder);

/** Where a task finds what it depends on. */
export const dependenciesBody = list(object({
  key: text,
  /** The attempt of which it came; 0 for an actor. */
  run: uint,
  /** The value, where it is small. */
  value: optional(bytes),
  /** Keys of the actors and futures in it. */
  refs: list(text),
  /** Who keeps it, where it is not small. */
  holders: list(dataHolder),
}));
/** Where a task finds what it depends on. */
export type DependenciesBody = Shaped<typeof dependenciesBody>;

/** Statuses that the scheduler tells of a key. */
export const KEY_STATUSES = ["no-worker", "processing", "finished", "error", "lost", "cancelled"] as const;

/** What became of a key. */
export const statusBody = object({
  status: oneOf(KEY_STATUSES),
  /** For `no-worker`: what was wanted and what is offered. For `lost`: the reason. */
  reason: optional(text),
  /** For `finished`: the actor. */
  actor: optional(parseActorReference as Shape<ReturnType<typeof parseActorReference>>),
  /** For `finished`: a ticket for the actor's home, where the session has had none for it. */
  ticket: optional(text),
  /** For `finished`: a task's result, where it is small. */
  value: optional(bytes),
  /** For `finished`: keys of the actors and futures in a task's result. */
  refs: optional(list(text)),
  /** For `finished`: the size of a task's result in bytes. */
  size: optional(uint),
  /** For `finished`: who keeps a task's result, where it is not small. */
  holders: optional(list(dataHolder)),
  /** For `error`: an error envelope. */
  error: optional(bytes),
  /** For `error`: whether the constructor or task ran. */
  executed: optional(oneOf(["no", "yes", "unknown"])),
  /** For `lost`: the worker, by name. */
  worker: optional(text),
  /** For `lost`: what more there is to say of the reason, as a sentence for people. */
  detail: optional(text),
});
/** What became of a key. */
export type StatusBody = Shaped<typeof statusBody>;

/** What a nanny says once a second. */
export const heartbeatBody = object({
  /** Incarnation of the host that runs, or an empty string. */
  host: text,
  /** Resident memory of the host in bytes. */
  memory: uint,
  /** Lag of the host's main loop in milliseconds. */
  lag: number,
});
/** What a nanny says once a second. */
export type HeartbeatBody = Shaped<typeof heartbeatBody>;

/** Requests of a client (`request` messages), by name, with the shapes of what is asked and answered. */
export const REQUESTS = {
  /** A one-use ticket for a home of a worker. */
  ticket: {
    asked: object({ worker: text, host: text, home: text }),
    answered: object({ ticket: text }),
  },
  /** The actor of a key, without creating it. */
  getActor: {
    asked: object({ key: text }),
    answered: object({
      actor: parseActorReference as Shape<ReturnType<typeof parseActorReference>>,
      ticket: optional(text),
    }),
  },
  /** Where the value of a task is; answered when it is there. */
  locate: {
    asked: object({ key: text }),
    answered: object({ value: optional(bytes), refs: list(text), size: uint, holders: list(dataHolder) }),
  },
  /** Answered when everything that was said before has been heard. */
  sync: {
    asked: object({}),
    answered: object({}),
  },
  /** Of a host: a one-use ticket with which an isolate of it connects as a client of its own. */
  clientTicket: {
    asked: object({}),
    answered: object({ ticket: text }),
  },
  /** The scheduler's snapshot (`snapshot.ts`). */
  info: {
    asked: object({}),
    answered: ((value: unknown) => value) as Shape<unknown>,
  },
  /** Actors with what is counted of them (`ActorDetails` of `snapshot.ts`): those that need a look first. */
  actors: {
    asked: object({ class: optional(text), limit: optional(uint) }),
    answered: ((value: unknown) => value) as Shape<unknown>,
  },
  /** Why something does not run, or where it runs (`Explanation` of `snapshot.ts`). */
  explain: {
    asked: object({ key: text }),
    answered: ((value: unknown) => value) as Shape<unknown>,
  },
  /** Retires workers: they finish what runs, then leave. */
  retireWorkers: {
    asked: object({ workers: list(text), timeout: optional(uint) }),
    answered: object({ workers: list(text) }),
  },
  /** Of a host that leaves: answered when nothing more can be moved from it to others. */
  leave: {
    asked: object({}),
    answered: object({}),
  },
  /** Ends all that was submitted, and starts all hosts anew; answered when they are back. */
  restart: {
    asked: object({ timeout: optional(uint) }),
    answered: object({}),
  },
  /** Has modules loaded anew from now on. */
  reloadModules: {
    asked: object({}),
    answered: object({}),
  },
} as const;

/** The name of a request. */
export type RequestName = keyof typeof REQUESTS;
/** What is asked. */
export type Asked<N extends RequestName> = Shaped<(typeof REQUESTS)[N]["asked"]>;
/** What is answered. */
export type Answered<N extends RequestName> = Shaped<(typeof REQUESTS)[N]["answered"]>;

/** The bytes of a body. */
export function encodeBody(body: object): Uint8Array {
  return encodeValue(body).bytes;
}

/** @throws {ProtocolError} Where the bytes are no such body; `name` says in the error which one. */
export function decodeBody<T>(shape: Shape<T>, encoded: Uint8Array, name: string): T {
  return shape(decodeValue(encoded), name);
}

/** Decodes bodies of one kind, of which the same comes many times: as with a `map`, where only the arguments differ. */
export class BodyCache<T> {
  readonly #shape: Shape<T>;
  readonly #name: string;
  #bytes: Uint8Array = new Uint8Array();
  #body: T | undefined;

  /** @param name As of {@linkcode decodeBody}. */
  constructor(shape: Shape<T>, name: string) {
    this.#shape = shape;
    this.#name = name;
  }

  /** The bytes of the last body: the same ones as long as the same comes. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /**
   * As {@linkcode decodeBody}. Equal bodies that follow each other give the same object, which is not to be changed.
   *
   * @throws {ProtocolError} Where the bytes are no such body.
   */
  decode(encoded: Uint8Array): T {
    if (this.#body !== undefined && isEqual(encoded, this.#bytes)) return this.#body;
    const body = decodeBody(this.#shape, encoded, this.#name);
    this.#bytes = encoded.slice();
    return this.#body = body;
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  const { length } = one;
  if (length !== other.length) return false;
  for (let index = 0; index < length; index++) if (one[index] !== other[index]) return false;
  return true;
}
